//! A user's taste: weights per user on the main directions of content, a linear model with random effects
//! (Laird & Ware 1982, Biometrics 38; in ranking GLMix, Zhang et al. 2016, KDD, section 3).
//!
//! ```text
//! residual = w_0 + w · z + e          (w_0, w) ~ N(0, Σ)          e ~ N(0, σ²)
//! ```
//!
//! `z` are an item's principal components, scaled to a mean squared length of 1; a residual is a label less what the item made
//! likely. `Σ` is learned by expectation maximisation over users; the feature is `w · z`, without the user's level `w_0`, which other
//! features hold.

use super::super::items::Items;
use super::Residuals;
use super::cholesky::Cholesky;
use super::contents::Contents;
use rayon::prelude::*;
use semrank_nn::kernel;

/// Main directions of content `K`; where contents are narrower, the rest are zero.
const DIRECTIONS: usize = 16;
/// Weights of a user: its level, and one per direction.
pub(super) const WEIGHTS: usize = 1 + DIRECTIONS;
/// Steps of expectation maximisation at the first fit and at later ones.
const FIRST_STEPS: usize = 15;
const STEPS: usize = 4;
/// Variances to begin with, in those of a label: of a user's level, of its weights.
const START: [f64; 2] = [0.2, 0.05];
/// Users whose moments are held at a time.
const AT_A_TIME: usize = 256;
/// Added to variances, in that of a label, so that `Σ` has an inverse.
const FLOOR: f64 = 1e-5;

/// How users' tastes vary.
#[derive(Debug, Clone)]
pub(crate) struct Taste {
    /// At most `K` directions, and what components along them are divided by.
    pub(super) directions: Vec<Vec<f32>>,
    pub(super) scale: f32,
    /// `z`, `[items x K]`, and a row of zeros for every unknown item.
    components: Vec<f32>,
    pub(super) fitted: Fitted,
}

/// Estimates from residuals.
#[derive(Debug, Clone)]
pub(super) struct Fitted {
    /// `Σ`, `[1 + K x 1 + K]`, its inverse, and `σ²`; empty before the first fit.
    pub(super) covariance: Vec<f64>,
    pub(super) precision: Vec<f64>,
    pub(super) variance: f64,
}

impl Taste {
    /// Nothing known of any user.
    pub(crate) fn new(contents: &Contents, items: &Items) -> Self {
        let directions = contents.directions(items, Self::directions(contents.width()));
        let fitted = Fitted { covariance: Vec::new(), precision: Vec::new(), variance: 1.0 };
        let mut out = Self::fitted(directions, 1.0, fitted, (contents, items));
        let (mut squared, mut known) = (0.0, 0usize);
        for (z, _) in out.components.chunks_exact(DIRECTIONS).zip(&items.known).filter(|(_, known)| **known) {
            squared += z.iter().map(|&z| f64::from(z).powi(2)).sum::<f64>();
            known += 1;
        }
        let scale = (squared / known.max(1) as f64).sqrt();
        if scale > 0.0 {
            out.scale = scale as f32;
            out.components.iter_mut().for_each(|z| *z /= out.scale);
        }
        out
    }

    /// Directions of contents of a width.
    pub(super) fn directions(width: usize) -> usize {
        DIRECTIONS.min(width)
    }

    /// Restores saved estimates.
    pub(super) fn fitted(
        directions: Vec<Vec<f32>>,
        scale: f32,
        fitted: Fitted,
        (contents, items): (&Contents, &Items),
    ) -> Self {
        let mut out = Self { directions, scale, components: Vec::new(), fitted };
        out.project(contents, items);
        out
    }

    /// The components of all items.
    pub(super) fn project(&mut self, contents: &Contents, items: &Items) {
        self.components = vec![0.0; (contents.len() + 1) * DIRECTIONS];
        for (at, direction) in self.directions.iter().enumerate() {
            for (item, value) in contents.project(items, direction).into_iter().enumerate() {
                self.components[item * DIRECTIONS + at] = value / self.scale;
            }
        }
    }

    /// Learns how tastes vary from the residuals of some users; `variance` is that of one label.
    pub(crate) fn fit(&mut self, users: &[Residuals], variance: f64) {
        let several = users.par_iter().filter(|residuals| residuals.len() >= 2);
        let users: Vec<Sums<f32>> = several.map(|residuals| self.sums(residuals)).collect();
        if users.is_empty() {
            return;
        }
        self.fitted.variance = variance;
        let (n, steps) = (WEIGHTS, if self.fitted.covariance.is_empty() { FIRST_STEPS } else { STEPS });
        if self.fitted.covariance.is_empty() {
            self.fitted.covariance = vec![0.0; n * n];
            (0..n).for_each(|at| self.fitted.covariance[at * n + at] = variance * START[usize::from(at > 0)]);
            self.invert();
        }
        for _ in 0..steps {
            let mut sum = vec![0.0; n * n];
            for users in users.chunks(AT_A_TIME) {
                // Made on all threads, added in order.
                let moments: Vec<_> = users.par_iter().filter_map(|sums| self.second_moments(sums)).collect();
                moments.iter().for_each(|moments| kernel::add(moments, &mut sum));
            }
            sum.iter_mut().for_each(|value| *value /= users.len() as f64);
            (0..n).for_each(|at| sum[at * n + at] += FLOOR * variance);
            self.fitted.covariance = sum;
            self.invert();
        }
    }

    fn invert(&mut self) {
        if let Some(factor) = Cholesky::new(self.fitted.covariance.clone(), WEIGHTS) {
            self.fitted.precision = factor.inverse();
        }
    }

