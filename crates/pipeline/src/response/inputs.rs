//! What training and scoring of `task=ctr` and `task=oc` read, made once of a run's data set and content.

use crate::config::{Config, Task};
use crate::tokens::Content;
use crate::{Data, Error, Run};
use semrank_core::{Segment, UserId, narrow};
use semrank_data::{Examples, ItemColumn, Part};
use semrank_response::{Contexts, Goal, Items, PointwiseTask};
use semrank_tower::PrefixRows;
use std::path::Path;
use std::sync::Arc;

/// The item column of advertisers.
pub(crate) const ADVERTISER: &str = "advertiser_id";

/// Everything that training and scoring read.
pub struct Inputs<'r> {
    pub(crate) run: &'r Run,
    /// Items, users and events.
    pub data: &'r Data,
    /// Labelled rows.
    pub examples: &'r Examples,
    contexts: Contexts,
    pub(crate) advertisers: ItemColumn,
    items: Arc<Items>,
}

impl<'r> Inputs<'r> {
    /// Of a run whose stages `features` and `tokens` are made; the content vectors move from the run into these.
    ///
    /// # Errors
    /// [`Error::NoExamples`]; [`Error::NoRows`] where a part of them is missing.
    pub fn new(run: &'r mut Run) -> Result<Inputs<'r>, Error> {
        let Content { features, tokens, .. } = run.take_content()?;
        let run: &Run = run;
        let (data, config) = (run.data()?, run.config());
        let name = || data.dataset.meta.name.clone();
        let examples = data.examples.as_ref().ok_or_else(|| Error::NoExamples { dataset: name() })?;
        for part in [Part::Train, Part::Test] {
            if examples.rows(part).next().is_none() {
                return Err(Error::NoRows { dataset: name(), part: part.name() });
            }
        }
        let contexts = Contexts::new(examples, &data.dataset.catalog, &config.pointwise);
        let advertisers = data.item_column(ADVERTISER)?;
        let trained = trained_items(examples, data);
        let tokens = tokens.as_ref().filter(|_| config.pointwise.prefixes);
        let prefixes = tokens.map(|ids| PrefixRows::new(ids, &trained, config.model.prefix_rows));
        let items = Items {
            content: unit_rows(features.values, features.dim),
            advertisers: advertisers.codes.clone(),
            prefixes,
            kinds: data.dataset.catalog.kinds.clone(),
            known: data.scope.known().to_vec(),
        };
        Ok(Inputs { run, data, examples, contexts, advertisers, items: Arc::new(items) })
    }

    /// All settings.
    pub fn config(&self) -> &'r Config {
        self.run.config()
    }

    /// Of every random choice.
    pub fn seed(&self) -> u64 {
        self.run.seed()
    }

    /// The run folder.
    pub fn path(&self) -> &'r Path {
        self.run.path()
    }

    /// What the model knows of items.
    pub(super) fn items(&self) -> &Arc<Items> {
        &self.items
    }

    pub(crate) fn task(&self) -> PointwiseTask<'_> {
        let config = self.config();
        PointwiseTask {
            dataset: &self.data.dataset,
            examples: self.examples,
            scope: &self.data.scope,
            items: &self.items,
            contexts: &self.contexts,
            model: &config.model,
            train: &config.train,
            settings: &config.pointwise,
            goal: self.goal(),
            seed: self.seed(),
        }
    }

    /// Refuses to learn of conversions where none is labelled.
    ///
    /// # Errors
    /// [`Error::NoConversions`].
    pub fn check_conversions(&self) -> Result<(), Error> {
        let examples = self.examples;
        let labelled =
            |row: usize| examples.clicks[row] && examples.conversions.get(row).is_some_and(Option::is_some);
        if self.goal() == Goal::Oc && !examples.rows(Part::Train).any(labelled) {
            return Err(Error::NoConversions { dataset: self.data.dataset.meta.name.clone() });
        }
        Ok(())
    }

    pub(crate) fn goal(&self) -> Goal {
        if self.config().task == Task::Oc { Goal::Oc } else { Goal::Ctr }
    }

    /// Head, torso, tail or new, one per item, by the training rows.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let catalog = &self.data.dataset.catalog;
        let counts = training_counts(self.examples, catalog.len());
        semrank_core::segments(&counts, |item| catalog.name(semrank_core::ItemId(narrow::index(item))))
    }
}

/// Training rows of each item.
fn training_counts(examples: &Examples, items: usize) -> Vec<u32> {
    let mut counts = vec![0; items];
    examples.rows(Part::Train).for_each(|row| counts[examples.items[row].index()] += 1);
    counts
}

/// Items that training reads: as candidates, or in a history of one.
fn trained_items(examples: &Examples, data: &Data) -> Vec<bool> {
    let dataset = &data.dataset;
    let mut trained = vec![false; dataset.catalog.len()];
    let mut ends = vec![0; dataset.events.users()];
    for row in examples.rows(Part::Train) {
        trained[examples.items[row].index()] = true;
        if let Some(end) = ends.get_mut(examples.users[row].index()) {
            *end = examples.history_ends[row].max(*end);
        }
    }
    for (user, (&end, &scope)) in ends.iter().zip(data.scope.ends()).enumerate() {
        let first = dataset.events.range(UserId(narrow::index(user))).start;
        let read = first..scope.min(first + end as usize);
        read.for_each(|event| trained[dataset.events.items()[event].index()] = true);
    }
    trained
}

/// Rows scaled to length 1; a zero row stays zero.
pub(super) fn unit_rows(mut values: Vec<f32>, dim: usize) -> Vec<f32> {
    for row in values.chunks_exact_mut(dim.max(1)) {
        let length = row.iter().map(|x| x * x).sum::<f32>().sqrt();
        if length > 0.0 {
            row.iter_mut().for_each(|x| *x /= length);
        }
    }
    values
}
