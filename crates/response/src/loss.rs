//! The loss of one sample in the logits of its row, head by head.

use super::delay::{
    DelayModel, cross_entropy, elapsed_weight, fake_negative_weight, product_cross_entropy, sigmoid,
};
use super::network::HeadColumns;
use super::samples::Sample;
use super::settings::PointwiseSettings;

/// Heads whose losses are reported separately.
pub(crate) const HEADS: usize = 4;

/// A head of the report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Head {
    Click,
    Conversion,
    /// Late conversions and delays.
    Delay,
    Dwell,
}

impl Head {
    pub(crate) const NAMES: [&'static str; HEADS] = ["click", "conversion", "delay", "dwell"];
}

/// Sums of one head over samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct HeadSum {
    pub(crate) loss: f64,
    #[serde(rename = "lessons")]
    pub(crate) samples: usize,
    /// Sum of the squared lengths of the gradients in the last hidden layer.
    pub(crate) squared: f64,
}

/// What samples cost.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Losses<'a> {
    pub(crate) columns: HeadColumns,
    pub(crate) settings: &'a PointwiseSettings,
    /// Attribution window, in days.
    pub(crate) window_days: f64,
    /// Logarithm of the Weibull shape.
    pub(crate) log_shape: f64,
}

/// The losses of one sample.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Found {
    /// Loss of each head that the sample is about.
    pub(crate) losses: [Option<f64>; HEADS],
    /// Gradient of the logarithm of the Weibull shape.
    pub(crate) shape: f64,
}

impl Losses<'_> {
    /// Writes the gradient of the sample's weighted loss into `dlogits` (zero before) and returns the unweighted losses; `dwell_ms` is
    /// that of the row, -1 = none.
    pub(crate) fn of(&self, sample: Sample, dwell_ms: i32, logits: &[f64], dlogits: &mut [f64]) -> Found {
        let mut found = Found::default();
        match (sample, self.columns.conversion) {
            (Sample::Click(clicked), conversion) => {
                self.click(clicked, conversion, (logits, &mut *dlogits), &mut found);
                if clicked {
                    self.dwell(dwell_ms, (logits, dlogits), &mut found);
                }
            }
            (Sample::EarlyClick, conversion) => {
                self.click(true, conversion, (logits, dlogits), &mut found);
            }
            (Sample::Dwell, _) => self.dwell(dwell_ms, (logits, dlogits), &mut found),
            (_, None) => {}
            (Sample::Conversion(label), Some(at)) => {
                self.label(at, label, [1.0, 1.0], (logits, dlogits), &mut found)
            }
            (Sample::Fake(label), Some(at)) => {
                let weights = [fake_negative_weight(logits[at], label), 1.0 + sigmoid(logits[at])];
                self.label(at, label, weights, (logits, dlogits), &mut found);
            }
            (Sample::Elapsed(label), Some(at)) => {
                let [delayed, real] = [HeadColumns::delayed(at), HeadColumns::real_negative(at)];
                let weight = elapsed_weight(label, logits[delayed], logits[real]);
                let weights = [weight, 1.0 + sigmoid(logits[delayed])];
                self.label(at, label, weights, (logits, dlogits), &mut found);
            }
            (Sample::Late { delayed, real_negative }, Some(at)) => {
                let (column, real) = (HeadColumns::delayed(at), HeadColumns::real_negative(at));
                let (mut loss, slope) = cross_entropy(logits[column], delayed, 1.0);
                dlogits[column] += slope;
                if let Some(label) = real_negative {
                    let (other, slope) = cross_entropy(logits[real], label, 1.0);
                    (loss, dlogits[real]) = (loss + other, dlogits[real] + slope);
                }
                found.losses[Head::Delay as usize] = Some(loss);
            }
            (Sample::Stretch { stretch, converted }, Some(at)) => {
                let column = HeadColumns::hazard(at, stretch);
                let weight = self.settings.conversion_weight;
                let (loss, slope) = cross_entropy(logits[at] + logits[column], converted, 1.0);
                dlogits[at] += weight * slope;
                dlogits[column] += weight * slope;
                found.losses[Head::Conversion as usize] = Some(loss);
            }
            (Sample::Nothing { .. } | Sample::Arrived { .. }, Some(at)) => {
                self.delay_model(at, sample, (logits, dlogits), &mut found);
            }
        }
        found
    }

    fn click(
        &self,
        clicked: bool,
        conversion: Option<usize>,
        (logits, dlogits): (&[f64], &mut [f64]),
        found: &mut Found,
    ) {
        let (loss, slope) = cross_entropy(logits[HeadColumns::CLICK], clicked, 1.0);
        dlogits[HeadColumns::CLICK] += self.settings.click_weight * slope;
        found.losses[Head::Click as usize] = Some(loss);
        if let Some(at) = conversion.filter(|_| !clicked) {
            self.product(at, false, 1.0, (logits, dlogits));
        }
    }

    fn dwell(&self, dwell_ms: i32, (logits, dlogits): (&[f64], &mut [f64]), found: &mut Found) {
        if let Some(at) = self.columns.dwell.filter(|_| dwell_ms >= 0) {
            let off = logits[at] - log_seconds(dwell_ms);
            dlogits[at] += self.settings.dwell_weight * off;
            found.losses[Head::Dwell as usize] = Some(0.5 * off * off);
        }
    }

    /// A label of a stream; `common` is the factor in its weight that all samples of a click have. In the product it would make a
    /// click count more than a row without one.
    fn label(
        &self,
        at: usize,
        label: bool,
        [weight, common]: [f64; 2],
        (logits, dlogits): (&[f64], &mut [f64]),
        found: &mut Found,
    ) {
        let (loss, slope) = cross_entropy(logits[at], label, weight);
        dlogits[at] += self.settings.conversion_weight * slope;
        found.losses[Head::Conversion as usize] = Some(loss);
        self.product(at, label, weight / common, (logits, dlogits));
    }

    fn product(&self, at: usize, label: bool, weight: f64, (logits, dlogits): (&[f64], &mut [f64])) {
        let share = self.settings.entire_space;
        if share > 0.0 {
            let both = [logits[HeadColumns::CLICK], logits[at]];
            let (_, [click, conversion]) = product_cross_entropy(both, label, share * weight);
            dlogits[HeadColumns::CLICK] += click;
            dlogits[at] += conversion;
        }
    }

    fn delay_model(
        &self,
        at: usize,
        sample: Sample,
        (logits, dlogits): (&[f64], &mut [f64]),
        found: &mut Found,
    ) {
        let column = HeadColumns::rate(at);
        let model = DelayModel {
            logit: logits[at],
            log_rate: logits[column],
            log_shape: self.log_shape,
            window: self.window_days,
        };
        let grad = match sample {
            Sample::Nothing { from, to } => model.nothing_between(from, to),
            Sample::Arrived { from, at } => model.converted(from, at),
            _ => return,
        };
        let weight = self.settings.conversion_weight;
        dlogits[at] += weight * grad.logit;
        dlogits[column] += weight * grad.rate;
        found.shape = weight * grad.shape;
        found.losses[Head::Delay as usize] = Some(grad.loss);
    }
}

/// `ln(1 + seconds)`: what the dwell head predicts.
pub(crate) fn log_seconds(dwell_ms: i32) -> f64 {
    (f64::from(dwell_ms.max(0)) / 1000.0).ln_1p()
}
