//! The way from a raw log to a data set with examples, step by step.

use crate::engine::Engine;
use crate::input::RawLog;
use crate::span::LogSpan;
use crate::sql::{self, Parameters, Query};
use crate::{Attribution, Error, PrepReport, PrepSettings, examples, history};
use semrank_data::{DatasetWriter, Meta, WriterOptions};
use semrank_store::StagedDir;
use std::path::Path;
use std::time::Instant;

/// The log's file name inside a data set folder.
const EVENTS: &str = "events.parquet";

/// Tables in the order in which they need each other, after the view `events`.
const TABLES: [Query; 8] = [
    sql::ACTS,
    sql::LAST_SEEN,
    sql::LINKS,
    sql::CLICKED,
    sql::CONVERSIONS,
    sql::VIEW_THROUGH,
    sql::LABELS,
    sql::KNOWN,
];

/// Makes a data set with examples at `out` of the raw log at `raw`. It appears whole or not at all. `stop` is asked several times a
/// second whether to end early; then nothing is left.
///
/// # Errors
/// [`Error::Stopped`] when `stop` said so.
/// A setting outside its limits, or days that leave a part empty; a log in parts that are years apart; a missing, damaged or impossible file, column or value; an `out` that holds something;
/// too little memory; I/O errors.
pub fn prepare(
    raw: &Path,
    out: &Path,
    settings: &PrepSettings,
    stop: &dyn Fn() -> bool,
) -> Result<PrepReport, Error> {
    let started = Instant::now();
    settings.check()?;
    let mut meta = Meta::read(raw)?;
    let log = RawLog::open(&raw.join(EVENTS))?;
    describe(&mut meta, settings);
    let options = WriterOptions { meta, event_extra: history::columns(&log), ..WriterOptions::default() };
    let extra = options.event_extra.clone();
    let mut writer = DatasetWriter::create(out, options)?;
    writer.copy_items(raw)?;
    // A second stage, which is never committed: it goes with this call, or with the next one if the program is killed.
    let work = StagedDir::new(out)?;
    let engine = Engine::new(settings, work.path(), stop)?;
    let rows = log.register(&engine, settings)?;
    let parameters = Parameters::new(settings, log.context.len(), rows.identified < rows.all);
    let span = LogSpan::find(&engine, &parameters, &raw.join(EVENTS))?;
    engine.table(&sql::DUPLICATES.with(&parameters))?;
    let all = parameters;
    let parameters = all.within(span.first_ms, span.over_ms);
    let mut report = attribute(&engine, &parameters, rows.all)?;
    span.describe(&engine, &all, &mut report)?;
    report.history_events = history::write(&engine, &log, &extra, &mut writer)?;
    examples::write(&engine, &parameters, &log, settings, &writer, &mut report)?;
    report.check_parts(settings)?;
    report.spilled_bytes = engine.spilled_bytes();
    let written = writer.finish()?;
    report.dataset = written.dataset;
    report.hash = written.hash;
    report.seconds = started.elapsed().as_secs_f64();
    report.rows_per_second = report.log_rows as f64 / report.seconds.max(1e-9);
    Ok(report)
}

fn describe(meta: &mut Meta, settings: &PrepSettings) {
    settings.describe(meta);
    // Impressions are not events of the output, so none can be a target.
    meta.target_action = meta.target_action.take().filter(|action| action != "impression");
    let touch = match settings.attribution {
        Attribution::LastTouch => "last",
        Attribution::FirstTouch => "first",
    };
    meta.notes.push(format!("prep: a conversion that names no click is attributed to the {touch} one"));
}

/// Finds out what followed every impression, and counts it.
fn attribute(engine: &Engine<'_>, parameters: &Parameters, rows: u64) -> Result<PrepReport, Error> {
    engine.view(&sql::EVENTS.with(parameters))?;
    TABLES.iter().try_for_each(|query| engine.table(&query.with(parameters)))?;
    let counts = engine.row(&sql::COUNTS.with(parameters))?;
    Ok(PrepReport::new(rows, &counts, &engine.row(&sql::OUTCOMES)?))
}
