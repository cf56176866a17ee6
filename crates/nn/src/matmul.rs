//! Matrix products over row-major slices, on the calling thread.
//!
//! A row of the product depends on its row of `a` and on `b` only: its bytes are the same for one row and for many, and on every
//! level of instructions. Whatever is computed row by row is therefore the same alone as in a batch.
//!
//! ```
//! use semrank_nn::{Mat, matmul};
//! let a = [1.0, 2.0, 3.0, 4.0]; // [2 x 2]
//! let b = [1.0, 1.0]; // [2 x 1]
//! let mut c = [10.0, 10.0];
//! matmul(&mut c, 1.0, Mat::new(&a, 2, 2), Mat::new(&b, 2, 1), 1.0);
//! assert_eq!(c, [13.0, 17.0]); // 1 · c + 1 · a b
//! matmul(&mut c, 0.0, Mat::new(&a, 2, 2).t(), Mat::new(&b, 2, 1), 1.0);
//! assert_eq!(c, [4.0, 6.0]); // aᵀ b
//! ```

use crate::Scalar;
use crate::product::{Operand, Product};

/// A view of a row-major matrix, possibly transposed.
#[derive(Debug, Clone, Copy)]
pub struct Mat<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a, T> Mat<'a, T> {
    /// `data` as `[rows x cols]`.
    ///
    /// # Panics
    /// When `data` does not hold exactly that many values.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Self {
        assert_eq!(data.len(), rows * cols, "a [{rows} x {cols}] matrix");
        Self { data, rows, cols, row_stride: cols, col_stride: 1 }
    }

    /// The transposed view.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// `out = keep · out + scale · a b`, `out` row-major `[a.rows x b.cols]`; `keep = 0` overwrites, NaN included.
///
/// # Panics
/// When the inner sizes or the length of `out` do not fit.
pub fn matmul<T: Scalar>(out: &mut [T], keep: T, a: Mat<T>, b: Mat<T>, scale: T) {
    if let Some(product) = product(out, a, b) {
        // SAFETY: as `product` says.
        unsafe { T::multiply(&Product { keep, scale, ..product }) }
    }
}

/// `out = bias + a b`, `out` row-major `[a.rows x b.cols]`, with `bias` added to each row.
///
/// # Panics
/// When the inner sizes, the length of `out` or that of `bias` do not fit.
pub fn matmul_bias<T: Scalar>(out: &mut [T], bias: &[T], a: Mat<T>, b: Mat<T>) {
    assert_eq!(bias.len(), b.cols, "a value per column");
    if b.cols == 1 {
        out.fill(bias[0]);
        return matmul(out, T::ONE, a, b, T::ONE);
    }
    if let Some(product) = product(out, a, b) {
        let product = Product { keep: T::ONE, from: bias.as_ptr(), from_stride: 0, ..product };
        // SAFETY: as `product` says; there are several columns, and `bias` has a row of them.
        unsafe { T::multiply(&product) }
    }
}

