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

use super::attention::{AttentionSaved, Reads, TargetAttention, resize};
use super::hazard;
use super::items::ItemTables;
use crate::{PrefixRows, RowDropout};
use semrank_core::Rng;
use semrank_nn::{
    Dropout, Init, Layout, Linear, Mat, Scalar, Slot, Table, gelu, gelu_backward, kernel, matmul,
};

/// No item, in [`Inputs::related`].
pub(crate) const NONE: u32 = u32::MAX;
/// Buckets of a dwell time: 0 unknown, then powers of two in seconds.
pub(crate) const DWELL_BUCKETS: usize = 13;
/// Where the places of the second layer begin in the dropout mask.
const SECOND: usize = 1 << 28;

/// What the data fixes about a network.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct PointwiseShape {
    /// Items of the catalogue.
    pub items: usize,
    /// Width of a content vector; 0 = none.
    pub content: usize,
    /// Advertisers; 0 = unknown.
    pub advertisers: usize,
    /// Actions of history events.
    pub actions: usize,
    /// Numeric features of a row.
    pub features: usize,
    /// Values of each small context column, the unknown one included.
    pub contexts: Vec<usize>,
    /// Context columns that name items.
    pub related: usize,
    /// Slots, the unknown one (0) included.
    pub slots: usize,
    /// Whether conversions are predicted.
    pub conversions: bool,
    /// Whether dwell is predicted.
    pub dwell: bool,
    /// Stretches of a click's age with a hazard of their own; 0 = the conversion head is the whole window's.
    #[serde(default)]
    pub hazards: usize,
}

/// What the settings fix about a network.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) dim: usize,
    pub(crate) heads: usize,
    pub(crate) hidden: [usize; 2],
    pub(crate) context: usize,
    pub(crate) id_rows: usize,
    pub(crate) ids: bool,
    pub(crate) content: bool,
    pub(crate) weibull: bool,
}

/// The columns of the logits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeadColumns {
    /// Conversion given click; beside it stand the delay heads.
    pub conversion: Option<usize>,
    /// Logarithm of the dwell time in seconds.
    pub dwell: Option<usize>,
    /// Hazards of the stretches of a click's age.
    pub hazards: usize,
    /// Number of columns.
    pub count: usize,
}

impl HeadColumns {
    /// The click logit.
    pub const CLICK: usize = 0;

    fn new(shape: &PointwiseShape) -> Self {
        let conversion = shape.conversions.then_some(1);
        let hazards = if shape.conversions { shape.hazards } else { 0 };
        let after = hazards + if shape.conversions { 5 } else { 1 };
        let dwell = shape.dwell.then_some(after);
        Self { conversion, dwell, hazards, count: after + usize::from(shape.dwell) }
    }

    /// Log-odds of a conversion, given a click, from the logits of a row; none where it is not predicted.
    pub(crate) fn conversion_logit(&self, logit: impl Fn(usize) -> f64) -> Option<f64> {
        let at = self.conversion?;
        let stretch = |stretch: usize| logit(at) + logit(Self::hazard(at, stretch as u8));
        Some(if self.hazards == 0 { logit(at) } else { hazard::any((0..self.hazards).map(stretch)) })
    }

    /// That a conversion comes after the waiting time.
    pub(crate) fn delayed(conversion: usize) -> usize {
        conversion + 1
    }

    /// That a click without conversion at the waiting time stays without.
    pub(crate) fn real_negative(conversion: usize) -> usize {
        conversion + 2
    }

    /// Log-rate of the delay, per day.
    pub(crate) fn rate(conversion: usize) -> usize {
        conversion + 3
    }

    /// What a stretch of a click's age adds to the logit of its hazard.
    pub(crate) fn hazard(conversion: usize, stretch: u8) -> usize {
        conversion + 4 + stretch as usize
    }
}

/// Whether the slot counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// The slot of the log.
    Logged,
    /// The mean effect over the slots of training.
    Neutral,
}

