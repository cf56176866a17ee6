//! Limits of the settings: what makes no sense is refused by name before any work begins.
//!
//! ```
//! use semrank_tokens::TokenSettings;
//! let odd = TokenSettings { codes: 100_000, ..TokenSettings::default() };
//! assert_eq!(odd.check().unwrap_err().to_string(), "tokens.codes is 100000, expected 2 to 65536");
//! ```

use crate::{AlignSettings, Error, TokenSettings};

/// Codes are stored in 16 bits.
const MOST_CODES: usize = 1 << 16;
/// Deeper lists are no longer short.
const MOST_LEVELS: usize = 64;
/// A block of balanced fitting scores 8 K vectors against K codes: 128 MiB of scores a thread.
const MOST_BALANCED: usize = 2048;

impl TokenSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first nonsensical one.
    pub fn check(&self) -> Result<(), Error> {
        range("tokens.levels", self.levels, 1, MOST_LEVELS)?;
        range("tokens.codes", self.codes, 2, MOST_CODES)?;
        let balances = !self.balanced || self.codes <= MOST_BALANCED;
        let expected = format!("false where tokens.codes is above {MOST_BALANCED}");
        ensure(balances, "tokens.balanced", self.balanced, &expected)?;
        positive("tokens.iterations", self.iterations)?;
        positive("tokens.hidden", self.hidden)?;
        positive("tokens.latent", self.latent)?;
        positive("tokens.epochs", self.epochs)?;
        positive("tokens.batch", self.batch)?;
        // In the comparisons below a NaN is in no range.
        let above_zero = |key, got: f64| ensure(got > 0.0 && got.is_finite(), key, got, "a number above 0");
        above_zero("tokens.rate", self.rate)?;
        let committed = self.commitment >= 0.0 && self.commitment.is_finite();
        ensure(committed, "tokens.commitment", self.commitment, "0 or more")?;
        let decays = (0.0..1.0).contains(&self.decay);
        ensure(decays, "tokens.decay", self.decay, "0 or more, and below 1")
    }

    /// Refuses them, and a catalogue that is too small for them.
    pub(crate) fn check_for(&self, items: usize) -> Result<(), Error> {
        self.check()?;
        if items < self.codes {
            return Err(Error::FewItems { items, codes: self.codes });
        }
        Ok(())
    }
}

impl AlignSettings {
    /// Refuses settings that make no sense.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first nonsensical one.
    pub fn check(&self) -> Result<(), Error> {
        positive("align.hidden", self.hidden)?;
        positive("align.width", self.width)?;
        positive("align.gap", self.gap)?;
        positive("align.batch", self.batch)?;
        let dropout = (0.0..1.0).contains(&self.dropout);
        ensure(dropout, "align.dropout", self.dropout, "0 or more, and below 1")?;
        let above_zero = |key, got: f64| ensure(got > 0.0 && got.is_finite(), key, got, "a number above 0");
        above_zero("align.temperature", self.temperature)?;
        above_zero("align.rate", self.rate)?;
        let decays = self.weight_decay >= 0.0 && self.weight_decay.is_finite();
        ensure(decays, "align.weight_decay", self.weight_decay, "0 or more")
    }
}

fn positive(key: &'static str, got: usize) -> Result<(), Error> {
    ensure(got > 0, key, got, "at least 1")
}

fn range(key: &'static str, got: usize, least: usize, most: usize) -> Result<(), Error> {
    ensure((least..=most).contains(&got), key, got, &format!("{least} to {most}"))
}

fn ensure(good: bool, key: &'static str, got: impl ToString, expected: &str) -> Result<(), Error> {
    if good {
        return Ok(());
    }
    Err(Error::Setting { key, got: got.to_string(), expected: expected.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_possible_and_nonsense_is_named() {
        TokenSettings::default().check().unwrap();
        let said = |settings: TokenSettings| settings.check().unwrap_err().to_string();
        let levels = TokenSettings { levels: 0, ..TokenSettings::default() };
        assert_eq!(said(levels), "tokens.levels is 0, expected 1 to 64");
        let balanced = TokenSettings { balanced: true, codes: 4096, ..TokenSettings::default() };
        assert_eq!(
            said(balanced),
            "tokens.balanced is true, expected false where tokens.codes is above 2048"
        );
        let rate = TokenSettings { rate: f64::NAN, ..TokenSettings::default() };
        assert_eq!(said(rate), "tokens.rate is NaN, expected a number above 0");
        let decay = TokenSettings { decay: 1.0, ..TokenSettings::default() };
        assert_eq!(said(decay), "tokens.decay is 1, expected 0 or more, and below 1");
    }
}
