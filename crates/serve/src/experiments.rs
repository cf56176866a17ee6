//! Randomised tests of a server: which arm a request is in, and what the other arms would have shown.
//!
//! A request is in at most one test: two that could take the same one are refused unless their times, their ranges of one namespace or
//! their targets are apart. A unit keeps its arm while the test's traffic grows; what would move units once one of them was exposed is
//! refused at the start. `experiments.json` in the state's folder keeps every definition that was used.

use crate::messages::InTest;
use crate::{OpenError, RankRequest};
use semrank_experiment::assign::Assignment;
use semrank_experiment::definition::{Definition, Design, Unit};
use semrank_experiment::hash::wide;
use semrank_experiment::log::{LoggedExposure, SlateItem, Used};
use semrank_store::{read_json, write_json};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

const FILE: &str = "experiments.json";
/// The arm of an answer whose list is mixed.
const INTERLEAVED: &str = "interleaved";

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

impl UsedDefinition {
    fn is_of(&self, definition: &Definition) -> bool {
        (&self.definition.name, self.definition.phase) == (&definition.name, definition.phase)
    }
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
    fingerprint: String,
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
    /// Seed of the draft by which the lists of both arms are mixed, where they are.
    pub(crate) draft: Option<u64>,
}

/// A test's part of an answer, as the log keeps it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Name of the test.
    pub experiment: String,
    /// Its phase.
    pub phase: u32,
    /// What tells its definition from others.
    pub fingerprint: String,
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
            if let Some(other) = definitions[..at].iter().find(|other| can_meet(other, definition)) {
                let why = format!(
                    "it and {} can take the same request; give them ranges of one namespace, targets or times that are apart",
                    other.name
                );
                return Err(wrong(definition, why));
            }
            if matches!(definition.unit, Unit::Advertiser | Unit::Item)
                || definition.design == Design::BudgetSplit
            {
                let why = "a request has no advertiser, no item and no budget of an arm: `unit` is user, session or request here, `design` user or switchback";
                return Err(wrong(definition, why.into()));
            }
            let of_phase = || known.iter().filter(|one| one.is_of(definition));
            if of_phase().any(|one| one.exposed && moves(&one.definition, definition)) {
                let why = "units are exposed, and another unit, hash, salt, namespace, weight or less traffic would move them between arms; start a new phase (`phase = 2`)";
                return Err(wrong(definition, why.into()));
            }
            let exposed = of_phase().next_back().is_some_and(|one| one.exposed);
            let fingerprint = definition.fingerprint();
            if of_phase().next_back().is_none_or(|one| one.used.fingerprint != fingerprint) {
                let used = Used { time: now_ms, fingerprint: fingerprint.clone() };
                known.push(UsedDefinition { used, exposed, definition: definition.clone() });
            }
            tests.push(Test {
                fingerprint,
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

    /// The definitions.
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
            crate::event::check_id(&unit, "$").ok()?;
            let arm = definition.arm_by(&test.assignment, &unit)?;
            let draft = draft(definition, request_id);
            let is_shadowed = draft.is_some() || definition.is_shadowed(&unit);
            Some(Place { test: at, arm: if draft.is_some() { 0 } else { arm }, unit, is_shadowed, draft })
        })
    }

    /// The arm that a ranking request of a unit with this context would have in a test; none where it takes no part, an error where there is
    /// no such test.
    pub(crate) fn arm_of(
        &self,
        name: &str,
        (unit, context): (&str, &Map<String, Value>),
        now_ms: Option<i64>,
    ) -> Result<Option<&str>, ()> {
        let test = self.tests.iter().position(|test| test.definition.name == name).ok_or(())?;
        let definition = &self.tests[test].definition;
        let mut context = context.clone();
        context.insert(definition.unit.column().to_owned(), unit.into());
        let request = RankRequest {
            user: Some(unit.to_owned()),
            surface: context.get("surface").and_then(Value::as_str).map(str::to_owned),
            context: Some(Value::Object(context)),
            ..RankRequest::default()
        };
        let place =
            self.place(&request, unit, now_ms).filter(|place| place.test == test && place.draft.is_none());
        Ok(place.map(|place| definition.arms[place.arm].name.as_str()))
    }

    /// Says that a unit is exposed, durably, before the first one is.
    ///
    /// # Errors
    /// A disk that fails.
    pub(crate) fn begin(&self, place: &Place) -> Result<(), semrank_store::Error> {
        let test = &self.tests[place.test];
        if test.exposed.load(Ordering::Acquire) {
            return Ok(());
        }
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if !test.exposed.load(Ordering::Acquire) {
            let mut known: Vec<UsedDefinition> = read_json(&file)?;
            let last = known.iter_mut().rev().find(|one| one.is_of(&test.definition));
            last.into_iter().for_each(|one| one.exposed = true);
            write_json(&file, &known)?;
            test.exposed.store(true, Ordering::Release);
        }
        Ok(())
    }

    /// The row of the log of a request in an arm, and what has to be durable before it is answered: a unit's first row, and the first that
    /// would differ.
    pub(crate) fn exposure(&self, place: &Place, shown: Exposed) -> ExposureRow {
        let test = &self.tests[place.test];
        let definition = &test.definition;
        let (unit, differs) = (wide("unit", &place.unit), shown.would_differ == Some(true));
        let before = test.units().get(&unit).copied();
        let counts = before.is_none_or(|differed| differs && !differed) && definition.unit != Unit::Request;
        let placed = Placed {
            experiment: definition.name.clone(),
            phase: definition.phase,
            fingerprint: test.fingerprint.clone(),
            arm: place.arm,
            would_differ: shown.would_differ,
        };
        let segment = |column: &String| Some((column.clone(), column_of(shown.request, column)?));
        let flag = definition.bots.flag.as_ref().and_then(|flag| column_of(shown.request, flag));
        let team = |at: usize| shown.teams.get(at).map(|team| definition.arms[*team].name.clone());
        let row = LoggedExposure {
            event_id: format!("{}:{}:{}", shown.request_id, definition.name, definition.phase),
            experiment: definition.name.clone(),
            phase: definition.phase,
            unit: place.unit.clone(),
            arm: definition.arms[place.arm].name.clone(),
            time: shown.now_ms,
            received_at: shown.received_at,
            request_id: shown.request_id.to_owned(),
            would_differ: shown.would_differ,
            slate: shown
                .slate
                .into_iter()
                .enumerate()
                .map(|(at, item)| SlateItem { team: team(at), ..item })
                .collect(),
            bot: flag.is_some_and(|flag| flag == "true" || flag == "1"),
            events_before: shown.events_before as f64,
            predicted: shown.predicted,
            segments: definition.segments.iter().filter_map(segment).collect(),
            micros: shown.micros,
        };
        (placed, row, counts.then_some(Counted { test: place.test, unit, differs }))
    }

    /// Remembers that a row that a test counts from is durable.
    pub(crate) fn is_durable(&self, Counted { test, unit, differs }: Counted) {
        *self.tests[test].units().entry(unit).or_default() |= differs;
    }

    /// Forgets a user.
    pub(crate) fn forget(&self, user: &str) {
        self.tests.iter().for_each(|test| _ = test.units().remove(&wide("unit", user)));
    }

    /// An arm's name.
    pub(crate) fn in_test(&self, place: &Place) -> InTest {
        let definition = &self.tests[place.test].definition;
        let arm = if place.draft.is_some() { INTERLEAVED } else { &definition.arms[place.arm].name };
        InTest { name: definition.name.clone(), arm: arm.to_owned() }
    }
}

