//! Codebooks and published ids: as damage leaves them, and with the hashes put right, as an attacker would.

use crate::harness::{Subject, said};
use semrank_tokens::{Codebook, Collisions, Generation, Kind, Rows, TokenSettings, Tokenizer, fit};
use std::path::Path;

pub(crate) const IDS: &[Subject] = &[
    Subject { name: "damaged", make: kmeans, read: |folder| open(&folder.join("ids")) },
    Subject { name: "kmeans", make: kmeans, read: open_sealed },
    Subject { name: "product", make: |folder| make(folder, Kind::Product), read: open_sealed },
    Subject { name: "rq_vae", make: |folder| make(folder, Kind::RqVae), read: open_sealed },
];

const DIM: usize = 6;
const ITEMS: usize = 24;

fn kmeans(folder: &Path) -> Vec<String> {
    make(folder, Kind::ResidualKmeans)
}

fn make(folder: &Path, tokenizer: Kind) -> Vec<String> {
    let values: Vec<f32> = (0..ITEMS * DIM).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let settings = TokenSettings {
        tokenizer,
        levels: 3,
        codes: 5,
        iterations: 3,
        epochs: 1,
        hidden: 8,
        latent: 4,
        ..TokenSettings::default()
    };
    let fitted = fit(&settings, &Rows::new(&values, DIM), 1).expect("vectors are finite");
    let ids = folder.join("ids");
    let mut generation =
        Generation::create(&ids, Codebook::new(fitted, settings, 1, "features"), Collisions::Reassign)
            .expect("a new folder");
    let names: Vec<String> = (0..ITEMS).map(|item| format!("item {item}")).collect();
    for rows in [0..10, 10..ITEMS] {
        let vectors = Rows::new(&values[rows.start * DIM..rows.end * DIM], DIM);
        generation.append(&names[rows], &vectors, "features").expect("items with vectors");
    }
    drop(generation);
    let kept = folder.join("kept");
    std::fs::create_dir(&kept).expect("a folder");
    for file in FILES {
        std::fs::copy(ids.join(file), kept.join(file)).expect("a copy");
    }
    FILES.map(|file| format!("ids/{file}")).into()
}

const FILES: [&str; 4] = ["codebook.json", "codebook.safetensors", "generation.json", "ids.log"];

fn open(folder: &Path) -> Result<(), String> {
    let generation = Generation::open(folder).map_err(said)?;
    let tokenizer = generation.codebook().tokenizer();
    let vectors: Vec<f32> = (0..3 * tokenizer.dim()).map(|i| i as f32 / 7.0 - 1.0).collect();
    let ids = tokenizer.encode(&vectors).map_err(said)?;
    tokenizer.decode(&ids).map_err(said)?;
    tokenizer.decode(&generation.ids()).map_err(said)?;
    generation.of("item 3").map(drop).ok_or_else(|| "the item is gone".to_owned())
}

/// Opens a copy whose hashes fit what is in the files.
fn open_sealed(folder: &Path) -> Result<(), String> {
    let [kept, ids, sealed] = ["kept", "ids", "sealed"].map(|name| folder.join(name));
    std::fs::create_dir_all(&sealed).expect("a folder");
    let read = |folder: &Path, file: &str| std::fs::read(folder.join(file)).expect("a file");
    let hash = |bytes: &[u8]| blake3::hash(bytes).to_hex().to_string();
    let [old_codebook, old_tensors, _, old_log] = FILES.map(|file| read(&kept, file));
    let [codebook, tensors, head, log] = FILES.map(|file| read(&ids, file));
    let codebook = replace(&codebook, &hash(&old_tensors), &hash(&tensors));
    let (codebook, codebook_hash) = seal(codebook);
    let head = replace(&head, &seal(old_codebook).1, &codebook_hash);
    let (head, _) = seal(replace(&head, &chain(&old_log), &chain(&log)));
    for (file, bytes) in FILES.iter().zip([&codebook, &tensors, &head, &log]) {
        std::fs::write(sealed.join(file), bytes).expect("a file");
    }
    open(&sealed)
}

fn replace(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.replace(from, to).into_bytes(),
        Err(_) => bytes.to_vec(),
    }
}

/// The file with the hash of its content, and the hash.
fn seal(file: Vec<u8>) -> (Vec<u8>, String) {
    let text = String::from_utf8_lossy(&file).into_owned();
    let parts = text.strip_prefix("{\"content\": ").and_then(|rest| rest.rsplit_once(",\n\"blake3\": \""));
    let Some((content, _)) = parts else { return (file, String::new()) };
    let hash = blake3::hash(content.as_bytes()).to_hex().to_string();
    (format!("{{\"content\": {content},\n\"blake3\": \"{hash}\"}}\n").into_bytes(), hash)
}

/// The hash over the segments of a log, as far as they are whole.
fn chain(mut log: &[u8]) -> String {
    let mut chain = String::new();
    while let Some((len, after)) = log.split_first_chunk::<8>() {
        let len = usize::try_from(u64::from_le_bytes(*len)).unwrap_or(usize::MAX);
        let Some((rows, after)) = after.split_at_checked(len) else { break };
        let mut hasher = blake3::Hasher::new();
        hasher.update(chain.as_bytes()).update(rows);
        chain = hasher.finalize().to_hex().to_string();
        log = after;
    }
    chain
}
