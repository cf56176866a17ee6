//! Which items a request may return, as an expression over item columns.
//!
//! ```text
//! kind = ad and advertiser_id in (nike, "new balance") and not campaign_id = c7 and bid >= 0.5
//! ```
//!
//! `and`, `or`, `not`, parentheses; `=`, `!=`, `in (…)` for texts and numbers; `<`, `<=`, `>`, `>=` for numbers. `not` binds tightest, then
//! `and`. A value with blanks or signs stands in quotes. A column with several values per item, such as the countries that an ad is meant
//! for, equals each of them. A test of an absent value is false; `not` makes it true.
//!
//! | file | does |
//! |---|---|
//! | `parse` | text -> [`Filter`] |
//! | `normal` | filters that mean the same -> one of them |
//! | `apply` | [`Filter`] and [`ItemTable`](crate::ItemTable) -> the rows that pass |

mod apply;
mod normal;
mod parse;

use crate::FilterError;
use std::fmt;
use std::str::FromStr;

/// An expression.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them; none of them is true of everything.
    And(Vec<Filter>),
    /// Any of them; none of them is true of nothing.
    Or(Vec<Filter>),
    /// Not this.
    Not(Box<Filter>),
    /// A column has one of these values.
    In {
        /// The column's name.
        column: String,
        /// The values, as written.
        values: Vec<String>,
    },
    /// A number compared with another.
    Compare {
        /// The column's name.
        column: String,
        /// How.
        order: Order,
        /// With what.
        number: f64,
    },
}

/// A comparison of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
}

impl Order {
    const ALL: [(Self, &str); 4] =
        [(Self::AtMost, "<="), (Self::AtLeast, ">="), (Self::Less, "<"), (Self::Greater, ">")];

    fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(order, _)| *order == self).map_or("", |(_, sign)| sign)
    }

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Less => value < bound,
            Self::AtMost => value <= bound,
            Self::Greater => value > bound,
            Self::AtLeast => value >= bound,
        }
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        parse::parse(text)
    }
}

/// Text that parses to the same filter.
impl fmt::Display for Filter {
    fn fmt(&self, out: &mut fmt::Formatter) -> fmt::Result {
        let list = |out: &mut fmt::Formatter, parts: &[Filter], word: &str| {
            for (at, part) in parts.iter().enumerate() {
                let between = if at == 0 { "" } else { word };
                write!(out, "{between}({part})")?;
            }
            Ok(())
        };
        match self {
            Self::And(parts) => list(out, parts, " and "),
            Self::Or(parts) => list(out, parts, " or "),
            Self::Not(part) => write!(out, "not ({part})"),
            Self::In { column, values } => {
                write!(out, "{} in (", parse::quoted(column))?;
                for (at, value) in values.iter().enumerate() {
                    let between = if at == 0 { "" } else { ", " };
                    write!(out, "{between}{}", parse::quoted(value))?;
                }
                write!(out, ")")
            }
            Self::Compare { column, order, number } => {
                write!(out, "{} {} {number}", parse::quoted(column), order.sign())
            }
        }
    }
}

#[cfg(test)]
mod tests;
