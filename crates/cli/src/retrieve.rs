//! The verb `retrieve`: candidates for a user, from all sources or one, with where each came from.

use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_pipeline::next_item::Asked;
use semrank_pipeline::retrieval::Retrieved;
use semrank_retrieve::{Eligibility, Filter, SourceReport};
use serde::Serialize;
use std::fmt::Write;

/// `semrank retrieve`.
#[derive(Debug, Args)]
pub(crate) struct RetrieveArgs {
    /// User id.
    #[arg(long, value_name = "U", conflicts_with = "history", required_unless_present = "history")]
    user: Option<String>,
    /// Ids of the items of a history, oldest first, separated by commas; or one id each, with the option repeated.
    #[arg(long, value_name = "I,I,…")]
    history: Vec<String>,
    /// Number of candidates.
    #[arg(short, value_name = "K", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    k: u32,
    /// Ask this source only.
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Items that may be returned, such as `kind = ad and advertiser_id in (a, b)`.
    #[arg(long, value_name = "EXPR")]
    filter: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer {
    items: Vec<Retrieved>,
    sources: Vec<SourceReport>,
}

/// Runs the verb.
pub(crate) fn retrieve(args: &RetrieveArgs) -> Result<(), Error> {
    let filter = args.filter.as_deref().map(str::parse::<Filter>).transpose();
    let filter =
        filter.map_err(|error| semrank_pipeline::Error::from(semrank_retrieve::Error::from(error)))?;
    let run = args.from.open()?;
    let data = run.data()?;
    let asked = Asked::new(data, args.user.as_deref(), &args.history)?;
    let (retrieval, k) = (run.retrieval()?, args.k as usize);
    let funnel = match &args.source {
        Some(name) => retrieval.only(name, k)?,
        None => {
            let quotas = run.quotas(&retrieval)?;
            retrieval.funnel(|name| Some(quotas.of(name)).filter(|&quota| quota > 0))
        }
    };
    let eligibility = Eligibility { now_ms: data.now(), filter };
    let (items, sources) = retrieval.retrieve((asked.events(), &funnel), &eligibility, k)?;
    let answer = Answer { items, sources };
    if args.json { output::json(&answer) } else { output::text(&table(&answer)) }
}

fn table(answer: &Answer) -> String {
    let mut out = String::new();
    for (rank, found) in (1..).zip(&answer.items) {
        let _ = write!(out, "{rank:>5}  {:<20} {:.5} ", found.item, found.score);
        for source in &found.sources {
            let _ = write!(out, " {} {}", source.name, source.rank);
        }
        out.push('\n');
    }
    for source in &answer.sources {
        let SourceReport { name, items, micros, error, .. } = source;
        let what = error.as_ref().map_or(format!("{items} candidates"), |error| format!("failed: {error}"));
        let _ = writeln!(out, "{name:<14} {what}, {micros} µs");
    }
    out
}
