//! Items in, vectors out, and the gradients on the way back: the tower of both rankers.
//!
//! ```text
//! vector = content W + b (+ adapter) + id row + advertiser row + the rows of the prefixes of its semantic ids
//! ```
//!
//! Each part can be left out. The dense parameters are in the ranker's flat vector, the rows in tables of the tower. The gradient
//! of a row is the sum of those of the vectors that it was added to.

use crate::tables::ItemTable;
use crate::{ContentMap, PrefixRows, RowDropout, RowGrads, TableShape};
use rayon::prelude::*;
use semrank_core::narrow;
use semrank_nn::{Scalar, Table, kernel};
use std::ops::Range;

/// Vectors of one task.
const ROWS_PER_TASK: usize = 256;

/// What the tower reads of a catalogue. Any `u32` names an item; one beyond the catalogue has no rows, and content of zeros.
#[derive(Debug, Clone, Copy, Default)]
pub struct ItemParts<'a> {
    /// Content vectors, `[items x width]`, or empty.
    pub content: &'a [f32],
    /// Advertiser of each item, `u32::MAX` where it has none; empty where none is known.
    pub advertisers: &'a [u32],
    /// Rows of the prefixes of semantic ids.
    pub prefixes: Option<&'a PrefixRows>,
}

/// Whose rows an item's vector has.
#[derive(Debug, Clone, Copy)]
pub struct ItemRows<'a> {
    /// The item; `u32::MAX` for one that came after training.
    pub item: u32,
    /// Its advertiser; `u32::MAX` where none is known.
    pub advertiser: u32,
    /// The rows of the prefixes of its semantic id.
    pub prefixes: &'a [u32],
}

impl<'a> ItemParts<'a> {
    fn rows(&self, item: u32) -> ItemRows<'a> {
        ItemRows {
            item,
            advertiser: self.advertisers.get(item as usize).copied().unwrap_or(u32::MAX),
            prefixes: self.prefixes.map_or(&[], |prefixes| prefixes.of(item)),
        }
    }
}

/// The item tower.
#[derive(Debug, Clone)]
pub struct ItemTower<T> {
    dim: usize,
    content: Option<ContentMap>,
    tables: Vec<ItemTable<T>>,
}

impl<T: Scalar> ItemTower<T> {
    /// Of width `dim`, with tables that are not allocated yet.
    pub fn new(
        dim: usize,
        content: Option<ContentMap>,
        tables: impl IntoIterator<Item = TableShape>,
    ) -> Self {
        let tables = tables.into_iter().map(|shape| ItemTable { shape, table: Table::blank(0, dim) });
        Self { dim, content, tables: tables.collect() }
    }

    /// Width D of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The tables, by name.
    pub fn tables(&self) -> impl Iterator<Item = (&'static str, &Table<T>)> {
        self.tables.iter().map(|table| (table.shape.name, &table.table))
    }

    /// The tables, to be written into.
    pub fn tables_mut(&mut self) -> impl Iterator<Item = (TableShape, &mut Table<T>)> {
        self.tables.iter_mut().map(|table| (table.shape, &mut table.table))
    }

    /// Writes the vectors of `items`, `[items x D]`; `dropout` leaves out rows by an item's place among them.
    pub fn vectors(&self, params: &[T], parts: ItemParts, items: &[u32], dropout: RowDropout, out: &mut [T]) {
        let tasks = out.par_chunks_mut(ROWS_PER_TASK * self.dim).zip(items.par_chunks(ROWS_PER_TASK));
        tasks.enumerate().for_each_init(Vec::new, |content, (task, (out, items))| {
            match &self.content {
                Some(map) => map.forward(params, (parts.content, items), content, out),
                None => out.fill(T::ZERO),
            }
            for (at, (&item, out)) in items.iter().zip(out.chunks_exact_mut(self.dim)).enumerate() {
                self.add_rows(task * ROWS_PER_TASK + at, parts.rows(item), dropout, out);
            }
        });
    }

    /// Writes the vector of one item from its content (empty: none) and its rows: what [`ItemTower::vectors`] gives for an item of a
    /// catalogue with these.
    pub fn vector(&self, params: &[T], content: &[f32], rows: ItemRows, out: &mut [T]) {
        match &self.content {
            Some(map) => map.forward(params, (content, &[0]), &mut Vec::new(), out),
            None => out.fill(T::ZERO),
        }
        self.add_rows(0, rows, RowDropout::off(), out);
    }

    fn add_rows(&self, at: usize, rows: ItemRows, dropout: RowDropout, out: &mut [T]) {
        for table in &self.tables {
            table.each_row(at, rows, dropout, |row| kernel::add(table.table.row(row), out));
        }
    }

    /// Adds the gradients of the content map, given those of the vectors of `items`.
    pub fn backward(&self, params: &[T], parts: ItemParts, items: &[u32], dvectors: &[T], grads: &mut [T]) {
        if let Some(map) = &self.content {
            map.backward(params, (parts.content, items), dvectors, grads);
        }
    }

    /// The gradients of some columns of the items' contents, `[items x columns]`, given those of their vectors.
    pub fn content_backward(
        &self,
        params: &[T],
        parts: ItemParts,
        items: &[u32],
        dvectors: &[T],
        columns: Range<usize>,
    ) -> Vec<T> {
        match &self.content {
            Some(map) => map.backward_content(params, (parts.content, items), columns, dvectors),
            None => vec![T::ZERO; items.len() * columns.len()],
        }
    }

