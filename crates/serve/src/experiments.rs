//! Randomised tests of a server: which arm a request is in, and what the other arms would have shown.
//!
//! A request is in the first test that takes it. A unit keeps its arm while the test's traffic grows; what would move units once one of
//! them was exposed is refused at the start. `experiments.json` in the state's folder keeps every definition that was used.

use crate::{OpenError, RankRequest};
use semrank_experiment::assign::Assignment;
use semrank_experiment::definition::{Definition, Unit};
use semrank_experiment::hash::wide;
use semrank_experiment::log::{LoggedExposure, SlateItem, Used};
use semrank_store::{read_json, write_json};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

const FILE: &str = "experiments.json";

/// A definition that a server used.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct UsedDefinition {
    /// When it was first used, and what tells it from others.
    #[serde(flatten)]
    pub used: Used,
    /// Whether a unit was exposed.
    pub exposed: bool,
    /// The definition.
    pub definition: Definition,
}

/// The definitions that servers of a state have used, oldest first; none where there is no such file.
///
/// # Errors
/// A file that cannot be read.
pub fn used_definitions(state: &Path) -> Result<Vec<UsedDefinition>, semrank_store::Error> {
    let path = state.join(FILE);
    if path.exists() { read_json(&path) } else { Ok(Vec::new()) }
}

/// One test.
struct Test {
    definition: Definition,
    assignment: Assignment,
    exposed: AtomicBool,
    /// Hashes of units that this process has exposed, and whether one of their lists would have differed.
    units: Mutex<HashMap<u64, bool>>,
}

/// The tests of a server.
pub(crate) struct Experiments {
    tests: Vec<Test>,
    /// The file, written by one at a time.
    file: Mutex<PathBuf>,
}

/// Where a request is in a test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Place {
    /// Which test, and which of its arms.
    pub(crate) test: usize,
    pub(crate) arm: usize,
    pub(crate) unit: String,
    /// Whether the lists of the other arms are found as well.
    pub(crate) is_shadowed: bool,
}

/// A test's part of an answer, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Name of the test.
    pub experiment: String,
    /// Its phase.
    pub phase: u32,
    /// Place of the arm in the definition.
    pub arm: usize,
    /// Whether another arm would have shown another list; none where that was not found out.
    pub would_differ: Option<bool>,
}

impl Experiments {
    /// Opens the tests of a state; `now_ms` is when a definition that is new there is first used.
    ///
    /// # Errors
    /// [`OpenError::Experiment`]: a unit that requests do not have, two tests of one name, a change that would move units.
    pub(crate) fn open(definitions: &[Definition], state: &Path, now_ms: i64) -> Result<Self, OpenError> {
        let wrong = |definition: &Definition, why: String| OpenError::Experiment {
            name: definition.name.clone(),
            why,
        };
        let mut known = used_definitions(state)?;
        let (before, mut tests) = (known.len(), Vec::new());
        for (at, definition) in definitions.iter().enumerate() {
            if definitions[..at].iter().any(|other| other.name == definition.name) {
                return Err(wrong(definition, "two tests have this name".into()));
            }
            if matches!(definition.unit, Unit::Advertiser | Unit::Item) {
                let why = "a request has no advertiser and no item: `unit` is user, session or request here";
                return Err(wrong(definition, why.into()));
            }
            let of_phase = || {
                known.iter().filter(|one| {
                    (&one.definition.name, one.definition.phase) == (&definition.name, definition.phase)
                })
            };
            let exposed = of_phase().any(|one| one.exposed);
            if exposed && of_phase().any(|one| moves(&one.definition, definition)) {
                let why = "units are exposed, and another unit, hash, salt, namespace or weight would move them between arms; start a new phase (`phase = 2`)";
                return Err(wrong(definition, why.into()));
            }
            let fingerprint = definition.fingerprint();
            if of_phase().next_back().is_none_or(|one| one.used.fingerprint != fingerprint) {
                let used = Used { time: now_ms, fingerprint };
                known.push(UsedDefinition { used, exposed, definition: definition.clone() });
            }
            tests.push(Test {
                assignment: definition.assignment(),
                exposed: AtomicBool::new(exposed),
                units: Mutex::default(),
                definition: definition.clone(),
            });
        }
        if known.len() > before {
            write_json(&state.join(FILE), &known)?;
        }
        Ok(Self { tests, file: Mutex::new(state.join(FILE)) })
    }

