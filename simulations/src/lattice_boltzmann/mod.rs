//! Dynamic drainage: colour-gradient lattice Boltzmann in two dimensions, for rates at which viscosity matters.
//!
//! [`simulate`] drains a domain at a constant rate: [`Units`] turns what is asked for into lattice parameters,
//! [`TwoPhase`] does the time steps, and the phase is sampled into a [`Trajectory`](crate::Trajectory).
//! [`simulate_resumable`] can stop and go on bit for bit.
//!
//! One time step:
//!
//! 1. collision with multiple relaxation times and the force of the interface (`collision`, `interface`);
//! 2. what leaves the pore space comes back: walls, inlet, outlet (`boundary`);
//! 3. streaming, without moving memory (`populations`);
//! 4. the share of the invading fluid streams along and gathers on its side of the interface (`recolouring`);
//! 5. the interface's normal, turned to the contact angle at walls (`interface`, `wetting`).
//!
//! Each file states its equations, which variant they follow, and the papers.
//!
//! # Limits of validity
//! Both fluids have the same density, and inertia is small: the Reynolds and Laplace numbers of the physical
//! flow are not matched. Ca from about 1e-3, below which spurious currents and the number of steps grow out of
//! hand and simulations can diverge ([`percolation`](crate::percolation) is the limit), to about 0.1. Viscosity ratios
//! from 1/100 to 100.
//! Throats of at least 4 sites, better 8, since the interface is about 4 wide.

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
mod wall;
mod wetting;

pub use boundary::{End, Ends};
pub use config::{Injection, LatticeBoltzmannConfig, Precision};
pub use drainage::{Drainage, Flow, Underway, simulate, simulate_resumable};
pub use real::Real;
pub use recolouring::MAX_SHARPNESS;
pub use two_phase::{LatticeFluids, TwoPhase};
pub use units::Units;
pub use wetting::Wettability;
