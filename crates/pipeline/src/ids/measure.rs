//! Reports on semantic ids: the measures of `semrank-tokens`, with texts of items as examples of what codes mean.
//!
//! Whether near items have near ids is measured twice: near by what texts alone say, which ids from anywhere can be compared
//! in, and near by the aligned vectors that this run's ids are made from.

use super::tree::{self, Branch};
use crate::{Content, Error};
use semrank_core::{ItemId, narrow};
use semrank_data::Dataset;
use semrank_tokens::{
    Codebook, LevelMeasures, Measures, Neighbours, Rows, SemanticIds, Tokenizer, fit, measures,
};
use serde::Serialize;
use std::path::Path;

/// Items of a bucket whose texts are shown.
const TEXTS: usize = 5;
/// Longest text of an item.
const TEXT_WIDTH: usize = 120;

/// A report on the ids of a catalogue.
#[derive(Debug, Clone, Serialize)]
pub struct TokenReport {
    /// Name of the data set.
    pub dataset: String,
    /// Where the ids come from.
    pub ids: String,
    /// Items there are.
    pub items: usize,
    /// Of each level.
    pub levels: Vec<LevelMeasures>,
    /// Share of items with an id of their own.
    pub unique_share: f64,
    /// Share of items that share theirs.
    pub collision_share: f64,
    /// Share of items that share their first 1, 2, … L codes with another.
    pub shared_by_prefix: Vec<f64>,
    /// Different prefixes of length 1, 2, … L.
    pub prefixes: Vec<usize>,
    /// Of the vectors that ids are made from; absent for ids from other programs.
    pub reconstruction_error: Option<f64>,
    /// Whether near items have near ids.
    pub neighbours: Neighbourhoods,
    /// What a codebook does that was fitted without some of the items; only where asked for.
    pub held_back: Option<HeldBack>,
    /// The ids that most items share.
    pub largest: Vec<Bucket>,
    /// The most frequent codes, and below each the most frequent next ones.
    pub examples: Vec<Branch>,
    /// Items of each code, most first, level by level.
    #[serde(skip)]
    pub use_of_codes: Vec<Vec<usize>>,
}

/// Whether near items have near ids, by what is meant with near.
#[derive(Debug, Clone, Serialize)]
pub struct Neighbourhoods {
    /// By the cosine of what texts alone say.
    pub content: Option<Neighbours>,
    /// By the cosine of vectors aligned with behaviour; absent where nothing was aligned, and for ids from other programs.
    pub aligned: Option<Neighbours>,
}

/// Measures of vectors that a codebook was not fitted on: ids that mean nothing would be unique too.
#[derive(Debug, Clone, Serialize)]
pub struct HeldBack {
    /// Items there are.
    pub items: usize,
    /// Share of items with an id of their own.
    pub unique_share: f64,
    /// Share of the variance that ids lose.
    pub reconstruction_error: Option<f64>,
    /// Among the items held back, by the cosine of the vectors that ids are made from.
    pub neighbours: Option<Neighbours>,
}

/// Fits the run's tokenizer again without every `one_in`-th item, and measures those.
///
/// # Errors
/// A damaged codebook; vectors that are not numbers.
pub fn held_back(content: &Content, codebook: &Path, one_in: usize, seed: u64) -> Result<HeldBack, Error> {
    let (codebook, _) = Codebook::open(codebook)?;
    let (vectors, dim) = content.quantised();
    let part = |held: bool| -> Vec<f32> {
        let rows = vectors.chunks_exact(dim).enumerate();
        rows.filter(|(row, _)| (row % one_in == 0) == held).flat_map(|(_, row)| row).copied().collect()
    };
    let (rest, held) = (part(false), part(true));
    let tokenizer = fit(codebook.settings(), &Rows::new(&rest, dim), seed)?;
    let ids = tokenizer.encode(&held)?;
    let found = measures(&ids, Some(&Rows::new(&held, dim)), Some(&tokenizer))?;
    Ok(HeldBack {
        items: found.items,
        unique_share: found.unique_share,
        reconstruction_error: found.reconstruction_error,
        neighbours: found.neighbours,
    })
}

