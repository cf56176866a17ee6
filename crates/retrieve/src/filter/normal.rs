//! One way to write filters that mean the same, so that their rows are found once.
//!
//! ```text
//! b = y and (a = x and a = x)     ->  a = x and b = y
//! not not (c in (q, p, q))        ->  c in (p, q)
//! ```

use super::Filter;

impl Filter {
    /// The same filter with its parts in a fixed order, each once, and nothing nested that need not be. It passes the same rows.
    pub fn normal(&self) -> Filter {
        match self {
            Self::And(parts) => joined(parts, |part| matches!(part, Self::And(_)), Self::And),
            Self::Or(parts) => joined(parts, |part| matches!(part, Self::Or(_)), Self::Or),
            Self::Not(part) => match part.normal() {
                Self::Not(inner) => *inner,
                inner => Self::Not(Box::new(inner)),
            },
            Self::In { column, values } => {
                let mut values = values.clone();
                values.sort_unstable();
                values.dedup();
                Self::In { column: column.clone(), values }
            }
            Self::Compare { .. } => self.clone(),
        }
    }

    fn parts(self) -> Vec<Filter> {
        match self {
            Self::And(parts) | Self::Or(parts) => parts,
            other => vec![other],
        }
    }
}

/// The parts of a list of conditions, those of lists of the same kind among them.
fn joined(parts: &[Filter], is_same: impl Fn(&Filter) -> bool, list: fn(Vec<Filter>) -> Filter) -> Filter {
    let parts = parts.iter().map(Filter::normal);
    let mut parts: Vec<Filter> =
        parts.flat_map(|part| if is_same(&part) { part.parts() } else { vec![part] }).collect();
    parts.sort_by_cached_key(|part| format!("{part:?}"));
    parts.dedup();
    if parts.len() == 1 { parts.remove(0) } else { list(parts) }
}
