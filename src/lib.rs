//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.

pub mod campaign;
pub mod cli;
pub mod config;
pub mod data;
mod device;
pub mod error;
pub mod evaluate;
pub mod figure;
pub mod import;
pub mod inspect;
pub mod interrupt;
pub mod loss;
pub mod metric;
pub mod model;
pub mod picture;
pub mod predict;
pub mod progress;
pub mod report;
pub mod sample;
pub mod seed;
pub mod store;
pub mod task;
pub mod train;

pub use error::{Error, ErrorKind, Result};
