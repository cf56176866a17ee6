//! Settings whose documentation, default, range and type are in one place.
//!
//! [`settings!`](crate::settings!) declares a serialisable struct and, from the same lines, its list of [`Key`]s, so that `semrank
//! config` prints every key with its default, its range and its doc comment, and an unknown key can be refused by name. A number
//! states its range beside its default; both ends belong to it, and `check_ranges` refuses every value outside of it.
//!
//! ```
//! semrank_core::settings! {
//!     /// How to train.
//!     pub struct Train of "train" {
//!         /// Passes over the histories.
//!         epochs: usize = 12, in 1..=1000,
//!         /// Weights that are tried.
//!         weights: Vec<f64> = vec![0.5, 1.0], in 0.0..=10.0,
//!         /// Whether to shuffle.
//!         shuffled: bool = true,
//!     }
//! }
//! assert_eq!(Train::default().epochs, 12);
//! assert_eq!(Train::KEYS[0].name, "epochs");
//! assert_eq!(Train::KEYS[0].doc.trim(), "Passes over the histories.");
//! assert_eq!(Train::KEYS[0].range.unwrap().to_string(), "1 to 1000");
//! assert!(Train::default().check_ranges().is_ok());
//! let none = Train { epochs: 0, ..Train::default() };
//! assert_eq!(none.check_ranges().unwrap_err().to_string(), "train.epochs is 0, expected 1 to 1000");
//! let odd = Train { weights: vec![1.0, f64::NAN], ..Train::default() };
//! let said = odd.check_ranges().unwrap_err().to_string();
//! assert_eq!(said, "train.weights is [1, NaN], expected each of them 0 to 10");
//! ```

use std::fmt;

/// One setting of a section.
#[derive(Debug, Clone, Copy)]
pub struct Key {
    /// Name within the section.
    pub name: &'static str,
    /// Its doc comment, one line a `///` line.
    pub doc: &'static str,
    /// What a number, or each number of a list, may be; none of other types.
    pub range: Option<Range>,
}

/// From the least to the most, both included.
///
/// Bounds of whole numbers are below 2^53 or the type's own, so that no value beyond one is rounded to it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Range {
    /// The lowest.
    pub least: f64,
    /// The highest.
    pub most: f64,
}

impl Range {
    /// Whether a number is in the range; a NaN is in none.
    pub fn contains(self, number: f64) -> bool {
        (self.least..=self.most).contains(&number)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", shown(self.least), shown(self.most))
    }
}

/// Whole numbers in full, others in their shortest form: `2000000`, `0.5`, `1e-9`.
fn shown(number: impl Into<f64>) -> String {
    let number = number.into();
    if number.fract() == 0.0 && number.abs() < 1e16 { format!("{number}") } else { format!("{number:?}") }
}

fn whole(number: impl ToString) -> String {
    number.to_string()
}

/// A setting outside its limits.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} is {got}, expected {expected}")]
pub struct SettingError {
    /// Section and name, e.g. `model.dropout`.
    pub key: &'static str,
    /// What was given.
    pub got: String,
    /// What is allowed.
    pub expected: String,
}

impl SettingError {
    /// The name without its section.
    pub fn name(&self) -> &'static str {
        self.key.split_once('.').map_or(self.key, |(_, name)| name)
    }
}

/// A type of setting that has a range.
pub trait Ranged {
    /// Whether it is in the range, or all of its numbers are.
    fn is_in(&self, range: Range) -> bool;

    /// For a message.
    fn shown(&self) -> String;

    /// What a message says is possible.
    fn expected(range: Range) -> String {
        range.to_string()
    }
}

macro_rules! ranged {
    ($($type:ty: $shown:expr),+) => {$(
        impl Ranged for $type {
            fn is_in(&self, range: Range) -> bool {
                range.contains(*self as f64)
            }

            fn shown(&self) -> String {
                $shown(*self)
            }
        }
    )+};
}

ranged!(usize: whole, u64: whole, u32: whole, i64: whole, f32: shown, f64: shown);

impl<T: Ranged> Ranged for Vec<T> {
    fn is_in(&self, range: Range) -> bool {
        self.iter().all(|number| number.is_in(range))
    }

    fn shown(&self) -> String {
        format!("[{}]", self.iter().map(T::shown).collect::<Vec<_>>().join(", "))
    }

    fn expected(range: Range) -> String {
        format!("each of them {range}")
    }
}

/// Returns an error for a value outside a range.
///
/// # Errors
/// [`SettingError`] names `key`, the value and the range.
pub fn check<T: Ranged>(key: &'static str, value: &T, range: Range) -> Result<(), SettingError> {
    if value.is_in(range) {
        return Ok(());
    }
    Err(SettingError { key, got: value.shown(), expected: T::expected(range) })
}

/// Declares a section of settings: a struct with public fields, `Default`, serde, `KEYS` and `check_ranges`.
///
/// The bounds of a range are single tokens; others are put in parentheses, with their type: `in 0..=(1_u64 << 50)`.
#[macro_export]
macro_rules! settings {
    (@range $least:tt $most:tt) => {
        Some($crate::settings::Range { least: $least as f64, most: $most as f64 })
    };
    (@range) => { None };
    ($(#[$meta:meta])* pub struct $name:ident of $section:literal {
        $($(#[doc = $doc:literal])+ $field:ident: $type:ty = $default:expr $(, in $least:tt ..= $most:tt)?),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $doc])+ pub $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)+ }
            }
        }

        impl $name {
            /// Every setting of this section, in order.
            pub const KEYS: &[$crate::settings::Key] = &[$(
                $crate::settings::Key {
                    name: stringify!($field),
                    doc: concat!($($doc, "\n"),+),
                    range: $crate::settings!(@range $($least $most)?),
                },
            )+];

            /// Returns an error for numbers outside their ranges.
            ///
            /// # Errors
            /// The first of them.
            pub fn check_ranges(&self) -> Result<(), $crate::settings::SettingError> {
                $($(
                    let range = $crate::settings::Range { least: $least as f64, most: $most as f64 };
                    $crate::settings::check(concat!($section, ".", stringify!($field)), &self.$field, range)?;
                )?)+
                Ok(())
            }
        }
    };
}
