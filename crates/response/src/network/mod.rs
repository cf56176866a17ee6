//! The ranking network: rows of (candidate, history, features, context) in, one logit per head out.
//!
//! ```text
//! item vector  = content W + id row + advertiser row + prefix rows (the item tower)
//! event vector = item vector + action + dwell + gap + kind
//! read         = target attention(candidate, history)
//! x            = candidate | read | candidate * read | features | contexts | related, candidate * related
//! logits       = net(x) + features · wide  (+ the slot's bias, in the click logit only)
//! ```
//!
//! Features are counts and similarities of one row ([`super::features`]); the wide map lets them act directly, as in wide and
//! deep learning (Cheng et al. 2016, arXiv 1606.07792). A related item is one that a context column names, such as the page
//! that a reader wants to reach. Where a row was shown enters additively and only the click logit (an examination model in
//! log-odds), so that it can be left out at serving: [`Position::Neutral`] puts the mean effect in its place.
//!
//! A shard is a batch of its own: its items and events are numbered once ([`Inputs`]), and what it gives back are dense
//! gradients and one gradient per item, so that shards can run in parallel and be added in order.
//!
//! | file | does |
//! |---|---|
//! | `shape` | what fixes a network |
//! | `inputs` | a shard's rows |
//! | `events` | vectors of history events |
//! | `join` | the row that the hidden layers read |
//! | `pass` | forward and backward |

mod events;
mod inputs;
mod join;
mod pass;
mod shape;

pub(crate) use inputs::{Drops, Inputs, NONE};
pub(crate) use shape::Sizes;
pub use shape::{HeadColumns, PointwiseShape};

use super::attention::{AttentionSaved, TargetAttention};
use semrank_core::Rng;
use semrank_nn::{Init, Layout, Linear, Scalar, Slot, Table};
use semrank_tower::{
    ContentConfig, ContentMap, GAP_BUCKETS, ItemTower, PrefixRows, RowKey, TableShape, Weights,
};

/// Buckets of a dwell time: 0 unknown, then powers of two in seconds.
pub(crate) const DWELL_BUCKETS: usize = 13;

/// Whether the slot counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The slot of the log.
    Logged,
    /// The mean effect over the slots of training.
    Neutral,
}

/// What the backward pass needs, and the buffers it fills.
#[derive(Debug, Default)]
pub(crate) struct Saved<T> {
    vectors: Vec<T>,
    events: Vec<T>,
    candidates: Vec<T>,
    read: Vec<T>,
    attention: AttentionSaved<T>,
    x: Vec<T>,
    layers: [Layer<T>; 2],
    features: Vec<T>,
    /// `[R x heads]`.
    pub(crate) logits: Vec<T>,
    /// `[items x D]`, after the backward pass.
    pub(crate) dvectors: Vec<T>,
}

/// Values before and after one activation.
#[derive(Debug, Default)]
struct Layer<T> {
    before: Vec<T>,
    after: Vec<T>,
}

/// Parameters of the ranking model.
#[derive(Debug, Clone)]
pub struct PointwiseNetwork<T> {
    pub(crate) shape: PointwiseShape,
    pub(crate) sizes: Sizes,
    pub(crate) columns: HeadColumns,
    /// All parameters; rows of tables are zero until trained.
    pub weights: Weights<T>,
    parts: Parts,
}

#[derive(Debug, Clone)]
struct Parts {
    actions: Slot,
    dwells: Slot,
    gaps: Slot,
    kinds: Slot,
    attention: TargetAttention,
    contexts: Vec<Slot>,
    hidden: [Linear; 2],
    heads: Linear,
    wide: Linear,
    slots: Slot,
    delay_shape: Option<Slot>,
}

