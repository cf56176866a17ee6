//! Content vectors as linear models read them: less their mean, of unit length; and their main directions.

use super::super::items::Items;
use semrank_core::{Rng, narrow};
use semrank_nn::{
    Mat,
    kernel::{axpy, dot},
    matmul,
};

/// Items that show the main directions.
const SAMPLE: usize = 16_384;
/// Steps of the subspace iteration.
const STEPS: usize = 30;

/// How content vectors are centred and scaled; they stay in [`Items`]. Means and directions are those of the known items.
#[derive(Debug, Clone)]
pub(crate) struct Contents {
    mean: Vec<f32>,
    /// What a centred vector is multiplied by; 0 for an item without content.
    scales: Vec<f32>,
}

impl Contents {
    pub(crate) fn new(items: &Items) -> Self {
        let (mut sum, mut count) = (vec![0.0f64; items.width()], 0.0);
        let known = (0..narrow::count(items.len())).filter(|&item| items.known[item as usize]);
        for item in known.filter(|&item| has_content(items, item)) {
            sum.iter_mut().zip(items.content(item)).for_each(|(sum, &x)| *sum += f64::from(x));
            count += 1.0;
        }
        Self::with_mean(sum.iter().map(|sum| (sum / f64::max(count, 1.0)) as f32).collect(), items)
    }

    /// Centred at a mean of before.
    pub(super) fn with_mean(mean: Vec<f32>, items: &Items) -> Self {
        let mut out = Self { mean, scales: Vec::new() };
        out.grow(items);
        out
    }

    /// Takes in the contents of items that are new.
    pub(super) fn grow(&mut self, items: &Items) {
        for item in narrow::count(self.len())..narrow::count(items.len()) {
            let centred = items.content(item).iter().zip(&self.mean);
            let squared: f32 = centred.map(|(x, m)| (x - m) * (x - m)).sum();
            let scale = if has_content(items, item) && squared > 1e-12 { 1.0 / squared.sqrt() } else { 0.0 };
            self.scales.push(scale);
        }
    }

    pub(super) fn mean(&self) -> &[f32] {
        &self.mean
    }

    /// Items of the catalogue.
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.mean.len()
    }

    /// Appends an item's vector.
    pub(crate) fn push(&self, items: &Items, item: u32, out: &mut Vec<f32>) {
        let scale = self.scales[item as usize];
        out.extend(items.content(item).iter().zip(&self.mean).map(|(x, mean)| (x - mean) * scale));
    }

    /// `direction · x` of every item.
    pub(crate) fn project(&self, items: &Items, direction: &[f32]) -> Vec<f32> {
        let of_mean = dot(&self.mean, direction);
        let of = |(item, scale): (u32, &f32)| (dot(items.content(item), direction) - of_mean) * scale;
        narrow::indices(self.len()).zip(&self.scales).map(of).collect()
    }

    /// The first `count` principal directions, by subspace iteration (Golub & Van Loan, section 7.3.2).
    pub(crate) fn directions(&self, items: &Items, count: usize) -> Vec<Vec<f32>> {
        let width = self.width();
        let known = || narrow::indices(self.len()).filter(|&item| items.known[item as usize]);
        let step = known().count().div_ceil(SAMPLE).max(1);
        let mut x = Vec::new();
        known().step_by(step).for_each(|item| self.push(items, item, &mut x));
        let x = Mat::new(&x, x.len().checked_div(width).unwrap_or(0), width);
        let mut covariance = vec![0.0; width * width];
        matmul(&mut covariance, 0.0, x.t(), x, 1.0);
        let mut rng = Rng::new(0, "content directions");
        let mut basis: Vec<f32> = (0..count * width).map(|_| rng.normal() as f32).collect();
        for _ in 0..STEPS {
            let last = basis.clone();
            let last = Mat::new(&last, count, width);
            matmul(&mut basis, 0.0, last, Mat::new(&covariance, width, width), 1.0);
            orthonormalise(&mut basis, width);
        }
        basis.chunks_exact(width.max(1)).map(<[f32]>::to_vec).collect()
    }
}

fn has_content(items: &Items, item: u32) -> bool {
    items.content(item).iter().any(|&x| x != 0.0)
}

/// Gram-Schmidt; a row without a part of its own becomes zero.
fn orthonormalise(rows: &mut [f32], width: usize) {
    for at in 0..rows.len() / width {
        let (before, row) = rows.split_at_mut(at * width);
        let row = &mut row[..width];
        let whole = dot(row, row);
        for other in before.chunks_exact(width) {
            axpy(-dot(row, other), other, row);
        }
        let squared = dot(row, row);
        let scale = if squared > 1e-8 * whole { 1.0 / squared.sqrt() } else { 0.0 };
        row.iter_mut().for_each(|x| *x *= scale);
    }
}
