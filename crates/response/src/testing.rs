//! Helpers of tests and benches: made-up items, a training, and a server that receives a log row by row.

use crate::{
    Contexts, Events, FeatureState, Goal, Items, Known, LabelEvent, NO_SLOT, PointwiseSettings,
    PointwiseTask, Request, labels_of,
};
use semrank_core::{ActionId, Catalog, Dictionary, History, ItemId, Kind, Rng};
use semrank_data::{Dataset, Examples, FitScope, Labels, Part};
use semrank_tower::{ModelSettings, TrainSettings};
use std::ops::Range;
use std::sync::Arc;

/// The names `i0`, `i1` … for the prefix `i`.
pub fn names(prefix: &str, count: usize) -> Dictionary {
    (0..count).map(|at| format!("{prefix}{at}")).collect()
}

/// A catalogue of items of these kinds that are always active.
pub fn catalog(kinds: Vec<Kind>) -> Catalog {
    let items = kinds.len();
    let (active_from, active_to) = (vec![i64::MIN; items], vec![i64::MAX; items]);
    Catalog { ids: names("i", items), kinds, active_from, active_to, ..Catalog::default() }
}

/// Random vectors of length 1, `[items x width]`.
pub fn contents(items: usize, width: usize, rng: &mut Rng) -> Vec<f32> {
    let mut out: Vec<f32> = (0..items * width).map(|_| rng.normal() as f32).collect();
    for vector in out.chunks_exact_mut(width.max(1)) {
        let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt();
        vector.iter_mut().for_each(|x| *x /= length);
    }
    out
}

/// What `run` makes of the task of learning clicks and conversions.
pub fn with_task<R>(
    (dataset, examples, items): (&Dataset, &Examples, &Arc<Items>),
    (settings, train): (&PointwiseSettings, &TrainSettings),
    seed: u64,
    run: impl FnOnce(&PointwiseTask) -> R,
) -> R {
    run(&PointwiseTask {
        dataset,
        examples,
        scope: &FitScope::of_examples(dataset, examples),
        items,
        contexts: &Contexts::new(examples, &dataset.catalog, settings),
        model: &ModelSettings::default(),
        train,
        settings,
        goal: Goal::Oc,
        seed,
    })
}

/// What a server remembers of a user, event by event.
#[derive(Default, Clone)]
struct Memory {
    items: Vec<ItemId>,
    actions: Vec<ActionId>,
    times: Vec<i64>,
    dwells: Vec<i32>,
}

impl Memory {
    fn push(&mut self, dataset: &Dataset, at: usize) {
        let event = dataset.events.event(at);
        self.items.push(event.item);
        self.actions.push(event.action);
        self.times.push(event.time);
        self.dwells.push(dataset.events.dwells().get(at).copied().unwrap_or(-1));
    }

    fn events(&self) -> Events<'_> {
        let history = History { items: &self.items, actions: &self.actions, times: &self.times };
        Events { history, dwells: &self.dwells, ..Events::NONE }
    }
}

/// Gives a state rows and all labels one by one in time order, as a server would receive them. `each` sees every request before
/// it is shown. Labels that were known before the first row were observed before. Returns how many were observed.
pub fn serve(
    (dataset, examples): (&Dataset, &Examples),
    contexts: &Contexts,
    state: &mut FeatureState,
    (rows, known): (Range<usize>, Known),
    mut each: impl FnMut(usize, &FeatureState, &Request),
) -> usize {
    let labels = Labels::new(dataset, examples);
    let fitted = examples.parts.iter().filter(|&&part| part != Part::Test).count();
    let is_observed = |row: &usize| known == Known::Past || examples.parts[*row] != Part::Test;
    let start = if rows.start == 0 { i64::MIN } else { examples.times[rows.start] };
    let all = (0..examples.len().min(rows.end)).filter(is_observed).flat_map(|row| labels_of(&labels, row));
    let mut coming: Vec<_> = all.filter(|label| label.0 >= start).collect();
    coming.sort_by_key(|&(known, row, order, _)| (known, row, order));
    let mut coming = coming.into_iter().peekable();
    let (mut users, mut observed) = (vec![Memory::default(); examples.user_names.len()], 0);
    for row in rows.clone() {
        while let Some((_, of, _, label)) = coming.next_if(|label| label.0 < examples.times[row]) {
            let is_new = state.observe(LabelEvent { impression: of as u64, label });
            assert!(is_new, "label {label:?} of row {of}");
            observed += 1;
        }
        // The moment at which validation labels come into the features of a run.
        if row == fitted && rows.start < fitted {
            state.look(true);
        } else {
            state.refresh();
        }
        let user = examples.users[row];
        let first = if user.index() < dataset.events.users() { dataset.events.range(user).start } else { 0 };
        let memory = &mut users[user.index()];
        for event in memory.items.len()..examples.history_ends[row] as usize {
            memory.push(dataset, first + event);
        }
        let request = Request {
            user,
            item: examples.items[row],
            time: examples.times[row],
            slot: examples.slots.get(row).copied().unwrap_or(NO_SLOT),
            events: memory.events(),
            contexts: contexts.codes(row),
            related: contexts.related(row),
        };
        each(row, state, &request);
        state.shown(&request, is_observed(&row).then_some(row as u64));
    }
    observed
}
