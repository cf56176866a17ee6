//! What a run gains over the reference for each CPU minute that it costs more.

use super::compared::ComparedRun;
use super::figures::Figures;
use crate::config::{Config, ContentTraining};

type Run = ComparedRun<Figures>;

/// Place of the reference: the first run of the one group that leaves the content model as it is, else the first run.
pub(crate) fn reference<'a>(members: &[Vec<usize>], config: impl Fn(usize) -> &'a Config) -> usize {
    let frozen = |at: usize| config(at).content.train == ContentTraining::Frozen;
    one(members, frozen).unwrap_or(0)
}

/// The first run of the only group that `is` so.
fn one(members: &[Vec<usize>], is: impl Fn(usize) -> bool) -> Option<usize> {
    let mut found = members.iter().map(|group| group[0]).filter(|&at| is(at));
    found.next().filter(|_| found.next().is_none())
}

/// Notes the gain of every run over that at `reference`; runs that differ from it in the seed only have none.
pub(crate) fn of_runs(runs: &mut [Run], members: &[Vec<usize>], reference: usize) {
    let base = runs[reference].figures;
    for group in members.iter().filter(|group| !group.contains(&reference)) {
        for &at in group {
            runs[at].figures.gain_per_cpu_minute = gain(&runs[at].figures, &base);
        }
    }
}

/// NDCG@10 gained for a CPU minute; none where the cost is not above the reference's, or is not known.
pub(crate) fn gain(figures: &Figures, reference: &Figures) -> Option<f64> {
    let minutes = figures.cpu_minutes()? - reference.cpu_minutes()?;
    (minutes > 0.0).then(|| (figures.all.ndcg_10 - reference.all.ndcg_10) / minutes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_higher_cost_has_a_gain() {
        let reference = Figures::sample(0.10, Some(60.0));
        let of = |ndcg, cpu| gain(&Figures::sample(ndcg, cpu), &reference);
        assert!((of(0.16, Some(180.0)).unwrap() - 0.03).abs() < 1e-12);
        assert!((of(0.08, Some(180.0)).unwrap() + 0.01).abs() < 1e-12, "a loss has a sign");
        assert_eq!((of(0.2, Some(60.0)), of(0.2, Some(30.0)), of(0.2, None)), (None, None, None));
    }

    #[test]
    fn the_reference_is_the_only_one_that_is_frozen() {
        let groups = [vec![0, 1], vec![2, 3], vec![4]];
        assert_eq!(one(&groups, |at| (2..4).contains(&at)), Some(2));
        assert_eq!(one(&groups, |at| at >= 2), None, "two ways are not a reference");
        assert_eq!(one(&groups, |_| false), None);
    }

    #[test]
    fn a_gain_is_that_over_another_way() {
        let run = |name: &str, cpu| Run {
            name: name.into(),
            seed: 1,
            figures: Figures::sample(0.1 + cpu / 1000.0, Some(cpu)),
        };
        let mut runs = [run("a-1", 60.0), run("a-2", 61.0), run("b", 120.0)];
        of_runs(&mut runs, &[vec![0, 1], vec![2]], 0);
        let gains = runs.map(|run| run.figures.gain_per_cpu_minute);
        assert_eq!((gains[0], gains[1]), (None, None), "another seed gains nothing but noise");
        assert!((gains[2].unwrap() - 0.06).abs() < 1e-12);
    }
}
