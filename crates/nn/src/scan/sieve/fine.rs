//! Four more bits of every row, for rows that the first four let through.
//!
//! The sieve has `ŵ = t v`; with `u` in 0..=15 the row is `ŵ + d`, `d = t (u - 7.5) / 16`, as `u` says in which sixteenth of the level's
//! values the value lies. So the most that a score can be changes by `<x̂, d>`, which is exact, and is less by `|x̂| (|w - ŵ| - |w - ŵ - d|)`.
//!
//! A wide row is refined in parts of 128 values, with `d` of those values only: of random rows of 384 that the sieve lets through the
//! first line leaves half, and the second a third of those (`benches/results/2026-11-28-scan-384.txt`).
//!
//! ```text
//! part:   for each row   for each 64 values   32 bytes: value i in the low half of byte i, i + 32 in the high one
//!                        once                 step, by how much the error falls in bfloat16, rounded down
//! ```

use super::Query;
use super::quantize::{Code, above, of_bits};
use crate::huge::{self, Numbers};
use crate::kernel::{Level, level};

/// Bytes of 64 values.
const PIECE: usize = 32;
/// Values of a part: a cache line.
pub(super) const PART: usize = 128;
/// Rows that are fetched, to the second-level cache, before they are needed.
const AHEAD: usize = 64;

/// The four bits.
#[derive(Debug, Clone)]
pub(in crate::scan) struct Fine {
    parts: Vec<Part>,
}

/// Those of up to 128 values of every row.
#[derive(Debug, Clone)]
struct Part {
    /// Bytes of a row.
    width: usize,
    bytes: Numbers<u8>,
    /// Step and fall of the error; both 0 where eight bits are no nearer than four.
    numbers: Vec<[u16; 2]>,
}

/// Rows and what is known of them.
#[derive(Debug)]
pub(in crate::scan) struct Reaching<'a> {
    /// Ascending.
    pub(in crate::scan) rows: &'a mut Vec<u32>,
    /// The most that scores can be, of all rows from `first` on.
    pub(in crate::scan) most: &'a mut [f32],
    pub(in crate::scan) first: u32,
    /// What a score has to reach.
    pub(in crate::scan) least: f32,
}

impl Fine {
    pub(in crate::scan) fn new(dim: usize) -> Self {
        let part = |first| {
            let width = PART.min(dim - first).div_ceil(2 * PIECE) * PIECE;
            Part { width, bytes: Numbers::default(), numbers: Vec::new() }
        };
        Self { parts: (0..dim).step_by(PART).map(part).collect() }
    }

    /// Bytes that were allocated.
    pub(in crate::scan) fn bytes(&self) -> usize {
        self.parts.iter().map(|part| part.bytes.bytes() + huge::bytes(&part.numbers)).sum()
    }

    /// Makes room for so many rows more.
    pub(in crate::scan) fn reserve(&mut self, rows: usize) {
        for part in &mut self.parts {
            part.bytes.reserve(rows * part.width);
            huge::reserve(&mut part.numbers, rows);
        }
    }

    /// Puts a row in its place, after the last one or instead of another one.
    pub(in crate::scan) fn set(&mut self, row: usize, values: &[f32]) {
        let code = Code::of(values);
        // Squares of the errors of the parts that are refined and of those that are not yet.
        let coarse: Vec<f64> = values.chunks(PART).map(|values| code.square(values)).collect();
        let (mut refined, mut rest) = (0.0, vec![0.0; coarse.len()]);
        for part in (1..coarse.len()).rev() {
            rest[part - 1] = rest[part] + coarse[part];
        }
        // The sieve rounds its error up.
        let mut error = f64::from(of_bits(above(code.error)));
        for (at, (part, values)) in self.parts.iter_mut().zip(values.chunks(PART)).enumerate() {
            let square = code.fine_square(values);
            // Cutting a positive number rounds it down.
            let fall = (error - f64::from(Code::error_of(refined + square + rest[at]))) as f32;
            let fall = (fall.next_down().to_bits() >> 16) as u16;
            let is_nearer = of_bits(fall) > 0.0;
            refined += if is_nearer { square } else { coarse[at] };
            error -= if is_nearer { f64::from(of_bits(fall)) } else { 0.0 };
            part.set(row, values, &code, if is_nearer { [code.step_bits(), fall] } else { [0; 2] });
        }
    }

    /// Lowers what the rows' scores can be, and keeps those that can still reach what they have to.
    pub(in crate::scan) fn keep(&self, query: &Query, mut of: Reaching) {
        let queries = query.pieces.chunks(PART / (2 * PIECE)).zip(&query.part_shifts);
        for (part, (pieces, &shift)) in self.parts.iter().zip(queries) {
            let query = PartQuery { pieces, shift, step: query.step / 32.0, length: query.length };
            match level() {
                // SAFETY: `level` returns a level only where the machine has all its features, and VNNI is asked for.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 if is_x86_feature_detected!("avx512vnni") => unsafe {
                    x86::keep_vnni(part, &query, &mut of);
                },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 | Level::Avx2 => unsafe { x86::keep_avx2(part, &query, &mut of) },
                _ => part.keep_by(&query, &mut of, product_portable),
            }
        }
    }
}

/// What a query is for a part.
struct PartQuery<'a> {
    pieces: &'a [[[i8; PIECE]; 2]],
    /// `15 · sum of q`.
    shift: i32,
    /// A half of a sixteenth of the step.
    step: f32,
    /// Of the whole query.
    length: f32,
}

