//! A loaded graph: which inputs it asks for, which output is taken, and one run of it.
//!
//! The runtime checks most of what it reads, but an unusual graph can still make it panic; here that is an error.

use crate::{Error, ModelFolder};
use rten::{
    Dimension, LoadErrorKind, Model, ModelOptions, NodeId, RunOptions, ThreadPool, Value, ValueOrView,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Goes into fingerprints: another version of the runtime may round otherwise.
pub(super) const RUNTIME: &str = "rten-0.27";

const EXPECTED: &str = "a text encoder in ONNX format";

/// Files beside the graph that hold the weights of a large model.
const EXTERNAL: [&str; 2] = [".data", "_data"];

/// Outputs with one vector per text.
const SENTENCE: [&str; 1] = ["sentence_embedding"];

/// Outputs with one vector per token.
const TOKENS: [&str; 2] = ["token_embeddings", "last_hidden_state"];

/// A graph that is ready to run.
pub(super) struct Session {
    model: Model,
    place: PathBuf,
    inputs: Vec<(NodeId, Input)>,
    output: (NodeId, String),
    /// Whether the output is one vector per text, instead of one per token.
    pooled: bool,
}

/// The inputs that a graph may have, all `[1 x T]`.
#[derive(Clone, Copy)]
enum Input {
    Ids,
    Mask,
    Types,
    Positions,
}

impl Session {
    /// Loads a graph and returns the hash of its bytes with it; `tokens` asks for an output that can be pooled.
    pub(super) fn open(folder: &ModelFolder, file: &str, tokens: bool) -> Result<(Session, String), Error> {
        let place = folder.place(file);
        let graph = folder.read(file)?;
        let mut hasher = blake3::Hasher::new();
        hasher.update(&graph);
        let mut options = ModelOptions::with_all_ops();
        // For one text at a time: MiniLM took 3.4 instead of 6.9 ms for 8 tokens, 9.0 instead of 12.4 ms for 32.
        options.prepack_weights(true);
        for suffix in EXTERNAL {
            let name = format!("{file}{suffix}");
            if folder.has(&name) {
                let weights = folder.read(&name)?;
                hasher.update(&weights);
                options.external_data(name.rsplit('/').next().unwrap_or(&name), weights);
            }
        }
        let model = load(&place, &options, graph)?;
        let inputs = inputs(&model, &place)?;
        let (output, name, pooled) = output(&model, &place, tokens)?;
        let session = Session { model, place, inputs, output: (output, name), pooled };
        Ok((session, hasher.finalize().to_hex().to_string()))
    }

    /// Where the graph's file is.
    pub(super) fn place(&self) -> &Path {
        &self.place
    }

    /// The name of the output that is taken.
    pub(super) fn output(&self) -> &str {
        &self.output.1
    }

    /// Whether a run gives one vector.
    pub(super) fn is_pooled(&self) -> bool {
        self.pooled
    }

    /// The output for the tokens of one text, `[T x width]` or `[1 x width]`, and the width.
    pub(super) fn run(
        &self,
        thread: &Arc<ThreadPool>,
        item: &str,
        ids: &[u32],
    ) -> Result<(Vec<f32>, usize), Error> {
        let run = || {
            let inputs = self.inputs.iter().map(|&(node, input)| Ok((node, input.value(ids)?)));
            let inputs = inputs.collect::<Result<Vec<(NodeId, ValueOrView)>, String>>()?;
            let options = RunOptions::default().with_thread_pool(Some(thread.clone()));
            let values = self.model.run_n(inputs, [self.output.0], Some(options));
            let [value] = values.map_err(|error| error.to_string())?;
            self.states(value, ids.len())
        };
        let result =
            catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err("the runtime panicked".into()));
        result.map_err(|reason| self.damaged(item, reason))
    }

    fn states(&self, value: Value, tokens: usize) -> Result<(Vec<f32>, usize), String> {
        let fail = |error: rten::TryFromValueError| format!("the output `{}`: {error}", self.output.1);
        let (rows, width, states) = if self.pooled {
            let ([rows, width], states) = value.into_shape_vec::<f32, 2>().map_err(fail)?;
            (rows, width, states)
        } else {
            let ([batch, rows, width], states) = value.into_shape_vec::<f32, 3>().map_err(fail)?;
            (batch * rows, width, states)
        };
        let expected = if self.pooled { 1 } else { tokens };
        if rows != expected || width == 0 {
            return Err(format!(
                "the output `{}` is {rows} x {width}, expected {expected} x {width}",
                self.output.1
            ));
        }
        Ok((states, width))
    }

    /// An error of a run for an item; the first run, at opening, is for none.
    pub(super) fn damaged(&self, item: &str, reason: String) -> Error {
        let reason = if item.is_empty() { reason } else { format!("item `{item}`: {reason}") };
        Error::Damaged { path: self.place.clone(), expected: EXPECTED, reason }
    }
}

