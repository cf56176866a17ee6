//! Number formats of GGUF files, decoded to f32.
//!
//! The block formats are those of ggml (`ggml-common.h`, `ggml-quants.c`): a block of 32 or 256 weights of one row
//! shares one or more half-precision scales. The tests compare every format with golden values of the `gguf` package.

use Encoding::*;
use semrank_nn::weights::{Float, f16_to_f32};

/// A number format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, missing_docs)]
pub(super) enum Encoding {
    Float(Float),
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q6_K,
}

/// Names for messages.
pub(super) const SUPPORTED: &str = "F64, F32, F16, BF16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q4_K and Q6_K";

/// The name of a type by its number in a GGUF file (`ggml_type` in `ggml.h`), for messages: types that are not read too.
pub(super) fn gguf_name(id: u32) -> String {
    const NAMES: &str = "F32 F16 Q4_0 Q4_1 Q4_2 Q4_3 Q5_0 Q5_1 Q8_0 Q8_1 Q2_K Q3_K Q4_K Q5_K Q6_K Q8_K IQ2_XXS IQ2_XS \
        IQ3_XXS IQ1_S IQ4_NL IQ3_S IQ2_S IQ4_XS I8 I16 I32 I64 F64 IQ1_M BF16 Q4_0_4_4 Q4_0_4_8 Q4_0_8_8 TQ1_0 TQ2_0 \
        IQ4_NL_4_4 IQ4_NL_4_8 IQ4_NL_8_8 MXFP4";
    let name = NAMES.split_whitespace().nth(id as usize);
    name.map_or_else(|| format!("number {id}, which is unknown"), str::to_owned)
}

impl Encoding {
    /// By the number in a GGUF file's tensor table.
    pub(super) fn of_gguf(id: u32) -> Option<Encoding> {
        Some(match id {
            0 => Encoding::Float(Float::F32),
            1 => Encoding::Float(Float::F16),
            2 => Q4_0,
            3 => Q4_1,
            6 => Q5_0,
            7 => Q5_1,
            8 => Q8_0,
            12 => Q4_K,
            14 => Q6_K,
            28 => Encoding::Float(Float::F64),
            30 => Encoding::Float(Float::BF16),
            _ => return None,
        })
    }

    /// Weights and bytes of a block.
    pub(super) fn block(self) -> [usize; 2] {
        match self {
            Encoding::Float(float) => [1, float.bytes()],
            Q4_0 => [32, 18],
            Q4_1 => [32, 20],
            Q5_0 => [32, 22],
            Q5_1 => [32, 24],
            Q8_0 => [32, 34],
            Q4_K => [256, 144],
            Q6_K => [256, 210],
        }
    }

    /// Whole blocks into numbers.
    pub(super) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let [weights, size] = self.block();
        let decode = match self {
            Encoding::Float(float) => return float.decode(bytes, out),
            Q4_0 => |b: &[u8], y: &mut [f32]| nibbles(&b[2..], 0, half(b), -8.0 * half(b), y),
            Q4_1 => |b: &[u8], y: &mut [f32]| nibbles(&b[4..], 0, half(b), half(&b[2..]), y),
            Q5_0 => {
                |b: &[u8], y: &mut [f32]| nibbles(&b[6..], fifth_bits(&b[2..]), half(b), -16.0 * half(b), y)
            }
            Q5_1 => {
                |b: &[u8], y: &mut [f32]| nibbles(&b[8..], fifth_bits(&b[4..]), half(b), half(&b[2..]), y)
            }
            Q8_0 => |b: &[u8], y: &mut [f32]| {
                let scale = half(b);
                y.iter_mut().zip(&b[2..]).for_each(|(y, &q)| *y = f32::from(q as i8) * scale);
            },
            Q4_K => q4_k,
            Q6_K => q6_k,
        };
        for (block, out) in bytes.chunks_exact(size).zip(out.chunks_exact_mut(weights)) {
            decode(block, out);
        }
    }
}

/// A little-endian half-precision number.
fn half(bytes: &[u8]) -> f32 {
    f16_to_f32(u16::from_le_bytes([bytes[0], bytes[1]]))
}

