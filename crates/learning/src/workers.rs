//! The threads that share the work of an operation.

use crate::model::ops::Kernels;

/// Runs `work` on one of rayon's threads, so that its operations begin without waking another thread and waiting for it: of a
/// small network, a fifth of the time and more. A GPU's operations stay on the caller's thread, which has a queue of its own.
///
/// `work` must not wait for other threads than rayon's: with one thread, nothing else would run on it.
pub(crate) fn on_worker<B: Kernels, R: Send>(work: impl FnOnce() -> R + Send) -> R {
    if B::PREFERS_FEW_OPERATIONS { work() } else { rayon::scope(|_| work()) }
}
