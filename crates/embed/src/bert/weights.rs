//! `model.safetensors` into the flat parameter vector of a [`BertModel`].
//!
//! Maps are stored `[outputs x inputs]` there and `[inputs x outputs]` here, and queries, keys and values become one map.
//! Names may begin with `bert.`, `model.` and the like; f16 and bf16 are widened.

use super::BertModel;
use super::config::Family;
use crate::Error;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use semrank_nn::{LayerNorm, Linear, Slot};
use std::path::PathBuf;

/// Where the parts of a block are named in a file.
struct Names {
    block: &'static str,
    qkv: [&'static str; 3],
    out: &'static str,
    norm_1: &'static str,
    up: &'static str,
    down: &'static str,
    norm_2: &'static str,
}

const BERT: Names = Names {
    block: "encoder.layer",
    qkv: ["attention.self.query", "attention.self.key", "attention.self.value"],
    out: "attention.output.dense",
    norm_1: "attention.output.LayerNorm",
    up: "intermediate.dense",
    down: "output.dense",
    norm_2: "output.LayerNorm",
};

const DISTILBERT: Names = Names {
    block: "transformer.layer",
    qkv: ["attention.q_lin", "attention.k_lin", "attention.v_lin"],
    out: "attention.out_lin",
    norm_1: "sa_layer_norm",
    up: "ffn.lin1",
    down: "ffn.lin2",
    norm_2: "output_layer_norm",
};

const PREFIXES: [&str; 7] =
    ["", "bert.", "model.", "roberta.", "distilbert.", "0.auto_model.", "sentence_bert.bert."];
const WORDS: &str = "embeddings.word_embeddings.weight";

/// Parameters of `model` from the bytes of a safetensors file; `path` is for messages.
///
/// # Errors
/// A damaged file, a missing tensor, one of another shape or number type or with values that are not finite.
pub(super) fn read(
    bytes: &[u8],
    path: PathBuf,
    family: Family,
    model: &BertModel,
) -> Result<Vec<f32>, Error> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| Error::Damaged {
        path: path.clone(),
        expected: "a safetensors file",
        reason: error.to_string(),
    })?;
    let prefix = PREFIXES.into_iter().find(|prefix| tensors.tensor(&format!("{prefix}{WORDS}")).is_ok());
    let prefix = prefix.unwrap_or("");
    let mut reader = Reader { tensors, path, prefix, params: vec![0.0; model.layout().len()] };
    reader.read_embeddings(model)?;
    let names = if family == Family::Bert { &BERT } else { &DISTILBERT };
    for (layer, block) in model.blocks.iter().enumerate() {
        let name = |part: &str| format!("{}.{layer}.{part}", names.block);
        for (part, qkv) in names.qkv.iter().enumerate() {
            reader.map(&name(qkv), block.qkv, part, 3)?;
        }
        reader.map(&name(names.out), block.out, 0, 1)?;
        reader.norm(&name(names.norm_1), block.norm_1)?;
        reader.map(&name(names.up), block.up, 0, 1)?;
        reader.map(&name(names.down), block.down, 0, 1)?;
        reader.norm(&name(names.norm_2), block.norm_2)?;
    }
    Ok(reader.params)
}

struct Reader<'a> {
    tensors: SafeTensors<'a>,
    path: PathBuf,
    prefix: &'static str,
    params: Vec<f32>,
}

