//! The promise of placeholder ids: `NA`, `null`, `\N`, `None` and the like are kept as ids, counted and reported, by every importer.

#![allow(clippy::unwrap_used)] // Helpers of tests may panic.

mod common;

use common::Folder;
use semrank_data::ImportReport;
use semrank_data::import::{Format, Mapping, Options, PartFiles, import};
use std::path::PathBuf;

fn options(folder: &Folder, format: Format, events: PathBuf) -> Options {
    Options { format, events, out: folder.path("out"), overwrite: true, ..Options::default() }
}

/// Imports; the warnings about such ids are these, without the advice.
#[track_caller]
fn told(options: &Options, expected: &[&str]) -> ImportReport {
    let report = import(options).unwrap();
    let about = report.warnings.iter().filter_map(|warning| warning.split_once(": it counts as one id"));
    assert_eq!(about.map(|(entries, _)| entries).collect::<Vec<_>>(), expected);
    report
}

#[test]
fn tables() {
    let folder = Folder::new();
    let csv = |text: &str| options(&folder, Format::Table, folder.file("e.csv", text));
    let report = told(
        &csv("user,item\nNA,a\nNA,b\n\\N,a\nnull,None\nnan,a\nann,a\n"),
        &[
            "2 entries of column `user` are `NA`",
            "1 entry of column `user` is `\\N`",
            "1 entry of column `user` is `nan`",
            "1 entry of column `user` is `null`",
            "1 entry of column `item` is `None`",
        ],
    );
    assert_eq!(report.users, 5);
    told(&csv("user,item\nNadia,nano\n"), &[]);
    let items = Some(folder.file("i.csv", "item,title\nnull,shoe\na,lamp\n"));
    told(&Options { items, ..csv("user,item\nu,a\n") }, &["1 entry of column `item` is `null`"]);
    let mapping = Mapping { unfold: true, ..Mapping::default() };
    told(&Options { mapping, ..csv("user,item\nu,\"a,NA,NA\"\n") }, &["2 entries of column `item` are `NA`"]);
}

#[test]
fn sequences_ratings_and_atomic_files() {
    let folder = Folder::new();
    told(
        &options(&folder, Format::S3rec, folder.file("e.txt", "null a nan\nu nan\n")),
        &["1 entry of column `user` is `null`", "2 entries of column `item` are `nan`"],
    );
    told(
        &options(
            &folder,
            Format::Movielens,
            folder.file("ratings.csv", "userId,movieId,rating,timestamp\nNA,1,3,964982703\n"),
        ),
        &["1 entry of column `userId` is `NA`"],
    );
    told(
        &options(&folder, Format::Atomic, folder.file("e.inter", "user_id:token\titem_id:token\nu\tNone\n")),
        &["1 entry of column `item_id` is `None`"],
    );
}

#[test]
fn mind() {
    let folder = Folder::new();
    let line = |number: usize, user: &str, history: &str, shown: &str| {
        format!("{number}\t{user}\t11/12/2019 2:14:46 PM\t{history}\t{shown}\n")
    };
    // The history of a user counts once, as it is written once.
    let lines = [
        line(1, "NA", "N1 null", "N1-0 null-1"),
        line(2, "NA", "N1 null", "N1-1"),
        line(3, "u", "", "null-0 N2-0"),
    ];
    told(
        &options(&folder, Format::Mind, folder.file("behaviors.tsv", lines.concat())),
        &[
            "2 entries of column `user_id` are `NA`",
            "1 entry of column `history` is `null`",
            "2 entries of column `impressions` are `null`",
        ],
    );
}

#[test]
fn labelled_rows_and_their_histories() {
    let folder = Folder::new();
    let train = folder.file("train.csv", "user,item,label,history\nu,a,1,\"NA,b\"\nnull,b,0,\"NA,NA\"\n");
    let parts = PartFiles { train: Some(train), ..PartFiles::default() };
    told(
        &Options { parts, ..options(&folder, Format::Pointwise, PathBuf::new()) },
        &["1 entry of column `user` is `null`", "3 entries of column `history` are `NA`"],
    );
}
