//! Where a served click model begins, and what is still to come of the rows that it has seen.

use super::click_model::{ClickModel, click_inputs};
use crate::{Context, Error, Run};
use semrank_core::ItemId;
use semrank_data::{Labels, Part, Windows};
use semrank_response::{LabelEvent, NO_SLOT, labels_of};

/// Where its features begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Beginning {
    /// After everything that the data set holds.
    #[default]
    End,
    /// Just before the first test row, as an evaluation does: for comparing with one.
    Test,
}

/// An impression of the data set whose labels may still come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenImpression {
    /// Its number.
    pub impression: u64,
    /// The user's id.
    pub user: String,
    /// The item.
    pub item: ItemId,
    /// When it was shown (ms UTC).
    pub time: i64,
    /// When its click happened, and when it is known (ms UTC).
    pub click: Option<[i64; 2]>,
}

/// What is still to come of the data set's rows.
#[derive(Debug, Clone, Default)]
pub struct Coming {
    /// When labels can no longer change.
    pub windows: Windows,
    /// Whether clicks convert in this data set.
    pub convertible: bool,
    /// Labels and when they are known (ms UTC), in their order.
    pub labels: Vec<(i64, LabelEvent)>,
    /// Impressions whose windows are open at the end of the data set, oldest first.
    pub impressions: Vec<OpenImpression>,
    /// Number of the next impression.
    pub next_impression: u64,
    /// The moment up to which it is (ms UTC).
    pub begins: i64,
}

impl ClickModel {
    /// The model of a finished run, and what is to come of the rows that it has seen; a label may come so many milliseconds after its
    /// window.
    ///
    /// # Errors
    /// As for [`ClickModel::open`]; [`Error::Interrupted`].
    pub fn open_at(
        mut run: Run,
        (from, late_ms): (Beginning, i64),
        context: &Context,
    ) -> Result<(Self, Coming), Error> {
        let inputs = click_inputs(&mut run)?;
        let (out, data, examples) = (Self::of(&inputs)?, inputs.data, inputs.examples);
        let labels = Labels::new(&data.dataset, examples);
        let first = examples.rows(Part::Test).next().unwrap_or(examples.len());
        let end = if from == Beginning::Test { first } else { examples.len() };
        let time_of = |row: usize| examples.times.get(row).copied().unwrap_or(labels.end);
        let is_coming = |label: &(i64, usize, u8, _)| label.0 >= time_of(first);
        let mut coming: Vec<_> = (0..end).flat_map(|row| labels_of(&labels, row)).filter(is_coming).collect();
        coming.sort_by_key(|&(known, row, order, _)| (known, row, order));
        let label = |&(known, row, _, label): &(i64, usize, u8, _)| {
            (known, LabelEvent { impression: row as u64, label })
        };
        let mut coming: Vec<(i64, LabelEvent)> = coming.iter().map(label).collect();
        let mut taken = 0;
        for row in first..end {
            context.check()?;
            let known = coming[taken..].partition_point(|(known, _)| *known < examples.times[row]);
            coming[taken..][..known].iter().for_each(|(_, label)| _ = out.observe(*label));
            taken += known;
            out.refresh();
            let user = examples.user_names.name(examples.users[row].0);
            let slot = examples.slots.get(row).copied().filter(|&slot| slot != NO_SLOT);
            out.shown(user, (examples.items[row], slot), Some(row as u64));
        }
        coming.drain(..taken);
        let begins = time_of(end);
        // Before the test, the data set has all labels that are to come.
        let is_open =
            |row: &usize| from == Beginning::End && labels.closed(*row).saturating_add(late_ms) >= begins;
        if from == Beginning::End {
            let closed: Vec<u64> = (0..end).filter(|row| !is_open(row)).map(|row| row as u64).collect();
            out.settle(&[], &closed);
        }
        let open = |row: usize| OpenImpression {
            impression: row as u64,
            user: examples.user_names.name(examples.users[row].0).to_owned(),
            item: examples.items[row],
            time: examples.times[row],
            click: labels.click_arrived(row).map(|known| [labels.click_time(row), known]),
        };
        let coming = Coming {
            windows: labels.windows,
            convertible: !examples.conversions.is_empty(),
            labels: coming,
            impressions: (0..end).filter(is_open).map(open).collect(),
            next_impression: examples.len() as u64,
            begins,
        };
        Ok((out, coming))
    }
}