    /// The gradients of each table's rows. `shards` are the items and the dropout of each part of a step, `dvectors` the gradients of
    /// the vectors of all of them.
    pub fn row_grads<'s>(
        &self,
        parts: ItemParts,
        shards: impl Iterator<Item = (&'s [u32], RowDropout)> + Clone,
        dvectors: &[T],
    ) -> Vec<RowGrads<T>> {
        let of_table = |table: &ItemTable<T>| {
            let (mut pairs, mut first) = (Vec::new(), 0);
            for (items, dropout) in shards.clone() {
                for (at, &item) in items.iter().enumerate() {
                    let vector = narrow::index(first + at);
                    table.each_row(at, parts.rows(item), dropout, |row| pairs.push((row, vector)));
                }
                first += items.len();
            }
            RowGrads::sum(pairs, dvectors, self.dim)
        };
        self.tables.iter().map(of_table).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ContentConfig, RowKey};
    use semrank_core::Rng;
    use semrank_nn::Layout;
    use semrank_tokens::SemanticIds;

    const DIM: usize = 3;

    /// Five items, of which the tower was trained with four: two advertisers, item rows that are shared by hash.
    fn tower() -> (ItemTower<f64>, Vec<f64>, PrefixRows, Vec<f32>) {
        let ids = SemanticIds::new(2, 4, vec![0, 3, 0, 1, 2, 2, 1, 1, 2, 0]);
        let prefixes = PrefixRows::new(&ids, &[true; 5], 100);
        let mut layout = Layout::new();
        let config = ContentConfig { width: 2, dim: DIM, adapter: 2, bias: true, deviation: 0.3, parts: 2 };
        let map = ContentMap::new(&mut layout, config);
        let shapes = [
            TableShape::new("ids", RowKey::Item, 4, 3),
            TableShape::new("advertisers", RowKey::Advertiser, 2, 100),
            TableShape::new("prefixes", RowKey::Prefix, prefixes.len(), 100),
        ];
        let mut tower = ItemTower::new(DIM, Some(map), shapes);
        let mut rng = Rng::new(1, "tower");
        for (shape, table) in tower.tables_mut() {
            *table = Table::new(shape.rows, DIM, 1.0, &rng.fork(shape.rows as u64));
        }
        let mut params: Vec<f64> = layout.init(&rng);
        params.iter_mut().for_each(|value| *value += 0.2 * rng.normal());
        (tower, params, prefixes, (0..10).map(|at| (at as f32 - 4.0) / 3.0).collect())
    }

    #[test]
    fn a_row_has_the_gradient_of_every_vector_that_it_is_in() {
        let (mut tower, params, prefixes, content) = tower();
        let advertisers = [0, 1, u32::MAX, 0, 1];
        let parts = ItemParts { content: &content, advertisers: &advertisers, prefixes: Some(&prefixes) };
        let shards = [([3, 0, 4], RowDropout::new([0.5, 0.5], 7)), ([0, 2, 9], RowDropout::off())];
        let vectors = |tower: &ItemTower<f64>| -> Vec<f64> {
            let of_shard = |(items, dropout): ([u32; 3], RowDropout)| {
                let mut out = vec![0.0; items.len() * DIM];
                tower.vectors(&params, parts, &items, dropout, &mut out);
                out
            };
            shards.into_iter().flat_map(of_shard).collect()
        };
        let mut rng = Rng::new(2, "gradients");
        let dvectors: Vec<f64> = (0..6 * DIM).map(|_| rng.normal()).collect();
        let of_step = shards.iter().map(|(items, dropout)| (items.as_slice(), *dropout));
        let grads = tower.row_grads(parts, of_step, &dvectors);
        // Vectors are linear in the rows, so the gradient tells what any change of all rows does.
        let (before, mut expected) = (vectors(&tower), 0.0);
        for ((_, table), grads) in tower.tables_mut().zip(&grads) {
            for (at, value) in table.values.iter_mut().enumerate() {
                let change = rng.normal();
                let place = grads.rows.binary_search(&((at / DIM) as u32));
                expected += place.map_or(0.0, |place| change * grads.grads[place * DIM + at % DIM]);
                *value += change;
            }
        }
        let moved = vectors(&tower).into_iter().zip(before).map(|(after, before)| after - before);
        let got: f64 = moved.zip(&dvectors).map(|(moved, d)| moved * d).sum();
        assert!((got - expected).abs() < 1e-9 && expected.abs() > 0.1, "{got} and {expected}");
    }

    #[test]
    fn a_vector_alone_is_that_of_the_catalogue() {
        let (tower, params, prefixes, content) = tower();
        let advertisers = [0, 1, u32::MAX, 0, 1];
        let parts = ItemParts { content: &content, advertisers: &advertisers, prefixes: Some(&prefixes) };
        let (mut all, mut alone) = (vec![0.0; 5 * DIM], vec![0.0; DIM]);
        tower.vectors(&params, parts, &[0, 1, 2, 3, 4], RowDropout::off(), &mut all);
        for (item, expected) in all.chunks(DIM).enumerate() {
            tower.vector(&params, &content[2 * item..][..2], parts.rows(item as u32), &mut alone);
            assert_eq!(alone, expected, "item {item}");
        }
    }

    #[test]
    fn an_item_that_nobody_knows_is_the_bias_alone() {
        let (tower, params, prefixes, content) = tower();
        let parts = ItemParts { content: &content, advertisers: &[], prefixes: Some(&prefixes) };
        let mut out = vec![0.0; 2 * DIM];
        tower.vectors(&params, parts, &[5, 70], RowDropout::off(), &mut out);
        let mut nothing = vec![0.0; DIM];
        let unknown = ItemParts { content: &[], ..parts };
        tower.vectors(&params, unknown, &[5], RowDropout::off(), &mut nothing);
        assert_eq!((&out[..DIM], &out[DIM..]), (&nothing[..], &nothing[..]));
        assert!(nothing.iter().any(|value| *value != 0.0));
    }
}
