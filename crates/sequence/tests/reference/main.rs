//! Promise: the trainer computes the model that is documented. A reference written with the textbook formulas and a
//! scalar reverse-mode tape, in f64 and sharing no code with `nn`, gives the same losses over 20 training steps and the
//! same item vectors after them.

mod forward;
mod tape;
mod world;

use forward::Forward;
use semrank_nn::Scalar;
use semrank_sequence::{Batch, Network, Trainer};
use semrank_tower::{Loss, ModelSettings, RowDropout, TrainSettings};
use std::collections::BTreeMap;
use tape::{Tape, Var};
use world::{ITEMS, World};

const STEPS: u64 = 20;

/// The rows that an item's vector is summed from, besides its content: names of parameters. A prefix row that two of the
/// item's prefixes share by hash stands there twice.
type ItemRows = BTreeMap<u32, Vec<String>>;

/// What `dropout` leaves of the rows of `items`.
fn rows_of<T: Scalar>(network: &Network<T>, items: &[u32], dropout: RowDropout) -> ItemRows {
    let kept = |(slot, &item): (usize, &u32)| {
        let id = dropout.keeps_id(slot).then(|| format!("id.{item}"));
        let prefixes = network.prefixes.iter().flat_map(|p| dropout.kept_prefixes(slot, p.of(item)));
        (item, id.into_iter().chain(prefixes.map(|row| format!("prefix.{row}"))).collect())
    };
    items.iter().enumerate().map(kept).collect()
}

/// All parameters by name, with their Adam moments.
struct Reference {
    params: BTreeMap<String, Vec<f64>>,
    moments: BTreeMap<String, (Vec<f64>, Vec<f64>)>,
    model: ModelSettings,
    train: TrainSettings,
    total_steps: f64,
}

impl Reference {
    fn new<T: Scalar>(
        network: &Network<T>,
        model: &ModelSettings,
        train: &TrainSettings,
        total_steps: u64,
    ) -> Self {
        let exact = |values: &[T]| values.iter().map(|v| v.to_f64()).collect::<Vec<f64>>();
        let weights = &network.weights;
        let entries = weights.layout().entries().iter();
        let mut params: BTreeMap<String, Vec<f64>> =
            entries.map(|e| (e.name.clone(), exact(e.slot.of(&weights.params)))).collect();
        for (name, table) in weights.tower.tables() {
            let name = if name == "ids" { "id" } else { "prefix" };
            for row in 0..table.rows() as u32 {
                params.insert(format!("{name}.{row}"), exact(table.row(row)));
            }
        }
        let zero = |values: &Vec<f64>| (vec![0.0; values.len()], vec![0.0; values.len()]);
        let moments = params.iter().map(|(name, values)| (name.clone(), zero(values))).collect();
        Self { params, moments, model: model.clone(), train: train.clone(), total_steps: total_steps as f64 }
    }

    fn step(&mut self, batch: &Batch, rows: &ItemRows, world: &World, step: u64) -> f64 {
        let mut tape = Tape::default();
        let vars = self.vars(&mut tape);
        let loss = Forward { tape: &mut tape, vars: &vars, model: &self.model, rows }.loss(batch, world);
        let grads = tape.gradients(loss);
        let sparse = |name: &str| name.starts_with("id.") || name.starts_with("prefix.");
        let used: Vec<&String> =
            vars.keys().filter(|name| !sparse(name) || rows.values().flatten().any(|r| r == *name)).collect();
        let squared: f64 = used.iter().flat_map(|name| &vars[*name]).map(|&v| grads[v] * grads[v]).sum();
        let factor = if squared.sqrt() > self.train.clip { self.train.clip / squared.sqrt() } else { 1.0 };
        let rate = self.rate(step as f64);
        for name in used {
            let (m, v) = self.moments.get_mut(name).expect("every tensor has moments");
            for (i, &var) in vars[name].iter().enumerate() {
                let g = grads[var] * factor;
                m[i] = 0.9 * m[i] + 0.1 * g;
                v[i] = 0.98 * v[i] + 0.02 * g * g;
                let m_hat = m[i] / (1.0 - 0.9f64.powi(step as i32));
                let v_hat = v[i] / (1.0 - 0.98f64.powi(step as i32));
                self.params.get_mut(name).expect("known")[i] -= rate * m_hat / (v_hat.sqrt() + 1e-8);
            }
        }
        tape.values[loss]
    }

