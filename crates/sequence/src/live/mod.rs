//! Content that learns with the ranker, at a cost near that of frozen content.
//!
//! The ranker reads content vectors from a matrix. Every step it leaves behind how each vector of its batch should have been
//! different, dL/dv; these gradients are added up, item by item. Every so many steps the encoder *visits* a block of items:
//! it encodes them again (which refreshes their rows) and carries what was added up for them back through its trained layers.
//! So an item is encoded once in its turn and not every time it occurs, all occurrences in between count, and the budget is
//! a number of passes over the catalogue. [`Live::report`] tells how old rows become, and how far off that leaves them.
//!
//! Blocks are large: one step for many items moves the encoder once and in a better direction. (With 7 items at every step
//! and the same budget it ran away from the rows it had made: they ended a whole length away from fresh ones.)
//!
//! With [`Visits::Batch`] the items of every batch are visited in that batch: the exact gradient of the joint model, at the
//! cost of encoding each of them every time. It is the reference in tests and in the cost table.

#[cfg(test)]
pub(crate) mod tests;

use semrank_core::{Rng, narrow};
use semrank_embed::{
    Error as EmbedError, ITEMS_PER_TASK, Lora, Saved, TaskPass, TrainedEncoder, backward_in_tasks,
    forward_in_tasks, vectors_of,
};
use semrank_nn::{Adam, AdamState, Schedule, clip_factor, kernel};
use serde::{Deserialize, Serialize};
use std::ops::Range;

/// Items whose rows are compared with fresh ones at the end.
const COMPARED: usize = 256;

/// Which items a step visits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Visits {
    /// The next ones of a fixed random order, as many as the budget of passes allows.
    Turn,
    /// All items of the batch: exact, and expensive.
    Batch,
}

/// How content is trained.
#[derive(Debug, Clone, PartialEq)]
pub struct LiveSettings {
    /// Passes over the catalogue in the whole training.
    pub passes: f64,
    /// Items of a visit.
    pub block: usize,
    /// Which items a step visits.
    pub visits: Visits,
    /// Rank of low-rank adapters; 0 trains the parameters themselves.
    pub rank: usize,
    /// Peak learning rate.
    pub rate: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Share of the steps in which ids train alone, at the beginning.
    pub warmup: f64,
    /// Largest norm of a step's gradient; 0 = no clipping.
    pub clip: f64,
}

/// What training content has cost, and how old the rows are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct LiveReport {
    /// Items encoded, as passes over the catalogue.
    pub encoder_passes: f64,
    /// Those of them that were carried back too.
    pub backward_passes: f64,
    /// Bytes kept of the frozen layers.
    pub bytes_cached: u64,
    /// Most steps between two visits of an item.
    pub most_steps_old: u64,
    /// Mean distance of a row from what the encoder would make now, as a share of the row's length.
    pub staleness: f64,
}

/// Content vectors under training.
#[derive(Debug)]
pub struct Live {
    encoder: Box<dyn TrainedEncoder>,
    lora: Option<Lora>,
    settings: LiveSettings,
    /// Width of a content vector, and which columns the encoder writes.
    width: usize,
    columns: Range<usize>,
    /// `[items x width]`.
    content: Vec<f32>,
    /// `[items x columns]`: what has been added up since the last visit.
    waiting: Vec<f32>,
    is_waiting: Vec<bool>,
    order: Vec<u32>,
    total_steps: u64,
    /// Items visited in a step, and what their forward pass left.
    visited: Vec<(Vec<u32>, Saved)>,
    pub(crate) moments: AdamState<f32>,
    pub(crate) updates: u64,
    pub(crate) encoded: u64,
    pub(crate) carried_back: u64,
}

impl Live {
    /// Begins with `content` `[items x width]`, of which the encoder owns `columns`.
    ///
    /// # Panics
    /// When `columns` are not as many as the encoder's width.
    pub fn new(
        encoder: Box<dyn TrainedEncoder>,
        (content, width, columns): (Vec<f32>, usize, Range<usize>),
        settings: LiveSettings,
        seed: u64,
    ) -> Self {
        assert_eq!(columns.len(), encoder.width(), "the columns are the encoder's");
        let items = content.len() / width;
        let rng = Rng::new(seed, "live content");
        let lora = (settings.rank > 0)
            .then(|| Lora::new(settings.rank, encoder.params(), encoder.matrices(), &mut rng.fork(0)));
        let trained = lora.as_ref().map_or(encoder.params().len(), |lora| lora.factors.len());
        let mut order: Vec<u32> = narrow::indices(items).collect();
        rng.fork(1).shuffle(&mut order);
        Self {
            lora,
            waiting: vec![0.0; items * columns.len()],
            is_waiting: vec![false; items],
            order,
            total_steps: 0,
            visited: Vec::new(),
            moments: AdamState::new(trained),
            updates: 0,
            encoded: 0,
            carried_back: 0,
            encoder,
            settings,
            width,
            columns,
            content,
        }
    }

