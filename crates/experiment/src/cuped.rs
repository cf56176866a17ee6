//! Variance reduction with pre-experiment covariates (CUPED), for means and ratios, with any number of covariates.
//!
//! Deng, Xu, Kohavi & Walker, WSDM 2013, section 3. One theta for all arms: with a theta per arm the effect would depend on the covariates'
//! origin. Adjusted value of an arm: `y - theta' (x - x of all arms)`. Relative effects divide by the unadjusted control value.
//! A covariate that is constant, or a combination of earlier ones, gets theta 0.

use crate::error::{Error, Result, same_length};
use crate::estimate::{Effect, Sample, ratio_gradient, welch_df};
use crate::linalg::{Matrix, dot, inverse, times};
use crate::moments::Moments;

/// A function of the column means of an arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Term {
    /// Mean of a column.
    Mean(usize),
    /// Mean of the first column over mean of the second.
    Ratio(usize, usize),
}

impl Term {
    /// Value and gradient over the column means.
    fn at(self, moments: &Moments) -> Result<(f64, Vec<f64>)> {
        match self {
            Self::Mean(column) => {
                let mut gradient = vec![0.0; moments.columns()];
                gradient[column] = 1.0;
                Ok((moments.mean(column), gradient))
            }
            Self::Ratio(numerator, denominator) => ratio_gradient(moments, numerator, denominator),
        }
    }
}

/// Over which rows theta is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// All rows together, ratios at their overall value (tea-tasting; gbstats for means).
    Total,
    /// Covariances summed over the arms, each at its own ratio (gbstats for ratios).
    WithinArms,
}

/// A metric and its covariates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cuped {
    /// The metric.
    pub metric: Term,
    /// Measured before the unit's first exposure.
    pub covariates: Vec<Term>,
}

impl Cuped {
    /// The mean of column 0 with the means of all other columns as covariates.
    pub fn mean(columns: usize) -> Self {
        Self { metric: Term::Mean(0), covariates: (1..columns).map(Term::Mean).collect() }
    }

    /// Column 0 over column 1 with column 2 over column 3 as covariate.
    pub fn ratio() -> Self {
        Self { metric: Term::Ratio(0, 1), covariates: vec![Term::Ratio(2, 3)] }
    }

    /// One coefficient for each covariate.
    ///
    /// # Errors
    /// [`Error::TooFew`] without arms or below two units, [`Error::Undefined`] for a ratio without denominator.
    pub fn theta(&self, arms: &[&Moments], pooling: Pooling) -> Result<Vec<f64>> {
        let all = merged(arms)?;
        let groups = match pooling {
            Pooling::Total => vec![&all],
            Pooling::WithinArms => arms.to_vec(),
        };
        let k = self.covariates.len();
        let (mut square, mut with_metric): (Matrix, Vec<f64>) = (vec![vec![0.0; k]; k], vec![0.0; k]);
        for group in groups {
            let metric = self.metric.at(group)?.1;
            let gradients: Vec<Vec<f64>> =
                self.covariates.iter().map(|term| Ok(term.at(group)?.1)).collect::<Result<_>>()?;
            for (i, gradient) in gradients.iter().enumerate() {
                with_metric[i] += group.covariance_of(gradient, &metric)?;
                for (j, other) in gradients.iter().enumerate() {
                    square[i][j] += group.covariance_of(gradient, other)?;
                }
            }
        }
        Ok(solve_independent(&square, &with_metric, &|i| self.is_constant(&all, i)))
    }

    fn is_constant(&self, all: &Moments, covariate: usize) -> bool {
        match self.covariates[covariate] {
            Term::Mean(column) => all.is_constant(column),
            Term::Ratio(above, below) => all.is_constant(above) && all.is_constant(below),
        }
    }

