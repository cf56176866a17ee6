//! A click or conversion model behind the first stage, as it is served: it scores what the funnel finds and learns of what the log says.

use crate::feedback::{Feedback, value};
use crate::messages::Ranked;
use crate::ranker::{Found, Now};
use crate::{Event, Problem, ServiceSettings};
use semrank_pipeline::next_item::ItemEncoder;
use semrank_pipeline::ranking::{ClickFollower, ClickRanking, Depth, Ranked as Scored};
use semrank_pipeline::response::{Beginning, ClickModel, Coming, DAY_MS, Moment};
use semrank_pipeline::retrieval::{Ask, Catalogue, Retrieval};
use semrank_pipeline::{Context, Error, Run};
use semrank_response::ContextValue;
use semrank_retrieve::{Funnel, SourceReport};
use std::sync::Arc;

/// Candidates of a request without its own that the click model scores.
const CANDIDATES: usize = 1_000;

/// The model and its feedback.
pub(crate) struct Clicks {
    pub(crate) ranking: Arc<ClickRanking>,
    pub(crate) feedback: Feedback,
}

/// What is read of a click run.
pub(crate) struct Read {
    pub(crate) model: ClickModel,
    coming: Coming,
    encoder: ItemEncoder,
    late_ms: i64,
}

impl Read {
    /// The moment before which histories end; none where they have everything.
    pub(crate) fn until(&self, from: Beginning) -> Option<i64> {
        (from == Beginning::Test).then_some(self.coming.begins)
    }
}

impl Clicks {
    /// Reads a click run.
    ///
    /// # Errors
    /// Those of [`ClickModel::open_at`] and [`Run::item_encoder`].
    pub(crate) fn read(run: Run, settings: &ServiceSettings, context: &Context) -> Result<Read, Error> {
        let (encoder, late_ms) = (run.item_encoder()?, i64::from(settings.late_days) * DAY_MS);
        let (model, coming) = ClickModel::open_at(run, (settings.beginning, late_ms), context)?;
        Ok(Read { model, coming, encoder, late_ms })
    }

    /// Puts a click model behind a catalogue.
    ///
    /// # Errors
    /// Those of [`ClickRanking::open`].
    pub(crate) fn open(read: Read, catalogue: &mut Catalogue) -> Result<Self, Error> {
        let Read { model, coming, encoder, late_ms } = read;
        let ranking = Arc::new(ClickRanking::open(catalogue.run(), catalogue.retrieval(), model)?);
        catalogue.follow(Box::new(ClickFollower::new(ranking.clone(), encoder)));
        let feedback = {
            let live = catalogue.retrieval().live();
            Feedback::new(ranking.clone(), (coming, late_ms), |item| live.names.name(item.0).to_owned())
        };
        Ok(Self { ranking, feedback })
    }

    /// Takes in an event; returns whether it was read.
    pub(crate) fn event(&self, event: &Event, catalogue: &Catalogue) -> bool {
        self.feedback.event(event, || catalogue.retrieval().live().names.get(&event.item_id))
    }

    /// Ranks by the click model.
    pub(crate) fn ranked(
        &self,
        retrieval: &Retrieval,
        ask: &Ask,
        (Now { request, ms, events, .. }, funnels): (Now, &[&Funnel]),
        k: usize,
    ) -> Result<Found, Problem> {
        let context = |column: &str| match column {
            "surface" => request.surface.as_deref().map(ContextValue::Text),
            _ => value(request.context.as_ref()?.get(column)?),
        };
        let moment = Moment { time: ms.unwrap_or_default(), dwells: &events.dwells, context: &context };
        let (mut pages, given) = match &request.candidates {
            Some(items) => (vec![self.ranking.rank_these(retrieval, (ask, &moment), items, k)?], items.len()),
            None => {
                let depth = Depth { candidates: CANDIDATES, k };
                let pages = self.ranking.rank_arms(retrieval, (ask, &moment), funnels, depth)?;
                let scored = pages[0].scored;
                (pages, scored)
            }
        };
        let ranked = |one: Scored| Ranked {
            item: one.item,
            score: one.log_odds as f32,
            probability: Some(one.probability),
            conversion: one.conversion,
            propensity: None,
            sources: one.sources,
        };
        let is_unsure =
            pages.len() > 1 && pages.iter().flat_map(|page| &page.sources).any(SourceReport::has_failed);
        let others = pages.split_off(1);
        let page = pages.swap_remove(0);
        Ok(Found {
            left_out: given - page.scored,
            items: page.items.into_iter().map(ranked).collect(),
            sources: page.sources,
            version: page.version,
            is_unsure,
            others: others.into_iter().map(|page| page.items.into_iter().map(ranked).collect()).collect(),
            ..Found::default()
        })
    }
}