/// A shard's rows: columns of one length `R`, over items and events that are numbered once.
#[derive(Debug, Clone, Default)]
pub(crate) struct Inputs {
    /// Catalogue rows of the items, each once.
    pub(crate) items: Vec<u32>,
    /// Events, each once: item (of `items`), action, dwell, gap and kind.
    pub(crate) event_items: Vec<u32>,
    pub(crate) event_parts: Vec<[u8; 4]>,
    /// Each row's candidate (of `items`).
    pub(crate) candidates: Vec<u32>,
    /// Each row's history: event and age, with `R + 1` offsets.
    pub(crate) offsets: Vec<usize>,
    pub(crate) reads: Vec<u32>,
    pub(crate) ages: Vec<u8>,
    /// `[R x features]`.
    pub(crate) features: Vec<f32>,
    /// `[R x contexts]`.
    pub(crate) contexts: Vec<u16>,
    /// `[R x related]`: items (of `items`) or [`NONE`].
    pub(crate) related: Vec<u32>,
    /// Each row's slot; 0 = unknown.
    pub(crate) slots: Vec<u16>,
}

impl Inputs {
    /// Number of rows `R`.
    pub(crate) fn rows(&self) -> usize {
        self.candidates.len()
    }

    pub(crate) fn clear(&mut self) {
        self.items.clear();
        self.event_items.clear();
        self.event_parts.clear();
        self.candidates.clear();
        self.offsets.clear();
        self.offsets.push(0);
        self.reads.clear();
        self.ages.clear();
        self.features.clear();
        self.contexts.clear();
        self.related.clear();
        self.slots.clear();
    }

    fn reads(&self) -> Reads<'_> {
        Reads { offsets: &self.offsets, events: &self.reads, ages: &self.ages }
    }
}

/// Dropout of one training step.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Drops {
    pub(crate) rows: RowDropout,
    pub(crate) hidden: Dropout,
}

