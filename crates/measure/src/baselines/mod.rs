//! Simple rankers that every model is compared with: popularity, recent popularity, a first-order Markov chain, and text
//! similarity to the last items.
//!
//! All are fitted on the training events of the target action only. At query time a history is everything before the
//! target, as for a model.
//!
//! | name | scores by | items already seen |
//! |---|---|---|
//! | `popularity` | training events | stay |
//! | `recent_popularity` | those of the last days of training | stay |
//! | `markov` | transitions from the last item | stay: a seen item rarely follows the last one |
//! | `tfidf` | cosine of the text to the last 3 items' | masked (`-inf`) unless told otherwise: an item is most similar to itself |
//!
//! ```
//! # use semrank_core::*;
//! # use semrank_data::{Dataset, FitScope, Meta, Split, SplitKind};
//! use semrank_measure::baselines::Markov;
//! use semrank_measure::ranking::Scorer;
//! # let mut events = EventLogBuilder::default();
//! # for (user, items) in [[0, 1, 2, 2], [0, 1, 1, 0]].iter().enumerate() {
//! #     for (time, &item) in items.iter().enumerate() {
//! #         events.push(UserId(user as u32), Event { item: ItemId(item), action: ActionId(0), time: time as i64 });
//! #     }
//! # }
//! # let dataset = Dataset {
//! #     meta: Meta::default(),
//! #     users: ["a", "b"].into_iter().collect(),
//! #     actions: ["view"].into_iter().collect(),
//! #     catalog: Catalog { ids: ["x", "y", "z"].into_iter().collect(), ..Catalog::default() },
//! #     events: events.finish(2, false),
//! # };
//! # let split = Split::new(&dataset, SplitKind::LeaveOneOut)?;
//! // Training: x y of both users.
//! let markov = Markov::fit(&dataset, &FitScope::of_split(&dataset, &split));
//! let mut scores = [0.0; 3];
//! markov.score(&[dataset.events.before(UserId(0), 1)], &mut scores); // after x
//! assert!(scores[1] > 2.0 && scores[0] > scores[2]); // y followed twice; x is more popular than z
//! # Ok::<(), semrank_data::Error>(())
//! ```

mod markov;
mod popularity;
mod similar_text;

pub use markov::Markov;
pub use popularity::Popularity;
pub use similar_text::SimilarText;

use semrank_core::{ActionId, History, ItemId};
use semrank_data::Dataset;

/// Which events count: those of the target action, or all where none is set.
#[derive(Debug, Clone, Copy)]
struct Targets(Option<ActionId>);

impl Targets {
    fn of(dataset: &Dataset) -> Self {
        Targets(dataset.target_action())
    }

    fn items<'a>(self, history: History<'a>) -> impl DoubleEndedIterator<Item = ItemId> + 'a {
        let wanted = move |action: ActionId| self.0.is_none_or(|target| target == action);
        history
            .items
            .iter()
            .zip(history.actions)
            .filter(move |(_, action)| wanted(**action))
            .map(|(item, _)| *item)
    }

    /// Items of a history, newest first.
    fn newest<'a>(self, history: &History<'a>) -> impl Iterator<Item = ItemId> + 'a {
        self.items(*history).rev()
    }
}

/// `counts` squeezed into `[0, 1)`, in the same order: added to another count it only breaks that one's ties.
fn fractions(counts: &[u32]) -> Vec<f32> {
    let above = f64::from(counts.iter().copied().max().unwrap_or(0)) + 1.0;
    counts.iter().map(|&count| (f64::from(count) / above) as f32).collect()
}

#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;
