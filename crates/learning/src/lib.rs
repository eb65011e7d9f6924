//! Networks that learn how a fluid invades a porous domain, or what an image shows.
//!
//! [`train::run`] trains the networks of a configuration into a run folder, [`search::run`] looks for good settings, and
//! a [`Predictor`] predicts domains in memory with the networks of a run:
//!
//! ```no_run
//! use porecast_learning::Predictor;
//! use porecast_simulations::{Domain, Side};
//!
//! let predictor = Predictor::open("runs/time".as_ref())?;
//! let domain = Domain { solid: ndarray::Array2::from_elem((256, 128), false), voxel_size_m: 35e-6 };
//! let frames = predictor.frames(&domain, Side::Top, &predictor.times())?;
//! # Ok::<(), porecast_base::Error>(())
//! ```
//!
//! This crate and `porecast-kernels` are the only ones that name Burn. No public function is generic over a backend: a
//! [`Device`] chooses it. In the order of the pipeline:
//!
//! | module | from | to |
//! |---|---|---|
//! | `data` | datasets | channels of the geometry, batches in a seeded order (`sample`) |
//! | `model` | a batch | logits |
//! | `task` | logits | probability of the invading phase; classes of a target |
//! | `loss` | logits and target | a sum of weighted terms |
//! | [`train`] | configuration and dataset | run folder |
//! | [`predict`] | run folder and domains or images | frames or masks |
//! | [`search`] | search configuration | trials, each a run folder |

mod data;
mod device;
mod loss;
mod model;
pub mod predict;
mod sample;
pub mod search;
mod task;
pub mod train;

pub use device::Device;
pub use predict::{MaskPredictor, Predictor};
