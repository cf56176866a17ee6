//! What other policies would have earned, from the log of a server that explored: its lists, what came of them, and how another run would
//! have ordered the same items at the same moments.
//!
//! A reward belongs to the list whose `request_id` it names, itself or by the impression that its `parent_event_id` names, and to the
//! slot of its item; a slot has one at most. Lists of tests, and slots that are never drawn, say nothing and are not counted.

use crate::log::Log;
use crate::ranker::{Now, Ranker};
use crate::record::{Answer, Record};
use crate::settings::{OpenError, ServiceSettings};
use crate::walk::walk;
use crate::{Event, RankRequest};
use semrank_experiment::policy_value::{LoggedList, PolicyValue, Target, Value, policy_value};
use semrank_pipeline::{Context, Run};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::{Display, Formatter};

/// What is estimated.
#[derive(Debug, Clone, PartialEq)]
pub struct OffPolicySettings {
    /// The action that is a reward, such as `click`.
    pub reward: String,
    /// Only lists that were drawn, with their probabilities given that; otherwise all, with those of the whole mixture.
    pub only_drawn: bool,
    /// Milliseconds after a list within which a reward counts; lists that are younger are left out.
    pub within_ms: Option<i64>,
    /// Temperatures of further policies, by the scores of the log.
    pub temperatures: Vec<f64>,
}

/// What policies would have earned.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OffPolicyReport {
    /// The action that is a reward.
    pub reward: String,
    /// Whether only lists that were drawn are counted.
    pub only_drawn: bool,
    /// Lists.
    pub lists: usize,
    /// Lists among them that were drawn.
    pub drawn: usize,
    /// Slots with a reward.
    pub rewarded: usize,
    /// Rewards of the log that belong to no drawn slot of these lists.
    pub elsewhere: usize,
    /// Lists that are too young, repeated, or of which the other run could show nothing.
    pub left_out: usize,
    /// Share of the other run's own first items that the log could have shown: where it is low, the run would earn something else than
    /// what is estimated, which is what it makes of the log's items.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_pool: Option<f64>,
    /// What the log earned itself, then the others.
    pub policies: Vec<PolicyValue>,
}

