//! Items that change while a program runs, against a naive model of them: what a change says is true for the next request and after the next
//! start, whenever the program was killed.
//!
//! Long: `cargo test --release --workspace --test catalogue -- --ignored`

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::trained;
use semrank_core::{History, Rng};
use semrank_pipeline::retrieval::{Ask, Catalogue, Change, FieldValue, Fields};
use semrank_pipeline::{Context, Run};
use semrank_retrieve::Eligibility;
use semrank_store::journal::{Journal, Options};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Ids that changes are about: half of the catalogue's, half of others.
const IDS: usize = 60;
/// Names the folder in which a child makes changes until it is killed.
const CHILD: &str = "SEMRANK_CATALOGUE_CHILD";

fn open(dir: &Path) -> Catalogue {
    let journal = Journal::open(&dir.join("journal"), Options::default()).unwrap();
    Catalogue::open(Run::open(&dir.join("run")).unwrap(), journal.into(), &Context::default()).unwrap()
}

/// What is known of the items, as anybody would write it down.
#[derive(Debug, Clone, PartialEq)]
struct Naive(BTreeMap<String, Fields>);

impl Naive {
    fn new(catalogue: &Catalogue) -> Self {
        let catalog = &catalogue.run().data().unwrap().dataset.catalog;
        let fields = |row: usize| -> Fields {
            let [from, to] = [catalog.active_from[row], catalog.active_to[row]];
            let bounds = [("active_from", from), ("active_to", to)];
            let bounds = bounds.into_iter().filter(|bound| ![i64::MIN, i64::MAX].contains(&bound.1));
            bounds.map(|(name, time)| (name.to_owned(), FieldValue::Number(time as f64))).collect()
        };
        Self(catalog.ids.names().enumerate().map(|(row, id)| (id.to_owned(), fields(row))).collect())
    }

    fn apply(&mut self, change: &Change) {
        match change.clone() {
            Change::Put(id, fields) => _ = self.0.insert(id, fields),
            Change::Patch(id, fields) => self.0.get_mut(&id).unwrap().extend(fields),
            Change::Delete(id) => _ = self.0.remove(&id),
        }
    }

    /// Items of a tier that may be shown now.
    fn eligible(&self, tier: &str, now: i64) -> BTreeSet<String> {
        let is = |fields: &Fields| {
            let time = |name: &str| match fields.get(name) {
                Some(FieldValue::Number(time)) => Some(*time as i64),
                _ => None,
            };
            fields.get("tier") == Some(&FieldValue::Text(tier.to_owned()))
                && fields.get("status") != Some(&FieldValue::Text("paused".to_owned()))
                && time("active_from").is_none_or(|from| from <= now)
                && time("active_to").is_none_or(|to| now < to)
        };
        self.0.iter().filter(|(_, fields)| is(fields)).map(|(id, _)| id.clone()).collect()
    }
}

/// A random change of an item that can be changed.
fn change(naive: &Naive, rng: &mut Rng, texts: &[String]) -> Change {
    let at = rng.below(IDS);
    let id = match at % 2 {
        0 => naive.0.keys().nth(at % naive.0.len()).unwrap().clone(),
        _ => format!("ad {at}"),
    };
    let mut fields = Fields::new();
    let some = |name: &str, value, fields: &mut Fields| _ = fields.insert(name.to_owned(), value);
    let text = ["red nail polish", "camping stove", "nail file", "gas", ""][rng.below(5)];
    match rng.below(10) {
        0..=3 => {
            some(&texts[0], FieldValue::Text(text.to_owned()), &mut fields);
            some("tier", FieldValue::Text(["a", "b"][rng.below(2)].to_owned()), &mut fields);
            Change::Put(id, fields)
        }
        4..=7 if naive.0.contains_key(&id) => {
            match rng.below(4) {
                0 => some(
                    "status",
                    FieldValue::Text(["paused", "active"][rng.below(2)].to_owned()),
                    &mut fields,
                ),
                1 => some("active_to", FieldValue::Number(rng.below(100) as f64), &mut fields),
                2 => some(
                    "active_from",
                    [FieldValue::Absent, FieldValue::Number(50.0)][rng.below(2)].clone(),
                    &mut fields,
                ),
                _ => some(
                    "tier",
                    [FieldValue::Absent, FieldValue::Text("a".into())][rng.below(2)].clone(),
                    &mut fields,
                ),
            }
            Change::Patch(id, fields)
        }
        _ if naive.0.contains_key(&id) && naive.0.len() > 10 => Change::Delete(id),
        _ => Change::Put(id, fields),
    }
}

