//! Which items a block of scores has as its columns: a run of the catalogue, so that blocks can be cut into tiles, or a
//! list, so that a few items cost a few products.
//!
//! ```text
//! let tile = Columns::Range(16_384..32_768);       // [queries x 16,384] scores
//! let wanted = Columns::List(&[3, 70, 91_000]);    // [queries x 3] scores
//! ```

use semrank_tower::gather;
use std::borrow::Cow;
use std::ops::Range;

/// Items of the catalogue, ascending.
#[derive(Debug, Clone)]
pub(crate) enum Columns<'a> {
    /// Neighbours.
    Range(Range<usize>),
    /// Any, each once.
    List(&'a [u32]),
}

impl Columns<'_> {
    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        match self {
            Columns::Range(range) => range.len(),
            Columns::List(items) => items.len(),
        }
    }

    /// The items.
    pub(crate) fn iter(&self) -> Box<dyn Iterator<Item = u32> + '_> {
        match self {
            Columns::Range(range) => Box::new(range.clone().map(|item| item as u32)),
            Columns::List(items) => Box::new(items.iter().copied()),
        }
    }

    /// The first item; 0 where there is none.
    pub(crate) fn first(&self) -> u32 {
        match self {
            Columns::Range(range) => range.start as u32,
            Columns::List(items) => items.first().copied().unwrap_or(0),
        }
    }

    /// Their rows of a matrix `[items of the catalogue x width]`.
    pub(crate) fn rows<'m>(&self, matrix: &'m [f32], width: usize) -> Cow<'m, [f32]> {
        match self {
            Columns::Range(range) => matrix[range.start * width..range.end * width].into(),
            Columns::List(items) => {
                let mut out = Vec::with_capacity(items.len() * width);
                gather(matrix, items, width, &mut out);
                out.into()
            }
        }
    }

    /// The column of an item that is among them.
    pub(crate) fn place(&self, item: usize) -> Option<usize> {
        match self {
            Columns::Range(range) => range.contains(&item).then(|| item - range.start),
            Columns::List(items) => items.binary_search_by(|other| (*other as usize).cmp(&item)).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_places_are_those_of_the_items() {
        let matrix: Vec<f32> = (0..12).map(|at| at as f32).collect();
        let range = Columns::Range(1..4);
        assert_eq!((range.len(), range.rows(&matrix, 2)), (3, matrix[2..8].into()));
        assert_eq!([0, 1, 3, 4].map(|item| range.place(item)), [None, Some(0), Some(2), None]);
        let list = Columns::List(&[0, 4, 5]);
        assert_eq!((list.len(), list.rows(&matrix, 2)), (3, [0.0, 1.0, 8.0, 9.0, 10.0, 11.0][..].into()));
        assert_eq!([0, 1, 4, 6].map(|item| list.place(item)), [Some(0), None, Some(1), None]);
    }
}
