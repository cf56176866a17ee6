//! Where the heads of a training in epochs begin: at the base rates of what it will learn.
//!
//! In: all samples. Out: a bias for each head that has some, in log odds. A few hundred rows give too few steps to move a bias from
//! 0 to the log odds of a click, and a model that begins at 50 % is left to its calibration. A log that is read once
//! begins without: its labels are not known yet, and it has steps enough.

use super::network::HeadColumns;
use super::samples::{Sample, Timed};
use super::trainer::Stepper;
use semrank_nn::Scalar;

/// Weighted counts of labels.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    positive: f64,
    all: f64,
}

impl Share {
    fn add(&mut self, label: bool, weight: f64) {
        self.positive += if label { weight } else { 0.0 };
        self.all += weight;
    }

    /// Half a label of each kind is added, so that neither is impossible; none without a label.
    fn log_odds(self) -> Option<f64> {
        (self.all > 0.0).then(|| ((self.positive + 0.5) / (self.all - self.positive + 0.5)).ln())
    }
}

/// Counts of each column's labels.
#[derive(Debug, Default)]
pub(super) struct BaseRates {
    click: Share,
    conversion: Share,
    delayed: Share,
    real_negative: Share,
    stretches: Vec<Share>,
}

/// The base rates of samples; `weight` is that of a row.
pub(super) fn base_rates(samples: &[Timed], weight: impl Fn(usize) -> f64) -> BaseRates {
    let mut out = BaseRates::default();
    samples.iter().for_each(|timed| out.add(timed.sample, weight(timed.row as usize)));
    out
}

impl BaseRates {
    fn add(&mut self, sample: Sample, weight: f64) {
        match sample {
            Sample::Click(label) => self.click.add(label, weight),
            Sample::EarlyClick => self.click.add(true, weight),
            Sample::Dwell => {}
            Sample::Conversion(label) | Sample::Fake(label) | Sample::Elapsed(label) => {
                self.conversion.add(label, weight);
            }
            Sample::Late { delayed, real_negative } => {
                self.delayed.add(delayed, weight);
                real_negative.into_iter().for_each(|label| self.real_negative.add(label, weight));
            }
            Sample::Stretch { stretch, converted } => {
                let stretch = stretch as usize;
                self.stretches.resize(self.stretches.len().max(stretch + 1), Share::default());
                self.stretches[stretch].add(converted, weight);
                self.click_seen(stretch == 0, converted, weight);
            }
            Sample::Nothing { from, .. } => self.click_seen(from == 0.0, false, weight),
            Sample::Arrived { from, .. } => self.click_seen(from == 0.0, true, weight),
        }
    }

    /// Of a click that is learned piece by piece: it counts with its first piece, its conversion with the one that has it.
    fn click_seen(&mut self, first: bool, converted: bool, weight: f64) {
        self.conversion.all += if first { weight } else { 0.0 };
        self.conversion.positive += if converted { weight } else { 0.0 };
    }

    /// The bias of each column that has labels.
    fn biases(&self, columns: HeadColumns) -> Vec<(usize, f64)> {
        let click = self.click.log_odds().map(|bias| (HeadColumns::CLICK, bias));
        let Some(at) = columns.conversion else { return click.into_iter().collect() };
        let conversion = self.conversion.log_odds();
        let named = [
            (at, conversion),
            (HeadColumns::delayed(at), self.delayed.log_odds()),
            (HeadColumns::real_negative(at), self.real_negative.log_odds()),
        ];
        let stretches = self.stretches.iter().take(columns.hazards).enumerate().map(|(stretch, share)| {
            // A hazard's logit is the sum of both columns.
            let rest = share.log_odds().zip(conversion).map(|(hazard, conversion)| hazard - conversion);
            (HeadColumns::hazard(at, stretch as u8), rest)
        });
        let all = named.into_iter().chain(stretches);
        click.into_iter().chain(all.filter_map(|(column, bias)| Some((column, bias?)))).collect()
    }
}

impl<T: Scalar> Stepper<T> {
    /// Puts the biases of the heads to base rates, before the first step.
    pub(super) fn start_at(&mut self, rates: &BaseRates) {
        let biases = rates.biases(self.network.columns);
        let networks = std::iter::once(&mut self.network).chain(&mut self.mean);
        for network in networks {
            biases.iter().for_each(|&(column, bias)| network.set_bias(column, bias));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns(hazards: usize) -> HeadColumns {
        HeadColumns { conversion: Some(1), dwell: None, hazards, count: 5 + hazards }
    }

    fn rates(samples: &[(Sample, f64)]) -> BaseRates {
        let mut out = BaseRates::default();
        samples.iter().for_each(|&(sample, weight)| out.add(sample, weight));
        out
    }

    #[test]
    fn heads_begin_at_the_log_odds_of_their_labels() {
        // 10.5 of 40.5 - 10.5 + .5: half a label of each kind is added.
        let clicks: Vec<_> = (0..40).map(|row| (Sample::Click(row < 10), 1.0)).collect();
        let found = rates(&clicks).biases(HeadColumns { conversion: None, ..columns(0) });
        assert_eq!(found, [(HeadColumns::CLICK, (10.5f64 / 30.5).ln())]);
        let weighted = rates(&[(Sample::Click(true), 3.5), (Sample::Click(false), 0.5)]);
        assert_eq!(weighted.biases(columns(0)), [(HeadColumns::CLICK, 4f64.ln())]);
        let never = rates(&[(Sample::Conversion(false), 1.0)]);
        assert_eq!(never.biases(columns(0)), [(1, (0.5f64 / 1.5).ln())]);
        assert!(rates(&[]).biases(columns(0)).is_empty());
    }

    #[test]
    fn a_click_that_is_learned_in_stretches_counts_once() {
        let stretch = |stretch, converted| (Sample::Stretch { stretch, converted }, 1.0);
        let two_clicks = [stretch(0, false), stretch(1, true), stretch(0, false), stretch(1, false)];
        let found = rates(&two_clicks).biases(columns(2));
        // One of two clicks converts: log odds 0. No stretch 0 did, half of the stretches 1.
        assert_eq!(found, [(1, 0.0), (5, (0.5f64 / 2.5).ln()), (6, 0.0)]);
        let looks = [Sample::Nothing { from: 0.0, to: 1.0 }, Sample::Arrived { from: 1.0, at: 2.0 }];
        assert_eq!(rates(&looks.map(|sample| (sample, 1.0))).biases(columns(0)), [(1, 3f64.ln())]);
    }
}
