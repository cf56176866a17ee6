//! The seam between the users of a simulated test and what ranks for them: requests in, slates out, reactions
//! back. A ranker in this process and a client of a running server implement the same trait.

use crate::impressions::people::Person;
use crate::impressions::{AdEvent, Surface};

/// A user asks for ads.
#[derive(Clone, Copy)]
pub struct AdRequest<'a> {
    /// Its number, the same in every play of a seed.
    pub request: u64,
    /// Row of the user.
    pub user: u32,
    /// Whether the request says by itself that a bot sent it (e.g. by its user agent).
    pub bot: bool,
    /// When (ms UTC).
    pub time_ms: i64,
    /// Where.
    pub surface: Surface,
    /// Number of slots to fill.
    pub slots: usize,
    /// The true state of the user, for rankers of the simulation only.
    pub(crate) person: &'a Person,
    /// Which ads may be shown, by budget ledger.
    pub(crate) running: &'a [&'a [bool]],
}

impl AdRequest<'_> {
    /// Whether an ad may be shown in an arm: it is active and its campaign can pay a click. The arms differ only if
    /// each has its own half of the budgets.
    pub fn is_eligible(&self, ad: u32, arm: Option<usize>) -> bool {
        self.running(arm).get(ad as usize).copied().unwrap_or(false)
    }

    /// Rows of all ads that may be shown in an arm.
    pub fn eligible(&self, arm: Option<usize>) -> impl Iterator<Item = u32> {
        (0..).zip(self.running(arm)).filter(|(_, running)| **running).map(|(ad, _)| ad)
    }

    /// By row of the ad; an unknown arm is control.
    pub(crate) fn running(&self, arm: Option<usize>) -> &[bool] {
        let ledger = arm.unwrap_or(0);
        self.running.get(ledger).copied().unwrap_or(self.running[0])
    }
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Slate {
    /// Arm of the request, 0 for control; none when it does not take part, and when campaigns are randomised.
    pub arm: Option<usize>,
    /// Rows of the ads, from the first slot.
    pub ads: Vec<u32>,
    /// Whether the other arm's slate for this request would be another.
    pub would_differ: bool,
}

/// Something that happened, to the ranker's knowledge.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reaction {
    /// The row of a log; clicks and conversions carry the request and slot of their impression.
    pub event: AdEvent,
    /// Arm of the request that led to it.
    pub arm: Option<usize>,
    /// When that request was made (ms UTC).
    pub served_ms: i64,
    /// What the campaign paid, in cents; of clicks.
    pub price_cents: i64,
}

/// Ranks ads for the simulated users.
pub trait Serve {
    /// What can go wrong.
    type Error;

    /// Answers a request. Requests come in order of time.
    ///
    /// # Errors
    /// When there is no answer; it ends the play.
    fn slate(&mut self, request: &AdRequest<'_>) -> Result<Slate, Self::Error>;

    /// Takes note of an impression, a click, a conversion or a view, in order of time.
    ///
    /// # Errors
    /// When it could not be taken note of; it ends the play.
    fn observe(&mut self, _reaction: &Reaction) -> Result<(), Self::Error> {
        Ok(())
    }
}