impl Drops {
    /// Keeps everything.
    pub(crate) fn off() -> Self {
        Self { rows: RowDropout::off(), hidden: Dropout::off() }
    }
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
    /// Fresh parameters.
    pub(crate) fn new(shape: PointwiseShape, sizes: Sizes, prefixes: Option<&PrefixRows>, seed: u64) -> Self {
        let (mut layout, dim) = (Layout::new(), sizes.dim);
        let columns = HeadColumns::new(&shape);
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
            gaps: small(&mut layout, "gap", crate::GAP_BUCKETS),
            kinds: small(&mut layout, "kind", 2),
            attention: TargetAttention::new(&mut layout, "attention", dim, sizes.heads, crate::GAP_BUCKETS),
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
        let rng = Rng::new(seed, "ranking network");
        let table = |rows: usize| Table::new(rows, dim, 0.0, &rng);
        Self {
            params: layout.init(&rng),
            ids: sizes.ids.then(|| table(shape.items.clamp(1, sizes.id_rows))),
            advertisers: (shape.advertisers > 0).then(|| table(shape.advertisers.min(sizes.id_rows))),
            prefixes: prefixes.map(|rows| table(rows.len())),
            columns,
            layout,
            sizes,
            shape,
            parts,
        }
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

    /// Length of a head's weights over the last hidden layer.
    pub(crate) fn head_length(&self, column: usize) -> f64 {
        let weights = self.parts.heads.weight.of(&self.params).chunks_exact(self.columns.count);
        weights.map(|row| row[column].to_f64().powi(2)).sum::<f64>().sqrt()
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

    /// The row of the advertiser table.
    pub(crate) fn advertiser_row(&self, advertiser: u32) -> u32 {
        let rows = self.advertisers.as_ref().map_or(1, Table::rows);
        if self.shape.advertisers <= rows { advertiser } else { spread(advertiser) % rows as u32 }
    }

    /// Logits of all rows, into `saved`. `slot_effect` stands for the slots where it is given.
    pub(crate) fn forward(
        &self,
        tables: &ItemTables,
        inputs: &Inputs,
        drops: Drops,
        slot_effect: Option<T>,
        saved: &mut Saved<T>,
    ) {
        self.item_vectors(tables, &inputs.items, drops.rows, &mut saved.vectors);
        self.event_vectors(inputs, saved);
        let (dim, rows) = (self.sizes.dim, inputs.rows());
        gather(dim, &saved.vectors, &inputs.candidates, &mut saved.candidates);
        resize(&mut saved.read, rows * dim);
        let (attention, params) = (self.parts.attention, &self.params);
        let from = (saved.candidates.as_slice(), saved.events.as_slice());
        attention.forward(params, from, inputs.reads(), &mut saved.attention, &mut saved.read);
        self.join(inputs, saved);
        let [first, second] = &mut saved.layers;
        first.forward(&self.parts.hidden[0], params, &saved.x, drops.hidden, 0);
        second.forward(&self.parts.hidden[1], params, &first.after, drops.hidden, SECOND);
        resize(&mut saved.logits, rows * self.columns.count);
        self.parts.heads.forward(params, &second.after, &mut saved.logits);
        let features = Mat::new(&saved.features, rows, self.shape.features);
        let wide = self.parts.wide.weight;
        matmul(&mut saved.logits, T::ONE, features, Mat::new(wide.of(params), wide.rows, wide.cols), T::ONE);
        let effects = self.slot_effects();
        for (logits, &slot) in saved.logits.chunks_exact_mut(self.columns.count).zip(&inputs.slots) {
            logits[HeadColumns::CLICK] += slot_effect.unwrap_or(effects[slot as usize]);
        }
    }

    /// Given dL/dlogits, adds the gradients of the dense parameters and leaves those of the items in `saved.dvectors`.
    pub(crate) fn backward(
        &self,
        tables: &ItemTables,
        inputs: &Inputs,
        drops: Drops,
        (dlogits, saved): (&[T], &mut Saved<T>),
        grads: &mut [T],
    ) {
        let (rows, dim, params) = (inputs.rows(), self.sizes.dim, &self.params);
        let slots = self.parts.slots.of_mut(grads);
        for (dlogits, &slot) in dlogits.chunks_exact(self.columns.count).zip(&inputs.slots) {
            slots[slot as usize] += dlogits[HeadColumns::CLICK];
        }
        self.parts.wide.backward_params(&saved.features, dlogits, grads);
        let [first, second] = &mut saved.layers;
        let mut dsecond = vec![T::ZERO; second.after.len()];
        self.parts.heads.backward(params, &second.after, dlogits, grads, &mut dsecond);
        drops.hidden.apply(SECOND, &mut dsecond);
        gelu_backward(&second.before, &mut dsecond);
        let mut dfirst = vec![T::ZERO; first.after.len()];
        self.parts.hidden[1].backward(params, &first.after, &dsecond, grads, &mut dfirst);
        drops.hidden.apply(0, &mut dfirst);
        gelu_backward(&first.before, &mut dfirst);
        let mut dx = vec![T::ZERO; saved.x.len()];
        self.parts.hidden[0].backward(params, &saved.x, &dfirst, grads, &mut dx);

        resize(&mut saved.dvectors, saved.vectors.len());
        let (mut dread, mut dcandidates) = (vec![T::ZERO; rows * dim], vec![T::ZERO; rows * dim]);
        self.part(inputs, &dx, (&mut dread, &mut dcandidates), saved, grads);
        let mut devents = vec![T::ZERO; saved.events.len()];
        let from = (saved.candidates.as_slice(), saved.events.as_slice());
        let into = (dcandidates.as_mut_slice(), devents.as_mut_slice());
        let attention = self.parts.attention;
        attention.backward(params, from, inputs.reads(), &mut saved.attention, &dread, grads, into);
        scatter(dim, &dcandidates, &inputs.candidates, &mut saved.dvectors);
        self.event_vectors_backward(inputs, &devents, &mut saved.dvectors, grads);
        if let Some(content) = self.parts.content {
            let contents: Vec<T> = contents(tables, &inputs.items, self.shape.content);
            content.backward_params(&contents, &saved.dvectors, grads);
        }
    }

    /// `x`, row by row.
    fn join(&self, inputs: &Inputs, saved: &mut Saved<T>) {
        let (dim, small, shape) = (self.sizes.dim, self.sizes.context, &self.shape);
        saved.features.clear();
        saved.features.extend(inputs.features.iter().map(|&value| T::from_f64(f64::from(value))));
        saved.x.clear();
        for row in 0..inputs.rows() {
            let candidate = &saved.candidates[row * dim..][..dim];
            let read = &saved.read[row * dim..][..dim];
            saved.x.extend_from_slice(candidate);
            saved.x.extend_from_slice(read);
            saved.x.extend(candidate.iter().zip(read).map(|(&a, &b)| a * b));
            saved.x.extend_from_slice(&saved.features[row * shape.features..][..shape.features]);
            for (column, slot) in self.parts.contexts.iter().enumerate() {
                let value = inputs.contexts[row * shape.contexts.len() + column] as usize;
                saved.x.extend_from_slice(&slot.of(&self.params)[value * small..][..small]);
            }
            for &related in &inputs.related[row * shape.related..][..shape.related] {
                match related {
                    NONE => saved.x.extend(std::iter::repeat_n(T::ZERO, 2 * dim)),
                    item => {
                        let other = &saved.vectors[item as usize * dim..][..dim];
                        saved.x.extend_from_slice(other);
                        saved.x.extend(candidate.iter().zip(other).map(|(&a, &b)| a * b));
                    }
                }
            }
        }
    }

    /// The backward pass of [`Self::join`].
    fn part(
        &self,
        inputs: &Inputs,
        dx: &[T],
        (dread, dcandidates): (&mut [T], &mut [T]),
        saved: &mut Saved<T>,
        grads: &mut [T],
    ) {
        let (dim, small, shape) = (self.sizes.dim, self.sizes.context, &self.shape);
        let width = self.parts.hidden[0].weight.rows;
        for (row, dx) in dx.chunks_exact(width).enumerate() {
            let at = row * dim..(row + 1) * dim;
            let (candidate, read) = (&saved.candidates[at.clone()], &saved.read[at.clone()]);
            let (dcandidate, dread) = (&mut dcandidates[at.clone()], &mut dread[at]);
            for i in 0..dim {
                dcandidate[i] += dx[i] + dx[2 * dim + i] * read[i];
                dread[i] += dx[dim + i] + dx[2 * dim + i] * candidate[i];
            }
            let mut from = 3 * dim + shape.features;
            for (column, slot) in self.parts.contexts.iter().enumerate() {
                let value = inputs.contexts[row * shape.contexts.len() + column] as usize;
                kernel::add(&dx[from..][..small], &mut slot.of_mut(grads)[value * small..][..small]);
                from += small;
            }
            for &related in &inputs.related[row * shape.related..][..shape.related] {
                if related != NONE {
                    let other = related as usize * dim;
                    for i in 0..dim {
                        let (direct, product) = (dx[from + i], dx[from + dim + i]);
                        dcandidate[i] += product * saved.vectors[other + i];
                        saved.dvectors[other + i] += direct + product * candidate[i];
                    }
                }
                from += 2 * dim;
            }
        }
    }

    /// The vectors of `items`, `[items x D]`.
    fn item_vectors(&self, tables: &ItemTables, items: &[u32], dropout: RowDropout, out: &mut Vec<T>) {
        let dim = self.sizes.dim;
        resize(out, items.len() * dim);
        if let Some(content) = self.parts.content {
            content.forward(&self.params, &contents(tables, items, self.shape.content), out);
        }
        for (slot, (&item, out)) in items.iter().zip(out.chunks_exact_mut(dim)).enumerate() {
            if let Some(ids) = self.ids.as_ref().filter(|_| dropout.keeps_id(slot)) {
                kernel::add(ids.row(self.id_row(item)), out);
            }
            if let (Some(table), Some(advertiser)) = (&self.advertisers, tables.advertiser(item)) {
                kernel::add(table.row(self.advertiser_row(advertiser)), out);
            }
            if let (Some(table), Some(rows)) = (&self.prefixes, tables.prefixes) {
                dropout.kept_prefixes(slot, rows.of(item)).for_each(|&row| kernel::add(table.row(row), out));
            }
        }
    }

    fn event_vectors(&self, inputs: &Inputs, saved: &mut Saved<T>) {
        let dim = self.sizes.dim;
        gather(dim, &saved.vectors, &inputs.event_items, &mut saved.events);
        for (column, slot) in self.event_tables().into_iter().enumerate() {
            add_parts(dim, slot.of(&self.params), &inputs.event_parts, column, &mut saved.events);
        }
    }

    fn event_vectors_backward(&self, inputs: &Inputs, devents: &[T], dvectors: &mut [T], grads: &mut [T]) {
        let dim = self.sizes.dim;
        scatter(dim, devents, &inputs.event_items, dvectors);
        for (column, slot) in self.event_tables().into_iter().enumerate() {
            add_parts_backward(dim, devents, &inputs.event_parts, column, slot.of_mut(grads));
        }
    }

    /// In the order of [`Inputs::event_parts`].
    fn event_tables(&self) -> [Slot; 4] {
        [self.parts.actions, self.parts.dwells, self.parts.gaps, self.parts.kinds]
    }
}

impl<T: Scalar> Layer<T> {
    fn forward(&mut self, map: &Linear, params: &[T], x: &[T], drop: Dropout, first: usize) {
        let len = x.len() / map.weight.rows * map.weight.cols;
        resize(&mut self.before, len);
        resize(&mut self.after, len);
        map.forward(params, x, &mut self.before);
        gelu(&self.before, &mut self.after);
        drop.apply(first, &mut self.after);
    }
}

fn gather<T: Scalar>(dim: usize, vectors: &[T], rows: &[u32], out: &mut Vec<T>) {
    out.clear();
    rows.iter().for_each(|&row| out.extend_from_slice(&vectors[row as usize * dim..][..dim]));
}

kernel! {
    /// Adds each row of `d` to the row of `into` that `rows` names.
    fn scatter<T: Scalar>(dim: usize, d: &[T], rows: &[u32], into: &mut [T]) {
        for (d, &row) in d.chunks_exact(dim).zip(rows) {
            for (into, &d) in into[row as usize * dim..][..dim].iter_mut().zip(d) {
                *into += d;
            }
        }
    }
}

kernel! {
    /// Adds to each row of `out` the row of `table` that its `column`-th part names.
    fn add_parts<T: Scalar>(dim: usize, table: &[T], parts: &[[u8; 4]], column: usize, out: &mut [T]) {
        for (out, parts) in out.chunks_exact_mut(dim).zip(parts) {
            for (out, &value) in out.iter_mut().zip(&table[parts[column] as usize * dim..][..dim]) {
                *out += value;
            }
        }
    }
}

kernel! {
    /// The backward pass of [`add_parts`].
    fn add_parts_backward<T: Scalar>(dim: usize, d: &[T], parts: &[[u8; 4]], column: usize, table: &mut [T]) {
        for (d, parts) in d.chunks_exact(dim).zip(parts) {
            for (value, &d) in table[parts[column] as usize * dim..][..dim].iter_mut().zip(d) {
                *value += d;
            }
        }
    }
}

fn contents<T: Scalar>(tables: &ItemTables, items: &[u32], width: usize) -> Vec<T> {
    let rows = items.iter().flat_map(|&item| &tables.content[item as usize * width..][..width]);
    rows.map(|&value| T::from_f64(f64::from(value))).collect()
}

/// Spreads ids over the rows of a capped table: a multiplicative hash.
fn spread(id: u32) -> u32 {
    (id.wrapping_mul(0x9e37_79b1)).rotate_left(15).wrapping_mul(0x85eb_ca6b)
}
