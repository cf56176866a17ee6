//! Validates the settings before any work begins; the error names the first invalid one.
//!
//! ```
//! use semrank_tokens::TokenSettings;
//! let odd = TokenSettings { codes: 100_000, ..TokenSettings::default() };
//! assert_eq!(odd.check().unwrap_err().to_string(), "tokens.codes is 100000, expected 2 to 65536");
//! ```

use crate::{AlignSettings, Error, TokenSettings};
use semrank_core::settings::SettingError;
use std::path::Path;

/// A block of balanced fitting scores 8 K vectors against K codes: 128 MiB of scores a thread.
const MOST_BALANCED: usize = 2048;

/// No width is larger; products of two then fit, and tensors are compared with the widths before anything is allocated.
const WIDEST: usize = 1 << 20;

/// Validates widths read from a file: the hash detects an altered file, not a malicious one.
pub(crate) fn widths<const N: usize>(path: &Path, widths: [usize; N]) -> Result<(), Error> {
    if widths.iter().all(|width| (1..=WIDEST).contains(width)) {
        return Ok(());
    }
    Err(Error::damaged(path, format!("its widths are {widths:?}, expected 1 to {WIDEST}")))
}

impl TokenSettings {
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first invalid one.
    pub fn check(&self) -> Result<(), Error> {
        self.check_ranges()?;
        if self.balanced && self.codes > MOST_BALANCED {
            let expected = format!("false where tokens.codes is above {MOST_BALANCED}");
            return Err(SettingError { key: "tokens.balanced", got: "true".into(), expected }.into());
        }
        Ok(())
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
    /// Validates the settings; returns an error for the first invalid value.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first invalid one.
    pub fn check(&self) -> Result<(), Error> {
        Ok(self.check_ranges()?)
    }
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
        assert_eq!(said(rate), "tokens.rate is NaN, expected 1e-9 to 1");
        let decay = TokenSettings { decay: 1.0, ..TokenSettings::default() };
        assert_eq!(said(decay), "tokens.decay is 1, expected 0 to 0.999999");
    }
}
