//! The verb `recommend`.

use super::show::{self, PastEvent, past};
use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::{ItemId, counted};
use semrank_pipeline::next_item::{Asked, Interest, Recommendation, Recommender, interests};
use semrank_pipeline::retrieval::{Ask, not_held_back};
use semrank_pipeline::{Data, Run};
use semrank_retrieve::{Eligibility, Provenance};
use serde::Serialize;

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
    /// Show what each score is made of, which items of the history brought an item, which
    /// sources of the first stage find it within their quotas, and the user's interests.
    #[arg(long)]
    explain: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// The user.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct Whom {
    /// User id.
    #[arg(long, value_name = "U")]
    user: Option<String>,
    /// Ids of the items of a history, oldest first, separated by commas; or one id each, with the option repeated.
    #[arg(long, value_name = "I,I,…")]
    history: Vec<String>,
    /// A user without history.
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

/// Runs the verb.
pub(crate) fn recommend(args: &RecommendArgs) -> Result<(), Error> {
    let run = args.from.open()?;
    let view = run.model()?;
    let asked = Asked::new(view.data, args.whom.user.as_deref(), &args.whom.history)?;
    let recommender = Recommender::new(view);
    let whom = (asked.user, asked.events());
    let is_offered = not_held_back(view.data)?;
    let may_be_shown = |item| view.data.active_now(item) && is_offered(item);
    let mut items = recommender.best(whom, args.k as usize, may_be_shown)?;
    let events = asked.events();
    if args.explain && !items.is_empty() {
        let rows: Vec<ItemId> = items.iter().map(|item| item.row).collect();
        let sources = provenance(&run, view.data, (&asked, &rows))?;
        items.iter_mut().zip(sources).for_each(|(item, sources)| item.sources = sources);
    } else if !args.explain {
        items.iter_mut().for_each(Recommendation::forget_explanation);
    }
    let last_events = args.explain.then(|| past(&view.data.dataset, events.last(SHOWN_EVENTS)));
    let find = || interests(view, run.seed(), asked.user, &asked.engaged(view.data));
    let interests = args.explain.then(find).flatten();
    if args.json {
        let (user, note, history) = (asked.name, asked.note, events.len());
        return output::json(&Answer { user, history, note, last_events, interests, items });
    }
    let mut out = title(&asked);
    if let Some(events) = &last_events {
        out += &show::events(events);
    }
    if let Some(interests) = &interests {
        out += &show::interests(interests);
    }
    output::text(&(out + &show::list(&items, args.explain)))
}

/// The sources of the first stage that find each item within their quotas; none where the quotas are to be chosen anew, which is no reason
/// not to recommend.
fn provenance(
    run: &Run,
    data: &Data,
    (asked, rows): (&Asked, &[ItemId]),
) -> Result<Vec<Vec<Provenance>>, Error> {
    let retrieval = run.retrieval()?;
    let quotas = match run.quotas(&retrieval) {
        Err(semrank_pipeline::Error::Mismatch { .. }) => return Ok(vec![Vec::new(); rows.len()]),
        other => other?,
    };
    let funnel = retrieval.funnel(|name| Some(quotas.of(name)).filter(|&quota| quota > 0));
    let eligibility = Eligibility { now_ms: data.now(), filter: None };
    let ask = Ask { user_id: asked.name, ..Ask::new(asked.events(), &eligibility) };
    Ok(retrieval.provenance(&ask, &funnel, rows)?)
}

fn title(asked: &Asked) -> String {
    let what = asked.name.map_or("a given history".to_owned(), |name| format!("user {name}"));
    format!("{what}: {}; {}\n", counted(asked.events().len(), "event", "events"), asked.note)
}
