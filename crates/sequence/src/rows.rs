//! Rows of a table from items to items: their values summed up, and the strongest of them.

/// Sums of values by item, in a buffer as long as the catalogue that is empty between two rows.
pub(crate) struct Sums {
    values: Vec<f32>,
    met: Vec<u32>,
}

impl Sums {
    pub(crate) fn new(items: usize) -> Self {
        Self { values: vec![0.0; items], met: Vec::new() }
    }

    pub(crate) fn add(&mut self, item: u32, value: f32) {
        let sum = &mut self.values[item as usize];
        if *sum == 0.0 {
            self.met.push(item);
        }
        *sum += value;
    }

    /// The items in the order in which they were met, with their sums; one whose sum was 0 on the way may come again, with 0.
    pub(crate) fn take(&mut self) -> impl Iterator<Item = (u32, f32)> {
        self.met.drain(..).map(|item| (item, std::mem::take(&mut self.values[item as usize])))
    }
}

/// The strongest `top` entries of a row, strongest first; of equal ones those of the first items.
pub(crate) fn strongest(mut row: Vec<(u32, f32)>, top: usize) -> Vec<(u32, f32)> {
    let order = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if top < row.len() {
        row.select_nth_unstable_by(top, order);
        row.truncate(top);
    }
    row.sort_unstable_by(order);
    // Rows of a whole catalogue are kept, and most of what was found is not.
    row.shrink_to_fit();
    row
}
