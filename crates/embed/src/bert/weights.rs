//! `model.safetensors`, or its parts, into the flat parameter vector of a [`BertModel`], and back.
//!
//! Maps are stored `[outputs x inputs]` there and `[inputs x outputs]` here, and queries, keys and values become one map.
//! Names may begin with `bert.`, `model.` and the like; f16 and bf16 are widened.

use super::BertModel;
use super::config::Family;
use crate::folder::pytorch;
use crate::{Error, ModelFolder};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use semrank_nn::{LayerNorm, Linear, Slot};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

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

const MPNET: Names = Names {
    qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    out: "attention.attn.o",
    norm_1: "attention.LayerNorm",
    ..BERT
};

const PREFIXES: [&str; 8] =
    ["", "bert.", "model.", "roberta.", "distilbert.", "mpnet.", "0.auto_model.", "sentence_bert.bert."];
const WORDS: &str = "embeddings.word_embeddings.weight";

/// The weight files of a folder: one, or the parts that its index names.
#[derive(Debug)]
pub(super) struct Files(Vec<(PathBuf, Vec<u8>)>);

impl Files {
    /// Reads them.
    ///
    /// # Errors
    /// A file that is missing or cannot be read.
    pub(super) fn read(folder: &ModelFolder) -> Result<Files, Error> {
        let names = folder.weight_files()?;
        let files = names.iter().map(|name| Ok((folder.place(name), folder.read(name)?)));
        files.collect::<Result<_, _>>().map(Files)
    }

    /// Hash of one file, or of the hashes of several.
    pub(super) fn hash(&self) -> blake3::Hash {
        let hashes: Vec<blake3::Hash> = self.0.iter().map(|(_, bytes)| blake3::hash(bytes)).collect();
        match hashes[..] {
            [hash] => hash,
            _ => blake3::hash(&hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>()),
        }
    }

    fn tensors(&self) -> Result<Tensors<'_>, Error> {
        let mut files = Vec::new();
        for (path, bytes) in &self.0 {
            let file = SafeTensors::deserialize(bytes).map_err(|error| damaged(path, error.to_string()))?;
            files.push((path.clone(), file));
        }
        let mut tensors = Tensors { files, prefix: "" };
        let is_prefix = |prefix: &&str| tensors.find(&format!("{prefix}{WORDS}")).is_some();
        tensors.prefix = PREFIXES.into_iter().find(is_prefix).unwrap_or("");
        Ok(tensors)
    }
}

/// Parameters of `model`.
///
/// # Errors
/// A damaged file, a missing tensor, one of another shape or number type or with values that are not finite.
pub(super) fn read(files: &Files, family: Family, model: &BertModel) -> Result<Vec<f32>, Error> {
    let tensors = files.tensors()?;
    let places = places(family, model);
    // Sizes are claims of config.json until the files have tensors of every one of them.
    places.iter().try_for_each(|place| tensors.of(place).map(drop))?;
    let mut params = vec![0.0; model.layout().len()];
    for place in &places {
        let values = tensors.values(place)?;
        let &Place { slot, part, parts, form, .. } = place;
        let into = slot.of_mut(&mut params);
        match form {
            Form::Map => {
                each_of_map(slot.rows, slot.cols, part, parts, |ours, theirs| into[ours] = values[theirs]);
            }
            Form::Vector => into[part * values.len()..][..values.len()].copy_from_slice(&values),
            Form::Table => into.copy_from_slice(&values),
        }
    }
    Ok(params)
}

/// The bytes of one safetensors file with all tensors of `source`, and the parameters of `model` in their places.
///
/// # Errors
/// A damaged file.
pub(super) fn replace(
    source: &Files,
    family: Family,
    model: &BertModel,
    params: &[f32],
) -> Result<Vec<u8>, Error> {
    let tensors = source.tensors()?;
    let mut ours: BTreeMap<String, (Vec<usize>, Vec<u8>)> = BTreeMap::new();
    for place in places(family, model) {
        let (name, _, _) = tensors.of(&place)?;
        let shape = place.shape();
        let Place { slot, part, parts, form, .. } = place;
        let from = slot.of(params);
        let values = match form {
            Form::Map => {
                let mut values = vec![0.0; shape.iter().product()];
                each_of_map(slot.rows, slot.cols, part, parts, |ours, theirs| values[theirs] = from[ours]);
                values
            }
            Form::Vector => from[part * shape[0]..][..shape[0]].to_vec(),
            Form::Table => from.to_vec(),
        };
        ours.insert(name, (shape, values.iter().flat_map(|value| value.to_le_bytes()).collect()));
    }
    let mut views = BTreeMap::new();
    for (path, file) in &tensors.files {
        let failed = |error: safetensors::SafeTensorError| damaged(path, error.to_string());
        for (name, view) in file.tensors() {
            let view = match ours.get(&name) {
                Some((shape, bytes)) => TensorView::new(Dtype::F32, shape.clone(), bytes).map_err(failed)?,
                None => view,
            };
            views.insert(name, view);
        }
    }
    let path = tensors.files.first().map(|(path, _)| path.clone()).unwrap_or_default();
    safetensors::serialize(views, Some(pytorch())).map_err(|error| damaged(&path, error.to_string()))
}

fn damaged(path: &Path, reason: String) -> Error {
    Error::Damaged { path: path.to_owned(), expected: "a safetensors file", reason }
}

/// Where a tensor of the file belongs: part `part` of `parts` equal parts of the columns of a slot.
struct Place {
    name: String,
    /// Its name in files from before 2019.
    old: Option<String>,
    slot: Slot,
    part: usize,
    parts: usize,
    form: Form,
}

