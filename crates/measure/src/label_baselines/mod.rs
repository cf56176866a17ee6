//! Simple predictors of a click or a conversion that every pointwise model is compared with.
//!
//! In: the examples of a prepared data set. Out: named columns of probabilities for the rows of one part
//! ([`baselines`]). Counts are taken from the training rows; what has to be turned into a probability, or blended,
//! is fitted by [`Logistic`] on the validation rows. The names that end in `+valid` count validation rows too: the
//! reference for a model that is trained again on both. All of them see what the model may see: labels that are known before
//! the first held-out row (of validation, or where that part is counted, of the test), and texts of the scope's items.
//!
//! | name | predicts |
//! |---|---|
//! | `base_rate` | the same for every row |
//! | `popularity` | by the item's positive rows |
//! | `item_mean` | the item's rate, smoothed |
//! | `item_user_mean` | log odds of the item's and the user's rate, added |
//! | `item_user_residual` | the item's rate, and by how much the user's labels exceed their items' rates |
//! | `history_length` | the length of the history alone: shows a leak in how the data was built |

mod means;
#[cfg(test)]
mod published;
#[cfg(test)]
mod tests;

pub use means::{SmoothedMeans, Smoothing};

use crate::calibrate::Logistic;
use semrank_core::narrow;
use semrank_data::{Dataset, Examples, FitScope, Labels, Part};

/// Which label is to be predicted. One that can still change is no label ([`Examples::matured`]), except of clicks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// Of every row.
    Click,
    /// That a row was clicked and converted; of every row but clicks without a conversion label.
    ClickAndConversion,
    /// Of the rows that have one.
    Conversion,
}

/// What is to be predicted from what.
#[derive(Debug, Clone, Copy)]
pub struct LabelledRows<'a> {
    dataset: &'a Dataset,
    examples: &'a Examples,
    scope: &'a FitScope,
    label: Label,
    labels: Labels<'a>,
}

/// A column of probabilities.
#[derive(Debug, Clone, PartialEq)]
pub struct Baseline {
    /// See the [module](self).
    pub name: String,
    /// One probability per row, in the order of [`LabelledRows::rows`].
    pub scores: Vec<f64>,
}

/// Rows with the labels that are known of them.
#[derive(Debug, Clone, Default)]
struct Known {
    rows: Vec<u32>,
    labels: Vec<bool>,
}

impl<'a> LabelledRows<'a> {
    /// Rows that were opened with this data set, and which of their labels; `scope` says which of these may be fitted.
    pub fn new(dataset: &'a Dataset, examples: &'a Examples, scope: &'a FitScope, label: Label) -> Self {
        LabelledRows { dataset, examples, scope, label, labels: Labels::new(dataset, examples) }
    }
}

impl LabelledRows<'_> {
    /// The final label of a row, to measure with.
    pub fn label(&self, row: usize) -> Option<bool> {
        let conversion = || self.examples.conversions.get(row).copied().flatten();
        let matured = || self.examples.matured.get(row) != Some(&false);
        match self.label {
            Label::Click => Some(self.examples.clicks[row]),
            Label::ClickAndConversion if !matured() => None,
            Label::ClickAndConversion if !self.examples.clicks[row] => Some(false),
            Label::ClickAndConversion => conversion(),
            Label::Conversion => conversion().filter(|_| matured()),
        }
    }

    /// The labelled rows of some parts, in file order.
    pub fn rows(&self, parts: &[Part]) -> Vec<u32> {
        let wanted = |row: &u32| {
            parts.contains(&self.examples.parts[*row as usize]) && self.label(*row as usize).is_some()
        };
        narrow::indices(self.examples.len()).filter(wanted).collect()
    }

    /// The rows of some parts whose labels may be fitted, in file order.
    fn known(&self, parts: &[Part]) -> Known {
        let held_out = if parts.contains(&Part::Valid) {
            self.scope.chosen_before()
        } else {
            self.scope.labels_before()
        };
        let mut out = Known::default();
        for row in narrow::indices(self.examples.len()) {
            if !parts.contains(&self.examples.parts[row as usize]) {
                continue;
            }
            let label = held_out
                .map_or_else(|| self.label(row as usize), |moment| self.label_before(row as usize, moment));
            out.rows.extend(label.map(|_| row));
            out.labels.extend(label);
        }
        out
    }

    /// The label of a row as it is known before a moment.
    fn label_before(&self, row: usize, moment: i64) -> Option<bool> {
        match self.label {
            Label::Click => self.labels.click_before(row, moment),
            Label::Conversion => self.labels.conversion_before(row, moment),
            Label::ClickAndConversion => self.labels.click_and_conversion_before(row, moment),
        }
    }

    /// The labels of `rows`.
    pub fn labels(&self, rows: &[u32]) -> Vec<bool> {
        rows.iter().map(|&row| self.label(row as usize) == Some(true)).collect()
    }
}

