//! Contexts of rows and requests as numbers.
//!
//! A context column is read by its type: texts and integers with few different values become rows of a small table; a text
//! column whose values are item ids (such as the page a reader wants to reach) names items; anything else is left out.

use super::settings::PointwiseSettings;
use semrank_core::{Catalog, Dictionary};
use semrank_data::{ContextValues, Examples, Part};
use semrank_store::{read_json, write_json};
use semrank_tower::artefact::Error;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const CONTEXTS: &str = "contexts.json";

/// Most different values of a small context column.
const SMALL: usize = 256;
/// A text column names items when at least this share of its different values are items.
const NAMES_ITEMS: f64 = 0.9;
const HOUR_MS: i64 = 3_600_000;

/// A small context column: 0 = none or never seen in training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct SmallColumn {
    pub(crate) name: String,
    /// Different codes, 0 included.
    pub(crate) values: usize,
    codes: Codes,
}

/// What has which code.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Codes {
    /// The hour of the day (UTC), from 1.
    Hour,
    Texts(BTreeMap<String, u16>),
    Integers(BTreeMap<i64, u16>),
}

/// A value of a request's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextValue<'a> {
    /// Of a text column, or the surface.
    Text(&'a str),
    /// Of a column of integers.
    Integer(i64),
}

/// Contexts of requests as training numbered them; `contexts.json` of a model.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ContextCoder {
    pub(crate) small: Vec<SmallColumn>,
    /// Names of the columns that name items.
    pub(crate) related: Vec<String>,
}

impl ContextCoder {
    /// Codes of the small columns at a time (ms UTC); `value` gives a column's value, none where it is not known.
    pub fn codes<'v>(&self, time: i64, value: impl Fn(&str) -> Option<ContextValue<'v>>) -> Vec<u16> {
        let code = |column: &SmallColumn| match (&column.codes, value(&column.name)) {
            (Codes::Hour, _) => Some(hour(time)),
            (Codes::Texts(codes), Some(ContextValue::Text(text))) => codes.get(text).copied(),
            (Codes::Integers(codes), Some(ContextValue::Integer(number))) => codes.get(&number).copied(),
            _ => None,
        };
        self.small.iter().map(|column| code(column).unwrap_or(0)).collect()
    }

    /// Items that the context names, `u32::MAX` = none; `ids` are those of the catalogue.
    pub fn related<'v>(
        &self,
        ids: &Dictionary,
        value: impl Fn(&str) -> Option<ContextValue<'v>>,
    ) -> Vec<u32> {
        let item = |name: &String| match value(name) {
            Some(ContextValue::Text(text)) => ids.get(text).unwrap_or(u32::MAX),
            _ => u32::MAX,
        };
        self.related.iter().map(item).collect()
    }

    /// Reads `contexts.json` in the folder of a model.
    ///
    /// # Errors
    /// A missing or damaged file.
    pub fn load(dir: &Path) -> Result<Self, Error> {
        Ok(read_json(&dir.join(CONTEXTS))?)
    }

    /// Writes it.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        Ok(write_json(&dir.join(CONTEXTS), self)?)
    }
}

fn hour(time: i64) -> u16 {
    (1 + time.rem_euclid(24 * HOUR_MS) / HOUR_MS) as u16
}

/// Contexts of examples: small columns, and columns that name items.
#[derive(Debug, Clone, Default)]
pub struct Contexts {
    pub(crate) coder: ContextCoder,
    /// `[rows x small]`.
    codes: Vec<u16>,
    /// `[rows x related]`, `u32::MAX` = none.
    related: Vec<u32>,
}

impl Contexts {
    /// Reads the columns of `examples`.
    pub fn new(examples: &Examples, catalog: &Catalog, settings: &PointwiseSettings) -> Self {
        let mut out = Self::default();
        let (mut small, mut related): (Vec<Vec<u16>>, Vec<Vec<u32>>) = Default::default();
        let known = |surface: u8| (surface != u8::MAX).then_some(i64::from(surface));
        let surfaces = examples.surfaces.iter().map(|&surface| known(surface));
        small.extend(out.small("surface", examples, surfaces, Some(&examples.surface_names)));
        if settings.reads_hour {
            out.coder.small.push(SmallColumn { name: "hour".into(), values: 25, codes: Codes::Hour });
            small.push(examples.times.iter().map(|&time| hour(time)).collect());
        }
        for column in &examples.context {
            match &column.values {
                ContextValues::Text { codes, names } => {
                    let items: Vec<u32> =
                        names.names().map(|name| catalog.ids.get(name).unwrap_or(u32::MAX)).collect();
                    let trained = trained_values(examples, codes);
                    let named = trained.iter().filter(|&&code| items[code as usize] != u32::MAX).count();
                    if !trained.is_empty() && named as f64 >= NAMES_ITEMS * trained.len() as f64 {
                        let of = |&code: &u32| items.get(code as usize).copied().unwrap_or(u32::MAX);
                        related.push(codes.iter().map(of).collect());
                        out.coder.related.push(column.name.clone());
                    } else {
                        let known = |code: u32| (code != u32::MAX).then_some(i64::from(code));
                        let values = codes.iter().map(|&code| known(code));
                        small.extend(out.small(&column.name, examples, values, Some(names)));
                    }
                }
                ContextValues::Integer(values) => {
                    let known = |value: i64| (value != i64::MIN).then_some(value);
                    let values = values.iter().map(|&value| known(value));
                    small.extend(out.small(&column.name, examples, values, None));
                }
                ContextValues::Number(_) => {}
            }
        }
        out.codes = by_rows(&small);
        out.related = by_rows(&related);
        out
    }

