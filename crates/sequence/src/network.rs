//! Item tower and sequence trunk: parameters, forward, backward.
//!
//! - **Item vector** (input and output share it): `v_i = id_row_i + content_i W + b + sum of the rows of the prefixes of i`
//!   ([`PrefixRows`]); each part can be switched off, and the content may pass an adapter too.
//! - **Event**: `x_t = v_item + action + time gap + position`; positions count from the newest event, so "last" is
//!   always position 0.
//! - **Trunk**: causal transformer blocks over packed histories, a final layer norm, `h_t`.
//! - **Score**: `cos(h_t, v_i) · scale` (SASRec, Kang & McAuley 2018, with a learned temperature instead of a plain
//!   product).

use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::{BlockConfig, Dropout, Init, Layout, Pass, Scalar, Slot, Stack, StackSaved, Table, kernel};
use semrank_tower::{
    ContentMap, GAP_BUCKETS, KnownItems, ModelSettings, PrefixRows, Prefixes, RowDropout, gather, id_row,
    id_rows, id_table,
};
use std::ops::Range;

/// The seen bias learns this many times faster than the other parameters: it must move by several units while
/// weights move by hundredths.
const SEEN_RATE: f64 = 30.0;

/// The largest factor of the cosine, and the largest temperature: f32 tells logits apart to a sixteenth there.
pub(crate) const MAX_SCALE: f64 = 1e6;

const ROWS_PER_TASK: usize = 256;

/// Packed histories: columns of one length `T`, one sequence after another.
#[derive(Debug, Clone, Default)]
pub struct Sequences {
    /// Where each sequence begins, and at the end `T`.
    pub offsets: Vec<usize>,
    /// Row of each event's item in the item vectors given beside.
    pub items: Vec<u32>,
    /// 0 for the newest event of its sequence.
    pub positions: Vec<u32>,
    /// Action ids.
    pub actions: Vec<u8>,
    /// Gap buckets; ignored by a network without times.
    pub gaps: Vec<u8>,
}

impl Sequences {
    /// Empties all columns.
    pub fn clear(&mut self) {
        *self = Self { offsets: vec![0], ..Self::default() };
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

/// What a data set fixes about a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Shape {
    /// Items of the catalogue.
    pub items: usize,
    /// Width of an item's content vector; 0 without content.
    pub content: usize,
    /// Distinct actions.
    pub actions: usize,
    /// Whether events have real times.
    pub timed: bool,
}

/// The trainable model.
#[derive(Debug, Clone)]
pub struct Network<T> {
    settings: ModelSettings,
    items: usize,
    layout: Layout,
    /// All dense parameters; see [`Network::layout`].
    pub params: Vec<T>,
    /// Id rows, when the model has them.
    pub ids: Option<Table<T>>,
    /// Rows of the prefixes of semantic ids, when the model has them.
    pub prefixes: Option<Prefixes<T>>,
    content: Option<ContentMap>,
    position: Slot,
    action: Slot,
    gap: Option<Slot>,
    stack: Stack,
    log_scale: Slot,
    seen: Slot,
}

/// What a forward pass of the trunk leaves for its backward pass; reuse it.
#[derive(Debug, Clone, Default)]
pub struct TrunkSaved<T> {
    stack: StackSaved<T>,
    /// `[T x D]`: the output.
    pub hidden: Vec<T>,
    dx: Vec<T>,
}

impl<T: Scalar> Network<T> {
    /// A fresh network. Id rows start at N(0, .02) where `trained` is true and at zero elsewhere, so that an item
    /// nobody has touched is its content and nothing random. Rows of prefixes start at zero where an item has
    /// other parts; a prefix that no trained item has gets none.
    pub fn new(settings: &ModelSettings, shape: Shape, known: KnownItems, seed: u64) -> Self {
        let mut out = Self::assemble(settings, shape);
        out.params = out.layout.init(&Rng::new(seed, "network"));
        out.ids = settings.ids.then(|| id_table(settings, known.trained, seed));
        out.prefixes = known.tokens.filter(|_| settings.prefixes).map(|tokens| {
            let rows = PrefixRows::new(tokens, known.trained, settings.prefix_rows);
            // The cosine of a vector of zeros has no gradient: without other parts the rows start apart.
            let deviation = if out.ids.is_some() || out.content.is_some() { 0.0 } else { 0.02 };
            let table = Table::new(rows.len(), settings.dim, deviation, &Rng::new(seed, "prefixes"));
            Prefixes { rows, table }
        });
        out
    }

    /// A network of zeros to read a trained one into: nothing is drawn, and its tables have no moments. `prefixes` are those
    /// of the trained one, if it has any.
    pub(crate) fn blank(settings: &ModelSettings, shape: Shape, prefixes: Option<PrefixRows>) -> Self {
        let mut out = Self::assemble(settings, shape);
        out.params = vec![T::ZERO; out.layout.len()];
        out.ids = settings.ids.then(|| Table::blank(id_rows(settings, shape.items), settings.dim));
        out.prefixes = prefixes.map(|rows| {
            let table = Table::blank(rows.len(), settings.dim);
            Prefixes { rows, table }
        });
        out
    }

