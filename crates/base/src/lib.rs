//! Shared foundations of all porecast crates: [`Error`], atomic writes ([`atomic`]), file locks ([`lock`]),
//! what an [`output`] may replace, random generators with named seeds ([`seed`]), Euclidean distances ([`distance`]),
//! free [`memory`], limits of [`processor_time`], [`progress`] and [`interrupt`]ion.

pub mod atomic;
pub mod distance;
mod error;
mod hex;
pub mod interrupt;
pub mod lock;
pub mod memory;
pub mod output;
mod problem;
pub mod processor_time;
pub mod progress;
pub mod seed;
#[doc(hidden)]
pub mod testing;
mod verbosity;

pub use error::{Error, ErrorKind, Result};
pub use hex::hex;
pub use problem::{Checks, Problem, Validate, below};
pub use verbosity::Verbosity;
