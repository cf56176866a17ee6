//! Matches new codes with old ones: the one-to-one matching of largest total weight.
//!
//! Up to 2,048 codes it is the optimum, by shortest augmenting paths in O(K³) (Jonker & Volgenant 1987; the form of
//! Crouse 2016, "On implementing 2D rectangular assignment algorithms"). Beyond, where that would take minutes, the heaviest
//! pairs are taken one after another.

use std::collections::BTreeMap;

/// Most codes of an optimal matching.
const MOST_OPTIMAL: usize = 2048;

/// Weights of pairs (new code, old code); absent ones are 0.
pub(super) type Weights = BTreeMap<(u16, u16), u64>;

/// The old code of each of `codes` new ones.
pub(super) fn matching(codes: usize, weights: &Weights) -> Vec<u16> {
    if codes <= MOST_OPTIMAL { optimal(codes, weights) } else { greedy(codes, weights) }
}

fn optimal(codes: usize, weights: &Weights) -> Vec<u16> {
    let mut cost = vec![0i64; codes * codes];
    for (&(new, old), &weight) in weights {
        cost[usize::from(new) * codes + usize::from(old)] = -i64::try_from(weight).unwrap_or(i64::MAX / 4);
    }
    let mut of_old: Vec<Option<usize>> = vec![None; codes];
    let (mut row_price, mut col_price) = (vec![0i64; codes], vec![0i64; codes]);
    for new in 0..codes {
        augment(new, codes, &cost, &mut of_old, &mut row_price, &mut col_price);
    }
    let mut out = vec![0; codes];
    for (old, new) in of_old.into_iter().enumerate() {
        out[new.unwrap_or(old)] = old as u16;
    }
    out
}

/// Matches one more row by the shortest path of reduced costs to a free column, and adapts the prices.
fn augment(
    start: usize,
    codes: usize,
    cost: &[i64],
    of_old: &mut [Option<usize>],
    row_price: &mut [i64],
    col_price: &mut [i64],
) {
    let (mut length, mut from) = (vec![i64::MAX; codes], vec![start; codes]);
    let (mut done, mut rows) = (vec![false; codes], Vec::new());
    let (mut row, mut reached) = (start, 0);
    let end = loop {
        let mut nearest: Option<usize> = None;
        for col in 0..codes {
            if done[col] {
                continue;
            }
            let path = reached + cost[row * codes + col] - row_price[row] - col_price[col];
            if path < length[col] {
                (length[col], from[col]) = (path, row);
            }
            if nearest.is_none_or(|best| length[col] < length[best]) {
                nearest = Some(col);
            }
        }
        let Some(col) = nearest else { return };
        (done[col], reached) = (true, length[col]);
        match of_old[col] {
            None => break col,
            Some(next) => row = next,
        }
        rows.push((row, length[col]));
    };
    row_price[start] += reached;
    rows.iter().for_each(|&(row, length)| row_price[row] += reached - length);
    (0..codes).filter(|&col| done[col]).for_each(|col| col_price[col] -= reached - length[col]);
    let mut col = end;
    loop {
        let row = from[col];
        of_old[col] = Some(row);
        if row == start {
            return;
        }
        // The column that this row has had: the one it was reached by.
        col = (0..codes).find(|&c| c != col && of_old[c] == Some(row)).unwrap_or(end);
    }
}

fn greedy(codes: usize, weights: &Weights) -> Vec<u16> {
    let mut pairs: Vec<(&(u16, u16), &u64)> = weights.iter().collect();
    pairs.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let (mut out, mut used) = (vec![None; codes], vec![false; codes]);
    for (&(new, old), _) in pairs {
        if out[usize::from(new)].is_none() && !used[usize::from(old)] {
            out[usize::from(new)] = Some(old);
            used[usize::from(old)] = true;
        }
    }
    let mut free = (0..=u16::MAX).take(codes).filter(|&old| !used[usize::from(old)]);
    out.into_iter().map(|old| old.or_else(|| free.next()).unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn total(found: &[u16], weights: &Weights) -> u64 {
        let pairs = found.iter().enumerate().map(|(new, &old)| (new as u16, old));
        pairs.map(|pair| weights.get(&pair).copied().unwrap_or(0)).sum()
    }

    /// The largest total of all permutations.
    fn best(left: &mut Vec<u16>, new: u16, weights: &Weights) -> u64 {
        let of = |at: usize, left: &mut Vec<u16>| {
            let old = left.remove(at);
            let sum = weights.get(&(new, old)).copied().unwrap_or(0) + best(left, new + 1, weights);
            left.insert(at, old);
            sum
        };
        (0..left.len()).map(|at| of(at, left)).max().unwrap_or(0)
    }

    fn is_permutation(found: &[u16]) -> bool {
        let mut sorted = found.to_vec();
        sorted.sort_unstable();
        sorted.into_iter().eq(0..found.len() as u16)
    }

    proptest! {
        #[test]
        fn no_permutation_is_heavier(codes in 1u16..7, weights in prop::collection::vec(0u64..30, 36)) {
            let weights: Weights = (0..codes)
                .flat_map(|new| (0..codes).map(move |old| (new, old)))
                .zip(weights)
                .filter(|&(_, weight)| weight > 9)
                .collect();
            let found = matching(usize::from(codes), &weights);
            prop_assert!(is_permutation(&found));
            prop_assert_eq!(total(&found, &weights), best(&mut (0..codes).collect(), 0, &weights));
            prop_assert!(is_permutation(&greedy(usize::from(codes), &weights)));
        }
    }

    #[test]
    fn a_shuffled_identity_of_256_codes_is_found() {
        let label = |code: u16| (code * 77 + 5) % 256;
        let weights: Weights = (0..256).flat_map(|c| [((c, label(c)), 9), ((c, label(c + 1)), 8)]).collect();
        assert_eq!(matching(256, &weights), (0..256).map(label).collect::<Vec<_>>());
    }
}