impl<T: Scalar> PointwiseNetwork<T> {
    /// A network of these sizes without parameters, to read them into.
    pub(crate) fn planned(shape: PointwiseShape, sizes: Sizes, prefixes: Option<&PrefixRows>) -> Self {
        let (mut layout, dim) = (Layout::new(), sizes.dim);
        let columns = HeadColumns::new(&shape);
        let small =
            |layout: &mut Layout, name: &str, rows| layout.tensor(name, rows, dim, Init::Normal(0.05));
        // The shards of a step run beside each other, so each does its backward pass in one part.
        let (width, parts) = (shape.content, 1);
        let content = ContentConfig { width, dim, adapter: 0, bias: false, deviation: 0.2, parts };
        let content = (sizes.content && width > 0).then(|| ContentMap::new(&mut layout, content));
        let width = 3 * dim + shape.features + shape.contexts.len() * sizes.context + 2 * dim * shape.related;
        let [first, second] = sizes.hidden;
        let map = |inputs: usize| Init::Normal((1.0 / inputs as f64).sqrt());
        let parts = Parts {
            actions: small(&mut layout, "action", shape.actions.max(1)),
            dwells: small(&mut layout, "dwell", DWELL_BUCKETS),
            gaps: small(&mut layout, "gap", GAP_BUCKETS),
            kinds: small(&mut layout, "kind", 2),
            attention: TargetAttention::new(&mut layout, "attention", dim, sizes.heads, GAP_BUCKETS),
            contexts: (0..shape.contexts.len())
                .map(|at| {
                    let name = format!("context.{at}");
                    // At zero, so that a value that training has not seen says nothing.
                    layout.tensor(&name, shape.contexts[at], sizes.context, Init::Constant(0.0))
                })
                .collect(),
            hidden: [
                Linear::new(&mut layout, "hidden.0", width, first, map(width)),
                Linear::new(&mut layout, "hidden.1", first, second, map(first)),
            ],
            heads: Linear::new(&mut layout, "heads", second, columns.count, Init::Normal(0.02)),
            wide: Linear::without_bias(
                &mut layout,
                "wide",
                shape.features,
                columns.count,
                Init::Constant(0.0),
            ),
            slots: layout.tensor("slot", 1, shape.slots.max(1), Init::Constant(0.0)),
            delay_shape: sizes.weibull.then(|| layout.tensor("delay.shape", 1, 1, Init::Constant(0.0))),
        };
        let table = |name, key, owners| TableShape::new(name, key, owners, sizes.id_rows);
        let tables = [
            sizes.ids.then(|| table("items", RowKey::Item, shape.items)),
            (shape.advertisers > 0).then(|| table("advertisers", RowKey::Advertiser, shape.advertisers)),
            prefixes.map(|rows| TableShape::new("prefixes", RowKey::Prefix, rows.len(), usize::MAX)),
        ];
        let tower = ItemTower::new(dim, content, tables.into_iter().flatten());
        Self { weights: Weights::planned(layout, tower), columns, sizes, shape, parts }
    }

    /// Fresh parameters.
    pub(crate) fn new(shape: PointwiseShape, sizes: Sizes, prefixes: Option<&PrefixRows>, seed: u64) -> Self {
        let mut out = Self::planned(shape, sizes, prefixes);
        let rng = Rng::new(seed, "ranking network");
        out.weights.init(&rng, |table| Table::new(table.rows, sizes.dim, 0.0, &rng));
        out
    }

    /// Where each head's logit stands.
    pub fn columns(&self) -> HeadColumns {
        self.columns
    }

    /// Sets the biases of the heads, e.g. to the log-odds of a base rate.
    pub(crate) fn set_bias(&mut self, column: usize, value: f64) {
        if let Some(bias) = self.parts.heads.bias {
            bias.of_mut(&mut self.weights.params)[column] = T::from_f64(value);
        }
    }

    /// Logarithm of the Weibull shape; 0, an exponential delay, where it is not trained.
    pub(crate) fn delay_shape(&self) -> f64 {
        self.parts.delay_shape.map_or(0.0, |slot| slot.of(&self.weights.params)[0].to_f64())
    }

    /// Adds to the gradient of [`Self::delay_shape`].
    pub(crate) fn add_delay_shape(&self, gradient: f64, grads: &mut [T]) {
        if let Some(slot) = self.parts.delay_shape {
            slot.of_mut(grads)[0] += T::from_f64(gradient);
        }
    }

    /// Inner products `[heads x heads]` of the heads' weights over the last hidden layer.
    pub(crate) fn head_products(&self) -> Vec<f64> {
        let count = self.columns.count;
        let mut out = vec![0.0; count * count];
        for weights in self.parts.heads.weight.of(&self.weights.params).chunks_exact(count) {
            for (a, row) in weights.iter().zip(out.chunks_exact_mut(count)) {
                weights.iter().zip(row).for_each(|(b, sum)| *sum += a.to_f64() * b.to_f64());
            }
        }
        out
    }

    /// What each slot adds to the click logit.
    pub(crate) fn slot_effects(&self) -> &[T] {
        self.parts.slots.of(&self.weights.params)
    }
}
