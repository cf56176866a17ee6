//! `semrank`: semantic ranking for ads and feeds in one program. One verb per stage; `semrank help` lists them.
//!
//! ```text
//! semrank quickstart                                        everything, on a simulated market
//! semrank import --format s3rec --events sequences.txt --out beauty
//! semrank run --data beauty --out beauty-run
//! semrank recommend beauty-run --user A2 -k 5 --explain
//! ```
//!
//! Results go to standard output, progress and remarks to standard error. This file reads the arguments and hands
//! them on; each verb has its own module.

mod backtest;
mod compare;
mod config;
mod embed;
mod embed_help;
mod error;
mod evaluate;
mod examples;
mod experiment;
mod export;
mod finetune;
mod import;
mod index;
mod interrupt;
mod log_url;
mod model_fetch;
mod output;
mod prep;
mod progress;
mod quickstart;
mod recommend;
mod report;
mod retrieve;
mod run;
mod score;
mod serve;
mod simulate;
mod tokens;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use error::Error;
use progress::Console;
use semrank_console::defaults;
use semrank_pipeline::config::Config;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "semrank", version, about = "Semantic ranking for ads and feeds in one program")]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
    /// Threads to work with [default: all cores]; results do not depend on it.
    #[arg(long, global = true, value_name = "N", default_value_t = 0, hide_default_value = true)]
    threads: usize,
}

#[derive(Subcommand)]
enum Verb {
    /// Run everything on a simulated market: data, training, comparison with baselines, recommendations, report.
    Quickstart(quickstart::QuickstartArgs),
    /// Turn a catalogue and an event log into a checked data set.
    #[command(after_help = examples::IMPORT)]
    Import(Box<import::ImportArgs>),
    /// Turn a raw log of impressions, clicks and conversions into labelled examples with their histories.
    Prep(prep::PrepArgs),
    /// Turn texts into vectors.
    Embed(Box<embed::EmbedArgs>),
    /// Fine-tune an encoder on co-engagement pairs.
    Finetune(Box<finetune::FinetuneArgs>),
    /// Run all stages: features, tokens, training, evaluation, report. Unchanged stages are skipped.
    #[command(after_help = examples::RUN)]
    Run(run::RunArgs),
    /// Run the stages up to the semantic ids: features and tokens.
    Tokenize(tokens::TokenizeArgs),
    /// Run the stages up to the trained model.
    Train(run::RunArgs),
    /// Evaluate a run: its metrics and those of the baselines.
    #[command(after_help = examples::EVALUATE)]
    Evaluate(evaluate::EvaluateArgs),
    /// Compare runs: quality and cost.
    #[command(after_help = examples::COMPARE)]
    Compare(compare::CompareArgs),
    /// Compare settings on cuts inside the training events: validation and test stay unseen.
    #[command(after_help = examples::BACKTEST)]
    Backtest(backtest::BacktestArgs),
    /// Report, publish and align the semantic ids of a run.
    Tokens(tokens::TokensArgs),
    /// Recommend items to a user.
    #[command(after_help = examples::RECOMMEND)]
    Recommend(recommend::RecommendArgs),
    /// The first stage of a run: how many candidates each source gives, chosen on validation; `bench` times searches.
    Index(index::IndexArgs),
    /// Candidates for a user from all sources, or from one.
    Retrieve(retrieve::RetrieveArgs),
    /// Serve a run: events in, ranked items out.
    Serve(serve::ServeArgs),
    /// Play a server's log again and compare every ranking with what was served.
    Replay(serve::ReplayArgs),
    /// Write a server's log and items as a data set, for `prep` and `run`.
    Log(serve::LogArgs),
    /// Ask a server whether it is ready.
    Health(serve::HealthArgs),
    /// Make an API key for a server.
    Key(serve::KeyArgs),
    /// The randomised test: plan, arms, analysis, report.
    Experiment(experiment::ExperimentArgs),
    /// Score pairs of users and items.
    #[command(after_help = examples::SCORE)]
    Score(score::ScoreArgs),
    /// Print all settings with their meaning, as TOML.
    Config(config::ConfigVerb),
    /// Download a text encoder.
    Model(model_fetch::ModelArgs),
    /// Simulate a market and write its data set.
    #[command(after_help = examples::SIMULATE)]
    Simulate(simulate::SimulateArgs),
}

/// The arguments; the defaults in their help are those of the settings.
fn parse() -> Cli {
    let defaults = serde_json::json!(Config::default());
    let matches = defaults::with_defaults(Cli::command(), &defaults).get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn main() -> ExitCode {
    let cli = parse();
    interrupt::install();
    match execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = error.exit_code();
            semrank_console::errors::show(&error, error.help());
            code
        }
    }
}

fn execute(cli: Cli) -> Result<(), Error> {
    // It fails only when a pool exists already; then that one is used.
    let _ = rayon::ThreadPoolBuilder::new().num_threads(cli.threads).build_global();
    let console = &Console::new(cli.threads);
    match cli.verb {
        Verb::Quickstart(args) => quickstart::quickstart(&args, console),
        Verb::Import(args) => import::import(*args),
        Verb::Prep(args) => prep::prep(&args, cli.threads),
        Verb::Embed(args) => embed::embed(&args, console),
        Verb::Finetune(args) => finetune::run(&args, console),
        Verb::Run(args) => run::run(&args, console),
        Verb::Tokenize(args) => tokens::tokenize(&args, console),
        Verb::Tokens(args) => tokens::tokens(&args, console),
        Verb::Train(args) => run::train(&args, console),
        Verb::Evaluate(args) => evaluate::evaluate(&args, console),
        Verb::Compare(args) => compare::compare(&args),
        Verb::Backtest(args) => backtest::backtest(&args, console),
        Verb::Recommend(args) => recommend::recommend(&args),
        Verb::Index(args) => index::index(&args, console),
        Verb::Retrieve(args) => retrieve::retrieve(&args),
        Verb::Serve(args) => serve::serve(&args, console),
        Verb::Replay(args) => serve::replay(&args, console),
        Verb::Log(args) => serve::log(&args),
        Verb::Health(args) => serve::health(&args),
        Verb::Key(args) => serve::key(&args),
        Verb::Experiment(args) => experiment::experiment(&args, console),
        Verb::Score(args) => score::score(&args),
        Verb::Config(args) => config::config(&args),
        Verb::Model(args) => model_fetch::model(&args),
        Verb::Simulate(args) => simulate::simulate(&args),
    }
}
