//! Texts per CPU-second of an encoder, on one thread, tokenization included.
//!
//! ```text
//! cargo run --release -p semrank-embed --example encode_speed -- bert:FOLDER?precision=int8 TEXTS [--out VECTORS]
//! ```
//!
//! ENCODER is `bert:` or `llama:`, TEXTS has one text per line. A pass over all of them is repeated (5 times, or `--passes N`) and
//! each one's speed printed; `--out` writes the vectors as little-endian f32, to compare them with another program's.

use semrank_embed::{Document, Field, Spec, TextEncoder};
use std::error::Error;

/// Seconds that all threads of this process have worked.
fn cpu_seconds() -> Result<f64, Box<dyn Error>> {
    let mut nanoseconds = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let stat = std::fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += stat.split(' ').next().ok_or("no schedstat")?.parse::<u64>()?;
    }
    Ok(nanoseconds as f64 / 1e9)
}

fn encode(encoder: &dyn TextEncoder, texts: &[&str]) -> Result<Vec<f32>, semrank_embed::Error> {
    let mut vectors = vec![0.0; texts.len() * encoder.width()];
    let batches = texts.chunks(encoder.batch());
    for (texts, out) in batches.zip(vectors.chunks_mut(encoder.batch() * encoder.width())) {
        let fields: Vec<[Field; 1]> = texts.iter().map(|text| [Field { name: "text", text }]).collect();
        let documents: Vec<Document> =
            fields.iter().map(|fields| Document { id: fields[0].text, fields }).collect();
        encoder.encode(&documents, out)?;
    }
    Ok(vectors)
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let mut option = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.remove(at);
        (at < args.len()).then(|| args.remove(at))
    };
    let (out, passes) = (option("--out"), option("--passes").map_or(Ok(5), |n| n.parse::<usize>())?);
    let [spec, path] = &args[..] else { return Err("usage: encode_speed ENCODER TEXTS".into()) };
    let spec = Spec::parse(spec)?;
    let encoder = match spec.kind() {
        "bert" => semrank_embed::bert::open(spec)?,
        "llama" => semrank_embed::llama::open(spec)?,
        kind => return Err(format!("no encoder {kind}").into()),
    };
    let content = std::fs::read_to_string(path)?;
    let texts: Vec<&str> = content.lines().collect();
    rayon::ThreadPoolBuilder::new().num_threads(1).build_global()?;
    let mut vectors = Vec::new();
    for _ in 0..passes {
        let start = cpu_seconds()?;
        vectors = encode(encoder.as_ref(), &texts)?;
        println!("{:.1} texts per CPU-second", texts.len() as f64 / (cpu_seconds()? - start).max(1e-9));
    }
    if let Some(out) = out {
        std::fs::write(out, vectors.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>())?;
    }
    Ok(())
}
