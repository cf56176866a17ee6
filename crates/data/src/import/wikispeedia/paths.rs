//! `paths.parquet` as page numbers: back clicks unrolled, useless paths left out, the rest in the order of a hash.

use super::super::rows::Row;
use super::super::session::Session;
use super::{CLICKS_SEEN, Columns};
use crate::{Error, Part};
use semrank_core::Dictionary;
use std::path::Path;

/// One path.
pub(super) struct Walk {
    /// Pages from the start on, back clicks unrolled.
    pub(super) pages: Vec<u32>,
    pub(super) goal: u32,
    pub(super) reached: bool,
    pub(super) part: Part,
    order: [u8; 16],
}

/// Reads the finished paths, or with `conversions` all of them, and counts those left out.
pub(super) fn read(
    path: &Path,
    conversions: bool,
    links: &[Vec<u32>],
    pages: &mut Dictionary,
    session: &mut Session,
) -> Result<(Vec<Walk>, u64), Error> {
    let mut table = Columns::open(path, ["kind", "path", "target"])?;
    let (mut walks, mut left_out) = (Vec::new(), 0);
    let mut row = Row::default();
    while table.rows.next(&mut row)? {
        let walk = match walk(&mut table, &row, pages, session) {
            Ok(walk) => walk,
            Err(error) => {
                session.reject(error)?;
                continue;
            }
        };
        match walk {
            Some(walk) if !conversions && !walk.reached => drop(walk),
            Some(walk) if usable(&walk, conversions, links) => walks.push(walk),
            _ => left_out += 1,
        }
    }
    session.require_rows(walks.len() as u64, path, "a row for each path")?;
    table.warn(session);
    walks.sort_by(|a, b| (&a.order, &a.pages).cmp(&(&b.order, &b.pages)));
    Ok((walks, left_out))
}

/// A row as a path; none where its goal is no page.
fn walk(
    table: &mut Columns<3>,
    row: &Row,
    numbers: &mut Dictionary,
    session: &Session,
) -> Result<Option<Walk>, Error> {
    let Columns { path: file, cells: [kind, path, target], absent: [_, in_paths, targets], .. } = table;
    let place = row.place(file);
    let reached = match kind.of(row) {
        "finished" => true,
        "unfinished" => false,
        other => return Err(place.error(&kind.name, format!("`{other}`"), "finished or unfinished").into()),
    };
    let goal = target.id(row, file)?;
    targets.count(goal);
    if session.check_item(place, &target.name, goal).is_err() {
        return Ok(None);
    }
    let mut pages = Vec::new();
    for word in path.of(row).split_ascii_whitespace() {
        if word == "<" {
            // The start page cannot be left backwards.
            pages.truncate(pages.len().saturating_sub(1).max(1));
        } else {
            session.check_item(place, &path.name, word)?;
            in_paths.count(word);
            pages.push(numbers.insert(word));
        }
    }
    let hash = blake3::hash(format!("{} > {goal}", path.of(row)).as_bytes());
    let mut order = [0; 16];
    order.copy_from_slice(&hash.as_bytes()[..16]);
    // Another byte range than the order's, so that a part is no range of time.
    let tenth = hash.as_bytes()[16..24].iter().fold(0u64, |n, &byte| n << 8 | u64::from(byte)) % 10;
    let part = match tenth {
        0..8 => Part::Train,
        8 => Part::Valid,
        _ => Part::Test,
    };
    Ok(Some(Walk { pages, goal: numbers.insert(goal), reached, part, order }))
}

fn usable(walk: &Walk, conversions: bool, links: &[Vec<u32>]) -> bool {
    let shown = |page: u32| links.get(page as usize).map_or(&[][..], Vec::as_slice);
    let linked = walk.pages.windows(2).all(|step| shown(step[0]).binary_search(&step[1]).is_ok());
    let least = if conversions { CLICKS_SEEN + 1 } else { 2 };
    let enough = walk.pages.len() >= least;
    let open = !conversions || !walk.pages.iter().take(CLICKS_SEEN + 1).any(|&page| page == walk.goal);
    linked && enough && open
}
