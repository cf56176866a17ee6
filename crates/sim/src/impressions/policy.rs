//! The logging policy: which ad is shown in a slot, and with what probability.
//!
//! Among all active ads with budget left, ad `j` of need `k` is shown to a user with probability
//!
//! `pi(j) = exp(r_k + a_j) / sum_i exp(r_k(i) + a_i)`,
//! `r_k = policy (focus (0.6 affinity(topic) + 1.5 n_k) + 0.6 z_k)`, `a_j = policy (effects_j + 0.3 ln(bid_j / 30) + 0.3 z_j)`
//!
//! `n_k` is the strength of the user's need six hours ago (what the policy has learned so far), `focus` is 1.6 in
//! search and 1 elsewhere, `z_k` is normal noise of the request, `z_j` of the ad, and `effects_j` what advertiser
//! and residual add to its clicks. Slots are filled from the first, without repetition: the propensity of a later
//! slot is conditional on the ads above it (a Plackett-Luce ranking). Because the score splits into need and ad,
//! the softmax over thousands of ads is exact and costs one `exp` per need.

use super::catalog::Ad;
use super::config::{AdMarketConfig, DAY_MS};
use super::people::Person;
use super::response::Surface;
use crate::items::PARTS_PER_TOPIC;
use semrank_core::Rng;

/// How far the policy's knowledge of needs lags behind.
const LAG_MS: i64 = DAY_MS / 4;

/// The ads of all needs with their weights `exp(a_j)`; an ad that may not be shown has weight 0.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    shelves: Vec<Shelf>,
    /// Weight of every ad while it may be shown.
    weights: Vec<f64>,
    /// Shelf of every ad and place on it, once born.
    places: Vec<Option<(usize, usize)>>,
}

#[derive(Debug, Clone, Default)]
struct Shelf {
    ads: Vec<u32>,
    weights: Vec<f64>,
    total: f64,
}

/// The slots of one request being filled.
#[derive(Debug, Clone)]
pub(crate) struct Slate {
    /// `exp(r_k)` of every need.
    masses: Vec<f64>,
    /// For every need the weights of the ads that are left.
    totals: Vec<f64>,
    taken: Vec<u32>,
}

impl Pool {
    /// An empty pool for these ads.
    pub(crate) fn new(config: &AdMarketConfig, ads: &[Ad], click_effect: impl Fn(&Ad) -> f64) -> Pool {
        let mut rng = Rng::new(config.seed, "impressions.policy");
        let weight = |ad: &Ad| {
            let bid = 0.3 * (ad.bid_cents as f64 / 30.0).ln();
            (config.policy * (click_effect(ad) + bid + 0.3 * rng.normal())).exp()
        };
        Pool {
            shelves: vec![Shelf::default(); config.needs()],
            weights: ads.iter().map(weight).collect(),
            places: vec![None; ads.len()],
        }
    }

    /// Adds an ad that becomes active.
    pub(crate) fn add(&mut self, ad: u32, need: usize) {
        let shelf = &mut self.shelves[need];
        self.places[ad as usize] = Some((need, shelf.ads.len()));
        shelf.ads.push(ad);
        shelf.weights.push(self.weights[ad as usize]);
        shelf.total = shelf.weights.iter().sum();
    }

    /// An ad pauses or goes on.
    pub(crate) fn set_running(&mut self, ad: u32, running: bool) {
        if let Some((need, place)) = self.places[ad as usize] {
            let shelf = &mut self.shelves[need];
            shelf.weights[place] = if running { self.weights[ad as usize] } else { 0.0 };
            // Summed again, so that no rounding error grows over the log.
            shelf.total = shelf.weights.iter().sum();
        }
    }

    /// Begins a request.
    pub(crate) fn slate(
        &self,
        config: &AdMarketConfig,
        person: &Person,
        surface: Surface,
        time_ms: i64,
        rng: &mut Rng,
    ) -> Slate {
        let focus = if surface == Surface::Search { 1.6 } else { 1.0 };
        let mut scores: Vec<f64> =
            (0..config.topics).flat_map(|topic| [0.6 * person.affinity(topic); PARTS_PER_TOPIC]).collect();
        for need in &person.needs {
            scores[need.need] += 1.5 * need.at(time_ms - LAG_MS, config.need_half_life_ms());
        }
        let mass = |score: &f64| (config.policy * (focus * score + 0.6 * rng.normal())).exp();
        Slate {
            masses: scores.iter().map(mass).collect(),
            totals: self.shelves.iter().map(|shelf| shelf.total).collect(),
            taken: Vec::with_capacity(4),
        }
    }

    /// Fills the next slot: an ad and its propensity, or none when all have been taken.
    pub(crate) fn draw(&self, slate: &mut Slate, rng: &mut Rng) -> Option<(u32, f64)> {
        let mass: f64 = slate.masses.iter().zip(&slate.totals).map(|(mass, total)| mass * total).sum();
        if mass <= 0.0 {
            return None;
        }
        let need = pick(slate.masses.iter().zip(&slate.totals).map(|(m, t)| m * t), rng.unit() * mass)?;
        let shelf = &self.shelves[need];
        let place = pick(shelf.left(&slate.taken), rng.unit() * slate.totals[need])?;
        let ad = shelf.ads[place];
        let propensity = slate.masses[need] * shelf.weights[place] / mass;
        slate.taken.push(ad);
        slate.totals[need] = shelf.left(&slate.taken).sum();
        Some((ad, propensity))
    }
}

