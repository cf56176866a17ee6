//! The rows of an item table that a filter lets pass.

use super::Filter;
use crate::FilterError;
use crate::table::{Column, ItemTable};
use semrank_nn::scan::Bitmap;

impl Filter {
    /// The rows that pass.
    ///
    /// # Errors
    /// [`FilterError::Column`] for one that the table does not have, [`FilterError::NotANumber`] where a text that is no number is compared by order, or a
    /// column of numbers with a text, [`FilterError::Unusable`] for a column that cannot be compared.
    pub fn rows(&self, table: &ItemTable) -> Result<Bitmap, FilterError> {
        match self {
            Self::And(parts) => {
                let mut out = Bitmap::full(table.len());
                for part in parts {
                    out.intersect(&part.rows(table)?);
                }
                Ok(out)
            }
            Self::Or(parts) => {
                let mut out = Bitmap::new(table.len());
                for part in parts {
                    out.unite(&part.rows(table)?);
                }
                Ok(out)
            }
            Self::Not(part) => {
                let mut out = part.rows(table)?;
                out.invert();
                Ok(out)
            }
            Self::In { column, values } => match table.column(column)? {
                Column::Text(text) => {
                    let mut out = Bitmap::new(table.len());
                    values
                        .iter()
                        .for_each(|value| text.rows_of(value).for_each(|row| _ = out.set(row, true)));
                    Ok(out)
                }
                Column::Number(numbers) => {
                    let wanted = values.iter().map(|value| number(column, value));
                    let wanted: Vec<f64> = wanted.collect::<Result<_, _>>()?;
                    Ok(numbers.iter().map(|number| wanted.contains(number)).collect())
                }
                Column::Unusable(reason) => Err(FilterError::unusable(column, reason)),
            },
            Self::Compare { column, order, number } => match table.column(column)? {
                // False for an absent number, which is NaN.
                Column::Number(numbers) => {
                    Ok(numbers.iter().map(|value| order.holds(*value, *number)).collect())
                }
                Column::Text(text) => {
                    let mut out = Bitmap::new(table.len());
                    for (value, rows) in text.values() {
                        // Tables without types have numbers as texts. Where one value is no number, nobody meant numbers.
                        let value = finite(value).ok_or_else(|| {
                            let (column, value) = (column.clone(), format!("{} {number}", order.sign()));
                            FilterError::NotANumber { column, value, of: "texts" }
                        })?;
                        if order.holds(value, *number) {
                            rows.iter().for_each(|row| _ = out.set(row, true));
                        }
                    }
                    Ok(out)
                }
                Column::Unusable(reason) => Err(FilterError::unusable(column, reason)),
            },
        }
    }
}

fn finite(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite())
}

fn number(column: &str, value: &str) -> Result<f64, FilterError> {
    finite(value).ok_or_else(|| FilterError::NotANumber {
        column: column.to_owned(),
        value: value.to_owned(),
        of: "numbers",
    })
}
