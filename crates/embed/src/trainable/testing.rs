//! Helpers of tests: texts as documents, their vectors, and a tiny encoder, to test the code that trains encoders.

use super::Matrix;
use super::tasks::{Saved, TrainedEncoder};
use crate::{Document, Error, Field, Source, TextEncoder};
use semrank_core::Rng;
use semrank_nn::{Mat, matmul};

/// Calls `visit` with texts as documents, whose ids are 0, 1, 2 …
pub fn as_documents<R>(texts: &[impl AsRef<str>], visit: impl FnOnce(&[Document]) -> R) -> R {
    let fields: Vec<_> = texts.iter().map(|text| [Field { name: "title", text: text.as_ref() }]).collect();
    let ids: Vec<String> = (0..texts.len()).map(|at| at.to_string()).collect();
    visit(&ids.iter().zip(&fields).map(|(id, fields)| Document { id, fields }).collect::<Vec<_>>())
}

/// The vectors of texts, `[texts x width]`.
///
/// # Panics
/// When the encoder fails.
#[track_caller]
pub fn encode(encoder: &dyn TextEncoder, texts: &[impl AsRef<str>]) -> Vec<f32> {
    let mut out = vec![0.0; texts.len() * encoder.width()];
    as_documents(texts, |documents| encoder.encode(documents, &mut out)).expect("vectors");
    out
}

/// The cosine of two vectors.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// Texts as a source of items.
#[derive(Debug)]
pub struct Texts<'a, T>(pub &'a [T]);

impl<T: AsRef<str>> Source for Texts<'_, T> {
    fn each_chunk(&self, visit: &mut dyn FnMut(&[Document]) -> Result<(), Error>) -> Result<(), Error> {
        as_documents(self.0, visit)
    }
}

/// Items of its catalogue.
pub const ITEMS: usize = 12;
/// Numbers that stand for the text of an item.
pub const INPUTS: usize = 3;
/// Width of a vector.
pub const WIDTH: usize = 4;

/// An encoder as small as can be: `tanh(x W)`.
#[derive(Debug, Clone)]
pub struct Tiny {
    /// `[ITEMS x INPUTS]`.
    pub inputs: Vec<f32>,
    /// `[INPUTS x WIDTH]`.
    pub params: Vec<f32>,
}

impl Tiny {
    /// Of fixed random numbers.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        let mut rng = Rng::new(5, "tiny");
        let mut draw = |len: usize| (0..len).map(|_| rng.normal() as f32).collect::<Vec<f32>>();
        Self { inputs: draw(ITEMS * INPUTS), params: draw(INPUTS * WIDTH) }
    }

    /// The vectors of some items.
    pub fn vectors(&self, items: &[u32]) -> Vec<f32> {
        let x: Vec<f32> = items
            .iter()
            .flat_map(|&item| &self.inputs[item as usize * INPUTS..][..INPUTS])
            .copied()
            .collect();
        let mut out = vec![0.0; items.len() * WIDTH];
        let weight = Mat::new(&self.params, INPUTS, WIDTH);
        matmul(&mut out, 0.0, Mat::new(&x, items.len(), INPUTS), weight, 1.0);
        out.iter_mut().for_each(|y| *y = y.tanh());
        out
    }
}

impl TrainedEncoder for Tiny {
    fn width(&self) -> usize {
        WIDTH
    }

    fn params(&self) -> &[f32] {
        &self.params
    }

    fn params_mut(&mut self) -> &mut [f32] {
        &mut self.params
    }

    fn matrices(&self) -> Vec<Matrix> {
        vec![Matrix { start: 0, rows: INPUTS, cols: WIDTH }]
    }

    fn bytes(&self) -> u64 {
        0
    }

    fn forward(&self, items: &[u32], out: &mut [f32]) -> Result<Saved, Error> {
        out.copy_from_slice(&self.vectors(items));
        Ok(Box::new((items.to_vec(), out.to_vec())))
    }

    fn backward(&self, saved: Saved, dvectors: &[f32], grads: &mut [f32]) {
        let Ok(saved) = saved.downcast::<(Vec<u32>, Vec<f32>)>() else { return };
        for ((item, y), dy) in saved.0.iter().zip(saved.1.chunks(WIDTH)).zip(dvectors.chunks(WIDTH)) {
            let x = &self.inputs[*item as usize * INPUTS..][..INPUTS];
            for (i, x) in x.iter().enumerate() {
                for (o, (y, dy)) in y.iter().zip(dy).enumerate() {
                    grads[i * WIDTH + o] += x * dy * (1.0 - y * y);
                }
            }
        }
    }
}
