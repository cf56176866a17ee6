//! Errors for people: the message on one line, so that it can be searched for, and advice below it.

use crate::output::printable;
use miette::{Diagnostic, MietteHandlerOpts, Report};
use std::fmt::Display;
use std::io::Write;

/// An error as it is shown. Messages name their causes themselves, so there is no chain of them.
#[derive(Debug)]
struct Shown {
    message: String,
    help: Option<String>,
}

impl Display for Shown {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for Shown {}

impl Diagnostic for Shown {
    fn help<'a>(&'a self) -> Option<Box<dyn Display + 'a>> {
        self.help.as_ref().map(|help| Box::new(help) as Box<dyn Display>)
    }
}

/// Prints an error, and what to do about it, on standard error.
pub fn show(error: &dyn std::error::Error, help: Option<String>) {
    // It fails only when a handler is installed already.
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(MietteHandlerOpts::new().wrap_lines(false).terminal_links(false).build())
    }));
    let printable = |text: String| printable(&text).into_owned();
    let shown = Shown { message: printable(error.to_string()), help: help.map(printable) };
    let _ = writeln!(std::io::stderr(), "{:?}", Report::new(shown));
}
