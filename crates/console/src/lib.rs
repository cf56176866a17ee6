//! What the programs `semrank` and `semrank-prep` share: standard output and error, Ctrl-C, options and their defaults in help, words for a shell.

pub mod defaults;
pub mod errors;
pub mod interrupt;
pub mod options;
pub mod output;
pub mod shell;
