//! What it costs to open a run for serving: seconds and resident memory, beside reading the bytes of its features, tokens and model.
//!
//! `cargo bench -p semrank-pipeline --bench open -- RUN`

use semrank_pipeline::Run;
use std::path::Path;
use std::time::Instant;

const STAGES: [&str; 3] = ["features", "tokens", "model"];

fn main() {
    let Some(run) = std::env::args().nth(1).filter(|arg| !arg.starts_with("--")) else {
        println!("name a run: cargo bench -p semrank-pipeline --bench open -- RUN");
        return;
    };
    let bytes: usize = STAGES.iter().map(|stage| read(&Path::new(&run).join(stage))).sum();
    let begin = Instant::now();
    for stage in STAGES {
        read(&Path::new(&run).join(stage));
    }
    let reading = begin.elapsed().as_secs_f64();
    let (before, begin) = (resident_mb(), Instant::now());
    let mut opened = Run::open(Path::new(&run)).expect("a run");
    let bare = begin.elapsed().as_secs_f64();
    let data = opened.data().expect("its data set").dataset.events.len();
    let (with_data, begin) = (begin.elapsed().as_secs_f64(), Instant::now());
    let servable = opened.model().expect("a trained model").servable();
    let model = begin.elapsed().as_secs_f64();
    opened.free_content();
    println!("{:.1} MB of features, tokens and model, read in {reading:.3} s", bytes as f64 / 1e6);
    println!("opened in {bare:.4} s; data set of {data} events in {with_data:.3} s");
    println!("model of {} items in {model:.3} s, {:.2} times the reading", servable.items(), model / reading);
    println!("{:.1} MB resident, data set included", resident_mb() - before);
}

/// Reads every file of a folder; returns their bytes.
fn read(folder: &Path) -> usize {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files
        .filter_map(|file| std::fs::read(file.path()).ok())
        .map(|bytes| std::hint::black_box(bytes).len())
        .sum()
}

fn resident_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<f64>().map_or(0.0, |kib| kib / 1024.0 * 1.048_576)
}