    fn vars(&self, tape: &mut Tape) -> BTreeMap<String, Vec<Var>> {
        let constants = |values: &[f64], tape: &mut Tape| values.iter().map(|&v| tape.constant(v)).collect();
        self.params.iter().map(|(name, values)| (name.clone(), constants(values, tape))).collect()
    }

    /// The vectors of all items, `[items x D]`.
    fn item_vectors(&self, rows: &ItemRows, world: &World) -> Vec<f64> {
        let mut tape = Tape::default();
        let vars = self.vars(&mut tape);
        let mut forward = Forward { tape: &mut tape, vars: &vars, model: &self.model, rows };
        let vectors: Vec<Var> = (0..ITEMS as u32).flat_map(|item| forward.item(item, world)).collect();
        vectors.into_iter().map(|var| tape.values[var]).collect()
    }

    fn rate(&self, step: f64) -> f64 {
        let warmup = self.train.warmup_steps as f64;
        if step <= warmup {
            return self.train.rate * step / warmup;
        }
        let done = (step - warmup) / (self.total_steps - warmup);
        self.train.rate * (1.0 - done * (1.0 - self.train.final_share))
    }
}

/// What an item's vector is made of besides its id row and its content, and what is left out of a step.
#[derive(Debug, Clone, Copy)]
struct Case {
    loss: Loss,
    prefixes: bool,
    prefix_rows: usize,
    row_dropout: f64,
}

fn settings(case: Case) -> (ModelSettings, TrainSettings) {
    let model = ModelSettings {
        dim: 8,
        heads: 2,
        expansion: 2,
        blocks: 2,
        history: 6,
        dropout: 0.0,
        id_dropout: case.row_dropout,
        prefix_dropout: case.row_dropout,
        prefixes: case.prefixes,
        prefix_rows: case.prefix_rows,
        ..ModelSettings::default()
    };
    let train = TrainSettings {
        batch: 12,
        negatives: 7,
        epochs: 12,
        min_steps: 0,
        warmup_steps: 5,
        rate: 5e-3,
        clip: 0.5,
        half_life: 0.0,
        loss: case.loss,
        ..TrainSettings::default()
    };
    (model, train)
}

/// The largest relative difference of a step's loss, and the largest of an item's vector after all steps.
fn largest_differences<T: Scalar>(case: Case) -> (f64, f64) {
    let world = World::new();
    let (model, train) = settings(case);
    let mut trainer: Trainer<T> = Trainer::new(&model, &train, world.data(), 3);
    let total = trainer.steps_per_epoch() * trainer.epochs();
    assert!(total > STEPS);
    let mut reference = Reference::new(&trainer.network, &model, &train, total);
    let mut worst: f64 = 0.0;
    for step in 0..STEPS {
        let batch = trainer.batch(step);
        let rows = rows_of(&trainer.network, &batch.items, trainer.row_dropout(step));
        let expected = reference.step(&batch, &rows, &world, step + 1);
        let (got, _) = trainer.train_step().expect("content is frozen");
        worst = worst.max((got - expected).abs() / expected);
    }
    (worst, vector_difference(&trainer.network, &reference, &world))
}

fn vector_difference<T: Scalar>(network: &Network<T>, reference: &Reference, world: &World) -> f64 {
    let items: Vec<u32> = (0..ITEMS as u32).collect();
    let mut got = vec![T::ZERO; ITEMS * network.dim()];
    network.item_vectors(&items, &world.content, RowDropout::off(), &mut got);
    let expected = reference.item_vectors(&rows_of(network, &items, RowDropout::off()), world);
    let differences = got.iter().zip(&expected).map(|(got, expected)| (got.to_f64() - expected).abs());
    differences.fold(0.0, f64::max)
}

#[test]
fn losses_of_20_steps_and_the_vectors_after_them_equal_the_reference() {
    let without = Case { loss: Loss::Sampled, prefixes: false, prefix_rows: 1000, row_dropout: 0.0 };
    let with = Case { prefixes: true, ..without };
    let cases = [
        without,
        Case { loss: Loss::Full, ..without },
        with,
        Case { loss: Loss::Full, ..with },
        Case { row_dropout: 0.3, ..with },
        Case { row_dropout: 0.3, prefix_rows: 5, ..with },
    ];
    for case in cases {
        let (loss, vectors) = largest_differences::<f64>(case);
        assert!(loss < 1e-9 && vectors < 1e-9, "{case:?} in f64: losses {loss:e}, vectors {vectors:e}");
        let (loss, vectors) = largest_differences::<f32>(case);
        assert!(loss < 2e-6 && vectors < 1e-4, "{case:?} in f32: losses {loss:e}, vectors {vectors:e}");
    }
}
