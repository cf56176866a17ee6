//! Item effects as a linear function of content, plus an item-specific residual.
//!
//! ```text
//! effect θ = β · x + ε        β ~ N(0, c I)        ε ~ N(0, v)        sum of residuals s of n labels ~ N(n θ, n σ²)
//! ```
//!
//! `x` is a content vector of [`Contents`]. The variances come from moments: over pairs of different items, `s s'` is on average
//! `n n' (a + c x · x')`, a weighted regression that needs no pair one by one; over pairs of labels of one item it is `c + v`.
//! Then `β` is a ridge regression, and an item's effect its posterior mean given `β` and its own labels: the linear random effect
//! of small-area estimation (Fay & Herriot 1979, JASA 74; Rao & Molina 2015, chapter 5).

use super::super::items::Items;
use super::cholesky::Cholesky;
use super::contents::Contents;
use semrank_nn::{
    Mat,
    kernel::{axpy, dot},
    matmul,
};

/// Items that are fitted at most, those with the most labels.
const MOST_ITEMS: usize = 1 << 15;
/// The rest is never taken for less than these shares of the whole variance, and of that of one label.
const LEAST_REST: f64 = 0.2;
const LEAST_OF_LABEL: f64 = 1e-4;

/// Labels of an item: how many, and the sum of what they are above what else made them likely.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Observed {
    pub(crate) rows: f32,
    pub(crate) sum: f32,
}

/// Effects of all items on one kind of label.
#[derive(Debug, Clone)]
pub(crate) struct ItemEffects {
    /// `β`; empty where content is uninformative.
    pub(super) weights: Vec<f32>,
    /// `β · x`, one per item.
    of_content: Vec<f32>,
    /// `v` and `σ²`.
    pub(super) rest: f32,
    pub(super) variance: f32,
}

impl ItemEffects {
    /// No effects of so many items.
    pub(crate) fn none(items: usize) -> Self {
        Self { weights: Vec::new(), of_content: vec![0.0; items], rest: LEAST_OF_LABEL as f32, variance: 1.0 }
    }

    /// Effects that were fitted before, of all items.
    pub(super) fn fitted(weights: Vec<f32>, [rest, variance]: [f32; 2], from: (&Contents, &Items)) -> Self {
        let mut out = Self { weights, of_content: Vec::new(), rest, variance };
        out.project(from.0, from.1);
        out
    }

    /// Estimates from content for all items.
    pub(super) fn project(&mut self, contents: &Contents, items: &Items) {
        self.of_content = match self.weights.is_empty() {
            true => vec![0.0; contents.len()],
            false => contents.project(items, &self.weights),
        };
    }

    /// Fits to the labels of items; `variance` is that of one label.
    pub(crate) fn fit(
        (contents, catalog): (&Contents, &Items),
        observed: impl Iterator<Item = (u32, Observed)>,
        variance: f64,
    ) -> Self {
        let mut items: Vec<(u32, Observed)> = observed.filter(|(_, seen)| seen.rows > 0.0).collect();
        if items.len() > MOST_ITEMS {
            items.sort_by(|a, b| b.1.rows.total_cmp(&a.1.rows).then(a.0.cmp(&b.0)));
            items.truncate(MOST_ITEMS);
        }
        let mut x = Vec::with_capacity(items.len() * contents.width());
        items.iter().for_each(|&(item, _)| contents.push(catalog, item, &mut x));
        let moments = Moments::new(&items, &x, contents.width(), variance);
        let rest = f64::max(moments.whole - moments.of_content, LEAST_REST * moments.whole);
        let rest = rest.max(LEAST_OF_LABEL * variance);
        let weights = ridge(&items, &x, contents.width(), [moments.of_content, rest, variance]);
        Self::fitted(weights.unwrap_or_default(), [rest as f32, variance as f32], (contents, catalog))
    }

    /// `σ²`.
    pub(crate) fn variance(&self) -> f32 {
        self.variance
    }

    /// An item's effect, estimated from content alone.
    pub(crate) fn of_content(&self, item: u32) -> f32 {
        self.of_content.get(item as usize).copied().unwrap_or(0.0)
    }

