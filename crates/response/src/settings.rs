//! Settings of the ranking model; `semrank config` prints them with these comments.

use semrank_tower::{Delay, SettingError};
use serde::{Deserialize, Serialize};

/// The distribution of delays that `delay-model` assumes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hazard {
    /// Constant hazard.
    Exponential,
    /// Falling or rising hazard.
    Weibull,
    /// A hazard for each stretch of a click's age: no family.
    Piecewise,
}

/// Whose labels the counting features of a row may use, among those known before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Known {
    /// Training rows only.
    Train,
    /// Training rows; for test rows those of validation too. A test label is never used.
    Earlier,
    /// Every row, as a running system would.
    Past,
}

semrank_core::settings! {
    /// The model of clicks and conversions (`task=ctr`, `task=oc`). It also reads `model.history`, `ids`, `id_rows`,
    /// `content`, `prefix_rows`, and `train.delay`, `train.stream`.
    pub struct PointwiseSettings of "pointwise" {
        /// Width D of item vectors.
        dim: usize = 16, in 1..=16_384,
        /// Heads of the attention over the history.
        heads: usize = 2, in 1..=256,
        /// Units of the first hidden layer.
        hidden: usize = 64, in 1..=16_384,
        /// Units of the second hidden layer.
        hidden_2: usize = 32, in 1..=16_384,
        /// Width of the vector of a small context column's value.
        context: usize = 4, in 1..=1024,
        /// Dropout on hidden layers; none where the log is read once.
        dropout: f64 = 0.5, in 0.0..=0.99,
        /// Share of items whose id row is left out of a training step.
        id_dropout: f64 = 0.3, in 0.0..=0.99,
        /// Whether items have a row for each prefix of their semantic ids. Beside texts they cost .006 of normalised entropy on
        /// the validation days of three simulated markets (docs/log.md, 2026-11-26).
        prefixes: bool = false,
        /// Whether a user's history is read.
        reads_history: bool = true,
        /// Kinds of history events that are read: `all`, `ads` or `organic`.
        kinds: Kinds = Kinds::All,
        /// Whether dwell times of history events are read.
        reads_dwell: bool = true,
        /// Whether times are read: ages and gaps of history events.
        reads_time: bool = true,
        /// Whether the places of history events from the end are read.
        reads_places: bool = true,
        /// Whether the hour of the day (UTC) is read.
        reads_hour: bool = true,
        /// Whether smoothed counts of labels are features.
        counts: bool = true,
        /// Clicks (or conversions) at the base rate that smooth a count.
        smoothing: f64 = 2.5, in 1e-3..=1e6,
        /// Whose labels are counted: `train`, `earlier` or `past`.
        known: Known = Known::Earlier,
        /// Labelled rows of a user, from the newest, whose items are compared with a candidate.
        affinity: usize = 100, in 0..=1_000_000,
        /// Whether items are also compared by the labels they share.
        neighbours: bool = true,
        /// Rows from which on they are not: each label meets the `affinity` labels that its user gave before, and of the pairs of
        /// items that a long log has, only the first 3.7 million would be kept.
        neighbour_rows: usize = 1_000_000, in 0..=16_000_000,
        /// Whether a slot's effect on clicks is learned apart.
        position: bool = true,
        /// Whether a row counts 1 / its `propensity`, the logging policy's probability of showing it: the other way to treat
        /// position bias, best with `position` off.
        propensity_weight: bool = false,
        /// Propensities below this are taken as this, so that a few rows do not rule.
        propensity_least: f64 = 0.02, in 1e-6..=1.0,
        /// Share of the training rows without a click that are learned; the others are passed over, and probabilities of clicks
        /// are corrected for it.
        keep_negatives: f64 = 1.0, in 1e-4..=1.0,
        /// Rows a step.
        batch: usize = 256, in 1..=1_000_000,
        /// Parts a step is cut into, added in order: the result depends on it, but not on the number of threads.
        shards: usize = 4, in 1..=1024,
        /// Peak learning rate of dense parameters.
        rate: f64 = 1e-3, in 1e-9..=1.0,
        /// Peak learning rate of the rows of items, advertisers and prefixes.
        table_rate: f64 = 1e-3, in 1e-9..=1.0,
        /// Steps of linear warm-up.
        warmup_steps: u64 = 50, in 0..=1_000_000_000,
        /// Share of the peak rate that is left at the end; where the log is read once, the rate stays.
        final_share: f64 = 0.1, in 0.0..=1.0,
        /// Decoupled weight decay.
        weight_decay: f64 = 1e-2, in 0.0..=100.0,
        /// Largest norm of a step's gradient; 0 = no clipping.
        clip: f64 = 5.0, in 0.0..=1e6,
        /// Most passes over the training rows, unless the log is read once.
        epochs: usize = 10, in 1..=1_000_000,
        /// Steps to allow at least where the log is read several times: a small data set gets more epochs than `epochs`, up to 200.
        min_steps: u64 = 300, in 0..=1_000_000_000,
        /// Stop after this many of `epochs` without a lower validation loss; where `min_steps` makes epochs more, after as large a
        /// share of them. 0 = never.
        patience: usize = 3, in 0..=1_000_000,
        /// Decay a step of the running mean of the parameters, which is what is kept; 0 = the parameters themselves. Only where
        /// the log is read several times.
        average: f64 = 0.99, in 0.0..=0.999_999,
        /// Weight of the click loss.
        click_weight: f64 = 1.0, in 0.0..=1000.0,
        /// Weight of the loss of conversion given click.
        conversion_weight: f64 = 1.0, in 0.0..=1000.0,
        /// Weight of the loss of the entire-space product P(click) · P(conversion | click) over all impressions; not with
        /// `train.delay=delay-model`.
        entire_space: f64 = 0.0, in 0.0..=1000.0,
        /// Weight of the squared error of the logarithm of dwell.
        dwell_weight: f64 = 0.05, in 0.0..=1000.0,
        /// Hours after a click at which `naive` and `elapsed` take its label.
        wait_hours: f64 = 1.0, in 0.0..=876_000.0,
        /// What maps scores to calibrated probabilities, fitted on the validation rows: `none`, `platt` or `isotonic`.
        calibration: CalibrationKind = CalibrationKind::Platt,
        /// `exponential`, `weibull` or `piecewise` (delays of no family), for `delay-model`.
        hazard: Hazard = Hazard::Piecewise,
    }
}