impl Test {
    fn units(&self) -> MutexGuard<'_, HashMap<u64, bool>> {
        self.units.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Of a request in an arm: where it was, the row of the log, and what has to be durable before it is answered.
pub(crate) type ExposureRow = (Placed, LoggedExposure, Option<Counted>);

/// A row that a test counts from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Counted {
    test: usize,
    unit: u64,
    differs: bool,
}

/// Seed of the draft of a request, where lists are mixed.
fn draft(definition: &Definition, request_id: &str) -> Option<u64> {
    let salt = format!("{}:{}:draft", definition.name, definition.phase);
    (definition.design == Design::Interleaving).then(|| wide(&salt, request_id))
}

/// Where an answer of the log was, among these definitions.
pub(crate) fn place_of(definitions: &[Definition], placed: &Placed, request_id: &str) -> Option<Place> {
    let test = definitions.iter().position(|one| one.fingerprint() == placed.fingerprint)?;
    let arm = Some(placed.arm).filter(|&arm| arm < definitions[test].arms.len())?;
    let draft = draft(&definitions[test], request_id);
    let is_shadowed = draft.is_some() || placed.would_differ.is_some();
    Some(Place { test, arm, unit: String::new(), is_shadowed, draft })
}

/// What was shown to a unit.
pub(crate) struct Exposed<'a> {
    pub(crate) request: &'a RankRequest,
    pub(crate) request_id: &'a str,
    pub(crate) now_ms: i64,
    pub(crate) received_at: Option<i64>,
    pub(crate) would_differ: Option<bool>,
    pub(crate) slate: Vec<SlateItem>,
    /// The arm that contributed each item of a mixed list.
    pub(crate) teams: Vec<usize>,
    pub(crate) events_before: usize,
    pub(crate) predicted: Option<f64>,
    pub(crate) micros: Option<u64>,
}

