//! Scores of given rows. A score is a function of its row: the rest of the batch plays no part.
//!
//! A score stays in log odds until someone asks for a probability: one near 1 is rounded to 1, whose loss is infinite where the label
//! is 0, and rows of different scores would be tied.

use super::delay::sigmoid;
use super::network::{Drops, HeadColumns, Inputs, PointwiseNetwork, Saved};
use super::request::Request;
use super::rows::RowData;
use super::shard::{Numbering, Reader};
use rayon::prelude::*;

/// Rows scored at a time.
pub(crate) const CHUNK: usize = 1024;

/// What is predicted of one row.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Score {
    /// Log odds of a click.
    pub click_log_odds: f64,
    /// Log odds of a conversion, given a click; none where conversions are not predicted.
    pub conversion_log_odds: Option<f64>,
    /// Logarithm of 1 + dwell in seconds, given a click; 0 where dwell is not predicted.
    pub log_dwell: f64,
}

impl Score {
    /// Probability of a click.
    pub fn click(&self) -> f64 {
        sigmoid(self.click_log_odds)
    }

    /// Probability of a conversion, given a click; 0 where conversions are not predicted.
    pub fn conversion(&self) -> f64 {
        self.conversion_log_odds.map_or(0.0, sigmoid)
    }

    /// Probability of click and conversion: the entire-space product.
    pub fn click_and_conversion(&self) -> f64 {
        self.click() * self.conversion()
    }

    /// The first of its numbers that is not finite, by name.
    pub(crate) fn not_finite(&self) -> Option<(&'static str, f64)> {
        let numbers = [
            ("click score", self.click_log_odds),
            ("conversion score", self.conversion_log_odds.unwrap_or(0.0)),
            ("dwell score", self.log_dwell),
        ];
        numbers.into_iter().find(|(_, number)| !number.is_finite())
    }
}

/// Requests that are scored at a time.
#[derive(Debug, Default)]
pub(crate) struct Scoring {
    order: Vec<usize>,
    numbering: Numbering,
    inputs: Inputs,
    saved: Saved<f32>,
}

impl Scoring {
    /// Scores of the requests `at(0)`, `at(1)` and so on, with their features; `effect` stands for what slots add to clicks.
    pub(crate) fn score<'r>(
        &mut self,
        (network, reader): (&PointwiseNetwork<f32>, Reader),
        at: impl Fn(usize) -> (Request<'r>, &'r [f32]),
        effect: Option<f32>,
        out: &mut [Score],
    ) {
        let Self { order, numbering, inputs, saved } = self;
        order.clear();
        order.extend(0..out.len());
        order.sort_by_cached_key(|&number| at(number).0.order_key());
        numbering.fill(reader, order.iter().map(|&number| at(number)), inputs);
        network.forward(reader.items, inputs, Drops::default(), effect, saved);
        let columns = network.columns;
        for (&number, logits) in order.iter().zip(saved.logits.chunks_exact(columns.count)) {
            let logit = |column: usize| f64::from(logits[column]);
            out[number] = Score {
                click_log_odds: logit(HeadColumns::CLICK),
                conversion_log_odds: columns.conversion_logit(logit),
                log_dwell: columns.dwell.map_or(0.0, logit),
            };
        }
    }
}

/// Scores of rows with their features `[rows x width]`, in their order; `effect` stands for what slots add to clicks.
pub(crate) fn score(
    network: &PointwiseNetwork<f32>,
    data: &RowData,
    (rows, features): (&[usize], &[f32]),
    effect: Option<f32>,
) -> Vec<Score> {
    let mut out = vec![Score::default(); rows.len()];
    let (from, width) = ((network, data.reader(&network.shape)), network.shape.features);
    let rows = rows.par_chunks(CHUNK).zip(features.par_chunks(CHUNK * width));
    out.par_chunks_mut(CHUNK).zip(rows).for_each_init(
        Scoring::default,
        |scoring, (out, (rows, features))| {
            let at = |number: usize| (data.request(rows[number]), &features[number * width..][..width]);
            scoring.score(from, at, effect, out);
        },
    );
    out
}
