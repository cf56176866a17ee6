//! The verbs `serve` and `key`: a run behind an address, and keys for it.

use crate::error::Error;
use crate::experiment::definition;
use crate::interrupt;
use crate::log_url::log_url;
use crate::output::{self, note};
use crate::progress::Console;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::counted;
use semrank_experiment::explore::Exploration;
use semrank_pipeline::Run;
use semrank_pipeline::response::Beginning;
use semrank_serve::{Clock, ExportSettings, Listen, Replayed, Scope, Service, ServiceSettings, Tls, export};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A server that is ready answers within this time.
const HEALTH: Duration = Duration::from_secs(3);
const PORT: u16 = 7700;
const DEADLINE_MS: u64 = 100;
const SNAPSHOT_RECORDS: u64 = 1_000_000;

/// What ranks behind the sources.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ClicksArgs {
    /// A run of clicks or conversions over the same data set, which ranks what the sources of RUN find and learns of what is received.
    #[arg(long, value_name = "RUN")]
    clicks: Option<PathBuf>,
    /// Begin just before the first test row of that run, as its evaluation does: for comparing with `semrank evaluate`.
    #[arg(long, requires = "clicks")]
    from_test: bool,
}

impl ClicksArgs {
    fn apply(&self, settings: &mut ServiceSettings) {
        settings.clicks.clone_from(&self.clicks);
        settings.beginning = if self.from_test { Beginning::Test } else { Beginning::End };
    }
}

/// `semrank serve`.
#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    from: OpenArgs,
    #[command(flatten)]
    clicks: ClicksArgs,
    /// Address to listen on.
    #[arg(long, value_name = "ADDRESS", default_value_t = SocketAddr::from(([127, 0, 0, 1], PORT)))]
    listen: SocketAddr,
    /// Folder of everything that the server learns [default: RUN/serve].
    #[arg(long, value_name = "URL")]
    state: Option<String>,
    /// The log of events: a folder, `redis://HOST:PORT/DB?key=NAME` or `nats://HOST:PORT?stream=NAME` [default: STATE/log].
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// Definition of a randomised test, in TOML; may be repeated for tests that never take the same request.
    #[arg(long, value_name = "FILE")]
    experiment: Vec<PathBuf>,
    /// File of API keys, made by `semrank key`.
    #[arg(long, value_name = "FILE")]
    keys: Option<PathBuf>,
    /// Certificate chain for TLS, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    /// Its private key, a PEM file.
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,
    /// Certificates that sign those of clients, a PEM file: who has none is refused.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_clients: Option<PathBuf>,
    /// Listen beyond this machine though no keys are asked for.
    #[arg(long)]
    without_keys: bool,
    /// Whether time windows of items are judged by this machine's clock, or by the newest event: for logs of the past.
    #[arg(long, value_name = "CLOCK", default_value = "wall", value_parser = ["wall", "log"])]
    clock: String,
    /// Milliseconds that an answer may take, unless a request says otherwise.
    #[arg(long, value_name = "MS", default_value_t = DEADLINE_MS)]
    deadline_ms: u64,
    /// Records of the log after which a snapshot is written; so it is after 10 minutes, and when the server stops.
    #[arg(long, value_name = "N", default_value_t = SNAPSHOT_RECORDS)]
    snapshot_records: u64,
    #[command(flatten)]
    explore: ExploreArgs,
    /// Address of a collector that gets traces of rankings by OTLP over HTTP, such as http://localhost:4318.
    #[arg(long, value_name = "URL")]
    traces: Option<String>,
}

/// How lists are explored.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct ExploreArgs {
    /// Share of the requests outside of tests whose first slots are drawn by a softmax of the scores; every answer is logged with its
    /// probability.
    #[arg(long, value_name = "SHARE")]
    explore: Option<f64>,
    /// First slots of a list, which are drawn.
    #[arg(long, value_name = "N", default_value_t = 3, requires = "explore")]
    explore_slots: usize,
    /// Best items, from which they are drawn.
    #[arg(long, value_name = "N", default_value_t = 20, requires = "explore")]
    explore_pool: usize,
    /// What scores are divided by: the higher, the more even the draw.
    #[arg(long, value_name = "T", default_value_t = 1.0, requires = "explore")]
    explore_temperature: f64,
    /// Seed of the draws.
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "explore")]
    explore_seed: u64,
}

