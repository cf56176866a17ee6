//! The network: item tower and sequence trunk, forward and backward.
//!
//! - **Item vector** (input and output share it): that of the [`ItemTower`], without advertisers.
//! - **Event**: `x_t = v_item + action + time gap + position`; positions count from the newest event, so "last" is
//!   always position 0.
//! - **Trunk**: causal transformer blocks over packed histories, a final layer norm, `h_t`.
//! - **Score**: `cos(h_t, v_i) · scale` (SASRec, Kang & McAuley 2018, with a learned temperature instead of a plain
//!   product).

use semrank_core::{Rng, narrow};
use semrank_nn::{BlockConfig, Dropout, Init, Layout, Pass, Scalar, Slot, Stack, StackSaved, Table, kernel};
use semrank_tokens::SemanticIds;
use semrank_tower::{
    ContentConfig, ContentMap, GAP_BUCKETS, ItemParts, ItemRows, ItemTower, ModelSettings, PrefixRows,
    RowDropout, RowKey, TableShape, Weights,
};

/// The seen bias learns this many times faster than the other parameters: it must move by several units while
/// weights move by hundredths.
const SEEN_RATE: f64 = 30.0;

/// The largest factor of the cosine, and the largest temperature: f32 tells logits apart to a sixteenth there.
pub(crate) const MAX_SCALE: f64 = 1e6;

/// Parts of the content map's backward pass: a step has all its items in one list.
const CONTENT_PARTS: usize = 4;

/// Standard deviation of what starts at random.
const DEVIATION: f64 = 0.02;

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

/// What is known of the items when a network is made.
#[derive(Debug, Clone, Copy)]
pub struct KnownItems<'a> {
    /// Whether an item has training events.
    pub trained: &'a [bool],
    /// Semantic ids, if the items have them.
    pub tokens: Option<&'a SemanticIds>,
}

/// The trainable model.
#[derive(Debug, Clone)]
pub struct Network<T> {
    settings: ModelSettings,
    /// All parameters.
    pub weights: Weights<T>,
    /// Which rows of the prefix table an item has, when the model has that table.
    pub prefixes: Option<PrefixRows>,
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
    /// A fresh network. Id rows start at N(0, .02) where `trained` is true and at zero elsewhere, so that a cold
    /// item is its content and nothing random. Rows of prefixes start at zero where an item has
    /// other parts; a prefix that no trained item has gets none.
    pub fn new(settings: &ModelSettings, shape: Shape, known: KnownItems, seed: u64) -> Self {
        let tokens = known.tokens.filter(|_| settings.prefixes);
        let prefixes = tokens.map(|tokens| PrefixRows::new(tokens, known.trained, settings.prefix_rows));
        let mut out = Self::planned(settings, shape, prefixes);
        // The cosine of a vector of zeros has no gradient: without other parts the rows start apart.
        let has_others = settings.ids || settings.content && shape.content > 0;
        out.weights.init(&Rng::new(seed, "network"), |shape| match shape.key {
            RowKey::Prefix => {
                let deviation = if has_others { 0.0 } else { DEVIATION };
                Table::new(shape.rows, settings.dim, deviation, &Rng::new(seed, "prefixes"))
            }
            _ => id_table(shape, settings.dim, known.trained, seed),
        });
        out
    }

