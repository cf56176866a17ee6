//! The promises of `semrank score`: a score per pair in the order of the pairs, the scores that recommendations have, and a bad
//! line named by its number.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, fail, json, run_args, succeed};
use semrank_data::Dataset;

struct Fixture {
    dir: tempfile::TempDir,
    run: String,
    dataset: Dataset,
}

type Pair = (String, String);

impl Fixture {
    fn new() -> Fixture {
        let dir = tempfile::tempdir().unwrap();
        let data = common::market(dir.path(), 5);
        let run = dir.path().join("run");
        succeed(run_args(&data, &run, &[]));
        let dataset = Dataset::open(&data).unwrap();
        Fixture { run: run.to_str().unwrap().to_owned(), dir, dataset }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    fn pair(&self, user: usize, item: usize) -> Pair {
        let catalog = &self.dataset.catalog;
        (self.dataset.users.name(user as u32).into(), catalog.ids.name(item as u32).into())
    }

    fn write(&self, lines: &[String]) -> String {
        let path = self.path("pairs.tsv");
        std::fs::write(&path, lines.concat()).unwrap();
        path
    }

    /// What the program prints for the pairs, after checking that every line repeats its pair.
    fn scores(&self, pairs: &[Pair]) -> Vec<f64> {
        let lines: Vec<String> = pairs.iter().map(|(user, item)| format!("{user}\t{item}\n")).collect();
        let printed = succeed(["score", &self.run, "--pairs", &self.write(&lines)]);
        assert_eq!(printed.lines().count(), pairs.len());
        let score = |(line, (user, item)): (&str, &Pair)| {
            line.strip_prefix(&format!("{user}\t{item}\t"))
                .unwrap_or_else(|| panic!("{line}"))
                .parse()
                .unwrap()
        };
        printed.lines().zip(pairs).map(score).collect()
    }

    /// The best items of a user with their scores.
    fn recommended(&self, user: usize) -> Vec<(Pair, f64)> {
        let user = self.dataset.users.name(user as u32);
        let found = json(&succeed(["recommend", &self.run, "--user", user, "-k", "5", "--json"]));
        let items = found["items"].as_array().unwrap().iter();
        items
            .map(|item| {
                ((user.into(), item["item"].as_str().unwrap().into()), item["score"].as_f64().unwrap())
            })
            .collect()
    }
}

#[test]
fn scores_come_in_the_order_of_the_pairs_and_are_those_of_recommendations() {
    let fixture = Fixture::new();
    let (users, items) = (fixture.dataset.users.len(), fixture.dataset.catalog.len());
    // More users than are scored at once, last one first; each user twice, the second time with another item.
    let mut pairs: Vec<Pair> =
        (0..2 * users).map(|at| fixture.pair((2 * users - 1 - at) % users, at * 7 % items)).collect();
    let recommended: Vec<(Pair, f64)> =
        [0, users / 2, users - 1].iter().flat_map(|&user| fixture.recommended(user)).collect();
    for (at, (pair, _)) in recommended.iter().enumerate() {
        pairs.insert(at * 9, pair.clone());
    }
    let scores = fixture.scores(&pairs);
    for (at, (pair, score)) in recommended.iter().enumerate() {
        let got = scores[at * 9];
        assert!((got - score).abs() < 1e-4, "{pair:?}: {got}, recommended with {score}");
    }
    assert!(scores.iter().all(|score| !score.is_nan()));

    let reversed: Vec<Pair> = pairs.iter().rev().cloned().collect();
    let again: Vec<f64> = fixture.scores(&reversed).into_iter().rev().collect();
    assert_eq!(again, scores, "a score does not depend on where its pair stands");
}

#[test]
fn a_pair_has_the_same_score_alone_and_among_others() {
    let fixture = Fixture::new();
    let (users, items) = (fixture.dataset.users.len(), fixture.dataset.catalog.len());
    let pairs: Vec<Pair> = (0..500).map(|at| fixture.pair(at * 3 % users, at * 7 % items)).collect();
    let among_others = fixture.scores(&pairs);
    for at in (0..500).step_by(71) {
        assert_eq!(fixture.scores(&pairs[at..=at]), among_others[at..=at], "{:?}", pairs[at]);
    }
}

#[test]
fn out_writes_what_would_be_printed() {
    let fixture = Fixture::new();
    let (user, item) = fixture.pair(3, 4);
    // Lines as other systems end them, and a last one without an end.
    let pairs = fixture.write(&[format!("{user}\t{item}\r\n"), format!("{user}\t{item}")]);
    let printed = succeed(["score", &fixture.run, "--pairs", &pairs]);
    assert_eq!(printed.lines().count(), 2);
    let out = fixture.path("scores.tsv");
    assert_eq!(succeed(["score", &fixture.run, "--pairs", &pairs, "--out", &out]), "");
    assert_eq!(String::from_utf8(bytes(out.as_ref())).unwrap(), printed);
    assert_eq!(succeed(["score", &fixture.run, "--pairs", &fixture.write(&[])]), "", "no pair, no line");
}

#[test]
fn a_bad_line_is_named_with_its_number() {
    let fixture = Fixture::new();
    let (user, item) = fixture.pair(0, 0);
    let good = format!("{user}\t{item}\n");
    let out = fixture.path("scores.tsv");
    for (bad, expected) in [
        (format!("{user} {item}\n"), "pairs.tsv:3: got 1 field, expected 2".to_owned()),
        (format!("\n{user}\n"), "pairs.tsv:4: got 1 field,".into()),
        (format!("nobody\t{item}\n"), "pairs.tsv: line 3 has the unknown user `nobody`".into()),
        (format!("{user}\tnothing\n"), "pairs.tsv: line 3 has the unknown item `nothing`".into()),
        (format!("{user}\t{item}\t0.5\n"), "pairs.tsv:3: got 3 fields, expected 2".into()),
    ] {
        let pairs = fixture.write(&[good.clone(), good.clone(), bad, good.clone()]);
        let said = fail(["score", &fixture.run, "--pairs", &pairs, "--out", &out]);
        assert!(said.contains(&expected), "no {expected:?} in: {said}");
        assert!(!expected.contains("unknown") || said.contains("--skip-unknown"), "{said}");
        assert!(!std::path::Path::new(&out).exists(), "nothing is written");
    }
    let said = fail(["score", &fixture.run, "--pairs", &fixture.path("absent.tsv")]);
    assert!(said.contains("cannot read") && said.contains("absent.tsv"), "{said}");
}

#[test]
fn pairs_come_and_scores_go_as_tables() {
    let fixture = Fixture::new();
    let pairs = [fixture.pair(0, 1), fixture.pair(1, 2)];
    let expected = fixture.scores(&pairs);
    let [(user, item), (other, second)] = &pairs;
    let file = |name: &str, text: String| {
        std::fs::write(fixture.path(name), text).unwrap();
        fixture.path(name)
    };
    let with_mark = file("bom.tsv", format!("\u{feff}{user}\t{item}\r\n\r\n{other}\t{second}\r\n"));
    let named = file("named.csv", format!("item;slot;user\n{item};1;{user}\n{second};2;{other}\n"));
    let score = |line: &str| line.rsplit(['\t', ',']).next().unwrap().parse::<f64>().unwrap();
    let printed = succeed(["score", &fixture.run, "--pairs", &with_mark]);
    assert_eq!(printed.lines().map(score).collect::<Vec<_>>(), expected);
    let printed = succeed(["score", &fixture.run, "--pairs", &named]);
    assert_eq!(printed.lines().next(), Some("user\titem\tscore"), "a header where the input has one");
    assert_eq!(printed.lines().skip(1).map(score).collect::<Vec<_>>(), expected);

    let (table, csv) = (fixture.path("scores.parquet"), fixture.path("scores.csv"));
    succeed(["score", &fixture.run, "--pairs", &named, "--out", &table]);
    succeed(["score", &fixture.run, "--pairs", &table, "--out", &csv]);
    let text = std::fs::read_to_string(&csv).unwrap();
    assert_eq!(text.lines().skip(1).map(score).collect::<Vec<_>>(), expected);
}

#[test]
fn unknown_pairs_are_left_out_on_request_and_counted() {
    let fixture = Fixture::new();
    let (user, item) = fixture.pair(0, 1);
    let lines = [format!("{user}\t{item}\n"), format!("nobody\t{item}\n"), format!("{user}\tnothing\n")];
    let output = common::call(["score", &fixture.run, "--pairs", &fixture.write(&lines), "--skip-unknown"]);
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout.clone()).unwrap().lines().count(), 1);
    let said = common::stderr(&output);
    assert!(
        said.contains("2 of 3 pairs left out") && said.contains("line 2 has the unknown user `nobody`"),
        "{said}"
    );
}