fn fifth_bits(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
}

/// 32 weights `q · scale + shift`: the low halves of 16 bytes, then their high halves; `fifth` holds a further bit of
/// each.
fn nibbles(packed: &[u8], fifth: u32, scale: f32, shift: f32, out: &mut [f32]) {
    let (low, high) = out.split_at_mut(16);
    for (i, ((low, high), &byte)) in low.iter_mut().zip(high).zip(packed).enumerate() {
        let a = u32::from(byte & 15) | (fifth >> i & 1) << 4;
        let b = u32::from(byte >> 4) | (fifth >> (i + 16) & 1) << 4;
        *low = a as f32 * scale + shift;
        *high = b as f32 * scale + shift;
    }
}

/// 8 groups of 32 weights, each with a 6-bit scale and a 6-bit minimum.
fn q4_k(block: &[u8], out: &mut [f32]) {
    let (scale, minimum, codes, packed) = (half(block), half(&block[2..]), &block[4..16], &block[16..]);
    for (group, out) in out.chunks_exact_mut(32).enumerate() {
        let (s, m) = if group < 4 {
            (codes[group] & 63, codes[group + 4] & 63)
        } else {
            let both = codes[group + 4];
            (both & 15 | codes[group - 4] >> 6 << 4, both >> 4 | codes[group] >> 6 << 4)
        };
        let (scale, minimum) = (scale * f32::from(s), minimum * f32::from(m));
        let shift = group % 2 * 4;
        for (out, &byte) in out.iter_mut().zip(&packed[group / 2 * 32..]) {
            *out = scale * f32::from(byte >> shift & 15) - minimum;
        }
    }
}

/// 16 groups of 16 weights of 6 bits, each with an 8-bit scale.
fn q6_k(block: &[u8], out: &mut [f32]) {
    let (low, high, scales, scale) = (&block[..128], &block[128..192], &block[192..208], half(&block[208..]));
    for (i, out) in out.iter_mut().enumerate() {
        let (part, quarter, at) = (i / 128, i % 128 / 32, i % 32);
        let nibble = low[part * 64 + quarter % 2 * 32 + at] >> (quarter / 2 * 4) & 15;
        let bits = high[part * 32 + at] >> (quarter * 2) & 3;
        let code = i32::from(nibble | bits << 4) - 32;
        *out = scale * f32::from(scales[i / 16] as i8) * code as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One block of every format, decoded by the `gguf` package: `tests/golden/gguf_blocks.py`.
    #[test]
    fn every_format_agrees_with_the_gguf_package() {
        let golden = include_str!("../../tests/golden/gguf_blocks.json");
        let golden: serde_json::Value = serde_json::from_str(golden).expect("JSON");
        for case in golden.as_array().expect("a list") {
            let id = case["type"].as_u64().expect("a number") as u32;
            let encoding = Encoding::of_gguf(id).expect("a known type");
            let bytes: Vec<u8> = serde_json::from_value(case["bytes"].clone()).expect("bytes");
            let want: Vec<f32> = serde_json::from_value(case["values"].clone()).expect("numbers");
            let mut got = vec![0.0; want.len()];
            encoding.decode(&bytes, &mut got);
            for (i, (got, want)) in got.iter().zip(&want).enumerate() {
                assert!((got - want).abs() <= 2e-7 * want.abs().max(1e-3), "{encoding:?}[{i}] {got} {want}");
            }
        }
    }

    #[test]
    fn a_type_has_the_name_that_people_know() {
        for (id, name) in
            [(2, "Q4_0"), (10, "Q2_K"), (11, "Q3_K"), (13, "Q5_K"), (20, "IQ4_NL"), (39, "MXFP4")]
        {
            assert_eq!(gguf_name(id), name);
        }
        assert!(gguf_name(77).contains("77"));
        for id in 0..64 {
            let name = |encoding| match encoding {
                Encoding::Float(float) => format!("{float:?}"),
                block => format!("{block:?}"),
            };
            let read = Encoding::of_gguf(id).map(name);
            assert!(read.is_none_or(|read| read == gguf_name(id)), "{id}");
        }
    }
}