impl Shelf {
    /// Weights, 0 for what has been taken.
    fn left<'a>(&'a self, taken: &'a [u32]) -> impl Iterator<Item = f64> + 'a {
        let rows = self.ads.iter().zip(&self.weights);
        rows.map(|(ad, weight)| if taken.contains(ad) { 0.0 } else { *weight })
    }
}

/// The place where the running sum passes `target`; rounding ends at the last place that has weight.
fn pick(weights: impl Iterator<Item = f64>, target: f64) -> Option<usize> {
    let mut left = target;
    let mut last = None;
    for (place, weight) in weights.enumerate().filter(|(_, weight)| *weight > 0.0) {
        if left < weight {
            return Some(place);
        }
        left -= weight;
        last = Some(place);
    }
    last
}

#[cfg(test)]
mod tests {
    use super::super::catalog::Supply;
    use super::super::people;
    use super::*;

    impl Pool {
        /// The chance of every ad to fill the next slot, straight from the formula.
        fn distribution(&self, slate: &Slate) -> Vec<f64> {
            let mut chances = vec![0.0; self.weights.len()];
            for (shelf, mass) in self.shelves.iter().zip(&slate.masses) {
                for (ad, weight) in shelf.ads.iter().zip(shelf.left(&slate.taken)) {
                    chances[*ad as usize] = mass * weight;
                }
            }
            let total: f64 = chances.iter().sum();
            chances.iter().map(|chance| chance / total).collect()
        }
    }

    fn pool(config: &AdMarketConfig) -> (Pool, Supply) {
        let supply = Supply::generate(config);
        let mut pool = Pool::new(config, &supply.ads, |ad| ad.click_residual);
        supply.ads.iter().enumerate().for_each(|(row, ad)| pool.add(row as u32, ad.theme.need));
        (pool, supply)
    }

    #[test]
    fn propensities_are_those_of_the_softmax_and_sum_to_one() {
        let config = AdMarketConfig::default();
        let (mut pool, supply) = pool(&config);
        (0..supply.ads.len() as u32).step_by(3).for_each(|ad| pool.set_running(ad, false));
        let mut rng = Rng::new(5, "test");
        for person in people::generate(&config, 1_000.0) {
            let mut slate = pool.slate(&config, &person, Surface::Search, config.start_ms, &mut rng);
            for _ in 0..4 {
                let chances = pool.distribution(&slate);
                assert!((chances.iter().sum::<f64>() - 1.0).abs() < 1e-12);
                let (ad, propensity) = pool.draw(&mut slate, &mut rng).unwrap();
                assert!(ad % 3 != 0, "ad {ad} pauses");
                assert!((chances[ad as usize] - propensity).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn ads_are_drawn_as_often_as_their_propensity_says() {
        let config = AdMarketConfig::default();
        let (pool, supply) = pool(&config);
        let mut rng = Rng::new(6, "test");
        let person = people::generate(&config, 1_000.0).remove(0);
        let slate = pool.slate(&config, &person, Surface::Feed, config.start_ms, &mut rng);
        let draws = 60_000;
        let mut counts = vec![0.0; supply.ads.len()];
        for _ in 0..draws {
            counts[pool.draw(&mut slate.clone(), &mut rng).unwrap().0 as usize] += 1.0;
        }
        let expected = pool.distribution(&slate).into_iter().map(|chance| chance * f64::from(draws));
        let cells: Vec<(f64, f64)> = counts.into_iter().zip(expected).filter(|cell| cell.1 > 5.0).collect();
        let chi: f64 = cells.iter().map(|(seen, expected)| (seen - expected).powi(2) / expected).sum();
        let freedom = cells.len() as f64;
        assert!(chi < freedom + 5.0 * (2.0 * freedom).sqrt(), "chi square {chi} over {freedom} cells");
    }

    #[test]
    fn a_slate_ends_when_all_ads_are_taken() {
        let config = AdMarketConfig { ads: 60, ..AdMarketConfig::default() };
        let (mut pool, _) = pool(&config);
        (3..60).for_each(|ad| pool.set_running(ad, false));
        let mut rng = Rng::new(7, "test");
        let person = people::generate(&config, 1_000.0).remove(0);
        let mut slate = pool.slate(&config, &person, Surface::Feed, config.start_ms, &mut rng);
        let shown: Vec<(u32, f64)> = std::iter::from_fn(|| pool.draw(&mut slate, &mut rng)).collect();
        let mut ads: Vec<u32> = shown.iter().map(|row| row.0).collect();
        ads.sort_unstable();
        assert_eq!(ads, [0, 1, 2]);
        assert!((shown[2].1 - 1.0).abs() < 1e-12);
    }
}
