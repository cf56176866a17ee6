//! Promise: the trainer computes the model that is documented. A reference written with the textbook formulas and a
//! scalar reverse-mode tape, in f64 and sharing no code with `nn`, gives the same losses over 20 training steps and the
//! same item vectors after them.

use semrank_core::{ActionId, Event, EventLog, EventLogBuilder, ItemId, Rng, UserId};
use semrank_nn::Scalar;
use semrank_sequence::{Batch, Network, Trainer, TrainingData};
use semrank_tokens::SemanticIds;
use semrank_tower::{Loss, ModelSettings, RowDropout, TrainSettings, gap_bucket};
use std::collections::BTreeMap;

const USERS: usize = 9;
const ITEMS: usize = 14;
const CONTENT: usize = 3;
const LEVELS: usize = 3;
const CODES: usize = 3;
const STEPS: u64 = 20;

/// A value on the tape and how it depends on earlier ones.
#[derive(Default)]
struct Tape {
    values: Vec<f64>,
    parents: Vec<Vec<(usize, f64)>>,
}

type Var = usize;

impl Tape {
    fn push(&mut self, value: f64, parents: Vec<(Var, f64)>) -> Var {
        self.values.push(value);
        self.parents.push(parents);
        self.values.len() - 1
    }

    fn constant(&mut self, value: f64) -> Var {
        self.push(value, vec![])
    }

    fn add(&mut self, a: Var, b: Var) -> Var {
        self.push(self.values[a] + self.values[b], vec![(a, 1.0), (b, 1.0)])
    }

    fn mul(&mut self, a: Var, b: Var) -> Var {
        let (x, y) = (self.values[a], self.values[b]);
        self.push(x * y, vec![(a, y), (b, x)])
    }

    fn times(&mut self, a: Var, factor: f64) -> Var {
        self.push(self.values[a] * factor, vec![(a, factor)])
    }

    fn map(&mut self, a: Var, value: impl Fn(f64) -> f64, slope: impl Fn(f64) -> f64) -> Var {
        let x = self.values[a];
        self.push(value(x), vec![(a, slope(x))])
    }

    fn sum(&mut self, terms: &[Var]) -> Var {
        self.push(terms.iter().map(|&t| self.values[t]).sum(), terms.iter().map(|&t| (t, 1.0)).collect())
    }

    fn dot(&mut self, a: &[Var], b: &[Var]) -> Var {
        let terms: Vec<Var> = a.iter().zip(b).map(|(&a, &b)| self.mul(a, b)).collect();
        self.sum(&terms)
    }

    fn gradients(&self, of: Var) -> Vec<f64> {
        let mut grads = vec![0.0; self.values.len()];
        grads[of] = 1.0;
        for at in (0..=of).rev() {
            for &(parent, slope) in &self.parents[at] {
                grads[parent] += grads[at] * slope;
            }
        }
        grads
    }
}

/// The rows that an item's vector is summed from, besides its content: names of parameters. A prefix row that two of the
/// item's prefixes share by hash stands there twice.
type ItemRows = BTreeMap<u32, Vec<String>>;

