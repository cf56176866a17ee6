//! The pass over groups: exact integer products of one query with 64 rows at once, and what their scores can be at most.

use super::quantize::of_bits;
use super::{GROUP, Line, Lines, Numbers, Query, STREAMS};
use crate::kernel::{Level, level};
use crate::{Scalar, kernel};

/// Groups to pass.
pub(super) struct Part<'a> {
    pub(super) query: &'a Query,
    /// One or four.
    pub(super) streams: &'a [Vec<Lines>],
    /// Number of the first group.
    pub(super) first: usize,
    pub(super) numbers: &'a [Numbers],
    pub(super) longest: &'a [f32],
    pub(super) masks: &'a [u64],
}

type Sums = [i32; GROUP];

impl Part<'_> {
    /// Writes the most that each row's score can be, and the largest of each group.
    pub(super) fn run(&self, scores: &mut [[f32; GROUP]], tops: &mut [f32]) {
        match self.streams.len() {
            STREAMS => self.run_streams::<STREAMS>(scores, tops),
            _ => self.run_streams::<1>(scores, tops),
        }
    }

    fn run_streams<const S: usize>(&self, scores: &mut [[f32; GROUP]], tops: &mut [f32]) {
        match level() {
            // SAFETY: `level` returns a level only where the machine has all its features, and VNNI is asked for.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 if is_x86_feature_detected!("avx512vnni") => unsafe {
                x86::run_vnni::<S>(self, scores, tops)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 | Level::Avx2 => unsafe { x86::run_avx2::<S>(self, scores, tops) },
            _ => self.run_by::<S>(scores, tops, sums_portable),
        }
    }

    #[inline(always)]
    fn run_by<const S: usize>(
        &self,
        scores: &mut [[f32; GROUP]],
        tops: &mut [f32],
        sums_of: impl Fn(&Query, [&[Lines]; S], &mut Sums),
    ) {
        let mut sums = [0; GROUP];
        let query = self.query;
        let len = query.values.len() / S;
        let groups = (self.first..).zip(self.numbers).zip(self.longest).zip(self.masks);
        for ((((group, numbers), longest), &mask), (scores, top)) in groups.zip(scores.iter_mut().zip(tops)) {
            if mask == 0 {
                scores.fill(f32::NEG_INFINITY);
                *top = f32::NEG_INFINITY;
            } else {
                let lines = std::array::from_fn(|s| &self.streams[s][group * len..][..len]);
                sums_of(query, lines, &mut sums);
                *top = finish(query, &sums, numbers, query.error * longest + query.rest, mask, scores);
            }
        }
    }
}

#[inline(always)]
fn finish(
    query: &Query,
    sums: &Sums,
    numbers: &Numbers,
    rest: f32,
    mask: u64,
    scores: &mut [f32; GROUP],
) -> f32 {
    const LANES: usize = 16;
    let mut tops = [f32::NEG_INFINITY; LANES];
    for first in (0..GROUP).step_by(LANES) {
        let mask = (mask >> first) as u32;
        for (lane, top) in tops.iter_mut().enumerate() {
            let row = first + lane;
            let product = (sums[row] - query.shift) as f32 * (query.step * of_bits(numbers.step[row]));
            let off = query.length * of_bits(numbers.error[row]) + rest;
            let most = product + of_bits(numbers.bias[row]) + off;
            let most = if mask & (1 << lane) != 0 { most } else { f32::NEG_INFINITY };
            scores[row] = most;
            *top = top.larger(most);
        }
    }
    // Pairwise: one after the other would take as long as a tenth of the products.
    for width in [8, 4, 2, 1] {
        (0..width).for_each(|lane| tops[lane] = tops[lane].larger(tops[lane + width]));
    }
    tops[0]
}

kernel! {
    /// The rows of a group, as bits, whose value is at least `least`.
    pub(super) fn reaching<T: Scalar>(least: T, scores: &[T]) -> u64 {
        let (mut words, halves) = ([0u32; 2], scores.as_chunks::<32>().0);
        for (word, scores) in words.iter_mut().zip(halves) {
            for (i, &score) in scores.iter().enumerate() {
                *word |= u32::from(score >= least) << i;
            }
        }
        u64::from(words[1]) << 32 | u64::from(words[0])
    }
}

