//! `semrank tokenize` and `semrank tokens`: semantic ids made, looked at, published and carried over to the next generation.
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
//! | `report` | the verb `report`; `measure` finds what it says, `tree` its examples, `show` prints it, `foreign` reads ids of others |
//! | `append`, `align` | those verbs |
//! | `published` | the generation of ids that a run has published |

mod align;
mod append;
mod foreign;
mod measure;
mod published;
mod report;
mod show;
mod tokenize;
mod tree;

pub(crate) use measure::{Bucket, Neighbourhoods, TokenReport, of_run};
pub(crate) use show::sentence;
pub(crate) use tokenize::{TokenizeArgs, tokenize};
pub(crate) use tree::Branch;

use crate::error::Error;
use clap::{Args, Subcommand};

/// `semrank tokens`.
#[derive(Debug, Args)]
pub(crate) struct TokensArgs {
    #[command(subcommand)]
    verb: TokensVerb,
}

#[derive(Debug, Subcommand)]
enum TokensVerb {
    /// How good a run's ids are, and what their codes mean.
    Report(report::ReportArgs),
    /// Give ids to new items with the run's frozen codebook, and publish them; ids that were published stay.
    Append(append::AppendArgs),
    /// Publish a run's ids as the generation after another, codes named such that few items change.
    Align(align::AlignArgs),
}

/// Does what the arguments say.
pub(crate) fn tokens(args: &TokensArgs) -> Result<(), Error> {
    match &args.verb {
        TokensVerb::Report(args) => report::report(args),
        TokensVerb::Append(args) => append::append(args),
        TokensVerb::Align(args) => align::align(args),
    }
}
