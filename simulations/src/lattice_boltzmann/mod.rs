//! Dynamic drainage for rates at which viscosity matters: colour-gradient lattice Boltzmann in two
//! dimensions.
//!
//! [`simulate`] drains a domain at a constant rate: [`Units`] converts the configuration into lattice
//! parameters, [`TwoPhase`] performs the time steps, and the phase is sampled into a
//! [`Trajectory`](crate::Trajectory). [`simulate_resumable`] can stop and resume with a bitwise identical
//! result.
//!
//! One time step:
//!
//! 1. collision with multiple relaxation times and the interfacial force (`collision`, `interface`);
//! 2. boundary conditions at walls, inlet and outlet (`boundary`);
//! 3. streaming, without moving memory (`populations`);
//! 4. streaming and recolouring of the invading fluid, which keeps the interface sharp (`recolouring`);
//! 5. interface normal, with the contact angle at walls (`interface`, `wetting`).
//!
//! Each file states its equations, the variant they follow, and the papers.
//!
//! # Limits of validity
//! Both fluids have the same density, and inertia is small: the Reynolds and Laplace numbers of the physical
//! flow are not matched. Ca may be from about 1e-3 to about 0.1. Below 1e-3 spurious currents and the number
//! of steps become too large and simulations can diverge; [`percolation`](crate::percolation) is the limit of
//! low Ca. Viscosity ratios may be from 1/100 to 100. Throats need at least 4 sites, better 8, because the
//! interface is about 4 sites wide.

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
