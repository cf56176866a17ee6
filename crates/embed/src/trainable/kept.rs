//! The frozen layers' output of every item, kept on disk as bfloat16: made once, read by every training step.
//!
//! A file holds as many items as the byte budget allows, from the first on; the others are made again whenever they are
//! asked for. It is named by what it depends on (encoder, layers, longest text, the tokens of all texts, the budget) and
//! written in one step, so that runs share it. It is read place by place: memory holds one batch, the system's page cache
//! holds what is free. bfloat16 keeps 8 bits of each number, which moves a vector by about .3 %.

use super::Trainable;
use crate::{Error, Source};
use half::bf16;
use rayon::prelude::*;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Tokens of one task.
const TASK_TOKENS: usize = 512;

/// The lower layers' output of a catalogue.
#[derive(Debug)]
pub struct Kept {
    path: PathBuf,
    file: Mutex<File>,
    /// Token ids of all items, one after another, and where each item's begin.
    tokens: Vec<u32>,
    offsets: Vec<usize>,
    /// Items in the file.
    within: usize,
    bytes: u64,
}

impl Kept {
    /// Tokenizes all items and runs the frozen layers on as many as fit into `budget` bytes, or finds their output in
    /// `folder`.
    ///
    /// # Errors
    /// A text that cannot be tokenized; a file that cannot be written or read.
    pub fn make(encoder: &Trainable, source: &dyn Source, budget: u64, folder: &Path) -> Result<Self, Error> {
        let (mut tokens, mut offsets) = (Vec::new(), vec![0]);
        source.each_chunk(&mut |documents| {
            let texts: Vec<_> = documents.par_iter().map(|document| encoder.tokens(document)).collect();
            for text in texts {
                tokens.extend(text?);
                offsets.push(tokens.len());
            }
            Ok(())
        })?;
        let row = 2 * encoder.width() as u64;
        let within = offsets.partition_point(|&end| end as u64 * row <= budget).saturating_sub(1);
        let bytes = offsets[within] as u64 * row;
        let path = folder.join(format!("lower-{}.bf16", name(encoder, &tokens, &offsets, within)));
        if path.metadata().is_ok_and(|file| file.len() == bytes) {
            let file = Mutex::new(File::open(&path).map_err(Error::io("read", &path))?);
            return Ok(Self { path, file, tokens, offsets, within, bytes });
        }
        std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        semrank_store::write_atomically(&path, |out| {
            for items in tasks(&offsets[..=within]).chunks(64) {
                let parts: Vec<Vec<u8>> = items
                    .par_iter()
                    .map(|items| {
                        let (tokens, ends) = packed(&tokens, &offsets, items.clone());
                        encoder
                            .lower(&tokens, &ends)
                            .into_iter()
                            .flat_map(|x| bf16::from_f32(x).to_le_bytes())
                            .collect()
                    })
                    .collect();
                parts.iter().try_for_each(|part| out.write_all(part))?;
            }
            Ok(())
        })?;
        let file = Mutex::new(File::open(&path).map_err(Error::io("read", &path))?);
        Ok(Self { path, file, tokens, offsets, within, bytes })
    }

    /// Number of items.
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no items.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of the file.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Input of the trained layers for some items: packed offsets, and `[tokens x D]`.
    ///
    /// # Errors
    /// A file that cannot be read any more.
    pub fn of(&self, encoder: &Trainable, items: &[u32]) -> Result<(Vec<usize>, Vec<f32>), Error> {
        let dim = encoder.width();
        let (mut offsets, mut out, mut bytes) = (vec![0], Vec::new(), Vec::new());
        for &item in items {
            let range = self.offsets[item as usize]..self.offsets[item as usize + 1];
            offsets.push(offsets[offsets.len() - 1] + range.len());
            if item as usize >= self.within {
                let (tokens, ends) = packed(&self.tokens, &self.offsets, item as usize..item as usize + 1);
                // As exact as what is kept: the budget must not change what is learned.
                let made = encoder.lower(&tokens, &ends).into_iter();
                out.extend(made.map(|x| bf16::from_f32(x).to_f32()));
                continue;
            }
            bytes.resize(range.len() * dim * 2, 0);
            let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            file.seek(SeekFrom::Start((range.start * dim * 2) as u64))
                .and_then(|_| file.read_exact(&mut bytes))
                .map_err(Error::io("read", &self.path))?;
            out.extend(bytes.as_chunks::<2>().0.iter().map(|&pair| bf16::from_le_bytes(pair).to_f32()));
        }
        Ok((offsets, out))
    }
}

/// Runs of items with about [`TASK_TOKENS`] tokens.
fn tasks(offsets: &[usize]) -> Vec<std::ops::Range<usize>> {
    let (mut out, mut start) = (Vec::new(), 0);
    for end in 1..offsets.len() {
        if offsets[end] - offsets[start] >= TASK_TOKENS || end + 1 == offsets.len() {
            out.push(start..end);
            start = end;
        }
    }
    out
}

fn packed(tokens: &[u32], offsets: &[usize], items: std::ops::Range<usize>) -> (Vec<u32>, Vec<usize>) {
    let first = offsets[items.start];
    let ends = offsets[items.start..=items.end].iter().map(|end| end - first).collect();
    (tokens[first..offsets[items.end]].to_vec(), ends)
}

fn name(encoder: &Trainable, tokens: &[u32], offsets: &[usize], within: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(encoder.fingerprint().as_bytes());
    hasher.update(semrank_nn::kernel::level().name().as_bytes());
    offsets[..=within].iter().for_each(|&end| _ = hasher.update(&(end as u64).to_le_bytes()));
    tokens[..offsets[within]].iter().for_each(|token| _ = hasher.update(&token.to_le_bytes()));
    hasher.finalize().to_hex()[..32].to_owned()
}
