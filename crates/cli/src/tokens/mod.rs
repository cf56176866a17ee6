//! `semrank tokenize` and `semrank tokens`: make, report, publish and align semantic ids.
//!
//! ```text
//! semrank tokenize --data beauty --out beauty-run
//! semrank tokens report beauty-run
//! semrank tokens append beauty-run --items new.csv --item-id sku --text title,brand --out new-ids.tsv
//! semrank tokens align next-run --last beauty-run --out next-ids
//! ```
//!
//! | file | does |
//! |---|---|
//! | `tokenize` | the stages up to the ids |
//! | `report` | the verb `report`; `show` prints it |
//! | `append`, `align` | those verbs |

mod align;
mod append;
mod report;
mod show;
mod tokenize;

pub(crate) use show::sentence;
pub(crate) use tokenize::{TokenizeArgs, tokenize};

use crate::error::Error;
use crate::progress::Console;
use clap::{Args, Subcommand};

/// `semrank tokens`.
#[derive(Debug, Args)]
pub(crate) struct TokensArgs {
    #[command(subcommand)]
    verb: TokensVerb,
}

#[derive(Debug, Subcommand)]
enum TokensVerb {
    /// Report the quality of a run's ids and the meaning of their codes.
    Report(report::ReportArgs),
    /// Assign ids to new items with the run's frozen codebook and publish them; published ids do not change.
    Append(append::AppendArgs),
    /// Publish a run's ids as the next generation, with codes named so that few items change.
    Align(align::AlignArgs),
}

/// Runs the verb.
pub(crate) fn tokens(args: &TokensArgs, console: &Console) -> Result<(), Error> {
    match &args.verb {
        TokensVerb::Report(args) => report::report(args, console),
        TokensVerb::Append(args) => append::append(args, console),
        TokensVerb::Align(args) => align::align(args, console),
    }
}