    /// The definitions, in the order in which they take requests.
    pub(crate) fn definitions(&self) -> impl Iterator<Item = &Definition> {
        self.tests.iter().map(|test| &test.definition)
    }

    /// Where a request is, if it is in a test.
    pub(crate) fn place(
        &self,
        request: &RankRequest,
        request_id: &str,
        now_ms: Option<i64>,
    ) -> Option<Place> {
        let now_ms = now_ms?;
        self.tests.iter().enumerate().find_map(|(at, test)| {
            let definition = &test.definition;
            let is_on = (definition.start..definition.end_ms()).contains(&now_ms);
            let is_target = |(column, values): (&String, &Vec<String>)| {
                column_of(request, column).is_some_and(|found| values.contains(&found))
            };
            if !is_on || !definition.targeting.iter().all(is_target) {
                return None;
            }
            let unit = match (definition.block(now_ms), definition.unit) {
                (Some((block, _)), _) => block,
                (None, Unit::Request) => request_id.to_owned(),
                (None, Unit::User) => request.user.clone()?,
                (None, unit) => column_of(request, unit.column())?,
            };
            let arm = definition.arm_by(&test.assignment, &unit)?;
            let is_shadowed = definition.is_shadowed(&unit);
            Some(Place { test: at, arm, unit, is_shadowed })
        })
    }

    /// The arm of a unit in a test, whatever the request; none where it takes no part now, an error where there is no such test.
    pub(crate) fn arm_of(&self, name: &str, unit: &str, now_ms: Option<i64>) -> Result<Option<&str>, ()> {
        let test = self.tests.iter().find(|test| test.definition.name == name).ok_or(())?;
        let definition = &test.definition;
        if !now_ms.is_some_and(|now| (definition.start..definition.end_ms()).contains(&now)) {
            return Ok(None);
        }
        let block = now_ms.and_then(|now| definition.block(now)).map(|(block, _)| block);
        let arm = definition.arm_by(&test.assignment, block.as_deref().unwrap_or(unit));
        Ok(arm.map(|arm| definition.arms[arm].name.as_str()))
    }

    /// The row of the log of a request in an arm, and whether a test counts from it: the unit's first one, and the first that would differ
    /// are durable before they are answered. Once a unit is exposed, the file says so.
    pub(crate) fn exposure(
        &self,
        place: &Place,
        shown: Exposed,
    ) -> Result<(Placed, LoggedExposure, bool), semrank_store::Error> {
        let test = &self.tests[place.test];
        let definition = &test.definition;
        if !test.exposed.load(Ordering::Acquire) {
            self.write_exposed(definition)?;
            test.exposed.store(true, Ordering::Release);
        }
        let placed = Placed {
            experiment: definition.name.clone(),
            phase: definition.phase,
            arm: place.arm,
            would_differ: shown.would_differ,
        };
        let differs = shown.would_differ == Some(true);
        let before = {
            let mut units = test.units.lock().unwrap_or_else(PoisonError::into_inner);
            let known = units.get(&wide("unit", &place.unit)).copied();
            units.insert(wide("unit", &place.unit), differs || known == Some(true));
            known
        };
        let counts = before.is_none_or(|differed| differs && !differed);
        let segment = |column: &String| Some((column.clone(), column_of(shown.request, column)?));
        let flag = definition.bots.flag.as_ref().and_then(|flag| column_of(shown.request, flag));
        Ok((
            placed,
            LoggedExposure {
                event_id: format!("{}:{}:{}", shown.request_id, definition.name, definition.phase),
                experiment: definition.name.clone(),
                phase: definition.phase,
                unit: place.unit.clone(),
                arm: definition.arms[place.arm].name.clone(),
                time: shown.now_ms,
                received_at: None,
                request_id: shown.request_id.to_owned(),
                would_differ: shown.would_differ,
                slate: shown.slate,
                bot: flag.is_some_and(|flag| flag == "true" || flag == "1"),
                events_before: shown.events_before as f64,
                predicted: shown.predicted,
                segments: definition.segments.iter().filter_map(segment).collect(),
                micros: shown.micros,
            },
            counts,
        ))
    }

