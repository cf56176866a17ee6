//! `milvus://USER:PASSWORD@HOST:19530/DATABASE?table=COLLECTION`: a collection of Milvus, over its REST interface (version 2, servers
//! from 2.5 on). `&tls=true` asks by https.
//!
//! A collection that is not there is made with the index `FLAT` and the metric `IP`, so searches are exact; one with another index is
//! searched by it, and [`Index::is_exact`] says so. Its vectors are one wider than ours: the last component is the bias. Every search is
//! of consistency `Strong`, so that it sees what was put before. A search gives at most [`MOST`] items.

use super::remote::{self, DEADLINE, Which};
use super::{Index, IndexUrl, check};
use crate::Error;
use crate::client::Client;
use semrank_nn::scan::{Bitmap, Hit};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The server's bound of a search.
const MOST: usize = 16_384;
/// Bytes of an answer: an item with its score, or one vector.
const ANSWER_BYTES: u64 = 64 << 20;
const WHILE_LOADING: Duration = Duration::from_millis(100);

/// A collection of a server.
pub(super) struct Milvus {
    client: Client,
    database: String,
    collection: String,
    width: usize,
    is_exact: bool,
}

impl Milvus {
    pub(super) fn open(url: &IndexUrl, width: usize) -> Result<Self, Error> {
        let (host, database) = url.host();
        let scheme = if url.option("tls") == Some("true") { "https" } else { "http" };
        let port = if host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()) {
            ""
        } else {
            ":19530"
        };
        let client = Client::new(&format!("{scheme}://{host}{port}"), DEADLINE)?
            .with_token(url.user().or_else(|| std::env::var("MILVUS_TOKEN").ok()));
        let database = if database.is_empty() { "default" } else { database }.to_owned();
        let mut out = Self { client, database, collection: url.table().to_owned(), width, is_exact: true };
        if out.call("collections/has", json!({}))?["has"] == true {
            out.look()?;
        } else {
            out.make()?;
        }
        out.load()?;
        Ok(out)
    }

    /// One request about the collection; what `data` of the answer holds.
    fn call(&self, what: &str, mut body: Value) -> Result<Value, Error> {
        body["dbName"] = json!(self.database);
        body["collectionName"] = json!(self.collection);
        let bytes =
            self.client.post(&format!("/v2/vectordb/{what}"), body.to_string().as_bytes(), ANSWER_BYTES)?;
        let mut answer: Value =
            serde_json::from_slice(&bytes).map_err(|error| self.error(what, &error.to_string()))?;
        // The first servers of version 2 said 200.
        match answer["code"].as_i64() {
            Some(0 | 200) => Ok(answer["data"].take()),
            _ => Err(self.error(what, answer["message"].as_str().unwrap_or("an answer without a code"))),
        }
    }

    fn error(&self, what: &str, message: &str) -> Error {
        self.client.error(format!("{what} of collection {}: {message}", self.collection))
    }

    fn make(&self) -> Result<(), Error> {
        let dim = (self.width + 1).to_string();
        let body = json!({
            "schema": { "autoID": false, "enableDynamicField": false, "fields": [
                { "fieldName": "id", "dataType": "Int64", "isPrimary": true, "elementTypeParams": {} },
                { "fieldName": "vector", "dataType": "FloatVector", "elementTypeParams": { "dim": dim } },
            ] },
            "indexParams": [{ "fieldName": "vector", "indexName": "vector", "metricType": "IP", "indexType": "FLAT" }],
            "params": { "consistencyLevel": "Strong" },
        });
        self.call("collections/create", body).map(|_| ())
    }

    /// Checks a collection that is there, and whether its index is exact.
    fn look(&mut self) -> Result<(), Error> {
        const WHAT: &str = "collections/describe";
        let described = self.call(WHAT, json!({}))?;
        let field = |name: &str| described["fields"].as_array()?.iter().find(|field| field["name"] == name);
        let Some(vector) = field("vector").filter(|_| field("id").is_some()) else {
            return Err(self.error(WHAT, "it has no fields `id` and `vector`; name another with ?table="));
        };
        let params = vector["params"].as_array().into_iter().flatten();
        let dim = params.filter(|param| param["key"] == "dim").find_map(|param| number(&param["value"]));
        if dim != i64::try_from(self.width + 1).ok() {
            let (got, expected) = (dim.unwrap_or(0), self.width + 1);
            let message = format!(
                "its vectors have width {got}; {expected} is needed, the bias included: name another with ?table="
            );
            return Err(self.error(WHAT, &message));
        }
        let index = self.call("indexes/describe", json!({ "indexName": "vector" }))?;
        self.is_exact = index[0]["indexType"] == "FLAT";
        if index[0]["metricType"] != "IP" {
            return Err(self.error("indexes/describe", "its index `vector` is not of the metric IP"));
        }
        Ok(())
    }

    fn load(&self) -> Result<(), Error> {
        self.call("collections/load", json!({}))?;
        let begin = Instant::now();
        while self.call("collections/get_load_state", json!({}))?["loadState"] != "LoadStateLoaded" {
            if begin.elapsed() > DEADLINE {
                return Err(
                    self.error("collections/load", &format!("not loaded within {} s", DEADLINE.as_secs()))
                );
            }
            std::thread::sleep(WHILE_LOADING);
        }
        Ok(())
    }

    fn top(&self, query: &[f32], k: usize, which: &Which) -> Result<Vec<Hit>, Error> {
        let (filter, params) = match which {
            Which::All => (String::new(), json!({})),
            Which::Only(items) => ("id in {items}".to_owned(), json!({ "items": items })),
            Which::Below(length, others) if others.is_empty() => (format!("id < {length}"), json!({})),
            Which::Below(length, others) => {
                (format!("id < {length} and id not in {{items}}"), json!({ "items": others }))
            }
        };
        let body = json!({
            "data": [query], "annsField": "vector", "limit": k, "filter": filter, "exprParams": params,
            "outputFields": ["id"], "searchParams": { "metricType": "IP" }, "consistencyLevel": "Strong",
        });
        let found = self.call("entities/search", body)?;
        let hit =
            |row: &Value| Some(Hit { row: item(&row["id"])?, score: row["distance"].as_f64()? as f32 + 0.0 });
        let hits: Option<Vec<Hit>> = found.as_array().and_then(|rows| rows.iter().map(hit).collect());
        hits.ok_or_else(|| self.error("entities/search", "an answer without ids and distances"))
    }

    /// The row of an item, if it is there.
    fn get(&self, item: u32, field: &str) -> Result<Option<Value>, Error> {
        let body = json!({ "id": [item], "outputFields": [field], "consistencyLevel": "Strong" });
        Ok(self.call("entities/get", body)?.get_mut(0).map(Value::take))
    }
}

