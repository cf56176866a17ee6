//! What every parser promises: a file that was damaged in any way is an error or another file, never a panic, an abort, a
//! hang over ten seconds, or memory beyond ten times the file and 200 MB.
//!
//! A target is a group of parsers with small valid files, which are damaged at random ([`mutate`]) and read in a process of
//! its own ([`harness`]). It takes two seconds; `docs/fuzzing.md` says how to run it for longer and how to repeat a case.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod checkpoint;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod data;
mod embed;
mod experiment;
mod harness;
mod http;
mod ids;
mod llama;
mod mutate;
mod program;
mod runs;
mod serve;

use harness::{Target, run};
#[allow(unused_imports, reason = "the tiny model of `embed` names it by this path")]
use semrank_embed::Error;

/// A test for each target, named like it.
macro_rules! targets {
    ($($name:ident: $subjects:expr;)*) => {
        $(#[test]
        fn $name() {
            run(&Target { name: stringify!($name), subjects: $subjects });
        })*
    };
}

targets! {
    tables: data::TABLES;
    foreign_logs: data::FOREIGN;
    labelled_rows: data::LABELLED;
    data_sets: data::SETS;
    checkpoints: checkpoint::CHECKPOINTS;
    configs: config::CONFIGS;
    bert_folders: embed::BERT;
    wheels: embed::WHEELS;
    vector_tables: embed::VECTORS;
    llama_files: llama::LLAMA;
    onnx_graphs: embed::ONNX;
    http_answers: http::ANSWERS;
    caches_and_names: embed::CACHES;
    ids: ids::IDS;
    run_folders: runs::RUNS;
    server_bodies: serve::BODIES;
    training_states: runs::STATES;
    experiments: experiment::TESTS;
}
