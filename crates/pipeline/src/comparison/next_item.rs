//! Comparing runs with `task=next-item`: quality and cost of each, to see whether another way of training pays
//! for its CPU time.
//!
//! Quality is that of the model on the test cases, strict, as each run's own report has it. A run's cost is what making
//! all of its stages took, whether or not they were skipped since.

use super::compared::{ComparedRun, compared, read, refuse};
use super::figures::Figures;
use super::groups::{self, Group};
use super::{gain, members};
use crate::next_item::Evaluation;
use crate::{CACHED, ENCODED, Error};
use semrank_core::counted;
use serde::Serialize;
use std::path::PathBuf;

type Run = ComparedRun<Figures>;
type Record = crate::Record<Evaluation>;

/// Runs beside each other.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Name of the data set.
    pub dataset: String,
    /// The run that gains are over.
    pub reference: String,
    /// As given.
    pub runs: Vec<ComparedRun<Figures>>,
    /// Empty where no two runs differ in the seed only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// What the figures leave out.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Reads and compares runs.
    ///
    /// # Errors
    /// A folder without a finished run, and runs that were not tested on the same cases.
    pub fn read(paths: &[PathBuf]) -> Result<Comparison, Error> {
        let (names, records) = read(paths)?;
        for (name, record) in names.iter().zip(&records).skip(1) {
            same_cases((&names[0], &records[0]), (name, record))?;
        }
        let figures = |(path, record): (&PathBuf, &Record)| Figures::of(path, record);
        let figures = paths.iter().zip(&records).map(figures).collect::<Result<Vec<Figures>, Error>>()?;
        let mut runs = compared(names, &records, figures);
        let members = members::members(&runs, |at| &records[at].run.config);
        let reference = gain::reference(&members, |at| &records[at].run.config);
        gain::of_runs(&mut runs, &members, reference);
        let several = members.iter().any(|members| members.len() > 1);
        let groups = if several { groups::groups(&runs, &members, reference) } else { Vec::new() };
        Ok(Comparison {
            dataset: records[0].evaluation.dataset.clone(),
            reference: runs[reference].name.clone(),
            notes: notes(&runs, &records),
            runs,
            groups,
        })
    }

    /// What tables and pictures show: medians where there are some, else the runs.
    pub fn shown(&self) -> Vec<(String, &Figures)> {
        let title = |group: &Group| members::title(&group.name, group.runs.len());
        match self.groups.is_empty() {
            true => self.single(),
            false => self.groups.iter().map(|group| (title(group), &group.medians)).collect(),
        }
    }

    /// The single runs.
    pub fn single(&self) -> Vec<(String, &Figures)> {
        self.runs.iter().map(Run::shown).collect()
    }
}

/// Returns an error for runs that were tested on different cases.
fn same_cases((first, a): (&str, &Record), (other, b): (&str, &Record)) -> Result<(), Error> {
    if a.evaluation.split_by == b.evaluation.split_by {
        return Ok(());
    }
    let is = |record: &Record| match record.evaluation.split_by {
        semrank_data::SplitKind::LeaveOneOut => "is tested on users' last events (leave-one-out)".into(),
        semrank_data::SplitKind::Time => "is tested on events after a cut in time".into(),
    };
    refuse((first, is(a)), (other, is(b)))
}

/// What the figures leave out.
fn notes(runs: &[Run], records: &[Record]) -> Vec<String> {
    let mut notes = Vec::new();
    for (run, record) in runs.iter().zip(records) {
        if run.figures.cpu_seconds.is_none() {
            notes.push(format!(
                "{}: made by a semrank that did not count CPU time; make it again in a new folder to know its cost",
                run.name
            ));
        }
        let count =
            |name: &str| record.timings.iter().filter_map(|timing| timing.counts.get(name)).sum::<f64>();
        let (encoded, cached) = (count(ENCODED), count(CACHED));
        if cached > encoded {
            notes.push(format!(
                "{}: {cached} of {} came from the cache, so its cost leaves encoding them out",
                run.name,
                counted(cached + encoded, "text vector", "text vectors")
            ));
        }
    }
    notes
}
