//! Target attention: each candidate reads its user's history, and no other candidate (DIN, Zhou et al. 2018, arXiv
//! 1706.06978, section 4.3; SIM, Pi et al. 2020, arXiv 2006.05639, with its relative times). DIN leaves its weights as they are;
//! here they go through a softmax and sum to 1.
//!
//! Head `h` of candidate vector `c` at event vector `e` of age bucket `a` and place bucket `p`:
//!
//! ```text
//! score = (c Q_h) · e / sqrt(D) + time[h, a] + place[h, p]          value = e, mapped by the output map behind the heads
//! ```
//!
//! Key and value maps are linear, so they are folded into `Q` and into the output map: nothing is projected event by event,
//! and an event costs two inner products a head. A null slot with a learned key and value stands beside the events, so that
//! an empty history, or one in which nothing fits, has somewhere to look.

#[cfg(test)]
mod tests;

use semrank_nn::{Init, Layout, Linear, Scalar, Slot, kernel};

/// Independent partial sums of an inner product of short vectors.
const LANES: usize = 16;

/// Multi-head attention of `R` candidates over ragged histories.
///
/// # Shapes
/// Candidates `[R x D]`, event vectors `[E x D]`, output `[R x D]`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TargetAttention {
    query: Linear,
    output: Linear,
    /// `[heads x (2 buckets + 1)]`: by age, then by place; the last column is the null slot's.
    time: Slot,
    buckets: usize,
    null_key: Slot,
    null_value: Slot,
    heads: usize,
    dim: usize,
}

/// Which events each candidate reads. Those of one request share a range of `events` and `ages`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reads<'a> {
    /// Begin and end of each candidate's range; equal ranges follow each other.
    pub(crate) spans: &'a [[u32; 2]],
    /// Row of the event vectors.
    pub(crate) events: &'a [u32],
    /// Age bucket and place bucket.
    pub(crate) ages: &'a [[u8; 2]],
}

/// What the backward pass needs.
#[derive(Debug, Default)]
pub(crate) struct AttentionSaved<T> {
    queries: Vec<T>,
    /// `[pairs x heads]`.
    weights: Vec<T>,
    /// `[R x heads]`.
    null_weights: Vec<T>,
    pooled: Vec<T>,
    dpooled: Vec<T>,
    dqueries: Vec<T>,
}

impl TargetAttention {
    /// Adds its tensors, for ages and places in `buckets` each.
    pub(crate) fn new(layout: &mut Layout, name: &str, dim: usize, heads: usize, buckets: usize) -> Self {
        let map = Init::Normal((1.0 / dim as f64).sqrt());
        let tensor = |layout: &mut Layout, part: &str, rows, cols, init| {
            layout.tensor(&format!("{name}.{part}"), rows, cols, init)
        };
        Self {
            query: Linear::new(layout, &format!("{name}.query"), dim, heads * dim, map),
            output: Linear::new(layout, &format!("{name}.output"), heads * dim, dim, map),
            time: tensor(layout, "time", heads, 2 * buckets + 1, Init::Constant(0.0)),
            buckets,
            null_key: tensor(layout, "null_key", 1, dim, Init::Normal(0.1)),
            null_value: tensor(layout, "null_value", 1, dim, Init::Normal(0.1)),
            heads,
            dim,
        }
    }

    fn scale<T: Scalar>(&self) -> T {
        T::from_f64(1.0 / (self.dim as f64).sqrt())
    }

    /// Writes what each candidate read into `out`.
    pub(crate) fn forward<T: Scalar>(
        &self,
        params: &[T],
        (candidates, events): (&[T], &[T]),
        reads: Reads,
        saved: &mut AttentionSaved<T>,
        out: &mut [T],
    ) {
        let rows = reads.spans.len();
        let width = self.heads * self.dim;
        resize(&mut saved.queries, rows * width);
        resize(&mut saved.pooled, rows * width);
        self.query.forward(params, candidates, &mut saved.queries);
        let parts = (self.time.of(params), self.null_key.of(params), self.null_value.of(params));
        let pairs: usize = reads.spans.iter().map(|[from, to]| (to - from) as usize).sum();
        resize(&mut saved.weights, pairs * self.heads);
        resize(&mut saved.null_weights, rows * self.heads);
        attend(
            [self.heads, self.dim, self.buckets],
            self.scale(),
            (reads.spans, reads.events, reads.ages),
            (&saved.queries, events),
            parts,
            (&mut saved.weights, &mut saved.null_weights),
            &mut saved.pooled,
        );
        self.output.forward(params, &saved.pooled, out);
    }

