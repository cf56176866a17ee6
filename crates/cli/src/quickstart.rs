//! `semrank quickstart`: all stages on a simulated market, without any other file or program.
//!
//! Market -> data set -> features -> semantic ids -> training -> comparison with baselines -> recommendations with text -> report. The
//! true probabilities of the market are known, so the report also shows an oracle, the best possible ranker.

use crate::error::Error;
use crate::evaluate::tables;
use crate::output::{self, note};
use crate::progress::Console;
use crate::recommend::list;
use crate::run::Pages;
use crate::serve::{ServeArgs, serve};
use clap::Args;
use semrank_console::shell;
use semrank_core::counted;
use semrank_pipeline::{
    Data, Error as RunError, Run,
    config::{Config, SplitChoice},
    next_item::{Extra, ModelView, Recommender},
};
use semrank_sim::{Market, MarketConfig};
use semrank_store::{StagedDir, is_partial_file, read_json, resources, write_atomically, write_json};
use serde::{Deserialize, Serialize};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Marks a folder that a quickstart made.
const MARK: &str = "quickstart.json";
/// Users whose recommendations are printed, and items of each.
const USERS: usize = 3;
const ITEMS: usize = 5;
/// Passes over the market's 2,000 histories: about 1.5 s each on two cores; more hardly improve the metrics.
const EPOCHS: usize = 12;

/// `semrank quickstart`.
#[derive(Debug, Args)]
pub(crate) struct QuickstartArgs {
    /// Folder to make; one that an earlier quickstart made is brought up to date.
    #[arg(long, value_name = "DIR", default_value = "semrank-quickstart")]
    out: PathBuf,
    /// Seed of the market and of the training.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Serve the run when it is made, at 127.0.0.1:7700, until Ctrl-C.
    #[arg(long)]
    serve: bool,
}

#[derive(Serialize, Deserialize)]
struct Mark {
    made_by: String,
    semrank: String,
    seed: u64,
}

/// Runs all stages.
pub(crate) fn quickstart(args: &QuickstartArgs, console: &Console) -> Result<(), Error> {
    let again = format!("semrank quickstart --out {} --seed {}", args.out.display(), args.seed);
    all_steps(args, console).map_err(|error| error.resumed_by(&again))?;
    match args.serve {
        true => serve(&ServeArgs::past(args.out.join("run")), console),
        false => Ok(()),
    }
}

fn all_steps(args: &QuickstartArgs, console: &Console) -> Result<(), Error> {
    let started = Instant::now();
    claim(&args.out, args.seed)?;
    let (data, run) = (args.out.join("data"), args.out.join("run"));
    note("simulate: a market of ads and organic items");
    let market = Market::new(MarketConfig { seed: args.seed, ..MarketConfig::default() })?;
    write_market(&market, &data)?;
    let oracle = Extra { name: "oracle".into(), metrics: market.oracle() };
    drop(market);

    let (config, context) = (config(), console.context());
    let dataset = Data::open(&data, &config)?;
    dataset.check_size()?;
    let run = Run::create(&run, dataset, config, args.seed)?;
    run.make_content(&context)?;
    context.check()?;
    let view = run.make_model(true, &context)?;
    let (best, extra) = (oracle.metrics, [oracle]);
    let pages = Pages { run: &run, extra: &extra };
    let evaluation = run.make_report(&extra, &|found, dir| pages.write(found, dir), &context)?;
    for (name, page) in pages.places()? {
        copy_page(&page, &args.out.join(name))?;
    }

    let mut out = tables(&evaluation);
    let _ = writeln!(
        out,
        "oracle, which knows the market: ndcg@10 {:.4}, recall@10 {:.4}",
        best.ndcg_10, best.recall_10
    );
    out += &examples(view)?;
    out += &ending(&args.out, &run, view, started);
    output::text(&out)
}

/// The defaults, with a training that ends in well under a minute.
fn config() -> Config {
    let mut config = Config::default();
    // The oracle knows the truth about every user's last event.
    config.data.split = SplitChoice::LeaveOneOut;
    config.train.epochs = EPOCHS;
    config.train.min_steps = 0;
    config
}

/// Returns an error for a folder with other content; marks a new one.
fn claim(out: &Path, seed: u64) -> Result<(), Error> {
    let mark = out.join(MARK);
    let ours = read_json::<Mark>(&mark).is_ok_and(|mark| mark.made_by == "semrank quickstart");
    // Files in the making alone are a quickstart that was killed before its first file.
    let strange = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.is_ok_and(|entry| !is_partial_file(&entry.file_name()))
    };
    let free = !out.exists() || std::fs::read_dir(out).is_ok_and(|mut entries| !entries.any(strange));
    if !ours && !free {
        let expected = "folder of an earlier quickstart";
        return Err(RunError::Occupied { path: out.to_owned(), expected }.into());
    }
    std::fs::create_dir_all(out).map_err(RunError::io("create", out))?;
    let semrank = env!("CARGO_PKG_VERSION").to_owned();
    Ok(write_json(&mark, &Mark { made_by: "semrank quickstart".into(), semrank, seed })?)
}

/// Puts the market's data set in its place; an existing one is replaced in one step.
fn write_market(market: &Market, dir: &Path) -> Result<(), Error> {
    let staged = StagedDir::new(dir)?;
    market.write(staged.path())?;
    Ok(staged.commit()?)
}

fn copy_page(from: &Path, to: &Path) -> Result<(), Error> {
    let page = std::fs::read(from).map_err(RunError::io("read", from))?;
    Ok(write_atomically(to, |out| out.write_all(&page))?)
}

/// What three test users are recommended, beside the end of their history.
fn examples(view: ModelView) -> Result<String, Error> {
    let dataset = &view.data.dataset;
    let cases = &view.data.split.test;
    let recommender = Recommender::new(view);
    let mut out = String::new();
    for case in cases.iter().step_by((cases.len() / USERS).max(1)).take(USERS) {
        let history = case.history(&dataset.events);
        let _ = writeln!(
            out,
            "\nuser {}, {}, the last of them",
            dataset.users.name(case.user.0),
            counted(history.len(), "event", "events")
        );
        for &item in history.last(3).items {
            let _ = writeln!(out, "      - {}", dataset.catalog.label(item));
        }
        out += &list(&recommender.best((case.user, history), ITEMS, |_| true)?, false);
        let _ = writeln!(out, "  taken next: {}", dataset.catalog.label(case.target));
    }
    Ok(out)
}

fn ending(out: &Path, run: &Run, view: ModelView, started: Instant) -> String {
    let user = shell::quote(view.data.dataset.users.names().next().unwrap_or_default());
    let folder = shell::quote(run.path());
    let memory =
        resources::peak_rss_mib().map_or(String::new(), |mib| format!(", at most {mib:.0} MiB of memory"));
    format!(
        "\n{:.1} s{memory}\nreport: {}\nnext:   semrank recommend {folder} --user {user} --explain\n        \
         semrank evaluate {folder} --json\n        semrank tokens report {folder}\n",
        started.elapsed().as_secs_f64(),
        out.join("report.html").display(),
    )
}
