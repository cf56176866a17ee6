//! Ctrl-C: the first asks the work to stop at the next step and keep its state, the second ends the program at once.

use crate::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a shell expects of a program that Ctrl-C has ended: 128 + SIGINT.
const EXIT_CODE: i32 = 130;

/// Begins to listen.
pub(crate) fn install() {
    // Without a handler Ctrl-C ends the program as usual, and the last saved state can be resumed.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE);
        }
        crate::output::note("interrupted: ending after this step (press Ctrl-C again to end at once)");
    });
}

/// Whether Ctrl-C was pressed.
pub(crate) fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}

/// Ends work that has no state to keep.
pub(crate) fn check() -> Result<(), Error> {
    if requested() { Err(Error::Interrupted { resume: None }) } else { Ok(()) }
}
