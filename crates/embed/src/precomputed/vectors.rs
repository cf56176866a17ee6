//! The matrix of vectors and the ids of its rows, checked row by row while it grows.

use crate::Error;
use semrank_core::{Dictionary, counted};
use semrank_data::RowError;
use std::path::Path;

/// Vectors by id.
pub(super) struct Vectors {
    ids: Dictionary,
    /// `[ids x width]`.
    values: Vec<f32>,
    /// 0 before the first row.
    width: usize,
    /// Rows to make room for when the width is known.
    expected_rows: u64,
}

/// A row's place in its file.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) file: &'a Path,
    /// Row or line, from 1.
    pub(super) line: u64,
}

impl Place<'_> {
    /// An error about this row.
    pub(super) fn error(self, column: &str, got: impl Into<String>, expected: impl Into<String>) -> Error {
        let row = RowError {
            file: self.file.into(),
            line: self.line,
            column: Some(column.to_owned()),
            got: got.into(),
            expected: expected.into(),
            help: Some("write the file again without this row, or with a right one".into()),
        };
        Error::Data(row.into())
    }
}

impl Vectors {
    /// No vectors yet; memory for `expected_rows` is taken at the first.
    pub(super) fn new(expected_rows: u64) -> Vectors {
        Vectors { ids: Dictionary::new(), values: Vec::new(), width: 0, expected_rows }
    }

    /// Adds a row.
    ///
    /// # Errors
    /// An id that was added before, a vector of another width than the first, or one that is not finite.
    pub(super) fn push(
        &mut self,
        place: Place,
        columns: &super::Columns,
        id: &str,
        vector: &[f32],
    ) -> Result<(), Error> {
        if self.ids.is_empty() {
            self.make_room(place, &columns.vector, vector.len())?;
        }
        if vector.len() != self.width {
            let got = format!("{} for item `{id}`", counted(vector.len(), "value", "values"));
            return Err(place.error(&columns.vector, got, format!("{}, as in the first row", self.width)));
        }
        if let Some(bad) = vector.iter().find(|value| !value.is_finite()) {
            return Err(place.error(&columns.vector, format!("{bad} for item `{id}`"), "finite numbers"));
        }
        let rows = self.ids.len();
        let row = self.ids.insert(id) as usize;
        if row < rows {
            let got = format!("`{id}`, the id of vector number {} as well", row + 1);
            return Err(place.error(&columns.id, got, "every id once"));
        }
        self.values.extend_from_slice(vector);
        Ok(())
    }

    /// Allocates all memory at once: growing in steps would need half as much again.
    fn make_room(&mut self, place: Place, column: &str, width: usize) -> Result<(), Error> {
        if width == 0 {
            return Err(place.error(column, "an empty list", "at least one number"));
        }
        self.width = width;
        let values = usize::try_from(self.expected_rows).unwrap_or(usize::MAX).saturating_mul(width);
        self.values.try_reserve_exact(values).map_err(|_| {
            let reason = format!("{values} numbers of 4 bytes do not fit into memory");
            Error::io("load", place.file)(std::io::Error::new(std::io::ErrorKind::OutOfMemory, reason))
        })
    }

    /// Returns an error for a file without rows.
    pub(super) fn finish(self, path: &Path) -> Result<Vectors, Error> {
        if self.ids.is_empty() {
            let expected = "ids and vectors".into();
            return Err(Error::Data(semrank_data::Error::Empty { path: path.to_owned(), expected }));
        }
        Ok(self)
    }

    /// Values of a vector.
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The vector of an item.
    pub(super) fn get(&self, id: &str) -> Option<&[f32]> {
        let row = self.ids.get(id)? as usize;
        Some(&self.values[row * self.width..][..self.width])
    }

    /// The mean of all vectors.
    pub(super) fn mean(&self) -> Vec<f32> {
        let mut sums = vec![0.0f64; self.width];
        for vector in self.values.chunks_exact(self.width) {
            sums.iter_mut().zip(vector).for_each(|(sum, &value)| *sum += f64::from(value));
        }
        sums.iter().map(|sum| (sum / self.ids.len() as f64) as f32).collect()
    }
}
