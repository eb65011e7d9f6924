//! Tests of the whole program: run commands on small files and check their output.
//!
//! All tests are one binary, because each test binary would link the whole program.

mod support;

mod evaluation;
mod export;
mod faults;
mod field_files;
mod import;
mod inspect;
mod lost_work;
mod messages;
mod physics;
mod prediction;
mod prepare;
mod ranks;
mod resume;
mod segmentation;
mod segmentation_scores;
mod simulate;
mod studies;
mod training;
mod typing;
