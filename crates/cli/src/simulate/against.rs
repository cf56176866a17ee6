//! `semrank simulate --impressions N --against URL --experiment FILE`: the users of an ad market play against a running server.
//!
//! The server's run is of the same market (same `--impressions`, `--seed` and other options), its clock is that of the log
//! (`serve --clock log`). Users ask, see, click and buy by the market's laws; every request and event has an id that depends on the seed
//! only, so that a client that goes on after a failure sends nothing twice that counts twice. The market's clock is moved so that the test
//! begins at the definition's `start`.

use crate::error::Error;
use crate::experiment::definition;
use crate::interrupt;
use clap::Args;
use semrank_core::Rng;
use semrank_experiment::definition::{DAY_MS, Definition};
use semrank_serve::Service;
use semrank_sim::{AdAction, AdMarketConfig, AdRequest, Reaction, Serve, Slate, TrialConfig, TrialWorld};
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A server that is being started again has this long to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(200);
/// How much later the second of two equal rows is received.
const AGAIN_MS: i64 = 60_000;

/// What plays against a server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Against a server")]
pub(super) struct AgainstArgs {
    /// Play the market's users against a server, such as http://127.0.0.1:7700, instead of writing a data set.
    #[arg(long, value_name = "URL", requires_all = ["experiment", "impressions"])]
    pub(super) against: Option<String>,
    /// The test that the server runs, in TOML: its length and windows. A server with keys: SEMRANK_KEY holds one with the scopes rank and ingest.
    #[arg(long, value_name = "FILE", requires = "against")]
    experiment: Option<PathBuf>,
    /// Seed of the users and of what they do.
    #[arg(long, value_name = "N", default_value_t = 1)]
    users_seed: u64,
    /// Bots in addition to the users, as a share of them.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    bots: f64,
    /// Whether users look at organic items too.
    #[arg(long)]
    organic: bool,
    /// Share of the campaigns, those in most demand, whose daily budget is half of what they would spend: their ads pause when it is spent.
    #[arg(long, value_name = "SHARE", default_value_t = 0.0)]
    limited: f64,
}

/// What was played.
#[derive(Debug, Clone, Default, Serialize)]
pub(super) struct Played {
    requests: u64,
    /// Events that were sent, and those that were new to the server.
    sent: u64,
    accepted: u64,
    /// Requests by arm; `-` for those that took no part.
    arms: BTreeMap<String, u64>,
    /// Ads that the server showed and that may not be shown, or were shown twice in a list.
    refused: u64,
    /// Times that the server did not answer at once.
    repeated: u64,
}

/// Plays.
pub(super) fn play(of: &AgainstArgs, market: AdMarketConfig) -> Result<Played, Error> {
    let (Some(url), Some(file)) = (&of.against, &of.experiment) else {
        return Ok(Played::default());
    };
    let definition = definition(file)?;
    let window_days =
        definition.metrics.iter().map(|metric| metric.window_days.ceil() as usize).max().unwrap_or(1);
    let trial = TrialConfig {
        seed: of.users_seed,
        entry_days: definition.days.ceil() as usize,
        window_days,
        bots: of.bots,
        organic: of.organic,
        limited: of.limited,
        ..TrialConfig::default()
    };
    let end_ms = definition.end_ms() + window_days as i64 * DAY_MS;
    if end_ms > Service::wall_ms() {
        let why = "the test ends after now; a play needs a `start` whose days and windows are over";
        return Err(Error::Definition { file: file.clone(), why: why.into() });
    }
    let duplicates = market.duplicates;
    let world = TrialWorld::new(AdMarketConfig { duplicates: 0.0, ..market }, trial)?;
    let mut client = Client::new(url, &world, (&definition, duplicates));
    let log = world.play(&mut client)?;
    client.send_events()?;
    client.played.refused = log.refused();
    Ok(client.played)
}