/// Items that share an id.
#[derive(Debug, Clone, Serialize)]
pub struct Bucket {
    /// The codes that they share.
    pub prefix: Vec<u16>,
    /// Items there are.
    pub items: usize,
    /// Of some of them.
    pub texts: Vec<String>,
}

/// The report on a run's own ids; `codebook` is the folder with the frozen codebook.
///
/// # Errors
/// A damaged codebook; vectors that are not numbers.
pub fn of_run(
    dataset: &Dataset,
    content: &Content,
    codebook: &Path,
    ids: &SemanticIds,
) -> Result<TokenReport, Error> {
    let (codebook, _) = Codebook::open(codebook)?;
    let tokenizer: &dyn Tokenizer = codebook.tokenizer();
    let (quantised, dim) = content.quantised();
    let found = measures(ids, Some(&Rows::new(&quantised, dim)), Some(tokenizer))?;
    let neighbours = match content.is_aligned() {
        false => Neighbourhoods { content: found.neighbours.clone(), aligned: None },
        true => Neighbourhoods { content: by_texts(content, ids)?, aligned: found.neighbours.clone() },
    };
    let kind = serde_json::json!(codebook.tokenizer().kind());
    let name = format!("{}, generation {}", kind.as_str().unwrap_or_default(), codebook.generation());
    Ok(report(dataset, ids, name, found, neighbours))
}

/// The report on ids that were made elsewhere; `name` says where.
///
/// # Errors
/// A damaged codebook; vectors that are not numbers.
pub fn of_others(
    dataset: &Dataset,
    content: &Content,
    ids: &SemanticIds,
    name: String,
) -> Result<TokenReport, Error> {
    let (texts, dim) = content.texts();
    let found = measures(ids, Some(&Rows::new(&texts, dim)), None)?;
    let neighbours = Neighbourhoods { content: found.neighbours.clone(), aligned: None };
    Ok(report(dataset, ids, name, found, neighbours))
}

fn by_texts(content: &Content, ids: &SemanticIds) -> Result<Option<Neighbours>, Error> {
    let (texts, dim) = content.texts();
    Ok(measures(ids, Some(&Rows::new(&texts, dim)), None)?.neighbours)
}

fn report(
    dataset: &Dataset,
    ids: &SemanticIds,
    name: String,
    found: Measures,
    neighbours: Neighbourhoods,
) -> TokenReport {
    let text = |row: usize| label(dataset, row);
    let bucket = |bucket: semrank_tokens::Bucket| Bucket {
        prefix: bucket.prefix,
        items: bucket.items,
        texts: bucket.first.into_iter().take(TEXTS).map(text).collect(),
    };
    TokenReport {
        dataset: dataset.meta.name.clone(),
        ids: name,
        items: found.items,
        levels: found.levels,
        unique_share: found.unique_share,
        collision_share: found.collision_share,
        shared_by_prefix: found.shared_by_prefix,
        prefixes: found.prefixes,
        reconstruction_error: found.reconstruction_error,
        neighbours,
        held_back: None,
        largest: found.largest.into_iter().map(bucket).collect(),
        examples: tree::grow(ids, &text),
        use_of_codes: (0..ids.levels()).map(|level| use_of_codes(ids, level)).collect(),
    }
}

/// An item's texts in one line that is not too long; its id where it has none.
fn label(dataset: &Dataset, row: usize) -> String {
    let item = ItemId(narrow::index(row));
    let text = dataset.catalog.label(item);
    match text.chars().count() {
        0 => dataset.catalog.name(item).to_owned(),
        width if width <= TEXT_WIDTH => text,
        _ => text.chars().take(TEXT_WIDTH - 1).chain(['…']).collect(),
    }
}

fn use_of_codes(ids: &SemanticIds, level: usize) -> Vec<usize> {
    let mut counts = vec![0; ids.codes()];
    ids.values().iter().skip(level).step_by(ids.levels()).for_each(|&code| counts[usize::from(code)] += 1);
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}
