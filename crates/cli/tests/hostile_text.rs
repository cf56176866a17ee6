//! Text from data is shown, never obeyed: no control or direction character of a title, an id or a file name reaches a terminal,
//! pages keep it apart from their own text, and JSON has it exactly.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::{bytes, fail, json, run_args, succeed};
use std::path::Path;

/// Sets the window's title, clears the screen, and turns the direction of what follows.
const TITLE: &str = "boots \u{1b}]0;owned\u{7}\u{1b}[2J \u{202e}eerf";
/// The second form of an escape, in one character.
const USER: &str = "user \u{9b}31m0";

fn data(dir: &Path) -> std::path::PathBuf {
    let items: String = (0..40).map(|item| format!("i{item},{TITLE} {item}\n")).collect();
    let name = |user: usize| if user == 0 { USER.to_owned() } else { format!("u{user}") };
    let line = |user: usize, at: usize| {
        format!("{},i{},{}\n", name(user), (user * 7 + at * 3) % 40, 1_700_000_000 + at * 60)
    };
    let events: String = (0..60).flat_map(|user| (0..8).map(move |at| line(user, at))).collect();
    std::fs::write(dir.join("items.csv"), format!("item,title\n{items}")).unwrap();
    std::fs::write(dir.join("events.csv"), format!("user,item,timestamp\n{events}")).unwrap();
    let out = dir.join("data");
    let path = |name: &str| dir.join(name).display().to_string();
    let flags =
        ["import", "--items", &path("items.csv"), "--events", &path("events.csv"), "--out", &path("data")];
    succeed(flags.map(String::from));
    out
}

/// Whether a terminal would do something.
fn is_obeyed(letter: char) -> bool {
    (letter.is_control() && letter != '\n') || ('\u{202a}'..='\u{202e}').contains(&letter)
}

#[test]
fn titles_and_ids_reach_people_escaped_and_programs_exactly() {
    let dir = tempfile::tempdir().unwrap();
    let (data, run) = (data(dir.path()), dir.path().join("run"));
    succeed(run_args(&data, &run, &[]));
    let run_name = run.display().to_string();
    let asked = ["recommend", &run_name, "--user", USER, "--explain"];
    let shown = succeed(asked);
    assert!(!shown.contains(is_obeyed), "{shown:?}");
    assert!(shown.contains(r"boots \u{1b}]0;owned\u{7}\u{1b}[2J \u{202e}eerf"), "{shown}");
    assert!(shown.contains(r"user \u{9b}31m0"), "{shown}");
    let exact = json(&succeed(asked.into_iter().chain(["--json"])));
    assert_eq!(exact["user"], USER);
    assert!(exact["items"][0]["text"].as_str().unwrap().contains(TITLE), "{exact}");
    let said = fail(["recommend", &run_name, "--user", "no \u{1b}[2J one"]);
    assert!(!said.contains("\u{1b}[2J") && said.contains(r"no \u{1b}[2J one"), "{said:?}");
    let page = String::from_utf8(bytes(&run.join("report/report.html"))).unwrap();
    let apart = page.match_indices('\u{202e}').all(|(at, _)| {
        let before = &page[..at];
        before.rfind("<bdi>") > before.rfind("</bdi>")
    });
    assert!(apart && page.contains('\u{202e}'));
}