impl Reader<'_> {
    fn read_embeddings(&mut self, model: &BertModel) -> Result<(), Error> {
        self.table(WORDS, model.words)?;
        self.table("embeddings.position_embeddings.weight", model.positions)?;
        if let Some(types) = model.types {
            self.table("embeddings.token_type_embeddings.weight", types)?;
        }
        self.norm("embeddings.LayerNorm", model.norm)
    }

    fn table(&mut self, name: &str, slot: Slot) -> Result<(), Error> {
        let values = self.values(&[name], &[slot.rows, slot.cols])?;
        slot.of_mut(&mut self.params).copy_from_slice(&values);
        Ok(())
    }

    fn norm(&mut self, name: &str, norm: LayerNorm) -> Result<(), Error> {
        // Files from before 2019 call them gamma and beta.
        for (slot, words) in [(norm.gain, ["weight", "gamma"]), (norm.bias, ["bias", "beta"])] {
            let [new, old] = words.map(|word| format!("{name}.{word}"));
            let values = self.values(&[&new, &old], &[slot.cols])?;
            slot.of_mut(&mut self.params).copy_from_slice(&values);
        }
        Ok(())
    }

    /// Reads a map into part `part` of `parts` equal parts of the columns of `linear`.
    fn map(&mut self, name: &str, linear: Linear, part: usize, parts: usize) -> Result<(), Error> {
        let Slot { rows: inputs, cols, .. } = linear.weight;
        let outputs = cols / parts;
        let weight = self.values(&[&format!("{name}.weight")], &[outputs, inputs])?;
        let into = linear.weight.of_mut(&mut self.params);
        for (output, row) in weight.chunks_exact(inputs).enumerate() {
            for (input, &value) in row.iter().enumerate() {
                into[input * cols + part * outputs + output] = value;
            }
        }
        if let Some(slot) = linear.bias {
            let bias = self.values(&[&format!("{name}.bias")], &[outputs])?;
            slot.of_mut(&mut self.params)[part * outputs..][..outputs].copy_from_slice(&bias);
        }
        Ok(())
    }

    /// Values of the first of these tensors that there is.
    fn values(&self, names: &[&str], shape: &[usize]) -> Result<Vec<f32>, Error> {
        let name = format!("{}{}", self.prefix, names[0]);
        let mut found =
            names.iter().filter_map(|name| self.tensors.tensor(&format!("{}{name}", self.prefix)).ok());
        let Some(tensor) = found.next() else {
            return Err(self.mismatch(&name, "missing", format!("a tensor of shape {shape:?}")));
        };
        if tensor.shape() != shape {
            let expected = format!("of shape {shape:?}, by config.json");
            return Err(self.mismatch(&name, format!("of shape {:?}", tensor.shape()), expected));
        }
        let values = widen(&tensor).ok_or_else(|| Error::Unsupported {
            path: self.path.clone(),
            what: format!("the number type of {name}"),
            got: format!("{:?}", tensor.dtype()),
            supported: "F32, F16, BF16".into(),
        })?;
        // Integers would hide NaN.
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(self.mismatch(&name, "with NaN or infinity", "finite values".into()))
    }

    fn mismatch(&self, name: &str, got: impl Into<String>, expected: String) -> Error {
        Error::Mismatch { path: self.path.clone(), what: format!("tensor {name}"), got: got.into(), expected }
    }
}

/// A tensor's values as f32.
fn widen(tensor: &TensorView) -> Option<Vec<f32>> {
    let data = tensor.data();
    let halves = || data.as_chunks::<2>().0.iter().map(|&bytes| u16::from_le_bytes(bytes));
    match tensor.dtype() {
        Dtype::F32 => Some(data.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()),
        Dtype::F16 => Some(halves().map(half_to_f32).collect()),
        Dtype::BF16 => Some(halves().map(|bits| f32::from_bits(u32::from(bits) << 16)).collect()),
        _ => None,
    }
}

/// IEEE 754 binary16 to binary32, exactly.
fn half_to_f32(bits: u16) -> f32 {
    let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
    let (exponent, fraction) = (i32::from(bits >> 10 & 31), f32::from(bits & 1023));
    match exponent {
        0 => sign * fraction * 2f32.powi(-24),
        31 if fraction == 0.0 => sign * f32::INFINITY,
        31 => f32::NAN,
        _ => sign * (1.0 + fraction / 1024.0) * 2f32.powi(exponent - 15),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_by_the_standard() {
        let values =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x7bff, 65504.0), (0x0001, 2f32.powi(-24)), (0x8000, 0.0)];
        for (bits, want) in values {
            assert_eq!(half_to_f32(bits), want, "{bits:#x}");
        }
        assert_eq!(half_to_f32(0xfc00), f32::NEG_INFINITY);
        assert!(half_to_f32(0x7e00).is_nan());
    }
}
