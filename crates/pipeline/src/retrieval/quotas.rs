//! The stage `index`: how many candidates each source may give, chosen on validation at a constant total.

use super::Retrieval;
use super::candidates::{Quotas, TOTAL};
use super::cases::each_case;
use crate::config::Config;
use crate::data::{Data, Part};
use crate::stage::{Key, Stage, Timing};
use crate::{Context, Error};
use semrank_retrieve::report::{Case, Gatherer};
use semrank_store::{read_json, write_json};
use serde_json::{Value, json};
use std::path::Path;

const FILE: &str = "quotas.json";
const STEP: usize = 25;
/// Of every funnel: what the ranker would show, so that its list never suffers.
const OF_THE_RANKER: usize = 100;
/// Validation cases that are looked at.
const CASES: usize = 2000;

impl Quotas {
    /// Chooses quotas: each step of candidates goes to the source that then finds most next items that none finds yet.
    ///
    /// # Errors
    /// A source that fails; an interruption.
    pub fn choose(retrieval: &Retrieval, data: &Data, context: &Context) -> Result<Self, Error> {
        let (segments, funnel) = (data.segments(), retrieval.deep());
        let sources: Vec<(&'static str, usize)> =
            retrieval.names().into_iter().map(|name| (name, 0)).collect();
        let mut gatherer = Gatherer::new(&sources, &segments);
        let mut cases = 0;
        each_case(retrieval, data, (Part::Validation, CASES), context, |case, request| {
            let found = funnel.find(request);
            for report in found.iter().map(|found| &found.report) {
                if let Some(message) = &report.error {
                    let (backend, message) = (format!("source {}", report.name), message.clone());
                    return Err(semrank_retrieve::Error::Backend { backend, message }.into());
                }
            }
            cases += 1;
            gatherer.add(&Case { target: case.target.0, found: &found, ranked: &[] });
            Ok(())
        })?;
        let mut start = vec![0; sources.len()];
        start[0] = OF_THE_RANKER;
        let chosen = gatherer.greedy(start, TOTAL, STEP);
        let named = sources.iter().zip(chosen).map(|(source, quota)| (source.0.to_owned(), quota));
        Ok(Self { sources: named.collect(), cases })
    }
}

/// The stage.
pub struct IndexStage<'a> {
    /// The sources.
    pub retrieval: &'a Retrieval,
    /// The cases.
    pub data: &'a Data,
    /// All settings.
    pub config: &'a Config,
    /// Of the run.
    pub seed: u64,
    /// Hash of the stage `model`.
    pub model: &'a str,
}

impl Stage for IndexStage<'_> {
    type Output = Quotas;
    const ID: &'static str = "index";
    const VERSION: u32 = 4;

    fn settings(config: &Config) -> Value {
        json!({ "http": config.retrieve.http })
    }

    fn key(&self) -> Key {
        let inputs = [("dataset", self.data.hash.as_str()), ("model", self.model)];
        Key::new::<Self>((self.config, self.seed), json!({}), &inputs)
    }

    fn make(&self, dir: &Path, context: &Context, _: &mut Timing) -> Result<Quotas, Error> {
        let quotas = Quotas::choose(self.retrieval, self.data, context)?;
        write_json(&dir.join(FILE), &quotas)?;
        Ok(quotas)
    }

    fn read(&self, dir: &Path) -> Result<Quotas, Error> {
        Ok(read_json(&dir.join(FILE))?)
    }
}
