//! How a training goes on, on standard error: a bar on a terminal, plain lines elsewhere (every two seconds and after
//! each epoch), both with rate and time left.

use crate::output::note;
use indicatif::{ProgressBar, ProgressStyle};
use semrank_sequence::{BlendProgress, EpochReport, StepReport};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(2);
const TEMPLATE: &str = "epoch {prefix} {wide_bar} {pos}/{len} steps  {per_sec}  {eta} left  {msg}";

/// Shows one training.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    /// The first step of this process; a resumed training does not begin at 0.
    first_step: Option<u64>,
    epochs: u64,
}

impl Progress {
    /// Before the first step.
    pub(crate) fn new(epochs: u64) -> Self {
        let now = Instant::now();
        let terminal = console_is_terminal();
        Self { bar: terminal.then(bar), started: now, last_line: now, first_step: None, epochs }
    }

    /// After a step.
    pub(crate) fn step(&mut self, at: &StepReport) {
        let first = *self.first_step.get_or_insert(at.step - 1);
        if let Some(bar) = &self.bar {
            if bar.length().is_none_or(|length| length == 0) {
                bar.set_length(at.steps_per_epoch * at.epochs);
                bar.reset_eta();
            }
            bar.set_prefix(format!("{}/{}", at.epoch, at.epochs));
            bar.set_message(format!("loss {:.4}", at.loss));
            bar.set_position(at.step);
            return;
        }
        if self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let rate = (at.step - first) as f64 / self.started.elapsed().as_secs_f64();
        let left = (at.steps_per_epoch * at.epochs - at.step) as f64 / rate;
        note(&format!(
            "  epoch {}/{}  step {}/{}  loss {:.4}  {rate:.1} steps/s  at most {left:.0} s left",
            at.epoch,
            at.epochs,
            at.step - (at.epoch - 1) * at.steps_per_epoch,
            at.steps_per_epoch,
            at.loss
        ));
    }

    /// After an epoch.
    pub(crate) fn epoch(&mut self, report: &EpochReport, best: bool) {
        let line = format!(
            "  epoch {}/{}  loss {:.4}  validation NDCG@10 {:.4}  Recall@10 {:.4}  {:.1} s + {:.1} s{}",
            report.epoch,
            self.epochs,
            report.loss,
            report.ndcg_10,
            report.recall_10,
            report.train_seconds,
            report.validation_seconds,
            if best { "  best" } else { "" }
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => note(&line),
        }
        self.last_line = Instant::now();
    }
}

/// Shows how the choice of a blend goes on: a line every two seconds.
pub(crate) struct BlendLines {
    last_line: Instant,
}

impl BlendLines {
    /// Before the first case.
    pub(crate) fn new() -> Self {
        Self { last_line: Instant::now() }
    }

    /// After some cases.
    pub(crate) fn show(&mut self, at: BlendProgress) {
        if self.last_line.elapsed() < LINE_EVERY {
            return;
        }
        self.last_line = Instant::now();
        let round = match at.round {
            0 => "candidates".to_owned(),
            round => format!("round {round}"),
        };
        note(&format!("  blend: {round}, {} of {} validation cases", at.done, at.cases));
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn bar() -> ProgressBar {
    let style = ProgressStyle::with_template(TEMPLATE).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style)
}

fn console_is_terminal() -> bool {
    use std::io::IsTerminal;
    std::io::stderr().is_terminal()
}
