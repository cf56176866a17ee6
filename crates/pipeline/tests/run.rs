//! Promises of a run as a library object: it is made, cancelled, resumed and opened without a program around it.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::{create, market, quick};
use semrank_pipeline::next_item::Evaluation;
use semrank_pipeline::{Context, Error, Event, Progress, Run};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Records the notes.
#[derive(Default)]
struct Told(Mutex<Vec<String>>);

impl Progress for Told {
    fn event(&self, event: Event<'_>) {
        if let Event::Note(text) = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

fn page(evaluation: &Evaluation, dir: &Path) -> Result<(), Error> {
    std::fs::write(dir.join("page.txt"), &evaluation.dataset).map_err(Error::io("write", dir))
}

#[test]
fn a_run_is_made_opened_and_skipped() {
    let dir = tempfile::tempdir().unwrap();
    let (data, out) = (market(dir.path()), dir.path().join("run"));
    let told = Told::default();
    let context = Context { progress: &told, threads: 2, ..Context::default() };
    let made = |skipped: bool| {
        let run = create(&data, &out);
        run.make_content(&context).unwrap();
        run.make_model(false, &context).unwrap();
        let evaluation = run.make_report(&[], &page, &context).unwrap();
        let stages = run.stages();
        let names: Vec<&str> = stages.iter().map(|done| done.stage).collect();
        assert_eq!(names, ["features", "tokens", "model", "report"]);
        assert!(stages.iter().all(|done| done.skipped == skipped));
        evaluation
    };
    let evaluation = made(false);
    assert_eq!(made(true), evaluation);
    assert!(told.0.lock().unwrap().iter().any(|note| note == "model: unchanged, skipped"));
    assert!(out.join("report/page.txt").is_file());

    let run = Run::open(&out).unwrap();
    assert!(run.stages().is_empty(), "opening reads no stage");
    assert_eq!(run.model().unwrap().scores(&[]).len(), 0);
    assert_eq!(run.stages().len(), 3);
    std::fs::rename(&data, dir.path().join("elsewhere")).unwrap();
    let run = Run::open(&out).unwrap();
    assert_eq!(run.config(), &quick());
    assert!(matches!(run.model(), Err(Error::Data(_) | Error::Store(_))), "its data set is gone");
    Run::open(&out).unwrap().with_dataset_at(&dir.path().join("elsewhere")).model().unwrap();
}

#[test]
fn a_run_that_was_cancelled_goes_on_to_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let data = market(dir.path());
    let model = |out: &str| std::fs::read(dir.path().join(out).join("model/model.safetensors")).unwrap();
    let whole = create(&data, &dir.path().join("whole"));
    whole.make_content(&Context::default()).unwrap();
    whole.make_model(false, &Context::default()).unwrap();
    let asked = AtomicUsize::new(0);
    let cancel = || asked.fetch_add(1, Ordering::Relaxed) >= 7;
    {
        let run = create(&data, &dir.path().join("cut"));
        run.make_content(&Context::default()).unwrap();
        let cancelled = run.make_model(false, &Context { cancel: &cancel, ..Context::default() });
        assert!(matches!(cancelled.map(drop), Err(Error::Interrupted)));
        assert!(run.folder("model.partial").is_dir() && !run.folder("model").exists());
    }
    let run = create(&data, &dir.path().join("cut"));
    run.make_content(&Context::default()).unwrap();
    run.make_model(true, &Context::default()).unwrap();
    assert_eq!(model("cut"), model("whole"));
    assert!(!run.folder("model.partial").exists());
}
