//! Ranked lists in, a predictions file out: a line `user<TAB>item item …` per case, best first, in the order of the
//! cases.

use super::{EvaluateError, Ranked};
use semrank_core::Dictionary;
use semrank_data::Case;
use std::io::Write;

/// Writes the list of every case; `users` and `items` translate rows to ids.
///
/// # Errors
/// An id that is empty or holds white space, which the format cannot express, or a failed write.
///
/// # Panics
/// When `ranked` holds no lists for these cases, or a row is not in its dictionary.
pub fn write_predictions(
    out: &mut dyn Write,
    cases: &[Case],
    ranked: &Ranked,
    users: &Dictionary,
    items: &Dictionary,
) -> Result<(), EvaluateError> {
    let mut line = String::new();
    for (at, case) in cases.iter().enumerate() {
        line.clear();
        line.push_str(writable(users.name(case.user.0))?);
        let mut separator = '\t';
        for item in ranked.list(at) {
            line.push(separator);
            line.push_str(writable(items.name(item.0))?);
            separator = ' ';
        }
        line.push('\n');
        out.write_all(line.as_bytes())?;
    }
    Ok(out.flush()?)
}

fn writable(id: &str) -> Result<&str, EvaluateError> {
    let plain = !id.is_empty() && !id.chars().any(|c| c.is_whitespace() || c.is_control());
    if plain { Ok(id) } else { Err(EvaluateError::UnwritableId { id: id.to_owned() }) }
}
