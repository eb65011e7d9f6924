//! Scores of predictions, from files alone: this crate knows no network.

pub mod evaluate;
pub mod figure;
pub mod metric;
pub mod report;
