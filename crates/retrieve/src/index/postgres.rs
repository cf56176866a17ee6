//! `postgres://`: a table of pgvector, `(item bigint primary key, vector vector(D + 1))`, whose last component is the bias.
//!
//! A search is exact: the table is read and ordered, equal scores by item. Where somebody has made an approximate index (`create index on
//! TABLE using hnsw (vector vector_ip_ops)`) before the table is opened, searches use it with iterative scans, and once more exactly
//! where it gave fewer than min(k, eligible) items; [`Index::is_exact`] says so.
//!
//! Connections are without TLS; an address with `sslmode=require` is refused. They are kept between requests and opened anew after the
//! server was restarted. Each request has [`DEADLINE`].

use super::remote::{self, DEADLINE, Which};
use super::{Index, IndexUrl, check};
use crate::Error;
use semrank_nn::scan::{Bitmap, Hit};
use std::sync::{Mutex, PoisonError};
use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A table of a server.
pub(super) struct Postgres {
    runtime: Runtime,
    config: Config,
    idle: Mutex<Vec<Client>>,
    table: String,
    width: usize,
    is_exact: bool,
    shown: String,
}

impl Postgres {
    pub(super) fn open(url: &IndexUrl, width: usize) -> Result<Self, Error> {
        let shown = url.to_string();
        let failed = |message: String| Error::Backend { backend: shown.clone(), message };
        let mut config: Config = url.without_table().parse().map_err(|error| failed(chain(&error)))?;
        if let (None, Ok(password)) = (config.get_password(), std::env::var("PGPASSWORD")) {
            config.password(password);
        }
        // A plan for any list of items cannot hash the list.
        let options = config.get_options().unwrap_or_default();
        let options = format!(
            "{options} -c plan_cache_mode=force_custom_plan -c statement_timeout={}",
            DEADLINE.as_millis()
        );
        config.options(options).application_name("semrank").connect_timeout(DEADLINE);
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(|error| failed(error.to_string()))?;
        let (idle, table) = (Mutex::default(), url.table().to_owned());
        let mut out = Self { runtime, config, idle, table, width, is_exact: true, shown };
        out.make()?;
        Ok(out)
    }

    /// Makes the table, or checks the one that is there.
    fn make(&mut self) -> Result<(), Error> {
        let (table, wide) = (&self.table, self.width + 1);
        let found = "select (select atttypmod from pg_attribute where attrelid = c and attname = 'vector'), \
             exists (select from pg_index join pg_class on pg_class.oid = indexrelid join pg_am on pg_am.oid = relam \
                 where indrelid = c and indisvalid and amname in ('hnsw', 'ivfflat')) \
             from (select to_regclass($1) as c) as it where c is not null";
        let rows = self.rows(found, &[&table])?;
        let Some(row) = rows.first() else {
            let make = format!(
                "create extension if not exists vector; \
                 create table if not exists {table} (item bigint primary key, vector vector({wide}) not null)"
            );
            // Another process that makes them at the same moment lets one of the two fail.
            return self.run(&make).or_else(|_| self.run(&make)).map_err(|message| {
                self.error(format!(
                    "{message}; pgvector must be installed, and its extension made by a superuser"
                ))
            });
        };
        let got: Option<i32> = row.try_get(0).map_err(|error| self.error(chain(&error)))?;
        if got != i32::try_from(wide).ok() {
            let got = got.map_or("no vectors".to_owned(), |got| format!("vectors of width {got}"));
            return Err(self.error(format!(
                "table {table} has {got}; {wide} is needed, the bias included: drop it, or name another with ?table="
            )));
        }
        self.is_exact = !row.try_get::<_, bool>(1).map_err(|error| self.error(chain(&error)))?;
        Ok(())
    }

    /// Statements without parameters and rows.
    fn run(&self, sql: &str) -> Result<(), String> {
        let client = self.connect()?;
        let asked = async { timeout(DEADLINE, client.batch_execute(sql)).await };
        self.runtime.block_on(asked).map_err(|_| late())?.map_err(|error| chain(&error))
    }

    fn error(&self, message: impl Into<String>) -> Error {
        Error::Backend { backend: self.shown.clone(), message: message.into() }
    }

    /// Sends a statement; a kept connection that broke meanwhile is replaced once.
    fn rows(&self, sql: &str, params: Params) -> Result<Vec<Row>, Error> {
        let kept = || self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        while let Some(client) = kept() {
            match self.ask(&client, sql, params) {
                Err(_) if client.is_closed() => {}
                done => return self.keep(client, done),
            }
        }
        let client = self.connect().map_err(|message| self.error(message))?;
        let done = self.ask(&client, sql, params);
        self.keep(client, done)
    }

    /// A connection that is late is dropped, which ends the request at the server.
    fn ask(&self, client: &Client, sql: &str, params: Params) -> Result<Vec<Row>, Option<String>> {
        let asked = async { timeout(DEADLINE, client.query(sql, params)).await };
        let done = self.runtime.block_on(asked).map_err(|_| None)?;
        done.map_err(|error| Some(chain(&error)))
    }