    /// Adds a column if its training rows have at least two and few different values, and returns its codes; other values are
    /// unknown. `names` are those of the values of a text column.
    fn small(
        &mut self,
        name: &str,
        examples: &Examples,
        values: impl Iterator<Item = Option<i64>> + Clone,
        names: Option<&Dictionary>,
    ) -> Option<Vec<u16>> {
        let mut numbers: BTreeMap<i64, u16> = BTreeMap::new();
        for (value, _) in values.clone().zip(&examples.parts).filter(|(_, part)| **part == Part::Train) {
            let next = numbers.len() as u16 + 1;
            value.map(|value| *numbers.entry(value).or_insert(next));
            if numbers.len() > SMALL {
                return None;
            }
        }
        if numbers.len() < 2 {
            return None;
        }
        let coded = values.map(|value| value.and_then(|v| numbers.get(&v).copied()).unwrap_or(0)).collect();
        let (name, values) = (name.to_owned(), numbers.len() + 1);
        let codes = match names {
            Some(names) => {
                let named = |(value, code)| (names.name(value as u32).to_owned(), code);
                Codes::Texts(numbers.into_iter().map(named).collect())
            }
            None => Codes::Integers(numbers),
        };
        self.coder.small.push(SmallColumn { name, values, codes });
        Some(coded)
    }

    /// How requests are numbered alike.
    pub fn coder(&self) -> &ContextCoder {
        &self.coder
    }

    /// Codes of the small columns of a row, as [`Request`](super::Request) has them.
    pub fn codes(&self, row: usize) -> &[u16] {
        &self.codes[row * self.coder.small.len()..][..self.coder.small.len()]
    }

    /// The items that a row names, `u32::MAX` = none, as [`Request`](super::Request) has them.
    pub fn related(&self, row: usize) -> &[u32] {
        &self.related[row * self.coder.related.len()..][..self.coder.related.len()]
    }
}

/// Columns of one length, row by row.
fn by_rows<T: Copy>(columns: &[Vec<T>]) -> Vec<T> {
    let rows = columns.first().map_or(0, Vec::len);
    (0..rows).flat_map(|row| columns.iter().map(move |column| column[row])).collect()
}

/// The different codes of the training rows.
fn trained_values(examples: &Examples, codes: &[u32]) -> BTreeSet<u32> {
    examples.rows(Part::Train).map(|row| codes[row]).filter(|&code| code != u32::MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_of_256_values_is_small_and_one_of_257_is_not() {
        let settings = PointwiseSettings { reads_hour: false, ..PointwiseSettings::default() };
        for (values, small) in [(256, 1), (257, 0)] {
            let numbers = ContextValues::Integer((0..values).collect());
            let examples = Examples {
                parts: vec![Part::Train; values as usize],
                context: vec![semrank_data::ContextColumn { name: "place".into(), values: numbers }],
                ..Examples::default()
            };
            let contexts = Contexts::new(&examples, &Catalog::default(), &settings);
            assert_eq!(contexts.coder.small.len(), small, "{values} values");
        }
    }

    #[test]
    fn a_request_is_numbered_as_a_row_of_the_same_context() {
        let names: Dictionary = ["left", "right", "i1", "i0"].into_iter().collect();
        let text = |codes: Vec<u32>| ContextValues::Text { codes, names: names.clone() };
        let column = |name: &str, values| semrank_data::ContextColumn { name: name.into(), values };
        let examples = Examples {
            parts: vec![Part::Train, Part::Train, Part::Test],
            users: vec![semrank_core::UserId(0); 3],
            times: vec![0, 5 * HOUR_MS, 30 * HOUR_MS],
            surfaces: vec![1, 0, 1],
            surface_names: ["feed", "search"].into_iter().collect(),
            context: vec![
                column("side", text(vec![1, 0, u32::MAX])),
                column("page", text(vec![2, 3, 3])),
                column("place", ContextValues::Integer(vec![70, -3, 9])),
            ],
            ..Examples::default()
        };
        let catalog = Catalog { ids: ["i0", "i1"].into_iter().collect(), ..Catalog::default() };
        let contexts = Contexts::new(&examples, &catalog, &PointwiseSettings::default());
        let requests = [
            (0, [Some("search"), Some("right"), Some("i1")], 70),
            (5 * HOUR_MS, [Some("feed"), Some("left"), Some("i0")], -3),
            (30 * HOUR_MS, [Some("search"), None, Some("i0")], 9),
        ];
        for (row, (time, [surface, side, page], place)) in requests.into_iter().enumerate() {
            let value = |name: &str| match name {
                "surface" => surface.map(ContextValue::Text),
                "side" => side.map(ContextValue::Text),
                "page" => page.map(ContextValue::Text),
                _ => Some(ContextValue::Integer(place)),
            };
            let coder = contexts.coder();
            assert_eq!(coder.codes(time, value), contexts.codes(row), "row {row}");
            assert_eq!(coder.related(&catalog.ids, value), contexts.related(row), "row {row}");
        }
        assert_eq!(contexts.codes(2), [1, 7, 0, 0], "neither side nor place of the last row is known");
        let dir = tempfile::tempdir().unwrap();
        contexts.coder().save(dir.path()).unwrap();
        assert_eq!(&ContextCoder::load(dir.path()).unwrap(), contexts.coder());
    }
}
