//! The place of each named tensor in the flat vector of parameters.
//!
//! ```
//! use semrank_core::Rng;
//! use semrank_nn::{Init, Layout};
//! let mut layout = Layout::new();
//! let weight = layout.tensor("weight", 3, 2, Init::Normal(0.02));
//! let gain = layout.tensor("gain", 1, 2, Init::Constant(1.0));
//! let params: Vec<f32> = layout.init(&Rng::new(1, "init"));
//! assert_eq!(params.len(), 8);
//! assert_eq!(gain.of(&params), [1.0, 1.0]);
//! assert_eq!(weight.of(&params).len(), 6);
//! ```

use crate::Scalar;
use semrank_core::Rng;
use std::ops::Range;

/// How a tensor starts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Init {
    /// Every value the same.
    Constant(f64),
    /// Normal with mean 0 and this standard deviation.
    Normal(f64),
}

/// One tensor's place: `[rows x cols]`, row-major.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Slot {
    offset: usize,
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub cols: usize,
}

impl Slot {
    /// This tensor's places in a vector of the layout's length.
    pub fn range(self) -> Range<usize> {
        self.offset..self.offset + self.rows * self.cols
    }

    /// This tensor's values in a vector of the layout's length.
    pub fn of<T>(self, params: &[T]) -> &[T] {
        &params[self.range()]
    }

    /// This tensor's values, mutable.
    pub fn of_mut<T>(self, params: &mut [T]) -> &mut [T] {
        &mut params[self.range()]
    }
}

/// One named tensor of a layout.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name, dots between levels: `block.0.norm.gain`.
    pub name: String,
    /// Its place.
    pub slot: Slot,
    init: Init,
}

/// All tensors of a network, in the order they were added.
#[derive(Debug, Clone, Default)]
pub struct Layout {
    entries: Vec<Entry>,
    len: usize,
}

impl Layout {
    /// No tensors yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a tensor.
    ///
    /// # Panics
    /// When the name is taken.
    pub fn tensor(&mut self, name: &str, rows: usize, cols: usize, init: Init) -> Slot {
        assert!(self.entries.iter().all(|entry| entry.name != name), "two tensors are called {name}");
        let slot = Slot { offset: self.len, rows, cols };
        self.len += rows * cols;
        self.entries.push(Entry { name: name.to_string(), slot, init });
        slot
    }

    /// Length of the parameter vector.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no tensor.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All tensors.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Initial parameters. Each tensor draws from its own stream.
    pub fn init<T: Scalar>(&self, rng: &Rng) -> Vec<T> {
        let mut params = vec![T::ZERO; self.len];
        for (index, entry) in self.entries.iter().enumerate() {
            let mut rng = rng.fork(index as u64);
            for value in entry.slot.of_mut(&mut params) {
                *value = T::from_f64(match entry.init {
                    Init::Constant(constant) => constant,
                    Init::Normal(deviation) => deviation * rng.normal(),
                });
            }
        }
        params
    }
}
