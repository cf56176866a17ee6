//! Files of predictions: the best items of every case, or the score of every labelled row.

use crate::next_item::ModelView;
use crate::response::{Inputs, ScoredRows};
use crate::{Error, Part};
use semrank_data::{Case, ColumnType, TableFile, Value};
use semrank_measure::ranking::{EvaluateError, Protocol, RankOptions, Ranked, rank, write_predictions};
use semrank_sequence::Servable;
use semrank_store::write_atomically;
use std::path::Path;

/// Items in a line of a predictions file.
const PREDICTED: usize = 50;
/// Columns of a predictions file that is a table.
const COLUMNS: [(&str, ColumnType); 3] =
    [("user", ColumnType::Text), ("item", ColumnType::Text), ("rank", ColumnType::Integer)];
/// Cases whose lists are in memory at a time: 26 MB.
const LISTED: usize = 1 << 16;

/// Writes the best items of every case of a part.
///
/// # Errors
/// Scores that are not numbers, ids that the format cannot hold, a file that cannot be written.
pub fn write_lists(
    (view, servable): (ModelView, &Servable),
    part: Part,
    protocol: Protocol,
    path: &Path,
) -> Result<(), Error> {
    let (dataset, cases) = (&view.data.dataset, part.cases(view.data));
    let options = RankOptions { list: PREDICTED };
    let mut refused = None;
    let ranked = |cases: &[Case]| {
        let ranking = rank(servable, &dataset.events, dataset.catalog.len(), cases, options)?;
        Ok::<_, EvaluateError>(ranking.of(protocol).clone())
    };
    let mut or_refused = |error: EvaluateError| match error {
        EvaluateError::Write(error) => error,
        other => std::io::Error::other(refused.insert(other).to_string()),
    };
    let written = if TableFile::holds_any_id(path) {
        let table = TableFile { path, columns: &COLUMNS, header: true };
        let written = table.write(|push| {
            cases.chunks(LISTED).try_for_each(|cases| {
                let ranked = ranked(cases).map_err(&mut or_refused)?;
                push_lists(view, cases, &ranked, push)
            })
        });
        written.map_err(Error::from)
    } else {
        let written = write_atomically(path, |out| {
            let mut lists = |cases: &[Case]| {
                write_predictions(out, cases, &ranked(cases)?, &dataset.users, &dataset.catalog.ids)
            };
            cases.chunks(LISTED).try_for_each(|cases| lists(cases).map_err(&mut or_refused))
        });
        written.map_err(Error::from)
    };
    match refused {
        Some(error) => Err(error.into()),
        None => written,
    }
}

/// A row for each item of each case.
fn push_lists(
    view: ModelView,
    cases: &[Case],
    ranked: &Ranked,
    push: &mut dyn FnMut(&[Value<'_>]) -> std::io::Result<()>,
) -> std::io::Result<()> {
    let dataset = &view.data.dataset;
    for (at, case) in cases.iter().enumerate() {
        let user = Value::Text(dataset.users.name(case.user.0));
        for (rank, &item) in (1..).zip(ranked.list(at)) {
            push(&[user, Value::Text(dataset.catalog.name(item)), Value::Integer(rank)])?;
        }
    }
    Ok(())
}

/// Writes `user item label score`, rows in the order of the examples.
///
/// # Errors
/// A file that cannot be written.
pub fn write_rows(inputs: &Inputs, all: &ScoredRows, path: &Path) -> Result<(), Error> {
    const COLUMNS: [(&str, ColumnType); 4] = [
        ("user", ColumnType::Text),
        ("item", ColumnType::Text),
        ("label", ColumnType::Integer),
        ("score", ColumnType::Number),
    ];
    let examples = inputs.examples;
    let catalog = &inputs.data.dataset.catalog;
    let table = TableFile { path, columns: &COLUMNS, header: true };
    Ok(table.write(|push| {
        for ((&row, &score), &label) in all.rows.iter().zip(&all.scores).zip(&all.labels) {
            let row = row as usize;
            let user = examples.user_names.name(examples.users[row].0);
            let item = catalog.name(examples.items[row]);
            push(&[
                Value::Text(user),
                Value::Text(item),
                Value::Integer(label.into()),
                Value::Number(score),
            ])?;
        }
        Ok(())
    })?)
}
