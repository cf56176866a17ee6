//! Whether near items have near ids, on a sample: up to 1,000 items are asked for their 10 nearest by cosine among up to
//! 20,000.

use crate::vectors::{Chosen, read_all, sample};
use crate::{Error, SemanticIds, Tokenizer, VectorSource};
use rayon::prelude::*;
use semrank_core::Rng;
use semrank_nn::{
    Mat,
    kernel::{dot, scale},
    matmul,
};
use serde::Serialize;

/// Items that are asked.
const ASKED: usize = 1000;
/// Items that are asked about.
const POOL: usize = 20_000;
/// Neighbours of an item.
const NEAREST: usize = 10;
/// Items asked at once.
const BLOCK: usize = 50;
/// Rows read at once.
const READ: usize = 512;
/// Draws the sample; fixed, so that reports can be compared.
const SEED: u64 = 1;

/// Agreement of ids with the neighbourhood of their vectors.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Neighbours {
    /// Items that were asked.
    pub asked: usize,
    /// Items that neighbours were looked for among.
    pub pool: usize,
    /// Share of an item's 10 nearest by cosine that are among the 10 nearest of their reconstructions; needs the tokenizer.
    pub agreement: Option<f64>,
    /// Mean number of leading codes that an item shares with its 10 nearest.
    pub prefix_of_nearest: f64,
    /// The same with 10 items at random.
    pub prefix_of_random: f64,
}

/// Measures a sample; `None` where there are fewer than two items.
pub(super) fn measure(
    ids: &SemanticIds,
    vectors: &dyn VectorSource,
    tokenizer: Option<&dyn Tokenizer>,
) -> Result<Option<Neighbours>, Error> {
    if ids.len() < 2 {
        return Ok(None);
    }
    let rows = sample(ids.len(), POOL, SEED);
    let asked = rows.len().min(ASKED);
    let pool = read_all(&Chosen { source: vectors, rows: &rows }, READ)?;
    let by_vectors = nearest(pool, vectors.dim(), asked);
    let agreement = match tokenizer {
        Some(tokenizer) => {
            let codes = rows.iter().flat_map(|&row| ids.of(row)).copied().collect();
            let decoded = tokenizer.decode(&SemanticIds::new(ids.levels(), ids.codes(), codes))?;
            Some(overlap(&by_vectors, &nearest(decoded, vectors.dim(), asked)))
        }
        None => None,
    };
    let mut rng = Rng::new(SEED, "tokens/random pairs");
    let mut random = |item: usize| (item + 1 + rng.below(rows.len() - 1)) % rows.len();
    let at_random: Vec<Vec<usize>> =
        (0..asked).map(|item| (0..NEAREST).map(|_| random(item)).collect()).collect();
    let prefix = |pairs: &[Vec<usize>]| mean_prefix(ids, &rows, pairs);
    Ok(Some(Neighbours {
        asked,
        pool: rows.len(),
        agreement,
        prefix_of_nearest: prefix(&by_vectors),
        prefix_of_random: prefix(&at_random),
    }))
}

/// For each of the first `asked` rows, the rows nearest to it by cosine; of equally near ones the first.
fn nearest(mut pool: Vec<f32>, dim: usize, asked: usize) -> Vec<Vec<usize>> {
    let rows = pool.len() / dim;
    for x in pool.chunks_exact_mut(dim) {
        let length = dot(x, x).sqrt();
        if length > 0.0 {
            scale(1.0 / length, x);
        }
    }
    let blocks = pool[..asked * dim].par_chunks(BLOCK * dim).enumerate();
    let found = blocks.flat_map_iter(|(block, x)| {
        let mut cosines = vec![0.0; x.len() / dim * rows];
        matmul(&mut cosines, 0.0, Mat::new(x, x.len() / dim, dim), Mat::new(&pool, rows, dim).t(), 1.0);
        let of_block: Vec<Vec<usize>> = cosines
            .chunks_exact(rows)
            .enumerate()
            .map(|(i, cosines)| top(cosines, block * BLOCK + i))
            .collect();
        of_block
    });
    found.collect()
}

/// Positions of the largest values but `own`.
fn top(cosines: &[f32], own: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..cosines.len()).filter(|&row| row != own).collect();
    let larger = |a: &usize, b: &usize| cosines[*b].total_cmp(&cosines[*a]).then(a.cmp(b));
    let len = order.len().min(NEAREST);
    if order.len() > len {
        order.select_nth_unstable_by(len, larger);
    }
    order.truncate(len);
    order
}

fn overlap(a: &[Vec<usize>], b: &[Vec<usize>]) -> f64 {
    let both: usize = a.iter().zip(b).map(|(a, b)| a.iter().filter(|row| b.contains(row)).count()).sum();
    both as f64 / a.iter().map(Vec::len).sum::<usize>() as f64
}

fn mean_prefix(ids: &SemanticIds, rows: &[usize], pairs: &[Vec<usize>]) -> f64 {
    let shared = |a: usize, b: usize| {
        let pairs = ids.of(rows[a]).iter().zip(ids.of(rows[b]));
        pairs.take_while(|(a, b)| a == b).count()
    };
    let sum: usize = pairs.iter().enumerate().flat_map(|(a, of)| of.iter().map(move |&b| shared(a, b))).sum();
    sum as f64 / pairs.iter().map(Vec::len).sum::<usize>() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Rows, TokenSettings, fit};

    #[test]
    fn near_items_share_prefixes_and_more_levels_agree_better() {
        let mut rng = Rng::new(1, "test");
        let centres: Vec<f64> = (0..40 * 8).map(|_| rng.normal()).collect();
        let x: Vec<f32> =
            (0..2000 * 8).map(|i| (centres[i / 8 % 40 * 8 + i % 8] + 0.2 * rng.normal()) as f32).collect();
        let rows = Rows::new(&x, 8);
        let run = |levels| {
            let settings = TokenSettings { levels, codes: 16, iterations: 8, ..TokenSettings::default() };
            let tokenizer = fit(&settings, &rows, 1).unwrap();
            let ids = tokenizer.encode(&x).unwrap();
            measure(&ids, &rows, Some(&tokenizer)).unwrap().unwrap()
        };
        let (coarse, fine) = (run(1), run(4));
        assert_eq!((fine.asked, fine.pool), (1000, 2000));
        assert!(fine.prefix_of_nearest > 3.0 * fine.prefix_of_random, "{fine:?}");
        assert!(fine.agreement > coarse.agreement && fine.agreement < Some(1.0), "{coarse:?} {fine:?}");
        assert_eq!(fine, run(4));
    }

    #[test]
    fn the_nearest_by_hand() {
        let found = nearest(vec![1.0, 0.0, 2.0, 0.1, 0.0, 1.0, -1.0, 0.0], 2, 2);
        assert_eq!((found[0][0], found[1][0], found[0].len()), (1, 0, 3));
        let pair = SemanticIds::new(1, 2, vec![0, 0]);
        let same = measure(&pair, &Rows::new(&[1.0, 2.0], 1), None).unwrap().unwrap();
        assert_eq!((same.prefix_of_nearest, same.prefix_of_random, same.agreement), (1.0, 1.0, None));
    }
}
