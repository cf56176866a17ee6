//! A market as a data set: items with title, description, birth and advertiser; events in order of time.

use crate::{Market, MarketEvent};
use semrank_data::{
    ColumnType, DatasetWriter, Error, EventRow, ExtraColumn, ImportReport, ItemRow, Meta, Value, When,
    WriterOptions,
};
use std::path::Path;

impl Market {
    /// Writes the market as a data set folder at `dir`, which must not exist yet (or be empty). Item rows
    /// keep the order of [`Market::items`]; events are in order of time as in a real log, not by user.
    ///
    /// # Errors
    /// When `dir` holds something, or on I/O errors; then no data set is left behind.
    pub fn write(&self, dir: &Path) -> Result<ImportReport, Error> {
        let mut writer = DatasetWriter::create(dir, self.options())?;
        for item in self.items() {
            let advertiser = item.advertiser.as_deref().map_or(Value::Null, Value::Text);
            writer.item(&ItemRow {
                id: &item.id,
                kind: item.kind,
                texts: &[&item.title, &item.description],
                active_from: Some(item.active_from_ms),
                extra: &[advertiser],
                ..ItemRow::default()
            })?;
        }
        let mut log: Vec<&MarketEvent> = self.events().iter().collect();
        log.sort_by_key(|event| event.time_ms);
        for event in log {
            writer.event(&EventRow {
                user: &self.users()[event.user].id,
                item: &self.items()[event.item].id,
                action: event.action.name(),
                time: When::Time(event.time_ms),
                extra: &[Value::Integer(event.dwell_ms)],
            })?;
        }
        writer.finish()
    }

    fn options(&self) -> WriterOptions {
        let column = |name: &str, kind| vec![ExtraColumn { name: name.into(), kind }];
        WriterOptions {
            meta: Meta {
                name: "market".into(),
                source: format!("simulated market, seed {}", self.config().seed),
                licence: "Apache-2.0".into(),
                text: vec!["title".into(), "description".into()],
                time_unit: Some("ms".into()),
                ..Meta::default()
            },
            item_extra: column("advertiser_id", ColumnType::Text),
            event_extra: column("dwell_ms", ColumnType::Integer),
            ..WriterOptions::default()
        }
    }
}
