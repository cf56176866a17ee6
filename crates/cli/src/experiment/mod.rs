//! The verb `experiment`: the randomised test, from its plan to its report.
//!
//! ```text
//! semrank experiment plan    test.toml --state serve               days and units, from a log before the test
//! semrank experiment assign  test.toml --unit u7                   the arm of a unit
//! semrank experiment analyze test.toml --state serve --json        what the log says
//! semrank experiment report  test.toml --state serve --out report  the same as a page
//! semrank experiment off-policy --state serve --run other          what other policies would have earned
//! semrank experiment verify  cases.json --json                     numerical cases, answered by this program's statistics
//! ```
//!
//! | file | does |
//! |---|---|
//! | `rows` | a definition and a log, as files or as a server's state |
//! | `plan`, `assign`, `analyze`, `off_policy`, `verify` | one verb each; `analyze` makes the report too |

mod analyze;
mod assign;
mod off_policy;
mod plan;
mod rows;
mod verify;

pub(crate) use rows::definition;

use crate::error::Error;
use crate::progress::Console;
use clap::{Args, Subcommand};

/// `semrank experiment`.
#[derive(Debug, Args)]
pub(crate) struct ExperimentArgs {
    #[command(subcommand)]
    verb: ExperimentVerb,
}

#[derive(Debug, Subcommand)]
enum ExperimentVerb {
    /// What a test can detect and how long it takes, from the log of a time before it.
    Plan(plan::PlanArgs),
    /// The arms of units.
    Assign(assign::AssignArgs),
    /// What the log of a test says: trust checks, effects, verdict.
    Analyze(analyze::AnalyzeArgs),
    /// The same as a page, with its numbers as JSON beside it.
    Report(analyze::ReportArgs),
    /// What other policies would have earned, from the log of a server that explored.
    OffPolicy(off_policy::OffPolicyArgs),
    /// Answer a file of numerical cases, to compare these statistics with those of other libraries.
    Verify(verify::VerifyArgs),
}

/// Runs it.
pub(crate) fn experiment(args: &ExperimentArgs, console: &Console) -> Result<(), Error> {
    match &args.verb {
        ExperimentVerb::Plan(args) => plan::plan(args),
        ExperimentVerb::Assign(args) => assign::assign(args),
        ExperimentVerb::Analyze(args) => analyze::analyze(args, console),
        ExperimentVerb::Report(args) => analyze::report(args, console),
        ExperimentVerb::OffPolicy(args) => off_policy::off_policy(args, console),
        ExperimentVerb::Verify(args) => verify::verify(args),
    }
}
