//! Exploration: lists are drawn as often as their logged probabilities say, and a replay draws them again.

use super::{common, settings};
use semrank_experiment::explore::Exploration;
use semrank_pipeline::{Context, Run};
use semrank_serve::{Answer, Log, OpenError, RankRequest, Ranking, Record, Service, ServiceSettings, replay};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

pub(crate) const POLICY: Exploration =
    Exploration { share: 0.6, slots: 2, pool: 4, temperature: 2.0, seed: 5 };

pub(crate) fn exploring(dir: &Path, policy: Exploration) -> ServiceSettings {
    ServiceSettings { explore: Some(policy), deadline_ms: 60_000, ..settings(dir) }
}

pub(crate) fn open(dir: &Path, settings: ServiceSettings) -> Result<Service, OpenError> {
    Service::open(Run::open(&dir.join("run")).unwrap(), settings, &Context::default())
}

fn rank(service: &Service, id: usize, user: &str, k: usize) -> Ranking {
    let request = RankRequest {
        user: Some(user.to_owned()),
        request_id: Some(format!("r{id}")),
        k: Some(k),
        ..RankRequest::default()
    };
    service.rank(&request, Instant::now()).unwrap()
}

fn names(answer: &Ranking) -> Vec<String> {
    answer.items.iter().map(|one| one.item.clone()).collect()
}

pub(crate) fn answers(dir: &Path) -> Vec<Answer> {
    let log = Log::existing(&dir.join("state/log").into(), settings(dir).journal).unwrap();
    let mut out = Vec::new();
    log.for_each(|_, record| {
        if let Record::Answer(answer) = record {
            out.push(answer);
        }
        Ok::<(), OpenError>(())
    })
    .unwrap();
    out
}

#[test]
fn lists_are_drawn_as_often_as_the_log_says() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let plain = {
        let service = open(dir, settings(dir)).unwrap();
        let plain = rank(&service, 0, "somebody", 10);
        service.stop();
        assert!(plain.exploration.is_none() && plain.items.iter().all(|item| item.propensity.is_none()));
        names(&plain)
    };
    let service = open(dir, exploring(dir, POLICY)).unwrap();
    let (count, mut drawn) = (4_000, 0.0);
    let mut found: BTreeMap<Vec<String>, (f64, f64)> = BTreeMap::new();
    for id in 1..=count {
        let answer = rank(&service, id, "somebody", 3);
        let exploration = answer.exploration.unwrap();
        drawn += f64::from(u8::from(exploration.drawn));
        let list = names(&answer);
        assert!(exploration.drawn || list == plain[..3], "{list:?}");
        let mut by_score: Vec<&String> = plain.iter().filter(|item| !list[..2].contains(item)).collect();
        by_score.truncate(1);
        assert_eq!(&list[2], by_score[0], "what is not drawn follows by score");
        let product: f64 = answer.items.iter().filter_map(|item| item.propensity).product();
        assert!((product - exploration.propensity).abs() < 1e-15 && answer.items[2].propensity.is_none());
        let entry = found.entry(list).or_insert((0.0, exploration.propensity));
        assert_eq!(entry.1, exploration.propensity, "one list has one probability");
        entry.0 += 1.0;
    }
    let within = |times: f64, p: f64| {
        let of = count as f64;
        (times - of * p).abs() <= 4.5 * (of * p * (1.0 - p)).sqrt()
    };
    assert!(within(drawn, POLICY.share), "{drawn} drawn");
    assert!(found.values().all(|&(times, p)| within(times, p)), "{found:?}");
    assert_eq!(found.len(), 12, "two of four items in every order: {found:?}");
    assert!((found.values().map(|(_, p)| p).sum::<f64>() - 1.0).abs() < 1e-9);
    let again = rank(&service, 7, "somebody", 3);
    service.stop();
    drop(service);
    let logged = answers(dir);
    let seventh = logged.iter().find(|answer| answer.request_id == "r7").unwrap();
    assert_eq!(names(&again), seventh.items.iter().map(|item| item.item.clone()).collect::<Vec<_>>());
    for answer in &logged[1..] {
        let explored = answer.explored.as_ref().unwrap();
        assert_eq!((explored.policy, explored.pool.len(), explored.given_drawn.len()), (POLICY, 4, 2));
        let given_drawn: f64 = explored.given_drawn.iter().product();
        let by_score = answer.items[..2].iter().zip(&explored.pool).all(|(a, b)| a.item == b.item);
        let mixture = POLICY.share * given_drawn + if by_score { 1.0 - POLICY.share } else { 0.0 };
        assert!((mixture - explored.propensity).abs() < 1e-12, "{answer:?}");
    }
}

#[test]
fn a_replay_draws_the_same_lists_and_a_test_has_none() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    common::trained(dir);
    let service = open(dir, exploring(dir, Exploration { pool: 30, slots: 5, ..POLICY })).unwrap();
    for id in 0..300 {
        // Also fewer items than are drawn, and candidates of the client.
        rank(&service, id, &format!("u{}", id % 7), 1 + id % 12);
        let candidates = names(&rank(&service, 1_000 + id, "u1", 8));
        let request = RankRequest { candidates: Some(candidates), ..RankRequest::default() };
        service.rank(&request, Instant::now()).unwrap();
    }
    service.stop();
    drop(service);
    let with = super::experiments::definition(dir);
    let service = open(dir, ServiceSettings { experiments: vec![with], ..exploring(dir, POLICY) }).unwrap();
    let in_test = (0..50).map(|id| rank(&service, 5_000 + id, &format!("v{id}"), 5));
    assert!(in_test.filter(|one| one.experiment.is_some()).all(|one| one.exploration.is_none()));
    service.stop();
    drop(service);
    let run = Run::open(&dir.join("run")).unwrap();
    // What was drawn is in the log: a replay needs no settings.
    let found = replay(run, &settings(dir), &Context::default()).unwrap();
    assert_eq!((found.answers, found.equal, found.left_out), (950, 950, 0), "{found:?}");
    assert!(answers(dir).iter().any(|answer| answer.explored.as_ref().is_some_and(|one| one.drawn)));
    let wrong = open(dir, exploring(dir, Exploration { slots: 0, ..POLICY })).err().unwrap().to_string();
    assert!(wrong.contains("the number of slots that are drawn"), "{wrong}");
    if cfg!(not(feature = "otlp")) {
        let traces = Some("http://localhost:4318".to_owned());
        let wrong = open(dir, ServiceSettings { traces, ..settings(dir) }).err().unwrap().to_string();
        assert!(wrong.contains("--features otlp"), "{wrong}");
    }
}