fn load(place: &Path, options: &ModelOptions, graph: Vec<u8>) -> Result<Model, Error> {
    let damaged = |reason| Error::Damaged { path: place.to_owned(), expected: EXPECTED, reason };
    super::whole::check(&graph).map_err(|reason| damaged(reason.into()))?;
    let loaded = catch_unwind(AssertUnwindSafe(|| options.load(graph)));
    let loaded = loaded.map_err(|_| damaged("the runtime cannot decode it".into()))?;
    loaded.map_err(|error| match error.kind() {
        LoadErrorKind::OperatorInvalid => Error::Unsupported {
            path: place.to_owned(),
            what: "an operator of the graph".into(),
            got: error.to_string(),
            supported: format!("the operators of {RUNTIME}"),
        },
        _ => damaged(error.to_string()),
    })
}

impl Input {
    fn of(name: &str) -> Option<Input> {
        match name {
            "input_ids" => Some(Input::Ids),
            "attention_mask" => Some(Input::Mask),
            "token_type_ids" => Some(Input::Types),
            "position_ids" => Some(Input::Positions),
            _ => None,
        }
    }

    fn value(self, ids: &[u32]) -> Result<ValueOrView<'static>, String> {
        let values: Vec<i32> = match self {
            Input::Ids => ids.iter().map(|&id| id as i32).collect(),
            Input::Mask => vec![1; ids.len()],
            Input::Types => vec![0; ids.len()],
            Input::Positions => (0..ids.len() as i32).collect(),
        };
        Value::from_shape([1, ids.len()], values).map(ValueOrView::from).map_err(|error| error.to_string())
    }
}

/// The inputs in the order of the graph.
fn inputs(model: &Model, place: &Path) -> Result<Vec<(NodeId, Input)>, Error> {
    let names = names(model, model.input_ids());
    let unsupported = |what: &str, got: String| Error::Unsupported {
        path: place.to_owned(),
        what: what.into(),
        got,
        supported: "input_ids, attention_mask, token_type_ids, position_ids, of any length".into(),
    };
    let mut inputs = Vec::new();
    for (&node, name) in model.input_ids().iter().zip(&names) {
        let input =
            Input::of(name).ok_or_else(|| unsupported("an input of the graph", format!("`{name}`")))?;
        let shape = model.node_info(node).and_then(|info| info.shape()).unwrap_or_default();
        if let Some(Dimension::Fixed(tokens)) = shape.get(1) {
            let got = format!("always {tokens}; export it with a dynamic length");
            return Err(unsupported("the number of tokens", got));
        }
        inputs.push((node, input));
    }
    if !names.iter().any(|name| name == "input_ids") {
        return Err(unsupported("the list of inputs", format!("without input_ids: {}", names.join(", "))));
    }
    Ok(inputs)
}

/// The output to take, its name, and whether it is one vector per text.
fn output(model: &Model, place: &Path, tokens: bool) -> Result<(NodeId, String, bool), Error> {
    let names = names(model, model.output_ids());
    let first = |wanted: &[&str], pooled: bool| {
        let name = wanted.iter().find(|wanted| names.iter().any(|name| name == **wanted))?;
        Some((model.find_node(name)?, (*name).to_owned(), pooled))
    };
    let found = match tokens {
        true => first(&TOKENS, false),
        false => first(&SENTENCE, true).or_else(|| first(&TOKENS, false)),
    };
    found.ok_or_else(|| Error::Unsupported {
        path: place.to_owned(),
        what: "the list of outputs".into(),
        got: names.join(", "),
        supported: format!(
            "{} (one vector per text, without pool), {} (one per token)",
            SENTENCE.join(" or "),
            TOKENS.join(" or ")
        ),
    })
}

fn names(model: &Model, nodes: &[NodeId]) -> Vec<String> {
    let name = |&node| Some(model.node_info(node)?.name()?.to_owned());
    nodes.iter().map(|node| name(node).unwrap_or_default()).collect()
}
