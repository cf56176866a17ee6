//! What the programs `semrank` and `semrank-prep` share: standard output and error, Ctrl-C, the resources used.

pub mod interrupt;
pub mod output;
pub mod resources;

/// Prints errors on full lines, so that a message can be searched for, with the advice below.
pub fn install_printer() {
    // It fails only when a printer is installed already.
    let _ = miette::set_hook(Box::new(|_| {
        Box::new(miette::MietteHandlerOpts::new().wrap_lines(false).terminal_links(false).build())
    }));
}
