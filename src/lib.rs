//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.
//!
//! ```text
//! domain --campaign--> Trajectory --store--> dataset.h5 --data--> batches --model--> logits
//!        --loss--> train -> run folder --predict--> predictions.h5 --evaluate--> scores --report--> one HTML file
//! ```
//!
//! In the order of that pipeline:
//!
//! - [`cli`], [`config`]: what was typed becomes a checked value once; every problem is reported.
//! - [`campaign`], [`import`]: simulated or published sequences become a dataset.
//! - [`synth`], [`prepare`]: the files of a segmentation study become a dataset with its split.
//! - [`store`]: every file format; the only module that opens data files.
//! - [`inspect`], [`picture`]: what is in a file, as a table and a picture.
//! - [`data`]: split by domain, channels of the geometry, the order of an epoch.
//! - [`sample`], [`task`]: what a network is given and asked.
//! - [`model`], [`loss`]: networks and losses; they know neither files nor each other.
//! - [`train`]: the loop, checkpoints, resuming.
//! - [`search`]: settings whose trainings end best, by trials in a shared journal.
//! - [`predict`]: whole sequences for domains of any size, and masks of images.
//! - [`metric`], [`evaluate`]: measures beside the baselines, from files alone.
//! - [`figure`], [`report`]: charts, panels, one page.
//! - [`runs`]: the stages after training, for a run of invasions or of annotated images: the only place that asks of which.
//!
//! Every command is one call of a stage's `run`.

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
pub mod prepare;
pub mod progress;
pub mod report;
pub mod runs;
pub mod sample;
pub mod search;
pub mod seed;
pub mod store;
pub mod synth;
pub mod task;
pub mod train;

pub use error::{Error, ErrorKind, Result};
