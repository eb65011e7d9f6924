//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.

pub mod cli;
pub mod error;
pub mod evaluate;
pub mod figure;
pub mod metric;
pub mod picture;
pub mod report;
pub mod store;

pub use error::{Error, ErrorKind, Result};
