//! Ctrl-C asks a command to stop at the next point where nothing is lost.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// From now on the first Ctrl-C is noted, and a second one ends the program at once.
pub fn listen() {
    INSTALL.call_once(|| {
        // Without a handler Ctrl-C ends the program: resumable work loses no more than since its last checkpoint.
        let _ = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(1);
            }
        });
    });
}

/// Whether Ctrl-C was pressed.
pub fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
