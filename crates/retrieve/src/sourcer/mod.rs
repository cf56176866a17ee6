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
//! | `text` | what shares words with a search string or with the newest events |
//! | `http` | what a service of the user's own answers |
//! | `cached` | what the ranker put first when it last ranked for the user |
//! | `early_stage` | what the early-stage model of a click ranker puts first: exactly |

mod cached;
mod co_engagement;
mod content;
mod early_stage;
mod fresh;
mod http;
mod popular;
mod semantic_id;
mod sequence;
mod text;

pub use cached::Cached;
pub use co_engagement::CoEngagement;
pub use content::{Content, ContentSettings, Engagement};
pub use early_stage::EarlyStage;
pub use fresh::Fresh;
pub use http::{Http, HttpSpec};
pub use popular::Popular;
pub use semantic_id::SemanticId;
pub use sequence::Sequence;
pub use text::Text;

use crate::{Error, Filter};
use semrank_core::Dictionary;
use semrank_nn::scan::Bitmap;
use semrank_sequence::{Servable, UserState};

/// Names of the program's own sources.
pub const NAMES: [&str; 9] = [
    "sequence",
    "content",
    "semantic-id",
    "co-engagement",
    "popular",
    "fresh",
    "text",
    "cached",
    "early-stage",
];

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
    /// What the user typed, if they did: `text` looks for it in place of the texts of the history.
    pub search: Option<&'a str>,
    /// The filter that the eligible items pass, for sources outside the program.
    pub filter: Option<&'a Filter>,
    /// Ids of all items, for sources outside the program.
    pub names: Option<&'a Dictionary>,
}

impl<'a> Request<'a> {
    /// Of somebody without an id, who has typed nothing.
    pub fn new(servable: &'a Servable, user: &'a UserState, eligible: &'a Bitmap) -> Self {
        Self { servable, user, user_id: None, eligible, search: None, filter: None, names: None }
    }
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

    /// The same, and how many candidates it had to leave out because they are unknown, may not be shown or have no score: none for a
    /// source that chooses among the eligible items.
    ///
    /// # Errors
    /// Those of [`Sourcer::candidates`].
    fn ask(&self, request: &Request, n: usize, out: &mut Vec<Scored>) -> Result<usize, Error> {
        self.candidates(request, n, out).map(|()| 0)
    }
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
