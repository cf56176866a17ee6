//! A tile of up to 8 rows by one panel of 48 columns: exact sums of products of unsigned and signed bytes.

use super::{Part, QuantRows};
use crate::packed::{PANEL, ROWS};

/// Four inputs' weights to 16 columns, column by column: one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
pub(super) struct Line(pub(super) [[i8; 4]; 16]);

/// Four inputs' weights to the columns of a panel.
pub(super) type PanelRow = [Line; 3];
pub(super) type Tile = [[i32; PANEL]; ROWS];

/// The portable twin of the kernels below.
pub(super) fn tile_portable(x: &[[u8; 4]], panel: &[PanelRow], sums: &mut Tile) {
    for (x, sums) in x.chunks_exact(panel.len()).zip(sums) {
        *sums = [0; PANEL];
        for (x, weights) in x.iter().zip(panel) {
            for (sum, weights) in sums.iter_mut().zip(weights.iter().flat_map(|line| &line.0)) {
                let products = x.iter().zip(weights).map(|(&x, &weight)| i32::from(x) * i32::from(weight));
                *sum += products.sum::<i32>();
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub(super) mod x86 {
    use super::*;
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx2,avx512f,avx512vl,avx512bw,avx512dq,avx512vnni")]
    pub(in crate::int8) fn forward_vnni<const GELU: bool>(part: &Part, x: &QuantRows, y: &mut [f32]) {
        part.run::<GELU>(x, y, |x, panel, sums| match x.len() / panel.len() {
            8 => tile_vnni::<8>(x, panel, sums),
            7 => tile_vnni::<7>(x, panel, sums),
            6 => tile_vnni::<6>(x, panel, sums),
            5 => tile_vnni::<5>(x, panel, sums),
            4 => tile_vnni::<4>(x, panel, sums),
            3 => tile_vnni::<3>(x, panel, sums),
            2 => tile_vnni::<2>(x, panel, sums),
            _ => tile_vnni::<1>(x, panel, sums),
        });
    }

    /// Bytes ahead that are fetched before they are needed where one row passes many panels, which memory bounds.
    const AHEAD: usize = 8192;

    #[target_feature(enable = "avx512f,avx512vnni")]
    fn tile_vnni<const R: usize>(x: &[[u8; 4]], panel: &[PanelRow], sums: &mut Tile) {
        let groups = panel.len();
        assert!(x.len() >= R * groups);
        let mut acc = [[_mm512_setzero_si512(); 3]; R];
        for (k, weights) in panel.iter().enumerate() {
            let weights: [__m512i; 3] = std::array::from_fn(|c| {
                if R == 1 {
                    _mm_prefetch::<_MM_HINT_T0>(weights[c].0.as_ptr().cast::<i8>().wrapping_add(AHEAD));
                }
                // SAFETY: a line is 64 bytes, aligned to 64.
                unsafe { _mm512_load_si512(weights[c].0.as_ptr().cast()) }
            });
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: r < R and k < groups, and `x` holds R · groups values by the assertion.
                let x = _mm512_set1_epi32(i32::from_le_bytes(unsafe { *x.get_unchecked(r * groups + k) }));
                for (acc, &weights) in acc.iter_mut().zip(&weights) {
                    *acc = _mm512_dpbusd_epi32(*acc, x, weights);
                }
            }
        }
        for (acc, sums) in acc.iter().zip(sums) {
            for (acc, sums) in acc.iter().zip(sums.as_chunks_mut::<16>().0) {
                // SAFETY: 16 values.
                unsafe { _mm512_storeu_si512(sums.as_mut_ptr().cast(), *acc) };
            }
        }
    }

    #[target_feature(enable = "avx2")]
    pub(in crate::int8) fn forward_avx2<const GELU: bool>(part: &Part, x: &QuantRows, y: &mut [f32]) {
        part.run::<GELU>(x, y, |x, panel, sums| {
            for (x, sums) in x.chunks(4 * panel.len()).zip(sums.chunks_mut(4)) {
                for line in 0..3 {
                    match x.len() / panel.len() {
                        4 => tile_avx2::<4>(x, panel, line, sums),
                        3 => tile_avx2::<3>(x, panel, line, sums),
                        2 => tile_avx2::<2>(x, panel, line, sums),
                        _ => tile_avx2::<1>(x, panel, line, sums),
                    }
                }
            }
        });
    }

    /// One line of 16 columns. `maddubs` would saturate: even and odd inputs are widened to 16 bits and added apart.
    #[target_feature(enable = "avx2")]
    fn tile_avx2<const R: usize>(x: &[[u8; 4]], panel: &[PanelRow], line: usize, sums: &mut [[i32; PANEL]]) {
        let groups = panel.len();
        assert!(x.len() >= R * groups && line < 3);
        let mut acc = [[_mm256_setzero_si256(); 2]; R];
        for (k, weights) in panel.iter().enumerate() {
            let weights: [[__m256i; 2]; 2] = std::array::from_fn(|half| {
                // SAFETY: a line is two times 32 bytes, aligned to 64.
                let both = unsafe { _mm256_load_si256(weights[line].0.as_ptr().cast::<__m256i>().add(half)) };
                [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(both)), _mm256_srai_epi16::<8>(both)]
            });
            for (r, acc) in acc.iter_mut().enumerate() {
                // SAFETY: r < R and k < groups, and `x` holds R · groups values by the assertion.
                let x = _mm256_set1_epi32(i32::from_le_bytes(unsafe { *x.get_unchecked(r * groups + k) }));
                let (even, odd) = (_mm256_and_si256(x, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(x));
                for (acc, weights) in acc.iter_mut().zip(&weights) {
                    let products = _mm256_add_epi32(
                        _mm256_madd_epi16(even, weights[0]),
                        _mm256_madd_epi16(odd, weights[1]),
                    );
                    *acc = _mm256_add_epi32(*acc, products);
                }
            }
        }
        for (acc, sums) in acc.iter().zip(sums) {
            for (acc, sums) in acc.iter().zip(sums[line * 16..].as_chunks_mut::<8>().0) {
                // SAFETY: 8 values.
                unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), *acc) };
            }
        }
    }
}
