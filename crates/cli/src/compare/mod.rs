//! `semrank compare`: several runs in, what each brings and what it costs out, to see whether another way of training
//! is worth its CPU time.
//!
//! ```text
//! semrank compare frozen last2                                 tables
//! semrank compare frozen last2 --json                          one JSON object
//! semrank compare frozen-1 frozen-2 last2-1 last2-2 --out page    medians over seeds, and page/compare.html
//! ```
//!
//! Quality is that of the model on the test cases, strict, as each run's own report has it. A run's cost is what making
//! all of its stages took, whether or not they were skipped since.
//!
//! | file | does |
//! |---|---|
//! | `figures`, `cost` | [`Figures`]: quality and cost of one run; their median |
//! | `groups` | runs that differ in the seed only |
//! | `gain` | the reference, and what others gain over it for a CPU minute |
//! | `table` | a comparison for people |
//! | `probabilities` | the same of runs with `task=ctr` or `task=oc`, with intervals of their differences |

mod cost;
mod figures;
mod gain;
mod groups;
mod probabilities;
mod table;

pub(crate) use figures::{Figures, Quality};
pub(crate) use groups::Group;
pub(crate) use probabilities::{
    Comparison as ProbabilityComparison, Difference, Differences, Probabilities, Worth,
};

use crate::config::Task;
use crate::error::Error;
use crate::run::{CACHED, ENCODED, Record, RunFile, task};
use crate::{output, report};
use clap::Args;
use semrank_store::write_atomically;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// The page that `--out` gets.
const PAGE: &str = "compare.html";

/// `semrank compare`.
#[derive(Debug, Args)]
pub(crate) struct CompareArgs {
    /// Run folders, of one data set and one task; the reference is the first. Of retrieval runs it is the first whose
    /// content.train is frozen, if one way has that.
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Write a page with tables and pictures into this folder.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// One run.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Run<F = Figures> {
    /// Name of its folder, or the path as given where several folders have that name.
    pub(crate) name: String,
    pub(crate) seed: u64,
    #[serde(flatten)]
    pub(crate) figures: F,
}

/// Runs beside each other.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    pub(crate) dataset: String,
    /// The run that gains are over.
    pub(crate) reference: String,
    /// As given.
    pub(crate) runs: Vec<Run>,
    /// Empty where no two runs differ in the seed only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) groups: Vec<Group>,
    /// What the figures leave out.
    pub(crate) notes: Vec<String>,
}

/// Compares what the arguments say.
pub(crate) fn compare(args: &CompareArgs) -> Result<(), Error> {
    match same_task(&args.runs)? {
        Task::Retrieval => {
            let found = Comparison::read(&args.runs)?;
            args.print(&found, || table::tables(&found), || report::render_comparison(&found))
        }
        Task::Ctr | Task::Oc => {
            let found = ProbabilityComparison::read(&args.runs)?;
            args.print(&found, || probabilities::tables(&found), || report::render_probabilities(&found))
        }
    }
}

impl CompareArgs {
    /// Writes the page that was asked for and prints the rest.
    fn print(
        &self,
        found: &impl Serialize,
        text: impl Fn() -> String,
        html: impl Fn() -> String,
    ) -> Result<(), Error> {
        let page = self.out.as_deref().map(|dir| write_page(&html(), dir)).transpose()?;
        if self.json {
            return output::json(found);
        }
        let page = page.map_or(String::new(), |page| format!("\npage: {}\n", page.display()));
        output::text(&(text() + &page))
    }
}

fn write_page(html: &str, dir: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
    let page = dir.join(PAGE);
    write_atomically(&page, |out| out.write_all(html.as_bytes()))?;
    Ok(page)
}

