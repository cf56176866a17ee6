//! Pairs of user and item in a file, to be scored.

use crate::{Data, Error};
use semrank_core::{ItemId, UserId};
use semrank_data::{
    Value,
    import::{PairColumns, PairRow},
};
use std::path::Path;

/// The number that prints the digits of `score` and no more.
fn same_digits(score: f32) -> f64 {
    score.to_string().parse().unwrap_or(f64::from(score))
}

/// The pairs of a file.
pub struct Pairs {
    /// Pairs of the data set, in their order.
    pub known: Vec<(UserId, ItemId)>,
    /// Whether the file names its columns.
    pub header: bool,
    /// Pairs left out.
    pub skipped: usize,
    /// What is wrong with the first of them.
    pub first: Option<Error>,
}

impl Pairs {
    /// Reads a file.
    ///
    /// # Errors
    /// A file that cannot be read; [`Error::BadPair`] unless others are skipped.
    pub fn read(data: &Data, columns: &PairColumns, skip_unknown: bool) -> Result<Pairs, Error> {
        let mut pairs = Pairs { known: Vec::new(), header: false, skipped: 0, first: None };
        let mut reader = match columns.open() {
            // No pair, no line.
            Err(semrank_data::Error::Empty { .. }) => return Ok(pairs),
            reader => reader?,
        };
        pairs.header = reader.has_header();
        while let Some(pair) = reader.next_pair()? {
            match known(data, &pair, reader.path()) {
                Ok(pair) => pairs.known.push(pair),
                Err(error) if skip_unknown => {
                    pairs.skipped += 1;
                    pairs.first.get_or_insert(error);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(pairs)
    }

    /// Writes a row for each pair.
    ///
    /// # Errors
    /// Those of `push`.
    pub fn push(
        &self,
        data: &Data,
        scores: &[f32],
        push: &mut dyn FnMut(&[Value<'_>]) -> std::io::Result<()>,
    ) -> std::io::Result<()> {
        let dataset = &data.dataset;
        self.known.iter().zip(scores).try_for_each(|(&(user, item), &score)| {
            let (user, item) = (dataset.users.name(user.0), dataset.catalog.name(item));
            push(&[Value::Text(user), Value::Text(item), Value::Number(same_digits(score))])
        })
    }
}

fn known(data: &Data, pair: &PairRow, path: &Path) -> Result<(UserId, ItemId), Error> {
    let dataset = &data.dataset;
    let bad = |what: String| Error::BadPair { path: path.to_owned(), line: pair.line, what };
    let user = dataset.users.get(&pair.user);
    let user = user.ok_or_else(|| bad(format!("has the unknown user `{}`", pair.user)))?;
    let item = dataset.catalog.ids.get(&pair.item);
    let item = item.ok_or_else(|| bad(format!("has the unknown item `{}`", pair.item)))?;
    Ok((UserId(user), ItemId(item)))
}
