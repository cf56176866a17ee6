//! A training under way, in a folder: parameters, moments, the running mean, the best epoch, and what was reported so far.
//!
//! A state is taken after an epoch, or after a day of a log that is read once. Random choices are functions of (seed, step), the
//! lessons and the features of rows are functions of the data: they are made again, and not kept.
//!
//! | tensor | holds |
//! |---|---|
//! | `counters` | steps, epochs done, best epoch, the time up to which lessons were learned |
//! | `sums`, `days`, `curve` | what was reported, as numbers |
//! | `now.…`, `mean.…`, `best.…` | networks: dense parameters and tables, by name; of the first also the moments |

use super::loss::{HEADS, Head, HeadSum};
use super::network::PointwiseNetwork;
use super::progress::{DayReport, HeadReport, PassReport, Tally};
use super::training::PointwiseTrainer;
use semrank_nn::checkpoint::{self, Checkpoint, Tensor, Values};
use semrank_tower::artefact::Error;
use std::path::Path;

const STATE: &str = "state.safetensors";
/// Numbers of a tally, a day and an epoch.
const OF_TALLY: usize = 4;
const OF_DAY: usize = 1 + 2 * OF_TALLY;
const OF_HEAD: usize = 3;
const OF_EPOCH: usize = 2 + HEADS * OF_HEAD;

/// A named tensor of parameters.
type Floats<'a> = (String, &'a [f32]);

impl PointwiseTrainer<'_> {
    /// Writes the whole state into an existing folder.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_state(&self, dir: &Path) -> Result<(), Error> {
        let until = self.until as u64;
        let counters = [self.stepper.step, self.curve.len() as u64, self.best_epoch as u64, until];
        let sums: Vec<f64> = self.heads.iter().flat_map(of_sum).collect();
        let days: Vec<f64> = self.days.iter().flat_map(of_day).collect();
        let curve: Vec<f64> = self.curve.iter().flat_map(of_epoch).collect();
        let best_loss: Vec<f64> = self.best.iter().map(|(loss, _)| *loss).collect();
        let numbers = [("sums", &sums), ("days", &days), ("curve", &curve), ("best.loss", &best_loss)];
        let mut tensors = vec![row("counters", Values::U64(&counters), counters.len())];
        tensors.extend(numbers.map(|(name, values)| row(name, Values::F64(values), values.len())));
        let floats = self.floats();
        tensors.extend(floats.iter().map(|(name, values)| row(name, Values::F32(values), values.len())));
        Ok(checkpoint::save(&dir.join(STATE), &tensors)?)
    }

    fn floats(&self) -> Vec<Floats<'_>> {
        let stepper = &self.stepper;
        let mut out = parameters("now", &stepper.network);
        out.push(("now.dense.first".into(), &stepper.moments.first));
        out.push(("now.dense.second".into(), &stepper.moments.second));
        for (name, table) in stepper.network.tables() {
            out.push((format!("now.{name}.first"), &table.first));
            out.push((format!("now.{name}.second"), &table.second));
        }
        out.extend(stepper.mean.iter().flat_map(|mean| parameters("mean", mean)));
        out.extend(self.best.iter().flat_map(|(_, best)| parameters("best", best)));
        out
    }

    /// Goes back to a saved state; the training must have been set up in the same way and have learned nothing yet.
    ///
    /// # Errors
    /// A missing or damaged file, or the state of another network. Then start afresh: a part of it may have been read.
    pub fn restore_state(&mut self, dir: &Path) -> Result<(), Error> {
        let file = Checkpoint::open(&dir.join(STATE))?;
        let counters = file.read_u64("counters", 4)?;
        let [step, epochs, best_epoch, until] = [0, 1, 2, 3].map(|at| counters[at]);
        let numbers = |name: &str| file.read_f64(name, file.len_of(name)?);
        let sums = file.read_f64("sums", HEADS * OF_HEAD)?;
        self.heads.iter_mut().zip(sums.as_chunks().0).for_each(|(sum, from)| *sum = to_sum(from));
        self.days = numbers("days")?.as_chunks().0.iter().map(to_day).collect();
        self.curve = file
            .read_f64("curve", (epochs as usize).saturating_mul(OF_EPOCH))?
            .as_chunks()
            .0
            .iter()
            .map(to_epoch)
            .collect();
        self.best_epoch = best_epoch as usize;
        let stepper = &mut self.stepper;
        stepper.step = step;
        read_parameters(&file, "now", &mut stepper.network)?;
        let read = |name: &str, into: &mut Vec<f32>| file.read_f32(name, [1, into.len()], into);
        read("now.dense.first", &mut stepper.moments.first)?;
        read("now.dense.second", &mut stepper.moments.second)?;
        for (name, table) in stepper.network.tables_mut() {
            read(&format!("now.{name}.first"), &mut table.first)?;
            read(&format!("now.{name}.second"), &mut table.second)?;
        }
        if let Some(mean) = &mut stepper.mean {
            read_parameters(&file, "mean", mean)?;
        }
        if let Some(&loss) = numbers("best.loss")?.first() {
            let mut network = stepper.network.clone();
            read_parameters(&file, "best", &mut network)?;
            self.best = Some((loss, network));
        }
        self.pass_over(until as i64);
        Ok(())
    }
}

