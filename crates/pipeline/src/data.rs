//! A data set as the stages see it: opened, hashed, divided, with what a fit may see of it.

use crate::config::{Config, Task};
use crate::error::Error;
use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Segment, UserId, narrow, segments};
use semrank_data::{
    Case, Dataset, Examples, FitScope, FurtherColumn, ItemColumn, Split, SplitKind, hash_dataset,
};
use semrank_sequence::{Shape, TrainingData};
use semrank_tokens::SemanticIds;
use serde_json::json;
use std::path::{Path, PathBuf};

/// Which held-out cases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Used once, to report.
    Test,
    /// Used to choose the epoch and the blend: its metrics are optimistic.
    Validation,
}

impl Part {
    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Part::Test => "test",
            Part::Validation => "validation",
        }
    }

    /// Its cases.
    pub fn cases(self, data: &Data) -> &[Case] {
        self.of(&data.split)
    }

    /// Its cases in a split.
    pub fn of(self, split: &Split) -> &[Case] {
        match self {
            Part::Test => &split.test,
            Part::Validation => &split.validation,
        }
    }
}

/// A data set, divided as the task says.
#[derive(Debug)]
pub struct Data {
    /// Items, users and events.
    pub dataset: Dataset,
    /// Absolute.
    pub path: PathBuf,
    /// Of the content, not of the place.
    pub hash: String,
    /// Cases of the next-item task.
    pub split: Split,
    /// Labelled rows, of the tasks that learn from them.
    pub examples: Option<Examples>,
    /// What a fit may see.
    pub scope: FitScope,
    /// The time (ms UTC) at which items are taken, where they are not those of the end of the log.
    texts_at: Option<i64>,
    /// When each item may be shown; empty where nothing is known or the log has no times.
    active: Vec<(i64, i64)>,
    /// Time of the last event, wrong clocks left out.
    now: i64,
}

impl Data {
    /// Opens and divides a data set.
    ///
    /// # Errors
    /// A folder that is not a data set; one without examples, where the task learns from them.
    pub fn open(path: &Path, config: &Config) -> Result<Data, Error> {
        Self::of_training(path, config, 0)
    }

    /// The same of the training events alone, or, with more `cuts`, of the training events of those.
    pub(crate) fn of_training(path: &Path, config: &Config, cuts: usize) -> Result<Data, Error> {
        let mut dataset = Dataset::open(path)?;
        for _ in 0..cuts {
            let split = Split::new(&dataset, config.data.split.of(&dataset))?;
            dataset.events = dataset.events.until(FitScope::of_split(&dataset, &split).ends());
        }
        let examples = match config.task {
            Task::NextItem => None,
            Task::Ctr | Task::Oc if !Examples::exist(path) => {
                return Err(Error::NoExamples { dataset: dataset.meta.name });
            }
            Task::Ctr | Task::Oc => Some(Examples::open(path, &dataset)?),
        };
        let mut hash = hash_dataset(path)?;
        if cuts > 0 {
            hash += &format!("-cut-{cuts}");
        }
        let split = Split::new(&dataset, config.data.split.of(&dataset))?;
        let scope_of = |dataset: &Dataset| match &examples {
            Some(examples) => FitScope::of_examples(dataset, examples),
            None => FitScope::of_split(dataset, &split),
        };
        let mut scope = scope_of(&dataset);
        let mut texts_at = None;
        if let Some(cut) = scope.texts_before()
            && let Some(written) = dataset.take_items_as_of(path, cut - 1)?
        {
            texts_at = Some(cut - 1);
            scope = scope_of(&dataset).with_texts_of(&written);
        }
        let active = active(&dataset);
        let path = std::path::absolute(path).map_err(Error::io("find", path))?;
        let now = dataset.events.end().unwrap_or(i64::MIN);
        Ok(Data { dataset, path, hash, split, examples, scope, texts_at, active, now })
    }

    /// How many cases a part would have in another split.
    ///
    /// # Errors
    /// A data set that cannot be split so.
    pub fn cases_of(&self, part: Part, kind: SplitKind) -> Result<usize, Error> {
        Ok(part.of(&Split::new(&self.dataset, kind)?).len())
    }

    /// Checks that there is something to train on and to test on.
    ///
    /// # Errors
    /// [`Error::OneMoment`], [`Error::NoCasesInTime`], [`Error::TooSmall`].
    pub fn check_size(&self) -> Result<(), Error> {
        if self.split.kind == SplitKind::Time && self.is_one_moment() {
            return Err(Error::OneMoment { dataset: self.dataset.meta.name.clone() });
        }
        let dataset = || self.dataset.meta.name.clone();
        let is_empty = self.split.test.is_empty() || self.split.validation.is_empty();
        if is_empty && self.split.kind == SplitKind::Time {
            let others = self.cases_of(Part::Test, SplitKind::LeaveOneOut)?;
            if others > 0 {
                return Err(Error::NoCasesInTime { dataset: dataset(), others });
            }
        }
        let small = |what| Err(Error::TooSmall { dataset: dataset(), what });
        if self.split.test.is_empty() {
            return small("no test case: no user has a target with a history before it");
        }
        if self.split.validation.is_empty() {
            return small("no validation case: no user has enough events");
        }
        if self.scope.counts().iter().all(|&count| count == 0) {
            return small("no training event of the target action");
        }
        Ok(())
    }

