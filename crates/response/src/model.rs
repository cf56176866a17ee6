//! A trained model that scores requests: network and state in, probabilities out; no data set, no examples.
//!
//! ```text
//! let model = ResponseModel::load(dir, items.clone())?;
//! let mut state = FeatureState::load(dir, items)?;
//! state.observe(label);                      // of impressions that were shown before
//! let scores = model.predict(&state, &requests);
//! state.shown(&requests[best], Some(number)); // its labels will be observed under this number
//! ```

use super::features::FeatureState;
use super::items::Items;
use super::network::{PointwiseNetwork, Position, Sizes};
use super::request::{Reading, Request};
use super::score::{CHUNK, Score, Scoring};
use super::shard::Reader;
use rayon::prelude::*;
use semrank_measure::calibrate::Calibration;
use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// What a model needs beside its parameters to score requests.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Serving {
    pub(crate) sizes: Sizes,
    pub(crate) reading: Reading,
    /// Share of the labels without a click that training kept.
    pub(crate) kept: f64,
}

/// A trained model.
#[derive(Debug)]
pub struct ResponseModel {
    network: PointwiseNetwork<f32>,
    items: Arc<Items>,
    serving: Serving,
    /// The click effect of the mean slot of training.
    neutral: f32,
    position: Position,
    calibrations: [Calibration; 2],
    spare: Mutex<Vec<Buffers>>,
}

/// Memory of a call, kept for the next one.
#[derive(Debug, Default)]
struct Buffers {
    features: Vec<f32>,
    scoring: Scoring,
}

impl ResponseModel {
    /// A model that scores as if every request had the mean slot, and does not calibrate.
    pub(crate) fn new(
        network: PointwiseNetwork<f32>,
        items: Arc<Items>,
        serving: Serving,
        neutral: f32,
    ) -> Self {
        Self {
            network,
            items,
            serving,
            neutral,
            position: Position::Neutral,
            calibrations: Default::default(),
            spare: Mutex::default(),
        }
    }

    /// The same model with slots as they are requested, or not.
    pub fn with_position(self, position: Position) -> Self {
        Self { position, ..self }
    }

    /// The same model with maps from its log odds of a click, and of a conversion given a click, to calibrated ones.
    pub fn with_calibration(self, click: Calibration, conversion: Calibration) -> Self {
        Self { calibrations: [click, conversion], ..self }
    }

    /// Takes a longer table of items, whose first rows are those of before: new ones are their content.
    pub fn set_items(&mut self, items: Arc<Items>) {
        self.items = items;
    }

    /// Features that the network reads of a request.
    pub fn width(&self) -> usize {
        self.network.shape.features
    }

    /// Scores of requests, in their order. A score depends on its request and the state alone.
    ///
    /// # Panics
    /// When the state is that of another model, with another number of features.
    pub fn predict(&self, state: &FeatureState, requests: &[Request]) -> Vec<Score> {
        assert_eq!(state.width(), self.width(), "the state of another model");
        let mut out = vec![Score::default(); requests.len()];
        if requests.len() <= CHUNK {
            self.predict_some(state, requests, &mut out);
        } else {
            let chunks = requests.par_chunks(CHUNK).zip(out.par_chunks_mut(CHUNK));
            chunks.for_each(|(requests, out)| self.predict_some(state, requests, out));
        }
        out
    }

    fn predict_some(&self, state: &FeatureState, requests: &[Request], out: &mut [Score]) {
        let spare = || self.spare.lock().unwrap_or_else(PoisonError::into_inner);
        let mut buffers = spare().pop().unwrap_or_default();
        let Buffers { features, scoring } = &mut buffers;
        features.clear();
        state.features(requests, features);
        let width = self.width();
        let at = |number: usize| (requests[number], &features[number * width..][..width]);
        let effect = (self.position == Position::Neutral).then_some(self.neutral);
        let reader = Reader { items: &self.items, reading: self.serving.reading, shape: &self.network.shape };
        scoring.score((&self.network, reader), at, effect, out);
        spare().push(buffers);
        self.calibrate(out);
    }

    fn calibrate(&self, scores: &mut [Score]) {
        let undo = Calibration::Sampling { kept: self.serving.kept };
        let [click, conversion] = &self.calibrations;
        for score in scores {
            if self.serving.kept < 1.0 {
                score.click_log_odds = undo.apply(score.click_log_odds);
            }
            score.click_log_odds = click.apply(score.click_log_odds);
            score.conversion_log_odds = score.conversion_log_odds.map(|odds| conversion.apply(odds));
        }
    }
}
