//! Paths as events and examples.

use super::super::session::Session;
use super::CLICKS_SEEN;
use super::paths::Walk;
use crate::{
    ColumnType, Error, EventRow, ExampleRow, ExamplesWriter, ExtraColumn, OptionalColumn, Value, When,
};
use semrank_core::{Dictionary, narrow};

/// The first page view of the first path (2011-02-01 UTC); any time would do.
const START_MS: i64 = 1_296_518_400_000;
/// From page to page.
const STEP_MS: i64 = 1000;
/// From a page's arrival to its links being shown.
const SHOWN_AFTER_MS: i64 = 1;

/// Every link of every page of every path.
pub(super) fn clicks(
    walks: &[Walk],
    pages: &Dictionary,
    links: &[Vec<u32>],
    action: &str,
    session: &mut Session,
) -> Result<(), Error> {
    // The last page of a path is the goal, from which nobody looks further.
    events(walks, |walk| walk.pages.len() - 1, pages, action, session)?;
    let mut writer = ExamplesWriter::create(session.folder(), &[OptionalColumn::RequestId], &goal_column())?;
    let mut seq = 0;
    for (number, (walk, start)) in walks.iter().zip(starts(walks)).enumerate() {
        let user = user(number);
        let goal = [Value::Text(pages.name(walk.goal))];
        for (view, step) in walk.pages.windows(2).enumerate() {
            let request = format!("{user}-{view}");
            for &link in &links[step[0] as usize] {
                let item = pages.name(link);
                writer.push(&ExampleRow {
                    part: walk.part,
                    user: &user,
                    item,
                    timestamp: start + view as i64 * STEP_MS + SHOWN_AFTER_MS,
                    seq,
                    history_end: narrow::count(view + 1),
                    click: link == step[1],
                    request: Some(&request),
                    context: &goal,
                    ..ExampleRow::default()
                })?;
                session.example(walk.part, item);
                seq += 1;
            }
        }
    }
    writer.close()?;
    Ok(())
}

/// The click [`CLICKS_SEEN`] of every path.
pub(super) fn conversions(
    walks: &[Walk],
    pages: &Dictionary,
    action: &str,
    session: &mut Session,
) -> Result<(), Error> {
    events(walks, |_| CLICKS_SEEN, pages, action, session)?;
    let optional = [OptionalColumn::LabelConversion];
    let mut writer = ExamplesWriter::create(session.folder(), &optional, &goal_column())?;
    for (number, (walk, start)) in walks.iter().zip(starts(walks)).enumerate() {
        let item = pages.name(walk.pages[CLICKS_SEEN]);
        writer.push(&ExampleRow {
            part: walk.part,
            user: &user(number),
            item,
            timestamp: start + CLICKS_SEEN as i64 * STEP_MS,
            seq: number as i64,
            history_end: CLICKS_SEEN as u32,
            click: true,
            conversion: Some(walk.reached),
            context: &[Value::Text(pages.name(walk.goal))],
            ..ExampleRow::default()
        })?;
        session.example(walk.part, item);
    }
    writer.close()?;
    Ok(())
}

/// The first `seen` pages of every path.
fn events(
    walks: &[Walk],
    seen: impl Fn(&Walk) -> usize,
    pages: &Dictionary,
    action: &str,
    session: &mut Session,
) -> Result<(), Error> {
    for (number, (walk, start)) in walks.iter().zip(starts(walks)).enumerate() {
        let user = user(number);
        for (view, &page) in walk.pages[..seen(walk)].iter().enumerate() {
            let time = When::Time(start + view as i64 * STEP_MS);
            session.event(&EventRow { user: &user, item: pages.name(page), action, time, extra: &[] })?;
        }
    }
    Ok(())
}

/// When each path starts: every path takes as long as the longest one, so that the gaps tell nothing of its length.
fn starts(walks: &[Walk]) -> impl Iterator<Item = i64> {
    let longest = walks.iter().map(|walk| walk.pages.len()).max().unwrap_or(0) as i64;
    (0..).map(move |number| START_MS + number * longest * STEP_MS)
}

fn user(number: usize) -> String {
    format!("p{number:05}")
}

fn goal_column() -> [ExtraColumn; 1] {
    [ExtraColumn { name: "goal".into(), kind: ColumnType::Text }]
}
