//! The initial state of a market: settings in; ads, posts, advertisers, users and the intercepts of both response models out.

use super::catalog::Supply;
use super::config::AdMarketConfig;
use super::engine::{self, Batch, Engine};
use super::people::{self, Person};
use super::response::{Intercepts, shift_to};
use crate::config::Error;

/// Impressions of the pilot run that fits the intercepts.
const PILOT: usize = 20_000;

pub(crate) struct World {
    pub(crate) config: AdMarketConfig,
    pub(crate) supply: Supply,
    pub(crate) people: Vec<Person>,
    pub(crate) intercepts: Intercepts,
}

impl World {
    pub(crate) fn new(config: AdMarketConfig) -> Result<World, Error> {
        config.check()?;
        let supply = Supply::generate(&config);
        let people = people::generate(&config, engine::sessions(&config));
        let intercepts = Intercepts { click: -5.0, conversion: -4.0 };
        let mut world = World { config, supply, people, intercepts };
        world.intercepts = world.calibrate(intercepts);
        Ok(world)
    }

    /// The log from its first hour.
    pub(crate) fn start(&self) -> Engine<'_> {
        Engine::new(self, self.people.clone(), self.intercepts, "impressions.log")
    }

    /// A pilot run with some of the users over the whole time; returns the intercepts that give it the rates of the
    /// settings.
    fn calibrate(&self, guess: Intercepts) -> Intercepts {
        let share = PILOT as f64 / self.config.impressions as f64;
        let users = ((self.people.len() as f64 * share).ceil() as usize).clamp(1, self.people.len());
        let people = self.people[..users].to_vec();
        let mut pilot = Engine::new(self, people, guess, "impressions.pilot");
        let (mut batch, mut clicks, mut conversions) = (Batch::default(), Vec::new(), Vec::new());
        while pilot.next_hour(&mut batch) {
            for shown in &batch.impressions {
                clicks.push((logit(shown.p_click_slot1), shown.p_click / shown.p_click_slot1, 1.0));
                conversions.push((logit(shown.p_conversion), shown.p_click, shown.p_click));
            }
        }
        if clicks.is_empty() {
            return guess;
        }
        Intercepts {
            click: guess.click + shift_to(self.config.click_rate, &clicks),
            conversion: guess.conversion + shift_to(self.config.conversion_rate, &conversions),
        }
    }
}

fn logit(p: f64) -> f64 {
    (p / (1.0 - p)).ln()
}
