//! Porous domains and simulators of two-phase invasion.
//!
//! In pipeline order: [`domain`] generates or imports a geometry, [`fluid`] describes the two fluids,
//! [`percolation`] (vanishing rate) or [`lattice_boltzmann`] (finite rate) simulates the invasion, and
//! [`trajectory`] holds the resulting sequence. This crate contains only physics: no files, networks or
//! command line.

pub mod domain;
pub mod fluid;
pub mod lattice_boltzmann;
pub mod percolation;
pub mod trajectory;

pub use domain::{Domain, DomainConfig, Side};
pub use fluid::FluidPair;
pub use porecast_base::{Error, ErrorKind, Result};
pub use trajectory::{Parameters, TimeUnit, Trajectory};
