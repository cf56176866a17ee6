//! A log played again: every ranking in it is made once more from what came before, and compared with what was served.

use crate::RankRequest;
use crate::experiments::{Place, Placed, UsedDefinition, place_of, used_definitions};
use crate::explore::Explore;
use crate::log::Log;
use crate::ranker::{Found, Now, Ranker};
use crate::record::Answer;
use crate::service::WITHOUT_SOURCES;
use crate::settings::{OpenError, ServiceSettings};
use crate::walk::walk;
use semrank_experiment::definition::Definition;
use semrank_pipeline::{Context, Run};
use serde::Serialize;
use std::path::Path;

/// Ids of answers that differ, at most.
const MOST_NAMED: usize = 20;

/// What a replay found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Replayed {
    /// Events of the log.
    pub events: usize,
    /// Rankings of this model.
    pub answers: usize,
    /// Those that are the same, item by item and bit by bit.
    pub equal: usize,
    /// Rankings that cannot be made again: of another model, or made while items changed or a source failed.
    pub left_out: usize,
    /// Requests whose ranking is another one now, the first of them.
    pub different: Vec<String>,
}

/// Plays the log of a service again.
///
/// # Errors
/// As for [`Service::open`](crate::Service::open); state that a server is using.
pub fn replay(run: Run, settings: &ServiceSettings, context: &Context) -> Result<Replayed, OpenError> {
    let model = run.model_hash()?.to_owned();
    let log = Log::existing(&settings.log, settings.journal)?;
    let mut settings = settings.clone();
    settings.experiments = definitions(&settings.state)?;
    let settings = &settings;
    let ranker = Ranker::open_before(run, settings, context)?;
    let mut out = Replayed::default();
    let walked = walk((&ranker, &log), settings.remembered_ids, |answer| {
        compare(&ranker, (&model, &settings.experiments), answer, &mut out, context)
    })?;
    out.events = walked.events;
    out.left_out += walked.left_out;
    Ok(out)
}

/// The definitions that servers of a state have used, each once.
fn definitions(state: &Path) -> Result<Vec<Definition>, OpenError> {
    let mut out: Vec<Definition> = Vec::new();
    for UsedDefinition { definition, .. } in used_definitions(state)? {
        if !out.contains(&definition) {
            out.push(definition);
        }
    }
    Ok(out)
}

fn compare(
    ranker: &Ranker,
    (model, definitions): (&str, &[Definition]),
    answer: &Answer,
    out: &mut Replayed,
    context: &Context,
) -> Result<(), OpenError> {
    // Also before one that cannot be compared: it moved the clock of the labels.
    ranker.advance(answer.known_before);
    let is_late = answer.degraded.iter().any(|what| what == WITHOUT_SOURCES);
    let request = serde_json::from_value::<RankRequest>(answer.request.clone());
    let clicks = ranker.clicks.as_ref().map(|clicks| clicks.ranking.clicks().hash());
    let is_same = answer.run == model && answer.clicks.as_deref() == clicks;
    let comparable = is_same && answer.is_exact && answer.degraded.len() == usize::from(is_late);
    let place = answer.test.as_ref().map(|placed| place_of(definitions, placed, &answer.request_id));
    // A list that was to be mixed and lacked a source was not.
    let is_unsure = |test: &Placed| test.would_differ.is_none();
    let unmixed = |place: &Option<Place>| place.as_ref().is_some_and(|place| place.draft.is_some());
    let comparable =
        comparable && !(answer.test.as_ref().is_some_and(is_unsure) && place.as_ref().is_some_and(unmixed));
    let comparable = comparable
        && place.as_ref().is_none_or(|place| place.as_ref().is_some_and(|one| ranker.has_test(one)));
    let place = place.flatten();
    let (Ok(request), Some(items_as_of), true) = (request, answer.items_as_of, comparable) else {
        out.left_out += 1;
        return Ok(());
    };
    ranker.catalogue.advance(items_as_of, context)?;
    if ranker.catalogue.as_of() != Some(items_as_of) {
        out.left_out += 1;
        return Ok(());
    }
    out.answers += 1;
    let events = ranker.events_of(request.user.as_deref());
    let explore = answer
        .explored
        .as_ref()
        .map(|explored| Explore { policy: explored.policy, request_id: &answer.request_id });
    let place = place.as_ref();
    let now = Now { request: &request, ms: answer.now, events: &events, is_late, place, explore };
    let found = ranker.ranked(now);
    let would_differ = found.as_ref().ok().and_then(|found| found.would_differ(place));
    let Found { items, explored, .. } = found.unwrap_or_default();
    let differed = answer.test.as_ref().and_then(|test| test.would_differ);
    let same = differed.is_none_or(|differed| would_differ.is_none_or(|now| now == differed))
        && explored == answer.explored
        && items.len() == answer.items.len()
        && items
            .iter()
            .zip(&answer.items)
            .all(|(now, then)| now.item == then.item && now.score.to_bits() == then.score.to_bits());
    if same {
        out.equal += 1;
    } else if out.different.len() < MOST_NAMED {
        out.different.push(answer.request_id.clone());
    }
    Ok(())
}
