//! What the ranker put first when it last ranked for a user: good candidates that cost a look-up.

use super::{Request, Scored, Sourcer};
use crate::Error;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};

/// The last ranking of each of the latest users.
#[derive(Debug)]
pub struct Cached {
    kept: Mutex<Kept>,
    most_users: usize,
}

#[derive(Debug, Default)]
struct Kept {
    /// By user: when it was written, and the ranking.
    rankings: HashMap<String, (u64, Vec<Scored>)>,
    /// Users by when they were written.
    order: BTreeMap<u64, String>,
    writes: u64,
}

impl Cached {
    /// Of at most so many users.
    pub fn new(most_users: usize) -> Self {
        Self { kept: Mutex::default(), most_users: most_users.max(1) }
    }

    /// Keeps a user's ranking, best first, in place of an earlier one; the user written longest ago goes when there are too many.
    pub fn remember(&self, user_id: &str, ranking: Vec<Scored>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.writes += 1;
        let now = kept.writes;
        if let Some((before, _)) = kept.rankings.insert(user_id.to_owned(), (now, ranking)) {
            kept.order.remove(&before);
        }
        kept.order.insert(now, user_id.to_owned());
        if kept.order.len() > self.most_users
            && let Some((_, oldest)) = kept.order.pop_first()
        {
            kept.rankings.remove(&oldest);
        }
    }

    /// Forgets a user.
    pub fn forget(&self, user_id: &str) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, _)) = kept.rankings.remove(user_id) {
            kept.order.remove(&at);
        }
    }
}

impl Sourcer for Cached {
    fn name(&self) -> &'static str {
        "cached"
    }

    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let ranking = request.user_id.and_then(|user| kept.rankings.get(user));
        let ranking = ranking.into_iter().flat_map(|(_, ranking)| ranking);
        out.extend(ranking.filter(|scored| request.eligible.contains(scored.item)).take(n));
        Ok(())
    }
}
