//! Post-stratification: cells weighted by their share of all units.
//!
//! Miratrix, Sekhon & Yu, JRSS-B 2013; Xie & Aurisset, KDD 2016. The variance is conditional on the cells plus the multinomial spread of
//! their shares (gbstats); without the spread it is the classic one. Covariates enter by a regression in each cell.
//! Columns: the outcome (numerator), then the denominator of a ratio, then covariates.

use crate::error::{Error, Result};
use crate::estimate::Effect;
use crate::linalg::{Matrix, dot, inverse, quadratic, times};
use crate::moments::Moments;

/// One cell: the same columns in both arms.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Units of control.
    pub control: Moments,
    /// Units of treatment.
    pub treatment: Moments,
}

impl Cell {
    fn n(&self) -> f64 {
        self.control.n() + self.treatment.n()
    }
}

/// Result of [`post_stratify`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stratified {
    /// Treatment minus control.
    pub absolute: Effect,
    /// The same over control's value; none when that is 0.
    pub relative: Option<Effect>,
    /// Standard error of the absolute effect without the spread of the cell shares.
    pub classic_se: f64,
    /// Cells after small ones joined the largest.
    pub cells: usize,
}

/// Control value and effect of every outcome in a cell, `(c1, e1, c2, e2)`, with their covariances.
type CellEstimate = (Vec<f64>, Matrix);

/// Weights the cells' effects by the cells' shares of all units; `ratio` takes column 0 over column 1.
///
/// # Errors
/// [`Error::TooFew`] when the cells together have fewer than two units an arm, [`Error::Undefined`] for a ratio without denominator or
/// dependent covariates, [`Error::Length`] for cells with other columns.
pub fn post_stratify(cells: &[Cell], ratio: bool) -> Result<Stratified> {
    let cells = join_small(cells)?;
    let total: f64 = cells.iter().map(Cell::n).sum();
    let outcomes = if ratio { 2 } else { 1 };
    let estimates = cells.iter().map(|cell| cell_estimate(cell, outcomes)).collect::<Result<Vec<_>>>()?;
    let shares: Vec<f64> = cells.iter().map(|cell| cell.n() / total).collect();
    let k = 2 * outcomes;
    let mean: Vec<f64> =
        (0..k).map(|i| estimates.iter().zip(&shares).map(|((a, _), share)| a[i] * share).sum()).collect();
    let within = |i: usize, j: usize| -> f64 {
        estimates.iter().zip(&shares).map(|((_, v), share)| v[i][j] * share * share).sum()
    };
    let spread = |i: usize, j: usize| -> f64 {
        let product: f64 = estimates.iter().zip(&shares).map(|((a, _), share)| a[i] * a[j] * share).sum();
        (product - mean[i] * mean[j]) / total
    };
    let matrix = |with: f64| -> Matrix {
        (0..k).map(|i| (0..k).map(|j| within(i, j) + with * spread(i, j)).collect()).collect()
    };
    let (base, value, absolute, relative) = contrasts(&mean, ratio)?;
    let effect = |value: f64, matrix: &Matrix, gradient: &[f64]| Effect {
        value,
        se: quadratic(matrix, gradient).sqrt(),
        df: None,
    };
    let full = matrix(1.0);
    Ok(Stratified {
        absolute: effect(value, &full, &absolute),
        relative: (base != 0.0).then(|| effect(value / base.abs(), &full, &relative)),
        classic_se: quadratic(&matrix(0.0), &absolute).sqrt(),
        cells: cells.len(),
    })
}

/// Control's value, the effect, and the gradients of the absolute and the relative effect over `(c1, e1, c2, e2)`.
fn contrasts(mean: &[f64], ratio: bool) -> Result<(f64, f64, Vec<f64>, Vec<f64>)> {
    if !ratio {
        let (c, e) = (mean[0], mean[1]);
        return Ok((c, e, vec![0.0, 1.0], vec![-e / (c * c.abs()), 1.0 / c.abs()]));
    }
    let (c_below, t_below) = (mean[2], mean[2] + mean[3]);
    if c_below == 0.0 || t_below == 0.0 {
        return Err(Error::Undefined { what: "the ratio", why: "the denominator sums to 0" });
    }
    let (c, t) = (mean[0] / c_below, (mean[0] + mean[1]) / t_below);
    let by_control = [1.0 / c_below, 0.0, -c / c_below, 0.0];
    let by_treatment = [1.0 / t_below, 1.0 / t_below, -t / t_below, -t / t_below];
    let join = |weight_t: f64, weight_c: f64| -> Vec<f64> {
        by_treatment.iter().zip(by_control).map(|(x, y)| weight_t * x + weight_c * y).collect()
    };
    Ok((c, t - c, join(1.0, -1.0), join(1.0 / c.abs(), -t / (c * c.abs()))))
}

