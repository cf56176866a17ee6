//! A trained model of clicks, or of clicks and conversions, as a server has it: requests in, calibrated probabilities out. No data set, no
//! examples, no replay.
//!
//! Scoring borrows; what was shown and what came of it changes the features of later requests, behind a lock of its own. The same
//! requests and labels in the same order give the scores of the evaluation (`crates/cli/tests/click_ranking.rs`).

use super::inputs::{Inputs, unit_rows};
use super::model::{CALIBRATION, Calibrations, Response};
use crate::config::Task;
use crate::next_item::EncodedItem;
use crate::stage::Stage;
use crate::{Data, Error, Run};
use semrank_core::{Dictionary, History, ItemId, Kind, UserId, narrow};
use semrank_data::Part;
use semrank_response::{
    ContextCoder, ContextValue, Events, FeatureState, Items, LabelEvent, NO_SLOT, Request, ResponseModel,
    Score,
};
use semrank_store::read_json;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

/// A user whom the model does not know.
const NOBODY: UserId = UserId(u32::MAX);

/// A model that can be asked.
pub struct ClickModel {
    task: Task,
    /// The run, and the hash of its stage `model`.
    run: PathBuf,
    hash: String,
    contexts: ContextCoder,
    advertisers: Dictionary,
    actions: Dictionary,
    /// Kinds of the items of its training rows.
    kinds: Vec<Kind>,
    /// Events of each user, by their number in the log, and moments (ms UTC) that are before its test.
    ends: Vec<usize>,
    test_begins: Option<i64>,
    live: RwLock<Live>,
}

/// The inputs of a run of clicks or conversions.
pub(super) fn click_inputs(run: &mut Run) -> Result<Inputs<'_>, Error> {
    if run.task() == Task::NextItem {
        let (got, expected) = (run.task().name(), Task::Ctr.name());
        return Err(Error::OtherTask { run: run.path().to_owned(), got, expected });
    }
    Inputs::new(run)
}

/// What changes.
pub(super) struct Live {
    /// Changes so far.
    version: u64,
    model: ResponseModel,
    pub(super) state: FeatureState,
    items: Arc<Items>,
    names: Dictionary,
    users: Dictionary,
    /// Users that the state has room for.
    room: usize,
}

/// What a request says beside its user and history.
#[derive(Clone, Copy)]
pub struct Moment<'a> {
    /// Now, in ms UTC.
    pub time: i64,
    /// Dwell times of the history's events in ms, -1 = unknown; empty where none is known.
    pub dwells: &'a [i32],
    /// The value of a context column such as `surface`; none where it is not known.
    pub context: &'a (dyn Fn(&str) -> Option<ContextValue<'a>> + Sync),
}

impl Moment<'_> {
    /// A moment of which nothing else is known.
    pub fn at(time: i64) -> Self {
        Self { time, dwells: &[], context: &|_| None }
    }
}

/// An item that came after training.
#[derive(Clone, Copy)]
pub struct LaterItem<'a> {
    /// Its id.
    pub id: &'a str,
    /// What the click run's own [`Run::item_encoder`] makes of its texts.
    pub content: &'a EncodedItem,
    /// Ad or organic.
    pub kind: Kind,
    /// Its advertiser, if it has one.
    pub advertiser: Option<&'a str>,
}

impl ClickModel {
    /// The model of a finished run of `task=ctr` or `task=oc`, its features as they were just before the first test row.
    ///
    /// # Errors
    /// A run of another task; a stage that is missing, damaged or of something else.
    pub fn open(mut run: Run) -> Result<Self, Error> {
        Self::of(&click_inputs(&mut run)?)
    }