    /// The arm's metric less theta times its covariates, which are centred on those of `all` arms.
    ///
    /// # Errors
    /// [`Error::Length`] for another number of coefficients, and as [`Cuped::theta`].
    pub fn adjust(&self, arm: &Moments, all: &Moments, theta: &[f64]) -> Result<Sample> {
        same_length("theta", theta.len(), self.covariates.len())?;
        let (mut value, mut gradient) = self.metric.at(arm)?;
        for (term, weight) in self.covariates.iter().zip(theta) {
            let (covariate, slope) = term.at(arm)?;
            value -= weight * (covariate - term.at(all)?.0);
            gradient.iter_mut().zip(&slope).for_each(|(cell, slope)| *cell -= weight * slope);
        }
        Ok(Sample { n: arm.n(), value, variance: arm.variance_of(&gradient)? })
    }

    /// Adjusted difference over the unadjusted control value, by the delta method with control's covariance of both.
    ///
    /// As gbstats: the derivative by control's mean takes the unadjusted treatment mean, that by control's ratio the adjusted one.
    ///
    /// # Errors
    /// [`Error::Undefined`] when control's value is 0, and as [`Cuped::theta`].
    pub fn relative(&self, control: &Moments, treatment: &Moments, theta: &[f64]) -> Result<Effect> {
        let all = control.merged(treatment)?;
        let (c, t) = (self.adjust(control, &all, theta)?, self.adjust(treatment, &all, theta)?);
        let (base, metric_gradient) = self.metric.at(control)?;
        if base == 0.0 {
            return Err(Error::Undefined { what: "the relative effect", why: "the mean of control is 0" });
        }
        let difference = t.value - c.value;
        let reached = match self.metric {
            Term::Mean(_) => self.metric.at(treatment)?.0,
            Term::Ratio(..) => base + difference,
        };
        let mut gradient: Vec<f64> =
            metric_gradient.iter().map(|slope| -slope * reached / (base * base)).collect();
        for (term, weight) in self.covariates.iter().zip(theta) {
            let slope = term.at(control)?.1;
            gradient.iter_mut().zip(&slope).for_each(|(cell, slope)| *cell += weight * slope / base);
        }
        let variance = control.variance_of(&gradient)? / control.n() + t.variance / t.n / (base * base);
        Ok(Effect { value: difference / base.abs(), se: variance.sqrt(), df: Some(welch_df(&c, &t)) })
    }
}

/// All arms together.
///
/// # Errors
/// [`Error::TooFew`] without arms, [`Error::Length`] for arms with other columns.
pub fn merged(arms: &[&Moments]) -> Result<Moments> {
    let (first, rest) =
        arms.split_first().ok_or(Error::TooFew { what: "the list of arms", got: 0, needed: 1 })?;
    rest.iter().try_fold((*first).clone(), |sum, arm| sum.merged(arm))
}

/// Solves for the covariates that are neither constant nor combinations of earlier ones; the others get 0.
fn solve_independent(square: &Matrix, right: &[f64], constant: &dyn Fn(usize) -> bool) -> Vec<f64> {
    let sub = |kept: &[usize]| -> Matrix {
        kept.iter().map(|&i| kept.iter().map(|&j| square[i][j]).collect()).collect()
    };
    let mut kept: Vec<usize> = Vec::new();
    for i in (0..right.len()).filter(|&i| !constant(i)) {
        kept.push(i);
        if inverse(&sub(&kept)).is_err() {
            kept.pop();
        }
    }
    let mut theta = vec![0.0; right.len()];
    if let Ok(inverted) = inverse(&sub(&kept)) {
        let values: Vec<f64> = kept.iter().map(|&i| right[i]).collect();
        kept.iter().zip(times(&inverted, &values)).for_each(|(&i, value)| theta[i] = value);
    }
    theta
}

/// Slopes of column 0 on the other columns within one arm, and the variance of the residuals over `n - 1`.
///
/// # Errors
/// [`Error::TooFew`] below two units, [`Error::Undefined`] for dependent covariates.
pub fn own_slopes(arm: &Moments) -> Result<(Vec<f64>, f64)> {
    let rows = arm.covariances()?;
    let square: Matrix = rows[1..].iter().map(|row| row[1..].to_vec()).collect();
    let slopes = times(&inverse(&square)?, &rows[0][1..]);
    let variance = rows[0][0] - dot(&slopes, &rows[0][1..]);
    Ok((slopes, variance.max(0.0)))
}
