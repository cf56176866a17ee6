//! `semrank score`: a run and pairs of user and item in, a score for each pair out.
//!
//! ```text
//! semrank score beauty-run --pairs pairs.tsv --out scores.tsv
//! ```
//!
//! A line of the input is `user<TAB>item`; a line of the output has the score as a third column, in the same order. As in
//! `semrank recommend`, the user's whole history counts. Scores of one user can be compared with each other; `-inf` is an
//! item that the seen policy masks.

use crate::error::Error;
use crate::output;
use crate::run::{Finished, OpenArgs};
use clap::Args;
use semrank_core::{ItemId, UserId};
use semrank_data::write_atomically;
use semrank_model::evaluate::Query;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::PathBuf;

/// `semrank score`.
#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Lines `user<TAB>item`.
    #[arg(long, value_name = "FILE")]
    pairs: PathBuf,
    /// Where to write `user<TAB>item<TAB>score` [default: standard output].
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    from: OpenArgs,
}

/// Scores what the arguments say.
pub(crate) fn score(args: &ScoreArgs) -> Result<(), Error> {
    let run = args.from.finished()?;
    let pairs = read_pairs(&run, &args.pairs)?;
    let scores = scores(&run, &pairs);
    let dataset = &run.data.dataset;
    let mut text = String::new();
    for (&(user, item), score) in pairs.iter().zip(scores) {
        let _ = writeln!(text, "{}\t{}\t{score}", dataset.users.name(user.0), dataset.catalog.name(item));
    }
    match &args.out {
        Some(path) => Ok(write_atomically(path, |out| out.write_all(text.as_bytes()))?),
        None => output::lines(&text),
    }
}

fn read_pairs(run: &Finished, path: &std::path::Path) -> Result<Vec<(UserId, ItemId)>, Error> {
    let text = std::fs::read_to_string(path).map_err(Error::io("read", path))?;
    let dataset = &run.data.dataset;
    let pair = |(at, line): (usize, &str)| {
        let bad = |what: String| Error::BadPair { path: path.to_owned(), line: at + 1, what };
        let (user, item) =
            line.split_once('\t').ok_or_else(|| bad("has no tab between user and item".into()))?;
        let user_id = dataset.users.get(user).ok_or_else(|| bad(format!("has the unknown user `{user}`")))?;
        let item_id = dataset.catalog.ids.get(item);
        let item_id = item_id.ok_or_else(|| bad(format!("has the unknown item `{item}`")))?;
        Ok((UserId(user_id), ItemId(item_id)))
    };
    text.lines().enumerate().map(pair).collect()
}

/// One score a pair, in their order.
fn scores(run: &Finished, pairs: &[(UserId, ItemId)]) -> Vec<f32> {
    let mut by_user: BTreeMap<UserId, Vec<usize>> = BTreeMap::new();
    pairs.iter().enumerate().for_each(|(at, pair)| by_user.entry(pair.0).or_default().push(at));
    let wanted = |(&user, places): (&UserId, &Vec<usize>)| {
        let end = run.data.dataset.events.range(user).end;
        (Query { user, end }, places.iter().map(|&at| pairs[at].1).collect())
    };
    let wanted: Vec<(Query, Vec<ItemId>)> = by_user.iter().map(wanted).collect();
    let encoded = run.encoded_for(&wanted);
    let similar = run.similar();
    let found = run.ranker(&encoded, &similar).score_items(&wanted);
    let mut out = vec![0.0; pairs.len()];
    for (places, scores) in by_user.values().zip(found) {
        places.iter().zip(scores).for_each(|(&at, score)| out[at] = score);
    }
    out
}
