//! The autoencoder around the codes: `z = W₂ gelu(W₁ x)`, `y = W₄ gelu(W₃ q)`, biases left out of the formulas.
//!
//! The loss of a batch of B is `1/B Σ (|x - y|² + β Σ_l |z - c_l|²)` with `c_l` the sum of the codes of levels up to `l`; the
//! codes are constants in it, and the decoder's gradient in `q` is passed on to `z` as it is (straight-through; van den
//! Oord 2017, arXiv 1711.00937, section 3.2).

use semrank_nn::{Init, Layout, Linear, Scalar, gelu, gelu_backward, kernel::add};

/// Maps of encoder and decoder.
#[derive(Debug, Clone)]
pub(super) struct Autoencoder {
    pub(super) layout: Layout,
    /// In order: into and out of the encoder's hidden layer, then the decoder's.
    pub(super) maps: [Linear; 4],
    widths: [usize; 3],
}

/// A hidden layer before and after its activation, and what follows.
#[derive(Debug, Clone)]
pub(super) struct Half<T> {
    before: Vec<T>,
    hidden: Vec<T>,
    /// `z` or `y`.
    pub(super) out: Vec<T>,
}

/// What the codes make of a batch's `z`.
#[derive(Debug, Clone)]
pub(super) struct Quantised<T> {
    /// The sum of all levels' codes.
    pub(super) q: Vec<T>,
    /// `Σ_l (z - c_l)`.
    pub(super) pull: Vec<T>,
    /// `Σ_l |z - c_l|²` over the batch.
    pub(super) squares: T,
}

impl Autoencoder {
    pub(super) fn new(dim: usize, hidden: usize, latent: usize) -> Self {
        let mut layout = Layout::new();
        let mut map = |name: &str, inputs: usize, outputs: usize| {
            Linear::new(&mut layout, name, inputs, outputs, Init::Normal((1.0 / inputs as f64).sqrt()))
        };
        let maps = [
            map("encoder.0", dim, hidden),
            map("encoder.1", hidden, latent),
            map("decoder.0", latent, hidden),
            map("decoder.1", hidden, dim),
        ];
        Self { layout, maps, widths: [dim, hidden, latent] }
    }

    pub(super) fn encode<T: Scalar>(&self, params: &[T], x: &[T]) -> Half<T> {
        let [dim, hidden, latent] = self.widths;
        half(params, [&self.maps[0], &self.maps[1]], x, x.len() / dim, [hidden, latent])
    }

    pub(super) fn decode<T: Scalar>(&self, params: &[T], q: &[T]) -> Half<T> {
        let [dim, hidden, latent] = self.widths;
        half(params, [&self.maps[2], &self.maps[3]], q, q.len() / latent, [hidden, dim])
    }

    /// The sum of the loss over rows of a batch of `batch`, and its gradient, added to `grads`.
    pub(super) fn step<T: Scalar>(
        &self,
        params: &[T],
        x: &[T],
        encoded: Half<T>,
        quantised: &Quantised<T>,
        weights: Weights<T>,
        grads: &mut [T],
    ) -> T {
        let decoded = self.decode(params, &quantised.q);
        let two = T::from_f64(2.0);
        let dy: Vec<T> = decoded.out.iter().zip(x).map(|(&y, &x)| two * weights.share * (y - x)).collect();
        let mut squares = T::ZERO;
        decoded.out.iter().zip(x).for_each(|(&y, &x)| squares += (y - x) * (y - x));
        let mut dz = backward(params, [&self.maps[2], &self.maps[3]], &quantised.q, &decoded, &dy, grads);
        let commitment = two * weights.share * weights.commitment;
        let pull: Vec<T> = quantised.pull.iter().map(|&pull| commitment * pull).collect();
        add(&pull, &mut dz);
        backward(params, [&self.maps[0], &self.maps[1]], x, &encoded, &dz, grads);
        weights.share * (squares + weights.commitment * quantised.squares)
    }
}

/// Weights of a loss.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weights<T> {
    /// 1/B.
    pub(super) share: T,
    /// β.
    pub(super) commitment: T,
}

fn half<T: Scalar>(
    params: &[T],
    maps: [&Linear; 2],
    x: &[T],
    rows: usize,
    [hidden, outputs]: [usize; 2],
) -> Half<T> {
    let (mut before, mut out) = (vec![T::ZERO; rows * hidden], vec![T::ZERO; rows * outputs]);
    maps[0].forward(params, x, &mut before);
    let mut after = vec![T::ZERO; before.len()];
    gelu(&before, &mut after);
    maps[1].forward(params, &after, &mut out);
    Half { before, hidden: after, out }
}

/// Adds gradients of two maps, and returns that of their input.
fn backward<T: Scalar>(
    params: &[T],
    maps: [&Linear; 2],
    x: &[T],
    half: &Half<T>,
    dy: &[T],
    grads: &mut [T],
) -> Vec<T> {
    let (mut dh, mut dx) = (vec![T::ZERO; half.hidden.len()], vec![T::ZERO; x.len()]);
    maps[1].backward(params, &half.hidden, dy, grads, &mut dh);
    gelu_backward(&half.before, &mut dh);
    maps[0].backward(params, x, &dh, grads, &mut dx);
    dx
}

#[cfg(test)]
mod tests {
    use super::*;
    use semrank_core::Rng;
    use semrank_nn::gradient_check::compare_all;

    #[test]
    fn gradients_agree_with_finite_differences() {
        let (dim, latent, rows) = (4, 3, 5);
        let network = Autoencoder::new(dim, 6, latent);
        let mut rng = Rng::new(3, "test");
        let mut draw = |len: usize| -> Vec<f64> { (0..len).map(|_| rng.normal()).collect() };
        let mut params = draw(network.layout.len());
        let (x, codes) = (draw(rows * dim), [draw(rows * latent), draw(rows * latent)]);
        let weights = Weights { share: 0.2, commitment: 0.7 };
        // Straight-through: `q` moves with `z` from where it is now, and the codes stay.
        let start = network.encode(&params, &x).out;
        let quantise = |z: &[f64]| {
            let mut out = Quantised { q: codes[1].clone(), pull: vec![0.0; z.len()], squares: 0.0 };
            for i in 0..z.len() {
                out.q[i] += z[i] - start[i];
                for code in &codes {
                    out.pull[i] += z[i] - code[i];
                    out.squares += (z[i] - code[i]).powi(2);
                }
            }
            out
        };
        let run = |params: &[f64], grads: &mut [f64]| {
            let encoded = network.encode(params, &x);
            let quantised = quantise(&encoded.out);
            network.step(params, &x, encoded, &quantised, weights, grads)
        };
        let mut grads = vec![0.0; params.len()];
        run(&params, &mut grads);
        compare_all(&network.layout, &mut params, &grads, |params| run(params, &mut vec![0.0; params.len()]));
    }
}