struct Client<'a> {
    agent: ureq::Agent,
    url: String,
    key: Option<String>,
    world: &'a TrialWorld,
    definition: &'a Definition,
    /// Rows of ads by id.
    ads: HashMap<&'a str, u32>,
    /// From the market's clock to that of the test.
    shift_ms: i64,
    /// Share of events that are sent twice.
    duplicates: f64,
    waiting: Vec<Value>,
    /// Whether each ad may be shown, as the server knows it.
    running: Vec<Option<bool>>,
    played: Played,
}

impl<'a> Client<'a> {
    fn new(url: &str, world: &'a TrialWorld, (definition, duplicates): (&'a Definition, f64)) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(30)))
            .build()
            .into();
        Self {
            agent,
            url: url.trim_end_matches('/').to_owned(),
            key: std::env::var("SEMRANK_KEY").ok(),
            world,
            definition,
            ads: world.ads().iter().zip(0..).map(|(ad, row)| (ad.id.as_str(), row)).collect(),
            shift_ms: definition.start - world.start_ms(),
            duplicates,
            waiting: Vec::new(),
            running: vec![None; world.ads().len()],
            played: Played::default(),
        }
    }

    /// Users of the test are others than those of the server's data set, and of another test, phase or seed.
    fn user(&self, user: u32) -> String {
        self.id(&self.world.user_id(user))
    }

    fn id(&self, of: &str) -> String {
        let Definition { name, phase, .. } = self.definition;
        format!("{name}-{phase}-{}-{of}", self.world.config().seed)
    }

    fn request_id(&self, request: u64) -> String {
        self.id(&format!("r{request}"))
    }

    fn event_id(&self, event: u64) -> String {
        self.id(&format!("e{event}"))
    }

    /// Tells the server which ads have paused or may be shown again since the last request.
    fn send_states(&mut self, request: &AdRequest<'_>) -> Result<(), Error> {
        for (row, ad) in (0..).zip(self.world.ads()) {
            let is_running = request.is_eligible(row, None);
            let before = self.running[row as usize].replace(is_running);
            if before == Some(is_running) {
                continue;
            }
            let status = if is_running { "active" } else { "paused" };
            self.send("PATCH", &format!("/v1/items/{}", ad.id), &json!({ "status": status }))?;
            if !is_running && before == Some(true) {
                let (campaign, time) =
                    (&self.world.campaign_ids()[self.world.campaign(row)], request.time_ms + self.shift_ms);
                self.waiting.push(json!({
                    "event_id": self.id(&format!("budget-{campaign}-{time}")),
                    "user_id": "market",
                    "item_id": ad.id,
                    "action": "budget_exhausted",
                    "campaign_id": campaign,
                    "timestamp": time,
                    "received_at": time,
                }));
            }
        }
        Ok(())
    }

    fn post(&mut self, path: &str, body: &Value) -> Result<Value, Error> {
        self.send("POST", path, body)
    }

    /// Sends JSON until it is answered; a server that is down for a while is waited for.
    fn send(&mut self, method: &str, path: &str, body: &Value) -> Result<Value, Error> {
        let (begin, url) = (Instant::now(), format!("{}{path}", self.url));
        loop {
            if interrupt::requested() {
                return Err(Error::Interrupted { resume: None });
            }
            let mut request = if method == "PATCH" { self.agent.patch(&url) } else { self.agent.post(&url) };
            if let Some(key) = &self.key {
                request = request.header("authorization", format!("Bearer {key}"));
            }
            let failed = |why: String| Error::Server { url: url.clone(), why };
            let why = match request.send_json(body) {
                Ok(mut response) => {
                    let status = response.status().as_u16();
                    let text = response.body_mut().read_to_string();
                    // A change of an item is answered with nothing.
                    let read = text.map_err(|error| error.to_string()).and_then(|text| match text.as_str() {
                        "" => Ok(Value::Null),
                        text => serde_json::from_str::<Value>(text).map_err(|error| error.to_string()),
                    });
                    match read {
                        Ok(answer) if (200..300).contains(&status) => return Ok(answer),
                        Ok(answer) if status != 429 && status < 500 => {
                            let detail = answer["detail"].as_str().unwrap_or("no reason is given").to_owned();
                            return Err(failed(format!("status {status}: {detail}")));
                        }
                        Ok(_) => format!("status {status}"),
                        Err(error) => error,
                    }
                }
                Err(error) => error.to_string(),
            };
            if begin.elapsed() > PATIENCE {
                return Err(failed(why));
            }
            self.played.repeated += 1;
            std::thread::sleep(PAUSE);
        }
    }

    fn send_events(&mut self) -> Result<(), Error> {
        let events = std::mem::take(&mut self.waiting);
        if !events.is_empty() {
            self.played.sent += events.len() as u64;
            let answer = self.post("/v1/events", &Value::Array(events))?;
            self.played.accepted += answer["accepted"].as_u64().unwrap_or_default();
        }
        Ok(())
    }

    fn event(&self, reaction: &Reaction) -> Value {
        let event = &reaction.event;
        let mut out = json!({
            "event_id": self.event_id(event.event),
            "user_id": self.user(event.user),
            "item_id": self.world.item_id(event.item),
            "action": event.action.name(),
            "timestamp": event.time_ms + self.shift_ms,
            "received_at": event.received_ms + self.shift_ms,
            "surface": event.surface.name(),
        });
        let mut set = |column: &str, value: Option<Value>| {
            if let Some(value) = value {
                out[column] = value;
            }
        };
        set("parent_event_id", event.parent.map(|parent| self.event_id(parent).into()));
        set("request_id", event.request.map(|request| self.request_id(request).into()));
        set("slot", event.slot.map(Value::from));
        set("dwell_ms", event.dwell_ms.map(Value::from));
        set("value", event.value.map(Value::from));
        set("price", (event.action == AdAction::Click).then(|| reaction.price_cents.into()));
        if event.action != AdAction::View {
            set(
                "campaign_id",
                Some(self.world.campaign_ids()[self.world.campaign(event.item)].clone().into()),
            );
        }
        out
    }
}

