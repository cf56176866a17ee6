//! A small data set of labelled rows, and runs of ranking tasks.

use super::{semrank, stderr};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Output;

/// Runs the program in a folder with arguments in words.
pub(crate) fn call_in(folder: &Path, words: &str) -> Output {
    semrank().current_dir(folder).args(words.split_whitespace()).output().unwrap()
}

/// The same, to success; returns standard output.
#[track_caller]
pub(crate) fn succeed_in(folder: &Path, words: &str) -> String {
    let output = call_in(folder, words);
    assert!(output.status.success(), "{words}: {}", stderr(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// The same, to exit code 1; returns standard error in one line.
#[track_caller]
pub(crate) fn fail_in(folder: &Path, words: &str) -> String {
    let output = call_in(folder, words);
    assert_eq!(output.status.code(), Some(1), "{words}");
    stderr(&output).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Imports forty users who like items of their own parity, one label in ten the other way round; of what they like, items below
/// ten convert. `user_step` varies the rows.
pub(crate) fn labelled_rows(folder: &Path, name: &str, user_step: usize) -> PathBuf {
    let mut items = String::from("item\ttitle\n");
    (0..20).for_each(|item| writeln!(items, "i{item}\tthing number {item}").unwrap());
    std::fs::write(folder.join("items.tsv"), items).unwrap();
    for (part, from, to) in [("train", 0, 24), ("valid", 24, 30), ("test", 30, 36)] {
        let mut rows = String::from("user\titem\tlabel\ttimestamp\tlabel_conversion\n");
        for (user, at) in (0..40).flat_map(|user| (from..to).map(move |at| (user, at))) {
            let item = (user * user_step + at * 3) % 20;
            let label = u8::from((user + item).is_multiple_of(2))
                ^ u8::from((user * 31 + at * 17).is_multiple_of(10));
            let converts = label == 1 && (item < 10) != (user * 13 + at * 7).is_multiple_of(8);
            let conversion = if label == 1 { u8::from(converts).to_string() } else { String::new() };
            let time = 1_600_000_000 + at * 3600 + user;
            writeln!(rows, "u{user}\ti{item}\t{label}\t{time}\t{conversion}").unwrap();
        }
        std::fs::write(folder.join(format!("{part}.tsv")), rows).unwrap();
    }
    import_rows(folder, name);
    folder.join(name)
}

/// Imports the files that [`labelled_rows`] writes, as they are now.
pub(crate) fn import_rows(folder: &Path, name: &str) {
    let files = "--items items.tsv --train train.tsv --valid valid.tsv --test test.tsv";
    let import = format!("import --format pointwise {files} --item-id item --text title --out {name}");
    succeed_in(folder, &import);
}

/// Makes a run of such rows; `more` are arguments in words.
#[track_caller]
pub(crate) fn run_in(folder: &Path, data: &str, out: &str, more: &str) -> String {
    succeed_in(folder, &format!("run --data {data} --out {out} --json {more}"))
}