/// Every baseline that the data has columns for, as probabilities of `rows`. A log of millions of rows takes a few seconds.
pub fn baselines(data: LabelledRows<'_>, rows: &[u32]) -> Vec<Baseline> {
    let train = SmoothedMeans::fit(data, &[Part::Train], Smoothing::default());
    let mut means = vec![(train.clone(), "")];
    if data.examples.rows(Part::Valid).next().is_some() {
        let both = SmoothedMeans::fit(data, &[Part::Train, Part::Valid], Smoothing::default());
        means.push((both, "+valid"));
    }
    let fitted = Fitted::new(data);
    let popularity = |rows: &[u32]| train.popularity(rows);
    let mut out = vec![
        column("base_rate", rows.iter().map(|_| train.base_rate()).collect()),
        column("popularity", fitted.apply(rows, popularity)),
    ];
    for (means, suffix) in &means {
        let all = |score: &dyn Fn(usize) -> f64| rows.iter().map(|&row| score(row as usize)).collect();
        out.push(column(&format!("item_mean{suffix}"), all(&|row| means.item(row))));
        out.push(column(&format!("item_user_mean{suffix}"), all(&|row| means.item_and_user(row))));
        out.push(column(&format!("item_user_residual{suffix}"), all(&|row| means.item_and_residual(row))));
    }
    // Without histories this would be the base rate again.
    if data.examples.history_ends.iter().any(|&end| end > 0) {
        out.push(column("history_length", fitted.apply(rows, |rows| lengths(data, rows))));
    }
    out
}

/// `ln(1 + events of the history)` of every row.
fn lengths(data: LabelledRows<'_>, rows: &[u32]) -> Vec<f64> {
    rows.iter().map(|&row| f64::from(data.examples.history_ends[row as usize]).ln_1p()).collect()
}

fn column(name: &str, scores: Vec<f64>) -> Baseline {
    Baseline { name: name.to_owned(), scores }
}

/// The rows on which a feature becomes a probability.
struct Fitted {
    known: Known,
    base_rate: f64,
}

impl Fitted {
    /// The validation rows; those of training where there are none.
    fn new(data: LabelledRows<'_>) -> Fitted {
        let mut known = data.known(&[Part::Valid]);
        if known.rows.is_empty() {
            known = data.known(&[Part::Train]);
        }
        let positives = known.labels.iter().filter(|&&label| label).count();
        let base_rate = positives as f64 / known.rows.len().max(1) as f64;
        Fitted { known, base_rate }
    }

    /// Fits a feature (one number per row) on these rows and returns the probabilities of `rows`; the base rate where only one
    /// label occurs.
    fn apply(&self, rows: &[u32], feature: impl Fn(&[u32]) -> Vec<f64>) -> Vec<f64> {
        match Logistic::fit(&[&feature(&self.known.rows)], &self.known.labels) {
            Ok(model) => model.apply_columns(&[&feature(rows)]),
            Err(_) => vec![self.base_rate; rows.len()],
        }
    }
}