/// Quotas that an arm sets: `retrieve.SOURCE.quota = N`.
///
/// # Errors
/// The key that is something else.
pub(crate) fn overrides(set: &BTreeMap<String, Value>) -> Result<BTreeMap<String, usize>, String> {
    let quota = |(key, value): (&String, &Value)| {
        let source = key.strip_prefix("retrieve.").and_then(|rest| rest.strip_suffix(".quota"));
        let quota = value.as_u64().filter(|&quota| quota <= crate::MOST_CANDIDATES as u64);
        match (source, quota) {
            (Some(source), Some(quota)) => Ok((source.to_owned(), quota as usize)),
            _ => Err(format!(
                "`{key}` cannot be set by an arm; `retrieve.SOURCE.quota` can, to a number from 0 to 10000"
            )),
        }
    };
    set.iter().map(quota).collect()
}

/// Whether units of one definition would have other arms by another.
fn moves(old: &Definition, new: &Definition) -> bool {
    let of = |definition: &Definition| {
        let Assignment { salt, hash, weights, namespace, .. } = definition.assignment();
        (salt, hash, weights, namespace, definition.unit, definition.design, definition.switchback)
    };
    let names =
        |definition: &Definition| definition.arms.iter().map(|arm| arm.name.clone()).collect::<Vec<_>>();
    let starts = old.design == Design::Switchback && old.start != new.start;
    starts
        || of(old) != of(new)
        || names(old) != names(new)
        || new.traffic < old.traffic
        || new.holdout > old.holdout
}

/// Whether one request could be in both tests.
fn can_meet(a: &Definition, b: &Definition) -> bool {
    let apart_in_time = a.end_ms() <= b.start || b.end_ms() <= a.start;
    let has_blocks = [a, b].iter().any(|one| one.design == Design::Switchback);
    let apart_in_units = match (&a.namespace, &b.namespace) {
        (Some(x), Some(y)) if !has_blocks => {
            x.name == y.name && a.unit == b.unit && (x.end <= y.start || y.end <= x.start)
        }
        _ => false,
    };
    let apart_in_targets = a.targeting.iter().any(|(column, values)| {
        b.targeting.get(column).is_some_and(|others| !values.iter().any(|value| others.contains(value)))
    });
    a.name == b.name || !(apart_in_time || apart_in_units || apart_in_targets)
}

/// A column of a request, as text.
fn column_of(request: &RankRequest, column: &str) -> Option<String> {
    match column {
        "surface" => request.surface.clone(),
        _ => match request.context.as_ref()?.get(column)? {
            Value::String(text) => Some(text.clone()),
            Value::Null | Value::Array(_) | Value::Object(_) => None,
            other => Some(other.to_string()),
        },
    }
}
