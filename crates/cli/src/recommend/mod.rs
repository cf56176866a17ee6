//! `semrank recommend`: a run and a user in, items with text, score and its sources out.
//!
//! The user's whole history counts, test events included: this is what the program would show next, no measurement.
//!
//! ```text
//! semrank recommend beauty-run --user A2 -k 5 --explain
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
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::UserId;
use semrank_model::evaluate::Query;
use serde::Serialize;

/// Last events shown with `--explain`.
const SHOWN_EVENTS: usize = 10;

/// `semrank recommend`.
#[derive(Debug, Args)]
pub(crate) struct RecommendArgs {
    /// User id.
    #[arg(long, value_name = "U")]
    user: String,
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

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    user: &'a str,
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

/// Recommends what the arguments say.
pub(crate) fn recommend(args: &RecommendArgs) -> Result<(), Error> {
    let run = args.from.finished()?;
    let dataset = &run.data.dataset;
    let user = dataset.users.get(&args.user).map(UserId).ok_or_else(|| Error::UnknownUser {
        user: args.user.clone(),
        nearest: semrank_core::nearest(&args.user, dataset.users.names()).map(str::to_owned),
    })?;
    let query = Query { user, end: dataset.events.range(user).end };
    let mut items = Recommender::new(&run).best(query, args.k as usize, |item| run.data.active_now(item))?;
    if !args.explain {
        items.iter_mut().for_each(Recommendation::forget_explanation);
    }
    let events = dataset.events.of(user);
    let note = "the whole history was read, validation and test events included";
    let last_events = args.explain.then(|| show::past(dataset, events.last(SHOWN_EVENTS)));
    let interests = args.explain.then(|| interests::of(&run, query)).flatten();
    if args.json {
        let answer = Answer { user: &args.user, history: events.len(), note, last_events, interests, items };
        return output::json(&answer);
    }
    let mut out = format!("user {}: {} events; {note}\n", args.user, events.len());
    if let Some(events) = &last_events {
        out += &show::events(events);
    }
    if let Some(interests) = &interests {
        out += &interests::list(interests);
    }
    output::text(&(out + &list(&items, args.explain)))
}
