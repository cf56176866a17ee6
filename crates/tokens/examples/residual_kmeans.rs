//! Fits residual k-means on a file of vectors and encodes all of them; prints times and the reconstruction error as JSON.
//! `benches/peers/faiss_residual.py` runs it beside another engine.
//!
//! ```text
//! cargo run --release -p semrank-tokens --example residual_kmeans -- VECTORS dim=384 levels=3 codes=256 iterations=25 threads=2
//! ```
//!
//! VECTORS holds little-endian f32, row after row.

use semrank_tokens::{ResidualKmeans, Rows, TokenSettings, Tokenizer, encode_all};
use serde_json::json;
use std::error::Error;
use std::time::Instant;

/// User and system time of this process in seconds.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    // utime and stime are fields 14 and 15, counted in hundredths of a second; the command's name may hold spaces.
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields = stat.rsplit_once(')').ok_or("no stat")?.1.split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Ok(ticks as f64 / 100.0)
}

/// Wall and CPU seconds of some work.
fn timed<T, E: Error + 'static>(
    work: impl FnOnce() -> Result<T, E>,
) -> Result<(T, [f64; 2]), Box<dyn Error>> {
    let (cpu, wall) = (cpu_seconds()?, Instant::now());
    let out = work()?;
    Ok((out, [wall.elapsed().as_secs_f64(), cpu_seconds()? - cpu]))
}

/// Mean `|x - x̂|²` over mean `|x - mean|²`.
fn error(x: &[f32], decoded: &[f32], dim: usize) -> f64 {
    let mut mean = vec![0.0; dim];
    for x in x.chunks_exact(dim) {
        mean.iter_mut().zip(x).for_each(|(mean, &x)| *mean += f64::from(x));
    }
    let rows = (x.len() / dim) as f64;
    mean.iter_mut().for_each(|mean| *mean /= rows);
    let (mut off, mut spread) = (0.0, 0.0);
    for (x, y) in x.chunks_exact(dim).zip(decoded.chunks_exact(dim)) {
        for ((&x, &y), &mean) in x.iter().zip(y).zip(&mean) {
            off += f64::from(x - y).powi(2);
            spread += (f64::from(x) - mean).powi(2);
        }
    }
    off / spread
}

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, options @ ..] = &args[..] else {
        return Err("usage: residual_kmeans VECTORS dim=D …".into());
    };
    // As the engines it is compared with: plain residuals.
    let mut settings = TokenSettings { levels: 3, normalise_residuals: false, ..TokenSettings::default() };
    let (mut dim, mut threads, mut seed) = (384, 2, 1);
    for option in options {
        let (key, value) = option.split_once('=').ok_or("options are KEY=NUMBER")?;
        let value: usize = value.parse()?;
        match key {
            "dim" => dim = value,
            "levels" => settings.levels = value,
            "codes" => settings.codes = value,
            "iterations" => settings.iterations = value,
            "points_per_code" => settings.points_per_code = value,
            "mini_batch" => settings.mini_batch = value,
            "threads" => threads = value,
            "seed" => seed = value as u64,
            _ => return Err(format!("no option {key}").into()),
        }
    }
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let bytes = std::fs::read(path)?;
    let values: Vec<f32> = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    drop(bytes);
    let rows = Rows::new(&values, dim);
    let (fitted, fit) = timed(|| ResidualKmeans::fit(&settings, &rows, seed))?;
    let (ids, encode) = timed(|| encode_all(&fitted, &rows))?;
    let error = error(&values, &fitted.decode(&ids)?, dim);
    println!(
        "{}",
        json!({
            "items": ids.len(), "threads": threads, "error": error,
            "fit_wall_s": fit[0], "fit_cpu_s": fit[1], "encode_wall_s": encode[0], "encode_cpu_s": encode[1],
            "items_per_cpu_second": ids.len() as f64 / encode[1].max(0.01),
        })
    );
    Ok(())
}
