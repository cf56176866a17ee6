//! The documented model on the tape, by the textbook formulas.

use super::ItemRows;
use super::tape::{Tape, Var};
use super::world::{CONTENT, World};
use semrank_core::Event;
use semrank_sequence::Batch;
use semrank_tower::ModelSettings;
use std::collections::BTreeMap;

pub(crate) struct Forward<'a> {
    pub(crate) tape: &'a mut Tape,
    pub(crate) vars: &'a BTreeMap<String, Vec<Var>>,
    pub(crate) model: &'a ModelSettings,
    pub(crate) rows: &'a ItemRows,
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

    pub(crate) fn item(&mut self, item: u32, world: &World) -> Vec<Var> {
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
    pub(crate) fn loss(&mut self, batch: &Batch, world: &World) -> Var {
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