/// What a search says for a tier at a moment is what may be shown, whole.
fn check(catalogue: &Catalogue, naive: &Naive, rng: &mut Rng) {
    let (tier, now) = (["a", "b"][rng.below(2)], rng.below(100) as i64);
    let funnel = catalogue.retrieval().only("sequence", 1000).unwrap();
    let filter = Some(format!("tier = {tier}").parse().unwrap());
    let asked = Eligibility { now_ms: Some(now), filter };
    let nobody = History { items: &[], actions: &[], times: &[] };
    match catalogue.retrieval().retrieve(&Ask::new(nobody, &asked), &funnel, 1000) {
        Ok(found) => {
            let found: BTreeSet<String> = found.items.into_iter().map(|found| found.item).collect();
            assert_eq!(found, naive.eligible(tier, now), "tier {tier} at {now}");
        }
        // No item has the column yet.
        Err(_) => assert!(naive.eligible(tier, now).is_empty()),
    }
}

fn random_steps(steps: usize, reopen_every: usize) {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    let mut catalogue = open(dir.path());
    let mut naive = Naive::new(&catalogue);
    let texts: Vec<String> = text_columns(&catalogue);
    let mut rng = Rng::new(5, "steps");
    for step in 1..=steps {
        if rng.below(4) == 0 {
            check(&catalogue, &naive, &mut rng);
            continue;
        }
        let mut changes = Vec::new();
        for _ in 0..1 + rng.below(3) {
            let change = change(&naive, &mut rng, &texts);
            naive.apply(&change);
            changes.push(change);
        }
        catalogue.apply(&changes, &Context::default()).unwrap();
        if step % reopen_every == 0 {
            if rng.below(2) == 0 {
                catalogue.compact().unwrap();
            }
            drop(catalogue);
            catalogue = open(dir.path());
            (0..4).for_each(|_| check(&catalogue, &naive, &mut rng));
        }
    }
}

fn text_columns(catalogue: &Catalogue) -> Vec<String> {
    let columns = &catalogue.run().data().unwrap().dataset.catalog.texts;
    columns.iter().map(|column| column.name.clone()).collect()
}

#[test]
fn changes_are_true_for_the_next_request_and_after_the_next_start() {
    random_steps(400, 80);
}

#[test]
#[ignore = "100,000 steps"]
fn many_changes_are_true_for_the_next_request_and_after_the_next_start() {
    random_steps(100_000, 5_000);
}

#[test]
fn what_cannot_be_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    let catalogue = open(dir.path());
    let (context, text) = (Context::default(), text_columns(&catalogue)[0].clone());
    let one = |name: &str, value: FieldValue| Fields::from([(name.to_owned(), value)]);
    let words = |text: &str| FieldValue::Text(text.to_owned());
    let put = |id: &str, fields| Change::Put(id.to_owned(), fields);
    let wrong = [
        (vec![put("x", one(&text, FieldValue::Number(1.0)))], "must be a text"),
        (vec![put("x", one("active_to", FieldValue::Number(0.5)))], "whole number of milliseconds"),
        (vec![put("x", one("kind", words("advert")))], "`ad` or `organic`"),
        (vec![put("x", one("bid", FieldValue::Number(f64::NAN)))], "finite"),
        (
            vec![put("x", one("kind", words("ad"))), put("y", one("kind", FieldValue::Number(1.0)))],
            "`ad` or `organic`",
        ),
        (vec![put("x", one("new", words("a"))), put("y", one("new", FieldValue::Number(1.0)))], "same type"),
        (vec![put("", Fields::new())], "not empty"),
        (vec![Change::Patch("nobody".into(), Fields::new())], "no item `nobody`"),
        (
            vec![
                put("x", Fields::new()),
                Change::Delete("x".into()),
                Change::Patch("x".into(), Fields::new()),
            ],
            "no item `x`",
        ),
    ];
    for (changes, said) in wrong {
        let error = catalogue.apply(&changes, &context).map_err(|error| error.to_string());
        assert!(error.as_ref().is_err_and(|error| error.contains(said)), "{said}: {error:?}");
    }
    assert_eq!(catalogue.retrieval().live().names.get("x"), None);
}

