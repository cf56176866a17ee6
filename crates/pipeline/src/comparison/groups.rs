//! Runs that differ in the seed only, and so are one way of training, measured several times.

use super::{Figures, Run, gain};
use crate::config::Config;
use serde::Serialize;

/// Runs of one way of training.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Group {
    /// That of the runs without `-SEED`.
    pub(crate) name: String,
    /// Their names.
    pub(crate) runs: Vec<String>,
    /// Of each figure by itself; the gain is that of the medians.
    pub(crate) medians: Figures,
    /// Least and greatest NDCG@10.
    #[serde(rename = "ndcg@10_min")]
    pub(crate) ndcg_10_min: f64,
    #[serde(rename = "ndcg@10_max")]
    pub(crate) ndcg_10_max: f64,
}

/// Places of the runs of each group, groups in the order of their first runs: runs belong together where name without
/// `-SEED` and settings are equal, and the seeds are not.
pub(super) fn members<'a, F>(runs: &[Run<F>], config: impl Fn(usize) -> &'a Config) -> Vec<Vec<usize>> {
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

/// The groups with their medians, and their gains over the group of the run at `reference`.
pub(super) fn groups(runs: &[Run], members: &[Vec<usize>], reference: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = members.iter().map(|members| group(runs, members)).collect();
    if let Some(at) = members.iter().position(|members| members.contains(&reference)) {
        let base = groups[at].medians;
        for (_, group) in groups.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            group.medians.gain_per_cpu_minute = gain::gain(&group.medians, &base);
        }
    }
    groups
}

fn group(runs: &[Run], members: &[usize]) -> Group {
    let figures: Vec<Figures> = members.iter().map(|&at| runs[at].figures).collect();
    let ndcg = || figures.iter().map(|figures| figures.all.ndcg_10);
    let first = &runs[members[0]];
    Group {
        name: name(first, members.len()).to_owned(),
        runs: members.iter().map(|&at| runs[at].name.clone()).collect(),
        medians: Figures::median(&figures),
        ndcg_10_min: ndcg().fold(f64::INFINITY, f64::min),
        ndcg_10_max: ndcg().fold(f64::NEG_INFINITY, f64::max),
    }
}

/// The name of a group of `runs` runs of which this is one.
pub(super) fn name<F>(run: &Run<F>, runs: usize) -> &str {
    if runs > 1 { base(run) } else { &run.name }
}

/// What a group is called in tables.
pub(super) fn title(name: &str, runs: usize) -> String {
    if runs > 1 { format!("{name} ({runs} seeds)") } else { name.to_owned() }
}

/// A run's name without its seed.
fn base<F>(run: &Run<F>) -> &str {
    run.name.strip_suffix(&format!("-{}", run.seed)).unwrap_or(&run.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(name: &str, seed: u64, ndcg: f64, cpu: f64) -> Run {
        Run { name: name.into(), seed, figures: Figures::sample(ndcg, Some(cpu)) }
    }

    #[test]
    fn runs_that_differ_in_the_seed_are_one_group() {
        let runs = [
            run("frozen-1", 1, 0.10, 60.0),
            run("last2-1", 1, 0.14, 180.0),
            run("frozen-2", 2, 0.12, 60.0),
            run("last2-22", 2, 0.16, 180.0),
            run("frozen-3", 3, 0.11, 60.0),
            run("frozen-4", 4, 0.5, 60.0),
            run("frozen-1", 1, 0.10, 60.0),
        ];
        let mut others = Config::default();
        others.train.epochs += 1;
        let default = Config::default();
        let members = members(&runs, |at| if at == 5 { &others } else { &default });
        assert_eq!(members, [vec![0, 2, 4], vec![1], vec![3], vec![5], vec![6]], "a seed counts once");
        let groups = groups(&runs, &members, 0);
        assert_eq!((groups[0].name.as_str(), groups[1].name.as_str()), ("frozen", "last2-1"));
        assert_eq!(groups[0].runs, ["frozen-1", "frozen-2", "frozen-3"]);
        let found = &groups[0];
        assert_eq!((found.medians.all.ndcg_10, found.ndcg_10_min, found.ndcg_10_max), (0.11, 0.10, 0.12));
        assert_eq!(found.medians.gain_per_cpu_minute, None);
        let gain = groups[1].medians.gain_per_cpu_minute.unwrap();
        assert!((gain - (0.14 - 0.11) / 2.0).abs() < 1e-12, "over the median of the reference: {gain}");
    }
}
