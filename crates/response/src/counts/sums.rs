//! Sums of labels of one member of a scope, and what a label adds to them.

/// Sums of one member of a scope, or of all impressions. No sum is an f32: from 2^24 on adding 1 to one changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Sums {
    pub(super) rows: u32,
    pub(super) clicks: u32,
    /// Clicks that may convert, conversions so far, and the same of clicks whose window is over.
    pub(super) convertible: u32,
    pub(super) conversions: u32,
    pub(super) mature: u32,
    pub(super) mature_conversions: u32,
    pub(super) expected: f64,
    /// Clicks minus what the other side of the pair made likely, in standard deviations.
    pub(super) residual: f64,
}

/// What became known of an impression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// Its first label.
    First {
        clicked: bool,
        convertible: bool,
    },
    /// A click after its window was over.
    LateClick {
        convertible: bool,
    },
    Conversion,
    /// The attribution window of its click is over.
    Matured {
        converted: bool,
    },
}

impl Change {
    /// Whether it is a click label, and which.
    pub(super) fn click_label(self) -> Option<bool> {
        match self {
            Change::First { clicked, .. } => Some(clicked),
            Change::LateClick { .. } => Some(true),
            Change::Conversion | Change::Matured { .. } => None,
        }
    }
}

impl Sums {
    /// Adds a label; `slot` is what the slot made likely, `other` what the other side of the pair did.
    pub(super) fn add(&mut self, change: Change, slot: f32, other: f32) {
        match change {
            Change::First { clicked, convertible } => {
                self.rows += 1;
                self.clicks += u32::from(clicked);
                self.convertible += u32::from(convertible);
                self.expected += f64::from(slot);
                self.residual += f64::from(one(clicked) - other);
            }
            Change::LateClick { convertible } => {
                self.clicks += 1;
                self.convertible += u32::from(convertible);
                self.residual += 1.0;
            }
            Change::Conversion => self.conversions += 1,
            Change::Matured { converted } => {
                self.mature += 1;
                self.mature_conversions += u32::from(converted);
            }
        }
    }
}

/// A label as a number.
pub(super) fn one(yes: bool) -> f32 {
    f32::from(u8::from(yes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_totals_count_on_behind_what_an_f32_can() {
        let full = 1 << 24;
        let counted = Sums { rows: full, clicks: full, mature: full, ..Sums::default() };
        let before = Sums { expected: f64::from(full), residual: f64::from(full), ..counted };
        let mut after = before;
        after.add(Change::First { clicked: true, convertible: false }, 0.5, 0.25);
        after.add(Change::Matured { converted: false }, 0.5, 0.25);
        assert_eq!([after.rows, after.clicks, after.mature], [full + 1; 3]);
        let added = (after.expected - before.expected, after.residual - before.residual);
        assert_eq!(added, (0.5, 0.75));
    }
}
