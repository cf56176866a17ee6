//! `redis://HOST:PORT/DB?key=NAME`: a log in a stream of Redis, whose entry `N-1` is record `N`.
//!
//! | key | holds |
//! |---|---|
//! | `NAME` | a stream: one field `r` in each entry, the record |
//! | `NAME:about` | a hash: `format`, `term` of the writer, number of the `first` and the `next` record |
//! | `NAME:writer` | the writer's token, until its lease ends |
//!
//! **Durable** is what Redis answers after it has synced its append-only file: `appendonly yes`, `appendfsync always` and
//! `no-appendfsync-on-rewrite no`. This is checked when the log is opened and with each append, on the same connection and behind it: a
//! server that has started again with other settings confirms nothing.
//!
//! **One writer.** A token with a lease keeps a second program out; a writer that was killed holds the log until its lease ends, and
//! opening waits for that. What counts is the term: every append says it, and the script that adds the records compares it.
//!
//! **Once.** The script adds a batch where it follows the last record, and takes one that is there already for written.

mod answers;

use super::remote::{Batch, Remote, Server, retry};
use super::url::ServerUrl;
use super::wire::Wire;
use super::{DurableLog, Visit};
use crate::Error;
use answers::{About, Durability};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{ErrorKind, RedisError, Script, Value};
use std::hash::{BuildHasher, RandomState};
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Bytes of a reading's answer that are aimed at.
const READ_BYTES: usize = 4 << 20;
/// Entries of a reading, at first and at most.
const READ_ENTRIES: [usize; 2] = [16, 8192];
/// How often a lease is renewed before it ends.
const RENEWALS: u32 = 4;
/// Giving a log back at the end takes no longer.
const GIVE_BACK: Duration = Duration::from_secs(1);

static OPEN: &str = include_str!("open.lua");
static HOLD: &str = include_str!("hold.lua");
static APPEND: &str = include_str!("append.lua");
static TRIM: &str = include_str!("trim.lua");

/// A log on a Redis server.
struct Redis {
    wire: Wire,
    connection: ConnectionManager,
    keys: Keys,
    /// What errors call it.
    name: String,
    held: Option<Held>,
}

/// What a writer has.
#[derive(Clone)]
struct Held {
    term: u64,
    token: String,
    lease_ms: u64,
}

#[derive(Clone)]
struct Keys {
    records: String,
    about: String,
    writer: String,
}

/// Opens the log for writing, and begins it where it is not there.
pub(super) fn open(url: &ServerUrl) -> Result<Arc<dyn DurableLog>, Error> {
    let mut redis = Redis::connect(url)?;
    redis.check_durable(Instant::now() + url.wait)?;
    redis.about(Instant::now() + url.wait)?;
    redis.take(url)?;
    let about = redis.about(Instant::now() + url.wait)?;
    Ok(Arc::new(Remote::new(url.to_string(), redis, url.wait, about.first..about.next)))
}

/// Opens the log for reading; none where it is not there.
pub(super) fn open_to_read(url: &ServerUrl) -> Result<Option<Arc<dyn DurableLog>>, Error> {
    let redis = Redis::connect(url)?;
    let about = redis.about(Instant::now() + url.wait)?;
    if about.term == 0 {
        return Ok(None);
    }
    Ok(Some(Arc::new(Remote::new(url.to_string(), redis, url.wait, about.first..about.next))))
}

