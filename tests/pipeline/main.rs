//! The program from the outside: commands on small files, and what they leave behind.
//!
//! One binary, because each links everything that the program does.

mod support;

mod evaluation;
mod faults;
mod import;
mod inspect;
mod prediction;
mod prepare;
mod resume;
mod segmentation;
mod segmentation_scores;
mod simulate;
mod training;
