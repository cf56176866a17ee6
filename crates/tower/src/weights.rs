//! Everything that is trained of a ranker: dense parameters by name and the tables of its item tower, in memory and in files.
//!
//! Weights are planned first, which allocates nothing of their size; then they are drawn, or read from a file, whose sizes are
//! checked before. A [`Snapshot`] is a copy of all values, such as those of the best epoch.

use crate::artefact::Tensors;
use crate::gradients::CHUNK;
use crate::{ItemTower, TableShape};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::checkpoint::{Checkpoint, Error};
use semrank_nn::{Layout, Scalar, Table, kernel};

/// Parameters of a ranker.
#[derive(Debug, Clone)]
pub struct Weights<T> {
    layout: Layout,
    /// Dense parameters.
    pub params: Vec<T>,
    /// Item tower, with its tables.
    pub tower: ItemTower<T>,
}

/// The values of all parameters at one moment: dense ones and tables, by name.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot<T>(Vec<(&'static str, Vec<T>)>);

impl<T: Scalar> Weights<T> {
    /// Of these shapes, without values.
    pub fn planned(layout: Layout, tower: ItemTower<T>) -> Self {
        Self { layout, params: Vec::new(), tower }
    }

    /// Draws the dense parameters; each table is what `table` makes for its shape.
    pub fn init(&mut self, rng: &Rng, mut table: impl FnMut(TableShape) -> Table<T>) {
        self.params = self.layout.init(rng);
        self.tower.tables_mut().for_each(|(shape, to)| *to = table(shape));
    }

    /// Names and places of the dense parameters.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// All values: `dense`, and the tables by name.
    pub fn values(&self) -> impl Iterator<Item = (&'static str, &[T])> {
        let tables = self.tower.tables().map(|(name, table)| (name, table.values.as_slice()));
        std::iter::once(("dense", self.params.as_slice())).chain(tables)
    }

    fn values_mut(&mut self) -> impl Iterator<Item = (&'static str, &mut Vec<T>)> {
        let tables = self.tower.tables_mut().map(|(shape, table)| (shape.name, &mut table.values));
        std::iter::once(("dense", &mut self.params)).chain(tables)
    }

    /// Number of values.
    pub fn count(&self) -> usize {
        self.values().map(|(_, values)| values.len()).sum()
    }

    /// A copy of all values.
    pub fn snapshot(&self) -> Snapshot<T> {
        Snapshot(self.values().map(|(name, values)| (name, values.to_vec())).collect())
    }

    /// Goes back to a snapshot of these weights; an empty one changes nothing.
    pub fn restore(&mut self, snapshot: Snapshot<T>) {
        self.values_mut().zip(snapshot.0).for_each(|((_, to), (_, from))| *to = from);
    }

    /// Frees the moments of the tables: nothing is trained any more.
    pub fn forget_moments(&mut self) {
        for (_, table) in self.tower.tables_mut() {
            (table.first, table.second) = (Vec::new(), Vec::new());
        }
    }

    /// Moves all values towards others, by a share of the difference: a running mean.
    pub fn follow(&mut self, others: &Self, share: T) {
        for ((_, to), (_, from)) in self.values_mut().zip(others.values()) {
            to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK)).for_each(|(to, from)| {
                kernel::scale(T::ONE - share, to);
                kernel::axpy(share, from, to);
            });
        }
    }
}

impl<T> Snapshot<T> {
    /// Whether none was taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Snapshot<f32> {
    /// Gives a file a row of values each, named `of.…`.
    pub fn save<'a>(&'a self, of: &str, out: &mut Tensors<'a>) {
        self.0.iter().for_each(|(name, values)| out.row(format!("{of}.{name}"), values));
    }

    /// Reads a snapshot of such weights.
    ///
    /// # Errors
    /// A missing tensor, or one of another length.
    pub fn read(file: &Checkpoint, of: &str, weights: &Weights<f32>) -> Result<Self, Error> {
        let read = |(name, values): (&'static str, &[f32])| {
            Ok((name, file.f32s(&format!("{of}.{name}"), [1, values.len()])?))
        };
        weights.values().map(read).collect::<Result<_, _>>().map(Self)
    }
}

impl Weights<f32> {
    /// Gives a model's file the dense parameters under the first name, the tables under the second.
    pub fn save<'a>(&'a self, [dense, tables]: [&str; 2], out: &mut Tensors<'a>) {
        for entry in self.layout.entries() {
            let shape = [entry.slot.rows, entry.slot.cols];
            out.matrix(format!("{dense}.{}", entry.name), shape, entry.slot.of(&self.params));
        }
        for (name, table) in self.tower.tables() {
            out.matrix(format!("{tables}.{name}"), [table.rows(), table.dim()], &table.values);
        }
    }

    /// Reads what [`Weights::save`] gave, without moments. Nothing is allocated that the file does not hold.
    ///
    /// # Errors
    /// A missing tensor, or one of another shape.
    pub fn read(&mut self, file: &Checkpoint, [dense, tables]: [&str; 2]) -> Result<(), Error> {
        let name = |tensor: &str| format!("{dense}.{tensor}");
        for entry in self.layout.entries() {
            file.check_f32(&name(&entry.name), [entry.slot.rows, entry.slot.cols])?;
        }
        let dim = self.tower.dim();
        for (shape, table) in self.tower.tables_mut() {
            table.values = file.f32s(&format!("{tables}.{}", shape.name), [shape.rows, dim])?;
        }
        self.params = vec![0.0; self.layout.len()];
        for entry in self.layout.entries() {
            let into = entry.slot.of_mut(&mut self.params);
            file.read_f32(&name(&entry.name), [entry.slot.rows, entry.slot.cols], into)?;
        }
        Ok(())
    }
}