    fn keep(&self, client: Client, done: Result<Vec<Row>, Option<String>>) -> Result<Vec<Row>, Error> {
        if !matches!(done, Err(None)) && !client.is_closed() {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(client);
        }
        done.map_err(|message| self.error(message.unwrap_or_else(late)))
    }

    fn connect(&self) -> Result<Client, String> {
        let connecting = async {
            let (client, connection) = timeout(DEADLINE, self.config.connect(NoTls))
                .await
                .map_err(|_| late())?
                .map_err(|error| chain(&error))?;
            // Its errors reach the requests too.
            tokio::spawn(async move { connection.await.ok() });
            let approximate =
                "set hnsw.iterative_scan = relaxed_order; set ivfflat.iterative_scan = relaxed_order";
            // Before pgvector 0.8 there is none, and searches that lack items are made again.
            timeout(DEADLINE, client.batch_execute(approximate)).await.map_err(|_| late())?.ok();
            Ok::<_, String>(client)
        };
        self.runtime.block_on(connecting)
    }

    fn top(&self, query: &[f32], k: usize, which: &Which, is_exact: bool) -> Result<Vec<Hit>, Error> {
        // An index serves the bare operator only, so the sum is exact even if somebody makes an index meanwhile.
        let order = if is_exact {
            "0 + (vector <#> $1::real[]::vector), item"
        } else {
            "vector <#> $1::real[]::vector"
        };
        let limit = i64::try_from(k).unwrap_or(i64::MAX);
        let select = format!("select item, (vector <#> $1::real[]::vector)::real from {}", self.table);
        let end = format!("order by {order} limit $2");
        let rows = match which {
            Which::All => self.rows(&format!("{select} {end}"), &[&query, &limit]),
            Which::Only(items) => {
                self.rows(&format!("{select} where item = any($3) {end}"), &[&query, &limit, items])
            }
            Which::Below(length, others) => {
                let sql = format!("{select} where item < $3 and item <> all($4) {end}");
                self.rows(&sql, &[&query, &limit, length, others])
            }
        }?;
        rows.iter().map(|row| self.hit(row)).collect()
    }

    fn hit(&self, row: &Row) -> Result<Hit, Error> {
        let read = || -> Result<(i64, f32), tokio_postgres::Error> { Ok((row.try_get(0)?, row.try_get(1)?)) };
        let (item, negative) = read().map_err(|error| self.error(chain(&error)))?;
        let row =
            u32::try_from(item).map_err(|_| self.error(format!("item {item} is no number of an item")))?;
        Ok(Hit { score: 0.0 - negative, row })
    }
}

impl Index for Postgres {
    fn name(&self) -> &'static str {
        "postgres"
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
        let wide = self.width + 1;
        assert!(
            items.len() * self.width == vectors.len() && items.len() == biases.len(),
            "a vector and a bias per item"
        );
        let sql = format!(
            "insert into {} select item, ($2::real[])[(n - 1) * {wide} + 1 : n * {wide}]::vector \
             from unnest($1::bigint[]) with ordinality as rows (item, n) \
             on conflict (item) do update set vector = excluded.vector",
            self.table
        );
        remote::in_batches(items, vectors, biases, |items, rows| {
            let items: Vec<i64> = items.iter().copied().map(i64::from).collect();
            self.rows(&sql, &[&items, &rows.concat()]).map(|_| ())
        })
    }

    fn clear(&self) -> Result<(), Error> {
        self.rows(&format!("truncate {}", self.table), &[]).map(|_| ())
    }

    fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error> {
        let sql = format!("select vector::real[] from {} where item = $1", self.table);
        let rows = self.rows(&sql, &[&i64::from(item)])?;
        let row = rows.first().map(|row| row.try_get::<_, Vec<f32>>(0)).transpose();
        let row = row.map_err(|error| self.error(chain(&error)))?;
        Ok(row.map(|mut vector| (vector.truncate(self.width), vector).1))
    }

    fn delete(&self, item: u32) -> Result<bool, Error> {
        let sql = format!("delete from {} where item = $1 returning item", self.table);
        Ok(!self.rows(&sql, &[&i64::from(item)])?.is_empty())
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
        if self.is_exact && slack.is_none() {
            return self.top(query, k, &which, true);
        }
        remote::search(k, slack, usize::MAX, |limit| {
            let hits = self.top(query, limit, &which, self.is_exact)?;
            if self.is_exact || hits.len() >= limit { Ok(hits) } else { self.top(query, limit, &which, true) }
        })
    }
}

fn late() -> String {
    format!("no answer within {} s", DEADLINE.as_secs())
}

/// What the server said, or what kept it from saying anything.
fn chain(error: &tokio_postgres::Error) -> String {
    if let Some(said) = error.as_db_error() {
        return format!("{}: {}", said.severity(), said.message());
    }
    let mut out = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        out = format!("{out}: {error}");
        cause = error.source();
    }
    out
}
