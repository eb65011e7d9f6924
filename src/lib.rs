//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.

pub mod cli;
pub mod config;
pub mod error;
pub mod loss;
pub mod model;
pub mod sample;
pub mod seed;
pub mod store;
pub mod task;

pub use error::{Error, ErrorKind, Result};