/// Servers give 64-bit numbers as texts unless asked otherwise.
fn number(value: &Value) -> Option<i64> {
    value.as_i64().or_else(|| value.as_str()?.parse().ok())
}

fn item(value: &Value) -> Option<u32> {
    number(value).and_then(|item| item.try_into().ok())
}

impl Index for Milvus {
    fn name(&self) -> &'static str {
        "milvus"
    }

    fn width(&self) -> usize {
        self.width
    }

    fn is_exact(&self) -> bool {
        self.is_exact
    }

    fn put(&self, item: u32, vector: &[f32], bias: f32) -> Result<(), Error> {
        check(item, vector, bias, self.width)?;
        self.put_all(&[item], vector, &[bias])
    }

    fn put_all(&self, items: &[u32], vectors: &[f32], biases: &[f32]) -> Result<(), Error> {
        assert!(
            items.len() * self.width == vectors.len() && items.len() == biases.len(),
            "a vector and a bias per item"
        );
        remote::in_batches(items, vectors, biases, |items, rows| {
            let row = |(id, row): (&u32, &Vec<f32>)| json!({ "id": id, "vector": row });
            let rows: Vec<Value> = items.iter().zip(&rows).map(row).collect();
            self.call("entities/upsert", json!({ "data": rows })).map(|_| ())
        })
    }

    fn clear(&self) -> Result<(), Error> {
        self.call("entities/delete", json!({ "filter": "id >= 0" })).map(|_| ())
    }

    fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error> {
        let Some(row) = self.get(item, "vector")? else { return Ok(None) };
        let values = row["vector"].as_array().filter(|values| values.len() == self.width + 1);
        let values = values.and_then(|values| {
            values[..self.width].iter().map(|value| value.as_f64().map(|value| value as f32)).collect()
        });
        values.map(Some).ok_or_else(|| self.error("entities/get", "an answer without the vector"))
    }

    fn delete(&self, item: u32) -> Result<bool, Error> {
        if self.get(item, "id")?.is_none() {
            return Ok(false);
        }
        self.call("entities/delete", json!({ "filter": format!("id in [{item}]") })).map(|_| true)
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        slack: Option<f32>,
        eligible: Option<&Bitmap>,
    ) -> Result<Vec<Hit>, Error> {
        let query = &remote::with_one(query, self.width)?;
        let which = Which::of(eligible);
        if k == 0 || which.is_none() {
            return Ok(Vec::new());
        }
        remote::search(k, slack, MOST, |limit| self.top(query, limit, &which))
    }
}