    /// An item's effect, estimated from content and its labels.
    pub(crate) fn of_item(&self, item: u32, seen: Observed) -> f32 {
        let content = self.of_content(item);
        content + self.rest * (seen.sum - seen.rows * content) / (self.rest * seen.rows + self.variance)
    }
}

/// Variances of item effects: `c` and `c + v`.
struct Moments {
    of_content: f64,
    whole: f64,
}

impl Moments {
    fn new(items: &[(u32, Observed)], x: &[f32], width: usize, variance: f64) -> Self {
        // Sums over pairs of different items are those over all pairs less those of an item with itself.
        let [mut rows, mut rows_2, mut sum, mut sum_2, mut pairs] = [0.0; 5];
        let [mut own_rows, mut own_sums, mut own_products] = [0.0; 3];
        let (mut by_rows, mut by_sums) = (vec![0.0f32; width], vec![0.0f32; width]);
        let mut weighted = x.to_vec();
        for ((_, seen), x) in items.iter().zip(weighted.chunks_exact_mut(width)) {
            let (n, s) = (f64::from(seen.rows), f64::from(seen.sum));
            let length = f64::from(dot(x, x));
            (rows, rows_2, pairs) = (rows + n, rows_2 + n * n, pairs + n * (n - 1.0));
            (sum, sum_2) = (sum + s, sum_2 + s * s);
            own_rows += n * n * length;
            own_sums += s * s * length;
            own_products += n * n * length * length;
            axpy(seen.rows, x, &mut by_rows);
            axpy(seen.sum, x, &mut by_sums);
            x.iter_mut().for_each(|x| *x *= seen.rows.sqrt());
        }
        let squared = |values: &[f32]| values.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>();
        let all = squared(&gram(&weighted, width));
        let (w, wk, wkk) = (rows * rows - rows_2, squared(&by_rows) - own_rows, all - own_products);
        let (p, pk) = (sum * sum - sum_2, squared(&by_sums) - own_sums);
        let of_content = (w * pk - wk * p) / (w * wkk - wk * wk);
        let whole = (sum_2 - rows * variance) / pairs;
        let positive = |value: f64| if value.is_finite() { value.max(0.0) } else { 0.0 };
        Self { of_content: positive(of_content), whole: positive(whole) }
    }
}

/// `β`; none where content has no variance.
fn ridge(items: &[(u32, Observed)], x: &[f32], width: usize, variances: [f64; 3]) -> Option<Vec<f32>> {
    let [of_content, rest, variance] = variances;
    if of_content == 0.0 {
        return None;
    }
    let mut weighted = x.to_vec();
    let mut right = vec![0.0f32; width];
    for ((_, seen), x) in items.iter().zip(weighted.chunks_exact_mut(width)) {
        // 1 / (v + σ² / n), times c.
        let weight = of_content * f64::from(seen.rows) / (rest * f64::from(seen.rows) + variance);
        axpy(weight as f32 * seen.sum / seen.rows, x, &mut right);
        x.iter_mut().for_each(|x| *x *= weight.sqrt() as f32);
    }
    let mut matrix: Vec<f64> = gram(&weighted, width).into_iter().map(f64::from).collect();
    (0..width).for_each(|at| matrix[at * width + at] += 1.0);
    let mut right: Vec<f64> = right.into_iter().map(f64::from).collect();
    Cholesky::new(matrix, width)?.solve(&mut right);
    Some(right.into_iter().map(|value| value as f32).collect())
}

