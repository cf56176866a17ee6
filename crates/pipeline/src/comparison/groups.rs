//! Runs that differ in the seed only, and so are one way of training, measured several times.

use super::compared::ComparedRun;
use super::figures::Figures;
use super::gain;
use super::members::name;
use serde::Serialize;

/// Runs of one way of training.
#[derive(Debug, Clone, Serialize)]
pub struct Group {
    /// That of the runs without `-SEED`.
    pub name: String,
    /// Their names.
    pub runs: Vec<String>,
    /// Of each figure by itself; the gain is that of the medians.
    pub medians: Figures,
    /// Least NDCG@10.
    #[serde(rename = "ndcg@10_min")]
    pub ndcg_10_min: f64,
    /// Greatest NDCG@10.
    #[serde(rename = "ndcg@10_max")]
    pub ndcg_10_max: f64,
}

/// The groups with their medians, and their gains over the group of the run at `reference`.
pub(crate) fn groups(runs: &[ComparedRun<Figures>], members: &[Vec<usize>], reference: usize) -> Vec<Group> {
    let mut groups: Vec<Group> = members.iter().map(|members| group(runs, members)).collect();
    if let Some(at) = members.iter().position(|members| members.contains(&reference)) {
        let base = groups[at].medians;
        for (_, group) in groups.iter_mut().enumerate().filter(|(other, _)| *other != at) {
            group.medians.gain_per_cpu_minute = gain::gain(&group.medians, &base);
        }
    }
    groups
}

fn group(runs: &[ComparedRun<Figures>], members: &[usize]) -> Group {
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

#[cfg(test)]
mod tests {
    use super::super::members::members;
    use super::*;
    use crate::config::Config;

    fn run(name: &str, seed: u64, ndcg: f64, cpu: f64) -> ComparedRun<Figures> {
        ComparedRun { name: name.into(), seed, figures: Figures::sample(ndcg, Some(cpu)) }
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