/// `out = a b`, or nothing where `out` is empty. `Mat::new` and `t` keep every (row, column) inside of `a` and `b`; `out` holds
/// rows x columns values and cannot overlap the shared borrows.
fn product<T: Scalar>(out: &mut [T], a: Mat<T>, b: Mat<T>) -> Option<Product<T>> {
    assert_eq!(a.cols, b.rows, "[{} x {}] times [{} x {}]", a.rows, a.cols, b.rows, b.cols);
    assert_eq!(out.len(), a.rows * b.cols, "the product is [{} x {}]", a.rows, b.cols);
    let operand = |data: &[T], rows, columns| Operand { data: data.as_ptr(), rows, columns };
    let out_pointer = out.as_mut_ptr();
    (!out.is_empty()).then(|| Product {
        rows: a.rows,
        inputs: a.cols,
        columns: b.cols,
        a: operand(a.data, a.row_stride, a.col_stride),
        b: operand(b.data, b.row_stride, b.col_stride),
        keep: T::ZERO,
        scale: T::ONE,
        from: out_pointer,
        from_stride: b.cols,
        out: out_pointer,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{Level, limit};
    use semrank_core::Rng;

    const LEVELS: [Level; 3] = [Level::Portable, Level::Avx2, Level::Avx512];

    /// A product of random values, its operands as transposed as `form` says.
    struct Case<T> {
        sizes: [usize; 3],
        form: usize,
        keep: T,
        scale: T,
        a: Vec<T>,
        b: Vec<T>,
        out: Vec<T>,
    }

    impl<T: Scalar> Case<T> {
        fn new(rng: &mut Rng, sizes: [usize; 3], form: usize) -> Self {
            let [rows, inputs, columns] = sizes;
            let keep = T::from_f64([0.0, 1.0, 0.3][rng.below(3)]);
            let scale = T::from_f64([1.0, -0.7][rng.below(2)]);
            let mut values = |len: usize| (0..len).map(|_| T::from_f64(rng.normal())).collect();
            let (a, b, out) = (values(rows * inputs), values(inputs * columns), values(rows * columns));
            Self { sizes, form, keep, scale, a, b, out }
        }

        fn operands(&self) -> (Mat<'_, T>, Mat<'_, T>) {
            let [rows, inputs, columns] = self.sizes;
            let (a, b) = (&self.a, &self.b);
            (
                if self.form & 1 == 0 { Mat::new(a, rows, inputs) } else { Mat::new(a, inputs, rows).t() },
                if self.form & 2 == 0 {
                    Mat::new(b, inputs, columns)
                } else {
                    Mat::new(b, columns, inputs).t()
                },
            )
        }

        fn run(&self) -> Vec<T> {
            let (a, b) = self.operands();
            let mut out = self.out.clone();
            matmul(&mut out, self.keep, a, b, self.scale);
            out
        }

        /// Only the first `count` rows.
        fn first_rows(&self, count: usize) -> Self {
            let [rows, inputs, columns] = self.sizes;
            let a = match self.form & 1 {
                0 => self.a[..count * inputs].to_vec(),
                _ => self.a.chunks_exact(rows).flat_map(|values| values[..count].to_vec()).collect(),
            };
            let (b, out) = (self.b.clone(), self.out[..count * columns].to_vec());
            Self { sizes: [count, inputs, columns], a, b, out, ..*self }
        }

        /// The textbook loop in f64.
        fn expected(&self) -> Vec<f64> {
            let ([_, inputs, columns], (a, b)) = (self.sizes, self.operands());
            let at = |m: &Mat<T>, r: usize, c: usize| m.data[r * m.row_stride + c * m.col_stride].to_f64();
            let inner = |r: usize, c: usize| (0..inputs).map(|k| at(&a, r, k) * at(&b, k, c)).sum::<f64>();
            let values = self.out.iter().enumerate();
            values
                .map(|(i, out)| {
                    self.keep.to_f64() * out.to_f64() + self.scale.to_f64() * inner(i / columns, i % columns)
                })
                .collect()
        }
    }

    /// Sizes around the widths of tiles, panels and blocks, and random ones.
    fn sizes(rng: &mut Rng) -> Vec<[usize; 3]> {
        let edges =
            [[1, 1, 1], [9, 2, 1], [70, 33, 1], [12, 513, 64], [9, 768, 16], [67, 1030, 65], [130, 40, 96]];
        let random = (0..12).map(|_| [1 + rng.below(80), 1 + rng.below(600), 1 + rng.below(140)]);
        edges.into_iter().chain(random).collect()
    }

    fn a_row_is_the_same_alone_and_among_others<T: Scalar>() {
        let mut rng = Rng::new(1, "matmul rows");
        for sizes in sizes(&mut rng) {
            for form in 0..4 {
                let case = Case::<T>::new(&mut rng, sizes, form);
                for most in LEVELS {
                    limit(most);
                    let all = case.run();
                    for count in (1..=9).filter(|&count| count < sizes[0]) {
                        let few = case.first_rows(count).run();
                        assert!(
                            few == all[..few.len()],
                            "{count} rows of {sizes:?}, form {form}, {}",
                            most.name()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others_in_f32() {
        a_row_is_the_same_alone_and_among_others::<f32>();
    }

    #[test]
    fn a_row_is_the_same_alone_and_among_others_in_f64() {
        a_row_is_the_same_alone_and_among_others::<f64>();
    }

    fn agrees_with_the_textbook_on_every_level<T: Scalar>(tolerance: f64) {
        let mut rng = Rng::new(2, "matmul values");
        for sizes in sizes(&mut rng) {
            for form in 0..4 {
                let case = Case::<T>::new(&mut rng, sizes, form);
                let [portable, others @ ..] = LEVELS.map(|most| {
                    limit(most);
                    case.run()
                });
                assert!(others.iter().all(|other| *other == portable), "{sizes:?}, form {form}");
                for (got, want) in portable.iter().zip(case.expected()) {
                    let off = (got.to_f64() - want).abs();
                    assert!(
                        off < tolerance * (sizes[1] as f64).sqrt(),
                        "{got} {want} of {sizes:?}, form {form}"
                    );
                }
            }
        }
    }

    #[test]
    fn agrees_with_the_textbook_on_every_level_in_f32() {
        agrees_with_the_textbook_on_every_level::<f32>(1e-5);
    }

    #[test]
    fn agrees_with_the_textbook_on_every_level_in_f64() {
        agrees_with_the_textbook_on_every_level::<f64>(1e-14);
    }

    #[test]
    fn a_bias_is_as_good_as_rows_that_hold_it() {
        let mut rng = Rng::new(3, "matmul bias");
        for sizes in sizes(&mut rng) {
            let case = Case::<f32>::new(&mut rng, sizes, 0);
            let (a, b) = case.operands();
            let bias: Vec<f32> = (0..sizes[2]).map(|_| rng.normal() as f32).collect();
            let mut want = bias.repeat(sizes[0]);
            for most in LEVELS {
                limit(most);
                let mut out = case.out.clone();
                matmul_bias(&mut out, &bias, a, b);
                want.chunks_exact_mut(sizes[2]).for_each(|row| row.copy_from_slice(&bias));
                matmul(&mut want, 1.0, a, b, 1.0);
                assert!(out == want, "{sizes:?}, {}", most.name());
            }
        }
    }

    #[test]
    fn nothing_kept_is_overwritten_and_no_inputs_give_zero() {
        let mut out = [f32::NAN; 4];
        matmul(&mut out, 0.0, Mat::new(&[1.0, 2.0], 2, 1), Mat::new(&[3.0, 4.0], 1, 2), 1.0);
        assert_eq!(out, [3.0, 4.0, 6.0, 8.0]);
        matmul(&mut out, 0.5, Mat::new(&[], 2, 0), Mat::new(&[], 0, 2), 1.0);
        assert_eq!(out, [1.5, 2.0, 3.0, 4.0]);
        matmul(&mut out, 0.0, Mat::new(&[], 2, 0), Mat::new(&[], 0, 2), 1.0);
        assert_eq!(out, [0.0; 4]);
    }
}
