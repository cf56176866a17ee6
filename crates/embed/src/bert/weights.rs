//! `model.safetensors`, or its parts, into the flat parameter vector of a [`BertModel`], and back.
//!
//! Maps are stored `[outputs x inputs]` there and `[inputs x outputs]` here, and queries, keys and values become one map.
//! Names may begin with `bert.`, `model.` and the like; every float type is read.

use super::BertModel;
use super::config::Family;
use crate::folder::pytorch;
use crate::place::Place;
use crate::{Error, ModelFolder};
use safetensors::tensor::TensorView;
use semrank_nn::weights::{self, Dtype, Entry, Float, Safetensors};
use semrank_nn::{Linear, Slot};
use std::collections::{BTreeMap, BTreeSet};
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

const MPNET: Names = Names {
    qkv: ["attention.attn.q", "attention.attn.k", "attention.attn.v"],
    out: "attention.attn.o",
    norm_1: "attention.LayerNorm",
    ..BERT
};

const PREFIXES: [&str; 8] =
    ["", "bert.", "model.", "roberta.", "distilbert.", "mpnet.", "0.auto_model.", "sentence_bert.bert."];
const WORDS: &str = "embeddings.word_embeddings.weight";

/// A weight file and its table of tensors.
#[derive(Debug)]
struct Part {
    place: Place,
    table: Safetensors,
}

/// The weight files of a folder: one, or the parts that its index names.
#[derive(Debug)]
pub(super) struct Files {
    parts: Vec<Part>,
    /// Stands before every name.
    prefix: &'static str,
}

impl Files {
    /// Finds the files and reads their tables.
    ///
    /// # Errors
    /// A file that is missing, cannot be read or is damaged.
    pub(super) fn open(folder: &ModelFolder) -> Result<Files, Error> {
        let part = |name: &String| {
            folder.check_file(name)?;
            let place = Place::of(folder, name);
            let table = place.read(weights::EXPECTED, |stream| Ok(Safetensors::read(stream)?))?;
            Ok(Part { place, table })
        };
        let parts = folder.weight_files()?.iter().map(part).collect::<Result<Vec<_>, Error>>()?;
        let mut names = BTreeSet::new();
        for part in &parts {
            if let Some(name) = part.table.names().find(|name| !names.insert(name.to_string())) {
                let (path, reason) = (part.place.path(), format!("the tensor `{name}` is in two files"));
                return Err(Error::Damaged { path, expected: "a part of a model's weights", reason });
            }
        }
        let mut files = Files { parts, prefix: "" };
        let is_prefix = |prefix: &&str| files.find(&format!("{prefix}{WORDS}")).is_some();
        files.prefix = PREFIXES.into_iter().find(is_prefix).unwrap_or("");
        Ok(files)
    }

    fn find(&self, name: &str) -> Option<(&Part, &Entry)> {
        self.parts.iter().find_map(|part| Some((part, part.table.find(name)?)))
    }

    /// The places by the names of their tensors, each of the shape and number type that it must have.
    fn assign<'a>(&self, places: &'a [Target]) -> Result<BTreeMap<String, (&'a Target, Float)>, Error> {
        places.iter().map(|place| self.of(place)).collect()
    }

    fn of<'a>(&self, target: &'a Target) -> Result<(String, (&'a Target, Float)), Error> {
        let names = [Some(&target.name), target.old.as_ref()];
        let mut names = names.into_iter().flatten().map(|name| format!("{}{name}", self.prefix));
        let (name, shape) = (format!("{}{}", self.prefix, target.name), target.shape());
        let Some((part, entry)) = names.find_map(|name| self.find(&name)) else {
            let path = self.parts.first().map_or(PathBuf::new(), |part| part.place.path());
            return Err(mismatch(path, &name, "missing", format!("a tensor of shape {shape:?}")));
        };
        if entry.shape != shape {
            let expected = format!("of shape {shape:?}, by config.json");
            return Err(mismatch(part.place.path(), &name, format!("of shape {:?}", entry.shape), expected));
        }
        let float = Float::of(entry.dtype).ok_or_else(|| Error::Unsupported {
            path: part.place.path(),
            what: format!("the number type of {name}"),
            got: format!("{:?}", entry.dtype),
            supported: Float::NAMES.into(),
        })?;
        Ok((entry.name.clone(), (target, float)))
    }
}

