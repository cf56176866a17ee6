//! What the programs `semrank` and `semrank-prep` share: standard output and error, Ctrl-C, the resources used.

pub mod errors;
pub mod interrupt;
pub mod output;
pub mod resources;