/// `xᵀ x`.
fn gram(x: &[f32], width: usize) -> Vec<f32> {
    let mut out = vec![0.0; width * width];
    let x = Mat::new(x, x.len() / width, width);
    matmul(&mut out, 0.0, x.t(), x, 1.0);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::{Kind, Rng};

    const WIDTH: usize = 8;
    const ITEMS: usize = 600;

    /// A world in which content explains `c` and the item itself `v` of an effect.
    fn world(c: f64, v: f64) -> (Vec<f32>, Vec<f64>, Vec<(u32, Observed)>) {
        let mut rng = Rng::new(3, "effects");
        let mut content: Vec<f32> = (0..ITEMS * WIDTH).map(|_| rng.normal() as f32).collect();
        for x in content.chunks_exact_mut(WIDTH) {
            let length = dot(x, x).sqrt();
            x.iter_mut().for_each(|x| *x /= length);
        }
        let beta: Vec<f64> = (0..WIDTH).map(|_| c.sqrt() * rng.normal()).collect();
        let mut effects = Vec::new();
        let observed = content.chunks_exact(WIDTH).enumerate().map(|(item, x)| {
            let of_content: f64 = x.iter().zip(&beta).map(|(&x, b)| f64::from(x) * b).sum();
            let effect = of_content + v.sqrt() * rng.normal();
            effects.push(effect);
            let rows = 1.0 + rng.below(40) as f64;
            let sum = rows * effect + (rows * 0.25).sqrt() * rng.normal();
            (item as u32, Observed { rows: rows as f32, sum: sum as f32 })
        });
        let observed = observed.collect();
        (content, effects, observed)
    }

    fn catalog(content: Vec<f32>) -> Items {
        Items { content, kinds: vec![Kind::Ad; ITEMS], known: vec![true; ITEMS], ..Items::default() }
    }

    fn mean_square(errors: impl Iterator<Item = f64>) -> f64 {
        let errors: Vec<f64> = errors.collect();
        errors.iter().map(|error| error * error).sum::<f64>() / errors.len() as f64
    }

    #[test]
    fn variances_are_found_and_effects_of_items_that_were_held_back() {
        let (content, effects, observed) = world(0.04, 0.01);
        let items = catalog(content);
        let contents = Contents::new(&items);
        let (seen, unseen) = observed.split_at(ITEMS / 2);
        let fitted = ItemEffects::fit((&contents, &items), seen.iter().copied(), 0.25);
        assert!((0.005..0.02).contains(&fitted.rest), "{}", fitted.rest);
        let unseen_errors =
            unseen.iter().map(|(item, _)| effects[*item as usize] - f64::from(fitted.of_content(*item)));
        // Of the whole variance (.04 / 8 dimensions · 8 + .01) the rest cannot be known.
        let nothing = mean_square(unseen.iter().map(|(item, _)| effects[*item as usize]));
        let error = mean_square(unseen_errors);
        assert!(error < 0.014 && error < 0.6 * nothing, "{error} of {nothing}");
        // Beside their own labels, content still helps those that have few.
        let few = || seen.iter().filter(|(_, seen)| seen.rows < 10.0);
        let both = mean_square(
            few().map(|&(item, seen)| effects[item as usize] - f64::from(fitted.of_item(item, seen))),
        );
        let alone = mean_square(few().map(|&(item, seen)| {
            effects[item as usize] - 0.05 * f64::from(seen.sum) / (0.05 * f64::from(seen.rows) + 0.25)
        }));
        assert!(both < 0.9 * alone, "{both} against {alone}");
    }

    #[test]
    fn content_that_says_nothing_gives_next_to_nothing() {
        let (content, effects, observed) = world(0.0, 0.01);
        let items = catalog(content);
        let contents = Contents::new(&items);
        let fitted = ItemEffects::fit((&contents, &items), observed.into_iter(), 0.25);
        let said = mean_square((0..ITEMS as u32).map(|item| f64::from(fitted.of_content(item))));
        assert!(said < 0.1 * mean_square(effects.into_iter()), "{said}");
    }

    #[test]
    fn without_labels_nothing_is_said() {
        let kinds = vec![Kind::Ad; 2];
        let content = vec![1.0, 0.0, 0.0, 1.0];
        let items = Items { content, kinds, known: vec![true; 2], ..Items::default() };
        let contents = Contents::new(&items);
        let fitted = ItemEffects::fit((&contents, &items), std::iter::empty(), 0.25);
        assert_eq!((fitted.of_content(0), fitted.of_item(1, Observed { rows: 0.0, sum: 0.0 })), (0.0, 0.0));
    }
}