/// Parameters of `model`, and the hash of the file, or of the hashes of several. Files are read block by block, so beside the
/// parameters little is in memory.
///
/// # Errors
/// A damaged file, a missing tensor, one of another shape or number type or with values that are not finite.
pub(super) fn read(
    files: &Files,
    family: Family,
    model: &BertModel,
) -> Result<(Vec<f32>, blake3::Hash), Error> {
    // Sizes of config.json are not trusted before the files prove them.
    let targets = targets(family, model);
    let assigned = files.assign(&targets)?;
    let mut params = vec![0.0; model.layout().len()];
    let mut hashes = Vec::new();
    for part in &files.parts {
        let path = part.place.path();
        hashes.push(part.place.read_hashed(weights::EXPECTED, |stream| {
            let wanted = |entry: &&Entry| assigned.contains_key(&entry.name);
            part.table.entries().iter().filter(wanted).try_for_each(|entry| {
                let (target, float) = assigned[&entry.name];
                let decode = |bytes: &[u8], values: &mut [f32]| float.decode(bytes, values);
                entry.place.read(stream, decode, |first, rows| {
                    // Integers would hide NaN.
                    if !rows.iter().all(|value| value.is_finite()) {
                        let got = "with NaN or infinity";
                        return Err(mismatch(path.clone(), &entry.name, got, "finite values".into()));
                    }
                    target.put(first, rows, &mut params);
                    Ok(())
                })
            })
        })?);
    }
    let hash = match hashes[..] {
        [hash] => hash,
        _ => blake3::hash(&hashes.iter().flat_map(|hash| *hash.as_bytes()).collect::<Vec<u8>>()),
    };
    Ok((params, hash))
}

/// The bytes of one safetensors file with all tensors of the folder, and the parameters of `model` in their places.
///
/// # Errors
/// A file that is damaged or cannot be read.
pub(super) fn replace(
    folder: &ModelFolder,
    family: Family,
    model: &BertModel,
    params: &[f32],
) -> Result<Vec<u8>, Error> {
    let (files, targets) = (Files::open(folder)?, targets(family, model));
    let assigned = files.assign(&targets)?;
    let names = folder.weight_files()?;
    let contents = names.iter().map(|name| folder.read(name)).collect::<Result<Vec<_>, _>>()?;
    let values = |target: &Target| target.get(params).iter().flat_map(|value| value.to_le_bytes()).collect();
    let ours: BTreeMap<&str, Vec<u8>> =
        assigned.iter().map(|(name, (target, _))| (name.as_str(), values(target))).collect();
    let mut views = BTreeMap::new();
    for (part, content) in files.parts.iter().zip(&contents) {
        for entry in part.table.entries() {
            let (dtype, data) = match ours.get(entry.name.as_str()) {
                Some(ours) => (Dtype::F32, ours.as_slice()),
                None => (entry.dtype, entry.data(content)),
            };
            let view = TensorView::new(dtype, entry.shape.clone(), data);
            views.insert(entry.name.as_str(), view.map_err(|error| damaged(&part.place, error))?);
        }
    }
    let first = &files.parts[0].place;
    safetensors::serialize(views, Some(pytorch())).map_err(|error| damaged(first, error))
}

fn damaged(place: &Place, error: safetensors::SafeTensorError) -> Error {
    Error::Damaged { path: place.path(), expected: weights::EXPECTED, reason: error.to_string() }
}

fn mismatch(path: PathBuf, name: &str, got: impl Into<String>, expected: String) -> Error {
    Error::Mismatch { path, what: format!("tensor {name}"), got: got.into(), expected }
}

