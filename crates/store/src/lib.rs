//! Files and folders that appear whole or not at all, and are known by their content.
//!
//! - [`write_atomically`] writes a file, [`StagedDir`] a folder; [`settle`] puts back what a killed program left aside.
//! - [`LockedFile`] holds a lock until it is dropped or its process ends.
//! - [`hash_file`] and [`hash_tree`] are content hashes (BLAKE3, hex).
//! - [`read_json`] and [`write_json`] are for files that people may look into, [`sealed`] for those that know their own hash.
//! - [`journal`] is a log of records that are durable once they are confirmed.
//! - [`log`] is such a log by its URL: a journal's folder, or a server.
//! - [`resources`] tells what the process has used.
//!
//! This crate knows nothing of events and models.

mod atomic;
mod error;
mod hash;
pub mod journal;
mod json;
mod lock;
pub mod log;
mod partial_file;
pub mod resources;
pub mod sealed;

pub use atomic::{StagedDir, settle, write_atomically};
pub use error::{Error, io_help};
pub use hash::{hash_file, hash_text, hash_tree};
pub use json::{read_json, write_json};
pub use lock::LockedFile;
pub use partial_file::is_partial_file;