impl Part {
    fn set(&mut self, row: usize, values: &[f32], code: &Code, numbers: [u16; 2]) {
        if row == self.numbers.len() {
            self.bytes.extend_zeros(self.width);
            huge::push(&mut self.numbers, numbers);
        }
        self.numbers[row] = numbers;
        let bytes = &mut self.bytes[row * self.width..][..self.width];
        for (bytes, values) in bytes.chunks_exact_mut(PIECE).zip(values.chunks(2 * PIECE)) {
            let fine = |at: usize| values.get(at).map_or(0, |&value| code.fine(value));
            bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = fine(i) | fine(i + PIECE) << 4);
        }
    }

    #[inline(always)]
    fn keep_by(
        &self,
        query: &PartQuery,
        of: &mut Reaching,
        product: impl Fn(&[[[i8; PIECE]; 2]], &[u8]) -> i32,
    ) {
        let Reaching { rows, most, first, least } = of;
        rows.iter().take(AHEAD).for_each(|&row| self.fetch(row));
        let mut kept = 0;
        for at in 0..rows.len() {
            if let Some(&ahead) = rows.get(at + AHEAD) {
                self.fetch(ahead);
            }
            let row = rows[at];
            let [row_step, fall] = self.numbers[row as usize].map(of_bits);
            let sum = 2 * product(query.pieces, self.row(row)) - query.shift;
            let change = sum as f32 * (query.step * row_step) - query.length * fall;
            let most = &mut most[(row - *first) as usize];
            *most += change;
            // Without a branch: half of the rows pass.
            rows[kept] = row;
            kept += usize::from(*most >= *least);
        }
        rows.truncate(kept);
    }

    fn row(&self, row: u32) -> &[u8] {
        &self.bytes[row as usize * self.width..][..self.width]
    }

    /// Asks for what there is of a row.
    #[inline(always)]
    fn fetch(&self, row: u32) {
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
            let numbers = std::ptr::from_ref(&self.numbers[row as usize]);
            for line in [self.row(row).as_ptr().cast(), numbers.cast()] {
                // SAFETY: every x86-64 machine has the instruction, which reads nothing that a program could see.
                unsafe { _mm_prefetch::<_MM_HINT_T1>(line) };
            }
        }
        #[cfg(not(target_arch = "x86_64"))]
        let _ = row;
    }
}

/// The portable twin of the kernels below.
fn product_portable(query: &[[[i8; PIECE]; 2]], row: &[u8]) -> i32 {
    let pieces = query.iter().zip(row.as_chunks::<PIECE>().0);
    let products = pieces.flat_map(|([low, high], bytes)| {
        let values = low.iter().zip(high).zip(bytes);
        values.map(|((&low, &high), &byte)| {
            i32::from(byte & 15) * i32::from(low) + i32::from(byte >> 4) * i32::from(high)
        })
    });
    products.sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni")]
    pub(super) fn keep_vnni(part: &Part, query: &PartQuery, of: &mut Reaching) {
        part.keep_by(query, of, |query, row| product_vnni(query, row));
    }

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512vnni")]
    fn product_vnni(query: &[[[i8; PIECE]; 2]], row: &[u8]) -> i32 {
        let (low, high) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi8(0xf0u8 as i8));
        let (mut lows, mut highs) = (_mm256_setzero_si256(), _mm256_setzero_si256());
        for ([x_low, x_high], bytes) in query.iter().zip(row.as_chunks::<PIECE>().0) {
            let [x_low, x_high] = [load(x_low), load(x_high)];
            let bytes = load(bytes);
            lows = _mm256_dpbusd_epi32(lows, _mm256_and_si256(bytes, low), x_low);
            // Sixteen times the parts, which saves a shift: a byte is unsigned.
            highs = _mm256_dpbusd_epi32(highs, _mm256_and_si256(bytes, high), x_high);
        }
        fold(_mm256_add_epi32(lows, _mm256_srai_epi32::<4>(highs)))
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn keep_avx2(part: &Part, query: &PartQuery, of: &mut Reaching) {
        part.keep_by(query, of, |query, row| product_avx2(query, row));
    }

    #[target_feature(enable = "avx2")]
    fn product_avx2(query: &[[[i8; PIECE]; 2]], row: &[u8]) -> i32 {
        let (low, ones) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(1));
        let mut sums = _mm256_setzero_si256();
        for ([x_low, x_high], bytes) in query.iter().zip(row.as_chunks::<PIECE>().0) {
            let bytes = load(bytes);
            let lows = _mm256_maddubs_epi16(_mm256_and_si256(bytes, low), load(x_low));
            let highs = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), low);
            // Four products of at most 15 · 127 do not saturate 16 bits.
            let products = _mm256_add_epi16(lows, _mm256_maddubs_epi16(highs, load(x_high)));
            sums = _mm256_add_epi32(sums, _mm256_madd_epi16(products, ones));
        }
        fold(sums)
    }

    #[target_feature(enable = "avx2")]
    fn load<T>(bytes: &[T; PIECE]) -> __m256i {
        const { assert!(size_of::<T>() == 1) };
        // SAFETY: 32 bytes.
        unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
    }

    /// The sum of the lanes.
    #[target_feature(enable = "avx2")]
    fn fold(sums: __m256i) -> i32 {
        let sums = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256::<1>(sums));
        let sums = _mm_add_epi32(sums, _mm_shuffle_epi32::<0b1110>(sums));
        _mm_cvtsi128_si32(_mm_add_epi32(sums, _mm_shuffle_epi32::<0b01>(sums)))
    }
}
