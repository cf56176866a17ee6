//! Placeholders that other programs write for a missing id: `NA`, `null`, `\N`, `None`, `nan`. They may be real ids, so they are
//! kept; but many users merged into one called `NA` harm a model, so they are counted and reported.

use super::session::Session;
use semrank_core::counted;
use std::collections::BTreeMap;

const WORDS: [&str; 11] =
    ["na", "n/a", "<na>", "#n/a", "null", "(null)", r"\n", "none", "nan", "nil", "undefined"];

/// Such ids of one column; a column of lists has several entries per row.
#[derive(Debug, Default)]
pub(crate) struct Absent(BTreeMap<String, u64>);

impl Absent {
    /// Looks at an id.
    pub(crate) fn count(&mut self, id: &str) {
        const LONGEST: usize = 9;
        if id.len() > LONGEST || !WORDS.iter().any(|word| word.eq_ignore_ascii_case(id)) {
            return;
        }
        match self.0.get_mut(id) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(id.to_owned(), 1)),
        }
    }

    /// Warns about those found in `column`.
    pub(crate) fn warn(&self, session: &mut Session, column: &str) {
        for (id, count) in &self.0 {
            let of = format!("of column `{column}`");
            let entries = counted(*count, &format!("entry {of} is"), &format!("entries {of} are"));
            session.warn(format!(
                "{entries} `{id}`: it counts as one id. If it means that there is none, leave it out, or leave the value empty and \
                 allow such rows with --max-rejected"
            ));
        }
    }
}
