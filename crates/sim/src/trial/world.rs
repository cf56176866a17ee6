//! A market on which tests are played: its ads and budgets, and the users of one seed.

use super::budgets::Campaigns;
use super::config::{Design, TrialConfig};
use super::plan::{Visit, visits};
use crate::config::Error;
use crate::impressions::catalog::Supply;
use crate::impressions::people::{self, Person};
use crate::impressions::world::World;
use crate::impressions::{Ad, AdMarketConfig, engine};
use semrank_experiment::assign::{Assignment, Hash};
use std::cmp::Reverse;

/// How many times as often as a user a bot comes.
const BOT_ACTIVITY: f64 = 5.0;

/// A market, the settings of a test, and the users of its seed.
pub struct TrialWorld {
    pub(crate) world: World,
    config: TrialConfig,
    pub(crate) campaigns: Campaigns,
    /// Users before the play, then bots.
    pub(crate) people: Vec<Person>,
    pub(crate) visits: Vec<Visit>,
    /// Daily budget of every campaign in cents; none has no limit.
    pub(crate) budgets: Vec<Option<i64>>,
}

impl TrialWorld {
    /// A market with the users of the test's seed. The market's own budgets do not apply: a share of the campaigns
    /// has a part of what it spends when everybody is in control and nothing is limited.
    ///
    /// # Errors
    /// [`Error::Setting`] when a setting is outside its limits.
    pub fn new(market: AdMarketConfig, config: TrialConfig) -> Result<TrialWorld, Error> {
        config.check(&market)?;
        let world = World::new(market)?;
        let campaigns = Campaigns::new(&world.supply);
        let budgets = vec![None; campaigns.ads.len()];
        let mut new =
            TrialWorld { world, config, campaigns, people: Vec::new(), visits: Vec::new(), budgets };
        new.draw_users();
        if new.config.limited > 0.0 {
            new.budgets = new.limits();
        }
        Ok(new)
    }

    /// The same market, ads and budgets with the users, arms and behaviour of another seed.
    #[must_use]
    pub fn with_seed(mut self, seed: u64) -> TrialWorld {
        self.config.seed = seed;
        self.draw_users();
        self
    }

    fn draw_users(&mut self) {
        let market = &self.world.config;
        let seeded = AdMarketConfig { seed: self.config.seed, ..market.clone() };
        self.people = people::generate(&seeded, engine::sessions(market));
        let bots = (self.config.bots * market.users as f64).round() as usize;
        for user in 0..bots {
            let mut bot = self.people[user].clone();
            bot.sessions_per_day *= BOT_ACTIVITY;
            self.people.push(bot);
        }
        self.visits = visits(market, &self.people, self.config.seed, self.end_ms());
    }

    /// Budgets of a share of the campaigns that spend in control, those in most demand: a part of their daily spend
    /// each, but enough for two clicks.
    fn limits(&self) -> Vec<Option<i64>> {
        let mut spend = vec![0; self.campaigns.ids.len()];
        for reaction in self.play_everybody(0).reactions() {
            if reaction.price_cents > 0 {
                spend[self.campaign(reaction.event.item)] += reaction.price_cents;
            }
        }
        let days = self.config.days() as f64;
        let mut spending: Vec<usize> = (0..spend.len()).filter(|&campaign| spend[campaign] > 0).collect();
        spending.sort_by_key(|&campaign| (Reverse(spend[campaign]), campaign));
        spending.truncate((self.config.limited * spending.len() as f64).round() as usize);
        let mut budgets = vec![None; spend.len()];
        for campaign in spending {
            let bids = self.campaigns.ads[campaign].iter().map(|&ad| self.ads()[ad as usize].bid_cents);
            let daily = (self.config.budget * spend[campaign] as f64 / days).round() as i64;
            budgets[campaign] = Some(daily.max(2 * bids.max().unwrap_or(0)));
        }
        budgets
    }

    /// The settings of the test.
    pub fn config(&self) -> &TrialConfig {
        &self.config
    }

    /// The settings of the market.
    pub fn market(&self) -> &AdMarketConfig {
        &self.world.config
    }

    /// All ads, by row.
    pub fn ads(&self) -> &[Ad] {
        &self.world.supply.ads
    }

    pub(crate) fn supply(&self) -> &Supply {
        &self.world.supply
    }

    /// Number of users and bots.
    pub fn users(&self) -> usize {
        self.people.len()
    }

    /// The name of a user, as in the market's data set.
    pub fn user_id(&self, user: u32) -> String {
        format!("user-{user:06}")
    }

    /// The id of an ad, or of the organic item of a view.
    ///
    /// # Panics
    /// When there is no such item.
    pub fn item_id(&self, item: u32) -> &str {
        let (item, ads) = (item as usize, self.ads());
        if item < ads.len() { &ads[item].id } else { &self.supply().posts[item - ads.len()].id }
    }

    pub(crate) fn is_bot(&self, user: u32) -> bool {
        user as usize >= self.world.config.users
    }

    /// Number of an ad's campaign.
    ///
    /// # Panics
    /// When there is no such ad.
    pub fn campaign(&self, ad: u32) -> usize {
        self.campaigns.of_ad[ad as usize]
    }

    /// The names of all campaigns, as in the market's data set.
    pub fn campaign_ids(&self) -> &[String] {
        &self.campaigns.ids
    }

    /// Daily budget of every campaign in cents; none has no limit.
    pub fn budgets(&self) -> &[Option<i64>] {
        &self.budgets
    }

    /// Begin of the test (ms UTC).
    pub fn start_ms(&self) -> i64 {
        self.config.start_ms(&self.world.config)
    }

    /// End of a play (ms UTC), excluded.
    pub fn end_ms(&self) -> i64 {
        self.config.end_ms(&self.world.config)
    }

    /// How units are assigned to control and treatment.
    pub fn assignment(&self) -> Assignment {
        Assignment {
            salt: format!("trial-{}", self.config.seed),
            hash: Hash::Wide,
            weights: vec![1.0 - self.config.treated, self.config.treated],
            coverage: self.config.share,
            namespace: None,
        }
    }

    /// Arm of every campaign; none takes part unless campaigns are randomised.
    pub(crate) fn campaign_arms(&self) -> Vec<Option<usize>> {
        if self.config.design != Design::Campaign {
            return vec![None; self.campaigns.ids.len()];
        }
        let assignment = self.assignment();
        self.campaigns.ids.iter().map(|id| assignment.arm(id)).collect()
    }

    /// Name of the block of a time; none in a burn-in.
    pub(crate) fn block_id(&self, time_ms: i64) -> Option<String> {
        let (block, burn_in) = self.config.block(time_ms - self.start_ms());
        (!burn_in).then(|| format!("block-{block:06}"))
    }

    /// Arm of the block of a time, also in its burn-in.
    pub(crate) fn block_arm(&self, time_ms: i64) -> Option<usize> {
        let (block, _) = self.config.block(time_ms - self.start_ms());
        self.assignment().arm(&format!("block-{block:06}"))
    }
}
