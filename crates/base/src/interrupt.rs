//! Signals: Ctrl-C and SIGTERM ask a command to stop at the next point at which no work is lost; a closed terminal does not.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

/// Exit code of a command that a signal has stopped and that can be continued: that of Ctrl-C, 128 and its number.
pub const EXIT_CODE: u8 = 130;

static REQUESTED: AtomicBool = AtomicBool::new(false);
static INSTALL: Once = Once::new();

/// Installs the handler: the first Ctrl-C or SIGTERM requests a stop, a second one ends the program immediately.
pub fn listen() {
    INSTALL.call_once(|| {
        // If no handler can be installed, the signal ends the program; resumable work then loses only what
        // follows its last checkpoint.
        let _ = ctrlc::set_handler(|| {
            if REQUESTED.swap(true, Ordering::SeqCst) {
                std::process::exit(EXIT_CODE.into());
            }
        });
    });
}

/// Leaves Ctrl-C to the host of this library, such as Python. Call it before any [`listen`], which then does nothing; the
/// host calls [`request`].
pub fn leave_to_host() {
    INSTALL.call_once(|| ());
}

/// Asks running work to stop, as Ctrl-C does.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Withdraws a request after the work has stopped.
pub fn withdraw() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Goes on when the terminal is closed or the connection to it is lost (SIGHUP). Call it before any thread starts:
/// threads inherit what is blocked.
pub fn ignore_hangup() {
    #[cfg(unix)]
    {
        use nix::sys::signal::{SigSet, Signal};
        // If it cannot be blocked, a closed terminal ends the program as it would any other.
        let _ = SigSet::from(Signal::SIGHUP).thread_block();
    }
}

/// Whether a signal or [`request`] asked to stop.
pub fn is_requested() -> bool {
    REQUESTED.load(Ordering::SeqCst)
}
