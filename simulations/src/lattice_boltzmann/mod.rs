//! Dynamic drainage: colour-gradient lattice Boltzmann, D2Q9.

mod boundary;
mod collision;
mod interface;
mod layout;
mod passes;
mod populations;
mod real;
mod recolouring;
mod stencil;
mod stripes;
mod two_phase;
mod wetting;

pub use boundary::{End, Ends};
pub use real::Real;
pub use recolouring::MAX_SHARPNESS;
pub use two_phase::{LatticeFluids, TwoPhase};
pub use wetting::Wettability;