/// The changes of a step of the child: two items at once, one at a time, and deletions.
fn changes_of(step: usize, text: &str) -> Vec<Change> {
    let fields = Fields::from([(text.to_owned(), FieldValue::Text(format!("text {step}")))]);
    let id = format!("ad {}", step % 40);
    match step % 3 {
        2 => vec![Change::Delete(format!("ad {}", (step - 1) % 40))],
        _ => vec![Change::Put(format!("{id} twin"), Fields::new()), Change::Put(id, fields)],
    }
}

/// Makes changes until it is killed, and says which are durable; it is run by the next test.
#[test]
fn child_that_makes_changes() {
    let Some(setting) = std::env::var_os(CHILD) else { return };
    let setting = setting.into_string().unwrap();
    let (dir, first) = setting.rsplit_once(':').unwrap();
    let catalogue = open(Path::new(dir));
    let (context, text) = (Context::default(), text_columns(&catalogue)[0].clone());
    for step in first.parse().unwrap().. {
        catalogue.apply(&changes_of(step, &text), &context).unwrap();
        println!("durable {step}");
        if step % 50 == 49 {
            catalogue.compact().unwrap();
        }
    }
}

/// Kills children, some while they open; every step that was called durable is there, at most one more, and none in part.
fn killed(rounds: usize) {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    let (mut rng, mut next) = (Rng::new(7, "kill"), 0);
    let mut naive = Naive::new(&open(dir.path()));
    let text = text_columns(&open(dir.path()))[0].clone();
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_makes_changes", "--nocapture"])
            .env(CHILD, format!("{}:{next}", dir.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut durable = lines.filter_map(|line| line.strip_prefix("durable ")?.parse::<usize>().ok());
        let mut last = None;
        if round % 3 == 2 {
            std::thread::sleep(Duration::from_millis(rng.below(60) as u64));
        } else {
            last = durable.by_ref().nth(rng.below(70));
        }
        child.kill().unwrap();
        last = durable.last().or(last);
        child.wait().unwrap();
        let apply = |naive: &mut Naive, step| {
            changes_of(step, &text).iter().for_each(|change| naive.apply(change));
        };
        if let Some(last) = last {
            (next..=last).for_each(|step| apply(&mut naive, step));
            next = last + 1;
        }
        let catalogue = open(dir.path());
        let is = |naive: &Naive| {
            (0..40)
                .flat_map(|at| [format!("ad {at}"), format!("ad {at} twin")])
                .all(|id| catalogue.fields(&id) == naive.0.get(&id).cloned())
        };
        if !is(&naive) {
            apply(&mut naive, next);
            next += 1;
            assert!(is(&naive), "round {round}: neither {} nor {} steps", next - 1, next);
        }
        check_all(&catalogue, &naive);
    }
    assert!(next > rounds, "{next} steps in {rounds} rounds");
}

/// A search without a filter finds every item that is there.
fn check_all(catalogue: &Catalogue, naive: &Naive) {
    let funnel = catalogue.retrieval().only("sequence", 1000).unwrap();
    let nobody = History { items: &[], actions: &[], times: &[] };
    let everything = Eligibility::default();
    let found = catalogue.retrieval().retrieve(&Ask::new(nobody, &everything), &funnel, 1000).unwrap();
    let found: BTreeSet<String> = found.items.into_iter().map(|found| found.item).collect();
    assert_eq!(found, naive.0.keys().cloned().collect());
}

#[test]
fn nothing_durable_is_lost_by_a_kill_and_nothing_deleted_comes_back() {
    killed(6);
}

#[test]
#[ignore = "300 rounds"]
fn nothing_durable_is_lost_by_many_kills() {
    killed(300);
}