    /// Adds the gradients of the tensors and of the events, and adds those of the candidates to `dcandidates`.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn backward<T: Scalar>(
        &self,
        params: &[T],
        (candidates, events): (&[T], &[T]),
        reads: Reads,
        saved: &mut AttentionSaved<T>,
        dout: &[T],
        grads: &mut [T],
        (dcandidates, devents): (&mut [T], &mut [T]),
    ) {
        let rows = reads.spans.len();
        resize(&mut saved.dpooled, rows * self.heads * self.dim);
        resize(&mut saved.dqueries, rows * self.heads * self.dim);
        self.output.backward(params, &saved.pooled, dout, grads, &mut saved.dpooled);
        let mut dtime = vec![T::ZERO; self.time.rows * self.time.cols];
        let (mut dkey, mut dvalue) = (vec![T::ZERO; self.dim], vec![T::ZERO; self.dim]);
        attend_backward(
            [self.heads, self.dim, self.buckets],
            self.scale(),
            (reads.spans, reads.events, reads.ages),
            (&saved.queries, events),
            (self.null_key.of(params), self.null_value.of(params)),
            (&saved.weights, &saved.null_weights),
            &saved.dpooled,
            &mut saved.dqueries,
            devents,
            (&mut dtime, &mut dkey, &mut dvalue),
        );
        kernel::add(&dtime, self.time.of_mut(grads));
        kernel::add(&dkey, self.null_key.of_mut(grads));
        kernel::add(&dvalue, self.null_value.of_mut(grads));
        let mut dx = vec![T::ZERO; candidates.len()];
        self.query.backward(params, candidates, &saved.dqueries, grads, &mut dx);
        kernel::add(&dx, dcandidates);
    }
}

/// Sets the length without keeping old values apart.
pub(crate) fn resize<T: Scalar>(values: &mut Vec<T>, len: usize) {
    values.clear();
    values.resize(len, T::ZERO);
}

/// Inner product of short vectors.
#[inline(always)]
fn inner<T: Scalar>(a: &[T], b: &[T]) -> T {
    let mut lanes = [T::ZERO; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: T = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(&x, &y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for i in 0..LANES {
            lanes[i] += x[i] * y[i];
        }
    }
    let mut width = LANES / 2;
    while width > 0 {
        for i in 0..width {
            lanes[i] += lanes[i + width];
        }
        width /= 2;
    }
    lanes[0] + rest
}

#[inline(always)]
fn add_scaled<T: Scalar>(factor: T, x: &[T], y: &mut [T]) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y += factor * x;
    }
}

kernel! {
    fn attend<T: Scalar>(
        sizes: [usize; 3],
        scale: T,
        reads: (&[[u32; 2]], &[u32], &[[u8; 2]]),
        inputs: (&[T], &[T]),
        parts: (&[T], &[T], &[T]),
        weights: (&mut [T], &mut [T]),
        pooled: &mut [T],
    ) {
        let ([heads, dim, buckets], (spans, events, ages)) = (sizes, reads);
        let ((queries, vectors), (time, null_key, null_value)) = (inputs, parts);
        let (weights, null_weights) = weights;
        let columns = 2 * buckets + 1;
        // Of one head side by side, for wide registers.
        let mut own = Vec::new();
        // The weights of a candidate stand behind those of the candidates before it.
        let mut first = 0;
        for (row, &[from, to]) in spans.iter().enumerate() {
            let (from, to) = (from as usize, to as usize);
            let (events, ages) = (&events[from..to], &ages[from..to]);
            for head in 0..heads {
                let query = &queries[(row * heads + head) * dim..][..dim];
                let time = &time[head * columns..][..columns];
                let null = scale * inner(query, null_key) + time[columns - 1];
                match dim {
                    16 => scores::<T, 16>(query, (events, vectors), &mut own),
                    32 => scores::<T, 32>(query, (events, vectors), &mut own),
                    _ => scores::<T, 0>(query, (events, vectors), &mut own),
                }
                let mut top = null;
                for (score, age) in own.iter_mut().zip(ages) {
                    let [age, place] = age.map(usize::from);
                    *score = scale * *score + time[age] + time[buckets + place];
                    top = top.larger(*score);
                }
                let null = (null - top).exp();
                own.iter_mut().for_each(|weight| *weight = (*weight - top).exp());
                let mut sum = null;
                own.iter().for_each(|&weight| sum += weight);
                own.iter_mut().for_each(|weight| *weight = *weight / sum);
                for (at, &weight) in own.iter().enumerate() {
                    weights[(first + at) * heads + head] = weight;
                }
                let out = &mut pooled[(row * heads + head) * dim..][..dim];
                null_weights[row * heads + head] = null / sum;
                for (out, &value) in out.iter_mut().zip(null_value) {
                    *out = null / sum * value;
                }
                match dim {
                    16 => pool::<T, 16>(&own, (events, vectors), out),
                    32 => pool::<T, 32>(&own, (events, vectors), out),
                    _ => pool::<T, 0>(&own, (events, vectors), out),
                }
            }
            first += to - from;
        }
    }
}