/// What maps scores to calibrated probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CalibrationKind {
    /// Nothing.
    None,
    /// A line in log-odds.
    Platt,
    /// Monotone steps.
    Isotonic,
}

/// Which history events are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kinds {
    /// All.
    All,
    /// Those of ads.
    Ads,
    /// Those of organic items.
    Organic,
}

impl PointwiseSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// The first invalid setting.
    pub fn check(&self) -> Result<(), SettingError> {
        self.check_ranges()?;
        if self.keep_negatives < 1.0 && self.entire_space > 0.0 {
            let expected = "1 with pointwise.entire_space above 0, whose product is of all rows".to_owned();
            let got = self.keep_negatives.to_string();
            return Err(SettingError { key: "pointwise.keep_negatives", got, expected });
        }
        Ok(())
    }

    /// Refuses the entire-space product with samples that have no label: those of the delay model give the outcome of a stretch
    /// of a click's age, so that the product would learn of rows without a click only.
    ///
    /// # Errors
    /// `pointwise.entire_space` above 0 with [`Delay::DelayModel`].
    pub fn check_delay(&self, delay: Delay) -> Result<(), SettingError> {
        if delay != Delay::DelayModel || self.entire_space == 0.0 {
            return Ok(());
        }
        let expected = "0 with train.delay=delay-model, whose samples have no label; with a weight, train.delay must be window, \
                        naive, fake-negative-weighted or elapsed";
        Err(SettingError {
            key: "pointwise.entire_space",
            got: self.entire_space.to_string(),
            expected: expected.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entire_space_needs_labels() {
        let settings = PointwiseSettings { entire_space: 0.5, ..PointwiseSettings::default() };
        let said = settings.check_delay(Delay::DelayModel).unwrap_err().to_string();
        assert!(
            said.starts_with("pointwise.entire_space is 0.5, expected 0 with train.delay=delay-model"),
            "{said}"
        );
        assert!(settings.check_delay(Delay::Window).is_ok() && settings.check_delay(Delay::Elapsed).is_ok());
        assert!(PointwiseSettings::default().check_delay(Delay::DelayModel).is_ok());
        let thinned = PointwiseSettings { keep_negatives: 0.1, ..settings };
        assert!(thinned.check().unwrap_err().to_string().contains("keep_negatives is 0.1, expected 1 with"));
    }
}