/// What `dropout` leaves of the rows of `items`.
fn rows_of<T: Scalar>(network: &Network<T>, items: &[u32], dropout: RowDropout) -> ItemRows {
    let kept = |(slot, &item): (usize, &u32)| {
        let id = dropout.keeps_id(slot).then(|| format!("id.{item}"));
        let prefixes = network.prefixes.iter().flat_map(|p| dropout.kept_prefixes(slot, p.rows.of(item)));
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
        let mut params: BTreeMap<String, Vec<f64>> = network
            .layout()
            .entries()
            .iter()
            .map(|e| (e.name.clone(), exact(e.slot.of(&network.params))))
            .collect();
        for (name, table) in network.tables() {
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

struct Forward<'a> {
    tape: &'a mut Tape,
    vars: &'a BTreeMap<String, Vec<Var>>,
    model: &'a ModelSettings,
    rows: &'a ItemRows,
}

impl Forward<'_> {
    fn row(&self, name: &str, row: usize, cols: usize) -> Vec<Var> {
        self.vars[name][row * cols..(row + 1) * cols].to_vec()
    }

    fn add(&mut self, a: &[Var], b: &[Var]) -> Vec<Var> {
        a.iter().zip(b).map(|(&a, &b)| self.tape.add(a, b)).collect()
    }

    fn linear(&mut self, name: &str, x: &[Var], outputs: usize) -> Vec<Var> {
        let weight = &self.vars[&format!("{name}.weight")];
        let bias = self.vars.get(&format!("{name}.bias"));
        (0..outputs)
            .map(|o| {
                let column: Vec<Var> = (0..x.len()).map(|i| weight[i * outputs + o]).collect();
                let product = self.tape.dot(x, &column);
                bias.map_or(product, |bias| self.tape.add(product, bias[o]))
            })
            .collect()
    }

    fn norm(&mut self, name: &str, x: &[Var]) -> Vec<Var> {
        let n = x.len() as f64;
        let total = self.tape.sum(x);
        let minus_mean = self.tape.times(total, -1.0 / n);
        let centred: Vec<Var> = x.iter().map(|&x| self.tape.add(x, minus_mean)).collect();
        let squares = self.tape.dot(&centred, &centred);
        let inverse =
            self.tape.map(squares, |s| (s / n + 1e-5).powf(-0.5), |s| -0.5 / n * (s / n + 1e-5).powf(-1.5));
        let (gain, bias) =
            (self.vars[&format!("{name}.gain")].clone(), self.vars[&format!("{name}.bias")].clone());
        (0..x.len())
            .map(|i| {
                let scaled = self.tape.mul(centred[i], inverse);
                let scaled = self.tape.mul(scaled, gain[i]);
                self.tape.add(scaled, bias[i])
            })
            .collect()
    }

    fn unit(&mut self, x: &[Var]) -> Vec<Var> {
        let squares = self.tape.dot(x, x);
        let inverse = self.tape.map(squares, |s| s.powf(-0.5), |s| -0.5 * s.powf(-1.5));
        x.iter().map(|&x| self.tape.mul(x, inverse)).collect()
    }

    fn softmax(&mut self, x: &[Var]) -> Vec<Var> {
        let powers: Vec<Var> = x.iter().map(|&x| self.tape.map(x, f64::exp, f64::exp)).collect();
        let total = self.tape.sum(&powers);
        let inverse = self.tape.map(total, |t| 1.0 / t, |t| -1.0 / (t * t));
        powers.iter().map(|&p| self.tape.mul(p, inverse)).collect()
    }

    fn gelu(&mut self, x: Var) -> Var {
        let c = (2.0 / std::f64::consts::PI).sqrt();
        let inner = move |u: f64| c * (u + 0.044715 * u * u * u);
        let value = move |u: f64| 0.5 * u * (1.0 + inner(u).tanh());
        let slope = move |u: f64| {
            let t = inner(u).tanh();
            0.5 * (1.0 + t) + 0.5 * u * (1.0 - t * t) * c * (1.0 + 3.0 * 0.044715 * u * u)
        };
        self.tape.map(x, value, slope)
    }

    fn item(&mut self, item: u32, world: &World) -> Vec<Var> {
        let content: Vec<Var> = world.content[item as usize * CONTENT..][..CONTENT]
            .iter()
            .map(|&c| self.tape.constant(c.into()))
            .collect();
        let mut vector = self.linear("content", &content, self.model.dim);
        for name in &self.rows[&item] {
            vector = self.add(&vector, &self.vars[name]);
        }
        vector
    }

    /// Hidden states of one sequence of events.
    fn trunk(&mut self, events: &[(Event, u8)], world: &World) -> Vec<Vec<Var>> {
        let dim = self.model.dim;
        let len = events.len();
        let mut x: Vec<Vec<Var>> = Vec::new();
        for (i, (event, gap)) in events.iter().enumerate() {
            let mut row = self.item(event.item.0, world);
            for (name, at) in
                [("position", len - 1 - i), ("action", event.action.0.into()), ("gap", (*gap).into())]
            {
                let embedding = self.row(name, at, dim);
                row = self.add(&row, &embedding);
            }
            x.push(row);
        }
        for block in 0..self.model.blocks {
            x = self.block(&format!("block.{block}"), x);
        }
        x.iter().map(|row| self.norm("final_norm", row)).collect()
    }

    fn block(&mut self, name: &str, mut x: Vec<Vec<Var>>) -> Vec<Vec<Var>> {
        let (dim, heads) = (self.model.dim, self.model.heads);
        let width = dim / heads;
        let qkv: Vec<Vec<Var>> = x
            .iter()
            .map(|row| {
                let normed = self.norm(&format!("{name}.norm_1"), row);
                self.linear(&format!("{name}.qkv"), &normed, 3 * dim)
            })
            .collect();
        for i in (0..x.len()).rev() {
            let mut mixed = Vec::new();
            for head in 0..heads {
                let part = |row: &[Var], which: usize| row[which * dim + head * width..][..width].to_vec();
                let query = part(&qkv[i], 0);
                let scores: Vec<Var> = (0..=i)
                    .map(|j| {
                        let product = self.tape.dot(&query, &part(&qkv[j], 1));
                        self.tape.times(product, 1.0 / (width as f64).sqrt())
                    })
                    .collect();
                let weights = self.softmax(&scores);
                for c in 0..width {
                    let column: Vec<Var> = (0..=i).map(|j| part(&qkv[j], 2)[c]).collect();
                    mixed.push(self.tape.dot(&weights, &column));
                }
            }
            let out = self.linear(&format!("{name}.out"), &mixed, dim);
            x[i] = self.add(&x[i], &out);
        }
        for row in &mut x {
            let normed = self.norm(&format!("{name}.norm_2"), row);
            let up = self.linear(&format!("{name}.up"), &normed, dim * self.model.expansion);
            let activated: Vec<Var> = up.iter().map(|&u| self.gelu(u)).collect();
            let down = self.linear(&format!("{name}.down"), &activated, dim);
            *row = self.add(row, &down);
        }
        x
    }

    /// Mean cross-entropy; masks are found again from the histories.
    fn loss(&mut self, batch: &Batch, world: &World) -> Var {
        let scale = {
            let log_scale = self.vars["log_scale"][0];
            self.tape.map(log_scale, f64::exp, f64::exp)
        };
        let seen_bias = {
            let seen = self.vars["seen"][0];
            self.tape.times(seen, 30.0)
        };
        let negatives: Vec<u32> = batch.negatives.iter().map(|&slot| batch.items[slot as usize]).collect();
        let negative_vectors: Vec<Vec<Var>> = negatives
            .iter()
            .map(|&item| {
                let vector = self.item(item, world);
                self.unit(&vector)
            })
            .collect();
        let mut terms = Vec::new();
        for shard in &batch.shards {
            for ends in shard.sequences.offsets.windows(2) {
                let items: Vec<u32> = shard.sequences.items[ends[0]..ends[1]]
                    .iter()
                    .map(|&slot| batch.items[slot as usize])
                    .collect();
                let (history, next) = world.find(&items);
                let hidden = self.trunk(&history[..items.len()], world);
                for (i, hidden) in hidden.iter().enumerate() {
                    let target = history.get(i + 1).map_or(next, |(event, _)| event.item.0);
                    let so_far: Vec<u32> = history[..=i].iter().map(|(event, _)| event.item.0).collect();
                    let query = self.unit(hidden);
                    let vector = self.item(target, world);
                    let vector = self.unit(&vector);
                    let mut logits =
                        vec![self.logit(&query, &vector, scale, seen_bias, so_far.contains(&target))];
                    for (n, &negative) in
                        negatives.iter().enumerate().filter(|(_, negative)| **negative != target)
                    {
                        let seen = so_far.contains(&negative);
                        logits.push(self.logit(&query, &negative_vectors[n], scale, seen_bias, seen));
                    }
                    let powers: Vec<Var> =
                        logits.iter().map(|&logit| self.tape.map(logit, f64::exp, f64::exp)).collect();
                    let total = self.tape.sum(&powers);
                    let log_total = self.tape.map(total, f64::ln, |t| 1.0 / t);
                    let minus = self.tape.times(logits[0], -1.0);
                    terms.push(self.tape.add(log_total, minus));
                }
            }
        }
        assert_eq!(terms.len(), batch.positions());
        let total = self.tape.sum(&terms);
        self.tape.times(total, 1.0 / terms.len() as f64)
    }

    fn logit(&mut self, query: &[Var], vector: &[Var], scale: Var, seen_bias: Var, seen: bool) -> Var {
        let cosine = self.tape.dot(query, vector);
        let scaled = self.tape.mul(cosine, scale);
        if seen { self.tape.add(scaled, seen_bias) } else { scaled }
    }
}

struct World {
    events: EventLog,
    train_ends: Vec<usize>,
    counts: Vec<u32>,
    content: Vec<f32>,
    tokens: SemanticIds,
}

impl World {
    /// Nine users, histories of 2 to 6 events with repeats, two actions, real times; three codes an item, of three.
    fn new() -> Self {
        let mut rng = Rng::new(4, "world");
        let mut log = EventLogBuilder::default();
        let mut counts = vec![0; ITEMS];
        for user in 0..USERS {
            let mut time = 1_600_000_000_000;
            for _ in 0..2 + rng.below(5) {
                // The last item is never trained.
                let item = rng.below(ITEMS - 1);
                counts[item] += 1;
                time += 1000 * (1 + rng.below(1_000_000)) as i64;
                let event = Event { item: ItemId(item as u32), action: ActionId(rng.below(2) as u8), time };
                log.push(UserId(user as u32), event);
            }
        }
        let events = log.finish(USERS, true);
        let train_ends = (0..USERS).map(|user| events.range(UserId(user as u32)).end).collect();
        let content = (0..ITEMS * CONTENT).map(|_| rng.normal() as f32).collect();
        let codes = (0..ITEMS * LEVELS).map(|_| rng.below(CODES) as u16).collect();
        let tokens = SemanticIds::new(LEVELS, CODES, codes);
        Self { events, train_ends, counts, content, tokens }
    }

    fn data(&self) -> TrainingData<'_> {
        TrainingData {
            events: &self.events,
            train_ends: &self.train_ends,
            target: None,
            counts: &self.counts,
            content: &self.content,
            tokens: Some(&self.tokens),
            actions: 2,
            active: &[],
        }
    }

    /// The user whose events but the last are `items`: their events with gap buckets, and the last item.
    fn find(&self, items: &[u32]) -> (Vec<(Event, u8)>, u32) {
        for user in 0..USERS {
            let range = self.events.range(UserId(user as u32));
            let events: Vec<Event> = range.map(|at| self.events.event(at)).collect();
            if events.len() == items.len() + 1
                && events.iter().zip(items).all(|(event, item)| event.item.0 == *item)
            {
                let gap = |i: usize| if i == 0 { 0 } else { gap_bucket(events[i].time - events[i - 1].time) };
                let last = events[items.len()].item.0;
                return ((0..items.len()).map(|i| (events[i], gap(i))).collect(), last);
            }
        }
        panic!("no user has the history {items:?}");
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
