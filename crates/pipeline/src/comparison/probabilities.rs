//! Comparing runs with `task=ctr` or `task=oc`: quality of their probabilities on the same test rows, what they cost, and
//! which differences are real.
//!
//! The reference is the first run. Differences are the run's less the reference's, with 95 % intervals of a paired bootstrap over
//! users ([`Bootstrap`](semrank_measure::probabilities::Bootstrap)): a lower NE is better, a higher AUC is. The intervals are of the trained
//! models, not of the ways they were trained in: seeds are not drawn. Runs that differ in the seed only are one group; its
//! difference is that of the mean over its seeds. For `oc` runs the same is reported for conversions given a click.

use super::compared::{ComparedRun as Run, compared, read, refuse};
use super::differences::Paired;
use super::members::{members, name, title};
use super::probability_metrics::Probabilities;
use crate::config::Task;
use crate::response::{PointwiseEvaluation, ScoredRows, TestScores};
use crate::{Error, REPORT, Record};
use semrank_core::counted;
use serde::Serialize;
use std::path::PathBuf;

/// A finished run of such a task.
type RankingRecord = Record<PointwiseEvaluation>;

/// Runs beside each other.
#[derive(Debug, Serialize)]
pub struct ProbabilityComparison {
    /// Name of the data set.
    pub dataset: String,
    /// `ctr` or `oc`.
    pub task: String,
    /// `test`.
    pub split: String,
    /// The run that differences are from.
    pub reference: String,
    /// As given.
    pub runs: Vec<Run<Probabilities>>,
    /// Empty where no two runs differ in the seed only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<ProbabilityGroup>,
}

/// Runs of one way of training.
#[derive(Debug, Clone, Serialize)]
pub struct ProbabilityGroup {
    /// That of the runs without `-SEED`.
    pub name: String,
    /// Their names.
    pub runs: Vec<String>,
    /// Of each figure by itself; differences are those of the means.
    pub medians: Probabilities,
}

impl ProbabilityComparison {
    /// Reads and compares runs.
    ///
    /// # Errors
    /// A folder without a finished run, and runs that were not tested on the same rows.
    pub fn read(paths: &[PathBuf]) -> Result<ProbabilityComparison, Error> {
        let (names, records) = read(paths)?;
        let scores = scores(paths, &records)?;
        for (name, scored) in names.iter().zip(&scores).skip(1) {
            same_rows((&names[0], &scores[0]), (name, scored))?;
        }
        let mut runs = compared(names, &records, records.iter().map(Probabilities::of));
        let members = members(&runs, |at| &records[at].run.config);
        let groups = compare(&mut runs, &members, &scores);
        let first = &records[0].evaluation;
        Ok(ProbabilityComparison {
            dataset: first.dataset.clone(),
            task: first.task.clone(),
            split: first.split.clone(),
            reference: runs[0].name.clone(),
            runs,
            groups,
        })
    }

    /// What tables show first: medians where there are some, else the runs.
    pub fn shown(&self) -> Vec<(String, &Probabilities)> {
        let title = |group: &ProbabilityGroup| title(&group.name, group.runs.len());
        match self.groups.is_empty() {
            true => self.single(),
            false => self.groups.iter().map(|group| (title(group), &group.medians)).collect(),
        }
    }

    /// The single runs.
    pub fn single(&self) -> Vec<(String, &Probabilities)> {
        self.runs.iter().map(Run::shown).collect()
    }

    /// The name of what differences of [`ProbabilityComparison::shown`] are from.
    pub fn base(&self) -> &str {
        self.groups.first().map_or(&self.reference, |group| &group.name)
    }
}

/// The test scores of each run.
fn scores(paths: &[PathBuf], records: &[RankingRecord]) -> Result<Vec<TestScores>, Error> {
    let read = |(path, record): (&PathBuf, &RankingRecord)| {
        TestScores::load(&path.join(REPORT), record.run.config.task == Task::Oc)
    };
    paths.iter().zip(records).map(read).collect()
}

/// Notes the differences of every run from the first, and makes the groups with theirs if there are several seeds.
fn compare(
    runs: &mut [Run<Probabilities>],
    members: &[Vec<usize>],
    scores: &[TestScores],
) -> Vec<ProbabilityGroup> {
    let all: Vec<&ScoredRows> = scores.iter().map(|scores| &scores.all).collect();
    let given: Option<Vec<&ScoredRows>> = scores.iter().map(|scores| scores.given_click.as_ref()).collect();
    let (all, given) = (Paired::new(&all), given.map(|given| Paired::new(&given)));
    let from = |a: &[usize], b: &[usize], figures: &mut Probabilities| {
        figures.all.difference = Some(all.differences(a, b));
        if let (Some(metrics), Some(given)) = (&mut figures.given_click, &given) {
            metrics.difference = Some(given.differences(a, b));
        }
    };
    (1..runs.len()).for_each(|at| from(&[at], &[0], &mut runs[at].figures));
    if members.iter().all(|members| members.len() == 1) {
        return Vec::new();
    }
    let group = |(at, of): (usize, &Vec<usize>)| {
        let figures: Vec<Probabilities> = of.iter().map(|&run| runs[run].figures.clone()).collect();
        let mut medians = Probabilities::median(&figures);
        if at > 0 {
            from(of, &members[0], &mut medians);
        }
        let names = of.iter().map(|&run| runs[run].name.clone()).collect();
        ProbabilityGroup { name: name(&runs[of[0]], of.len()).to_owned(), runs: names, medians }
    };
    members.iter().enumerate().map(group).collect()
}

/// Returns an error for runs with different test rows, e.g. of another click window.
fn same_rows((first, a): (&str, &TestScores), (other, b): (&str, &TestScores)) -> Result<(), Error> {
    let same = |a: &ScoredRows, b: &ScoredRows| a.users == b.users && a.labels == b.labels;
    if same(&a.all, &b.all) {
        return Ok(());
    }
    let is = |scores: &TestScores| {
        format!(
            "has {} of its own",
            counted(scores.all.labels.len(), "labelled test row", "labelled test rows")
        )
    };
    refuse((first, is(a)), (other, is(b)))
}
