//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.

pub mod campaign;
pub mod cli;
pub mod config;
pub mod error;
pub mod import;
pub mod inspect;
pub mod picture;
pub mod progress;
pub mod store;

pub use error::{Error, ErrorKind, Result};
