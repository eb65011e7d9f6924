//! Porous domains and the simulators that invade them.
//!
//! In pipeline order: [`domain`] makes or imports a geometry, [`fluid`] names the two fluids, [`percolation`]
//! (vanishing rate) or [`lattice_boltzmann`] (finite rate) invades the geometry, and [`trajectory`] holds the
//! resulting sequence. Physics only: nothing here knows files, networks or the command line.

pub mod domain;
pub mod fluid;
pub mod lattice_boltzmann;
pub mod percolation;
pub mod trajectory;

pub use domain::{Domain, DomainConfig, Side};
pub use fluid::FluidPair;
pub use porecast_base::{Error, ErrorKind, Result};
pub use trajectory::{Parameters, TimeUnit, Trajectory};
