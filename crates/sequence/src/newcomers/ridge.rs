//! Ridge regression on rows of zeros and ones (Hoerl & Kennard 1970), its penalty chosen by cross-validation.

use rayon::prelude::*;

const PENALTIES: [f64; 5] = [3.0, 10.0, 30.0, 100.0, 300.0];
const FOLDS: usize = 5;

/// Regression on rows of zeros and ones, of which `rows` has the ones.
pub(super) struct Ridge<'a> {
    pub(super) rows: &'a [Vec<u32>],
    pub(super) targets: &'a [f64],
    pub(super) width: usize,
}

impl Ridge<'_> {
    /// Most steps of the conjugate gradients, and the share of the first residual at which they end.
    const STEPS: usize = 200;
    const PRECISION: f64 = 1e-6;

    /// The largest penalty whose cross-validated squared error is within one standard error of the least (Hastie,
    /// Tibshirani & Friedman 2009, section 7.10): members see fewer rows than the whole, and need more of it.
    pub(super) fn best_penalty(&self) -> f64 {
        let errors = PENALTIES.map(|penalty| {
            let folds: Vec<f64> = (0..FOLDS).into_par_iter().map(|fold| self.error(fold, penalty)).collect();
            let mean = folds.iter().sum::<f64>() / FOLDS as f64;
            let variance = folds.iter().map(|error| (error - mean).powi(2)).sum::<f64>() / (FOLDS - 1) as f64;
            (mean, (variance / FOLDS as f64).sqrt())
        });
        let least = errors.iter().copied().min_by(|a, b| a.0.total_cmp(&b.0));
        let bound = least.map_or(f64::INFINITY, |(mean, standard_error)| mean + standard_error);
        let good = PENALTIES.iter().zip(&errors).rfind(|(_, (mean, _))| *mean <= bound);
        good.map_or(PENALTIES[0], |(&penalty, _)| penalty)
    }

    /// Mean squared error on a fold of what the others teach.
    fn error(&self, fold: usize, penalty: f64) -> f64 {
        let times: Vec<f64> =
            (0..self.rows.len()).map(|row| f64::from(u8::from(row % FOLDS != fold))).collect();
        let weights = self.solve(&times, penalty);
        let held = (fold..self.rows.len()).step_by(FOLDS);
        let count = held.len() as f64;
        held.map(|row| (dot(&self.rows[row], &weights) - self.targets[row]).powi(2)).sum::<f64>() / count
    }

    /// The `w` that minimises `sum of times_i (x_i w - y_i)² + penalty |w|²`, by conjugate gradients on the normal
    /// equations (Golub & Van Loan 2013, section 11.3).
    pub(super) fn solve(&self, times: &[f64], penalty: f64) -> Vec<f64> {
        let mut residual = self.transposed(times, |row| self.targets[row]);
        let (mut weights, mut direction) = (vec![0.0; self.width], residual.clone());
        let mut length = square(&residual);
        let enough = length * Self::PRECISION * Self::PRECISION;
        for _ in 0..Self::STEPS {
            if length <= enough {
                break;
            }
            let mut image = self.transposed(times, |row| dot(&self.rows[row], &direction));
            image.iter_mut().zip(&direction).for_each(|(image, d)| *image += penalty * d);
            let step = length / image.iter().zip(&direction).map(|(a, b)| a * b).sum::<f64>();
            weights.iter_mut().zip(&direction).for_each(|(w, d)| *w += step * d);
            residual.iter_mut().zip(&image).for_each(|(r, image)| *r -= step * image);
            let next = square(&residual);
            direction.iter_mut().zip(&residual).for_each(|(d, r)| *d = r + next / length * *d);
            length = next;
        }
        weights
    }

    /// `X^T (times · values)`.
    fn transposed(&self, times: &[f64], values: impl Fn(usize) -> f64) -> Vec<f64> {
        let mut out = vec![0.0; self.width];
        for (at, row) in self.rows.iter().enumerate().filter(|(at, _)| times[*at] > 0.0) {
            let value = times[at] * values(at);
            row.iter().for_each(|&column| out[column as usize] += value);
        }
        out
    }
}

fn dot(row: &[u32], weights: &[f64]) -> f64 {
    row.iter().map(|&column| weights[column as usize]).sum()
}

fn square(values: &[f64]) -> f64 {
    values.iter().map(|x| x * x).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;

    #[test]
    fn ridge_agrees_with_the_closed_form_in_two_dimensions() {
        // Rows (1, 1), (1, 0), (1, 0) twice: X^T X = [[4, 1], [1, 1]], X^T y = [7, 3]; with penalty 1: [[5, 1], [1, 2]].
        let rows = [vec![0, 1], vec![0], vec![0]];
        let ridge = Ridge { rows: &rows, targets: &[3.0, 2.0, 1.0], width: 2 };
        let weights = ridge.solve(&[1.0, 1.0, 2.0], 1.0);
        assert!(
            (weights[0] - 11.0 / 9.0).abs() < 1e-6 && (weights[1] - 8.0 / 9.0).abs() < 1e-6,
            "{weights:?}"
        );
    }

    #[test]
    fn cross_validation_finds_which_words_sell() {
        let mut rng = Rng::new(1, "ridge");
        let rows: Vec<Vec<u32>> =
            (0..600).map(|_| (0..20).filter(|_| rng.unit() < 0.3).chain([20]).collect()).collect();
        let sold = |row: &Vec<u32>| row.iter().filter(|&&column| column < 2).count() as f64;
        let targets: Vec<f64> = rows.iter().map(|row| sold(row) + 0.5 + 0.1 * rng.normal()).collect();
        let ridge = Ridge { rows: &rows, targets: &targets, width: 21 };
        let weights = ridge.solve(&[1.0; 600], ridge.best_penalty());
        assert!((weights[0] - 1.0).abs() < 0.1 && weights[7].abs() < 0.1, "{weights:?}");
    }
}
