//! Labels predicted from content: the rate of an item before it has labels, and the taste of a user.
//!
//! In: the sums of labels that are known so far ([`CountState`]), content vectors. Out: for each row
//!
//! | feature | |
//! |---|---|
//! | `t` of clicks, `g` of clicks | the item's effect, estimated from content, and from content and the item's own labels |
//! | the same of conversions | where there are conversions |
//! | taste | how the user's labels on similar content change it |
//!
//! All are shrunk by variances that are estimated from the labels themselves (empirical Bayes), so that uninformative contents
//! give zeros. Effects are differences of probabilities; a feature is divided by `b (1 - b)`, with `b` the base rate, which makes it
//! about a difference of log-odds.
//!
//! The variances and weights are fitted again when the labels have grown by a tenth, always on labels that are known by then.
//!
//! | file | does |
//! |---|---|
//! | `contents` | content vectors, centred, of unit length; their main directions |
//! | `items` | [`ItemEffects`]: item effects as a linear function of content, plus an item-specific residual |
//! | `taste` | [`Taste`]: weights per user on the main directions |
//! | `cholesky` | the solver of both |
//! | `tensors` | all of that to and from a file |

mod cholesky;
mod contents;
mod items;
mod taste;
mod tensors;

use super::counts::{CountState, Past};
use super::items::Items;
use contents::Contents;
use items::ItemEffects;
pub(crate) use items::Observed;
use rayon::prelude::*;
use taste::Taste;

/// Growth of the labels between two fits, and labels before the first one.
const GROWTH: f64 = 1.1;
const FIRST_FIT: f64 = 200.0;
/// Users whose labels show how tastes vary.
const USERS: usize = 2000;
/// Features of item effects, of one label.
const OF_LABEL: usize = 2;
/// Features of taste.
pub(crate) const OF_TASTE: usize = 1;

/// What a user's labels say, for [`ContentEffects::weights`]: items, and labels less what the items made likely.
pub(crate) type Residuals = Vec<(u32, f32)>;

/// Effects as far as they are known.
#[derive(Debug, Clone)]
pub(crate) struct ContentEffects {
    contents: Contents,
    clicks: ItemEffects,
    conversions: Option<ItemEffects>,
    taste: Taste,
    /// What a difference of click probabilities is divided by.
    unit: f32,
    next_fit: f64,
}

impl ContentEffects {
    /// Nothing known yet.
    pub(crate) fn new(items: &Items, conversions: bool) -> Self {
        let contents = Contents::new(items);
        let none = ItemEffects::none(contents.len());
        Self {
            taste: Taste::new(&contents, items),
            clicks: none.clone(),
            conversions: conversions.then_some(none),
            contents,
            unit: 1.0,
            next_fit: FIRST_FIT,
        }
    }

    /// Takes in the contents of items that are new.
    pub(crate) fn grow(&mut self, items: &Items) {
        self.contents.grow(items);
        self.clicks.project(&self.contents, items);
        self.conversions.iter_mut().for_each(|effects| effects.project(&self.contents, items));
        self.taste.project(&self.contents, items);
    }

    /// Number of features beside taste.
    pub(crate) fn width(&self) -> usize {
        OF_LABEL * (1 + usize::from(self.conversions.is_some()))
    }

    /// Fits to the labels that are counted, if there are enough new ones or `at_once`.
    pub(crate) fn fit(&mut self, items: &Items, counts: &CountState, at_once: bool) {
        let labels = counts.labels();
        if labels < FIRST_FIT || (labels < self.next_fit && !at_once) {
            return;
        }
        self.next_fit = labels * GROWTH;
        self.unit = counts.base_variance() as f32;
        let from = (&self.contents, items);
        let observed = counts.observed(CountState::clicks_of);
        self.clicks = ItemEffects::fit(from, observed, counts.base_variance());
        if let Some(conversions) = &mut self.conversions {
            let variance = counts.base_variance_of_conversions();
            *conversions = ItemEffects::fit(from, counts.observed(CountState::conversions_of), variance);
        }
        let pasts: Vec<&[Past]> = counts.pasts().spread(USERS).collect();
        let users: Vec<Residuals> =
            pasts.par_iter().map(|past| self.residuals(items, counts, past)).collect();
        self.taste.fit(&users, counts.base_variance());
    }

    /// Appends the features of an item's effects.
    pub(crate) fn push(&self, counts: &CountState, item: u32, out: &mut Vec<f32>) {
        let mut push = |effects: &ItemEffects, seen: Observed| {
            let unit = effects.variance();
            out.extend([effects.of_content(item) / unit, effects.of_item(item, seen) / unit]);
        };
        push(&self.clicks, counts.clicks_of(item));
        if let Some(conversions) = &self.conversions {
            push(conversions, counts.conversions_of(item));
        }
    }

    /// A user's labels less what their items made likely, each without its own share in that.
    pub(crate) fn residuals(&self, items: &Items, counts: &CountState, past: &[Past]) -> Residuals {
        let residual = |old: &Past| {
            let seen = counts.clicks_of(old.item);
            let others = Observed { rows: seen.rows - 1.0, sum: seen.sum - old.over_user };
            (items.row(old.item), old.over_slot - self.clicks.of_item(old.item, others))
        };
        past.iter().map(residual).collect()
    }

    /// The weights of a user, given all its labels.
    pub(crate) fn weights(&self, residuals: &Residuals) -> Vec<f32> {
        self.taste.weights(residuals)
    }

    /// The feature of taste.
    pub(crate) fn taste(&self, weights: &[f32], item: u32) -> f32 {
        self.taste.of(weights, item) / self.unit
    }
}
