//! Backtests: settings compared on cuts inside the training events, so that a default is chosen before validation and test are seen.
//!
//! The first cut is a data set of the training events alone, divided as the whole was; the next one is its training events, and so on.
//! On each cut every setting is trained and its blend chosen anew, and the model ranks the cut's test cases. What two settings gain is compared
//! case by case; users are drawn with all their cases, as one user stands in several cuts (Efron & Tibshirani 1993).

use crate::config::{Config, Task};
use crate::{Context, Data, Error, Run};
use semrank_data::{Case, Dataset};
use semrank_measure::RankMetrics;
use semrank_measure::ranking::{Interval, RankOptions, mean_over_users, rank};
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// Seed of the bootstrap; fixed, so that the intervals belong to the figures.
const BOOTSTRAP_SEED: u64 = 1;

/// What is compared.
#[derive(Debug, Clone)]
pub struct Backtest<'a> {
    /// Data set folder.
    pub data: &'a Path,
    /// Cuts.
    pub cuts: usize,
    /// Every setting is trained with the seeds from 1 to this; a case counts with its mean over them.
    pub seeds: u64,
    /// Names and settings; the first is what the others are compared with.
    pub settings: Vec<(String, Config)>,
    /// Where runs are made, one folder for each cut and seed; features and ids that are unchanged are used again.
    pub work: &'a Path,
}

/// What was found.
#[derive(Debug, Clone, Serialize)]
pub struct BacktestReport {
    /// The data set's name.
    pub dataset: String,
    /// Seeds of every setting.
    pub seeds: u64,
    /// Test cases of each cut, the newest cut first.
    pub cases: Vec<usize>,
    /// The settings, as given.
    pub settings: Vec<Tested>,
}

/// What a setting reached.
#[derive(Debug, Clone, Serialize)]
pub struct Tested {
    /// Its name.
    pub name: String,
    /// Over the cases of all cuts, strict.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: f64,
    /// The same.
    #[serde(rename = "recall@10")]
    pub recall_10: f64,
    /// NDCG@10 of each cut.
    #[serde(rename = "ndcg@10 by cut")]
    pub by_cut: Vec<f64>,
    /// NDCG@10 less that of the first setting, with a 95 % interval; none for the first itself, and for a single user.
    #[serde(rename = "difference of ndcg@10")]
    pub difference: Option<Interval>,
    /// Seconds of making the models, as recorded, and of ranking the cases; all cuts and seeds.
    pub seconds: f64,
}

/// Figures of every case of a setting: NDCG@10 and recall@10.
#[derive(Debug, Clone, Default)]
struct Gains {
    of_cases: Vec<[f64; 2]>,
    by_cut: Vec<f64>,
    seconds: f64,
}

impl Backtest<'_> {
    /// Trains and measures all settings on all cuts.
    ///
    /// # Errors
    /// A cut without a case, settings of another task than `next-item` or that divide the data set in another way than the first, all
    /// before anything is trained; whatever keeps a model from being trained; [`Error::Interrupted`].
    pub fn run(&self, context: &Context) -> Result<BacktestReport, Error> {
        let (dataset, cases) = self.cases(context)?;
        let mut gains = vec![Gains::default(); self.settings.len()];
        for (cut, cases) in (1..).zip(&cases) {
            for ((name, config), gains) in self.settings.iter().zip(&mut gains) {
                context.note(&format!("backtest: cut {cut} of {}, {name}", self.cuts));
                self.measure((cut, cases.len()), config, gains, context)?;
            }
        }
        let users: Vec<u32> = cases.iter().flatten().map(|case| case.user.0).collect();
        let tested = |(name, of): (&String, &Gains)| of.tested(name, &gains[0], &users);
        let settings = self.settings.iter().map(|one| &one.0).zip(&gains).map(tested).collect();
        Ok(BacktestReport {
            dataset,
            seeds: self.seeds,
            cases: cases.iter().map(Vec::len).collect(),
            settings,
        })
    }

    /// The data set's name and the test cases of each cut, which are those of every setting.
    fn cases(&self, context: &Context) -> Result<(String, Vec<Vec<Case>>), Error> {
        let (mut dataset, mut out) = (String::new(), Vec::new());
        for cut in 1..=self.cuts {
            let mut of_first = None;
            for (name, config) in &self.settings {
                context.check()?;
                let Data { dataset: Dataset { meta, .. }, split, .. } = self.cut(config, cut)?;
                if *of_first.get_or_insert_with(|| split.test.clone()) != split.test {
                    return Err(Error::OtherCases { name: name.clone() });
                }
                dataset = meta.name;
            }
            out.extend(of_first);
        }
        Ok((dataset, out))
    }

    fn cut(&self, config: &Config, cut: usize) -> Result<Data, Error> {
        if config.task != Task::NextItem {
            return Err(Error::NoBacktest { task: config.task.name() });
        }
        let data = Data::of_training(self.data, config, cut)?;
        data.check_size()?;
        Ok(data)
    }

    /// Adds the figures of the test cases of a cut, each the mean over the seeds.
    fn measure(
        &self,
        (cut, cases): (usize, usize),
        config: &Config,
        gains: &mut Gains,
        context: &Context,
    ) -> Result<(), Error> {
        let mut of_cases = vec![[0.0; 2]; cases];
        for seed in 1..=self.seeds {
            let work = self.work.join(format!("cut-{cut}-seed-{seed}"));
            let run = Run::create(&work, self.cut(config, cut)?, config.clone(), seed)?;
            run.make_content(context)?;
            let view = run.make_model(false, context)?;
            let started = Instant::now();
            let (servable, dataset) = (view.servable(), &view.data.dataset);
            let (items, cases) = (dataset.catalog.len(), &view.data.split.test);
            let ranking = rank(&servable, &dataset.events, items, cases, RankOptions::default())?;
            for (sum, &rank) in of_cases.iter_mut().zip(&ranking.strict.ranks) {
                let found = RankMetrics::from_ranks([rank as usize]).summary();
                let share = 1.0 / self.seeds as f64;
                *sum = [sum[0] + share * found.ndcg_10, sum[1] + share * found.recall_10];
            }
            gains.seconds +=
                started.elapsed().as_secs_f64() + run.training().map_or(0.0, |model| model.seconds);
            context.check()?;
        }
        gains.by_cut.push(mean(of_cases.iter().map(|gain| gain[0])));
        gains.of_cases.extend(of_cases);
        Ok(())
    }
}

impl Gains {
    fn tested(&self, name: &str, first: &Gains, users: &[u32]) -> Tested {
        let more: Vec<f64> =
            self.of_cases.iter().zip(&first.of_cases).map(|(own, first)| own[0] - first[0]).collect();
        let is_first = std::ptr::eq(self, first);
        Tested {
            name: name.to_owned(),
            ndcg_10: mean(self.of_cases.iter().map(|gain| gain[0])),
            recall_10: mean(self.of_cases.iter().map(|gain| gain[1])),
            by_cut: self.by_cut.clone(),
            difference: if is_first { None } else { mean_over_users(&more, users, BOOTSTRAP_SEED) },
            seconds: self.seconds,
        }
    }
}

fn mean(values: impl ExactSizeIterator<Item = f64>) -> f64 {
    let cases = values.len().max(1) as f64;
    values.sum::<f64>() / cases
}
