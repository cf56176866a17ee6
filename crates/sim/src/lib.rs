//! A simulated market with known truth: settings in, ads and organic items with texts and a log of events
//! out.
//!
//! Because the probability of every next choice is known ([`Market::truth`]), a ranker can be
//! compared not only with baselines but with the best possible ranker ([`Market::oracle`]). Users
//! move from one part of a topic to the next (a tent, then a sleeping bag), read about a product before they look
//! at ads for it, have fixed tastes in brand, style and colour, and interests that drift. All of this can be
//! learned from the log, most of it only by a model that reads the whole history and the texts.
//!
//! | file | does |
//! |---|---|
//! | `config` | [`MarketConfig`], its defaults and limits |
//! | `words` | the project's word lists (`words.txt`) |
//! | `items` | [`MarketItem`]: topic, traits, popularity, birth |
//! | `texts` | titles and descriptions from the word lists |
//! | `users` | [`MarketUser`]: tastes, interests, sessions |
//! | `choice` | the true distribution of the next item |
//! | `market` | [`Market`]: generation, truth, oracle |
//! | `write` | a market as a data set on disk |
//! | `impressions/` | [`AdMarket`]: a second market that logs impressions, clicks and late conversions |
//! | `trial/` | [`TrialWorld`]: a randomised test on that market, with its true effect |
//!
//! ```
//! use semrank_sim::{Market, MarketConfig};
//! let market = Market::new(MarketConfig { users: 50, items: 200, ..MarketConfig::default() })?;
//! let truth = market.truth(0, 3); // the chance of every item to be the fourth event of user 0
//! assert!((truth.iter().sum::<f64>() - 1.0).abs() < 1e-9);
//! # Ok::<(), semrank_sim::Error>(())
//! ```

mod choice;
mod config;
mod impressions;
mod items;
mod market;
mod texts;
mod trial;
mod users;
mod words;
mod write;

pub use config::{Error, MarketConfig};
pub use impressions::{
    Ad, AdAction, AdEvent, AdMarket, AdMarketConfig, Advertiser, DelayFamily, DelayLaw, Impression, Post,
    Surface, Theme,
};
pub use items::{MarketItem, Traits};
pub use market::{Market, MarketAction, MarketEvent};
pub use trial::{
    AdRequest, Design, Policies, Reaction, Serve, Serving, Slate, TrialConfig, TrialLog, TrialWorld, Truth,
};
pub use users::{MarketUser, Session, Taste};
