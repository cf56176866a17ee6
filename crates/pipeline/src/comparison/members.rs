//! Which runs differ in the seed only, and so are one way of training, measured several times.

use super::compared::ComparedRun as Run;
use crate::config::Config;

/// Places of the runs of each group, groups in the order of their first runs: runs belong together where name without
/// `-SEED` and settings are equal, and the seeds are not.
pub(crate) fn members<'a, F>(runs: &[Run<F>], config: impl Fn(usize) -> &'a Config) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    for at in 0..runs.len() {
        let same = |other: usize| base(&runs[other]) == base(&runs[at]) && config(other) == config(at);
        let repeated = |group: &[usize]| group.iter().any(|&other| runs[other].seed == runs[at].seed);
        match groups.iter_mut().find(|group| same(group[0]) && !repeated(group)) {
            Some(group) => group.push(at),
            None => groups.push(vec![at]),
        }
    }
    groups
}

/// The name of a group of `runs` runs of which this is one.
pub(crate) fn name<F>(run: &Run<F>, runs: usize) -> &str {
    if runs > 1 { base(run) } else { &run.name }
}

/// What a group is called in tables.
pub(crate) fn title(name: &str, runs: usize) -> String {
    if runs > 1 { format!("{name} ({runs} seeds)") } else { name.to_owned() }
}

/// A run's name without its seed.
fn base<F>(run: &Run<F>) -> &str {
    run.name.strip_suffix(&format!("-{}", run.seed)).unwrap_or(&run.name)
}
