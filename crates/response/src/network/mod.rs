//! The ranking network: rows of (candidate, history, features, context) in, one logit a head out.
//!
//! ```text
//! item vector  = id row + content W + advertiser row + prefix rows
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
//! gradients and one gradient an item, so that shards can run in parallel and be added in order.
//!
//! | file | does |
//! |---|---|
//! | `shape` | what fixes a network |
//! | `inputs` | a shard's rows |
//! | `vectors` | items and events |
//! | `join` | the row that the hidden layers read |
//! | `pass` | forward and backward |

mod inputs;
mod join;
mod pass;
mod shape;
mod vectors;

pub(crate) use inputs::{Drops, Inputs, NONE};
pub(crate) use shape::Sizes;
pub use shape::{HeadColumns, PointwiseShape};

use super::attention::{AttentionSaved, TargetAttention};
use super::items::Items;
use semrank_core::Rng;
use semrank_nn::{Init, Layout, Linear, Scalar, Slot, Table};
use semrank_tower::PrefixRows;

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
    pub(crate) layout: Layout,
    /// Dense parameters.
    pub params: Vec<T>,
    /// Rows of items, zero until trained.
    pub(crate) ids: Option<Table<T>>,
    pub(crate) advertisers: Option<Table<T>>,
    pub(crate) prefixes: Option<Table<T>>,
    parts: Parts,
}

#[derive(Debug, Clone)]
struct Parts {
    content: Option<Linear>,
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
    /// The dense parameters of a network by name and shape, and its parts; nothing of their size is allocated.
    fn plan(shape: &PointwiseShape, sizes: Sizes) -> (Layout, Parts, HeadColumns) {
        let (mut layout, dim) = (Layout::new(), sizes.dim);
        let columns = HeadColumns::new(shape);
        let small =
            |layout: &mut Layout, name: &str, rows| layout.tensor(name, rows, dim, Init::Normal(0.05));
        let content = (sizes.content && shape.content > 0)
            .then(|| Linear::without_bias(&mut layout, "content", shape.content, dim, Init::Normal(0.2)));
        let width = 3 * dim + shape.features + shape.contexts.len() * sizes.context + 2 * dim * shape.related;
        let [first, second] = sizes.hidden;
        let map = |inputs: usize| Init::Normal((1.0 / inputs as f64).sqrt());
        let parts = Parts {
            content,
            actions: small(&mut layout, "action", shape.actions.max(1)),
            dwells: small(&mut layout, "dwell", DWELL_BUCKETS),
            gaps: small(&mut layout, "gap", semrank_tower::GAP_BUCKETS),
            kinds: small(&mut layout, "kind", 2),
            attention: TargetAttention::new(
                &mut layout,
                "attention",
                dim,
                sizes.heads,
                semrank_tower::GAP_BUCKETS,
            ),
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
        (layout, parts, columns)
    }

    /// The dense parameters that a network of these sizes has.
    pub(crate) fn layout_of(shape: &PointwiseShape, sizes: Sizes) -> Layout {
        Self::plan(shape, sizes).0
    }

    /// Fresh parameters.
    pub(crate) fn new(shape: PointwiseShape, sizes: Sizes, prefixes: Option<&PrefixRows>, seed: u64) -> Self {
        let (layout, parts, columns) = Self::plan(&shape, sizes);
        let rng = Rng::new(seed, "ranking network");
        let table = |rows: usize| Table::new(rows, sizes.dim, 0.0, &rng);
        let [ids, advertisers, prefixes] =
            Self::table_rows(&shape, sizes, prefixes).map(|rows| rows.map(table));
        Self { params: layout.init(&rng), ids, advertisers, prefixes, columns, layout, sizes, shape, parts }
    }

    /// Rows of the tables of items, advertisers and prefixes that a network of these sizes has.
    pub(crate) fn table_rows(
        shape: &PointwiseShape,
        sizes: Sizes,
        prefixes: Option<&PrefixRows>,
    ) -> [Option<usize>; 3] {
        let most = sizes.id_rows.max(1);
        [
            sizes.ids.then_some(shape.items.clamp(1, most)),
            (shape.advertisers > 0).then_some(shape.advertisers.min(most)),
            prefixes.map(PrefixRows::len),
        ]
    }

    /// The tables of rows, by name.
    pub(crate) fn tables(&self) -> impl Iterator<Item = (&'static str, &Table<T>)> {
        let tables = [("items", &self.ids), ("advertisers", &self.advertisers), ("prefixes", &self.prefixes)];
        tables.into_iter().filter_map(|(name, table)| Some((name, table.as_ref()?)))
    }

    /// The same, mutable.
    pub(crate) fn tables_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Table<T>)> {
        let tables = [
            ("items", &mut self.ids),
            ("advertisers", &mut self.advertisers),
            ("prefixes", &mut self.prefixes),
        ];
        tables.into_iter().filter_map(|(name, table)| Some((name, table.as_mut()?)))
    }

    /// Number of parameters, tables included.
    pub fn parameters(&self) -> usize {
        self.params.len() + self.tables().map(|(_, table)| table.values.len()).sum::<usize>()
    }

    /// Where each head's logit stands.
    pub fn columns(&self) -> HeadColumns {
        self.columns
    }

    /// Sets the biases of the heads, e.g. to the log-odds of a base rate.
    pub(crate) fn set_bias(&mut self, column: usize, value: f64) {
        if let Some(bias) = self.parts.heads.bias {
            bias.of_mut(&mut self.params)[column] = T::from_f64(value);
        }
    }

    /// Logarithm of the Weibull shape; 0, an exponential delay, where it is not trained.
    pub(crate) fn delay_shape(&self) -> f64 {
        self.parts.delay_shape.map_or(0.0, |slot| slot.of(&self.params)[0].to_f64())
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
        for weights in self.parts.heads.weight.of(&self.params).chunks_exact(count) {
            for (a, row) in weights.iter().zip(out.chunks_exact_mut(count)) {
                weights.iter().zip(row).for_each(|(b, sum)| *sum += a.to_f64() * b.to_f64());
            }
        }
        out
    }

    /// What each slot adds to the click logit.
    pub(crate) fn slot_effects(&self) -> &[T] {
        self.parts.slots.of(&self.params)
    }

    /// The row of the id table of an item.
    pub(crate) fn id_row(&self, item: u32) -> u32 {
        let rows = self.ids.as_ref().map_or(1, Table::rows);
        if self.shape.items <= rows { item } else { spread(item) % rows as u32 }
    }

    /// The advertiser of an item, if training knew it.
    pub(crate) fn advertiser_of(&self, items: &Items, item: u32) -> Option<u32> {
        items.advertiser(item).filter(|&advertiser| (advertiser as usize) < self.shape.advertisers)
    }

    /// The row of the advertiser table.
    pub(crate) fn advertiser_row(&self, advertiser: u32) -> u32 {
        let rows = self.advertisers.as_ref().map_or(1, Table::rows);
        if self.shape.advertisers <= rows { advertiser } else { spread(advertiser) % rows as u32 }
    }
}

/// Spreads ids over the rows of a capped table: a multiplicative hash.
fn spread(id: u32) -> u32 {
    (id.wrapping_mul(0x9e37_79b1)).rotate_left(15).wrapping_mul(0x85eb_ca6b)
}
