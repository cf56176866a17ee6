//! Four more bits of every row, for rows that the first four let through.
//!
//! The sieve has `ŵ = t v`; with `u` in 0..=15 the row is `ŵ + d`, `d = t (u - 7.5) / 16`, as `u` says in which sixteenth of the level's
//! values the value lies. So the most that a score can be changes by `<x̂, d>`, which is exact, and is less by `|x̂| (|w - ŵ| - |w - ŵ - d|)`.
//!
//! ```text
//! row:   for each 64 values   32 bytes: value i in the low half of byte i, i + 32 in the high one
//!        once                 step, the difference of the errors in bfloat16, rounded down
//! ```

use super::Query;
use super::quantize::{Code, above, of_bits};
use crate::huge::{self, Numbers};
use crate::kernel::{Level, level};

/// Bytes of 64 values.
const PIECE: usize = 32;
/// Cache lines that are fetched before they are needed.
const AHEAD: usize = 96;

/// The four bits.
#[derive(Debug, Clone)]
pub(in crate::scan) struct Fine {
    /// Bytes of a row.
    width: usize,
    values: Numbers<u8>,
    /// Step and difference; both 0 where eight bits are no nearer than four.
    numbers: Vec<[u16; 2]>,
}

/// Rows and what the sieve says of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::scan) struct Reaching<'a> {
    pub(in crate::scan) query: &'a Query,
    /// Ascending.
    pub(in crate::scan) rows: &'a [u32],
    /// The most that scores can be, of all rows from `first` on.
    pub(in crate::scan) most: &'a [f32],
    pub(in crate::scan) first: u32,
    /// What a score has to reach.
    pub(in crate::scan) least: f32,
}

impl Fine {
    pub(in crate::scan) fn new(dim: usize) -> Self {
        Self { width: dim.div_ceil(2 * PIECE) * PIECE, values: Numbers::default(), numbers: Vec::new() }
    }

    /// Bytes that were allocated.
    pub(in crate::scan) fn bytes(&self) -> usize {
        self.values.bytes() + huge::bytes(&self.numbers)
    }

    /// Makes room for so many rows more.
    pub(in crate::scan) fn reserve(&mut self, rows: usize) {
        self.values.reserve(rows * self.width);
        huge::reserve(&mut self.numbers, rows);
    }

    /// Puts a row in its place, after the last one or instead of another one.
    pub(in crate::scan) fn set(&mut self, row: usize, values: &[f32]) {
        if row == self.numbers.len() {
            self.values.extend_zeros(self.width);
            huge::push(&mut self.numbers, [0; 2]);
        }
        let code = Code::of(values);
        let bytes = &mut self.values[row * self.width..][..self.width];
        for (bytes, values) in bytes.chunks_exact_mut(PIECE).zip(values.chunks(2 * PIECE)) {
            let part = |at: usize| values.get(at).map_or(0, |&value| code.part(value));
            bytes.iter_mut().enumerate().for_each(|(i, byte)| *byte = part(i) | part(i + PIECE) << 4);
        }
        // The sieve rounds its error up. Cutting a positive number rounds it down.
        let nearer = (of_bits(above(code.error)) - code.fine_error(values)).next_down();
        let gain = (nearer.to_bits() >> 16) as u16;
        self.numbers[row] = if nearer > 0.0 { [code.step_bits(), gain] } else { [0; 2] };
    }

    /// Appends those of the rows that can still reach what they have to.
    pub(in crate::scan) fn keep(&self, of: &Reaching, out: &mut Vec<u32>) {
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features, and VNNI is asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("avx512vnni") => unsafe {
                x86::keep_vnni(self, of, out);
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => unsafe { x86::keep_avx2(self, of, out) },
            _ => self.keep_by(of, out, product_portable),
        }
    }

    #[inline(always)]
    fn keep_by(&self, of: &Reaching, out: &mut Vec<u32>, product: impl Fn(&[[[i8; PIECE]; 2]], &[u8]) -> i32) {
        let Reaching { query, rows, most, first, least } = *of;
        let (step, shift) = (query.step / 32.0, query.shift / 8 * 15);
        let far = (AHEAD / self.width.div_ceil(64)).clamp(2, 64);
        rows.iter().take(far).for_each(|&row| self.fetch(row));
        for (i, &row) in rows.iter().enumerate() {
            if let Some(&ahead) = rows.get(i + far) {
                self.fetch(ahead);
            }
            let [row_step, gain] = self.numbers[row as usize].map(of_bits);
            let sum = 2 * product(&query.pieces, self.row(row)) - shift;
            let change = sum as f32 * (step * row_step) - query.length * gain;
            if most[(row - first) as usize] + change >= least {
                out.push(row);
            }
        }
    }

    fn row(&self, row: u32) -> &[u8] {
        &self.values[row as usize * self.width..][..self.width]
    }

    /// Asks for the cache lines of a row.
    #[inline(always)]
    fn fetch(&self, row: u32) {
        #[cfg(target_arch = "x86_64")]
        for line in self.row(row).chunks(64) {
            use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
            // SAFETY: every x86-64 machine has the instruction, which reads nothing that a program could see.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast()) };
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
    pub(super) fn keep_vnni(fine: &Fine, of: &Reaching, out: &mut Vec<u32>) {
        fine.keep_by(of, out, |query, row| product_vnni(query, row));
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
    pub(super) fn keep_avx2(fine: &Fine, of: &Reaching, out: &mut Vec<u32>) {
        fine.keep_by(of, out, |query, row| product_avx2(query, row));
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
