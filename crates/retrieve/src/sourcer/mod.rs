//! Sources of candidates: each answers "which eligible items for this user?" in one way.
//!
//! | file | finds |
//! |---|---|
//! | `sequence` | what the next-item ranker itself puts first: exactly |
//! | `content` | what is near, by content, to what the user engaged with; needs no event of the candidate |
//! | `semantic_id` | what shares a prefix of its semantic id with the history |
//! | `co_engagement` | what others took next to it |
//! | `popular` | what everybody takes |
//! | `fresh` | items without events, in an order that differs between users |
//! | `cached` | what the ranker put first when it last ranked for the user |

mod cached;
mod co_engagement;
mod content;
mod fresh;
mod popular;
mod semantic_id;
mod sequence;

pub use cached::Cached;
pub use co_engagement::CoEngagement;
pub use content::{Content, ContentSettings, Engagement};
pub use fresh::Fresh;
pub use popular::Popular;
pub use semantic_id::SemanticId;
pub use sequence::Sequence;

use crate::Error;
use semrank_nn::scan::Bitmap;
use semrank_sequence::{Servable, UserState};

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The ranker, with all items that are there now.
    pub servable: &'a Servable,
    /// The user's state.
    pub user: &'a UserState,
    /// The user's id, if they have one.
    pub user_id: Option<&'a str>,
    /// The items that may be shown.
    pub eligible: &'a Bitmap,
}

/// A candidate of one source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scored {
    /// The item.
    pub item: u32,
    /// The source's own score: comparable within an answer of the source only.
    pub score: f32,
}

/// A source of candidates.
pub trait Sourcer: Send + Sync {
    /// Its name in quotas, answers and reports.
    fn name(&self) -> &'static str;

    /// The best `n` eligible items, best first, each once; fewer where the source knows no more. `out` comes empty.
    ///
    /// # Errors
    /// What keeps the source from answering; the funnel names it in the answer and goes on without.
    fn candidates(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<(), Error>;
}

/// Keeps the best `n`, best first, of equal scores the lower item.
fn keep_best(n: usize, out: &mut Vec<Scored>) {
    let order = |a: &Scored, b: &Scored| b.score.total_cmp(&a.score).then(a.item.cmp(&b.item));
    if n < out.len() {
        out.select_nth_unstable_by(n, order);
        out.truncate(n);
    }
    out.sort_unstable_by(order);
}