impl Redis {
    fn connect(url: &ServerUrl) -> Result<Self, Error> {
        let name = url.to_string();
        let refused = |error: RedisError| Error::LogUrl { url: name.clone(), reason: error.to_string() };
        let client = redis::Client::open(url.without_options()).map_err(refused)?;
        let wire = Wire::new().map_err(Error::io("start a thread for", name.as_ref()))?;
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(url.wait))
            .set_connection_timeout(Some(url.wait))
            .set_min_delay(Duration::from_millis(20))
            .set_max_delay(Duration::from_millis(300));
        let connect = ConnectionManager::new_with_config(client, config);
        let away = |reason: String| Error::LogUnavailable { log: name.clone(), reason };
        let connected = wire.run(Instant::now() + url.wait, connect);
        let connected = connected.ok_or_else(|| away("no connection in time".into()))?;
        let connection = connected.map_err(|error| away(error.to_string()))?;
        let [about, writer] = ["about", "writer"].map(|what| format!("{}:{what}", url.name));
        let keys = Keys { records: url.name.clone(), about, writer };
        Ok(Self { wire, connection, keys, name, held: None })
    }

    /// Waits for answers to commands that are sent together.
    fn ask(&self, commands: redis::Pipeline, until: Instant) -> Result<Vec<Value>, Error> {
        let mut connection = self.connection.clone();
        let asked =
            self.wire.run(until, async move { commands.query_async::<Vec<Value>>(&mut connection).await });
        match asked {
            None => Err(self.away("no answer in time")),
            Some(Ok(answers)) => Ok(answers),
            Some(Err(error)) if is_temporary(&error) => Err(self.away(&error.to_string())),
            Some(Err(error)) => Err(self.refused(
                &format!("is refused by the server: {error}"),
                "check the user's rights and the server's log",
            )),
        }
    }

    fn away(&self, reason: &str) -> Error {
        Error::LogUnavailable { log: self.name.clone(), reason: reason.to_owned() }
    }

    fn refused(&self, reason: &str, advice: &str) -> Error {
        Error::LogRefused { log: self.name.clone(), reason: reason.to_owned(), advice: advice.to_owned() }
    }

    fn taken(&self) -> Error {
        Error::LogTaken { log: self.name.clone(), taken_over: self.held.is_some() }
    }

    /// Whether the server syncs what it confirms.
    fn check_durable(&self, until: Instant) -> Result<(), Error> {
        let mut commands = redis::pipe();
        Durability::ask(&mut commands);
        let answers = retry(until, |until| self.ask(commands.clone(), until))?;
        self.durable(&answers)
    }

    fn durable(&self, answers: &[Value]) -> Result<(), Error> {
        Durability::read(answers).check().map_err(|(reason, advice)| self.refused(&reason, advice))
    }

    /// What the keys hold.
    fn about(&self, until: Instant) -> Result<About, Error> {
        let mut commands = redis::pipe();
        commands.cmd("TYPE").arg(&self.keys.records).cmd("TYPE").arg(&self.keys.about);
        let types = retry(until, |until| self.ask(commands.clone(), until))?;
        let [records, about] = [0, 1].map(|at| answers::text(types.get(at)));
        let foreign = |key: &str, kind: &str, expected: &str| {
            self.refused(
                &format!("cannot be there: the key {key} holds a {kind}, not a {expected}"),
                "name another key, which nothing else uses",
            )
        };
        if !["stream", "none"].contains(&records.as_str()) {
            return Err(foreign(&self.keys.records, &records, "stream"));
        }
        if !["hash", "none"].contains(&about.as_str()) {
            return Err(foreign(&self.keys.about, &about, "hash"));
        }
        let (has_records, has_about) = (records == "stream", about == "hash");
        let mut commands = redis::pipe();
        commands.cmd("HGETALL").arg(&self.keys.about);
        if has_records {
            commands.cmd("XINFO").arg("STREAM").arg(&self.keys.records);
        }
        let answers = retry(until, |until| self.ask(commands.clone(), until))?;
        About::read(&answers, has_records, has_about)
            .map_err(|(reason, advice)| self.refused(&reason, advice))
    }

    /// Becomes the writer, at the latest when the lease of one that was killed has ended.
    fn take(&mut self, url: &ServerUrl) -> Result<(), Error> {
        let token = format!("{:016x}", RandomState::new().hash_one(Instant::now()));
        let until = Instant::now() + url.lease + url.wait;
        let lease_ms = url.lease.as_millis() as u64;
        loop {
            let mut commands = redis::pipe();
            let script = commands.cmd("EVAL").arg(OPEN).arg(3);
            script.arg(&self.keys.records).arg(&self.keys.about).arg(&self.keys.writer);
            script.arg(&token).arg(lease_ms);
            let answers = retry(until, |until| self.ask(commands.clone(), until))?;
            let (is_ours, number) = answers::pair(answers.first());
            if is_ours {
                self.held = Some(Held { term: number as u64, token, lease_ms });
                self.renew();
                return Ok(());
            }
            // Another writer's lease that is longer than ours is not worth waiting for.
            let left = Duration::from_millis(number.max(1) as u64);
            if Instant::now() + left > until {
                return Err(self.taken());
            }
            // It may be renewed in the middle: then it is held, and the time is over soon.
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }

    /// Renews the lease from now on.
    fn renew(&self) {
        let (Some(held), Some(handle)) = (self.held.clone(), self.wire.handle()) else { return };
        let (keys, mut connection) = (self.keys.clone(), self.connection.clone());
        let every = Duration::from_millis(held.lease_ms) / RENEWALS;
        handle.spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                // A server that is away has a lease that ends; the term decides.
                let _: Result<i64, _> = hold(&keys, &held, held.lease_ms).invoke_async(&mut connection).await;
            }
        });
    }
}

