//! How the lists of a second run differ from those that were shown, summed up as they come.

use std::collections::HashMap;
use std::time::Duration;

/// Newest times that quantiles are of.
const TIMES: usize = 4_096;
/// Items of a list whose order is compared, at most: every pair of them is.
const MOST_ORDERED: usize = 100;

/// A list: items with their scores, best first.
pub(super) type List = Vec<(String, f32)>;

/// Sums over the requests that both runs have ranked.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) requests: u64,
    pub(super) errors: u64,
    pub(super) last_error: Option<String>,
    overlap: f64,
    same_list: u64,
    same_first: u64,
    /// Kendall's tau, and of how many requests.
    tau: (f64, u64),
    /// Differences of scores, and of how many items.
    difference: (f64, u64),
    /// Microseconds of the second run, and of the one that ranks.
    times: [Times; 2],
}

/// Newest times.
#[derive(Debug, Default)]
struct Times {
    newest: Vec<u64>,
    next: usize,
}

/// What the sums say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Means {
    pub(crate) overlap: f64,
    pub(crate) same_list: f64,
    pub(crate) same_first: f64,
    pub(crate) rank_correlation: Option<f64>,
    pub(crate) score_difference: Option<f64>,
    /// Median and 99th percentile of the second run, in microseconds.
    pub(crate) micros: [u64; 2],
    /// The same of the run that ranks.
    pub(crate) micros_of_ranking: [u64; 2],
}

impl Figures {
    /// Compares what was shown with what the second run would have shown.
    pub(super) fn compare(&mut self, shown: &List, other: &List, took: Duration, took_ranking: Duration) {
        let places: HashMap<&str, (usize, f32)> =
            other.iter().enumerate().map(|(place, (item, score))| (item.as_str(), (place, *score))).collect();
        let common: Vec<(f32, (usize, f32))> =
            shown.iter().filter_map(|(item, score)| Some((*score, *places.get(item.as_str())?))).collect();
        let names = |list: &List| list.iter().map(|(item, _)| item.clone()).collect::<Vec<_>>();
        self.requests += 1;
        self.overlap += if shown.is_empty() && other.is_empty() {
            1.0
        } else {
            common.len() as f64 / shown.len().max(other.len()) as f64
        };
        self.same_list += u64::from(names(shown) == names(other));
        self.same_first += u64::from(names(shown).first() == names(other).first());
        for (score, (_, other)) in &common {
            self.difference.0 += f64::from((score - other).abs());
            self.difference.1 += 1;
        }
        if let Some(tau) = kendall(common.iter().take(MOST_ORDERED).map(|(_, (place, _))| *place)) {
            self.tau = (self.tau.0 + tau, self.tau.1 + 1);
        }
        self.times[0].add(took);
        self.times[1].add(took_ranking);
    }

    pub(super) fn failed(&mut self, why: String) {
        self.errors += 1;
        self.last_error = Some(why);
    }

    pub(super) fn means(&self) -> Means {
        let share = |sum: f64| if self.requests > 0 { sum / self.requests as f64 } else { 0.0 };
        let mean = |(sum, count): (f64, u64)| (count > 0).then(|| sum / count as f64);
        Means {
            overlap: share(self.overlap),
            same_list: share(self.same_list as f64),
            same_first: share(self.same_first as f64),
            rank_correlation: mean(self.tau),
            score_difference: mean(self.difference),
            micros: self.times[0].quantiles(),
            micros_of_ranking: self.times[1].quantiles(),
        }
    }
}

impl Times {
    fn add(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        match self.newest.get_mut(self.next) {
            Some(place) => *place = micros,
            None => self.newest.push(micros),
        }
        self.next = (self.next + 1) % TIMES;
    }

    /// Median and 99th percentile.
    fn quantiles(&self) -> [u64; 2] {
        let mut sorted = self.newest.clone();
        sorted.sort_unstable();
        let at = |percent: usize| sorted.get(sorted.len().saturating_sub(1) * percent / 100).copied();
        [50, 99].map(|percent| at(percent).unwrap_or_default())
    }
}

/// Kendall's tau of an order whose places in another order are given; none of fewer than two items.
fn kendall(places: impl Iterator<Item = usize>) -> Option<f64> {
    let places: Vec<usize> = places.collect();
    let pairs = places.len() * places.len().saturating_sub(1) / 2;
    let same = (1..places.len()).map(|at| places[..at].iter().filter(|&&above| above < places[at]).count());
    let same: usize = same.sum();
    (pairs > 0).then(|| (2.0 * same as f64 - pairs as f64) / pairs as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(items: &[(&str, f32)]) -> List {
        items.iter().map(|&(item, score)| (item.to_owned(), score)).collect()
    }

    #[test]
    fn lists_are_compared_item_by_item() {
        let mut figures = Figures::default();
        let (shown, took) = (list(&[("a", 3.0), ("b", 2.0), ("c", 1.0)]), Duration::from_micros);
        figures.compare(&shown, &shown, took(10), took(5));
        figures.compare(&shown, &list(&[("c", 2.0), ("b", 2.0), ("d", 0.0)]), took(30), took(5));
        let means = figures.means();
        assert_eq!((means.same_list, means.same_first), (0.5, 0.5));
        assert!((means.overlap - (1.0 + 2.0 / 3.0) / 2.0).abs() < 1e-12);
        // The same order, and two common items the other way round.
        assert_eq!(means.rank_correlation, Some(0.0));
        assert_eq!(means.score_difference, Some(1.0 / 5.0));
        assert_eq!((means.micros, means.micros_of_ranking), ([10, 10], [5, 5]));
        figures.failed("no".into());
        assert_eq!((figures.errors, figures.requests), (1, 2));
        assert_eq!(Figures::default().means(), Means::default());
        assert_eq!((kendall([0, 2, 1].into_iter()), kendall([7].into_iter())), (Some(1.0 / 3.0), None));
    }

    #[test]
    fn times_are_those_of_the_newest_requests() {
        let mut times = Times::default();
        (0..TIMES as u64 + 100).for_each(|micros| times.add(Duration::from_micros(micros.min(200))));
        assert_eq!(times.quantiles(), [200, 200]);
        assert_eq!(times.newest.len(), TIMES);
    }
}
