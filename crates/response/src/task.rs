//! What a ranking model is trained on, and the fresh network that follows from it.

use super::contexts::Contexts;
use super::items::Items;
use super::network::{HeadColumns, PointwiseNetwork, PointwiseShape, Sizes};
use super::rows::RowData;
use super::settings::{Hazard, PointwiseSettings};
use semrank_data::{Dataset, Examples, FitScope, Part};
use semrank_tower::{Delay, ModelSettings, TrainSettings};
use std::sync::Arc;

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Goal {
    /// Clicks.
    Ctr,
    /// Clicks, and conversions given a click.
    Oc,
}

/// What is to be trained.
#[derive(Debug, Clone, Copy)]
pub struct PointwiseTask<'a> {
    /// Histories and items.
    pub dataset: &'a Dataset,
    /// Rows with labels.
    pub examples: &'a Examples,
    /// What may be fitted.
    pub scope: &'a FitScope,
    /// What is known of items.
    pub items: &'a Arc<Items>,
    /// What is known of rows.
    pub contexts: &'a Contexts,
    /// Length of histories, which rows items have.
    pub model: &'a ModelSettings,
    /// `delay` and `stream`.
    pub train: &'a TrainSettings,
    /// The rest.
    pub settings: &'a PointwiseSettings,
    /// What is predicted.
    pub goal: Goal,
    /// Of every random choice.
    pub seed: u64,
}

/// Log-odds that conversion heads start at: 5 % of clicks.
const CONVERSION_START: f64 = -3.0;
/// And the two heads of late conversions: few are late, most negatives are real.
const LATE_START: [f64; 2] = [-3.0, 3.0];

pub(super) fn shape(
    task: &PointwiseTask,
    data: &RowData,
    features: usize,
    (conversions, hazards): (bool, usize),
) -> PointwiseShape {
    let examples = task.examples;
    PointwiseShape {
        items: task.dataset.catalog.len(),
        content: task.items.width(),
        advertisers: task.items.advertiser_count(),
        actions: task.dataset.actions.len(),
        features,
        contexts: task.contexts.coder.small.iter().map(|column| column.values).collect(),
        related: task.contexts.coder.related.len(),
        slots: usize::from(data.slots) + 1,
        conversions,
        dwell: examples.rows(Part::Train).any(|row| examples.dwell_ms.get(row).is_some_and(|&ms| ms >= 0)),
        hazards,
    }
}

/// The sizes that the settings ask for.
fn sizes(task: &PointwiseTask, shape: &PointwiseShape) -> Sizes {
    let (model, settings) = (task.model, task.settings);
    Sizes {
        dim: settings.dim,
        heads: settings.heads,
        hidden: [settings.hidden, settings.hidden_2],
        context: settings.context,
        id_rows: model.id_rows,
        ids: model.ids,
        content: model.content,
        weibull: shape.conversions
            && task.train.delay == Delay::DelayModel
            && settings.hazard == Hazard::Weibull,
    }
}

/// A fresh network.
pub(super) fn network(task: &PointwiseTask, shape: PointwiseShape) -> PointwiseNetwork<f32> {
    let sizes = sizes(task, &shape);
    let mut network = PointwiseNetwork::new(shape, sizes, task.items.prefixes.as_ref(), task.seed);
    if let Some(conversion) = network.columns.conversion {
        network.set_bias(conversion, CONVERSION_START);
        network.set_bias(conversion + 1, LATE_START[0]);
        network.set_bias(conversion + 2, LATE_START[1]);
        // Together the stretches begin at the same rate.
        for stretch in 0..network.columns.hazards {
            let column = HeadColumns::hazard(conversion, stretch as u8);
            network.set_bias(column, -(network.columns.hazards as f64).ln());
        }
    }
    network
}

/// Share of the training rows in each slot.
pub(super) fn slot_shares(data: &RowData, slots: usize) -> Vec<f64> {
    let mut counts = vec![0.0; slots];
    let rows = data.examples.rows(Part::Train);
    rows.for_each(|row| counts[data.slot(row) as usize] += 1.0);
    let all: f64 = counts.iter().sum();
    counts.iter().map(|count| count / all.max(1.0)).collect()
}
