//! `task=ctr` and `task=oc`: probabilities of clicks and conversions, learned from a data set with `examples.parquet`.
//!
//! The stages `features` and `tokens` are those of every run; `model` and `report` are made here.
//!
//! | file | does |
//! |---|---|
//! | `inputs` | [`Inputs`]: what training and scoring read |
//! | `model` | the stage `model`: training, calibration |
//! | `click_model` | [`ClickModel`]: the same, as a server has it |
//! | `measure` | quality of the predicted probabilities, by segment |
//! | `evaluation` | [`PointwiseEvaluation`], of any part |
//! | `report` | the stage `report` |
//! | `scores` | what was predicted of each test row, for a comparison of runs |

mod click_model;
mod coming;
mod evaluation;
mod inputs;
mod measure;
mod model;
mod report;
mod scores;

pub use click_model::{ClickModel, LaterItem, Moment};
pub use coming::{Beginning, Coming, OpenImpression};
pub use evaluation::{Found, PointwiseEvaluation, find};
pub(crate) use inputs::ADVERTISER;
pub use inputs::Inputs;
pub use measure::{BaselineScores, Measured, Part as SegmentScores};
pub use model::{Calibrations, Response, Trained};
pub use report::ResponseReport;
pub use scores::{ScoredRows, TestScores};
pub use semrank_data::{DAY_MS, Windows};

use crate::partial::Partial;
use crate::stage::{Done, Pages};
use crate::{Context, Error};

impl Inputs<'_> {
    /// Makes the stage `model`, or reads it; `resume` goes on with a training that was interrupted.
    ///
    /// # Errors
    /// A training that diverges, a full disk; [`Error::Interrupted`], with the state kept.
    pub fn make_model(&self, resume: bool, context: &Context) -> Result<(Trained<'_>, Done), Error> {
        let made = self.run.make(&Response { inputs: self, resume }, context)?;
        Partial::remove(&self.run.partial());
        Ok(made)
    }

    /// The model of a finished run.
    ///
    /// # Errors
    /// A stage that is missing, damaged or of something else.
    pub fn model(&self) -> Result<Trained<'_>, Error> {
        Ok(self.run.read(&Response { inputs: self, resume: false })?.0)
    }

    /// Makes the stage `report`, or reads it; `stages` are those before.
    ///
    /// # Errors
    /// A training that has diverged; what `pages` refuses.
    pub fn make_report<'a>(
        &'a self,
        model: &mut Trained<'a>,
        stages: &[Done],
        pages: Pages<Found>,
        context: &Context,
    ) -> Result<(PointwiseEvaluation, Done), Error> {
        let stage = ResponseReport { inputs: self, model: model.into(), stages };
        let (found, done) = self.run.make_with(&stage, context, pages)?;
        Ok((found.evaluation, done))
    }
}