/// Inner products of a query with the vectors of events. `D` is the width, 0 where it is any: a width that is known stays in registers.
#[inline(always)]
fn scores<T: Scalar, const D: usize>(query: &[T], (events, vectors): (&[u32], &[T]), out: &mut Vec<T>) {
    let dim = if D > 0 { D } else { query.len() };
    let query = &query[..dim];
    out.resize(events.len(), T::ZERO);
    // A loop and no closure: what is not inlined has no wide registers.
    for (out, &event) in out.iter_mut().zip(events) {
        *out = inner(query, &vectors[event as usize * dim..][..dim]);
    }
}

/// Adds the weighted vectors of events.
#[inline(always)]
fn pool<T: Scalar, const D: usize>(weights: &[T], (events, vectors): (&[u32], &[T]), out: &mut [T]) {
    if D == 0 {
        for (&weight, &event) in weights.iter().zip(events) {
            add_scaled(weight, &vectors[event as usize * out.len()..][..out.len()], out);
        }
        return;
    }
    let mut sums = [T::ZERO; D];
    sums.copy_from_slice(out);
    for (&weight, &event) in weights.iter().zip(events) {
        add_scaled(weight, &vectors[event as usize * D..][..D], &mut sums);
    }
    out.copy_from_slice(&sums);
}

kernel! {
    fn attend_backward<T: Scalar>(
        sizes: [usize; 3],
        scale: T,
        reads: (&[[u32; 2]], &[u32], &[[u8; 2]]),
        inputs: (&[T], &[T]),
        parts: (&[T], &[T]),
        weights: (&[T], &[T]),
        dpooled: &[T],
        dqueries: &mut [T],
        devents: &mut [T],
        dparts: (&mut [T], &mut [T], &mut [T]),
    ) {
        let ([heads, dim, buckets], (spans, events, ages)) = (sizes, reads);
        let ((queries, vectors), (null_key, null_value)) = (inputs, parts);
        let ((weights, null_weights), (dtime, dkey, dvalue)) = (weights, dparts);
        let columns = 2 * buckets + 1;
        let mut first = 0;
        for (row, &[from, to]) in spans.iter().enumerate() {
            let (events, ages) = (&events[from as usize..to as usize], &ages[from as usize..to as usize]);
            let weights = &weights[first * heads..][..events.len() * heads];
            first += events.len();
            for head in 0..heads {
                let at = (row * heads + head) * dim;
                let (query, dout) = (&queries[at..][..dim], &dpooled[at..][..dim]);
                let dquery = &mut dqueries[at..][..dim];
                let null_weight = null_weights[row * heads + head];
                let dnull = inner(dout, null_value);
                // sum of weight · dweight, which the softmax takes away from each.
                let mut mean = null_weight * dnull;
                for pair in 0..events.len() {
                    let vector = &vectors[events[pair] as usize * dim..][..dim];
                    mean += weights[pair * heads + head] * inner(dout, vector);
                }
                let dtime = &mut dtime[head * columns..][..columns];
                let ds = null_weight * (dnull - mean);
                dtime[columns - 1] += ds;
                add_scaled(null_weight, dout, dvalue);
                add_scaled(ds * scale, query, dkey);
                for (d, &key) in dquery.iter_mut().zip(null_key) {
                    *d = ds * scale * key;
                }
                for pair in 0..events.len() {
                    let at = events[pair] as usize * dim;
                    let vector = &vectors[at..][..dim];
                    let weight = weights[pair * heads + head];
                    let ds = weight * (inner(dout, vector) - mean);
                    let [age, place] = ages[pair].map(usize::from);
                    dtime[age] += ds;
                    dtime[buckets + place] += ds;
                    add_scaled(ds * scale, vector, dquery);
                    let devent = &mut devents[at..][..dim];
                    for ((d, &out), &query) in devent.iter_mut().zip(dout).zip(query) {
                        *d += weight * out + ds * scale * query;
                    }
                }
            }
        }
    }
}