    fn sums(&self, residuals: &Residuals) -> Sums<f32> {
        let mut sums = Sums { rows: residuals.len(), ..Sums::default() };
        add(&self.components, residuals, &mut sums);
        sums
    }

    /// Mean and factor of the precision of `(w_0, w)`, given residuals.
    fn posterior(&self, sums: &Sums<f32>) -> Option<(Vec<f64>, Cholesky)> {
        let mut matrix = self.fitted.precision.clone();
        let share = |value: f32| f64::from(value) / self.fitted.variance;
        matrix[0] += sums.rows as f64 / self.fitted.variance;
        for (row, products) in sums.products.iter().enumerate() {
            let out = &mut matrix[(1 + row) * WEIGHTS..][..=1 + row];
            out[0] += share(sums.components[row]);
            out[1..].iter_mut().zip(products).for_each(|(value, &product)| *value += share(product));
        }
        let mut mean = vec![share(sums.residual)];
        mean.extend(sums.weighted.map(share));
        let factor = Cholesky::new(matrix, WEIGHTS)?;
        factor.solve(&mut mean);
        Some((mean, factor))
    }

    /// The mean of `(w_0, w) (w_0, w)ᵀ`, given residuals.
    fn second_moments(&self, sums: &Sums<f32>) -> Option<Vec<f64>> {
        let (mean, factor) = self.posterior(sums)?;
        let mut out = factor.inverse();
        for (row, mine) in out.chunks_exact_mut(WEIGHTS).zip(&mean) {
            row.iter_mut().zip(&mean).for_each(|(value, other)| *value += mine * other);
        }
        Some(out)
    }

    /// The mean of `w` given residuals; empty where nothing is known.
    pub(crate) fn weights(&self, residuals: &Residuals) -> Vec<f32> {
        if residuals.is_empty() || self.fitted.precision.is_empty() {
            return Vec::new();
        }
        let mean = self.posterior(&self.sums(residuals)).map_or(Vec::new(), |(mean, _)| mean);
        mean.iter().skip(1).map(|&weight| weight as f32).collect()
    }

    /// `w · z` of an item.
    pub(crate) fn of(&self, weights: &[f32], item: u32) -> f32 {
        let components = self.components.chunks_exact(DIRECTIONS).nth(item as usize).unwrap_or(&[]);
        weights.iter().zip(components).map(|(w, z)| w * z).sum()
    }
}

/// Sums over residuals `r` and their items: how many, and of `r`, `z`, `r z`, and `z zᵀ`.
#[derive(Debug, Clone, Copy, Default)]
struct Sums<T> {
    rows: usize,
    residual: T,
    components: [T; DIRECTIONS],
    weighted: [T; DIRECTIONS],
    products: [[T; DIRECTIONS]; DIRECTIONS],
}

kernel! {
    fn add<T: Scalar>(components: &[T], residuals: &[(u32, T)], sums: &mut Sums<T>) {
        // A copy of its own stays in registers.
        let mut own = *sums;
        for &(item, residual) in residuals {
            let mut z = [T::ZERO; DIRECTIONS];
            z.copy_from_slice(&components[item as usize * DIRECTIONS..][..DIRECTIONS]);
            own.residual += residual;
            for (sum, &z) in own.components.iter_mut().zip(&z) {
                *sum += z;
            }
            for (sum, &z) in own.weighted.iter_mut().zip(&z) {
                *sum += residual * z;
            }
            for (sums, &of_row) in own.products.iter_mut().zip(&z) {
                for (sum, &z) in sums.iter_mut().zip(&z) {
                    *sum += of_row * z;
                }
            }
        }
        *sums = own;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{Kind, Rng};

    #[test]
    fn users_who_like_one_direction_are_told_from_those_who_do_not() {
        // Items on a circle; a user likes one side of it or the other.
        let angle = |item: u32| f64::from(item) * std::f64::consts::TAU / 64.0;
        let content: Vec<f32> =
            (0..64).flat_map(|item| [angle(item).cos() as f32, angle(item).sin() as f32]).collect();
        let kinds = [Kind::Ad; 64];
        let known = vec![true; kinds.len()];
        let items = Items { content, kinds: kinds.to_vec(), known, ..Items::default() };
        let mut taste = Taste::new(&Contents::new(&items), &items);
        assert_eq!(taste.weights(&vec![(0, 1.0)]), Vec::<f32>::new());
        let mut rng = Rng::new(5, "taste");
        let mut user = |likes: f64| -> Residuals {
            let label = |item: u32, rng: &mut Rng| {
                let mean = 0.3 * likes * angle(item).cos();
                (item, (mean + 0.4 * rng.normal()) as f32)
            };
            (0..20)
                .map(|_| rng.below(64) as u32)
                .collect::<Vec<_>>()
                .into_iter()
                .map(|item| label(item, &mut rng))
                .collect()
        };
        let users: Vec<Residuals> = (0..400).map(|at| user(if at % 2 == 0 { 1.0 } else { -1.0 })).collect();
        taste.fit(&users, 0.16);
        let right = users.iter().enumerate().filter(|(at, residuals)| {
            let weights = taste.weights(residuals);
            (taste.of(&weights, 0) > taste.of(&weights, 32)) == (at % 2 == 0)
        });
        assert!(right.count() > 360);
        // The direction that no user reacts to has hardly a variance.
        let variances = [1, 2].map(|at| taste.fitted.covariance[at * WEIGHTS + at]);
        let (more, less) = (variances[0].max(variances[1]), variances[0].min(variances[1]));
        assert!(more > 0.02 && less < 0.3 * more, "{variances:?}");
    }
}
