//! Impressions that wait for labels, and the labels as they are observed.
//!
//! An impression is shown; then its click is observed, or that the click window is over without one, after which the click may
//! still come late; of a click, its conversion, and that its attribution window is over.
//!
//! ```text
//! shown ── Clicked ──┬─ Converted, Matured in either order
//!    └── NotClicked ─┘ (Clicked later: a late click)
//! ```

use super::Subject;
use super::sums::Change;
use semrank_data::Labels;

/// What is observed of an impression, at the moment it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Label {
    /// It was clicked; also when it was taken for not clicked before.
    Clicked {
        /// Whether a conversion of the click can be attributed at all.
        convertible: bool,
    },
    /// Its click window is over without a click.
    NotClicked,
    /// Its click has converted.
    Converted,
    /// The attribution window of its click is over.
    Matured,
}

/// A label of an impression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LabelEvent {
    /// The number under which the impression was shown.
    pub impression: u64,
    /// What is known now.
    pub label: Label,
}

/// Labels of a row with the times at which they are known, in their order.
pub fn labels_of(labels: &Labels, row: usize) -> Vec<(i64, usize, u8, Label)> {
    let clicked = Label::Clicked { convertible: labels.may_convert(row) };
    let (known, click) = labels.click_known(row);
    let mut out = vec![(known, row, 0, if click { clicked } else { Label::NotClicked })];
    out.extend(labels.late_click(row).map(|known| (known, row, 1, clicked)));
    if labels.may_convert(row) {
        out.extend(labels.conversion_known(row).map(|known| (known, row, 2, Label::Converted)));
        out.push((labels.matured_known(row), row, 3, Label::Matured));
    }
    out
}

/// Expected labels of an impression, kept until its labels are known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Expected {
    /// From its slot.
    pub(crate) slot: f32,
    /// From the user, from the item, from both.
    pub(crate) user: f32,
    pub(crate) item: f32,
    pub(crate) both: f32,
}

/// How far the labels of an impression are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Stage {
    pub(super) waited: bool,
    pub(super) clicked: bool,
    pub(super) convertible: bool,
    pub(super) converted: bool,
    pub(super) matured: bool,
}

impl Stage {
    /// What a label changes; nothing where it is known already, or cannot be.
    pub(super) fn advance(&mut self, label: Label) -> Option<Change> {
        let convertible = self.clicked && self.convertible;
        match label {
            Label::Clicked { convertible } if !self.clicked => {
                (self.clicked, self.convertible) = (true, convertible);
                Some(match self.waited {
                    true => Change::LateClick { convertible },
                    false => Change::First { clicked: true, convertible },
                })
            }
            Label::NotClicked if !self.clicked && !self.waited => {
                self.waited = true;
                Some(Change::First { clicked: false, convertible: false })
            }
            Label::Converted if convertible && !self.converted => {
                self.converted = true;
                Some(Change::Conversion)
            }
            Label::Matured if convertible && !self.matured => {
                self.matured = true;
                Some(Change::Matured { converted: self.converted })
            }
            _ => None,
        }
    }

    /// Whether no label is to come any more.
    pub(super) fn is_settled(self) -> bool {
        self.clicked && (!self.convertible || self.converted && self.matured)
    }

    /// As one number, for a file.
    pub(super) fn bits(self) -> u32 {
        let flags = [self.waited, self.clicked, self.convertible, self.converted, self.matured];
        flags.iter().rev().fold(0, |bits, &flag| bits << 1 | u32::from(flag))
    }

    /// From [`Self::bits`].
    pub(super) fn of_bits(bits: u32) -> Self {
        let flag = |at: u32| bits >> at & 1 == 1;
        let [waited, clicked, convertible, converted, matured] = [0, 1, 2, 3, 4].map(flag);
        Self { waited, clicked, convertible, converted, matured }
    }
}

/// An impression whose labels are not all known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pending {
    pub(super) subject: Subject,
    pub(super) expected: Expected,
    pub(super) stage: Stage,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_counts_once_and_in_its_order() {
        let clicked = Label::Clicked { convertible: true };
        let mut stage = Stage::default();
        assert_eq!(stage.advance(Label::Converted), None, "nothing was clicked");
        let said = [Label::NotClicked, Label::NotClicked, clicked, clicked, Label::Converted, Label::Matured];
        let found = said.map(|label| stage.advance(label));
        let late = Change::LateClick { convertible: true };
        let first = Change::First { clicked: false, convertible: false };
        let (conversion, matured) = (Change::Conversion, Change::Matured { converted: true });
        assert_eq!(found, [Some(first), None, Some(late), None, Some(conversion), Some(matured)]);
        assert_eq!(Stage::of_bits(stage.bits()), stage);
        let mut stage = Stage::default();
        stage.advance(Label::Clicked { convertible: false });
        assert_eq!(stage.advance(Label::Matured), None, "its conversions are not attributed");
    }
}
