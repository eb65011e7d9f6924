//! Dynamic drainage: colour-gradient lattice Boltzmann, D2Q9.

mod boundary;
mod collision;
mod config;
mod drainage;
mod frames;
mod interface;
mod layout;
mod orientation;
mod passes;
mod populations;
mod real;
mod recolouring;
mod state;
mod stencil;
mod stripes;
mod two_phase;
mod units;
mod wetting;

pub use boundary::{End, Ends};
pub use config::{Injection, LatticeBoltzmannConfig, Precision};
pub use drainage::{Drainage, Flow, simulate, simulate_resumable};
pub use real::Real;
pub use recolouring::MAX_SHARPNESS;
pub use two_phase::{LatticeFluids, TwoPhase};
pub use units::Units;
pub use wetting::Wettability;