impl ExploreArgs {
    fn policy(&self) -> Option<Exploration> {
        Some(Exploration {
            share: self.explore?,
            slots: self.explore_slots,
            pool: self.explore_pool,
            temperature: self.explore_temperature,
            seed: self.explore_seed,
        })
    }
}

impl ServeArgs {
    /// A run on a log of the past, with the defaults.
    pub(crate) fn past(run: PathBuf) -> Self {
        Self {
            from: OpenArgs::of(run),
            clicks: ClicksArgs::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], PORT)),
            state: None,
            log: None,
            keys: None,
            experiment: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            tls_clients: None,
            without_keys: false,
            clock: "log".into(),
            deadline_ms: DEADLINE_MS,
            snapshot_records: SNAPSHOT_RECORDS,
            explore: ExploreArgs::default(),
            traces: None,
        }
    }
}

/// `semrank replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// A log, as for `semrank serve`; of a folder, no server may be using it.
    #[arg(value_name = "LOG")]
    log: String,
    /// The run that served.
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    #[command(flatten)]
    clicks: ClicksArgs,
    /// Where its data set is now, if it was moved.
    #[arg(long, value_name = "DATASET")]
    data: Option<PathBuf>,
    /// Folder of the changes of items [default: RUN/serve].
    #[arg(long, value_name = "STATE")]
    state: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// `semrank log`.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// Folder of a server's state; no server may be using it.
    #[arg(value_name = "STATE")]
    state: PathBuf,
    /// The log, where it is not in that folder.
    #[arg(long, value_name = "URL")]
    log: Option<String>,
    /// The run that served.
    #[arg(long, value_name = "RUN")]
    run: PathBuf,
    /// Data set folder to make.
    #[arg(long, value_name = "DATASET")]
    out: PathBuf,
    /// Put the events of the run's data set before those of the log.
    #[arg(long)]
    with_run: bool,
    /// Replace a data set.
    #[arg(long)]
    overwrite: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// `semrank health`.
#[derive(Debug, Args)]
pub(crate) struct HealthArgs {
    /// Address of a server without TLS.
    #[arg(value_name = "ADDRESS", default_value = "127.0.0.1:7700")]
    address: SocketAddr,
}

/// `semrank key`.
#[derive(Debug, Args)]
pub(crate) struct KeyArgs {
    /// Name of the key.
    #[arg(value_name = "NAME")]
    name: String,
    /// What it allows: `rank`, `ingest`, `admin`.
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',', required = true, value_parser = scope)]
    scope: Vec<Scope>,
}

fn scope(text: &str) -> Result<Scope, String> {
    match text {
        "rank" => Ok(Scope::Rank),
        "ingest" => Ok(Scope::Ingest),
        "admin" => Ok(Scope::Admin),
        _ => Err("scopes are rank, ingest and admin".into()),
    }
}

/// A folder of state by its URL. Snapshots in it are redb files.
fn folder(url: &str) -> Result<PathBuf, Error> {
    match url.split_once("://") {
        None => Ok(PathBuf::from(url)),
        Some(("file" | "redb", path)) => Ok(PathBuf::from(path)),
        Some((scheme, _)) => Err(Error::Scheme { scheme: scheme.to_owned() }),
    }
}

