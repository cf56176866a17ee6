//! What the programs `semrank` and `semrank-prep` share: standard output and error, Ctrl-C, defaults in help, words for a shell.

pub mod defaults;
pub mod errors;
pub mod interrupt;
pub mod output;
pub mod shell;
