//! The model and every baseline, ranked on the same cases among all items.

use super::view::ModelView;
use crate::data::{Data, Part};
use crate::{Context, Error};
use semrank_core::{Segment, counted, plural};
use semrank_data::SplitKind;
use semrank_measure::{
    baselines::{Markov, Popularity, SimilarText},
    ranking::{
        Interval, Protocol, RankOptions, ResultRow, Scorer, SummaryIntervals, ndcg_difference, rank,
        summary_intervals,
    },
};
use semrank_sequence::{Blend, ContentAlone, SeenPolicy, Servable, artefact::Trained};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Days of the baseline `recent_popularity`.
const RECENT_DAYS: u32 = 7;
/// Seed of the bootstrap; fixed, so that the intervals belong to the figures.
const BOOTSTRAP_SEED: u64 = 1;

/// Cases below which figures say little: with 200, the 95 % interval of a recall of .1 is .04 wide on either side.
const ENOUGH_CASES: usize = 200;

/// What an evaluation found; holds no times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// The data set's name.
    pub dataset: String,
    /// `test` or `validation`.
    pub split: String,
    /// Cases, one per user.
    pub users: usize,
    /// Items of the catalogue: every one is ranked.
    pub items: usize,
    /// Model, then baselines; strict, then filtered.
    pub rows: Vec<ResultRow>,
    /// How the data set was divided.
    pub split_by: SplitKind,
    /// Targets without a history, which are not cases.
    pub without_history: usize,
    /// What the model does about items of the history, chosen on validation.
    pub seen_policy: SeenPolicy,
    /// All that was chosen on validation.
    pub blend: Blend,
    /// How far the model's figures are from those of all users that there could be; nothing where there is a single one.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub intervals: Vec<ModelIntervals>,
    /// Strict NDCG@10 of the model less that of each baseline, with 95 % intervals.
    pub differences: Vec<Difference>,
    /// What the figures mean.
    pub protocol: Vec<String>,
    /// What a reader of the figures has to know before.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub warnings: Vec<String>,
}

/// 95 % intervals of the model's figures under one protocol.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelIntervals {
    /// What happened to items of the history.
    pub protocol: Protocol,
    /// The intervals.
    #[serde(flatten)]
    pub of: SummaryIntervals,
}

/// The model against one baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// The baseline.
    pub baseline: String,
    /// NDCG@10 of the model less that of the baseline; none for a single user.
    #[serde(rename = "ndcg@10")]
    pub ndcg_10: Option<Interval>,
    /// The same over the targets of each segment that has more than one.
    pub segments: BTreeMap<String, Interval>,
}

impl Evaluation {
    /// The rows under a protocol, the model first.
    pub fn rows_of(&self, protocol: Protocol) -> impl Iterator<Item = &ResultRow> {
        self.rows.iter().filter(move |row| row.protocol == protocol)
    }
}

/// Ranks the cases of a part with the model and with every baseline.
///
/// # Errors
/// Scores that are not numbers; an interruption.
pub fn evaluate(
    view: ModelView,
    servable: &Servable,
    part: Part,
    context: &Context,
) -> Result<Evaluation, Error> {
    let ModelView { data, config, .. } = view;
    let segments = data.segments();
    let mut table =
        Table { data, part, context, segments, rows: Vec::new(), intervals: Vec::new(), ranks: Vec::new() };
    let (model, similar) = (servable.model(), servable.similar());
    let mask_seen = model.facts.masks_seen_in_training;
    table.add(servable)?;
    let (dataset, scope) = (&data.dataset, &data.scope);
    table.add(&Popularity::fit(scope))?;
    if let Some(recent) = Popularity::recent(dataset, scope, RECENT_DAYS) {
        table.add(&recent)?;
    }
    table.add(&Markov::fit(dataset, scope))?;
    if data.has_text() {
        table.add(&SimilarText::fit(dataset, scope, &config.features, mask_seen))?;
    }
    if !similar.is_empty() {
        table.add(&ContentAlone { similar, mask_seen })?;
    }
    Ok(table.finish(model))
}

/// Rows in the making.
struct Table<'a> {
    data: &'a Data,
    part: Part,
    context: &'a Context<'a>,
    segments: Vec<Segment>,
    rows: Vec<ResultRow>,
    /// Of the scorer that was added first.
    intervals: Vec<ModelIntervals>,
    /// Strict ranks of every scorer, in the order in which they were added.
    ranks: Vec<(String, Vec<u32>)>,
}

