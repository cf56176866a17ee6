//! `semrank backtest`: settings compared on cuts inside the training events; validation and test stay unseen.
//!
//! ```text
//! semrank backtest --data shop --out work --set train.epochs=24 --set "model.dim=64; train.loss=full"
//!
//! shop: 2 cuts inside the training events, 3,204 and 2,911 cases, seed 1
//!                                ndcg@10 recall@10      minus default (95 %)  seconds
//!   default                       0.0719    0.1194                               64
//!   train.epochs=24               0.0725    0.1201 +0.0006 (-0.0002 to +0.0014)  110
//! ```

use crate::error::Error;
use crate::output;
use crate::progress::Console;
use clap::Args;
use semrank_core::{counted, plural};
use semrank_pipeline::backtest::{Backtest, BacktestReport, Tested};
use semrank_pipeline::config::Sources;
use std::fmt::Write;
use std::path::PathBuf;

/// `semrank backtest`.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// Data set folder.
    #[arg(long, value_name = "DATASET")]
    data: PathBuf,
    /// Cuts: the first holds out the end of the training events, the second the end of what the first trains on, and so on.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..))]
    cuts: u8,
    /// Settings to compare with the default, several of one model with semicolons between them; repeat it for more models.
    #[arg(long = "set", value_name = "KEY=VALUE[; KEY=VALUE …]", required = true)]
    set: Vec<String>,
    /// TOML file with settings that all models have.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Seeds of every model; figures are means over them.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    seeds: u8,
    /// Folder for the work; features that settings share are made once.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Runs the verb.
pub(crate) fn backtest(args: &BacktestArgs, console: &Console) -> Result<(), Error> {
    let load = |set: Vec<String>| Sources { file: args.config.clone(), set }.load();
    let mut settings = vec![("default".to_owned(), load(Vec::new())?)];
    for set in &args.set {
        let set: Vec<String> = set.split(';').map(|one| one.trim().to_owned()).collect();
        settings.push((set.join("; "), load(set)?));
    }
    let (cuts, seeds) = (args.cuts.into(), args.seeds.into());
    let backtest = Backtest { data: &args.data, cuts, seeds, settings, work: &args.out };
    let found = backtest.run(&console.context())?;
    if args.json { output::json(&found) } else { output::text(&table(&found)) }
}

fn table(found: &BacktestReport) -> String {
    let BacktestReport { dataset, seeds, cases, settings } = found;
    let cuts = plural(cases.len(), "cut", "cuts");
    let listed: Vec<String> = cases.iter().map(|&cases| counted(cases, "case", "cases")).collect();
    let seeds = if *seeds == 1 { "seed 1".to_owned() } else { format!("seeds 1 to {seeds}") };
    let mut out = format!(
        "{dataset}: {} {cuts} inside the training events, {}, {seeds}\n",
        cases.len(),
        listed.join(" and ")
    );
    let width = settings.iter().map(|one| one.name.chars().count()).max().unwrap_or(0);
    let _ = writeln!(
        out,
        "  {:width$} {:>9} {:>9} {:>30} {:>8}",
        "", "ndcg@10", "recall@10", "minus default (95 %)", "seconds"
    );
    for Tested { name, ndcg_10, recall_10, difference, seconds, .. } in settings {
        let less = difference.map_or(String::new(), |less| {
            format!("{:+.4} ({:+.4} to {:+.4})", less.difference, less.low, less.high)
        });
        let _ = writeln!(out, "  {name:width$} {ndcg_10:>9.4} {recall_10:>9.4} {less:>30} {seconds:>8.0}");
    }
    out
}