    /// Every part in its place, without a parameter.
    fn assemble(settings: &ModelSettings, shape: Shape) -> Self {
        let (dim, init) = (settings.dim, Init::Normal(0.02));
        let mut layout = Layout::new();
        let content = (settings.content && shape.content > 0)
            .then(|| ContentMap::new(&mut layout, shape.content, dim, settings.adapter));
        let position = layout.tensor("position", settings.history, dim, init);
        let action = layout.tensor("action", shape.actions.max(1), dim, init);
        let gap = shape.timed.then(|| layout.tensor("gap", GAP_BUCKETS, dim, init));
        let config = BlockConfig {
            dropout: settings.dropout,
            ..BlockConfig::new(dim, settings.heads, settings.expansion * dim)
        };
        let stack = Stack::new(&mut layout, "block", config, 0..settings.blocks, Some("final_norm"));
        let log_scale = layout.tensor("log_scale", 1, 1, Init::Constant((1.0 / settings.temperature).ln()));
        let seen = layout.tensor("seen", 1, 1, Init::Constant(0.0));
        Self {
            settings: settings.clone(),
            items: shape.items,
            layout,
            params: Vec::new(),
            ids: None,
            prefixes: None,
            content,
            position,
            action,
            gap,
            stack,
            log_scale,
            seen,
        }
    }

    /// Width D.
    pub fn dim(&self) -> usize {
        self.settings.dim
    }

    /// Events of a history that are read.
    pub fn history(&self) -> usize {
        self.settings.history
    }

    /// Names and places of the dense parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The tables the network has, by name.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &Table<T>)> {
        let ids = self.ids.iter().map(|table| ("ids", table));
        ids.chain(self.prefixes.iter().map(|prefixes| ("prefixes", &prefixes.table)))
    }