#[test]
fn ids_with_blanks_are_scored_and_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let events: String = (0..240)
        .map(|at| format!("user {},item {},{}\n", at % 20, (at * 7 + at / 20) % 15, 1_700_000_000 + at))
        .collect();
    std::fs::write(path("e.csv"), format!("user,item,timestamp\n{events}")).unwrap();
    succeed(["import", "--events", &path("e.csv"), "--out", &path("set")]);
    succeed(run_args(path("set").as_ref(), path("run").as_ref(), &[]));
    std::fs::write(path("p.tsv"), "user 1\titem 2\n").unwrap();
    assert!(succeed(["score", &path("run"), "--pairs", &path("p.tsv")]).starts_with("user 1\titem 2\t"));
    let said = fail(["evaluate", &path("run"), "--predictions", &path("top.tsv")]);
    assert!(said.contains("white space") && said.contains(".csv or a .parquet"), "{said}");
    succeed(["evaluate", &path("run"), "--predictions", &path("top.csv")]);
    let text = std::fs::read_to_string(path("top.csv")).unwrap();
    assert!(text.starts_with("user,item,rank\nuser "), "{text}");
    succeed(["evaluate", &path("run"), "--predictions", &path("top.parquet")]);
    assert!(std::fs::metadata(path("top.parquet")).unwrap().len() > 0);
}
