//! The verb `retrieve`: candidates for a user or a search, from all sources or one, with where each came from, at once or in pages.

use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_pipeline::Run;
use semrank_pipeline::next_item::Asked;
use semrank_pipeline::retrieval::{Ask, Page};
use semrank_retrieve::{Cursor, Eligibility, Filter, Scope, SourceReport};
use serde::Serialize;
use std::fmt::Write;

/// `semrank retrieve`.
#[derive(Debug, Args)]
pub(crate) struct RetrieveArgs {
    /// User id.
    #[arg(long, value_name = "U", conflicts_with = "history", required_unless_present_any = ["history", "search"])]
    user: Option<String>,
    /// Ids of the items of a history, oldest first, separated by commas; or one id each, with the option repeated.
    #[arg(long, value_name = "I,I,…")]
    history: Vec<String>,
    /// What the user typed: the source `text` looks for it in place of the texts of the history.
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    search: Option<String>,
    /// Number of candidates.
    #[arg(short, value_name = "K", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// Ask this source only.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Items that may be returned, such as `kind = ad and advertiser_id in (a, b)`.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Print so many candidates, and a cursor for those that come after them.
    #[arg(long, value_name = "SIZE", conflicts_with = "k", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    page: Option<u32>,
    /// The cursor of the page before: no item of an earlier page is printed again.
    #[arg(long, value_name = "C", requires = "page", allow_hyphen_values = true)]
    cursor: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    #[serde(flatten)]
    page: Page,
    /// Of the next page; null after the last one, absent without `--page`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cursor: Option<Option<String>>,
}

/// Runs the verb.
pub(crate) fn retrieve(args: &RetrieveArgs) -> Result<(), Error> {
    let filter = args.filter.as_deref().map(str::parse::<Filter>).transpose();
    let filter = filter.map_err(semrank_retrieve::Error::from)?;
    let run = args.from.open()?;
    let data = run.data()?;
    let asked = Asked::new(data, args.user.as_deref(), &args.history)?;
    let (retrieval, k) = (run.retrieval()?, args.page.unwrap_or(args.k) as usize);
    let funnel = match &args.source {
        Some(name) => retrieval.only(name, k)?,
        None => {
            let quotas = run.quotas(&retrieval)?;
            // Quotas were chosen without search strings: who types one wants what it finds.
            let wanted = |name: &str| if name == "text" && args.search.is_some() { k } else { 0 };
            retrieval.funnel(|name| Some(quotas.of(name).max(wanted(name))).filter(|&quota| quota > 0))
        }
    };
    let eligibility = Eligibility { now_ms: data.now(), filter };
    let search = args.search.as_deref();
    let ask = Ask { user_id: asked.name, search, ..Ask::new(asked.events(), &eligibility) };
    let answer = match args.page {
        None => Answer { page: retrieval.retrieve(&ask, &funnel, k)?, cursor: None },
        Some(_) => {
            let (key, scope) = (run.cursor_key()?, scope(args, &run, &eligibility)?);
            let mut cursor = match &args.cursor {
                Some(text) => Cursor::open(text, &key, scope).map_err(semrank_retrieve::Error::from)?,
                None => Cursor::first(data.now().unwrap_or_default()),
            };
            let (page, has_more) = retrieval.page(&ask, &funnel, (k, &mut cursor))?;
            let next = has_more.then(|| cursor.seal(&key, scope)).transpose();
            Answer { page, cursor: Some(next.map_err(semrank_retrieve::Error::from)?) }
        }
    };
    if args.json { output::json(&answer) } else { output::text(&table(&answer)) }
}

/// What pages of one list have in common.
fn scope(args: &RetrieveArgs, run: &Run, eligibility: &Eligibility) -> Result<Scope, Error> {
    let filter = eligibility.filter.as_ref().map(ToString::to_string);
    let mut parts = vec![("run", run.model_hash()?)];
    let one = [("user", &args.user), ("search", &args.search), ("source", &args.source), ("filter", &filter)];
    parts.extend(one.iter().filter_map(|(name, value)| Some((*name, value.as_deref()?))));
    parts.extend(args.history.iter().map(|items| ("history", items.as_str())));
    Ok(Scope::of(parts))
}

fn table(answer: &Answer) -> String {
    let mut out = String::new();
    for (rank, found) in (1..).zip(&answer.page.items) {
        let _ = write!(out, "{rank:>5}  {:<20} {:.5} ", found.item, found.score);
        for source in &found.sources {
            let _ = write!(out, " {} {}", source.name, source.rank);
        }
        out.push('\n');
    }
    for source in &answer.page.sources {
        let SourceReport { name, items, left_out, micros, error } = source;
        let left_out = if *left_out > 0 { format!(" ({left_out} left out)") } else { String::new() };
        let found = format!("{items} candidates{left_out}");
        let what = error.as_ref().map_or(found, |error| format!("failed: {error}"));
        let _ = writeln!(out, "{name:<14} {what}, {micros} µs");
    }
    match &answer.cursor {
        Some(Some(cursor)) => _ = writeln!(out, "next page: --cursor {cursor}"),
        Some(None) => out += "this was the last page\n",
        None => {}
    }
    out
}
