//! `semrank score`: a run and pairs of user and item in, a score for each pair out.
//!
//! ```text
//! semrank score beauty-run --pairs pairs.tsv --out scores.tsv
//! semrank score beauty-run --pairs pairs.parquet --user buyer --item sku --skip-unknown --out scores.parquet
//! ```
//!
//! The input is any table that `import` reads, or lines `user<TAB>item` without a header. The output has the score as a third column,
//! in the same order, and a header where the input has one. As in `semrank recommend`, the user's whole history counts. Scores of
//! one user can be compared with each other; `-inf` is an item that the seen policy masks.

use crate::error::Error;
use crate::output;
use crate::run::OpenArgs;
use clap::Args;
use semrank_core::counted;
use semrank_data::{ColumnType, TableFile, import::PairColumns};
use semrank_pipeline::Pairs;
use std::path::{Path, PathBuf};

const COLUMNS: [(&str, ColumnType); 3] =
    [("user", ColumnType::Text), ("item", ColumnType::Text), ("score", ColumnType::Number)];

/// `semrank score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Pairs: a table with a user and an item column, by its extension as for `import`, or lines `user<TAB>item`; `-` is standard
    /// input.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// User column of the pairs [default: user_id, user, userId …].
    #[arg(long, value_name = "COLUMN")]
    user: Option<String>,
    /// Item column of the pairs [default: item_id, item, itemId …].
    #[arg(long, value_name = "COLUMN")]
    item: Option<String>,
    /// Delimiter of the pairs: a character, or `tab` [default: from the first lines].
    #[arg(long, value_name = "CHARACTER", value_parser = crate::import::delimiter)]
    delimiter: Option<u8>,
    /// Leave out pairs whose user or item the data set does not have, and say how many.
    #[arg(long)]
    skip_unknown: bool,
    /// Where to write the pairs with their scores: `.csv`, `.parquet`, or lines with tabs [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    from: OpenArgs,
}

/// Runs the verb.
pub(crate) fn score(args: &ScoreArgs) -> Result<(), Error> {
    let run = args.from.open()?;
    let view = run.model()?;
    let columns = PairColumns {
        path: args.pairs.clone(),
        user: args.user.clone(),
        item: args.item.clone(),
        delimiter: args.delimiter,
    };
    let pairs = Pairs::read(view.data, &columns, args.skip_unknown)?;
    if let Some(first) = &pairs.first {
        let all = pairs.skipped + pairs.known.len();
        output::note(&format!(
            "{} of {} left out; the first: {first}",
            pairs.skipped,
            counted(all, "pair", "pairs")
        ));
    }
    let scores = view.scores(&pairs.known);
    let path = args.out.as_deref().unwrap_or(Path::new("standard output"));
    let table = TableFile { path, columns: &COLUMNS, header: pairs.header };
    if args.out.is_some() {
        return Ok(table.write(|push| pairs.push(view.data, &scores, push))?);
    }
    let mut text = Vec::new();
    let written = table.write_to(&mut text, |push| pairs.push(view.data, &scores, push));
    written.map_err(semrank_pipeline::Error::io("write to", path))?;
    output::lines(&String::from_utf8_lossy(&text))
}