    fn write_exposed(&self, definition: &Definition) -> Result<(), semrank_store::Error> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known: Vec<UsedDefinition> = read_json(&file)?;
        let of_phase = |one: &&mut UsedDefinition| {
            (&one.definition.name, one.definition.phase) == (&definition.name, definition.phase)
        };
        known.iter_mut().filter(of_phase).for_each(|one| one.exposed = true);
        write_json(&file, &known)
    }
}

/// Where an answer of the log was, among these definitions.
pub(crate) fn place_of(definitions: &[Definition], placed: &Placed) -> Option<Place> {
    let is_it = |one: &Definition| (&one.name, one.phase) == (&placed.experiment, placed.phase);
    let test = definitions.iter().position(is_it)?;
    let arm = Some(placed.arm).filter(|&arm| arm < definitions[test].arms.len())?;
    Some(Place { test, arm, unit: String::new(), is_shadowed: placed.would_differ.is_some() })
}

/// What was shown to a unit.
pub(crate) struct Exposed<'a> {
    pub(crate) request: &'a RankRequest,
    pub(crate) request_id: &'a str,
    pub(crate) now_ms: i64,
    pub(crate) would_differ: Option<bool>,
    pub(crate) slate: Vec<SlateItem>,
    pub(crate) events_before: usize,
    pub(crate) predicted: Option<f64>,
    pub(crate) micros: Option<u64>,
}

/// Quotas that an arm sets: `retrieve.SOURCE.quota = N`.
pub(crate) fn overrides(
    definition: &Definition,
    set: &BTreeMap<String, Value>,
) -> Result<BTreeMap<String, usize>, OpenError> {
    let wrong = |key: &str| OpenError::Experiment {
        name: definition.name.clone(),
        why: format!(
            "`{key}` cannot be set by an arm; `retrieve.SOURCE.quota` can, to a number from 0 to 10000"
        ),
    };
    set.iter()
        .map(|(key, value)| {
            let source = key.strip_prefix("retrieve.").and_then(|rest| rest.strip_suffix(".quota"));
            let quota = value.as_u64().filter(|&quota| quota <= crate::MOST_CANDIDATES as u64);
            match (source, quota) {
                (Some(source), Some(quota)) => Ok((source.to_owned(), quota as usize)),
                _ => Err(wrong(key)),
            }
        })
        .collect()
}

/// Whether units of one definition would have other arms by another.
fn moves(old: &Definition, new: &Definition) -> bool {
    let of = |definition: &Definition| {
        let Assignment { salt, hash, weights, namespace, .. } = definition.assignment();
        (salt, hash, weights, namespace, definition.unit, definition.design, definition.switchback)
    };
    let names =
        |definition: &Definition| definition.arms.iter().map(|arm| arm.name.clone()).collect::<Vec<_>>();
    of(old) != of(new) || names(old) != names(new) || new.traffic < old.traffic || new.holdout > old.holdout
}

/// A column of a request, as text.
fn column_of(request: &RankRequest, column: &str) -> Option<String> {
    match column {
        "surface" => request.surface.clone(),
        _ => match request.context.as_ref()?.get(column)? {
            Value::Null => None,
            Value::String(text) => Some(text.clone()),
            other => Some(other.to_string()),
        },
    }
}
