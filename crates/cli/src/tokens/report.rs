//! `semrank tokens report`: how good ids are and what their codes mean, on the console and as the page `RUN/tokens.html`.
//!
//! The page stands beside the stages: a stage's folder has only what its manifest knows, and is replaced as a whole. The stage
//! `report` has such a page of its own.
//!
//! ```text
//! semrank tokens report beauty-run
//! semrank tokens report beauty-run --hold-back 10        also of a tenth that a codebook was not fitted on
//! semrank tokens report beauty-run --ids published.parquet --item-id item0 --column rkmeans     ids from other programs
//! ```

use super::show;
use crate::error::Error;
use crate::progress::Console;
use crate::run::{OpenArgs, TOKENS_PAGE, write_page};
use crate::{output, report as pages};
use clap::Args;
use semrank_pipeline::ids::{self, Foreign};
use std::path::PathBuf;

/// `semrank tokens report`.
#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// Measure the ids of this file instead, against what the run knows of the texts; no page is written.
    #[arg(long, value_name = "FILE", requires = "column")]
    ids: Option<PathBuf>,
    /// Column of --ids with the codes of an item, such as `12 7 255 0`.
    #[arg(long, value_name = "COLUMN", requires = "ids")]
    column: Option<String>,
    /// Column of --ids with the item's id [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN", requires = "ids")]
    item_id: Option<String>,
    /// Fit the tokenizer again without every N-th item, and measure those.
    #[arg(long, value_name = "N", conflicts_with = "ids", value_parser = clap::value_parser!(u32).range(2..))]
    hold_back: Option<u32>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// Runs the verb.
pub(crate) fn report(args: &ReportArgs, console: &Console) -> Result<(), Error> {
    let run = args.from.open()?;
    let (own, content) = (run.ids()?, run.content()?);
    let dataset = &run.data()?.dataset;
    let (report, page) = match (&args.ids, &args.column) {
        (Some(path), Some(column)) => {
            let (path, item_id, column) = (path.clone(), args.item_id.clone(), column.clone());
            let name = format!("{}, column {column}", path.display());
            let foreign = Foreign { path, item_id, column }.read(&dataset.catalog, &console.context())?;
            (ids::of_others(dataset, content, &foreign, name)?, None)
        }
        _ => {
            let mut report = ids::of_run(dataset, content, &run.codebook(), own)?;
            if let Some(one_in) = args.hold_back {
                let one_in = one_in as usize;
                report.held_back = Some(ids::held_back(content, &run.codebook(), one_in, run.seed())?);
            }
            let page = run.path().join(TOKENS_PAGE);
            let html = pages::render_tokens(&report);
            write_page(&page, &html)?;
            (report, Some(page))
        }
    };
    if args.json {
        return output::json(&report);
    }
    let page = page.map_or(String::new(), |page| format!("\npage: {}\n", page.display()));
    output::text(&(show::text(&report) + &page))
}