    /// Whether all of several events have the same time.
    fn is_one_moment(&self) -> bool {
        let times = self.dataset.events.times();
        times.len() > 1 && times.iter().all(|time| *time == times[0])
    }

    /// What training may see; `content` is `[items x width]` or empty.
    pub fn training<'a>(&'a self, content: &'a [f32], tokens: Option<&'a SemanticIds>) -> TrainingData<'a> {
        TrainingData {
            events: &self.dataset.events,
            train_ends: self.scope.ends(),
            target: self.dataset.target_action(),
            counts: self.scope.counts(),
            content,
            tokens,
            actions: self.dataset.actions.len(),
            active: &self.active,
        }
    }

    /// Items of a user's events of the target action before `end`, oldest first.
    pub fn engaged(&self, user: UserId, end: usize) -> Vec<ItemId> {
        let history = self.dataset.events.before(user, end);
        let target = self.dataset.target_action();
        let events = history.items.iter().zip(history.actions);
        events
            .filter(|(_, action)| target.is_none_or(|target| target == **action))
            .map(|(item, _)| *item)
            .collect()
    }

    /// A log of one user who engaged with these items, oldest first, at the end of the data set's time.
    pub fn log_of(&self, items: &[ItemId]) -> EventLog {
        let action = self.dataset.target_action().unwrap_or(ActionId(0));
        let mut log = EventLogBuilder::default();
        for (at, &item) in items.iter().enumerate() {
            let time = if self.dataset.events.timed() { self.now } else { at as i64 };
            log.push(UserId(0), Event { item, action, time });
        }
        log.finish(1, self.dataset.events.timed())
    }

    /// What the data set fixes about a network.
    pub fn shape(&self, content: usize) -> Shape {
        Shape {
            items: self.dataset.catalog.len(),
            content,
            actions: self.dataset.actions.len(),
            timed: self.dataset.events.timed(),
        }
    }

    /// Whether items have texts.
    pub fn has_text(&self) -> bool {
        self.dataset.catalog.texts.iter().any(|column| column.values.iter().any(|text| !text.is_empty()))
    }

    /// What a stage's key holds of the scope.
    pub(crate) fn scope_key(&self) -> serde_json::Value {
        let mut key = json!({
            "kind": self.scope.kind(),
            "labels_before": self.scope.labels_before(),
            "chosen_before": self.scope.chosen_before(),
        });
        if let Some(time) = self.texts_at {
            key["texts_at"] = json!(time);
        }
        key
    }

    /// A further column of the items, taken at the time at which these are.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn item_column(&self, name: &str) -> Result<ItemColumn, Error> {
        let time = self.texts_at.unwrap_or(i64::MAX);
        Ok(ItemColumn::open(&self.path, &self.dataset, name, time)?.unwrap_or_default())
    }

    /// The further columns of the items that `wanted` asks for by name, taken at the same time.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn further_columns(&self, wanted: &dyn Fn(&str) -> bool) -> Result<Vec<FurtherColumn>, Error> {
        let time = self.texts_at.unwrap_or(i64::MAX);
        Ok(FurtherColumn::open(&self.path, &self.dataset, wanted, time)?)
    }

    /// Head, torso, tail or new, one per item.
    pub fn segments(&self) -> Vec<Segment> {
        segments(self.scope.counts(), |item| self.dataset.catalog.name(ItemId(narrow::index(item))))
    }

    /// Time of the last event (ms UTC), wrong clocks left out; none where the log has no times.
    pub fn now(&self) -> Option<i64> {
        self.dataset.events.timed().then_some(self.now)
    }

    /// Whether an item may be shown after the last event of the log.
    pub fn active_now(&self, item: ItemId) -> bool {
        self.active.get(item.index()).is_none_or(|&(from, to)| from <= self.now && self.now < to)
    }
}

fn active(dataset: &Dataset) -> Vec<(i64, i64)> {
    let catalog = &dataset.catalog;
    let known = catalog.active_from.iter().any(|&from| from != i64::MIN)
        || catalog.active_to.iter().any(|&to| to != i64::MAX);
    if !dataset.events.timed() || !known {
        return Vec::new();
    }
    catalog.active_from.iter().copied().zip(catalog.active_to.iter().copied()).collect()
}
