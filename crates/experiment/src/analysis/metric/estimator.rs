//! How a metric is estimated.

use crate::cuped::{Cuped, Pooling, Term};
use crate::definition::{Covariate, Metric, Value};
use crate::error::Result;
use crate::estimate::{Effect, Sample, difference};
use crate::moments::Moments;
use crate::quantile::{Quantile, cluster_factor};

/// How a metric is estimated, from moments of numerator, denominator and covariates.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Estimator {
    Proportion,
    Mean { covariates: usize },
    Ratio { covariates: usize },
    Quantile(f64),
}

/// An effect with what it was made of.
#[derive(Debug, Clone)]
pub(super) struct Estimated {
    /// Adjusted, where there are covariates.
    pub(super) control: Sample,
    pub(super) treatment: Sample,
    /// Control without adjustment.
    pub(super) base: Sample,
    pub(super) effect: Effect,
    /// Coefficients of the covariates.
    pub(super) theta: Vec<f64>,
    pub(super) unadjusted: Option<Effect>,
}

/// Columns of covariates of a metric.
pub(super) fn covariates(metric: &Metric) -> usize {
    let is_ratio = metric.denominator.is_some() && metric.covariates.contains(&Covariate::Before);
    metric.covariates.len() + usize::from(is_ratio)
}

impl Estimator {
    pub(super) fn of(metric: &Metric) -> Self {
        let covariates = covariates(metric);
        match (metric.quantile, &metric.denominator) {
            (Some(quantile), _) => Self::Quantile(quantile),
            (None, Some(_)) => Self::Ratio { covariates },
            (None, None) if metric.numerator.value == Value::Any && covariates == 0 => Self::Proportion,
            (None, None) => Self::Mean { covariates },
        }
    }

    pub(super) fn method(self, metric: &Metric) -> String {
        let (name, covariates) = match self {
            Self::Proportion => ("difference of proportions, normal", 0),
            Self::Mean { covariates } => ("difference of means, Welch", covariates),
            Self::Ratio { covariates } => ("ratio of sums, delta method at the unit, Welch", covariates),
            Self::Quantile(_) => ("quantile, order statistics adjusted for clusters, normal", 0),
        };
        let adjusted = metric.covariates.iter().map(|covariate| match covariate {
            Covariate::Before => "the days before",
            Covariate::Predicted => "the ranker's prediction",
            Covariate::Events => "the events before",
            Covariate::NoHistory => "having no history",
        });
        match covariates {
            0 => name.to_owned(),
            _ => format!("{name}; CUPED with {}", adjusted.collect::<Vec<_>>().join(", ")),
        }
    }

    /// The metric in an arm, without adjustment.
    pub(super) fn sample(self, moments: &Moments, values: &[(u64, f64)], alpha: f64) -> Result<Sample> {
        match self {
            Self::Proportion => Sample::proportion(moments.mean(0) * moments.n(), moments.n()),
            Self::Mean { .. } => Sample::mean(moments, 0),
            Self::Ratio { .. } => Sample::ratio(moments, 0, 1),
            Self::Quantile(q) => {
                let plain: Vec<f64> = values.iter().map(|(_, value)| *value).collect();
                let quantile = Quantile::of(&plain, q, alpha)?;
                let mut sample = quantile.sample(alpha)?;
                sample.variance *= cluster_factor(values, quantile.value, q)?;
                Ok(sample)
            }
        }
    }

    /// Treatment minus control; theta is taken over all arms.
    pub(super) fn effect(
        self,
        (control, treatment, all): (&Moments, &Moments, &[Moments]),
        values: [&[(u64, f64)]; 2],
        alpha: f64,
    ) -> Result<Estimated> {
        let raw = [self.sample(control, values[0], alpha)?, self.sample(treatment, values[1], alpha)?];
        let plain = match self {
            Self::Proportion | Self::Quantile(_) => difference(&raw[0], &raw[1])?.normal(),
            _ => difference(&raw[0], &raw[1])?,
        };
        let mut out = Estimated {
            control: raw[0],
            treatment: raw[1],
            base: raw[0],
            effect: plain,
            theta: Vec::new(),
            unadjusted: None,
        };
        if let Some(cuped) = self.cuped() {
            let arms: Vec<&Moments> = all.iter().filter(|moments| moments.n() > 1.0).collect();
            let theta = cuped.theta(&arms, Pooling::WithinArms)?;
            let centre = crate::cuped::merged(&arms)?;
            out.control = cuped.adjust(control, &centre, &theta)?;
            out.treatment = cuped.adjust(treatment, &centre, &theta)?;
            out.effect = difference(&out.control, &out.treatment)?;
            out.unadjusted = Some(plain);
            out.theta = theta;
        }
        Ok(out)
    }

    fn cuped(self) -> Option<Cuped> {
        let (metric, covariates) = match self {
            Self::Mean { covariates } => (Term::Mean(0), covariates),
            Self::Ratio { covariates } => (Term::Ratio(0, 1), covariates),
            _ => return None,
        };
        (covariates > 0).then(|| Cuped { metric, covariates: (2..2 + covariates).map(Term::Mean).collect() })
    }

    /// The metric of one group, adjusted; none without covariates.
    pub(super) fn adjusted(self, all: &Moments) -> Result<Option<Sample>> {
        let Some(cuped) = self.cuped() else { return Ok(None) };
        let theta = cuped.theta(&[all], Pooling::WithinArms)?;
        cuped.adjust(all, all, &theta).map(Some)
    }
}
