//! `semrank compare`: quality and cost of several runs, to see whether another way of training pays for its CPU time.
//!
//! ```text
//! semrank compare frozen last2                                 tables
//! semrank compare frozen last2 --json                          one JSON object
//! semrank compare frozen-1 frozen-2 last2-1 last2-2 --out page    medians over seeds, and page/compare.html
//! ```
//!
//! Quality is that of the model on the test cases, strict, as each run's own report has it. A run's cost is what making
//! all of its stages took, whether or not they were skipped since.
//!
//! | file | does |
//! |---|---|
//! | `table` | a comparison for people |
//! | `probabilities` | the same of runs with `task=ctr` or `task=oc` |

mod probabilities;
mod table;

use crate::error::Error;
use crate::run::write_page;
use crate::{output, report};
use clap::Args;
use semrank_pipeline::{
    comparison::{Comparison, ProbabilityComparison, same_task},
    config::Task,
};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The page that `--out` gets.
const PAGE: &str = "compare.html";

/// `semrank compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Run folders, of one data set and one task; the reference is the first. Of next-item runs it is the first whose
    /// content.train is frozen, if there is one.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write a page with tables and charts to this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Runs the verb.
pub(crate) fn compare(args: &CompareArgs) -> Result<(), Error> {
    match same_task(&args.runs)? {
        Task::NextItem => {
            let found = Comparison::read(&args.runs)?;
            args.print(&found, || table::tables(&found), || report::render_comparison(&found))
        }
        Task::Ctr | Task::Oc => {
            let found = ProbabilityComparison::read(&args.runs)?;
            args.print(&found, || probabilities::tables(&found), || report::render_probabilities(&found))
        }
    }
}

impl CompareArgs {
    /// Writes the page that was asked for and prints the rest.
    fn print(
        &self,
        found: &impl Serialize,
        text: impl Fn() -> String,
        html: impl Fn() -> String,
    ) -> Result<(), Error> {
        let page = self.out.as_deref().map(|dir| write(&html(), dir)).transpose()?;
        if self.json {
            return output::json(found);
        }
        let page = page.map_or(String::new(), |page| format!("\npage: {}\n", page.display()));
        output::text(&(text() + &page))
    }
}

fn write(html: &str, dir: &Path) -> Result<PathBuf, semrank_pipeline::Error> {
    std::fs::create_dir_all(dir).map_err(semrank_pipeline::Error::io("create", dir))?;
    let page = dir.join(PAGE);
    write_page(&page, html)?;
    Ok(page)
}
