//! Regression adjustment from rows and from moments; robust and cluster-robust standard errors.
//!
//! Lin, Annals of Applied Statistics 2013: `y ~ 1 + arm + xc + arm xc` with `xc` centred over all rows; the coefficient of `arm`.
//! HC0-HC3: MacKinnon & White, Journal of Econometrics 1985. Clusters: Liang & Zeger, Biometrika 1986.

use crate::cuped::own_slopes;
use crate::error::{Error, Result, all_finite, same_length};
use crate::estimate::Effect;
use crate::linalg::{Matrix, cross, dot, inverse, quadratic, times};
use crate::moments::Moments;
use std::collections::BTreeMap;

/// An ordinary least squares fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// One coefficient a column.
    pub coefficients: Vec<f64>,
    rows: Matrix,
    residuals: Vec<f64>,
    bread: Matrix,
}

/// Variant of the heteroscedasticity-robust variance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Robust {
    /// Squared residuals.
    Hc0,
    /// Times `N / (N - k)`.
    Hc1,
    /// Over `1 - leverage`.
    Hc2,
    /// Over `(1 - leverage)^2`.
    Hc3,
}

impl Fit {
    /// Least squares of `y` on the columns of `rows`.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], [`Error::TooFew`] rows for the columns, [`Error::Undefined`] for dependent columns.
    pub fn new(rows: Matrix, y: &[f64]) -> Result<Self> {
        same_length("the outcome", y.len(), rows.len())?;
        all_finite("an outcome", y)?;
        let k = rows.first().map_or(0, Vec::len);
        if rows.len() <= k || k == 0 {
            return Err(Error::TooFew { what: "the regression", got: rows.len(), needed: k + 1 });
        }
        rows.iter()
            .try_for_each(|row| same_length("a row", row.len(), k).and(all_finite("a covariate", row)))?;
        let bread = inverse(&cross(rows.iter().map(|row| (row.as_slice(), 1.0)), k))?;
        let mut moment = vec![0.0; k];
        for (row, value) in rows.iter().zip(y) {
            moment.iter_mut().zip(row).for_each(|(sum, cell)| *sum += cell * value);
        }
        let coefficients = times(&bread, &moment);
        let residuals = rows.iter().zip(y).map(|(row, value)| value - dot(row, &coefficients)).collect();
        Ok(Self { coefficients, rows, residuals, bread })
    }

    /// Robust standard error of a coefficient.
    pub fn robust_se(&self, coefficient: usize, kind: Robust) -> f64 {
        let (n, k) = (self.rows.len() as f64, self.coefficients.len() as f64);
        let weight = |row: &Vec<f64>, residual: f64| {
            let rest = 1.0 - quadratic(&self.bread, row);
            match kind {
                Robust::Hc0 => residual * residual,
                Robust::Hc1 => residual * residual * n / (n - k),
                Robust::Hc2 => residual * residual / rest,
                Robust::Hc3 => (residual / rest).powi(2),
            }
        };
        let direction = &self.bread[coefficient];
        let score = |(row, &residual): (&Vec<f64>, &f64)| dot(row, direction).powi(2) * weight(row, residual);
        self.rows.iter().zip(&self.residuals).map(score).sum::<f64>().sqrt()
    }

    /// Cluster-robust standard error of a coefficient without correction (CR0), and the number of clusters.
    ///
    /// # Errors
    /// [`Error::Length`] unless every row has a cluster.
    pub fn cluster_se(&self, coefficient: usize, clusters: &[u64]) -> Result<(f64, usize)> {
        same_length("the list of clusters", clusters.len(), self.rows.len())?;
        let mut scores: BTreeMap<u64, f64> = BTreeMap::new();
        for ((row, residual), &cluster) in self.rows.iter().zip(&self.residuals).zip(clusters) {
            *scores.entry(cluster).or_default() += dot(row, &self.bread[coefficient]) * residual;
        }
        Ok((scores.values().map(|score| score * score).sum::<f64>().sqrt(), scores.len()))
    }
}

/// How the covariates enter next to the arm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Covariates {
    /// Common slopes (analysis of covariance).
    Common,
    /// A slope an arm (Lin).
    Interacted,
}