impl Serve for Client<'_> {
    type Error = Error;

    fn slate(&mut self, request: &AdRequest<'_>) -> Result<Slate, Error> {
        self.send_states(request)?;
        // What the user did before is in their history.
        self.send_events()?;
        let answer = self.post(
            "/v1/rank",
            &json!({
                "request_id": self.request_id(request.request),
                "user": self.user(request.user),
                "k": request.slots,
                "filter": "kind = ad",
                "surface": request.surface.name(),
                "time": request.time_ms + self.shift_ms,
                "context": { "is_bot": request.bot },
                "deadline_ms": 10_000,
            }),
        )?;
        self.played.requests += 1;
        let name = answer["experiment"]["arm"].as_str();
        *self.played.arms.entry(name.unwrap_or("-").to_owned()).or_default() += 1;
        let arm = name.and_then(|name| self.definition.arms.iter().position(|arm| arm.name == name));
        let items = answer["items"].as_array().map_or(&[][..], Vec::as_slice);
        let ads = items.iter().filter_map(|item| self.ads.get(item["item"].as_str()?).copied()).collect();
        // Only the server's log knows what the other arms would have shown.
        Ok(Slate { arm, ads, would_differ: false })
    }

    fn observe(&mut self, reaction: &Reaction) -> Result<(), Error> {
        let event = self.event(reaction);
        let is_twice = Rng::new(self.world.config().seed, &format!("twice {}", reaction.event.event)).unit()
            < self.duplicates;
        if is_twice {
            let mut again = event.clone();
            again["received_at"] = (reaction.event.received_ms + self.shift_ms + AGAIN_MS).into();
            self.waiting.push(again);
        }
        self.waiting.push(event);
        Ok(())
    }
}
