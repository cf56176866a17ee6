//! Content vectors as linear models read them: less their mean, of unit length; and their main directions.

use super::super::items::ItemTables;
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

/// Content vectors of a catalogue; none is copied. Means and directions are those of the known items.
#[derive(Debug)]
pub(crate) struct Contents<'a> {
    tables: ItemTables<'a>,
    mean: Vec<f32>,
    /// What a centred vector is multiplied by; 0 for an item without content.
    scales: Vec<f32>,
}

impl<'a> Contents<'a> {
    pub(crate) fn new(tables: ItemTables<'a>) -> Self {
        let (items, width) = (narrow::count(tables.kinds.len()), tables.width());
        let has_content = |item: u32| tables.content(item).iter().any(|&x| x != 0.0);
        let (mut sum, mut count) = (vec![0.0f64; width], 0.0);
        for item in (0..items).filter(|&item| tables.known[item as usize] && has_content(item)) {
            sum.iter_mut().zip(tables.content(item)).for_each(|(sum, &x)| *sum += f64::from(x));
            count += 1.0;
        }
        let mean: Vec<f32> = sum.iter().map(|sum| (sum / f64::max(count, 1.0)) as f32).collect();
        let scale = |item: u32| {
            let squared: f32 = tables.content(item).iter().zip(&mean).map(|(x, m)| (x - m) * (x - m)).sum();
            if has_content(item) && squared > 1e-12 { 1.0 / squared.sqrt() } else { 0.0 }
        };
        let scales = (0..items).map(scale).collect();
        Self { tables, mean, scales }
    }

    /// Items of the catalogue.
    pub(crate) fn len(&self) -> usize {
        self.scales.len()
    }

    pub(crate) fn width(&self) -> usize {
        self.mean.len()
    }

    /// Appends an item's vector.
    pub(crate) fn push(&self, item: u32, out: &mut Vec<f32>) {
        let scale = self.scales[item as usize];
        out.extend(self.tables.content(item).iter().zip(&self.mean).map(|(x, mean)| (x - mean) * scale));
    }

    /// Whether a fit may look at an item.
    pub(crate) fn is_known(&self, item: usize) -> bool {
        self.tables.known[item]
    }

    /// `direction · x` of every item.
    pub(crate) fn project(&self, direction: &[f32]) -> Vec<f32> {
        let of_mean = dot(&self.mean, direction);
        let of = |item: usize| {
            (dot(self.tables.content(narrow::index(item)), direction) - of_mean) * self.scales[item]
        };
        (0..self.len()).map(of).collect()
    }

    /// The first `count` principal directions, by subspace iteration (Golub & Van Loan, section 7.3.2).
    pub(crate) fn directions(&self, count: usize) -> Vec<Vec<f32>> {
        let width = self.width();
        let known = || (0..self.len()).filter(|&item| self.is_known(item));
        let step = known().count().div_ceil(SAMPLE).max(1);
        let mut x = Vec::new();
        known().step_by(step).for_each(|item| self.push(narrow::index(item), &mut x));
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
