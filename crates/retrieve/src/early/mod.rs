//! The early-stage model: two towers distilled from a click ranker, over the index that the next-item model has already.
//!
//! ```text
//! e(u, j) = <A q_u + b, r_j> + c · bias_j            q_u, r_j, bias_j: fused query, row and bias of the next-item model
//! ```
//!
//! The user tower is `A q_u + b`, the item tower the fused row. `A`, `b` and `c` are fitted so that, user by user, differences of `e` are
//! differences of the click ranker's log odds (knowledge distillation: Hinton et al. 2015, arXiv 1503.02531; for two towers: Tang & Wang
//! 2018, Ranking Distillation, arXiv 1809.07428). It is a source ([`EarlyStage`](crate::sourcer::EarlyStage)) and a score by which merged
//! candidates are cut before the click ranker sees them. An item that came later has a row, so it has a score.
//!
//! | file | does |
//! |---|---|
//! | `fit` | samples -> `A`, `b`, `c`: ridge regression by conjugate gradients |

mod fit;

pub use fit::Sample;

use crate::Candidate;
use semrank_nn::kernel::{axpy, dot};

/// Writes an item's fused row and returns its bias.
pub type ItemRows<'a> = dyn Fn(u32, &mut [f32]) -> f32 + Sync + 'a;

/// The fitted model; `W` is the width of a fused row.
#[derive(Debug, Clone, PartialEq)]
pub struct Early {
    /// `A` transposed, `[W x W]`: a row for each value of `q`.
    pub matrix: Vec<f32>,
    /// `b`, `[W]`.
    pub offset: Vec<f32>,
    /// `c`, above 0.
    pub prior: f32,
}

impl Early {
    /// Width of queries and rows.
    pub fn width(&self) -> usize {
        self.offset.len()
    }

    /// Whether its parts belong together and are numbers.
    pub fn is_valid(&self) -> bool {
        let all = || self.matrix.iter().chain(&self.offset).chain([&self.prior]);
        self.matrix.len() == self.width().pow(2) && self.prior > 0.0 && all().all(|value| value.is_finite())
    }

    /// `(A q + b) / c`: its products with fused rows, plus their biases, order items as `e` does.
    ///
    /// # Panics
    /// When `fused` has another width.
    pub fn query(&self, fused: &[f32]) -> Vec<f32> {
        assert_eq!(fused.len(), self.width(), "a query of the model that this was distilled over");
        let mut out = self.offset.clone();
        let rows = self.matrix.chunks_exact(self.width().max(1));
        fused.iter().zip(rows).for_each(|(&value, row)| axpy(value, row, &mut out));
        out.iter_mut().for_each(|value| *value /= self.prior);
        out
    }

    /// Keeps the best `most` candidates by `e`, best first, of equal scores the lower item.
    pub fn cut(
        &self,
        fused: &[f32],
        rows: &ItemRows,
        candidates: Vec<Candidate>,
        most: usize,
    ) -> Vec<Candidate> {
        let (query, mut row) = (self.query(fused), vec![0.0; self.width()]);
        let mut scored: Vec<(f32, Candidate)> = candidates
            .into_iter()
            .map(|candidate| {
                let bias = rows(candidate.item, &mut row);
                (dot(&query, &row) + bias, candidate)
            })
            .collect();
        scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.item.cmp(&b.1.item)));
        scored.truncate(most);
        scored.into_iter().map(|(_, candidate)| candidate).collect()
    }
}
