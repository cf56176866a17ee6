//! The combinations that are tried: one list a weight, and steps between them.

use crate::{Blend, BlendSettings, Prior, SeenPolicy, Terms};

/// A combination: an index into each list of the grid.
pub(super) type Point = [usize; 5];

pub(super) const SEEN: usize = 0;
pub(super) const PRIOR: usize = 1;
pub(super) const BETA: usize = 2;
pub(super) const CONTENT: usize = 3;
pub(super) const ALPHA: usize = 4;

/// All values that are tried.
pub(super) struct Grid {
    policies: Vec<SeenPolicy>,
    priors: Vec<Prior>,
    betas: Vec<f64>,
    contents: Vec<f64>,
    alphas: Vec<f64>,
}

impl Grid {
    pub(super) fn new(
        priors: Vec<Prior>,
        settings: &BlendSettings,
        terms: &Terms,
        learned_seen: bool,
    ) -> Self {
        let of = |wanted: bool, values: &[f64]| if wanted { values.to_vec() } else { vec![0.0] };
        let policies = match learned_seen {
            true => vec![SeenPolicy::Mask, SeenPolicy::Learned, SeenPolicy::None],
            false => vec![SeenPolicy::Mask, SeenPolicy::None],
        };
        Self {
            policies,
            priors,
            betas: settings.betas.clone(),
            contents: of(!terms.similar.is_empty(), &settings.contents),
            alphas: of(settings.window > 0, &settings.alphas),
        }
    }

    fn sizes(&self) -> Point {
        [self.policies.len(), self.priors.len(), self.betas.len(), self.contents.len(), self.alphas.len()]
    }

    pub(super) fn blend(&self, at: Point) -> Blend {
        Blend {
            seen: self.policies[at[SEEN]],
            prior: self.priors[at[PRIOR]],
            beta: self.betas[at[BETA]] as f32,
            content: self.contents[at[CONTENT]] as f32,
            new_places: 0,
            alpha: self.alphas[at[ALPHA]] as f32,
        }
    }

    /// All policies and priors, and every third value of each weight.
    pub(super) fn coarse(&self) -> Vec<Point> {
        let sizes = self.sizes();
        product(|axis| match axis {
            SEEN | PRIOR => (0..sizes[axis]).collect(),
            _ => (0..sizes[axis]).step_by(3).collect(),
        })
    }

    /// Everything at most one step of each weight away.
    pub(super) fn around(&self, point: Point) -> Vec<Point> {
        let sizes = self.sizes();
        product(|axis| match axis {
            SEEN | PRIOR => vec![point[axis]],
            _ => (point[axis].saturating_sub(1)..=(point[axis] + 1).min(sizes[axis] - 1)).collect(),
        })
    }
}

/// All combinations in order, the last axis fastest.
fn product(values: impl Fn(usize) -> Vec<usize>) -> Vec<Point> {
    (0..5).fold(vec![[0; 5]], |points, axis| {
        let values = values(axis);
        let with = |point: Point| {
            values.iter().map(move |&value| {
                let mut point = point;
                point[axis] = value;
                point
            })
        };
        points.into_iter().flat_map(with).collect()
    })
}
