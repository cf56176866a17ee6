//! Reconstruction error: mean `|x - x̂|²` relative to their spread.

use crate::vectors::first_error;
use crate::{Error, SemanticIds, Tokenizer, VectorSource};
use rayon::prelude::*;

/// Rows read at once.
const BLOCK: usize = 1024;

/// Sums over some items.
struct Sums {
    off: f64,
    squares: f64,
    of_columns: Vec<f64>,
}

/// Mean `|x - x̂|²` over mean `|x - mean|²`; `None` where all vectors are the same.
pub(super) fn error(
    ids: &SemanticIds,
    vectors: &dyn VectorSource,
    tokenizer: &dyn Tokenizer,
) -> Result<Option<f64>, Error> {
    let mut total = Sums { off: 0.0, squares: 0.0, of_columns: vec![0.0; vectors.dim()] };
    let starts: Vec<usize> = (0..ids.len()).step_by(BLOCK).collect();
    let blocks = starts.into_par_iter().map(|first| block(ids, vectors, tokenizer, first));
    for sums in first_error(blocks.collect())? {
        total.off += sums.off;
        total.squares += sums.squares;
        total.of_columns.iter_mut().zip(sums.of_columns).for_each(|(total, sum)| *total += sum);
    }
    let items = ids.len() as f64;
    let of_mean: f64 = total.of_columns.iter().map(|sum| sum * sum / items).sum();
    let spread = total.squares - of_mean;
    // Below this the difference is rounding.
    Ok((spread > 1e-12 * total.squares).then_some(total.off / spread))
}

fn block(
    ids: &SemanticIds,
    vectors: &dyn VectorSource,
    tokenizer: &dyn Tokenizer,
    first: usize,
) -> Result<Sums, Error> {
    let last = ids.len().min(first + BLOCK);
    let x = vectors.rows(first..last)?;
    let codes = ids.values()[first * ids.levels()..last * ids.levels()].to_vec();
    let decoded = tokenizer.decode(&SemanticIds::new(ids.levels(), ids.codes(), codes))?;
    let mut sums = Sums { off: 0.0, squares: 0.0, of_columns: vec![0.0; vectors.dim()] };
    for (x, y) in x.chunks_exact(vectors.dim()).zip(decoded.chunks_exact(vectors.dim())) {
        for ((&x, &y), column) in x.iter().zip(y).zip(&mut sums.of_columns) {
            let (x, y) = (f64::from(x), f64::from(y));
            sums.off += (x - y) * (x - y);
            sums.squares += x * x;
            *column += x;
        }
    }
    Ok(sums)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ResidualKmeans, Rows};

    #[test]
    fn an_error_by_hand() {
        // Codes at 1 and 5; vectors off by 1 each; variance 5.
        let tokenizer = ResidualKmeans::from_parts(1, 2, &[1.0, 5.0], None);
        let x = [0.0, 2.0, 4.0, 6.0];
        let ids = tokenizer.encode(&x).unwrap();
        assert_eq!(error(&ids, &Rows::new(&x, 1), &tokenizer).unwrap(), Some(0.2));
        let same = [3.5; 4];
        let ids = tokenizer.encode(&same).unwrap();
        assert_eq!(error(&ids, &Rows::new(&same, 1), &tokenizer).unwrap(), None);
    }
}
