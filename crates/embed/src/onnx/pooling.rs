//! Token vectors into the vector of a text (Reimers & Gurevych 2019, section 3).

use crate::bert::{self, read_pooling};
use crate::{Error, ModelFolder};

/// How token vectors become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pool {
    /// Their mean.
    Mean,
    /// The first.
    Cls,
    /// The graph has done it.
    None,
}

impl Pool {
    /// The one asked for, or else that of `1_Pooling/config.json`, or else the mean.
    pub(super) fn choose(asked: &str, folder: &ModelFolder) -> Result<Pool, Error> {
        let file = "1_Pooling/config.json";
        match asked {
            "mean" => return Ok(Pool::Mean),
            "cls" => return Ok(Pool::Cls),
            _ if !folder.has(file) => return Ok(Pool::Mean),
            _ => {}
        }
        match read_pooling(folder, file)? {
            bert::Pool::Mean => Ok(Pool::Mean),
            bert::Pool::Cls => Ok(Pool::Cls),
            other => Err(Error::Unsupported {
                path: folder.place(file),
                what: "the pooling".into(),
                got: other.name().into(),
                supported: "pool=mean and pool=cls, which override the file".into(),
            }),
        }
    }

    /// Its word in the options.
    pub(super) fn name(self) -> &'static str {
        match self {
            Pool::Mean => "mean",
            Pool::Cls => "cls",
            Pool::None => "none",
        }
    }

    /// One vector out of `states`, `[T x width]` with `T > 0`.
    pub(super) fn apply(self, states: &[f32], width: usize) -> Vec<f32> {
        let mut vector = states[..width].to_vec();
        if self == Pool::Mean {
            let rest = states[width..].chunks_exact(width);
            rest.for_each(|state| vector.iter_mut().zip(state).for_each(|(sum, value)| *sum += value));
            let tokens = (states.len() / width) as f32;
            vector.iter_mut().for_each(|value| *value /= tokens);
        }
        vector
    }
}

/// Makes the length 1; a zero vector stays zero.
pub(super) fn normalize(vector: &mut [f32]) {
    let square: f64 = vector.iter().map(|&value| f64::from(value).powi(2)).sum();
    if square > 0.0 {
        let factor = (1.0 / square.sqrt()) as f32;
        vector.iter_mut().for_each(|value| *value *= factor);
    }
}
