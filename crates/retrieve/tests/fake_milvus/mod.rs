//! A server that speaks as much of Milvus's REST interface as `milvus://` uses, written after the handlers of Milvus 2.6
//! (`internal/distributed/proxy/httpserver`): a protocol test where no server can be had. Like the real one it gives 64-bit ids as texts,
//! orders equal scores as it likes, bounds a search, and shows the newest changes to searches of consistency `Strong` only (others are
//! refused here).

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Collection {
    dim: usize,
    index_type: String,
    rows: BTreeMap<i64, Vec<f32>>,
    loads: usize,
}

#[derive(Default)]
struct Server {
    token: String,
    collections: BTreeMap<(String, String), Collection>,
}

/// Serves on a free port, to those with the token; returns host and port.
pub(crate) fn serve(token: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let host = listener.local_addr().expect("an address").to_string();
    let server = Arc::new(Mutex::new(Server { token: token.to_owned(), ..Server::default() }));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let server = server.clone();
            std::thread::spawn(move || talk(stream, &server).ok());
        }
    });
    host
}

fn talk(stream: TcpStream, server: &Mutex<Server>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if reader.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let lower = head.to_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
        let mut body = vec![0; length.unwrap_or(0)];
        reader.read_exact(&mut body)?;
        let path = head
            .split(' ')
            .nth(1)
            .and_then(|path| path.strip_prefix("/v2/vectordb/"))
            .unwrap_or("")
            .to_owned();
        let mut server = server.lock().expect("no request panicked");
        let is_known = head.lines().any(|line| {
            line.split_once(": ").is_some_and(|(name, value)| {
                name.eq_ignore_ascii_case("authorization") && value == format!("Bearer {}", server.token)
            })
        });
        let (status, answer) = match serde_json::from_slice::<Value>(&body) {
            _ if !is_known => {
                ("401 Unauthorized", json!({ "code": 1800, "message": "user hasn't authenticated" }))
            }
            Err(error) => ("200 OK", json!({ "code": 1801, "message": error.to_string() })),
            Ok(body) => match server.answer(&path, &body) {
                Ok(data) => ("200 OK", json!({ "code": 0, "data": data })),
                Err(message) => ("200 OK", json!({ "code": 1100, "message": message })),
            },
        };
        drop(server);
        let answer = answer.to_string();
        let length = answer.len();
        // In one piece: the client confirms a piece that is not the last after 40 ms.
        let whole = format!("HTTP/1.1 {status}\r\ncontent-length: {length}\r\n\r\n{answer}");
        writer.write_all(whole.as_bytes())?;
    }
}

impl Server {
    fn answer(&mut self, path: &str, body: &Value) -> Result<Value, String> {
        let text = |name: &str| body[name].as_str().map(str::to_owned).ok_or(format!("missing {name}"));
        let key = (text("dbName")?, text("collectionName")?);
        if path == "collections/has" {
            return Ok(json!({ "has": self.collections.contains_key(&key) }));
        }
        if path == "collections/create" {
            let field = &body["schema"]["fields"][1];
            let dim = field["elementTypeParams"]["dim"].as_str().and_then(|dim| dim.parse().ok());
            let index = &body["indexParams"][0];
            if body["schema"]["fields"][0]["isPrimary"] != true || index["metricType"] != "IP" {
                return Err("no primary field, or another metric".to_owned());
            }
            let index_type = index["indexType"].as_str().unwrap_or("AUTOINDEX").to_owned();
            let dim = dim.filter(|dim| *dim > 1).ok_or("invalid dimension")?;
            self.collections.insert(key, Collection { dim, index_type, ..Collection::default() });
            return Ok(json!({}));
        }
        let collection =
            self.collections.get_mut(&key).ok_or(format!("collection not found[collection={}]", key.1))?;
        collection.answer(path, body)
    }
}