impl Comparison {
    /// Reads and compares runs.
    ///
    /// # Errors
    /// A folder that is no finished run, and runs that were not tested on the same cases.
    pub(crate) fn read(paths: &[PathBuf]) -> Result<Comparison, Error> {
        let records = paths.iter().map(|path| Record::read(path)).collect::<Result<Vec<Record>, Error>>()?;
        let names = names(paths);
        for (name, record) in names.iter().zip(&records).skip(1) {
            same_cases((&names[0], &records[0]), (name, record))?;
        }
        let figures = |(path, record): (&PathBuf, &Record)| Figures::of(path, record);
        let figures = paths.iter().zip(&records).map(figures).collect::<Result<Vec<Figures>, Error>>()?;
        let mut runs: Vec<Run> = names
            .into_iter()
            .zip(&records)
            .zip(figures)
            .map(|((name, record), figures)| Run { name, seed: record.run.seed, figures })
            .collect();
        let members = groups::members(&runs, |at| &records[at].run.config);
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
    pub(crate) fn shown(&self) -> Vec<(String, &Figures)> {
        let title = |group: &Group| groups::title(&group.name, group.runs.len());
        match self.groups.is_empty() {
            true => self.runs.iter().map(|run| (run.name.clone(), &run.figures)).collect(),
            false => self.groups.iter().map(|group| (title(group), &group.medians)).collect(),
        }
    }
}

/// Folder names; where they are not enough to tell runs apart, the paths.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let alone = |name: &String| paths.iter().filter(|path| short(path).as_ref() == Some(name)).count() == 1;
    paths.iter().map(|path| short(path).filter(alone).unwrap_or_else(|| path.display().to_string())).collect()
}

/// The task of all runs.
fn same_task(paths: &[PathBuf]) -> Result<Task, Error> {
    let tasks = paths.iter().map(|path| task(path)).collect::<Result<Vec<Task>, Error>>()?;
    let (names, is) = (names(paths), |task: Task| format!("has the task {}", task.name()));
    let mut others = names.iter().zip(&tasks).filter(|(_, task)| **task != tasks[0]);
    match others.next() {
        Some((other, &task)) => refuse((&names[0], is(tasks[0])), (other, is(task))),
        None => Ok(tasks[0]),
    }
}

/// Refuses runs whose metrics are about different things.
fn same_cases((first, a): (&str, &Record), (other, b): (&str, &Record)) -> Result<(), Error> {
    same_dataset((first, &a.run), (other, &b.run))?;
    if a.evaluation.split_by == b.evaluation.split_by {
        return Ok(());
    }
    let is = |record: &Record| match record.evaluation.split_by {
        semrank_data::SplitKind::LeaveOneOut => "is tested on users' last events (leave-one-out)".into(),
        semrank_data::SplitKind::Time => "is tested on what came after a cut in time".into(),
    };
    refuse((first, is(a)), (other, is(b)))
}

/// Refuses runs of different data.
fn same_dataset((first, a): (&str, &RunFile), (other, b): (&str, &RunFile)) -> Result<(), Error> {
    if a.dataset.hash == b.dataset.hash {
        return Ok(());
    }
    let is = |run: &RunFile| {
        let dataset = &run.dataset;
        let hash: String = dataset.hash.chars().take(12).collect();
        format!("is of data set `{}` ({}, hash {hash}…)", dataset.name, dataset.path.display())
    };
    refuse((first, is(a)), (other, is(b)))
}

fn refuse<T>((first, first_is): (&str, String), (other, other_is): (&str, String)) -> Result<T, Error> {
    let (first, other) = (first.to_owned(), other.to_owned());
    Err(Error::NotComparable { first, first_is, other, other_is })
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
                "{}: {cached} of {} vectors of texts came from the cache, so its cost leaves encoding them out",
                run.name,
                cached + encoded
            ));
        }
    }
    notes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_as_short_as_it_can_be() {
        let paths = ["a/frozen", "b/last2/", "c/frozen"].map(PathBuf::from);
        assert_eq!(names(&paths), ["a/frozen", "last2", "c/frozen"]);
    }
}
