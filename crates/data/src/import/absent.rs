//! Ids that other programs write where there is none: `NA`, `null`, `\N`, `None`, `nan`. An id may be called so, therefore they are
//! kept; but a thousand strangers who are one user called `NA` spoil a model, therefore they are counted and told.

use super::session::Session;
use semrank_core::counted;
use std::collections::BTreeMap;

const WORDS: [&str; 11] =
    ["na", "n/a", "<na>", "#n/a", "null", "(null)", r"\n", "none", "nan", "nil", "undefined"];

/// Such ids of one column; a column of lists has several entries a row.
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

    /// Tells what was found in `column`.
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
