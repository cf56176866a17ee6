//! What `run` and `train` print.

use super::kept::Kept;
use super::pages::REPORT_PAGE;
use crate::evaluate::probability_table;
use semrank_console::shell;
use semrank_pipeline::{Done, REPORT, Run, next_item::Evaluation, response::PointwiseEvaluation};
use semrank_response::PointwiseFacts;
use semrank_sequence::artefact::Trained;
use semrank_store::resources;
use serde::Serialize;
use std::path::Path;
use std::time::Instant;

/// What a run of `task=next-item` did, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct Summary<'a> {
    run: &'a Path,
    #[serde(flatten)]
    evaluation: Option<&'a Evaluation>,
    train_seconds: f64,
    best_epoch: u64,
    epochs: u64,
    #[serde(rename = "validation_ndcg@10")]
    validation_ndcg_10: f64,
    #[serde(skip)]
    perfect: bool,
    stages: &'a [Done],
    wall_seconds: f64,
    peak_rss_mb: Option<f64>,
}

impl<'a> Summary<'a> {
    pub(super) fn new(
        run: &'a Run,
        model: &'a Trained,
        (evaluation, stages): (Option<&'a Evaluation>, &'a [Done]),
        started: Instant,
    ) -> Self {
        let facts = &model.facts;
        Self {
            run: run.path(),
            evaluation,
            train_seconds: run.train_seconds(),
            best_epoch: facts.best_epoch,
            epochs: facts.curve.last().map_or(0, |epoch| epoch.epoch),
            validation_ndcg_10: facts.validation_ndcg_10,
            perfect: facts.curve.last().is_some_and(|epoch| epoch.ndcg_10 >= 1.0),
            stages,
            wall_seconds: started.elapsed().as_secs_f64(),
            peak_rss_mb: resources::peak_rss_mib(),
        }
    }

    pub(super) fn text(&self) -> String {
        let kept = Kept {
            best: self.best_epoch as usize,
            done: self.epochs as usize,
            validated: true,
            perfect: self.perfect,
        };
        let mut out =
            format!("{}\ntraining took {:.1} s\n", kept.sentence("train.epochs"), self.train_seconds);
        out += &stages_text(self.stages, self.wall_seconds, self.peak_rss_mb);
        let next = ["evaluate {run} --json", "recommend {run} --user USER --explain"];
        out + &ending(self.run, self.stages, &next)
    }
}

/// What a run of a ranking task did, as `--json` prints it.
#[derive(Serialize)]
pub(super) struct RankingSummary<'a> {
    run: &'a Path,
    #[serde(flatten)]
    evaluation: Option<&'a PointwiseEvaluation>,
    best_epoch: usize,
    epochs: usize,
    #[serde(skip)]
    validated: bool,
    stages: &'a [Done],
    wall_seconds: f64,
    peak_rss_mb: Option<f64>,
}

impl<'a> RankingSummary<'a> {
    pub(super) fn new(
        run: &'a Path,
        facts: &PointwiseFacts,
        (evaluation, stages): (Option<&'a PointwiseEvaluation>, &'a [Done]),
        started: Instant,
    ) -> Self {
        Self {
            run,
            evaluation,
            best_epoch: facts.best_epoch,
            epochs: facts.curve.last().map_or(0, |pass| pass.epoch),
            validated: facts.curve.iter().any(|pass| pass.validation_loss.is_some()),
            stages,
            wall_seconds: started.elapsed().as_secs_f64(),
            peak_rss_mb: resources::peak_rss_mib(),
        }
    }

    pub(super) fn text(&self) -> String {
        let mut out = self.evaluation.map_or(String::new(), probability_table);
        if self.best_epoch > 0 {
            let (best, done, validated) = (self.best_epoch, self.epochs, self.validated);
            let kept = Kept { best, done, validated, perfect: false };
            out += &format!("{}\n", kept.sentence("pointwise.epochs"));
        }
        out += &stages_text(self.stages, self.wall_seconds, self.peak_rss_mb);
        out + &ending(self.run, self.stages, &["evaluate {run} --json", "compare {run} OTHER-RUN"])
    }
}

/// What each stage took.
fn stages_text(stages: &[Done], wall_seconds: f64, peak_rss_mb: Option<f64>) -> String {
    let mut out = String::new();
    for stage in stages {
        let skipped = if stage.skipped { " (unchanged, skipped)" } else { "" };
        out += &format!("  {:<10} {:>6.1} s{skipped}\n", stage.stage, stage.seconds);
    }
    let memory = peak_rss_mb.map_or(String::new(), |mib| format!(", at most {mib:.0} MiB of memory"));
    out + &format!("  {:<10} {wall_seconds:>6.1} s{memory}\n", "all")
}

/// Where the run and its page are, and commands to go on with.
fn ending(run: &Path, stages: &[Done], next: &[&str]) -> String {
    let mut out = format!("run:    {}\n", run.display());
    if stages.iter().any(|stage| stage.stage == REPORT) {
        out += &format!("report: {}\n", run.join(REPORT).join(REPORT_PAGE).display());
    }
    let commands =
        next.iter().map(|command| format!("semrank {}", command.replace("{run}", &shell::quote(run))));
    out + &format!("next:   {}\n", commands.collect::<Vec<_>>().join("\n        "))
}
