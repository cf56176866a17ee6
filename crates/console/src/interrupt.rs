//! Ctrl-C: the first asks the work to stop at the next step and keep its state, the second ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// What a shell expects of a program that Ctrl-C has ended: 128 + SIGINT.
pub const EXIT_CODE: u8 = 130;

/// Begins to listen.
pub fn install() {
    // Without a handler Ctrl-C ends the program as usual, and the last saved state can be resumed.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::SeqCst) {
            std::process::exit(EXIT_CODE.into());
        }
        crate::output::note("interrupted: ending after this step (press Ctrl-C again to end at once)");
    });
}

/// Whether Ctrl-C was pressed.
pub fn requested() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
