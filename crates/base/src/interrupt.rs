//! Ctrl-C handling: asks a command to stop at the next point at which no work is lost.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Installs the handler: the first Ctrl-C requests a stop, a second one ends the program immediately.
pub fn listen() {
    INSTALL.call_once(|| {
        // If no handler can be installed, Ctrl-C ends the program; resumable work then loses only what
        // follows its last checkpoint.
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
