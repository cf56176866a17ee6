//! `semrank recommend`: a run and a user or a history in, items with text, score and its sources out.
//!
//! The user's whole history counts, test events included: this is what the program would show next, no measurement.
//!
//! ```text
//! semrank recommend beauty-run --user A2 -k 5 --explain
//! semrank recommend beauty-run --history B1,B7,B3        someone who took these, in this order
//! semrank recommend beauty-run --new-user                someone of whom nothing is known
//! ```
//!
//! | file | does |
//! |---|---|
//! | `interests` | what the user is interested in, in words |
//! | `score` | the best items of a query, with the parts of their scores |
//! | `show` | recommendations for people |

mod interests;
mod score;
mod show;

pub(crate) use score::{Recommendation, Recommender};
pub(crate) use show::{list, when};

use crate::error::Error;
use crate::output;
use crate::run::{Data, Finished, OpenArgs};
use clap::Args;
use semrank_core::{EventLog, History, ItemId, UserId};
use serde::Serialize;
use std::borrow::Cow;

/// Last events shown with `--explain`.
const SHOWN_EVENTS: usize = 10;

/// `semrank recommend`.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    #[command(flatten)]
    whom: Whom,
    /// Number of items.
    #[arg(short, value_name = "K", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// Show what each score is made of, which items of the history brought an item, and the user's interests.
    #[arg(long)]
    explain: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// For whom.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// User id.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Ids of the items of a history, oldest first, separated by commas; or one id each, with the option repeated.
    #[arg(long, value_name = "I,I,…")]
    history: Vec<String>,
    /// Someone of whom nothing is known.
    #[arg(long)]
    new_user: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    /// Absent for a given history and for a new user.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    /// Events that were read.
    history: usize,
    note: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_events: Option<Vec<show::PastEvent>>,
    /// Directions of what the user engaged with, the strongest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    interests: Option<Vec<interests::Interest>>,
    items: Vec<Recommendation>,
}

/// A history to recommend from: all events of a user of a log.
struct Asked<'a> {
    name: Option<&'a str>,
    log: Cow<'a, EventLog>,
    user: UserId,
    note: &'static str,
}

impl Asked<'_> {
    fn events(&self) -> History<'_> {
        self.log.of(self.user)
    }

    fn engaged(&self, data: &Data) -> Vec<ItemId> {
        match self.name {
            Some(_) => data.engaged(self.user, self.log.range(self.user).end),
            None => self.events().items.to_vec(),
        }
    }

    fn title(&self) -> String {
        let what = self.name.map_or("someone else".to_owned(), |name| format!("user {name}"));
        format!("{what}: {} events; {}\n", self.events().len(), self.note)
    }
}

/// Recommends what the arguments say.
pub(crate) fn recommend(args: &RecommendArgs) -> Result<(), Error> {
    let run = args.from.finished()?;
    let asked = asked(&run, &args.whom)?;
    let recommender = Recommender::new(&run);
    let whom = (asked.user, asked.events());
    let mut items = recommender.best(whom, args.k as usize, |item| run.data.active_now(item))?;
    if !args.explain {
        items.iter_mut().for_each(Recommendation::forget_explanation);
    }
    let events = asked.events();
    let last_events = args.explain.then(|| show::past(&run.data.dataset, events.last(SHOWN_EVENTS)));
    let interests =
        args.explain.then(|| interests::of(&run, asked.user, &asked.engaged(&run.data))).flatten();
    if args.json {
        let (user, note, history) = (asked.name, asked.note, events.len());
        return output::json(&Answer { user, history, note, last_events, interests, items });
    }
    let mut out = asked.title();
    if let Some(events) = &last_events {
        out += &show::events(events);
    }
    if let Some(interests) = &interests {
        out += &interests::list(interests);
    }
    output::text(&(out + &list(&items, args.explain)))
}

fn asked<'a>(run: &'a Finished, whom: &'a Whom) -> Result<Asked<'a>, Error> {
    let dataset = &run.data.dataset;
    if let Some(name) = &whom.user {
        let user = dataset.users.get(name).map(UserId).ok_or_else(|| Error::UnknownUser {
            user: name.clone(),
            nearest: semrank_core::nearest(name, dataset.users.names()).map(str::to_owned),
        })?;
        let note = "the whole history was read, validation and test events included";
        return Ok(Asked { name: Some(name), log: Cow::Borrowed(&dataset.events), user, note });
    }
    let mut items = Vec::new();
    for ids in &whom.history {
        items.extend(history_items(run, ids)?);
    }
    let note = match items.is_empty() {
        true => "nothing is known, so that what counts for everybody ranks",
        false => "the history was given",
    };
    let log = Cow::Owned(run.data.log_of(&items));
    Ok(Asked { name: None, log, user: UserId(0), note })
}

/// One id, which may have commas in it, or several.
fn history_items(run: &Finished, ids: &str) -> Result<Vec<ItemId>, Error> {
    let known = &run.data.dataset.catalog.ids;
    let one = |id: &str| {
        known.get(id).map(ItemId).ok_or_else(|| Error::UnknownItem {
            item: id.to_owned(),
            nearest: semrank_core::nearest(id, known.names()).map(str::to_owned),
        })
    };
    match known.get(ids) {
        Some(item) => Ok(vec![ItemId(item)]),
        None => ids.split(',').map(str::trim).filter(|id| !id.is_empty()).map(one).collect(),
    }
}
