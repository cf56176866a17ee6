//! Columns that determine the label on their own: mostly they hold what happened afterwards, such as the landing page of a click.
//!
//! A column decides the label of the training rows when each of its few values, the empty one included, has one label only, or when
//! its numbers for one label all lie below those for the other.

use super::super::duplicates::hash;
use super::context::Kept;
use std::collections::HashMap;

/// Fewest rows of each label, and of all rows: with fewer it may be chance.
const LEAST_OF_A_LABEL: u64 = 5;
const LEAST_ROWS: u64 = 20;
/// Rows for each value.
const ROWS_A_VALUE: u64 = 5;
/// More different values are not kept apart.
const MOST_VALUES: usize = 1000;

/// One for each further column.
#[derive(Default)]
pub(super) struct Deciders {
    columns: Vec<Decider>,
    rows: [u64; 2],
}

#[derive(Default, Clone)]
struct Decider {
    /// The label of each value; none once there are too many, or one has both.
    values: Option<HashMap<u64, bool>>,
    /// The least and the greatest number of each label; none once a value is not a number.
    ranges: Option<[Option<[f64; 2]>; 2]>,
}

impl Deciders {
    pub(super) fn new(columns: usize) -> Deciders {
        let fresh = Decider { values: Some(HashMap::new()), ranges: Some([None; 2]) };
        Deciders { columns: vec![fresh; columns], rows: [0; 2] }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, label: bool, values: &[Kept]) {
        self.rows[usize::from(label)] += 1;
        self.columns.iter_mut().zip(values).for_each(|(column, value)| column.add(label, value));
    }

    /// Which columns decide the label.
    pub(super) fn found(&self) -> Vec<usize> {
        let rows = self.rows[0] + self.rows[1];
        if rows < LEAST_ROWS || self.rows.iter().any(|&rows| rows < LEAST_OF_A_LABEL) {
            return Vec::new();
        }
        (0..self.columns.len()).filter(|&column| self.columns[column].decides(rows)).collect()
    }
}

impl Decider {
    fn add(&mut self, label: bool, value: &Kept) {
        if let Some(values) = &mut self.values {
            let code = match value {
                Kept::Null => hash(0),
                Kept::Text(text) => hash((1, text)),
                Kept::Integer(integer) => hash((2, integer)),
                Kept::Number(number) => hash((3, number.to_bits())),
            };
            let pure = *values.entry(code).or_insert(label) == label;
            if !pure || values.len() > MOST_VALUES {
                self.values = None;
            }
        }
        let number = match value {
            Kept::Integer(integer) => Some(*integer as f64),
            Kept::Number(number) => Some(*number),
            Kept::Null | Kept::Text(_) => None,
        };
        match (&mut self.ranges, number) {
            (Some(ranges), Some(number)) => {
                let [low, high] = ranges[usize::from(label)].get_or_insert([number; 2]);
                (*low, *high) = (low.min(number), high.max(number));
            }
            _ => self.ranges = None,
        }
    }

    fn decides(&self, rows: u64) -> bool {
        let few = |values: &HashMap<u64, bool>| values.len() as u64 * ROWS_A_VALUE <= rows;
        let apart = |ranges: &[Option<[f64; 2]>; 2]| match ranges {
            [Some(zero), Some(one)] => zero[1] < one[0] || one[1] < zero[0],
            _ => false,
        };
        self.values.as_ref().is_some_and(few) || self.ranges.as_ref().is_some_and(apart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_that_tell_the_label_are_found() {
        let text = |text: &str| Kept::Text(text.into());
        let mut deciders = Deciders::new(5);
        for row in 0..40i64 {
            let label = row % 3 == 0;
            deciders.add(
                label,
                &[
                    if label { text("page") } else { Kept::Null },
                    Kept::Number(if label { 10.0 + row as f64 } else { row as f64 * 0.1 }),
                    text(if row % 2 == 0 { "top" } else { "side" }),
                    Kept::Integer(row),
                    text(&row.to_string()),
                ],
            );
        }
        assert_eq!(deciders.found(), [0, 1]);
        let mut few = Deciders::new(1);
        (0..10).for_each(|row| few.add(row % 2 == 0, &[Kept::Integer(row % 2)]));
        assert_eq!(few.found(), [0; 0]);
    }
}