    /// All content vectors, `[items x width]`.
    pub fn content(&self) -> &[f32] {
        &self.content
    }

    /// Which columns of a content vector are trained.
    pub fn columns(&self) -> Range<usize> {
        self.columns.clone()
    }

    /// The trained parameters of the encoder.
    pub fn params(&self) -> &[f32] {
        self.encoder.params()
    }

    /// Steps of the whole training; set before the first.
    pub(crate) fn set_total_steps(&mut self, steps: u64) {
        self.total_steps = steps;
    }

    /// First step (from 0) that visits items.
    fn first_step(&self) -> u64 {
        (self.settings.warmup * self.total_steps as f64) as u64
    }

    /// Visits of a training where items take turns, and items of each.
    fn turns(&self) -> (u64, usize) {
        let all = self.settings.passes * self.order.len() as f64;
        let steps = (self.total_steps - self.first_step()).max(1);
        let turns = ((all / self.settings.block as f64).ceil() as u64).clamp(1, steps);
        (turns, ((all / turns as f64).ceil() as usize).min(self.order.len()))
    }

    /// The turn that a step (from 0) has; `None` where it has none.
    fn turn(&self, step: u64) -> Option<u64> {
        let (turns, _) = self.turns();
        let steps = (self.total_steps - self.first_step()).max(1);
        let turn_at = |step: u64| step * turns / steps;
        let step = step.checked_sub(self.first_step())?;
        (turn_at(step + 1) > turn_at(step)).then(|| turn_at(step))
    }

    /// Encodes the items that are visited in a step (from 0), whose batch has these items.
    ///
    /// # Errors
    /// What keeps an item from being encoded, and a vector that is not finite.
    pub(crate) fn visit(&mut self, step: u64, batch: &[u32]) -> Result<(), EmbedError> {
        self.visited.clear();
        let items: Vec<u32> = match (self.settings.visits, self.turn(step)) {
            (Visits::Batch, _) if step >= self.first_step() => batch.to_vec(),
            (Visits::Turn, Some(turn)) => {
                let ((_, block), count) = (self.turns(), self.order.len());
                let from = turn as usize * block;
                (from..from + block).map(|at| self.order[at % count]).collect()
            }
            _ => return Ok(()),
        };
        self.encode(&items)
    }

    fn encode(&mut self, items: &[u32]) -> Result<(), EmbedError> {
        let dim = self.columns.len();
        let made = forward_in_tasks(&*self.encoder, items)?;
        for (made, items) in made.into_iter().zip(items.chunks(ITEMS_PER_TASK)) {
            let (saved, vectors) = made;
            if let Some(&value) = vectors.iter().find(|value| !value.is_finite()) {
                return Err(EmbedError::Diverged {
                    what: "vector",
                    got: f64::from(value),
                    step: self.updates,
                });
            }
            for (&item, vector) in items.iter().zip(vectors.chunks_exact(dim)) {
                self.content[item as usize * self.width..][self.columns.clone()].copy_from_slice(vector);
            }
            self.visited.push((items.to_vec(), saved));
        }
        self.encoded += items.len() as u64;
        Ok(())
    }

    /// Adds up the gradients of a batch's vectors, `[items x columns]`.
    pub(crate) fn add(&mut self, items: &[u32], dvectors: &[f32]) {
        let dim = self.columns.len();
        for (&item, row) in items.iter().zip(dvectors.chunks_exact(dim)) {
            kernel::add(row, &mut self.waiting[item as usize * dim..][..dim]);
            self.is_waiting[item as usize] = true;
        }
    }

