//! `flat://`: every vector is looked at, in small integers with a proved bound where the machine is fast at that. Exact.
//!
//! Rows lie in segments of a fixed size, a row at its item's number, each segment behind its own lock. So a change writes one row while
//! searches go on in the other segments, nothing is ever rebuilt, and no row moves when the catalogue grows.

use super::Index;
use crate::Error;
use semrank_nn::scan::{Arena, Bitmap, Hit, Precision, Scan};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Rows of a segment: 64 MiB in f32, 9 MiB in 4-bit integers and 9 MiB in four bits more at width 64. It grows with its rows, by doubling.
const SEGMENT: usize = 1 << 18;

/// The flat index.
pub struct Flat {
    width: usize,
    precision: Precision,
    segments: RwLock<Vec<Arc<RwLock<Scan>>>>,
    arenas: Mutex<Vec<Arena>>,
}

impl Flat {
    /// An empty one for vectors of a width.
    ///
    /// # Panics
    /// When the width is 0.
    pub fn new(width: usize, precision: Precision) -> Self {
        assert!(width > 0, "vectors have a width");
        Self { width, precision, segments: RwLock::default(), arenas: Mutex::default() }
    }

    /// Bytes that were allocated for vectors and their copies.
    pub fn bytes(&self) -> usize {
        let segments = self.segments();
        segments.iter().map(|segment| segment.read().unwrap_or_else(PoisonError::into_inner).bytes()).sum()
    }

    fn segments(&self) -> Vec<Arc<RwLock<Scan>>> {
        self.segments.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The vector and bias of an item.
    #[cfg(feature = "hnsw")]
    pub(super) fn row(&self, item: u32) -> Option<(Vec<f32>, f32)> {
        let segment = self.segments().get(item as usize / SEGMENT)?.clone();
        let segment = segment.read().unwrap_or_else(PoisonError::into_inner);
        let row = item % SEGMENT as u32;
        segment.alive().contains(row).then(|| (segment.row(row).to_vec(), segment.bias()[row as usize]))
    }

    /// The segment of an item, made if need be.
    fn segment(&self, item: u32) -> Arc<RwLock<Scan>> {
        let number = item as usize / SEGMENT;
        if let Some(segment) = self.segments().get(number) {
            return segment.clone();
        }
        let mut segments = self.segments.write().unwrap_or_else(PoisonError::into_inner);
        while segments.len() <= number {
            segments.push(Arc::new(RwLock::new(Scan::new(self.width, self.precision))));
        }
        segments[number].clone()
    }
}

impl Index for Flat {
    fn name(&self) -> &'static str {
        "flat"
    }

    fn width(&self) -> usize {
        self.width
    }

    fn is_exact(&self) -> bool {
        true
    }

    fn put(&self, item: u32, vector: &[f32], bias: f32) -> Result<(), Error> {
        super::check(item, vector, bias, self.width)?;
        let segment = self.segment(item);
        let mut segment = segment.write().unwrap_or_else(PoisonError::into_inner);
        let row = item % SEGMENT as u32;
        let zeros = vec![0.0; self.width];
        while segment.len() < row as usize {
            let empty = segment.push(&zeros, 0.0);
            segment.delete(empty);
        }
        if segment.len() == row as usize {
            segment.push(vector, bias);
        } else {
            segment.set(row, vector, bias);
        }
        Ok(())
    }

    fn clear(&self) -> Result<(), Error> {
        self.segments.write().unwrap_or_else(PoisonError::into_inner).clear();
        Ok(())
    }

    fn vector(&self, item: u32) -> Result<Option<Vec<f32>>, Error> {
        let segments = self.segments();
        let Some(segment) = segments.get(item as usize / SEGMENT) else { return Ok(None) };
        let segment = segment.read().unwrap_or_else(PoisonError::into_inner);
        let row = item % SEGMENT as u32;
        Ok(segment.alive().contains(row).then(|| segment.row(row).to_vec()))
    }

    fn delete(&self, item: u32) -> Result<bool, Error> {
        let segments = self.segments();
        let Some(segment) = segments.get(item as usize / SEGMENT) else { return Ok(false) };
        Ok(segment.write().unwrap_or_else(PoisonError::into_inner).delete(item % SEGMENT as u32))
    }

    fn search(
        &self,
        query: &[f32],
        k: usize,
        slack: Option<f32>,
        eligible: Option<&Bitmap>,
    ) -> Result<Vec<Hit>, Error> {
        if query.len() != self.width {
            return Err(Error::Width { got: query.len(), expected: self.width });
        }
        let arenas = || self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        let mut arena = arenas().pop().unwrap_or_default();
        arena.begin(k, slack);
        for (number, segment) in self.segments().into_iter().enumerate() {
            let segment = segment.read().unwrap_or_else(PoisonError::into_inner);
            segment.search_into(query, (number * SEGMENT) as u32, eligible, &mut arena);
        }
        let found = arena.finish().to_vec();
        arenas().push(arena);
        Ok(found)
    }
}