    /// As [`Network::tables`], to write into.
    pub fn tables_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Table<T>)> {
        let ids = self.ids.iter_mut().map(|table| ("ids", table));
        ids.chain(self.prefixes.iter_mut().map(|prefixes| ("prefixes", &mut prefixes.table)))
    }

    /// Factor of the cosine.
    pub fn scale(&self) -> T {
        self.log_scale.of(&self.params)[0].exp()
    }

    /// Keeps the factor of the cosine within the temperatures that can be set; called after every step. Far beyond, logits
    /// overflow, or become 0 and stay so.
    pub(crate) fn hold_scale(&mut self) {
        let limit = MAX_SCALE.ln();
        let log_scale = &mut self.log_scale.of_mut(&mut self.params)[0];
        *log_scale = T::from_f64(log_scale.to_f64().clamp(-limit, limit));
    }

    /// What is added to the logit of an item that already is in the history.
    pub fn seen_bias(&self) -> T {
        self.seen.of(&self.params)[0] * T::from_f64(SEEN_RATE)
    }

    /// The id row of an item.
    pub fn id_row(&self, item: u32) -> u32 {
        id_row(self.items, self.ids.as_ref().map_or(1, Table::rows), item)
    }

    /// Adds the gradients of scale and seen bias.
    pub fn add_scalar_grads(&self, dscale: T, dseen: T, grads: &mut [T]) {
        self.log_scale.of_mut(grads)[0] += dscale * self.scale();
        self.seen.of_mut(grads)[0] += dseen * T::from_f64(SEEN_RATE);
    }

    /// Writes the vectors of `items`, `[items x D]`, given the whole catalogue's contents. An item whose index
    /// `dropout` drops goes without its id row.
    pub fn item_vectors(&self, items: &[u32], contents: &[f32], dropout: RowDropout, out: &mut [T]) {
        let dim = self.dim();
        out.par_chunks_mut(ROWS_PER_TASK * dim)
            .zip(items.par_chunks(ROWS_PER_TASK))
            .enumerate()
            .for_each_init(Vec::new, |content, (task, (out, items))| {
                let first = task * ROWS_PER_TASK;
                match &self.content {
                    Some(map) => {
                        gather(contents, items, map.width(), content);
                        map.forward(&self.params, content, out);
                    }
                    None => out.fill(T::ZERO),
                }
                for (i, (&item, out)) in items.iter().zip(out.chunks_exact_mut(dim)).enumerate() {
                    if let Some(table) = &self.ids
                        && dropout.keeps_id(first + i)
                    {
                        kernel::add(table.row(self.id_row(item)), out);
                    }
                    if let Some(prefixes) = &self.prefixes {
                        for &row in dropout.kept_prefixes(first + i, prefixes.rows.of(item)) {
                            kernel::add(prefixes.table.row(row), out);
                        }
                    }
                }
            });
    }

    /// Adds the gradient of the content projection. (The gradient of an id row is that of the vector, unless dropped,
    /// and so is that of each prefix row.)
    pub fn item_vectors_backward(&self, items: &[u32], contents: &[f32], dvectors: &[T], grads: &mut [T]) {
        let Some(map) = &self.content else { return };
        map.backward(&self.params, |items| self.gathered(map, items, contents), items, dvectors, grads);
    }

    /// The gradients of some columns of the items' contents, `[items x columns]`, given those of their vectors.
    pub fn content_backward(
        &self,
        items: &[u32],
        contents: &[f32],
        dvectors: &[T],
        columns: Range<usize>,
    ) -> Vec<T> {
        let Some(map) = &self.content else { return vec![T::ZERO; items.len() * columns.len()] };
        map.backward_content(&self.params, columns, (|| self.gathered(map, items, contents), dvectors))
    }

    fn gathered(&self, map: &ContentMap, items: &[u32], contents: &[f32]) -> Vec<T> {
        let mut out = Vec::with_capacity(items.len() * map.width());
        gather(contents, items, map.width(), &mut out);
        out
    }

    /// Runs the trunk; `vectors` are the item vectors that `sequences.items` points into. `key` seeds dropout, `None`
    /// evaluates. The output is `saved.hidden`.
    pub fn trunk(&self, sequences: &Sequences, vectors: &[T], key: Option<u64>, saved: &mut TrunkSaved<T>) {
        self.embed(sequences, vectors, key, saved);
        let pass = Pass { key, ..Pass::new(&self.params, &sequences.offsets) };
        self.stack.forward(self.stack.layers(), &pass, &mut saved.stack, &mut saved.hidden);
    }

    /// The output at the last position of each sequence that has one, `[sequences x D]` in `saved.hidden`: what a
    /// query needs.
    pub fn trunk_last(&self, sequences: &Sequences, vectors: &[T], saved: &mut TrunkSaved<T>) {
        self.embed(sequences, vectors, None, saved);
        let pass = Pass::new(&self.params, &sequences.offsets);
        self.stack.forward_last(&pass, &mut saved.stack, &mut saved.hidden);
    }

    fn embed(&self, sequences: &Sequences, vectors: &[T], key: Option<u64>, saved: &mut TrunkSaved<T>) {
        let dim = self.dim();
        saved.hidden.resize(sequences.len() * dim, T::ZERO);
        for (t, x) in saved.hidden.chunks_exact_mut(dim).enumerate() {
            let item = sequences.items[t] as usize;
            x.copy_from_slice(&vectors[item * dim..(item + 1) * dim]);
            self.each_embedding(sequences, t, |slot, row| {
                kernel::add(&slot.of(&self.params)[row * dim..(row + 1) * dim], x);
            });
        }
        self.input_dropout(key).apply(0, &mut saved.hidden);
    }

    /// Adds the trunk's gradients to `grads` and `dvectors`, given `dhidden`.
    pub fn trunk_backward(
        &self,
        sequences: &Sequences,
        key: Option<u64>,
        saved: &mut TrunkSaved<T>,
        dhidden: &[T],
        grads: &mut [T],
        dvectors: &mut [T],
    ) {
        let dim = self.dim();
        let mut dx = std::mem::take(&mut saved.dx);
        dx.clear();
        dx.extend_from_slice(dhidden);
        let pass = Pass { key, ..Pass::new(&self.params, &sequences.offsets) };
        self.stack.backward(self.stack.layers(), &pass, &mut saved.stack, grads, &mut dx);
        self.input_dropout(key).apply(0, &mut dx);
        for (t, dx) in dx.chunks_exact(dim).enumerate() {
            let item = sequences.items[t] as usize;
            kernel::add(dx, &mut dvectors[item * dim..(item + 1) * dim]);
            self.each_embedding(sequences, t, |slot, row| {
                kernel::add(dx, &mut slot.of_mut(grads)[row * dim..(row + 1) * dim]);
            });
        }
        saved.dx = dx;
    }

    fn each_embedding(&self, sequences: &Sequences, t: usize, mut visit: impl FnMut(Slot, usize)) {
        visit(self.position, sequences.positions[t] as usize);
        visit(self.action, sequences.actions[t] as usize);
        if let Some(gap) = self.gap {
            visit(gap, sequences.gaps[t] as usize);
        }
    }

    fn input_dropout(&self, key: Option<u64>) -> Dropout {
        key.map_or(Dropout::off(), |key| Dropout::new(self.settings.dropout, key.rotate_left(32)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// Rows that 400 items use when there may be `limit` of them.
    fn rows_in_use(limit: usize) -> usize {
        let settings = ModelSettings { dim: 2, heads: 1, id_rows: limit, ..ModelSettings::default() };
        let trained = [true; 400];
        let shape = Shape { items: trained.len(), content: 0, actions: 1, timed: false };
        let known = KnownItems { trained: &trained, tokens: None };
        let network = Network::<f32>::new(&settings, shape, known, 1);
        let rows: BTreeSet<u32> = (0..400).map(|item| network.id_row(item)).collect();
        assert!(rows.iter().all(|&row| (row as usize) < limit.min(400)), "limit {limit}");
        rows.len()
    }

    #[test]
    fn items_own_a_row_each_up_to_the_limit_and_share_rows_beyond_it() {
        assert_eq!([400, 401, 1000].map(rows_in_use), [400; 3]);
        assert!((200..399).contains(&rows_in_use(399)), "{} rows", rows_in_use(399));
        assert_eq!(rows_in_use(1), 1);
    }
}
