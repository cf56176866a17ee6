//! Lists of candidates for each position: those that do not count, and those that are already in its history.

/// For each position a list of candidates: position `t` owns `indices[offsets[t]..offsets[t + 1]]`, ascending.
#[derive(Debug, Clone, Default)]
pub struct Masked {
    /// `T + 1` offsets.
    pub offsets: Vec<usize>,
    /// Candidates.
    pub indices: Vec<u32>,
}

impl Masked {
    /// No position yet.
    pub fn clear(&mut self) {
        self.indices.clear();
        self.offsets.clear();
        self.offsets.push(0);
    }

    /// Ends the list of the next position; sorts and deduplicates it.
    pub fn end_position(&mut self) {
        let start = *self.offsets.last().unwrap_or(&0);
        self.indices[start..].sort_unstable();
        let mut kept = start;
        for at in start..self.indices.len() {
            if at == start || self.indices[at] != self.indices[kept - 1] {
                self.indices[kept] = self.indices[at];
                kept += 1;
            }
        }
        self.indices.truncate(kept);
        self.offsets.push(kept);
    }

    pub(super) fn of(&self, position: usize) -> &[u32] {
        match self.offsets.get(position..position + 2) {
            Some(ends) => &self.indices[ends[0]..ends[1]],
            None => &[],
        }
    }

    /// The part of a position's list that falls into a tile, relative to the tile.
    pub(super) fn in_tile(&self, position: usize, first: usize, len: usize) -> impl Iterator<Item = usize> {
        let list = self.of(position);
        let start = list.partition_point(|&c| (c as usize) < first);
        list[start..].iter().map(move |&c| c as usize - first).take_while(move |&c| c < len)
    }
}
