//! Progress, on standard error: remarks as lines; a training as a bar on a terminal, as plain lines elsewhere (every two
//! seconds and after each epoch), both with rate and time left.

use crate::{interrupt, output::note};
use indicatif::{ProgressBar, ProgressStyle};
use semrank_pipeline::{Context, Event, Progress};
use semrank_sequence::{BlendProgress, EpochReport, StepReport};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const LINE_EVERY: Duration = Duration::from_secs(2);
const TEMPLATE: &str = "epoch {prefix} {wide_bar} {pos}/{len} steps  {per_sec}  {eta} left  {msg}";

/// The terminal: shows progress, reads Ctrl-C.
#[derive(Default)]
pub(crate) struct Console {
    threads: usize,
    shown: Mutex<Shown>,
}

/// What is shown at the moment.
#[derive(Default)]
struct Shown {
    training: Option<TrainingLines>,
    /// When the last line about the blend was shown.
    blend: Option<Instant>,
}

impl Console {
    /// With this many threads.
    pub(crate) fn new(threads: usize) -> Console {
        Console { threads, ..Console::default() }
    }

    /// What stages are given.
    pub(crate) fn context(&self) -> Context<'_> {
        Context { progress: self, cancel: &interrupt::requested, threads: self.threads }
    }
}

impl Progress for Console {
    fn event(&self, event: Event<'_>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Note(text) => note(text),
            Event::Step(report) => shown.training.get_or_insert_with(TrainingLines::new).step(report),
            Event::Epoch { report, best, epochs } => {
                shown.training.get_or_insert_with(TrainingLines::new).epoch(report, best, epochs);
            }
            Event::Trained => shown.training = None,
            Event::Blend(at) => blend_line(&mut shown.blend, at),
        }
    }
}

/// Shows the progress of the choice of a blend: a line every two seconds.
fn blend_line(last: &mut Option<Instant>, at: BlendProgress) {
    if last.get_or_insert_with(Instant::now).elapsed() < LINE_EVERY {
        return;
    }
    *last = Some(Instant::now());
    let round = match at.round {
        0 => "candidates".to_owned(),
        round => format!("round {round}"),
    };
    note(&format!("  blend: {round}, {} of {} validation cases", at.done, at.cases));
}

/// Shows one training.
struct TrainingLines {
    bar: Option<ProgressBar>,
    started: Instant,
    last_line: Instant,
    /// The first step of this process; a resumed training does not begin at 0.
    first_step: Option<u64>,
}

impl TrainingLines {
    /// Before the first step.
    fn new() -> Self {
        let now = Instant::now();
        let terminal = console_is_terminal();
        Self { bar: terminal.then(bar), started: now, last_line: now, first_step: None }
    }

    /// After a step.
    fn step(&mut self, at: &StepReport) {
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
    fn epoch(&mut self, report: &EpochReport, best: bool, epochs: u64) {
        let line = format!(
            "  epoch {}/{}  loss {:.4}  validation NDCG@10 {:.4}  Recall@10 {:.4}  {:.1} s + {:.1} s{}",
            report.epoch,
            epochs,
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

impl Drop for TrainingLines {
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
