//! Probabilities of given rows. A score is a function of its row: the rest of the batch plays no part.

use super::delay::sigmoid;
use super::features::FeatureStore;
use super::network::{Drops, HeadColumns, Inputs, PointwiseNetwork, Position, Saved};
use super::rows::RowData;
use super::shard::{Numbering, order_key};
use rayon::prelude::*;

/// Rows scored at a time.
const CHUNK: usize = 1024;

/// What is predicted of one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Probability of a click.
    pub click: f64,
    /// Probability of a conversion, given a click; 0 where conversions are not predicted.
    pub conversion: f64,
    /// Logarithm of 1 + dwell in seconds, given a click; 0 where dwell is not predicted.
    pub log_dwell: f64,
}

impl Score {
    /// Probability of click and conversion: the entire-space product.
    pub fn click_and_conversion(&self) -> f64 {
        self.click * self.conversion
    }
}

/// Scores of `rows`, whose features are made, in their order; `neutral` is the click effect of the mean slot.
pub(crate) fn score(
    network: &PointwiseNetwork<f32>,
    (data, features): (&RowData, &FeatureStore),
    rows: &[usize],
    (position, neutral): (Position, f32),
) -> Vec<Score> {
    let effect = (position == Position::Neutral).then_some(neutral);
    let mut out = vec![Score::default(); rows.len()];
    out.par_chunks_mut(CHUNK).zip(rows.par_chunks(CHUNK)).for_each_init(
        || (Numbering::default(), Inputs::default(), Saved::default()),
        |(numbering, inputs, saved), (out, rows)| {
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|&at| order_key(data, rows[at]));
            numbering.fill(data, features, order.iter().map(|&at| rows[at]), inputs);
            network.forward(&data.tables, inputs, Drops::off(), effect, saved);
            let columns = network.columns;
            for (&at, logits) in order.iter().zip(saved.logits.chunks_exact(columns.count)) {
                let probability = |column: usize| sigmoid(f64::from(logits[column]));
                out[at] = Score {
                    click: probability(HeadColumns::CLICK),
                    conversion: columns
                        .conversion_logit(|column| f64::from(logits[column]))
                        .map_or(0.0, sigmoid),
                    log_dwell: columns.dwell.map_or(0.0, |column| f64::from(logits[column])),
                };
            }
        },
    );
    out
}
