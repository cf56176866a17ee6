//! How many candidates of a request each source may give.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Candidates per request, the ranker's own first ones among them.
pub(super) const TOTAL: usize = 1000;

/// Candidates per request of each source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quotas {
    /// By the source's name.
    pub sources: BTreeMap<String, usize>,
    /// Validation cases that they were chosen by.
    pub cases: usize,
}

impl Quotas {
    /// The quota of a source; none where it got nothing.
    pub fn of(&self, name: &str) -> usize {
        self.sources.get(name).copied().unwrap_or(0)
    }

    /// Half for the ranker's own first items, and the rest divided evenly.
    pub fn even(names: &[&str]) -> Self {
        let (mut sources, others) = (BTreeMap::new(), names.len().saturating_sub(1).max(1));
        for (at, &name) in names.iter().enumerate() {
            sources.insert(name.to_owned(), if at == 0 { TOTAL / 2 } else { TOTAL / 2 / others });
        }
        Self { sources, cases: 0 }
    }
}