fn row<'a>(name: &'a str, values: Values<'a>, len: usize) -> Tensor<'a> {
    Tensor { name, shape: [1, len], values }
}

fn parameters<'a>(of: &str, network: &'a PointwiseNetwork<f32>) -> Vec<Floats<'a>> {
    let mut out: Vec<Floats> = vec![(format!("{of}.dense"), &network.params)];
    out.extend(network.tables().map(|(name, table)| (format!("{of}.{name}"), table.values.as_slice())));
    out
}

fn read_parameters(
    file: &Checkpoint,
    of: &str,
    network: &mut PointwiseNetwork<f32>,
) -> Result<(), checkpoint::Error> {
    let len = network.params.len();
    file.read_f32(&format!("{of}.dense"), [1, len], &mut network.params)?;
    for (name, table) in network.tables_mut() {
        let len = table.values.len();
        file.read_f32(&format!("{of}.{name}"), [1, len], &mut table.values)?;
    }
    Ok(())
}

fn of_sum(sum: &HeadSum) -> [f64; OF_HEAD] {
    [sum.loss, sum.lessons as f64, sum.squared]
}

fn to_sum(&[loss, lessons, squared]: &[f64; OF_HEAD]) -> HeadSum {
    HeadSum { loss, lessons: lessons as usize, squared }
}

fn of_day(day: &DayReport) -> [f64; OF_DAY] {
    let mut out = [day.day as f64; OF_DAY];
    for (tally, out) in [&day.clicks, &day.conversions].into_iter().zip(out[1..].chunks_exact_mut(OF_TALLY)) {
        out.copy_from_slice(&[tally.rows as f64, tally.positives as f64, tally.predicted, tally.loss]);
    }
    out
}

fn to_day(numbers: &[f64; OF_DAY]) -> DayReport {
    let tally = |at: usize| Tally {
        rows: numbers[at] as usize,
        positives: numbers[at + 1] as usize,
        predicted: numbers[at + 2],
        loss: numbers[at + 3],
    };
    DayReport { day: numbers[0] as i64, clicks: tally(1), conversions: tally(1 + OF_TALLY) }
}

/// A head without lessons is not reported, a missing validation loss is NaN.
fn of_epoch(epoch: &PassReport) -> [f64; OF_EPOCH] {
    let mut out = [0.0; OF_EPOCH];
    (out[0], out[1]) = (epoch.epoch as f64, epoch.validation_loss.unwrap_or(f64::NAN));
    for (name, out) in Head::NAMES.iter().zip(out[2..].chunks_exact_mut(OF_HEAD)) {
        if let Some(head) = epoch.heads.iter().find(|head| head.head == *name) {
            out.copy_from_slice(&[head.lessons as f64, head.loss, head.gradient]);
        }
    }
    out
}

fn to_epoch(numbers: &[f64; OF_EPOCH]) -> PassReport {
    let heads = Head::NAMES.iter().zip(numbers[2..].chunks_exact(OF_HEAD)).filter(|(_, of)| of[0] > 0.0);
    let report = |(name, of): (&&str, &[f64])| HeadReport {
        head: (*name).to_owned(),
        lessons: of[0] as usize,
        loss: of[1],
        gradient: of[2],
    };
    PassReport {
        epoch: numbers[0] as usize,
        heads: heads.map(report).collect(),
        validation_loss: Some(numbers[1]).filter(|loss| !loss.is_nan()),
    }
}
