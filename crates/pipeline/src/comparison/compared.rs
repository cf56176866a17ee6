//! Runs that are compared: their names, and whether they can be.

use crate::config::Task;
use crate::folder::RunFile;
use crate::{Error, Record, task};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::PathBuf;

/// One run.
#[derive(Debug, Clone, Serialize)]
pub struct ComparedRun<F> {
    /// Name of its folder, or the path as given where several folders have that name.
    pub name: String,
    /// Of every random choice.
    pub seed: u64,
    /// Its quality and cost.
    #[serde(flatten)]
    pub figures: F,
}

impl<F> ComparedRun<F> {
    /// As tables list it.
    pub(crate) fn shown(&self) -> (String, &F) {
        (self.name.clone(), &self.figures)
    }
}

/// The names and records of finished runs of one data set.
pub(crate) fn read<E: DeserializeOwned>(paths: &[PathBuf]) -> Result<(Vec<String>, Vec<Record<E>>), Error> {
    let records = paths.iter().map(|path| Record::read(path)).collect::<Result<Vec<Record<E>>, Error>>()?;
    let names = names(paths);
    for (name, record) in names.iter().zip(&records).skip(1) {
        same_dataset((&names[0], &records[0].run), (name, &record.run))?;
    }
    Ok((names, records))
}

/// Runs with their figures.
pub(crate) fn compared<E, F>(
    names: Vec<String>,
    records: &[Record<E>],
    figures: impl IntoIterator<Item = F>,
) -> Vec<ComparedRun<F>> {
    let runs = names.into_iter().zip(records).zip(figures);
    runs.map(|((name, record), figures)| ComparedRun { name, seed: record.run.seed, figures }).collect()
}

/// Folder names; where they are not enough to tell runs apart, the paths.
fn names(paths: &[PathBuf]) -> Vec<String> {
    let short = |path: &PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
    let alone = |name: &String| paths.iter().filter(|path| short(path).as_ref() == Some(name)).count() == 1;
    paths.iter().map(|path| short(path).filter(alone).unwrap_or_else(|| path.display().to_string())).collect()
}

/// Returns an error for runs of different data sets.
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

pub(crate) fn refuse<T>(
    (first, first_is): (&str, String),
    (other, other_is): (&str, String),
) -> Result<T, Error> {
    let (first, other) = (first.to_owned(), other.to_owned());
    Err(Error::NotComparable { first, first_is, other, other_is })
}

/// The task of all runs.
///
/// # Errors
/// [`Error::NotARun`]; [`Error::NotComparable`] where they have several.
pub fn same_task(paths: &[PathBuf]) -> Result<Task, Error> {
    let tasks = paths.iter().map(|path| task(path)).collect::<Result<Vec<Task>, Error>>()?;
    let (names, is) = (names(paths), |task: Task| format!("has the task {}", task.name()));
    let mut others = names.iter().zip(&tasks).filter(|(_, task)| **task != tasks[0]);
    match others.next() {
        Some((other, &task)) => refuse((&names[0], is(tasks[0])), (other, is(task))),
        None => Ok(tasks[0]),
    }
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