/// How a tensor is stored.
#[derive(Clone, Copy)]
enum Form {
    /// `[columns]`.
    Vector,
    /// `[rows x columns]`, one row too.
    Table,
    /// `[columns x rows]`: rows and columns are exchanged.
    Map,
}

impl Place {
    /// Its shape in the file.
    fn shape(&self) -> Vec<usize> {
        let (rows, outputs) = (self.slot.rows, self.slot.cols / self.parts);
        match self.form {
            Form::Vector => vec![outputs],
            Form::Table => vec![rows, outputs],
            Form::Map => vec![outputs, rows],
        }
    }
}

/// All tensors of a model.
fn places(family: Family, model: &BertModel) -> Vec<Place> {
    let mut out = Vec::new();
    let whole =
        |name: &str, slot, form| Place { name: name.into(), old: None, slot, part: 0, parts: 1, form };
    let table = |name: &str, slot| whole(name, slot, Form::Table);
    out.push(table(WORDS, model.words));
    out.push(table("embeddings.position_embeddings.weight", model.positions));
    out.extend(model.types.map(|types| table("embeddings.token_type_embeddings.weight", types)));
    let norm = |name: &str, norm: LayerNorm| {
        [(norm.gain, "weight", "gamma"), (norm.bias, "bias", "beta")].map(|(slot, new, old)| Place {
            old: Some(format!("{name}.{old}")),
            ..whole(&format!("{name}.{new}"), slot, Form::Vector)
        })
    };
    let map = |name: &str, linear: Linear, part, parts| {
        let of = |name: String, slot, form| Place { part, parts, ..whole(&name, slot, form) };
        let weight = of(format!("{name}.weight"), linear.weight, Form::Map);
        let bias = linear.bias.map(|slot| of(format!("{name}.bias"), slot, Form::Vector));
        [Some(weight), bias].into_iter().flatten()
    };
    out.extend(model.distances.map(|distances| table("encoder.relative_attention_bias.weight", distances)));
    out.extend(norm("embeddings.LayerNorm", model.norm));
    let names = match family {
        Family::Bert => &BERT,
        Family::DistilBert => &DISTILBERT,
        Family::MpNet => &MPNET,
    };
    for (layer, block) in model.blocks.iter().enumerate() {
        let name = |part: &str| format!("{}.{layer}.{part}", names.block);
        for (part, qkv) in names.qkv.iter().enumerate() {
            out.extend(map(&name(qkv), block.qkv, part, 3));
        }
        out.extend(map(&name(names.out), block.out, 0, 1));
        out.extend(norm(&name(names.norm_1), block.norm_1));
        out.extend(map(&name(names.up), block.up, 0, 1));
        out.extend(map(&name(names.down), block.down, 0, 1));
        out.extend(norm(&name(names.norm_2), block.norm_2));
    }
    out
}

/// Calls `visit` with the index of every value of a part of a map, here (`[inputs x columns]`) and in the file
/// (`[outputs x inputs]`).
fn each_of_map(inputs: usize, cols: usize, part: usize, parts: usize, mut visit: impl FnMut(usize, usize)) {
    let outputs = cols / parts;
    for output in 0..outputs {
        (0..inputs).for_each(|input| visit(input * cols + part * outputs + output, output * inputs + input));
    }
}

/// The tensors of all weight files.
struct Tensors<'a> {
    files: Vec<(PathBuf, SafeTensors<'a>)>,
    prefix: &'static str,
}

impl<'a> Tensors<'a> {
    fn find(&self, name: &str) -> Option<(&Path, TensorView<'a>)> {
        self.files.iter().find_map(|(path, file)| Some((path.as_path(), file.tensor(name).ok()?)))
    }

    /// The tensor of a place, of the shape that it must have, with its name and file.
    fn of(&self, place: &Place) -> Result<(String, &Path, TensorView<'a>), Error> {
        let names = [Some(&place.name), place.old.as_ref()];
        let mut names = names.into_iter().flatten().map(|name| format!("{}{name}", self.prefix));
        let (name, shape) = (format!("{}{}", self.prefix, place.name), place.shape());
        let found = names.find_map(|name| self.find(&name).map(|(path, tensor)| (name, path, tensor)));
        let Some((found, path, tensor)) = found else {
            let path = self.files.first().map_or(Path::new(""), |(path, _)| path);
            return Err(mismatch(path, &name, "missing", format!("a tensor of shape {shape:?}")));
        };
        if tensor.shape() == shape {
            return Ok((found, path, tensor));
        }
        let expected = format!("of shape {shape:?}, by config.json");
        Err(mismatch(path, &name, format!("of shape {:?}", tensor.shape()), expected))
    }

    /// Its values.
    fn values(&self, place: &Place) -> Result<Vec<f32>, Error> {
        let (name, path, tensor) = self.of(place)?;
        let values = widen(&tensor).ok_or_else(|| Error::Unsupported {
            path: path.to_owned(),
            what: format!("the number type of {name}"),
            got: format!("{:?}", tensor.dtype()),
            supported: "F32, F16, BF16".into(),
        })?;
        // Integers would hide NaN.
        if values.iter().all(|value| value.is_finite()) {
            return Ok(values);
        }
        Err(mismatch(path, &name, "with NaN or infinity", "finite values".into()))
    }
}

fn mismatch(path: &Path, name: &str, got: impl Into<String>, expected: String) -> Error {
    Error::Mismatch { path: path.to_owned(), what: format!("tensor {name}"), got: got.into(), expected }
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