/// Serves a run until Ctrl-C.
pub(crate) fn serve(args: &ServeArgs, console: &Console) -> Result<(), Error> {
    let run = args.from.open()?;
    let state = args.state.as_deref().map(folder).transpose()?.unwrap_or_else(|| run.folder("serve"));
    let mut settings = ServiceSettings::new(&state).with_log(log_url(args.log.as_ref())?);
    settings.clock = if args.clock == "log" { Clock::Log } else { Clock::Wall };
    settings.deadline_ms = args.deadline_ms;
    args.clicks.apply(&mut settings);
    settings.experiments = args.experiment.iter().map(|file| definition(file)).collect::<Result<_, _>>()?;
    settings.snapshots.records = args.snapshot_records;
    settings.explore = args.explore.policy();
    settings.traces.clone_from(&args.traces);
    let service = Service::open(run, settings, &console.context()).map_err(Error::Open)?;
    note(&format!(
        "{}, {}",
        counted(service.users(), "user", "users"),
        counted(service.items(), "item that may be shown", "items that may be shown")
    ));
    let listen = Listen {
        address: args.listen,
        keys: args.keys.clone(),
        tls: args.tls_certificate.clone().zip(args.tls_key.clone()).map(|(certificate, key)| Tls {
            certificate,
            key,
            clients: args.tls_clients.clone(),
        }),
        without_keys: args.without_keys,
    };
    let scheme = if listen.tls.is_some() { "https" } else { "http" };
    semrank_serve::serve(service, &listen, interrupt::requested, |address| {
        note(&format!("listening on {scheme}://{address} (API: /docs); Ctrl-C stops"));
    })
    .map_err(Error::Serve)?;
    note("stopped; everything acknowledged is in the log");
    Ok(())
}

/// Plays a log again.
pub(crate) fn replay(args: &ReplayArgs, console: &Console) -> Result<(), Error> {
    let run = Run::open(&args.run)?;
    let run = args.data.iter().fold(run, |run, place| run.with_dataset_at(place));
    let state = args.state.as_deref().map_or_else(|| run.folder("serve"), Path::to_owned);
    let mut settings = ServiceSettings::new(&state).with_log(log_url(Some(&args.log))?);
    args.clicks.apply(&mut settings);
    let found = semrank_serve::replay(run, &settings, &console.context()).map_err(Error::Open)?;
    if args.json {
        return output::json(&found);
    }
    let Replayed { events, answers, equal, left_out, different } = found;
    let mut lines = format!(
        "{}, {}: {equal} the same, {} another one now, {left_out} that cannot be compared\n",
        counted(events, "event", "events"),
        counted(answers, "ranking", "rankings"),
        answers - equal
    );
    different.iter().for_each(|request| lines += &format!("  another one now: {request}\n"));
    output::text(&lines)
}

/// Writes a log as a data set.
pub(crate) fn log(args: &LogArgs) -> Result<(), Error> {
    let LogArgs { out, with_run, overwrite, .. } = args;
    let to = ExportSettings { out: out.clone(), with_run: *with_run, overwrite: *overwrite };
    let run = Run::open(&args.run)?;
    let settings = ServiceSettings::new(&args.state).with_log(log_url(args.log.as_ref())?);
    let made = export(&run, &settings, &to).map_err(Error::Export)?;
    if args.json { output::json(&made) } else { output::text(&made.to_string()) }
}

/// Asks a server whether it is ready.
pub(crate) fn health(args: &HealthArgs) -> Result<(), Error> {
    let ask = || -> std::io::Result<bool> {
        let mut stream = TcpStream::connect_timeout(&args.address, HEALTH)?;
        stream.set_read_timeout(Some(HEALTH))?;
        stream.write_all(b"GET /v2/health/ready HTTP/1.1\r\nhost: semrank\r\nconnection: close\r\n\r\n")?;
        let mut answer = Vec::new();
        stream.take(4096).read_to_end(&mut answer)?;
        Ok(answer.starts_with(b"HTTP/1.1 200"))
    };
    match ask() {
        Ok(true) => output::text("ready\n"),
        Ok(false) => Err(Error::NotReady { address: args.address, reason: "it is not".into() }),
        Err(error) => Err(Error::NotReady { address: args.address, reason: error.to_string() }),
    }
}

/// Makes a key.
pub(crate) fn key(args: &KeyArgs) -> Result<(), Error> {
    let (key, entry) = semrank_serve::new_key(&args.name, &args.scope).map_err(|_| Error::NoRandom)?;
    note(&format!("the key, which is kept nowhere: {key}"));
    note("its entry in the file that `semrank serve --keys FILE` reads:");
    output::text(&entry)
}