    /// Carries what was added up for the visited items back, and moves the parameters; `step` counts from 0.
    pub(crate) fn learn(&mut self, step: u64) {
        let Some(mut grads) = self.carry_back() else { return };
        if let Some(lora) = &self.lora {
            grads = lora.grads(&grads);
        }
        self.updates += 1;
        let schedule = Schedule {
            peak: self.settings.rate,
            warmup_steps: 10,
            total_steps: self.total_steps - self.first_step(),
            final_share: 0.03,
        };
        let adam = Adam {
            rate: schedule.rate(step - self.first_step() + 1),
            weight_decay: self.settings.weight_decay,
            ..Adam::default()
        };
        let factor = clip_factor(f64::from(kernel::dot(&grads, &grads)), self.settings.clip) as f32;
        match &mut self.lora {
            Some(lora) => {
                self.moments.update(&adam, self.updates, factor, &grads, &mut lora.factors);
                lora.write(self.encoder.params_mut());
            }
            None => self.moments.update(&adam, self.updates, factor, &grads, self.encoder.params_mut()),
        }
    }

    /// The gradient of the parameters from the visited items; `None` where nothing was added up for them.
    fn carry_back(&mut self) -> Option<Vec<f32>> {
        let dim = self.columns.len();
        let visited = std::mem::take(&mut self.visited);
        let mut tasks: Vec<TaskPass> = Vec::new();
        for (items, saved) in visited {
            if !items.iter().any(|&item| self.is_waiting[item as usize]) {
                continue;
            }
            let mut dvectors = Vec::with_capacity(items.len() * dim);
            for &item in &items {
                let row = &mut self.waiting[item as usize * dim..][..dim];
                dvectors.extend_from_slice(row);
                row.fill(0.0);
                self.carried_back += u64::from(std::mem::take(&mut self.is_waiting[item as usize]));
            }
            tasks.push((saved, dvectors));
        }
        backward_in_tasks(&*self.encoder, tasks)
    }

    /// What it has cost so far, and how old the rows are: some of them are encoded again and compared.
    ///
    /// # Errors
    /// What keeps an item from being encoded.
    pub fn report(&self) -> Result<LiveReport, EmbedError> {
        let items = self.order.len().max(1);
        let compared = &self.order[..COMPARED.min(self.order.len())];
        let dim = self.columns.len();
        let fresh = vectors_of(&*self.encoder, compared)?;
        let apart = compared.iter().zip(fresh.chunks_exact(dim)).map(|(&item, fresh)| {
            let row = &self.content[item as usize * self.width..][self.columns.clone()];
            let apart: f64 = row.iter().zip(fresh).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let length: f64 = fresh.iter().map(|x| f64::from(*x).powi(2)).sum();
            (apart / length.max(1e-12)).sqrt()
        });
        Ok(LiveReport {
            encoder_passes: self.encoded as f64 / items as f64,
            backward_passes: self.carried_back as f64 / items as f64,
            bytes_cached: self.encoder.bytes(),
            most_steps_old: match self.settings.visits {
                Visits::Batch => self.total_steps,
                Visits::Turn => {
                    let (turns, block) = self.turns();
                    items.div_ceil(block.max(1)) as u64
                        * (self.total_steps - self.first_step()).div_ceil(turns)
                }
            },
            staleness: apart.sum::<f64>() / compared.len().max(1) as f64,
        })
    }

    /// What must be kept to go on or to come back: the trained columns, the parameters, and what is added up, by name.
    pub(crate) fn tensors(&self) -> [(&'static str, &[f32]); 5] {
        let trained = self.lora.as_ref().map_or(self.encoder.params(), |lora| &lora.factors);
        [
            ("content", &self.content),
            ("trained", trained),
            ("waiting", &self.waiting),
            ("first", &self.moments.first),
            ("second", &self.moments.second),
        ]
    }

    /// Goes back to saved tensors.
    pub(crate) fn restore(
        &mut self,
        mut read: impl FnMut(&str, &mut [f32]) -> Result<(), semrank_tower::artefact::Error>,
    ) -> Result<(), semrank_tower::artefact::Error> {
        read("content", &mut self.content)?;
        match &mut self.lora {
            Some(lora) => {
                read("trained", &mut lora.factors)?;
                lora.write(self.encoder.params_mut());
            }
            None => read("trained", self.encoder.params_mut())?,
        }
        read("waiting", &mut self.waiting)?;
        read("first", &mut self.moments.first)?;
        read("second", &mut self.moments.second)?;
        let dim = self.columns.len();
        for (waits, row) in self.is_waiting.iter_mut().zip(self.waiting.chunks_exact(dim)) {
            *waits = row.iter().any(|&x| x != 0.0);
        }
        Ok(())
    }
}
