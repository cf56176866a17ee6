//! Scale and bias that turn an inner product into a logit, fitted by Newton's method, and the logistic loss.

use super::super::tasks::{TrainedEncoder, backward_in_tasks};
use super::{Batch, Vectors};
use crate::Error;
use semrank_nn::kernel;

const NEWTON_STEPS: usize = 30;
/// Scale in training at least: nearer has to mean likelier, also where the encoder does not know that yet.
const LEAST_SCALE: f64 = 2.0;

/// From an inner product to a logit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head {
    pub(super) scale: f64,
    pub(super) bias: f64,
}

impl Head {
    /// The best one for some batches.
    pub(super) fn fit(encoder: &dyn TrainedEncoder, batches: &[Batch]) -> Result<Self, Error> {
        let mut pairs = Vec::new();
        for batch in batches {
            pairs.extend(Vectors::of(encoder, batch)?.products());
        }
        let mut head = Head { scale: 0.0, bias: 0.0 };
        for _ in 0..NEWTON_STEPS {
            // A little of the identity: products that separate perfectly have no finite optimum.
            let ridge = 1e-4 * pairs.len().max(1) as f64;
            let (mut g, mut h) = ([ridge * head.scale, ridge * head.bias], [ridge, 0.0, ridge]);
            for &(x, y) in &pairs {
                let p = sigmoid(head.logit(x));
                let curve = p * (1.0 - p);
                g = [g[0] + (p - y) * x, g[1] + p - y];
                h = [h[0] + curve * x * x, h[1] + curve * x, h[2] + curve];
            }
            let det = h[0] * h[2] - h[1] * h[1];
            if det <= 0.0 {
                break;
            }
            head.scale -= ((h[2] * g[0] - h[1] * g[1]) / det).clamp(-5.0, 5.0);
            head.bias -= ((h[0] * g[1] - h[1] * g[0]) / det).clamp(-5.0, 5.0);
        }
        Ok(head)
    }

    pub(super) fn in_training(self) -> Self {
        Self { scale: self.scale.max(LEAST_SCALE), ..self }
    }

    pub(super) fn logit(self, product: f64) -> f64 {
        self.scale * product + self.bias
    }

    /// Mean loss of some batches, nats per prediction.
    pub(super) fn loss(self, encoder: &dyn TrainedEncoder, batches: &[Batch]) -> Result<f64, Error> {
        let (mut sum, mut count) = (0.0, 0usize);
        for batch in batches {
            for (product, y) in Vectors::of(encoder, batch)?.products() {
                sum += logistic_loss(self.logit(product), y);
                count += 1;
            }
        }
        Ok(sum / count.max(1) as f64)
    }

    /// Mean loss of a batch, and the gradients of the encoder's parameters.
    pub(super) fn gradients(
        self,
        encoder: &dyn TrainedEncoder,
        batch: &Batch,
    ) -> Result<(f64, Vec<f32>), Error> {
        let vectors = Vectors::of(encoder, batch)?;
        let dim = vectors.dim;
        let share = 1.0 / batch.examples.iter().map(|(_, candidates)| candidates.len()).sum::<usize>() as f64;
        let (mut sum, mut dvectors) = (0.0, vec![0.0; vectors.values.len()]);
        for (recent, candidates) in &batch.examples {
            let (user, mut duser) = (vectors.mean(recent), vec![0.0; dim]);
            for (at, &item) in candidates.iter().enumerate() {
                let y = f64::from(at == 0);
                let logit = self.logit(f64::from(kernel::dot(&user, vectors.row(item))));
                sum += logistic_loss(logit, y);
                let dproduct = ((sigmoid(logit) - y) * self.scale * share) as f32;
                kernel::axpy(dproduct, vectors.row(item), &mut duser);
                kernel::axpy(dproduct, &user, &mut dvectors[vectors.slot(item) * dim..][..dim]);
            }
            for &item in recent {
                let into = &mut dvectors[vectors.slot(item) * dim..][..dim];
                kernel::axpy(1.0 / recent.len() as f32, &duser, into);
            }
        }
        let mut rest = dvectors.as_slice();
        let tasks = vectors.saved.into_iter().map(|(saved, len)| {
            let (part, others) = rest.split_at(len);
            rest = others;
            (saved, part.to_vec())
        });
        let grads = backward_in_tasks(encoder, tasks.collect()).unwrap_or_default();
        Ok((sum * share, grads))
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `-ln p` of the label, without overflow.
fn logistic_loss(logit: f64, y: f64) -> f64 {
    logit.max(0.0) - logit * y + (-logit.abs()).exp().ln_1p()
}
