//! What a report says of clicks and conversions.

use super::links::{Clicked, by_click, by_view, clicked, counted, impression_of, parent_of, touched};
use crate::common::Row;
use semrank_prep::{ClickCounts, ConversionCounts, PrepSettings};

/// What the reports of several logs say of clicks and conversions.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) duplicates: u64,
    pub(crate) strays: u64,
    pub(crate) skewed: u64,
    pub(crate) late: u64,
    pub(crate) clicks: ClickCounts,
    pub(crate) conversions: ConversionCounts,
}

impl Counts {
    /// Adds a log and its clean version; duplicates are counted before rows outside of the span are left out.
    pub(crate) fn add(&mut self, rows: &[Row], log: &[Row], settings: &PrepSettings) {
        for row in log {
            let stated = rows.iter().find(|other| other.seq == row.seq).unwrap().time;
            self.skewed += u64::from(stated != row.time);
            let delay = row.received.map_or(0, |received| received - row.time);
            self.late += u64::from(delay > settings.late_seconds * 1000);
        }
        let clicked = clicked(log, settings);
        for (at, row) in log.iter().enumerate() {
            match row.action.as_str() {
                "click" => self.add_click(log, at, &clicked, settings),
                "conversion" => self.add_conversion(log, at, &clicked, settings),
                _ => {}
            }
        }
    }

    fn add_click(&mut self, log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) {
        let counts = &mut self.clicks;
        counts.total += 1;
        let group = match (impression_of(log, at), counted(log, at, settings)) {
            (None, _) if log[at].parent.is_some() => &mut counts.orphaned,
            (None, _) => &mut counts.unattributed,
            (_, None) => &mut counts.out_of_window,
            _ if clicked.iter().any(|other| other.click == at) => &mut counts.attributed,
            _ => &mut counts.repeated,
        };
        *group += 1;
    }

    fn add_conversion(&mut self, log: &[Row], at: usize, clicked: &[Clicked], settings: &PrepSettings) {
        let counts = &mut self.conversions;
        counts.total += 1;
        let names_a_click = parent_of(log, at).is_some_and(|parent| log[parent].action == "click");
        let group = if by_click(log, at, clicked, settings).is_some() {
            &mut counts.attributed
        } else if by_view(log, at, clicked, settings).is_some() {
            &mut counts.view_through
        } else if log[at].parent.is_some() && !names_a_click {
            &mut counts.orphaned
        } else if touched(log, at, clicked, settings).is_some() {
            &mut counts.out_of_window
        } else {
            &mut counts.unattributed
        };
        *group += 1;
    }
}
