//! Ctrl-C ([`semrank_console::interrupt`]).

pub(crate) use semrank_console::interrupt::{install, requested};
