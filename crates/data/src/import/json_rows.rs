//! JSON objects as rows: one per line, or the elements of arrays over any lines. The columns are the keys of the first 100 objects.
//!
//! A value becomes the text of a cell while the object is read and nothing else of it is kept, so an object takes about as much
//! memory as its text. JSON readers turn integers beyond 64 bits into floats, which may differ from the text: such a cell is marked.

use super::json_values::JsonValues;
use super::rows::{CellKind, Column, Heading, MOST_EXACT_F64, Reader, Row, Rows, float_text, is_exact};
use super::source::{Lines, Place, Source};
use crate::limits::{MOST_COLUMNS, MOST_PEEKED_BYTES};
use crate::{Error, RowError};
use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::path::Path;

/// A line's number and its object, or the error about it.
type Line = (u64, Result<Object, RowError>);

const PEEKED_LINES: usize = 100;

/// A file of JSON objects.
pub(crate) struct JsonRows {
    texts: Texts,
    peeked: VecDeque<Line>,
}

/// Where the text of the next object comes from.
enum Texts {
    Lines(Lines),
    Values(JsonValues),
}

impl Texts {
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>)>, Error> {
        match self {
            Texts::Lines(lines) => {
                let text = lines.next()?.map(<[u8]>::to_vec);
                Ok(text.map(|text| (lines.line, text)))
            }
            Texts::Values(values) => values.next(),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Texts::Lines(lines) => &lines.path,
            Texts::Values(values) => &values.path,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Texts::Lines(lines) => lines.bytes,
            Texts::Values(values) => values.bytes,
        }
    }
}

impl JsonRows {
    /// One object per line; `path` is for messages.
    pub(crate) fn lines(path: &Path, source: Source) -> Result<Rows, Error> {
        Self::open(Texts::Lines(Lines::of(path, source)))
    }

    /// Objects one after the other, or in arrays, over any lines.
    pub(crate) fn values(path: &Path, source: Source) -> Result<Rows, Error> {
        Self::open(Texts::Values(JsonValues::of(path, source)))
    }

    fn open(texts: Texts) -> Result<Rows, Error> {
        let mut heading = Heading::new(texts.path(), Vec::new());
        let mut rows = JsonRows { texts, peeked: VecDeque::new() };
        let mut places = HashMap::new();
        while rows.peeked.len() < PEEKED_LINES
            && rows.texts.bytes() < MOST_PEEKED_BYTES
            && let Some(line) = rows.read()?
        {
            if let (_, Ok(object)) = &line {
                let columns = &mut heading.columns;
                object.0.iter().for_each(|(name, value)| learn(columns, &mut places, name, value));
            }
            rows.peeked.push_back(line);
        }
        let (path, columns) = (heading.path.clone(), heading.columns.len());
        if columns > MOST_COLUMNS {
            let (got, expected) = (format!("{columns} different keys"), format!("{MOST_COLUMNS} at most"));
            return Err(Error::Schema { path, got, expected });
        }
        match rows.peeked.front() {
            None => {
                Err(Error::Empty { path, expected: "one JSON object per line, or an array of them".into() })
            }
            Some((_, Err(error))) if columns == 0 => Err(error.clone().into()),
            Some(_) => Ok(Rows::new(heading, rows)),
        }
    }

    fn read(&mut self) -> Result<Option<Line>, Error> {
        let Some((line, bytes)) = self.texts.next()? else { return Ok(None) };
        let place = Place { file: self.texts.path(), line };
        let object = place.utf8("", &bytes).and_then(|text| {
            serde_json::from_str(text).map_err(|error| place.error("", error.to_string(), "a JSON object"))
        });
        Ok(Some((line, object)))
    }
}

impl Reader for JsonRows {
    fn next(&mut self, heading: &mut Heading, row: &mut Row) -> Result<bool, Error> {
        let next = match self.peeked.pop_front() {
            Some(next) => Some(next),
            None => self.read()?,
        };
        let Some((line, object)) = next else { return Ok(false) };
        row.start(line);
        let object = object?;
        for (_, Column { name, .. }) in heading.selection() {
            match object.0.get(name) {
                None => row.push("", true),
                Some(Json { text: Some(_), exact, list: Some(list), .. }) => row.push_list(list, *exact),
                Some(Json { text: Some(text), exact, .. }) => row.push(text, *exact),
                Some(Json { text: None, .. }) => {
                    let place = row.place(&heading.path);
                    return Err(place.error(name, "an object", "text, a number or a list of them").into());
                }
            }
        }
        Ok(true)
    }

    fn may_lack_columns(&self) -> bool {
        true
    }
}

fn learn(columns: &mut Vec<Column>, places: &mut HashMap<String, usize>, name: &str, value: &Json) {
    match places.get(name) {
        None => {
            places.insert(name.to_owned(), columns.len());
            columns.push(Column { name: name.to_owned(), kind: value.kind.clone() });
        }
        // A float among integers makes all of them floats.
        Some(&at) if value.kind == CellKind::Float && columns[at].kind == CellKind::Integer => {
            columns[at].kind = CellKind::Float;
        }
        Some(&at) if value.kind == CellKind::List => columns[at].kind = CellKind::List,
        Some(_) => {}
    }
}

/// A line's object.
struct Object(BTreeMap<String, Json>);

/// A value as the text of a cell.
struct Json {
    /// None for an object.
    text: Option<String>,
    kind: CellKind,
    /// Whether the text is unchanged, so that it can be an id.
    exact: bool,
    /// The elements of a list.
    list: Option<Vec<String>>,
}

impl Json {
    fn text(text: impl Into<String>) -> Json {
        Json { text: Some(text.into()), kind: CellKind::Text, exact: true, list: None }
    }

    fn integer(text: String) -> Json {
        Json { text: Some(text), kind: CellKind::Integer, exact: true, list: None }
    }
}

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Object, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
        let mut object = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            object.insert(name, value);
            if object.len() > MOST_COLUMNS {
                return Err(A::Error::custom(format!("an object of more than {MOST_COLUMNS} keys")));
            }
        }
        Ok(Object(object))
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(JsonVisitor)
    }
}

struct JsonVisitor;

impl<'de> Visitor<'de> for JsonVisitor {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::text(""))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Json, E> {
        Ok(Json::text(flag.to_string()))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::text(text))
    }

    fn visit_string<E>(self, text: String) -> Result<Json, E> {
        Ok(Json::text(text))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::integer(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::integer(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        // 2^53 itself may have been 2^53 + 1 in the text.
        let exact = is_exact(number, MOST_EXACT_F64 - 1.0);
        Ok(Json { text: Some(float_text(number)), kind: CellKind::Float, exact, list: None })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Json, A::Error> {
        let mut all = Json::text("");
        let mut list = Vec::new();
        while let Some(value) = values.next_element::<Json>()? {
            all.exact &= value.exact;
            match value.text {
                Some(text) => list.push(text),
                None => all.text = None,
            }
        }
        Ok(Json { list: Some(list), kind: CellKind::List, ..all })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Json { text: None, kind: CellKind::Text, exact: true, list: None })
    }
}
