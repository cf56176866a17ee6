//! How users respond: a user, an ad and a moment in, the chances of a click and of a conversion out.
//!
//! With `n` the strength of the user's needs that the ad serves, `m` of those for exactly its product:
//!
//! ```text
//! P(click | slot)       = examined(surface, slot) P(click | slot 1)
//! logit P(click | slot 1) = b + surface + 0.25 cos(2 pi (hour - 20) / 24) + 0.3 affinity(topic) + 1.7 n + 0.5 m
//!     + 0.45 style + 0.3 colour + 0.6 [favourite brand] + 0.3 price taste * price class + 0.1 (rating - 1.5)
//!     + offer + advertiser + residual - 0.9 [already clicked]
//! logit P(conversion | click) = c + surface - 0.15 cos(2 pi (hour - 4) / 24) + 0.15 affinity(topic) + 0.9 n + 1.3 m
//!     + 0.3 style + 0.7 price taste * price class + 0.5 (rating - 1.5) + offer + advertiser + residual
//! ```
//!
//! Clicks depend mainly on the need and the slot, conversions on what the text says: product, price class, rating and
//! offer. `b` and `c` are set so that a pilot run has the rates of the
//! settings. The examination hypothesis is that of Richardson et al. 2007 and Craswell et al. 2008 (section 3).

use super::catalog::{Ad, Advertiser};
use super::people::Person;

/// Where ads are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surface {
    /// Four slots in a feed.
    Feed,
    /// Three slots beside search results.
    Search,
    /// Two slots between videos.
    Reels,
}

impl Surface {
    /// All of them.
    pub const ALL: [Surface; 3] = [Surface::Feed, Surface::Search, Surface::Reels];
    /// Share of the sessions, in the order of [`Surface::ALL`].
    pub(crate) const SHARES: [f64; 3] = [0.55, 0.2, 0.25];

    /// The name in a data set.
    pub fn name(self) -> &'static str {
        match self {
            Surface::Feed => "feed",
            Surface::Search => "search",
            Surface::Reels => "reels",
        }
    }

    /// For each slot, from slot 1, the chance that a user looks at it at all.
    pub fn examined(self) -> &'static [f64] {
        match self {
            Surface::Feed => &[1.0, 0.75, 0.58, 0.46],
            Surface::Search => &[1.0, 0.6, 0.4],
            Surface::Reels => &[1.0, 0.85],
        }
    }

    fn click_effect(self) -> f64 {
        match self {
            Surface::Feed => 0.0,
            Surface::Search => 0.5,
            Surface::Reels => -0.4,
        }
    }

    fn conversion_effect(self) -> f64 {
        match self {
            Surface::Feed => 0.0,
            Surface::Search => 0.4,
            Surface::Reels => -0.5,
        }
    }
}

/// Effects of the offers on click and conversion, in the order of the offers: those with more clicks have fewer conversions.
const OFFER_EFFECTS: [(f64, f64); 8] =
    [(0.0, 0.6), (0.0, 0.4), (0.0, 0.2), (-0.1, -0.2), (0.25, 0.1), (-0.1, -0.4), (0.05, 0.5), (0.3, -0.6)];

/// The intercepts of the two models.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Intercepts {
    pub(crate) click: f64,
    pub(crate) conversion: f64,
}

/// Log-odds of one impression.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Logits {
    /// Of a click in slot 1.
    pub(crate) click: f64,
    /// Of a conversion after a click.
    pub(crate) conversion: f64,
}

/// An ad shown to a user.
pub(crate) struct Meeting<'a> {
    pub(crate) person: &'a Person,
    pub(crate) row: u32,
    pub(crate) ad: &'a Ad,
    pub(crate) advertiser: &'a Advertiser,
    pub(crate) surface: Surface,
    pub(crate) time_ms: i64,
    /// Strength of the needs that the ad serves, and of those for its product.
    pub(crate) need: (f64, f64),
}

impl Meeting<'_> {
    pub(crate) fn logits(&self, intercepts: Intercepts) -> Logits {
        let (person, ad, theme) = (self.person, self.ad, &self.ad.theme);
        let (any, exact) = self.need;
        let affinity = person.affinity(theme.topic());
        let style = person.styles[theme.style];
        let price = person.price * f64::from(ad.price);
        let rating = f64::from(ad.quality) - 1.5;
        let favourite = if person.brands[theme.topic()] == theme.brand { 0.6 } else { 0.0 };
        let again = if person.has_clicked(self.row) { -0.9 } else { 0.0 };
        let (offer_click, offer_conversion) = OFFER_EFFECTS[ad.offer];
        let click = self.surface.click_effect() + 0.25 * self.clock(20.0) + 0.3 * affinity;
        let click = click + 1.7 * any + 0.5 * exact + 0.45 * style + 0.3 * person.colours[theme.colour];
        let click = click + favourite + 0.3 * price + 0.1 * rating + again;
        let conversion = self.surface.conversion_effect() - 0.15 * self.clock(4.0) + 0.15 * affinity;
        let conversion = conversion + 0.9 * any + 1.3 * exact + 0.3 * style + 0.7 * price + 0.5 * rating;
        Logits {
            click: intercepts.click + click + offer_click + self.advertiser.click_effect + ad.click_residual,
            conversion: intercepts.conversion
                + conversion
                + offer_conversion
                + self.advertiser.conversion_effect
                + ad.conversion_residual,
        }
    }

    /// 1 at the hour (UTC) `peak`, -1 twelve hours later.
    fn clock(&self, peak: f64) -> f64 {
        let hours = self.time_ms.rem_euclid(86_400_000) as f64 / 3_600_000.0;
        (std::f64::consts::TAU * (hours - peak) / 24.0).cos()
    }
}

/// The logistic function.
pub(crate) fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The shift of all log-odds that makes the weighted mean of their probabilities, `sum w sigmoid(x + shift) / sum v`, is
/// equal to `rate`; rows are `(x, w, v)`. By bisection, as the mean grows with the shift.
pub(crate) fn shift_to(rate: f64, rows: &[(f64, f64, f64)]) -> f64 {
    let total: f64 = rows.iter().map(|row| row.2).sum();
    let (mut low, mut high) = (-30.0, 30.0);
    for _ in 0..50 {
        let shift = (low + high) / 2.0;
        let mean = rows.iter().map(|(x, w, _)| w * sigmoid(x + shift)).sum::<f64>() / total;
        if mean < rate { low = shift } else { high = shift }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_reaches_the_rate() {
        let rows = [(0.3, 1.0, 1.0), (-2.0, 0.5, 1.0), (1.0, 0.7, 1.0)];
        let shift = shift_to(0.2, &rows);
        let mean: f64 = rows.iter().map(|(x, w, _)| w * sigmoid(x + shift)).sum::<f64>() / 3.0;
        assert!((mean - 0.2).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn the_first_slot_is_always_looked_at_and_later_ones_less() {
        for surface in Surface::ALL {
            assert_eq!(surface.examined()[0], 1.0);
            assert!(surface.examined().is_sorted_by(|a, b| a > b));
        }
    }
}
