//! What every crate of porecast needs, once: [`Error`], files that appear whole or not at all ([`atomic`]), locks
//! on files ([`lock`]), random draws from named seeds ([`seed`]), Euclidean distances ([`distance`]), [`progress`] and
//! [`interrupt`]ion.

pub mod atomic;
pub mod distance;
mod error;
mod hex;
pub mod interrupt;
pub mod lock;
mod problem;
pub mod progress;
pub mod seed;
#[doc(hidden)]
pub mod testing;
mod verbosity;

pub use error::{Error, ErrorKind, Result};
pub use hex::hex;
pub use problem::{Checks, Problem, Validate, below};
pub use verbosity::Verbosity;