/// Fits `y ~ 1 + arm + xc (+ arm xc)`; rows hold the outcome first. Coefficient 0 is control's mean, coefficient 1 the effect.
///
/// # Errors
/// As [`Fit::new`].
pub fn adjusted(control: &[Vec<f64>], treatment: &[Vec<f64>], covariates: Covariates) -> Result<Fit> {
    let rows: Vec<&Vec<f64>> = control.iter().chain(treatment).collect();
    let k = rows.first().map_or(0, |row| row.len());
    rows.iter().try_for_each(|row| same_length("a row", row.len(), k.max(1)))?;
    let mean = |column: usize| rows.iter().map(|row| row[column]).sum::<f64>() / rows.len() as f64;
    let centre: Vec<f64> = (1..k).map(mean).collect();
    let design = |(at, row): (usize, &&Vec<f64>)| {
        let arm = f64::from(u8::from(at >= control.len()));
        let centred: Vec<f64> = row[1..].iter().zip(&centre).map(|(value, mean)| value - mean).collect();
        let mut line = vec![1.0, arm];
        line.extend(&centred);
        if covariates == Covariates::Interacted {
            line.extend(centred.iter().map(|value| arm * value));
        }
        line
    };
    let outcome: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    Fit::new(rows.iter().enumerate().map(design).collect(), &outcome)
}

/// Lin's estimate from moments alone (column 0 the outcome): effect with the variance of residuals per arm over `n - 1`, and the standard
/// error with the term for the covariates' own sampling, which matters when slopes differ between arms.
///
/// # Errors
/// [`Error::TooFew`] below two units, [`Error::Undefined`] for dependent covariates.
pub fn from_moments(control: &Moments, treatment: &Moments) -> Result<(Effect, f64)> {
    let all = control.merged(treatment)?;
    let adjust = |arm: &Moments| -> Result<(f64, Vec<f64>, f64)> {
        let (slopes, variance) = own_slopes(arm)?;
        let shift: f64 =
            slopes.iter().enumerate().map(|(i, b)| b * (arm.mean(i + 1) - all.mean(i + 1))).sum();
        Ok((arm.mean(0) - shift, slopes, variance / arm.n()))
    };
    let ((c, c_slopes, c_variance), (t, t_slopes, t_variance)) = (adjust(control)?, adjust(treatment)?);
    let gap: Vec<f64> = t_slopes.iter().zip(&c_slopes).map(|(t, c)| t - c).collect();
    let covariances: Matrix = all.covariances()?[1..].iter().map(|row| row[1..].to_vec()).collect();
    let variance = c_variance + t_variance;
    let with_term = variance + quadratic(&covariances, &gap) / all.n();
    Ok((Effect { value: t - c, se: variance.sqrt(), df: None }, with_term.sqrt()))
}

/// The effect of an arm on rows in clusters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClusterEffect {
    /// Difference of the row means.
    pub effect: f64,
    /// Standard error without correction.
    pub cr0: f64,
    /// Times `G/(G-1) (N-1)/(N-k)`, with `G - 1` degrees of freedom.
    pub cr1: Effect,
}

/// Difference of arms over rows whose errors are dependent within clusters (impressions of a user, users of an advertiser).
///
/// # Errors
/// As [`Fit::new`]; [`Error::TooFew`] below two clusters.
pub fn clustered(y: &[f64], arm: &[f64], clusters: &[u64]) -> Result<ClusterEffect> {
    same_length("the list of arms", arm.len(), y.len())?;
    let fit = Fit::new(arm.iter().map(|&arm| vec![1.0, arm]).collect(), y)?;
    let (cr0, count) = fit.cluster_se(1, clusters)?;
    if count < 2 {
        return Err(Error::TooFew { what: "the list of clusters", got: count, needed: 2 });
    }
    let (g, n) = (count as f64, y.len() as f64);
    let se = cr0 * (g / (g - 1.0) * (n - 1.0) / (n - 2.0)).sqrt();
    let effect = fit.coefficients[1];
    Ok(ClusterEffect { effect, cr0, cr1: Effect { value: effect, se, df: Some(g - 1.0) } })
}
