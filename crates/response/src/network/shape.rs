//! The shape of a network: sizes from the data and from the settings, and the column of each head's logit.

use super::super::hazard;

/// What the data fixes about a network.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PointwiseShape {
    /// Items of the catalogue.
    pub items: usize,
    /// Width of a content vector; 0 = none.
    pub content: usize,
    /// Advertisers; 0 = unknown.
    pub advertisers: usize,
    /// Actions of history events.
    pub actions: usize,
    /// Numeric features of a row.
    pub features: usize,
    /// Values of each small context column, the unknown one included.
    pub contexts: Vec<usize>,
    /// Context columns that name items.
    pub related: usize,
    /// Slots, the unknown one (0) included.
    pub slots: usize,
    /// Whether conversions are predicted.
    pub conversions: bool,
    /// Whether dwell is predicted.
    pub dwell: bool,
    /// Stretches of a click's age with a hazard of their own; 0 = the conversion head is the whole window's.
    #[serde(default)]
    pub hazards: usize,
}

/// What the settings fix about a network.
#[derive(Debug, Clone, Copy, serde::Serialize, serde::Deserialize)]
pub(crate) struct Sizes {
    pub(crate) dim: usize,
    pub(crate) heads: usize,
    pub(crate) hidden: [usize; 2],
    pub(crate) context: usize,
    pub(crate) id_rows: usize,
    pub(crate) ids: bool,
    pub(crate) content: bool,
    pub(crate) weibull: bool,
}

/// The columns of the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadColumns {
    /// Conversion given click; beside it stand the delay heads.
    pub conversion: Option<usize>,
    /// Logarithm of the dwell time in seconds.
    pub dwell: Option<usize>,
    /// Hazards of the stretches of a click's age.
    pub hazards: usize,
    /// Number of columns.
    pub count: usize,
}

impl HeadColumns {
    /// The click logit.
    pub const CLICK: usize = 0;

    pub(super) fn new(shape: &PointwiseShape) -> Self {
        let conversion = shape.conversions.then_some(1);
        let hazards = if shape.conversions { shape.hazards } else { 0 };
        let after = hazards + if shape.conversions { 5 } else { 1 };
        let dwell = shape.dwell.then_some(after);
        Self { conversion, dwell, hazards, count: after + usize::from(shape.dwell) }
    }

    /// Log-odds of a conversion, given a click, from the logits of a row; none where it is not predicted.
    pub(crate) fn conversion_logit(&self, logit: impl Fn(usize) -> f64) -> Option<f64> {
        let at = self.conversion?;
        let stretch = |stretch: usize| logit(at) + logit(Self::hazard(at, stretch as u8));
        Some(if self.hazards == 0 { logit(at) } else { hazard::any((0..self.hazards).map(stretch)) })
    }

    /// That a conversion comes after the waiting time.
    pub(crate) fn delayed(conversion: usize) -> usize {
        conversion + 1
    }

    /// That a click without conversion at the waiting time stays without.
    pub(crate) fn real_negative(conversion: usize) -> usize {
        conversion + 2
    }

    /// Log-rate of the delay, per day.
    pub(crate) fn rate(conversion: usize) -> usize {
        conversion + 3
    }

    /// What a stretch of a click's age adds to the logit of its hazard.
    pub(crate) fn hazard(conversion: usize, stretch: u8) -> usize {
        conversion + 4 + stretch as usize
    }
}