/// The portable twin of the kernels below.
pub(super) fn sums_portable<const S: usize>(query: &Query, lines: [&[Lines]; S], sums: &mut Sums) {
    *sums = [0; GROUP];
    for (i, [low, high]) in query.values.iter().enumerate() {
        let lines = &lines[i % S][i / S];
        for (sum, bytes) in sums.iter_mut().zip(lines.iter().flat_map(|Line(rows)| rows)) {
            for i in 0..4 {
                *sum += i32::from(bytes[i] & 15) * i32::from(low[i])
                    + i32::from(bytes[i] >> 4) * i32::from(high[i]);
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    /// Bytes ahead that are fetched before they are needed: the processor's own prefetching alone gives three quarters of the bandwidth.
    const AHEAD: usize = 8192;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni")]
    pub(super) fn run_vnni<const S: usize>(part: &Part, scores: &mut [[f32; GROUP]], tops: &mut [f32]) {
        part.run_by::<S>(scores, tops, |query, lines, sums| sums_vnni(query, lines, sums));
    }

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn sums_vnni<const S: usize>(query: &Query, lines: [&[Lines]; S], sums: &mut Sums) {
        let (low, high) = (_mm512_set1_epi8(0x0f), _mm512_set1_epi8(0xf0u8 as i8));
        let (mut lows, mut highs) = ([_mm512_setzero_si512(); 4], [_mm512_setzero_si512(); 4]);
        for (turn, x) in query.values.as_chunks::<S>().0.iter().enumerate() {
            for (&[x_low, x_high], lines) in x.iter().zip(lines) {
                let [x_low, x_high] =
                    [x_low, x_high].map(|x| _mm512_set1_epi32(i32::from_le_bytes(x.map(|q| q as u8))));
                for (c, Line(line)) in lines[turn].iter().enumerate() {
                    _mm_prefetch::<_MM_HINT_T0>(line.as_ptr().cast::<i8>().wrapping_add(AHEAD / S));
                    // SAFETY: a line is 64 bytes, aligned to 64.
                    let line = unsafe { _mm512_load_si512(line.as_ptr().cast()) };
                    lows[c] = _mm512_dpbusd_epi32(lows[c], _mm512_and_si512(line, low), x_low);
                    // Sixteen times the levels, which saves a shift of every line: a byte is unsigned.
                    highs[c] = _mm512_dpbusd_epi32(highs[c], _mm512_and_si512(line, high), x_high);
                }
            }
        }
        for ((low, high), sums) in lows.iter().zip(highs).zip(sums.as_chunks_mut::<16>().0) {
            let sum = _mm512_add_epi32(*low, _mm512_srai_epi32::<4>(high));
            // SAFETY: 16 values.
            unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), sum) };
        }
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn run_avx2<const S: usize>(part: &Part, scores: &mut [[f32; GROUP]], tops: &mut [f32]) {
        part.run_by::<S>(scores, tops, |query, lines, sums| sums_avx2(query, lines, sums));
    }

    #[target_feature(enable = "avx2")]
    fn sums_avx2<const S: usize>(query: &Query, lines: [&[Lines]; S], sums: &mut Sums) {
        let (low, ones) = (_mm256_set1_epi8(0x0f), _mm256_set1_epi16(1));
        let mut acc = [_mm256_setzero_si256(); 8];
        for (i, &[x_low, x_high]) in query.values.iter().enumerate() {
            let lines = &lines[i % S][i / S];
            let [x_low, x_high] =
                [x_low, x_high].map(|x| _mm256_set1_epi32(i32::from_le_bytes(x.map(|q| q as u8))));
            for (half, acc) in acc.iter_mut().enumerate() {
                let line = lines[half / 2].0.as_ptr().cast::<__m256i>();
                // SAFETY: a line is two times 32 bytes, aligned to 64.
                let line = unsafe { _mm256_load_si256(line.add(half % 2)) };
                let lows = _mm256_maddubs_epi16(_mm256_and_si256(line, low), x_low);
                let highs = _mm256_and_si256(_mm256_srli_epi16::<4>(line), low);
                // Four products of at most 15 · 127 do not saturate 16 bits.
                let products = _mm256_add_epi16(lows, _mm256_maddubs_epi16(highs, x_high));
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(products, ones));
            }
        }
        for (acc, sums) in acc.iter().zip(sums.as_chunks_mut::<8>().0) {
            // SAFETY: 8 values.
            unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), *acc) };
        }
    }
}
