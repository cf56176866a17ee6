//! Floats of 8 to 64 bits to f32 and back to bfloat16.

use super::Dtype;

/// A float type of safetensors files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "names of the format")]
pub enum Float {
    /// IEEE 754 binary64, rounded to f32.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of a binary32.
    BF16,
    /// 4 bits of exponent, 3 of fraction, no infinity (Micikevicius et al. 2022, arXiv 2209.05433, table 1).
    F8_E4M3,
    /// The upper half of a binary16.
    F8_E5M2,
}

impl Float {
    /// Names for messages.
    pub const NAMES: &str = "F64, F32, F16, BF16, F8_E4M3, F8_E5M2";

    /// The float type of a tensor; `None` for integers and for floats that need a scale.
    pub fn of(dtype: Dtype) -> Option<Self> {
        Some(match dtype {
            Dtype::F64 => Self::F64,
            Dtype::F32 => Self::F32,
            Dtype::F16 => Self::F16,
            Dtype::BF16 => Self::BF16,
            Dtype::F8_E4M3 => Self::F8_E4M3,
            Dtype::F8_E5M2 => Self::F8_E5M2,
            _ => return None,
        })
    }

    /// Bytes of a value.
    pub fn bytes(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::BF16 => 2,
            Self::F8_E4M3 | Self::F8_E5M2 => 1,
        }
    }

    /// Little-endian values to f32.
    pub fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F64 => each(bytes, out, |value| f64::from_le_bytes(value) as f32),
            Self::F32 => each(bytes, out, f32::from_le_bytes),
            Self::F16 => each(bytes, out, |value| f16_to_f32(u16::from_le_bytes(value))),
            Self::BF16 => each(bytes, out, |value| bf16_to_f32(u16::from_le_bytes(value))),
            Self::F8_E4M3 => each(bytes, out, |[value]| e4m3_to_f32(value)),
            Self::F8_E5M2 => each(bytes, out, |[value]| f16_to_f32(u16::from(value) << 8)),
        }
    }
}

fn each<const N: usize>(bytes: &[u8], out: &mut [f32], of: impl Fn([u8; N]) -> f32) {
    out.iter_mut().zip(bytes.as_chunks::<N>().0).for_each(|(out, &value)| *out = of(value));
}

/// IEEE 754 binary16 to binary32, exactly.
pub fn f16_to_f32(bits: u16) -> f32 {
    let (sign, exponent, fraction) =
        (u32::from(bits >> 15), u32::from(bits >> 10 & 31), u32::from(bits & 1023));
    let size = match exponent {
        0 => fraction as f32 * 2f32.powi(-24),
        31 => f32::from_bits(0x7f80_0000 | fraction << 13),
        _ => f32::from_bits((exponent + 112) << 23 | fraction << 13),
    };
    f32::from_bits(size.to_bits() | sign << 31)
}

/// bfloat16 to f32, exactly.
#[inline(always)]
pub fn bf16_to_f32(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits) << 16)
}

/// The nearest bfloat16, of two the even one, as `vcvtneps2bf16` rounds finite numbers of normal size.
#[inline(always)]
pub fn f32_to_bf16(value: f32) -> u16 {
    let bits = value.to_bits();
    if value.is_nan() {
        return (bits >> 16) as u16 | 0x40;
    }
    (bits.wrapping_add(0x7fff + (bits >> 16 & 1)) >> 16) as u16
}

fn e4m3_to_f32(bits: u8) -> f32 {
    let (exponent, fraction) = (i32::from(bits >> 3 & 15), f32::from(bits & 7));
    let size = match (exponent, bits & 7) {
        (15, 7) => f32::NAN,
        (0, _) => fraction * 2f32.powi(-9),
        _ => (1.0 + fraction / 8.0) * 2f32.powi(exponent - 7),
    };
    if bits >> 7 == 1 { -size } else { size }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_by_the_standard() {
        let values =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2f32.powi(-24)), (0x8000, 0.0)];
        for (bits, want) in values {
            assert_eq!(f16_to_f32(bits), want, "{bits:#x}");
        }
        assert_eq!(f16_to_f32(0xfc00), f32::NEG_INFINITY);
        assert!(f16_to_f32(0x7e00).is_nan());
    }

    #[test]
    fn bytes_by_the_paper() {
        // Table 1: largest, smallest normal and smallest number of both formats.
        let e4m3 = [(0x7e, 448.0), (0x08, 2f32.powi(-6)), (0x01, 2f32.powi(-9)), (0xb8, -1.0)];
        e4m3.iter().for_each(|&(bits, want)| assert_eq!(e4m3_to_f32(bits), want, "{bits:#x}"));
        assert!(e4m3_to_f32(0xff).is_nan());
        let mut out = [0.0; 4];
        Float::F8_E5M2.decode(&[0x7b, 0x04, 0x01, 0xfc], &mut out);
        assert_eq!(out, [57344.0, 2f32.powi(-14), 2f32.powi(-16), f32::NEG_INFINITY]);
    }

    #[test]
    fn bfloat16_is_the_nearest_and_of_two_the_even_one() {
        for (value, want) in
            [(1.0, 0x3f80), (1.0 + 1.0 / 256.0, 0x3f80), (1.0 + 3.0 / 256.0, 0x3f82), (-1.004, 0xbf81)]
        {
            assert_eq!(f32_to_bf16(value), want, "{value}");
        }
        assert!(bf16_to_f32(f32_to_bf16(f32::NAN)).is_nan());
        assert!((0..=u16::MAX).all(|bits| {
            let value = bf16_to_f32(bits);
            value.is_nan() || f32_to_bf16(value) == bits
        }));
    }
}
