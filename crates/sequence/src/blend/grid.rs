//! The combinations that are tried: one list per weight, and steps between them.

use crate::{Blend, BlendSettings, Prior, SeenPolicy, Servable};

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
        servable: &Servable,
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
            contents: of(!servable.similar.is_empty(), &settings.contents),
            alphas: of(!servable.model.item_item.is_empty(), &settings.alphas),
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

    /// What is taken where nothing is known: popularity that never forgets, the policy that training had, and of each weight the
    /// middle of its list.
    pub(super) fn middle(&self) -> Point {
        let mut out = self.sizes().map(|size| (size - 1) / 2);
        // Masking stands first; of the other policies, learned before none.
        out[SEEN] = usize::from(self.policies.contains(&SeenPolicy::Learned));
        out[PRIOR] = 0;
        out
    }

    /// How far a combination is from [`Grid::middle`]: another policy counts 1, another prior up to 1, each weight up to about 1
    /// at either end of its list.
    pub(super) fn distance_from_middle(&self, point: Point) -> f64 {
        let (middle, sizes) = (self.middle(), self.sizes());
        let axis = |axis: usize| {
            let steps = point[axis].abs_diff(middle[axis]) as f64;
            match axis {
                SEEN => steps.min(1.0),
                PRIOR => steps / (sizes[axis] - 1).max(1) as f64,
                _ => steps / (sizes[axis] / 2).max(1) as f64,
            }
        };
        (0..sizes.len()).map(axis).sum()
    }

    /// Weights of the content neighbours, from the first to the last one: no more than three.
    pub(super) fn content_anchors(&self) -> Vec<f32> {
        let last = self.contents.len() - 1;
        let mut out: Vec<f32> = [0, last.div_ceil(2), last].map(|at| self.contents[at] as f32).to_vec();
        out.dedup();
        out
    }

    /// The weight of the prior in the middle of its list.
    pub(super) fn middle_beta(&self) -> f32 {
        self.betas[(self.betas.len() - 1) / 2] as f32
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
