//! Which rows of an item a training step leaves out, so that content stands on its own.

use semrank_nn::Dropout;

/// Dropout of rows; a function of the step's key and an item's place in the step.
#[derive(Debug, Clone, Copy)]
pub struct RowDropout {
    ids: Dropout,
    prefixes: Dropout,
}

impl RowDropout {
    /// Leaves out these shares of the id rows and of the prefix rows.
    pub fn new([ids, prefixes]: [f64; 2], key: u64) -> Self {
        Self { ids: Dropout::new(ids, key), prefixes: Dropout::new(prefixes, key.rotate_left(17)) }
    }

    /// Keeps everything: evaluation.
    pub fn off() -> Self {
        Self { ids: Dropout::off(), prefixes: Dropout::off() }
    }

    /// Whether the item with this index keeps its id row.
    pub fn keeps_id(&self, index: usize) -> bool {
        self.ids.factor::<f32>(index) != 0.0
    }

    /// Those of its prefix rows that an item keeps.
    pub fn kept_prefixes<'r>(&self, index: usize, rows: &'r [u32]) -> impl Iterator<Item = &'r u32> {
        let dropout = self.prefixes;
        rows.iter()
            .enumerate()
            .filter(move |(at, _)| dropout.factor::<f32>(index * 64 + at) != 0.0)
            .map(|(_, row)| row)
    }
}