/// Why there is no estimate.
#[derive(Debug, thiserror::Error)]
pub enum OffPolicyError {
    /// The log or the run.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// Too few lists, or a temperature that is not above 0.
    #[error("the log of `semrank serve --explore` gives no estimate: {0}")]
    Statistics(#[from] semrank_experiment::Error),
}

/// Estimates what policies would have earned: those of the log and, where one is named, what `run` makes of the log's items. The click run
/// of `settings` belongs to it.
///
/// # Errors
/// State that a server is using or that cannot be read; a run that cannot be opened; too few lists; a temperature that is not above 0.
pub fn off_policy(
    run: Option<Run>,
    settings: &ServiceSettings,
    asked: &OffPolicySettings,
    context: &Context,
) -> Result<OffPolicyReport, OffPolicyError> {
    if let Some(&got) = asked.temperatures.iter().find(|&&one| !(one > 0.0 && one.is_finite())) {
        let what = "the temperature of a policy";
        return Err(semrank_experiment::Error::OutOfRange { what, got, expected: "a number above 0" }.into());
    }
    let log = Log::existing(&settings.log, settings.journal).map_err(OpenError::from)?;
    let mut found = Collected::of(&log, asked)?;
    let name =
        run.as_ref().and_then(|run| run.path().file_name().map(|name| name.to_string_lossy().into_owned()));
    let other = match run {
        Some(run) => Some(Ordered::by(run, (&log, settings), &found, context)?),
        None => None,
    };
    if let Some(other) = &other {
        let before = found.lists.len();
        found.lists.retain(|(id, _)| other.scores.contains_key(id));
        found.left_out += before - found.lists.len();
    }
    let lists: Vec<LoggedList> = found.lists.iter().map(|(_, list)| list.clone()).collect();
    let value = |name: &str, target: &dyn Fn(&str, &LoggedList) -> Target| {
        let targets: Vec<Target> = found.lists.iter().map(|(id, list)| target(id, list)).collect();
        policy_value(name, &lists, &targets, asked.only_drawn)
    };
    let mut policies = vec![
        value("the log", &|_, _| Target::Logged)?,
        value("best first", &|_, list| Target::Best(list.scores.clone()))?,
    ];
    for &temperature in &asked.temperatures {
        let softmax = |_: &str, list: &LoggedList| Target::Softmax(list.scores.clone(), temperature);
        policies.push(value(&format!("softmax at {temperature}"), &softmax)?);
    }
    if let Some(other) = &other {
        let best = |id: &str, _: &LoggedList| Target::Best(other.scores[id].clone());
        policies.push(value(&format!("{} best first", name.as_deref().unwrap_or("the run")), &best)?);
    }
    Ok(OffPolicyReport {
        reward: asked.reward.clone(),
        only_drawn: asked.only_drawn,
        lists: lists.len(),
        drawn: found
            .lists
            .iter()
            .filter(|(id, _)| found.drawn.get(id).is_some_and(|&(drawn, _)| drawn))
            .count(),
        rewarded: lists.iter().flat_map(|list| &list.rewards).filter(|&&reward| reward > 0.0).count(),
        elsewhere: found.elsewhere,
        left_out: found.left_out,
        in_pool: other.map(|other| other.in_pool),
        policies,
    })
}

/// The lists of a log with their rewards, in its order.
#[derive(Default)]
struct Collected {
    lists: Vec<(String, LoggedList)>,
    /// Of each list, whether it was drawn, and the records that it saw: a request that is repeated may have been answered with another list.
    drawn: HashMap<String, (bool, u64)>,
    elsewhere: usize,
    left_out: usize,
}

/// A reward that waits for its list.
struct Reward {
    request_id: String,
    user: String,
    item: String,
    time: i64,
}

impl Collected {
    fn of(log: &Log, asked: &OffPolicySettings) -> Result<Self, OpenError> {
        let (mut answers, mut known) = (Vec::new(), HashMap::new());
        let (mut rewards, mut shown): (Vec<Event>, HashMap<String, String>) = Default::default();
        let (mut newest, mut out) = (i64::MIN, Self::default());
        log.for_each(|_, record| {
            match record {
                Record::Answer(answer) => {
                    newest = newest.max(moment(&answer));
                    if answer.explored.as_ref().is_some_and(|one| one.drawn || !asked.only_drawn) {
                        // Of a request that was repeated, the first list counts.
                        out.left_out += usize::from(known.contains_key(&answer.request_id));
                        known.entry(answer.request_id.clone()).or_insert_with(|| {
                            answers.push(answer);
                            answers.len() - 1
                        });
                    }
                }
                Record::Event(event) => {
                    newest = newest.max(event.timestamp);
                    if event.action == asked.reward {
                        rewards.push(event);
                    } else if let (Some(id), Some(request)) = (&event.event_id, event.text("request_id")) {
                        shown.insert(id.clone(), request.to_owned());
                    }
                }
                _ => {}
            }
            Ok::<(), OpenError>(())
        })?;
        let mut by_list: Vec<Vec<Reward>> = answers.iter().map(|_| Vec::new()).collect();
        for event in rewards {
            let parent = || shown.get(event.text("parent_event_id")?).cloned();
            let request_id = event.text("request_id").map(str::to_owned).or_else(parent);
            match request_id.and_then(|id| Some((known.get(&id).copied()?, id))) {
                Some((at, request_id)) => by_list[at].push(Reward {
                    request_id,
                    user: event.user_id,
                    item: event.item_id,
                    time: event.timestamp,
                }),
                None => out.elsewhere += 1,
            }
        }
        for (answer, rewards) in answers.iter().zip(&by_list) {
            let too_young =
                asked.within_ms.is_some_and(|within| moment(answer).saturating_add(within) > newest);
            match list_of(answer, rewards, asked.within_ms).filter(|_| !too_young) {
                Some((list, elsewhere)) => {
                    out.elsewhere += elsewhere;
                    let drawn = answer.explored.as_ref().is_some_and(|one| one.drawn);
                    out.drawn.insert(answer.request_id.clone(), (drawn, answer.as_of));
                    out.lists.push((answer.request_id.clone(), list));
                }
                None => out.left_out += 1,
            }
        }
        Ok(out)
    }
}

/// When a list was made.
fn moment(answer: &Answer) -> i64 {
    answer.now.unwrap_or(answer.time)
}

/// The list of an answer with its rewards, and how many of them are of other slots, other users or too late; none where no slot was drawn.
fn list_of(answer: &Answer, rewards: &[Reward], within_ms: Option<i64>) -> Option<(LoggedList, usize)> {
    let explored = answer.explored.as_ref()?;
    let slots = answer.items.get(..explored.given_drawn.len()).filter(|slots| !slots.is_empty())?;
    let place = |item: &str| explored.pool.iter().position(|one| one.item == item);
    let order: Vec<usize> = slots.iter().map(|shown| place(&shown.item)).collect::<Option<_>>()?;
    let (mut earned, mut elsewhere) = (vec![0.0; order.len()], 0);
    for reward in rewards {
        let is_theirs = reward.request_id == answer.request_id
            && answer.user.as_ref().is_none_or(|user| *user == reward.user)
            && within_ms.is_none_or(|within| (0..within).contains(&(reward.time - moment(answer))));
        match slots.iter().position(|shown| is_theirs && shown.item == reward.item) {
            Some(slot) => earned[slot] = 1.0,
            None => elsewhere += 1,
        }
    }
    let scores = explored.pool.iter().map(|one| f64::from(one.score)).collect();
    Some((LoggedList { policy: explored.policy, scores, order, rewards: earned }, elsewhere))
}

/// What another run makes of the log's items.
struct Ordered {
    /// Of each request, the scores of its pool; items that the run cannot show have the lowest.
    scores: HashMap<String, Vec<f64>>,
    /// Share of its own first items that are in the pools.
    in_pool: f64,
}

impl Ordered {
    fn by(
        run: Run,
        (log, settings): (&Log, &ServiceSettings),
        found: &Collected,
        context: &Context,
    ) -> Result<Self, OpenError> {
        let ranker = Ranker::open_before(run, settings, context)?;
        let (mut scores, mut own, mut inside) = (HashMap::new(), 0_usize, 0_usize);
        walk((&ranker, log), settings.remembered_ids, |answer| {
            let (Some(explored), Some(items_as_of)) = (&answer.explored, answer.items_as_of) else {
                return Ok(());
            };
            let is_of = found.drawn.get(&answer.request_id).is_some_and(|&(_, as_of)| as_of == answer.as_of);
            if !is_of || scores.contains_key(&answer.request_id) {
                return Ok(());
            }
            ranker.advance(answer.known_before.or(answer.now));
            ranker.catalogue.advance(items_as_of, context)?;
            let Ok(request) = serde_json::from_value::<RankRequest>(answer.request.clone()) else {
                return Ok(());
            };
            let events = ranker.events_of(request.user.as_deref());
            let pool: Vec<String> = explored.pool.iter().map(|one| one.item.clone()).collect();
            let of_pool = RankRequest { k: Some(pool.len()), candidates: Some(pool), ..request.clone() };
            let first = RankRequest { k: Some(explored.given_drawn.len().max(1)), ..request };
            let ranked = |request: &RankRequest| {
                let now = Now {
                    request,
                    ms: answer.now,
                    events: &events,
                    is_late: false,
                    place: None,
                    explore: None,
                };
                ranker.ranked(now)
            };
            let (Ok(of_pool), Ok(first)) = (ranked(&of_pool), ranked(&first)) else { return Ok(()) };
            let by_item: HashMap<&str, f32> =
                of_pool.items.iter().map(|one| (one.item.as_str(), one.score)).collect();
            if by_item.is_empty() {
                return Ok(());
            }
            let score = |item: &str| by_item.get(item).map_or(f64::NEG_INFINITY, |&score| f64::from(score));
            own += first.items.len();
            let is_inside = |item: &str| explored.pool.iter().any(|one| one.item == item);
            inside += first.items.iter().filter(|one| is_inside(&one.item)).count();
            let of_pool = explored.pool.iter().map(|one| score(&one.item)).collect();
            scores.insert(answer.request_id.clone(), of_pool);
            Ok(())
        })?;
        Ok(Self { scores, in_pool: inside as f64 / own.max(1) as f64 })
    }
}

impl Display for OffPolicyReport {
    fn fmt(&self, out: &mut Formatter<'_>) -> std::fmt::Result {
        let Self { reward, lists, drawn, rewarded, elsewhere, left_out, .. } = self;
        writeln!(out, "{lists} lists ({drawn} drawn), {rewarded} drawn slots with a {reward}")?;
        writeln!(out, "{elsewhere} other {reward} events, {left_out} lists left out")?;
        if let Some(share) = self.in_pool {
            writeln!(out, "{:.1} % of the run's own first items could have been shown", 100.0 * share)?;
        }
        let shown = |value: Option<Value>| match value {
            Some(Value { value, se, .. }) => format!("{value:.5} ± {:.5}", 1.96 * se),
            None => "refused".to_owned(),
        };
        writeln!(out, "\n{reward} per list in the drawn slots, 95 %\n")?;
        let head = ["policy", "ips", "snips", "stepwise", "first slot, dr", "effective lists"];
        writeln!(
            out,
            "{:<24} {:>20} {:>20} {:>20} {:>20} {:>16}",
            head[0], head[1], head[2], head[3], head[4], head[5]
        )?;
        for one in &self.policies {
            let [ips, snips, stepwise, first] =
                [one.list.ips, one.list.snips, one.stepwise, one.first.doubly_robust].map(shown);
            let effective = one.list.effective.round();
            writeln!(
                out,
                "{:<24} {ips:>20} {snips:>20} {stepwise:>20} {first:>20} {effective:>16}",
                one.policy
            )?;
        }
        for (one, why) in self.policies.iter().filter_map(|one| Some((one, one.list.refused.as_ref()?))) {
            writeln!(out, "\n{}: refused, since {why}", one.policy)?;
        }
        Ok(())
    }
}