impl Table<'_> {
    fn add(&mut self, scorer: &dyn Scorer) -> Result<(), Error> {
        self.context.check()?;
        self.context.note(&format!("evaluate: {}", scorer.name()));
        let (dataset, cases) = (&self.data.dataset, self.part.cases(self.data));
        let ranking = rank(scorer, &dataset.events, dataset.catalog.len(), cases, RankOptions::default())?;
        for protocol in Protocol::ALL {
            let ranks = &ranking.of(protocol).ranks;
            self.rows.push(ResultRow::new(scorer.name(), protocol, ranks, cases, &self.segments));
            if self.ranks.is_empty() {
                let found = summary_intervals(ranks, BOOTSTRAP_SEED);
                self.intervals.extend(found.map(|of| ModelIntervals { protocol, of }));
            }
        }
        self.ranks.push((scorer.name().to_owned(), ranking.strict.ranks));
        Ok(())
    }

    fn finish(mut self, model: &Trained) -> Evaluation {
        // Stable: the model stays first under each protocol.
        self.rows.sort_by_key(|row| row.protocol);
        let difference = |(name, ranks): &(String, Vec<u32>)| Difference {
            baseline: name.clone(),
            ndcg_10: ndcg_difference(&self.ranks[0].1, ranks, BOOTSTRAP_SEED),
            segments: self.segment_differences(ranks),
        };
        let without_history = match self.part {
            Part::Test => self.data.split.without_history.test,
            Part::Validation => self.data.split.without_history.validation,
        };
        Evaluation {
            dataset: self.data.dataset.meta.name.clone(),
            split: self.part.name().into(),
            users: self.part.cases(self.data).len(),
            items: self.data.dataset.catalog.len(),
            split_by: self.data.split.kind,
            without_history,
            seen_policy: model.facts.blend.seen,
            blend: model.facts.blend,
            differences: self.ranks[1..].iter().map(difference).collect(),
            protocol: protocol(self.part),
            warnings: self.warnings(),
            intervals: self.intervals,
            rows: self.rows,
        }
    }
}

impl Table<'_> {
    /// Few cases are said to be few; where another split has more, it is named.
    fn warnings(&self) -> Vec<String> {
        let (data, cases) = (self.data, self.part.cases(self.data).len());
        if cases >= ENOUGH_CASES {
            return Vec::new();
        }
        let mut out = vec![format!(
            "only {cases} {} {} of {}: small differences between models are mostly chance",
            self.part.name(),
            plural(cases, "case", "cases"),
            counted(data.dataset.users.len(), "user", "users")
        )];
        let others = data.cases_of(self.part, SplitKind::LeaveOneOut).unwrap_or(0);
        if data.split.kind == SplitKind::Time && others > 2 * cases {
            out.push(format!(
                "the time split leaves most users out: --set data.split=leave-one-out has {}",
                counted(others, "case", "cases")
            ));
        }
        out
    }

    fn segment_differences(&self, ranks: &[u32]) -> BTreeMap<String, Interval> {
        let cases = self.part.cases(self.data);
        let mut out = BTreeMap::new();
        for segment in Segment::ALL {
            let of = |ranks: &[u32]| -> Vec<u32> {
                let pairs = cases.iter().zip(ranks);
                pairs
                    .filter(|(case, _)| self.segments[case.target.index()] == segment)
                    .map(|(_, &rank)| rank)
                    .collect()
            };
            let (model, baseline) = (of(&self.ranks[0].1), of(ranks));
            let found = ndcg_difference(&model, &baseline, BOOTSTRAP_SEED);
            out.extend(found.map(|interval| (segment.name().to_owned(), interval)));
        }
        out
    }
}

fn protocol(part: Part) -> Vec<String> {
    let mut notes = vec![
        "all items are ranked, one target per user; ties rank pessimistically".to_owned(),
        "strict: the evaluator removes nothing; filtered: items of the history other than the target are removed".into(),
    ];
    if part == Part::Validation {
        notes.push("epoch and blend were chosen on these cases: the model's metrics are optimistic".into());
    }
    notes
}