    /// The model of a run with these inputs.
    pub(super) fn of(inputs: &Inputs) -> Result<Self, Error> {
        let hash = inputs.run.check(&Response { inputs, resume: false })?.hash;
        let (data, examples, dir) = (inputs.data, inputs.examples, inputs.run.folder(Response::ID));
        let Calibrations { click, conversion, .. } = read_json(&dir.join(CALIBRATION))?;
        let items = inputs.items().clone();
        let users = examples.user_names.clone();
        let live = Live {
            version: 0,
            model: ResponseModel::load(&dir, items.clone())?.with_calibration(click, conversion),
            state: FeatureState::load(&dir, items.clone())?,
            names: data.dataset.catalog.ids.clone(),
            room: users.len(),
            users,
            items,
        };
        let mut kinds: Vec<Kind> = Vec::new();
        for item in examples.rows(Part::Train).map(|row| examples.items[row]) {
            let kind = data.dataset.catalog.kinds[item.index()];
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(Self {
            task: inputs.config().task,
            run: inputs.path().to_owned(),
            hash,
            contexts: ContextCoder::load(&dir)?,
            advertisers: inputs.advertisers.names.clone(),
            actions: data.dataset.actions.clone(),
            kinds,
            ends: data.scope.ends().to_vec(),
            test_begins: data.scope.chosen_before(),
            live: RwLock::new(live),
        })
    }

    /// Checks that items and actions have the same numbers in a data set.
    ///
    /// # Errors
    /// [`Error::OtherCatalogue`] with the first that differs.
    pub fn check_catalogue(&self, data: &Data) -> Result<(), Error> {
        let (live, dataset) = (self.live(), &data.dataset);
        for (what, ours, theirs) in
            [("item", &live.names, &dataset.catalog.ids), ("action", &self.actions, &dataset.actions)]
        {
            let rows = 0..ours.len().max(theirs.len());
            let differs = rows.map(|row| (row, name(ours, row), name(theirs, row))).find(|(_, a, b)| a != b);
            if let Some((row, ours, theirs)) = differs {
                let [got, expected] = [ours, theirs].map(|name| name.unwrap_or("none").to_owned());
                return Err(Error::OtherCatalogue { run: self.run.clone(), what, row, got, expected });
            }
        }
        Ok(())
    }

    /// Hash of the stage `model` of its run.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Whether it was trained on items of this kind.
    pub fn ranks(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
    }

    /// Whether an event of a user, by its number in the log, is before the model's test.
    pub(crate) fn is_before_test(&self, user: UserId, event: usize, time: i64) -> bool {
        match self.test_begins {
            Some(begins) => time < begins,
            None => self.ends.get(user.index()).is_some_and(|&end| event < end),
        }
    }

    /// The task's own probability: of a click, or of a click and a conversion.
    pub fn probability(&self, score: &Score) -> f64 {
        if self.task == Task::Oc { score.click_and_conversion() } else { score.click() }
    }

    /// The same in log odds.
    pub fn log_odds(&self, score: &Score) -> f64 {
        if self.task != Task::Oc {
            return score.click_log_odds;
        }
        let product = score.click_and_conversion().clamp(1e-12, 1.0 - 1e-12);
        (product / (1.0 - product)).ln()
    }

    /// Scores of items for a user with this history, oldest event first. Users and items that it does not know have defined scores.
    pub fn score(&self, user: (Option<&str>, History), moment: &Moment, items: &[ItemId]) -> Vec<Score> {
        self.score_with_version(user, moment, items).0
    }

    /// The same, with the number of changes that the features had seen: scores of equal numbers are of equal features.
    pub fn score_with_version(
        &self,
        (user_id, history): (Option<&str>, History),
        moment: &Moment,
        items: &[ItemId],
    ) -> (Vec<Score>, u64) {
        let live = self.live();
        let user = user_id.and_then(|id| live.users.get(id)).map_or(NOBODY, UserId);
        let coded = self.coded(&live, moment);
        let request = coded.request((user, history), (moment.time, moment.dwells));
        let requests: Vec<Request> = items.iter().map(|&item| Request { item, ..request }).collect();
        (live.model.predict(&live.state, &requests), live.version)
    }

    /// Changes of the features so far.
    pub fn version(&self) -> u64 {
        self.live().version
    }

    /// An item was shown to a user; its labels will be observed under the number `impression`, none where they never will.
    pub fn shown(&self, user_id: &str, (item, slot): (ItemId, Option<u16>), impression: Option<u64>) {
        let mut live = self.change();
        let user = UserId(live.users.insert(user_id));
        if live.users.len() > live.room {
            live.room = 2 * live.users.len();
            let (room, items) = (live.room, live.items.clone());
            live.state.grow(room, items);
        }
        let slot = slot.unwrap_or(NO_SLOT);
        // Of a request that is shown, features read who, what and where.
        let request =
            Request { user, item, time: 0, slot, events: Events::NONE, contexts: &[], related: &[] };
        live.state.shown(&request, impression);
    }

    /// A label is known. Returns whether it was waited for ([`FeatureState::observe`]).
    pub fn observe(&self, event: LabelEvent) -> bool {
        self.change().state.observe(event)
    }

    /// Labels are known, in this order, and of some impressions none is to come any more. Requests wait once for all.
    pub fn settle(&self, labels: &[LabelEvent], closed: &[u64]) {
        if labels.is_empty() && closed.is_empty() {
            return;
        }
        let mut live = self.change();
        labels.iter().for_each(|label| _ = live.state.observe(*label));
        closed.iter().for_each(|&impression| live.state.forget(impression));
    }

    /// Fits the effects of contents again where it is due ([`FeatureState::refresh`]); requests wait meanwhile. To be called now and then,
    /// before every request where scores are to be those of an evaluation.
    pub fn refresh(&self) {
        if self.live().state.is_due() {
            self.change().state.refresh();
        }
    }

    /// Forgets users: their names, counts and pasts. Sums over many users stay.
    pub fn forget_users(&self, is_forgotten: impl Fn(&str) -> bool) {
        let mut live = self.change();
        let Live { users, state, .. } = &mut *live;
        let found: Vec<u32> =
            (0..).zip(users.names()).filter(|(_, name)| is_forgotten(name)).map(|(row, _)| row).collect();
        if found.is_empty() {
            return;
        }
        found.iter().for_each(|&user| state.forget_user(UserId(user)));
        // No id has a control character, so nobody is found under this name.
        let kept = |(row, name): (u32, &str)| match found.binary_search(&row) {
            Ok(_) => format!("\u{1}{row}"),
            Err(_) => name.to_owned(),
        };
        *users = (0..).zip(users.names()).map(kept).collect();
    }

    /// Takes in the next items, in the order of their rows in a funnel. It copies the table of items: several at once cost as much as one.
    ///
    /// # Errors
    /// [`Error::Field`] for an item whose content is of another width; then nothing has changed.
    pub(crate) fn put(&self, later: &[LaterItem]) -> Result<(), Error> {
        let mut live = self.change();
        let mut items = Items::clone(&live.items);
        let width = items.content.len().checked_div(items.len()).unwrap_or(0);
        for item in later {
            if item.content.content.len() != width
                || item.content.content.iter().any(|value| !value.is_finite())
            {
                let (item, column) = (item.id.to_owned(), "content".to_owned());
                return Err(Error::Field {
                    item,
                    column,
                    expected: "what the click run's encoder makes of its texts",
                });
            }
            items.content.extend(unit_rows(item.content.content.clone(), width));
            if !items.advertisers.is_empty() {
                let advertiser = item.advertiser.and_then(|name| self.advertisers.get(name));
                items.advertisers.push(advertiser.unwrap_or(u32::MAX));
            }
            items.prefixes.iter_mut().for_each(|prefixes| prefixes.push(&item.content.codes));
            items.kinds.push(item.kind);
            items.known.push(false);
        }
        let items = Arc::new(items);
        let (room, live) = (live.room, &mut *live);
        live.state.grow(room, items.clone());
        live.model.set_items(items.clone());
        live.items = items;
        later.iter().for_each(|item| _ = live.names.insert(item.id));
        Ok(())
    }

    /// Number of items that it knows.
    pub fn items(&self) -> usize {
        self.live().items.len()
    }

    fn live(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn change(&self) -> RwLockWriteGuard<'_, Live> {
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        live.version += 1;
        live
    }

    fn coded(&self, live: &Live, moment: &Moment) -> Coded {
        let Self { contexts, .. } = self;
        Coded {
            contexts: contexts.codes(moment.time, moment.context),
            related: contexts.related(&live.names, moment.context),
        }
    }
}

/// The name of a row, if there is one.
fn name(names: &Dictionary, row: usize) -> Option<&str> {
    (row < names.len()).then(|| names.name(narrow::index(row)))
}

/// A moment's context as training numbered it.
struct Coded {
    contexts: Vec<u16>,
    related: Vec<u32>,
}

impl Coded {
    /// A request for item 0.
    fn request<'r>(
        &'r self,
        (user, history): (UserId, History<'r>),
        (time, dwells): (i64, &'r [i32]),
    ) -> Request<'r> {
        let events = Events { history, dwells, ..Events::NONE };
        let Self { contexts, related } = self;
        Request { user, item: ItemId(0), time, slot: NO_SLOT, events, contexts, related }
    }
}
