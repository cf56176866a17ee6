//! A row of an ad market's log, and the true probabilities of an impression.

use super::response::Surface;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AdAction {
    /// An ad was shown in a slot.
    Impression,
    /// An ad was opened; the parent is its impression.
    Click,
    /// An organic item was looked at.
    View,
    /// Something was bought; the parent is the click.
    Conversion,
}

impl AdAction {
    /// The name in a data set.
    pub fn name(self) -> &'static str {
        match self {
            AdAction::Impression => "impression",
            AdAction::Click => "click",
            AdAction::View => "view",
            AdAction::Conversion => "conversion",
        }
    }
}

/// A row of the log. Times are ms UTC; `item` counts the ads first, then the organic items.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdEvent {
    /// Its own number, `event_id` without its first letter.
    pub event: u64,
    /// The event that led to it.
    pub parent: Option<u64>,
    /// Row of the user.
    pub user: u32,
    /// Row of the item.
    pub item: u32,
    /// What happened.
    pub action: AdAction,
    /// When it happened, by the user's clock.
    pub time_ms: i64,
    /// When the log received it, by the server's clock.
    pub received_ms: i64,
    /// How long the user stayed; of clicks and views.
    pub dwell_ms: Option<i64>,
    /// The request that an impression answered.
    pub request: Option<u64>,
    /// Slot of an impression, from 1.
    pub slot: Option<u8>,
    /// Where.
    pub surface: Surface,
    /// Chance of the logging policy to show this ad in this slot, given the slots above; of impressions.
    pub propensity: Option<f64>,
    /// What was paid, in the currency's unit; of conversions.
    pub value: Option<f64>,
}

/// What is true of an impression, whether logged or not. Times are ms UTC.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Impression {
    /// The impression's event number.
    pub event: u64,
    /// Row of the user.
    pub user: u32,
    /// Row of the ad.
    pub item: u32,
    /// When it was shown.
    pub time_ms: i64,
    /// Chance of a click, in the slot where it was shown.
    pub p_click: f64,
    /// Chance of a click, had it been shown in slot 1.
    pub p_click_slot1: f64,
    /// Chance of a conversion, however late, given a click.
    pub p_conversion: f64,
    /// Mean delay of its advertiser's conversions in ms.
    pub delay_mean_ms: f64,
    /// Median delay of its advertiser's conversions in ms.
    pub delay_median_ms: f64,
    /// When it was clicked, if ever.
    pub click_ms: Option<i64>,
    /// When it converted, if ever: also after the end of the log.
    pub conversion_ms: Option<i64>,
}
