//! The two rankers of a simulated test, in this process: control knows the users' needs late, the treatment less so.
//!
//! Arm `a` scores ad `j` of need `k` as the market's logging policy does, and shows the best:
//!
//! `score = focus (0.6 affinity(topic) + 1.5 n_k(t - lag_a)) + 0.6 z_k + effects_j + 0.3 ln(bid_j / 30)`
//!
//! `n_k(t - lag)` is the strength of the need as it was a lag ago, `z_k` noise of the request (uniform, of variance 1) that
//! both arms share. Both slates of a request come from the same scores but for the lag: `would_differ` is exact.

use super::config::Design;
use super::serve::{AdRequest, Serve, Slate};
use super::world::TrialWorld;
use crate::impressions::Surface;
use crate::items::PARTS_PER_TOPIC;
use semrank_core::Rng;
use std::convert::Infallible;

/// What the rankers serve.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// The test: arms by assignment.
    Test,
    /// One arm to everybody, as after a launch.
    All(usize),
}

/// Control and treatment.
pub struct Policies<'a> {
    world: &'a TrialWorld,
    serving: Serving,
    /// Ads of every need with their part of the score, the best first.
    shelves: Vec<Vec<(f64, u32)>>,
    /// Arm of every user or campaign; empty when blocks of time are randomised.
    arms: Vec<Option<usize>>,
    noise: Rng,
}

impl<'a> Policies<'a> {
    /// Both rankers of a test.
    pub fn new(world: &'a TrialWorld, serving: Serving) -> Policies<'a> {
        let supply = world.supply();
        let mut shelves = vec![Vec::new(); world.market().needs()];
        for (row, ad) in (0..).zip(&supply.ads) {
            let effects = supply.advertisers[ad.advertiser].click_effect + ad.click_residual;
            shelves[ad.theme.need].push((effects + 0.3 * (ad.bid_cents as f64 / 30.0).ln(), row));
        }
        shelves.iter_mut().for_each(|shelf| shelf.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1))));
        let assignment = world.assignment();
        let arms = match world.config().design {
            Design::User | Design::BudgetSplit => {
                (0..world.users() as u32).map(|user| assignment.arm(&world.user_id(user))).collect()
            }
            Design::Campaign => world.campaign_arms(),
            Design::Switchback => Vec::new(),
        };
        Policies { world, serving, shelves, arms, noise: Rng::new(world.config().seed, "trial.noise") }
    }

    /// Score of every need by both arms.
    fn needs(&self, request: &AdRequest<'_>) -> [Vec<f64>; 2] {
        let (person, market) = (request.person, self.world.market());
        let focus = if request.surface == Surface::Search { 1.6 } else { 1.0 };
        let mean = person.interests.iter().sum::<f64>() / person.interests.len() as f64;
        let mut noise = self.noise.fork(request.request);
        // 12 times the variance of a uniform number is 1.
        let mut score = |topic: usize| {
            focus * 0.6 * (person.interests[topic] - mean) + 0.6 * 12_f64.sqrt() * (noise.unit() - 0.5)
        };
        let control: Vec<f64> = (0..market.needs()).map(|need| score(need / PARTS_PER_TOPIC)).collect();
        let mut scores = [control.clone(), control];
        for (arm, scores) in scores.iter_mut().enumerate() {
            let known_ms = request.time_ms - self.world.config().lag_ms(arm);
            for need in &person.needs {
                scores[need.need] += focus * 1.5 * need.at(known_ms, market.need_half_life_ms());
            }
        }
        scores
    }

    /// The best ads of one arm.
    fn of_arm(&self, request: &AdRequest<'_>, needs: &[Vec<f64>; 2], arm: usize) -> Vec<u32> {
        best(&self.shelves, request.slots, request.running(Some(arm)), needs, |_| arm)
    }

    /// The best ads when treated campaigns are scored by the treatment.
    fn by_campaign(&self, request: &AdRequest<'_>, needs: &[Vec<f64>; 2]) -> Vec<u32> {
        let arm = |ad: u32| self.arms[self.world.campaign(ad)].unwrap_or(0);
        best(&self.shelves, request.slots, request.running(None), needs, arm)
    }

    fn arm(&self, request: &AdRequest<'_>) -> Option<usize> {
        match self.world.config().design {
            Design::User | Design::BudgetSplit => self.arms[request.user as usize],
            Design::Campaign => None,
            Design::Switchback => self.world.block_arm(request.time_ms),
        }
    }
}

impl Serve for Policies<'_> {
    type Error = Infallible;

    fn slate(&mut self, request: &AdRequest<'_>) -> Result<Slate, Infallible> {
        let needs = self.needs(request);
        let slate = |arm: usize| self.of_arm(request, &needs, arm);
        if request.time_ms < self.world.start_ms() {
            return Ok(Slate { ads: slate(0), ..Slate::default() });
        }
        if let Serving::All(arm) = self.serving {
            return Ok(Slate { arm: Some(arm), ads: slate(arm), would_differ: false });
        }
        if self.world.config().design == Design::Campaign {
            let ads = self.by_campaign(request, &needs);
            return Ok(Slate { arm: None, would_differ: ads != slate(0), ads });
        }
        let arm = self.arm(request);
        let mut slates = [slate(0), slate(1)];
        let would_differ = slates[0] != slates[1];
        Ok(Slate { arm, ads: std::mem::take(&mut slates[arm.unwrap_or(0)]), would_differ })
    }
}

/// The ads with the best sums of need and own score, the best first; of equal ones the first found.
fn best(
    shelves: &[Vec<(f64, u32)>],
    slots: usize,
    running: &[bool],
    needs: &[Vec<f64>; 2],
    arm: impl Fn(u32) -> usize,
) -> Vec<u32> {
    let mut top: Vec<(f64, u32)> = Vec::with_capacity(slots + 1);
    for (need, shelf) in shelves.iter().enumerate() {
        let most = needs[0][need].max(needs[1][need]);
        for &(own, ad) in shelf {
            let last = if top.len() < slots { f64::NEG_INFINITY } else { top[slots - 1].0 };
            if most + own <= last {
                break;
            }
            let score = needs[arm(ad)][need] + own;
            if running[ad as usize] && score > last {
                top.insert(top.partition_point(|other| other.0 >= score), (score, ad));
                top.truncate(slots);
            }
        }
    }
    top.into_iter().map(|(_, ad)| ad).collect()
}
