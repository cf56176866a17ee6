//! What the programs `semrank` and `semrank-prep` share: standard output and error, Ctrl-C, defaults in help.

pub mod defaults;
pub mod errors;
pub mod interrupt;
pub mod output;
