//! The verb `recommend`.

use super::show::{self, PastEvent, past};
use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::{EventLog, History, ItemId, UserId};
use semrank_model::evaluate::Query;
use semrank_pipeline::Data;
use semrank_pipeline::next_item::{Interest, Recommendation, Recommender, interests};
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
    last_events: Option<Vec<PastEvent>>,
    /// Directions of what the user engaged with, the strongest first.
    #[serde(skip_serializing_if = "Option::is_none")]
    interests: Option<Vec<Interest>>,
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
    let run = args.from.open()?;
    let view = run.model()?;
    let asked = asked(view.data, &args.whom)?;
    let query = Query { user: asked.user, end: asked.log.range(asked.user).end };
    let recommender = Recommender::over(view, &asked.log);
    let mut items = recommender.best(query, args.k as usize, |item| view.data.active_now(item))?;
    if !args.explain {
        items.iter_mut().for_each(Recommendation::forget_explanation);
    }
    let events = asked.events();
    let last_events = args.explain.then(|| past(&view.data.dataset, events.last(SHOWN_EVENTS)));
    let find = || interests(view, run.seed(), asked.user, &asked.engaged(view.data));
    let interests = args.explain.then(find).flatten();
    if args.json {
        let (user, note, history) = (asked.name, asked.note, events.len());
        return output::json(&Answer { user, history, note, last_events, interests, items });
    }
    let mut out = asked.title();
    if let Some(events) = &last_events {
        out += &show::events(events);
    }
    if let Some(interests) = &interests {
        out += &show::interests(interests);
    }
    output::text(&(out + &show::list(&items, args.explain)))
}

fn asked<'a>(data: &'a Data, whom: &'a Whom) -> Result<Asked<'a>, Error> {
    let dataset = &data.dataset;
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
        items.extend(history_items(data, ids)?);
    }
    let note = match items.is_empty() {
        true => "nothing is known, so that what counts for everybody ranks",
        false => "the history was given",
    };
    let log = Cow::Owned(data.log_of(&items));
    Ok(Asked { name: None, log, user: UserId(0), note })
}

/// One id, which may have commas in it, or several.
fn history_items(data: &Data, ids: &str) -> Result<Vec<ItemId>, Error> {
    let known = &data.dataset.catalog.ids;
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
