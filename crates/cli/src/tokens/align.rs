//! `semrank tokens align`: a run's codebook as the generation after another, its codes named such that few items change.

use crate::error::Error;
use crate::output;
use crate::progress::Console;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::counted;
use semrank_pipeline::ids::{open_last, publish};
use semrank_tokens::{Codebook, Rows};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// `semrank tokens align`.
#[derive(Debug, Args)]
pub(crate) struct AlignArgs {
    /// The generation before: its folder, or the run that published it.
    #[arg(long, value_name = "RUN|DIR")]
    last: PathBuf,
    /// Folder of the new generation; it must not exist.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    from: OpenArgs,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Summary<'a> {
    out: &'a Path,
    generation: u32,
    /// Items of both generations.
    items: usize,
    /// Share of them whose first 1, 2, … L codes would have changed.
    changed_before: &'a [f64],
    /// The same of the ids that were published.
    changed: &'a [f64],
}

/// Runs the verb.
pub(crate) fn align(args: &AlignArgs, console: &Console) -> Result<(), Error> {
    let run = args.from.open()?;
    run.ids()?;
    let last = open_last(&args.last, &console.context())?;
    let (codebook, _) = Codebook::open(&run.codebook())?;
    let (values, dim) = run.content()?.quantised();
    let names: Vec<&str> = run.data()?.dataset.catalog.ids.names().collect();
    let (codebook, alignment) = semrank_tokens::align(&last, &codebook, &names, &Rows::new(&values, dim))?;
    if alignment.items == 0 {
        let (run, last) = (args.from.run.clone(), args.last.clone());
        return Err(semrank_pipeline::Error::NothingCommon { run, last }.into());
    }
    let generation = publish(&run, codebook, &args.out)?;
    let (items, changed) = generation.changed_since(&last)?;
    let summary = Summary {
        out: &args.out,
        generation: generation.codebook().generation(),
        items,
        changed_before: &alignment.changed_before,
        changed: &changed,
    };
    if args.json { output::json(&summary) } else { output::text(&summary.text()) }
}

impl Summary<'_> {
    fn text(&self) -> String {
        let mut out = format!(
            "{} in both generations; share of them whose first codes change\n",
            counted(self.items, "item", "items")
        );
        out += &format!("  {:<6} {:>16} {:>16}\n", "codes", "before alignment", "after alignment");
        for (level, (before, after)) in self.changed_before.iter().zip(self.changed).enumerate() {
            out += &format!("  {:<6} {:>14.1} % {:>14.1} %\n", level + 1, before * 100.0, after * 100.0);
        }
        out + &format!("ids: {}, generation {}\n", self.out.display(), self.generation)
    }
}