impl Collection {
    fn answer(&mut self, path: &str, body: &Value) -> Result<Value, String> {
        if ["entities/search", "entities/get"].contains(&path) && body["consistencyLevel"] != "Strong" {
            return Err("a stale answer".to_owned());
        }
        let filter = body["filter"].as_str().unwrap_or("");
        Ok(match path {
            "collections/describe" => json!({ "fields": [
                { "name": "id", "type": "Int64", "primaryKey": true },
                { "name": "vector", "type": "FloatVector", "params": [{ "key": "dim", "value": self.dim.to_string() }] },
            ] }),
            "indexes/describe" => {
                json!([{ "indexName": "vector", "indexType": self.index_type, "metricType": "IP" }])
            }
            "collections/load" => json!({}),
            "collections/get_load_state" => {
                self.loads += 1;
                json!({ "loadState": if self.loads > 1 { "LoadStateLoaded" } else { "LoadStateLoading" } })
            }
            "entities/upsert" => {
                for row in body["data"].as_array().ok_or("no rows")? {
                    let vector: Vec<f32> = values(&row["vector"]).ok_or("no vector")?;
                    if vector.len() != self.dim {
                        return Err(format!(
                            "the dim ({}) is not equal to schema dim ({})",
                            vector.len(),
                            self.dim
                        ));
                    }
                    self.rows.insert(row["id"].as_i64().ok_or("no id")?, vector);
                }
                json!({ "upsertCount": body["data"].as_array().map_or(0, Vec::len) })
            }
            "entities/get" => {
                let ids = body["id"].as_array().ok_or("no ids")?.iter().filter_map(Value::as_i64);
                ids.filter_map(|id| Some(json!({ "id": id.to_string(), "vector": self.rows.get(&id)? })))
                    .collect()
            }
            "entities/delete" => {
                let gone: Vec<i64> = self.passing(filter, body)?;
                gone.iter().for_each(|id| _ = self.rows.remove(id));
                json!({})
            }
            "entities/search" => {
                let limit = body["limit"].as_u64().filter(|limit| (1..=16_384).contains(limit));
                let limit = limit.ok_or("limit is out of the valid range [1, 16384]")?;
                let query = values(&body["data"][0])
                    .filter(|query| query.len() == self.dim)
                    .ok_or("another dimension")?;
                let score = |id: &i64| self.rows[id].iter().zip(&query).map(|(a, b)| a * b).sum::<f32>();
                let mut found: Vec<(f32, i64)> =
                    self.passing(filter, body)?.iter().map(|id| (score(id), *id)).collect();
                found.sort_by(|a, b| b.0.total_cmp(&a.0).then(b.1.cmp(&a.1)));
                found.truncate(limit as usize);
                found.iter().map(|(score, id)| json!({ "id": id.to_string(), "distance": score })).collect()
            }
            other => return Err(format!("no such path: {other}")),
        })
    }

    /// The filters that `milvus://` writes.
    fn passing(&self, filter: &str, body: &Value) -> Result<Vec<i64>, String> {
        let listed = || -> Option<Vec<i64>> {
            body["exprParams"]["items"].as_array()?.iter().map(Value::as_i64).collect()
        };
        let of =
            |text: &str| text.trim().parse::<i64>().map_err(|_| format!("cannot parse expression: {filter}"));
        let keep: Box<dyn Fn(&i64) -> bool> = match filter.split_once(' ') {
            None => Box::new(|_| true),
            Some(("id", "in {items}")) => {
                let items =
                    listed().ok_or("the value of expression template variable name {items} is not found")?;
                Box::new(move |id| items.contains(id))
            }
            Some(("id", rest)) => match rest.split_once(' ') {
                Some((">=", least)) => {
                    let least = of(least)?;
                    Box::new(move |id| *id >= least)
                }
                Some(("in", one)) => {
                    let one = of(one.trim_matches(['[', ']']))?;
                    Box::new(move |id| *id == one)
                }
                Some(("<", rest)) => {
                    let (below, others) = match rest.strip_suffix(" and id not in {items}") {
                        Some(below) => (of(below)?, listed().ok_or("no items")?),
                        None => (of(rest)?, Vec::new()),
                    };
                    Box::new(move |id| *id < below && !others.contains(id))
                }
                _ => return Err(format!("cannot parse expression: {filter}")),
            },
            _ => return Err(format!("cannot parse expression: {filter}")),
        };
        Ok(self.rows.keys().copied().filter(|id| keep(id)).collect())
    }
}

fn values(value: &Value) -> Option<Vec<f32>> {
    value.as_array()?.iter().map(|value| value.as_f64().map(|value| value as f32)).collect()
}
