//! Seeded randomness whose bytes never change between versions: xoshiro256++ (Blackman & Vigna 2019), seeded by
//! SplitMix64. Every use draws from its own named stream, so that adding one never shifts another.
//!
//! ```
//! use semrank_core::Rng;
//! let mut a = Rng::new(7, "negatives");
//! let mut b = Rng::new(7, "negatives");
//! assert_eq!(a.next_u64(), b.next_u64());
//! assert_ne!(Rng::new(7, "dropout").next_u64(), Rng::new(7, "negatives").next_u64());
//! ```

/// A seeded generator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rng {
    state: [u64; 4],
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

impl Rng {
    /// The stream called `stream` of a seed.
    pub fn new(seed: u64, stream: &str) -> Self {
        // FNV-1a of the stream's name, folded into the seed.
        let name = stream.bytes().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        let mut seed = seed ^ name.rotate_left(17);
        Self { state: std::array::from_fn(|_| split_mix(&mut seed)) }
    }

    /// The `index`-th independent sub-stream, e.g. one per training step.
    pub fn fork(&self, index: u64) -> Self {
        let mut seed = self.state[0] ^ index.wrapping_mul(0xd134_2543_de82_ef95);
        Self { state: std::array::from_fn(|i| split_mix(&mut seed) ^ self.state[i].rotate_left(7)) }
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        let s = &mut self.state;
        let out = s[0].wrapping_add(s[3]).rotate_left(23).wrapping_add(s[0]);
        let t = s[1] << 17;
        s[2] ^= s[0];
        s[3] ^= s[1];
        s[1] ^= s[2];
        s[0] ^= s[3];
        s[2] ^= t;
        s[3] = s[3].rotate_left(45);
        out
    }

    /// A number in `[0, 1)` with 53 random bits.
    pub fn unit(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 * (1.0 / (1u64 << 53) as f64)
    }

    /// A number in `0..n` (multiply-shift; the bias is below 2^-32 for `n` below 2^32).
    ///
    /// # Panics
    /// When `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "no number is below 0");
        ((u128::from(self.next_u64()) * n as u128) >> 64) as usize
    }

    /// A standard normal number (Box-Muller).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }

    /// Puts `values` into a random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            values.swap(last, self.below(last + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_the_normal_are_right() {
        let mut rng = Rng::new(1, "test");
        let n = 200_000;
        let draws: Vec<f64> = (0..n).map(|_| rng.normal()).collect();
        let mean = draws.iter().sum::<f64>() / n as f64;
        let variance = draws.iter().map(|x| x * x).sum::<f64>() / n as f64;
        assert!(mean.abs() < 0.01 && (variance - 1.0).abs() < 0.02, "mean {mean}, variance {variance}");
    }

    #[test]
    fn below_is_uniform_and_forks_differ() {
        let mut rng = Rng::new(2, "test");
        let mut counts = [0usize; 7];
        (0..70_000).for_each(|_| counts[rng.below(7)] += 1);
        assert!(counts.iter().all(|&c| (9_500..10_500).contains(&c)), "{counts:?}");
        assert_ne!(rng.fork(0).next_u64(), rng.fork(1).next_u64());
    }

    #[test]
    fn a_shuffle_keeps_all_values() {
        let mut values: Vec<u32> = (0..100).collect();
        Rng::new(3, "test").shuffle(&mut values);
        assert_ne!(values, (0..100).collect::<Vec<_>>());
        values.sort_unstable();
        assert_eq!(values, (0..100).collect::<Vec<_>>());
    }
}
