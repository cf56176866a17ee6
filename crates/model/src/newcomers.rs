//! The popularity of items that nobody has touched, predicted from their content.
//!
//! A popularity prior says nothing of a new item, and zero is wrong: a new film is not a film that everybody ignored. So the
//! prior of an item without training events is predicted by ridge regression (Hoerl & Kennard 1970) from its content
//! vector, fitted on *newcomers*: items whose first training event lies in the last part of the training events. What
//! they have gathered is what an item gathers that is new now. The penalty is chosen by cross-validation.
//!
//! Only for logs with times: in a log that knows only each user's order nothing tells who came late.

use crate::TrainingData;
use semrank_nn::{Mat, matmul};

const PENALTIES: [f64; 6] = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0];
const FOLDS: usize = 5;
/// Fewer newcomers than this teach nothing.
const FEWEST: usize = 50;

/// Content vectors of newcomers, with an intercept.
#[derive(Debug)]
pub struct Newcomers<'a> {
    content: &'a [f32],
    width: usize,
    /// The newcomers.
    items: Vec<u32>,
}

impl<'a> Newcomers<'a> {
    /// Items whose first target event is among the last `share` of the training events; `None` where that says nothing:
    /// no times, no contents, or hardly any newcomer.
    pub fn find(data: &TrainingData<'a>, share: f64) -> Option<Self> {
        let width = data.content_width();
        if !data.events.timed() || width == 0 {
            return None;
        }
        let mut first = vec![i64::MAX; data.items()];
        let mut times = Vec::new();
        for at in (0..data.train_ends.len()).flat_map(|user| data.range(user)) {
            let event = data.events.event(at);
            if data.is_target(event.action) {
                times.push(event.time);
                let time = &mut first[event.item.index()];
                *time = event.time.min(*time);
            }
        }
        times.sort_unstable();
        let from = *times.get((times.len() as f64 * (1.0 - share)) as usize)?;
        let items: Vec<u32> = (0..data.items() as u32)
            .filter(|&item| (from..i64::MAX).contains(&first[item as usize]))
            .collect();
        (items.len() >= FEWEST).then_some(Self { content: data.content, width, items })
    }

    /// Replaces the prior of items without events by its prediction, never below 0.
    pub fn predict(&self, counts: &[u32], prior: &mut [f32]) {
        let rows: Vec<f64> = self.items.iter().flat_map(|&item| self.row(item)).collect();
        let targets: Vec<f64> = self.items.iter().map(|&item| f64::from(prior[item as usize])).collect();
        let weights = ridge(&rows, &targets, self.width + 1);
        for (item, prior) in prior.iter_mut().enumerate().filter(|(item, _)| counts[*item] == 0) {
            let predicted: f64 = self.row(item as u32).zip(&weights).map(|(x, w)| x * w).sum();
            *prior = predicted.max(0.0) as f32;
        }
    }

    /// The content of an item and a one.
    fn row(&self, item: u32) -> impl Iterator<Item = f64> {
        let content = &self.content[item as usize * self.width..][..self.width];
        content.iter().map(|&x| f64::from(x)).chain([1.0])
    }
}

/// Weights `w` that minimise `|X w - y|² + penalty |w|²`, with the penalty of least error in cross-validation. X is
/// `[n x width]`.
fn ridge(x: &[f64], y: &[f64], width: usize) -> Vec<f64> {
    let rows = |keep: &dyn Fn(usize) -> bool| {
        let kept = (0..y.len()).filter(|&row| keep(row));
        let (x, y): (Vec<&[f64]>, Vec<f64>) = kept.map(|row| (&x[row * width..][..width], y[row])).unzip();
        (x.concat(), y)
    };
    let mut errors = [0.0; PENALTIES.len()];
    for fold in 0..FOLDS {
        let (x, y) = rows(&|row| row % FOLDS != fold);
        let (held_x, held_y) = rows(&|row| row % FOLDS == fold);
        let normal = Normal::new(&x, &y, width);
        for (error, &penalty) in errors.iter_mut().zip(&PENALTIES) {
            let weights = normal.solve(penalty);
            let residual =
                |(x, y): (&[f64], &f64)| x.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() - y;
            *error += held_x.chunks_exact(width).zip(&held_y).map(residual).map(|r| r * r).sum::<f64>();
        }
    }
    let best = (0..PENALTIES.len()).min_by(|&a, &b| errors[a].total_cmp(&errors[b])).unwrap_or(0);
    Normal::new(x, y, width).solve(PENALTIES[best])
}

/// `X^T X` and `X^T y`.
struct Normal {
    gram: Vec<f64>,
    moment: Vec<f64>,
}

impl Normal {
    fn new(x: &[f64], y: &[f64], width: usize) -> Self {
        let (mut gram, mut moment) = (vec![0.0; width * width], vec![0.0; width]);
        let rows = Mat::new(x, y.len(), width);
        matmul(&mut gram, 0.0, rows.t(), rows, 1.0);
        matmul(&mut moment, 0.0, rows.t(), Mat::new(y, y.len(), 1), 1.0);
        Self { gram, moment }
    }

    /// By Cholesky factorisation; the penalty keeps it positive definite.
    fn solve(&self, penalty: f64) -> Vec<f64> {
        let width = self.moment.len();
        let mut lower = self.gram.clone();
        for row in 0..width {
            lower[row * width + row] += penalty;
            for column in 0..=row {
                let (a, b) = (&lower[row * width..][..column], &lower[column * width..][..column]);
                let inner: f64 = a.iter().zip(b).map(|(a, b)| a * b).sum();
                let rest = lower[row * width + column] - inner;
                lower[row * width + column] = if row == column {
                    rest.max(1e-12).sqrt()
                } else {
                    rest / lower[column * width + column]
                };
            }
        }
        let mut out = self.moment.clone();
        for row in 0..width {
            let inner: f64 = (0..row).map(|column| lower[row * width + column] * out[column]).sum();
            out[row] = (out[row] - inner) / lower[row * width + row];
        }
        for row in (0..width).rev() {
            let inner: f64 = (row + 1..width).map(|below| lower[below * width + row] * out[below]).sum();
            out[row] = (out[row] - inner) / lower[row * width + row];
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ridge_agrees_with_the_closed_form_in_two_dimensions() {
        // X^T X = [[5, 1], [1, 2]] and X^T y = [8, 5]; with penalty 1: [[6, 1], [1, 3]] w = [8, 5].
        let normal = Normal::new(&[1.0, 1.0, 2.0, 0.0, 0.0, 1.0], &[2.0, 3.0, 3.0], 2);
        assert_eq!((&normal.gram[..], &normal.moment[..]), (&[5.0, 1.0, 1.0, 2.0][..], &[8.0, 5.0][..]));
        let weights = normal.solve(1.0);
        assert!((weights[0] - 19.0 / 17.0).abs() < 1e-12 && (weights[1] - 22.0 / 17.0).abs() < 1e-12);
    }

    #[test]
    fn cross_validation_finds_a_linear_rule_through_noise() {
        let mut rng = semrank_core::Rng::new(1, "ridge");
        let x: Vec<f64> = (0..400).flat_map(|_| [rng.normal(), rng.normal(), 1.0]).collect();
        let y: Vec<f64> = x.chunks(3).map(|x| 2.0 * x[0] - x[1] + 0.5 + 0.1 * rng.normal()).collect();
        let weights = ridge(&x, &y, 3);
        for (got, expected) in weights.iter().zip([2.0, -1.0, 0.5]) {
            assert!((got - expected).abs() < 0.03, "{weights:?}");
        }
    }
}
