//! Networks that predict how a fluid invades a porous domain, or that segment images.
//!
//! [`train::run`] trains networks and writes a run folder, [`search::run`] searches for good
//! settings, and a [`Predictor`] predicts domains in memory with the networks of a run:
//!
//! ```no_run
//! use porecast_learning::Predictor;
//! use porecast_simulations::{Domain, Side};
//! use porecast_store::Physics;
//!
//! let predictor = Predictor::open("runs/time".as_ref())?;
//! let domain = Domain { solid: ndarray::Array2::from_elem((256, 128), false), voxel_size_m: 35e-6 };
//! let frames = predictor.frames(&domain, Side::Top, &Physics::default(), &predictor.times())?;
//! # Ok::<(), porecast_base::Error>(())
//! ```
//!
//! Only this crate and `porecast-kernels` use Burn. No public function is generic over a backend; a
//! [`Device`] selects it. The modules in the order of the pipeline:
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
mod orientation;
pub mod predict;
mod rescale;
mod sample;
pub mod search;
mod task;
pub mod train;
mod workers;

pub use data::channels::channels;
pub use device::{Device, instruction_set};
pub use predict::{MaskPredictor, Predictor};