/// Cells without two units in each arm join the largest cell.
fn join_small(cells: &[Cell]) -> Result<Vec<Cell>> {
    let mut sorted: Vec<&Cell> = cells.iter().filter(|cell| cell.n() > 0.0).collect();
    sorted.sort_by(|a, b| b.n().total_cmp(&a.n()));
    let mut kept: Vec<Cell> = Vec::new();
    for cell in sorted {
        let full = cell.control.n() >= 2.0 && cell.treatment.n() >= 2.0;
        match kept.first_mut() {
            Some(first) if !full => {
                first.control.merge(&cell.control)?;
                first.treatment.merge(&cell.treatment)?;
            }
            _ => kept.push(cell.clone()),
        }
    }
    if kept.is_empty() {
        Err(Error::TooFew { what: "the list of cells", got: 0, needed: 1 })
    } else {
        Ok(kept)
    }
}

fn cell_estimate(cell: &Cell, outcomes: usize) -> Result<CellEstimate> {
    let covariates = cell.control.columns().checked_sub(outcomes);
    match covariates {
        None => Err(Error::Length { what: "the row", got: cell.control.columns(), expected: outcomes }),
        Some(0) => unadjusted(cell, outcomes),
        // As gbstats: a covariate that is constant in an arm leaves the cell unadjusted.
        Some(_) if is_flat(cell, outcomes) => unadjusted(cell, outcomes),
        Some(_) => regressed(cell, outcomes),
    }
}

fn is_flat(cell: &Cell, outcomes: usize) -> bool {
    let flat = |arm: &Moments| (outcomes..arm.columns()).any(|column| arm.comoment(column, column) <= 0.0);
    flat(&cell.control) || flat(&cell.treatment)
}

fn unadjusted(cell: &Cell, outcomes: usize) -> Result<CellEstimate> {
    let (c, t) = (&cell.control, &cell.treatment);
    let mean = (0..outcomes).flat_map(|i| [c.mean(i), t.mean(i) - c.mean(i)]).collect();
    let mut v = vec![vec![0.0; 2 * outcomes]; 2 * outcomes];
    for i in 0..outcomes {
        for j in 0..outcomes {
            let (vc, vt) = (c.covariance(i, j)? / c.n(), t.covariance(i, j)? / t.n());
            v[2 * i][2 * j] = vc;
            v[2 * i][2 * j + 1] = -vc;
            v[2 * i + 1][2 * j] = -vc;
            v[2 * i + 1][2 * j + 1] = vc + vt;
        }
    }
    Ok((mean, v))
}

/// Common slopes in the cell; control's value at the cell's mean covariates, whose own sampling enters its variance.
fn regressed(cell: &Cell, outcomes: usize) -> Result<CellEstimate> {
    let (c, t) = (&cell.control, &cell.treatment);
    let all = c.merged(t)?;
    let (n, k) = (all.n(), all.columns());
    let size = 2 + k - outcomes;
    // Within-arm sums of products of the covariates: the arm's dummy taken out by hand.
    let pooled = |i: usize, j: usize| c.comoment(i, j) + t.comoment(i, j);
    let square: Matrix = (outcomes..k).map(|i| (outcomes..k).map(|j| pooled(i, j)).collect()).collect();
    let inverted = inverse(&square)?;
    let slopes: Vec<Vec<f64>> = (0..outcomes)
        .map(|o| times(&inverted, &(outcomes..k).map(|i| pooled(i, o)).collect::<Vec<f64>>()))
        .collect();
    let freedom = n - (outcomes * size - usize::from(outcomes == 2) * 2) as f64;
    if !(freedom > 0.0) {
        return Err(Error::TooFew { what: "a cell", got: n as usize, needed: outcomes * size + 1 });
    }
    let residual = |a: usize, b: usize| {
        let explained: f64 = (outcomes..k).map(|i| slopes[a][i - outcomes] * pooled(i, b)).sum();
        (pooled(a, b) - explained) / freedom
    };
    let gap: Vec<f64> = (outcomes..k).map(|i| t.mean(i) - c.mean(i)).collect();
    let off: Vec<f64> = (outcomes..k).map(|i| c.mean(i) - all.mean(i)).collect();
    let form = |x: &[f64], y: &[f64]| dot(x, &times(&inverted, y));
    // Var of (control value at the mean covariates, effect) for unit residual variance.
    let unit = [
        [1.0 / c.n() + form(&off, &off), -1.0 / c.n() + form(&off, &gap)],
        [-1.0 / c.n() + form(&gap, &off), 1.0 / c.n() + 1.0 / t.n() + form(&gap, &gap)],
    ];
    let mean = (0..outcomes)
        .flat_map(|o| [c.mean(o) - dot(&slopes[o], &off), t.mean(o) - c.mean(o) - dot(&slopes[o], &gap)])
        .collect();
    let mut v = vec![vec![0.0; 2 * outcomes]; 2 * outcomes];
    for a in 0..outcomes {
        for b in 0..outcomes {
            let sigma = residual(a, b);
            for (i, line) in unit.iter().enumerate() {
                for (j, value) in line.iter().enumerate() {
                    v[2 * a + i][2 * b + j] = sigma * value;
                }
            }
            for i in outcomes..k {
                for j in outcomes..k {
                    let product = sigma * inverted[i - outcomes][j - outcomes]
                        + slopes[a][i - outcomes] * slopes[b][j - outcomes];
                    v[2 * a][2 * b] += all.covariance(i, j)? / n * product;
                }
            }
        }
    }
    Ok((mean, v))
}
