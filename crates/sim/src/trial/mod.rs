//! The closed loop of a randomised test on the ad market: settings in; users who ask, see, click and buy, whatever ranks
//! for them; the rows of the test and its true effect out.
//!
//! ```text
//! TrialWorld --AdRequest--> Serve --Slate--> TrialWorld --Reaction--> Serve
//!     |                     (Policies, or a client of a server)
//!     +-- TrialLog -- exposures, events -- Counts -- the statistics of semrank-experiment
//!     +-- Truth: everybody in control and everybody in treatment, with the same random numbers
//! ```
//!
//! - **Common random numbers.** What a user does in a slot is drawn from (seed, user, request, slot), and users
//!   come at times that do not depend on what they were shown. Two plays differ only through their slates.
//! - **The estimand** of [`Truth`] is that of the counts: sums per user within the attribution window from the first
//!   request in the entry period, by market time, budgets included.
//!
//! | file | does |
//! |---|---|
//! | `config` | [`TrialConfig`], [`Design`] |
//! | `serve` | [`Serve`], the seam: [`AdRequest`], [`Slate`], [`Reaction`] |
//! | `plan` | when users come |
//! | `budgets` | campaigns, charges and pauses |
//! | `world` | [`TrialWorld`]: users, assignment, budgets |
//! | `policies` | [`Policies`]: control and treatment in this process |
//! | `play` | the clock of a play, and how users react |
//! | `log` | [`TrialLog`]: exposures, events and counts by unit |
//! | `truth` | [`Truth`]: the effect of a launch |
//!
//! ```
//! use semrank_sim::{AdMarketConfig, Policies, Serving, TrialConfig, TrialWorld};
//! let market = AdMarketConfig { impressions: 8_000, days: 14, users: 100, ..AdMarketConfig::default() };
//! let world = TrialWorld::new(market, TrialConfig::default())?;
//! let Ok(log) = world.play(&mut Policies::new(&world, Serving::Test));
//! let counts = world.count(&log)?;
//! assert_eq!(counts.left_out.crossovers, 0);
//! assert!(world.truth()?.relative("click")? > 0.0); // fresher knowledge brings clicks
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod budgets;
mod config;
mod log;
mod plan;
mod play;
mod policies;
mod serve;
mod truth;
mod world;

pub use config::{Design, TrialConfig};
pub use log::TrialLog;
pub use policies::{Policies, Serving};
pub use serve::{AdRequest, Reaction, Serve, Slate};
pub use truth::Truth;
pub use world::TrialWorld;
