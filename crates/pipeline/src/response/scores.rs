//! `scores.safetensors` of the stage `report`: score, label and user of every test row, so that runs can be compared row by row
//! without their models and without their data set.
//!
//! | tensor | holds |
//! |---|---|
//! | `all.scores`, `all.labels`, `all.users` | of every row that was measured, in the order of the examples |
//! | `given_click.…` | of conversions: P(conversion \| click) of the clicks among them |

use crate::Error;
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tower::artefact;
use std::path::Path;

/// The file.
const SCORES: &str = "scores.safetensors";

/// Rows with what was predicted and what happened; vectors of one length.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ScoredRows {
    /// Rows of the examples, ascending; not kept in the file.
    pub rows: Vec<u32>,
    /// Codes of users in the examples.
    pub users: Vec<u32>,
    /// What happened.
    pub labels: Vec<bool>,
    /// Calibrated probabilities.
    pub scores: Vec<f64>,
}

/// The scores of a run's test rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TestScores {
    /// Of the task's own probability.
    pub all: ScoredRows,
    /// Of conversions given a click.
    pub given_click: Option<ScoredRows>,
}

impl TestScores {
    /// Writes the file into a folder.
    pub(crate) fn save(&self, dir: &Path) -> Result<(), Error> {
        let parts = [("all", Some(&self.all)), ("given_click", self.given_click.as_ref())];
        let parts: Vec<_> = parts
            .into_iter()
            .filter_map(|(name, rows)| rows.map(|rows| (name, rows, rows.labels())))
            .collect();
        let named = |part: &str, column: &str| format!("{part}.{column}");
        let columns: Vec<(String, usize, Values)> = parts
            .iter()
            .flat_map(|(name, rows, labels)| {
                let len = labels.len();
                [
                    (named(name, "scores"), len, Values::F64(&rows.scores)),
                    (named(name, "labels"), len, Values::U32(labels)),
                    (named(name, "users"), len, Values::U32(&rows.users)),
                ]
            })
            .collect();
        let tensors: Vec<Tensor> = columns
            .iter()
            .map(|(name, len, values)| Tensor { name, shape: [1, *len], values: *values })
            .collect();
        Ok(checkpoint::save(&dir.join(SCORES), &tensors).map_err(artefact::Error::from)?)
    }

    /// Reads the file; conversions given a click only `with_clicks`.
    ///
    /// # Errors
    /// A file that cannot be read, and scores that are not probabilities.
    pub fn load(dir: &Path, with_clicks: bool) -> Result<TestScores, Error> {
        let path = dir.join(SCORES);
        let file = Checkpoint::open(&path).map_err(artefact::Error::from)?;
        let checked =
            |part: &str| ScoredRows::read(&file, part).map_err(artefact::Error::from)?.checked(&path);
        let given_click = with_clicks.then(|| checked("given_click")).transpose()?;
        Ok(TestScores { all: checked("all")?, given_click })
    }
}

impl ScoredRows {
    fn labels(&self) -> Vec<u32> {
        self.labels.iter().map(|&label| u32::from(label)).collect()
    }

    fn checked(self, path: &Path) -> Result<ScoredRows, artefact::Error> {
        match self.scores.iter().find(|score| !(0.0..=1.0).contains(*score)) {
            None => Ok(self),
            Some(score) => Err(artefact::Error::Foreign {
                path: path.to_owned(),
                what: "a score",
                got: score.to_string(),
                expected: "a probability, 0 to 1".into(),
            }),
        }
    }

    fn read(file: &Checkpoint, part: &str) -> Result<ScoredRows, checkpoint::Error> {
        let name = |column: &str| format!("{part}.{column}");
        let len = file.len_of(&name("scores"))?;
        Ok(ScoredRows {
            rows: Vec::new(),
            users: file.read_u32(&name("users"), len)?,
            labels: file.read_u32(&name("labels"), len)?.into_iter().map(|label| label == 1).collect(),
            scores: file.read_f64(&name("scores"), len)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let rows = |scores: &[f64]| ScoredRows {
            rows: Vec::new(),
            users: (0..scores.len() as u32).collect(),
            labels: scores.iter().map(|&score| score > 0.5).collect(),
            scores: scores.to_vec(),
        };
        let kept = TestScores { all: rows(&[0.1, 0.9, 1.0 / 3.0]), given_click: Some(rows(&[0.75])) };
        kept.save(dir.path()).unwrap();
        assert_eq!(TestScores::load(dir.path(), true).unwrap(), kept);
        assert_eq!(TestScores::load(dir.path(), false).unwrap().given_click, None);
        TestScores { all: rows(&[0.1, f64::NAN]), given_click: None }.save(dir.path()).unwrap();
        let said = TestScores::load(dir.path(), false).unwrap_err().to_string();
        assert!(said.ends_with("a score is NaN, expected a probability, 0 to 1"), "{said}");
    }
}