/// Where a tensor of the file belongs: part `part` of `parts` equal parts of the columns of a slot.
struct Target {
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

impl Target {
    /// Its shape in the file.
    fn shape(&self) -> Vec<usize> {
        let (rows, outputs) = (self.slot.rows, self.slot.cols / self.parts);
        match self.form {
            Form::Vector => vec![outputs],
            Form::Table => vec![rows, outputs],
            Form::Map => vec![outputs, rows],
        }
    }

    /// Puts rows of the file's tensor, from row `first` on, into the parameters.
    fn put(&self, first: usize, values: &[f32], params: &mut [f32]) {
        let (inputs, cols) = (self.slot.rows, self.slot.cols);
        let from = self.part * (cols / self.parts);
        let into = self.slot.of_mut(params);
        match self.form {
            Form::Vector => into[from..from + values.len()].copy_from_slice(values),
            Form::Table => into[first * cols..][..values.len()].copy_from_slice(values),
            Form::Map => {
                for (output, row) in values.chunks_exact(inputs).enumerate() {
                    let column = into[from + first + output..].iter_mut().step_by(cols);
                    column.zip(row).for_each(|(into, &value)| *into = value);
                }
            }
        }
    }

    /// The file's tensor from the parameters.
    fn get(&self, params: &[f32]) -> Vec<f32> {
        let (cols, outputs) = (self.slot.cols, self.slot.cols / self.parts);
        let (from, values) = (self.part * outputs, self.slot.of(params));
        match self.form {
            Form::Vector => values[from..from + outputs].to_vec(),
            Form::Table => values.to_vec(),
            Form::Map => (from..from + outputs)
                .flat_map(|column| values[column..].iter().step_by(cols))
                .copied()
                .collect(),
        }
    }
}

/// All tensors of a model.
fn targets(family: Family, model: &BertModel) -> Vec<Target> {
    let mut out = Vec::new();
    let whole =
        |name: &str, slot, form| Target { name: name.into(), old: None, slot, part: 0, parts: 1, form };
    let table = |name: &str, slot| whole(name, slot, Form::Table);
    out.push(table(WORDS, model.words));
    out.push(table("embeddings.position_embeddings.weight", model.positions));
    out.extend(model.types.map(|types| table("embeddings.token_type_embeddings.weight", types)));
    let norm = |name: &str, gain, bias: Option<Slot>| {
        let parts = [(Some(gain), "weight", "gamma"), (bias, "bias", "beta")].into_iter();
        let targets = parts.filter_map(|(slot, new, old)| {
            let whole = whole(&format!("{name}.{new}"), slot?, Form::Vector);
            Some(Target { old: Some(format!("{name}.{old}")), ..whole })
        });
        targets.collect::<Vec<_>>()
    };
    let map = |name: &str, linear: Linear, part, parts| {
        let of = |name: String, slot, form| Target { part, parts, ..whole(&name, slot, form) };
        let weight = of(format!("{name}.weight"), linear.weight, Form::Map);
        let bias = linear.bias.map(|slot| of(format!("{name}.bias"), slot, Form::Vector));
        [Some(weight), bias].into_iter().flatten()
    };
    out.extend(model.distances.map(|distances| table("encoder.relative_attention_bias.weight", distances)));
    out.extend(norm("embeddings.LayerNorm", model.norm.gain, Some(model.norm.bias)));
    let names = match family {
        Family::Bert => &BERT,
        Family::DistilBert => &DISTILBERT,
        Family::MpNet => &MPNET,
    };
    for (layer, block) in model.stack.blocks().iter().enumerate() {
        let name = |part: &str| format!("{}.{layer}.{part}", names.block);
        for (part, qkv) in names.qkv.iter().enumerate() {
            out.extend(map(&name(qkv), block.qkv, part, 3));
        }
        out.extend(map(&name(names.out), block.out, 0, 1));
        out.extend(norm(&name(names.norm_1), block.norm_1.gain(), block.norm_1.bias()));
        out.extend(map(&name(names.up), block.up, 0, 1));
        out.extend(map(&name(names.down), block.down, 0, 1));
        out.extend(norm(&name(names.norm_2), block.norm_2.gain(), block.norm_2.bias()));
    }
    out
}
