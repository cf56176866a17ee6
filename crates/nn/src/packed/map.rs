//! An affine map for inference at any precision, and its input in that precision.

use super::bf16::{Bf16Linear, Bf16Rows};
use crate::{Gelu, Linear, PackedLinear, QuantLinear, QuantRows};

/// How the maps of a network are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floats.
    F32,
    /// Products of bfloat16 added in f32: values move by about .3 %; twice as fast with AVX-512 BF16, slow without.
    Bf16,
    /// Products of 8-bit integers: values move by about 1 %; three to four times as fast with AVX-512 VNNI.
    Int8,
}

impl Precision {
    /// Their names.
    pub const NAMES: [&str; 3] = ["f32", "bf16", "int8"];

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// By its name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::F32, Self::Bf16, Self::Int8]
            .into_iter()
            .zip(Self::NAMES)
            .find(|(_, other)| *other == name)
            .map(|pair| pair.0)
    }
}

/// A packed map.
#[derive(Debug, Clone)]
pub(crate) enum PackedMap {
    F32(PackedLinear),
    Bf16(Bf16Linear),
    Int8(QuantLinear),
}

/// The input of a map in its form; reuse it.
#[derive(Debug, Clone, Default)]
pub(crate) struct MapInput {
    bf16: Bf16Rows,
    int8: QuantRows,
}

impl PackedMap {
    pub(crate) fn new(precision: Precision, linear: &Linear, params: &[f32]) -> Self {
        match precision {
            Precision::F32 => Self::F32(PackedLinear::new(linear, params)),
            Precision::Bf16 => Self::Bf16(Bf16Linear::new(linear, params)),
            Precision::Int8 => Self::Int8(QuantLinear::new(linear, params)),
        }
    }

    /// Width of a row of `y`.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Self::F32(map) => map.outputs(),
            Self::Bf16(map) => map.outputs(),
            Self::Int8(map) => map.outputs(),
        }
    }

    /// Writes `y`.
    pub(crate) fn forward(&self, x: &[f32], gelu: Option<Gelu>, input: &mut MapInput, y: &mut [f32]) {
        let inputs = x.len() * self.outputs() / y.len().max(1);
        match self {
            Self::F32(map) => map.forward(x, gelu, y),
            Self::Bf16(map) => {
                input.bf16.convert(inputs, x);
                map.forward(&input.bf16, gelu, y);
            }
            Self::Int8(map) => {
                input.int8.quantize(inputs, x);
                map.forward(&input.int8, gelu, y);
            }
        }
    }
}
