//! The inputs of a pass besides the positions' vectors: parameters, offsets, positional tables, dropout key.

use super::Positions;
use crate::{DistanceBias, Rotary};

/// The table of positions that a pass needs: for [`Positions::Rotary`] and [`Positions::Distance`].
#[derive(Debug, Clone, Copy)]
pub enum PositionTable<'a, T> {
    /// None.
    None,
    /// Of [`Positions::Rotary`].
    Rotary(&'a Rotary<T>),
    /// Of [`Positions::Distance`].
    Distance(&'a DistanceBias<T>),
}

impl<'a, T> PositionTable<'a, T> {
    /// The distances' values, if these it has.
    pub(crate) fn bias(self) -> Option<&'a DistanceBias<T>> {
        if let Self::Distance(bias) = self { Some(bias) } else { None }
    }

    /// # Panics
    /// When a block with these positions cannot do with this table.
    pub(crate) fn check(&self, positions: Positions) {
        let fits = match self {
            Self::None => positions != Positions::Rotary,
            Self::Rotary(_) => positions == Positions::Rotary,
            Self::Distance(_) => positions == Positions::Distance,
        };
        assert!(fits, "a block with positions {positions:?} got another table");
    }
}

/// What a pass reads besides its input. The backward pass gets the same as the forward pass.
#[derive(Debug, Clone, Copy)]
pub struct Pass<'a, T> {
    /// All parameters of the layout.
    pub params: &'a [T],
    /// Where each sequence begins, and at the end T.
    pub offsets: &'a [usize],
    /// The table of positions.
    pub positions: PositionTable<'a, T>,
    /// Seed of this pass's dropout; `None` evaluates.
    pub key: Option<u64>,
}

impl<'a, T> Pass<'a, T> {
    /// Without positions and dropout.
    pub fn new(params: &'a [T], offsets: &'a [usize]) -> Self {
        Self { params, offsets, positions: PositionTable::None, key: None }
    }
}
