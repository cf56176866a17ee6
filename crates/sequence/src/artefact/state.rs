//! A training under way, complete: parameters, moments, the best epoch, the curve, the sums of the epoch at hand.
//!
//! Numbers that are not tensors are kept as their bits, so that nothing is rounded on the way.

use crate::{EpochReport, Fitting};
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tower::artefact::Error;
use std::path::Path;

const STATE: &str = "state.safetensors";
/// Numbers of one epoch in the tensor `curve`.
const EPOCH_WIDTH: usize = 6;

impl Fitting<'_> {
    /// Writes the whole state into an existing folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let counters = [
            self.trainer.step,
            self.curve.len() as u64,
            self.positions,
            self.loss_sum.to_bits(),
            self.seconds.to_bits(),
            u64::from(!self.best.params.is_empty()),
        ];
        let curve: Vec<u64> = self.curve.iter().flat_map(to_bits).collect();
        let mut tensors = vec![
            row("counters", Values::U64(&counters), counters.len()),
            row("curve", Values::U64(&curve), curve.len()),
        ];
        let moments = &self.trainer.moments;
        let mut floats: Vec<(String, &[f32])> = vec![
            ("params".into(), &self.trainer.network.params),
            ("params.first".into(), &moments.first),
            ("params.second".into(), &moments.second),
            ("best.params".into(), &self.best.params),
        ];
        for (name, table) in self.trainer.network.tables() {
            let columns = [("", &table.values), (".first", &table.first), (".second", &table.second)];
            floats.extend(columns.map(|(column, values)| (format!("{name}{column}"), values.as_slice())));
        }
        for ((name, _), values) in self.trainer.network.tables().zip(&self.best.tables) {
            floats.push((format!("best.{name}"), values));
        }
        let counts = self.trainer.live.as_ref().map(|live| [live.updates, live.encoded, live.carried_back]);
        if let (Some(live), Some(counts)) = (&self.trainer.live, &counts) {
            let tensors_of = live.tensors().into_iter();
            floats.extend(tensors_of.map(|(name, values)| (format!("live.{name}"), values)));
            tensors.push(row("live.counts", Values::U64(counts), counts.len()));
        }
        if let Some([vectors, params]) = &self.best.content {
            floats.push(("best.content".into(), vectors));
            floats.push(("best.encoder".into(), params));
        }
        tensors.extend(floats.iter().map(|(name, values)| row(name, Values::F32(values), values.len())));
        Ok(checkpoint::save(&dir.join(STATE), &tensors)?)
    }

    /// Goes back to the state saved in a folder; the training must have been set up in the same way.
    ///
    /// # Errors
    /// A missing or damaged file, or the state of another network. Then start afresh: a part of it may have been read.
    pub fn restore(&mut self, dir: &Path) -> Result<(), Error> {
        let file = Checkpoint::open(&dir.join(STATE))?;
        let counters = file.read_u64("counters", 6)?;
        let [step, epochs, positions, loss_sum, seconds, has_best] =
            [0, 1, 2, 3, 4, 5].map(|at| counters[at]);
        let bits = file.read_u64("curve", (epochs as usize).saturating_mul(EPOCH_WIDTH))?;
        self.curve = bits.as_chunks().0.iter().map(from_bits).collect();
        self.positions = positions;
        (self.loss_sum, self.seconds) = (f64::from_bits(loss_sum), f64::from_bits(seconds));
        let trainer = &mut self.trainer;
        trainer.step = step;
        let read = |name: &str, into: &mut Vec<f32>| file.read_f32(name, [1, into.len()], into);
        if has_best != 0 {
            self.best.params.resize(trainer.network.params.len(), 0.0);
            read("best.params", &mut self.best.params)?;
            self.best.tables.clear();
            for (name, table) in trainer.network.tables() {
                let mut values = vec![0.0; table.values.len()];
                read(&format!("best.{name}"), &mut values)?;
                self.best.tables.push(values);
            }
        }
        if let Some(live) = &mut trainer.live {
            let counts = file.read_u64("live.counts", 3)?;
            [live.updates, live.encoded, live.carried_back] = [0, 1, 2].map(|at| counts[at]);
            live.restore(|name, into| Ok(file.read_f32(&format!("live.{name}"), [1, into.len()], into)?))?;
            if has_best != 0 {
                let mut kept = [vec![0.0; live.content().len()], vec![0.0; live.params().len()]];
                read("best.content", &mut kept[0])?;
                read("best.encoder", &mut kept[1])?;
                self.best.content = Some(kept);
            }
        }
        read("params", &mut trainer.network.params)?;
        read("params.first", &mut trainer.moments.first)?;
        read("params.second", &mut trainer.moments.second)?;
        for (name, table) in trainer.network.tables_mut() {
            read(name, &mut table.values)?;
            read(&format!("{name}.first"), &mut table.first)?;
            read(&format!("{name}.second"), &mut table.second)?;
        }
        Ok(())
    }
}

fn row<'a>(name: &'a str, values: Values<'a>, len: usize) -> Tensor<'a> {
    Tensor { name, shape: [1, len], values }
}

fn to_bits(epoch: &EpochReport) -> [u64; EPOCH_WIDTH] {
    let EpochReport { epoch, loss, ndcg_10, recall_10, train_seconds, validation_seconds } = *epoch;
    let [a, b, c, d, e] = [loss, ndcg_10, recall_10, train_seconds, validation_seconds].map(f64::to_bits);
    [epoch, a, b, c, d, e]
}

fn from_bits(bits: &[u64; EPOCH_WIDTH]) -> EpochReport {
    let number = |at: usize| f64::from_bits(bits[at]);
    EpochReport {
        epoch: bits[0],
        loss: number(1),
        ndcg_10: number(2),
        recall_10: number(3),
        train_seconds: number(4),
        validation_seconds: number(5),
    }
}