    /// A network without parameters, to read a trained one into. `prefixes` are those of the trained one, if it has any.
    pub(crate) fn planned(settings: &ModelSettings, shape: Shape, prefixes: Option<PrefixRows>) -> Self {
        let (dim, init) = (settings.dim, Init::Normal(DEVIATION));
        let mut layout = Layout::new();
        let content = ContentConfig {
            width: shape.content,
            dim,
            adapter: settings.adapter,
            bias: true,
            deviation: DEVIATION,
            parts: CONTENT_PARTS,
        };
        let content = (settings.content && shape.content > 0).then(|| ContentMap::new(&mut layout, content));
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
        let ids = settings.ids.then(|| TableShape::new("ids", RowKey::Item, shape.items, settings.id_rows));
        let rows = prefixes.as_ref();
        let rows = rows.map(|rows| TableShape::new("prefixes", RowKey::Prefix, rows.len(), usize::MAX));
        let tower = ItemTower::new(dim, content, ids.into_iter().chain(rows));
        Self {
            settings: settings.clone(),
            weights: Weights::planned(layout, tower),
            prefixes,
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

    /// Factor of the cosine.
    pub fn scale(&self) -> T {
        self.log_scale.of(&self.weights.params)[0].exp()
    }

    /// Keeps the factor of the cosine within the temperatures that can be set; called after every step. Far beyond, logits
    /// overflow, or become 0 and stay so.
    pub(crate) fn hold_scale(&mut self) {
        let limit = MAX_SCALE.ln();
        let log_scale = &mut self.log_scale.of_mut(&mut self.weights.params)[0];
        *log_scale = T::from_f64(log_scale.to_f64().clamp(-limit, limit));
    }

    /// What is added to the logit of an item that already is in the history.
    pub fn seen_bias(&self) -> T {
        self.seen.of(&self.weights.params)[0] * T::from_f64(SEEN_RATE)
    }

    /// Adds the gradients of scale and seen bias.
    pub fn add_scalar_grads(&self, dscale: T, dseen: T, grads: &mut [T]) {
        self.log_scale.of_mut(grads)[0] += dscale * self.scale();
        self.seen.of_mut(grads)[0] += dseen * T::from_f64(SEEN_RATE);
    }

    /// What the tower reads of items with these contents.
    pub(crate) fn parts<'a>(&'a self, content: &'a [f32]) -> ItemParts<'a> {
        ItemParts { content, prefixes: self.prefixes.as_ref(), ..ItemParts::default() }
    }

    /// Writes the vectors of `items`, `[items x D]`, given the whole catalogue's contents. An item whose index
    /// `dropout` drops goes without its id row.
    pub fn item_vectors(&self, items: &[u32], contents: &[f32], dropout: RowDropout, out: &mut [T]) {
        let Weights { params, tower, .. } = &self.weights;
        tower.vectors(params, self.parts(contents), items, dropout, out);
    }

    /// Writes the vector of one item, `[D]`, from its content and its codes, each empty where it has none; its own row where the network
    /// was trained with this item.
    pub(crate) fn item_vector(&self, item: u32, content: &[f32], codes: &[u16], out: &mut [T]) {
        let Weights { params, tower, .. } = &self.weights;
        let prefixes = self.prefixes.as_ref().map_or(Vec::new(), |rows| rows.rows_of(codes));
        tower.vector(params, content, ItemRows { item, advertiser: u32::MAX, prefixes: &prefixes }, out);
    }

    /// Runs the trunk; `vectors` are the item vectors that `sequences.items` points into. `key` seeds dropout, `None`
    /// evaluates. The output is `saved.hidden`.
    pub fn trunk(&self, sequences: &Sequences, vectors: &[T], key: Option<u64>, saved: &mut TrunkSaved<T>) {
        self.embed(sequences, vectors, key, saved);
        let pass = Pass { key, ..Pass::new(&self.weights.params, &sequences.offsets) };
        self.stack.forward(self.stack.layers(), &pass, &mut saved.stack, &mut saved.hidden);
    }

    /// The output at the last position of each sequence that has one, `[sequences x D]` in `saved.hidden`: what a
    /// query needs.
    pub fn trunk_last(&self, sequences: &Sequences, vectors: &[T], saved: &mut TrunkSaved<T>) {
        self.embed(sequences, vectors, None, saved);
        let pass = Pass::new(&self.weights.params, &sequences.offsets);
        self.stack.forward_last(&pass, &mut saved.stack, &mut saved.hidden);
    }

    fn embed(&self, sequences: &Sequences, vectors: &[T], key: Option<u64>, saved: &mut TrunkSaved<T>) {
        let dim = self.dim();
        saved.hidden.resize(sequences.len() * dim, T::ZERO);
        for (t, x) in saved.hidden.chunks_exact_mut(dim).enumerate() {
            let item = sequences.items[t] as usize;
            x.copy_from_slice(&vectors[item * dim..(item + 1) * dim]);
            self.each_embedding(sequences, t, |slot, row| {
                kernel::add(&slot.of(&self.weights.params)[row * dim..(row + 1) * dim], x);
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
        let pass = Pass { key, ..Pass::new(&self.weights.params, &sequences.offsets) };
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

/// Id rows at the start: normal where a trained item owns the row, zero elsewhere, `[rows x D]`.
fn id_table<T: Scalar>(shape: TableShape, dim: usize, trained: &[bool], seed: u64) -> Table<T> {
    let mut table = Table::new(shape.rows, dim, DEVIATION, &Rng::new(seed, "ids"));
    let mut owned = vec![false; shape.rows];
    for item in (0..trained.len()).filter(|&item| trained[item]) {
        shape.row(narrow::index(item)).into_iter().for_each(|row| owned[row as usize] = true);
    }
    for (row, _) in table.values.chunks_exact_mut(dim).zip(&owned).filter(|(_, owned)| !**owned) {
        row.fill(T::ZERO);
    }
    table
}