fn hold(keys: &Keys, held: &Held, lease_ms: u64) -> redis::ScriptInvocation<'static> {
    static SCRIPT: std::sync::OnceLock<Script> = std::sync::OnceLock::new();
    let mut script = SCRIPT.get_or_init(|| Script::new(HOLD)).prepare_invoke();
    script.key(&keys.about).key(&keys.writer).arg(held.term).arg(&held.token).arg(lease_ms);
    script
}

impl Server for Redis {
    fn write(&self, batch: &Arc<Batch>, until: Instant) -> Result<(), Error> {
        let Some(held) = &self.held else { return Err(self.read_only()) };
        let mut commands = redis::pipe();
        let script = commands.cmd("EVAL").arg(APPEND).arg(3);
        script.arg(&self.keys.records).arg(&self.keys.about).arg(&self.keys.writer);
        script.arg(held.term).arg(&held.token).arg(held.lease_ms).arg(batch.first);
        batch.records.iter().for_each(|record| _ = script.arg(record.as_slice()));
        // Behind it: with these settings it ran.
        Durability::ask(&mut commands);
        let answers = self.ask(commands, until)?;
        let (answer, settings) = answers.split_first().ok_or_else(|| self.away("no answer"))?;
        match answers::text(Some(answer)).as_str() {
            "written" => self.durable(settings),
            "taken" => Err(self.taken()),
            other => Err(self.refused(
                &format!("has lost records: {} were confirmed, and it answers `{other}`", batch.first),
                "the server was started without its files, or they were changed: put them back, then start again",
            )),
        }
    }

    fn read(&self, range: Range<u64>, wait: Duration, visit: Visit) -> Result<(), Error> {
        let (mut next, mut entries) = (range.start, READ_ENTRIES[0]);
        while next < range.end {
            let mut commands = redis::pipe();
            let ids = (format!("{next}-1"), format!("{}-1", range.end - 1));
            commands.cmd("XRANGE").arg(&self.keys.records).arg(ids.0).arg(ids.1).arg("COUNT").arg(entries);
            let answers = retry(Instant::now() + wait, |until| self.ask(commands.clone(), until))?;
            let (mut bytes, mut given) = (1, 0);
            for entry in answers::entries(answers.first()) {
                let record =
                    answers::record(entry, next).map_err(|(reason, advice)| self.refused(&reason, advice))?;
                if visit(next, record).is_break() {
                    return Ok(());
                }
                (next, given, bytes) = (next + 1, given + 1, bytes + record.len());
            }
            if given == 0 {
                return Err(self.refused(&answers::missing(next), answers::DAMAGED));
            }
            entries = (READ_BYTES / (bytes / given).max(1)).clamp(1, READ_ENTRIES[1]);
        }
        Ok(())
    }

    fn remove_before(&self, sequence: u64, until: Instant) -> Result<u64, Error> {
        let Some(held) = &self.held else { return Err(self.read_only()) };
        let mut commands = redis::pipe();
        let script = commands.cmd("EVAL").arg(TRIM).arg(2).arg(&self.keys.records).arg(&self.keys.about);
        script.arg(held.term).arg(sequence);
        Durability::ask(&mut commands);
        let answers = retry(until, |until| self.ask(commands.clone(), until))?;
        match answers::text(answers.first()).as_str() {
            "removed" => Ok(sequence),
            _ => Err(self.taken()),
        }
    }
}

impl Redis {
    fn read_only(&self) -> Error {
        self.refused("was opened for reading", "open it for writing")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            let (keys, held, mut connection) = (self.keys.clone(), held.clone(), self.connection.clone());
            // Where that does not work the lease ends by itself.
            self.wire.run(Instant::now() + GIVE_BACK, async move {
                let _: Result<i64, _> = hold(&keys, &held, 0).invoke_async(&mut connection).await;
            });
        }
    }
}

/// What a server says that has no time or room now.
const BUSY: [&str; 6] = ["LOADING", "BUSY", "MISCONF", "OOM", "TRYAGAIN", "MASTERDOWN"];

/// Whether the same command may work in a moment.
fn is_temporary(error: &RedisError) -> bool {
    match error.clone().into_server_errors() {
        Some(errors) => errors.iter().all(|(_, error)| BUSY.contains(&error.code())),
        None => !matches!(error.kind(), ErrorKind::AuthenticationFailed | ErrorKind::InvalidClientConfig),
    }
}
