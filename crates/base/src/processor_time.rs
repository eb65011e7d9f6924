//! A limit on the processor time of a process. Unlike a limit on the time that passes, it does not depend on what else the
//! machine does.

use std::process::ExitStatus;

/// Ends this process by a signal after some seconds of processor time. Does nothing on systems other than Unix.
pub fn limit(seconds: u64) {
    #[cfg(unix)]
    {
        use nix::sys::resource::{Resource, setrlimit};
        // Without a limit, the parent's patience ends.
        let _ = setrlimit(Resource::RLIMIT_CPU, seconds, seconds + 1);
    }
    #[cfg(not(unix))]
    let _ = seconds;
}

/// Whether a process was ended by its [`limit`].
pub fn is_spent(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use nix::sys::signal::Signal;
        use std::os::unix::process::ExitStatusExt;
        status.signal() == Some(Signal::SIGXCPU as i32)
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}
