//! The compiled half of the Python package `porecast`; its other half is in `python/porecast`.
//!
//! Arrays come as NumPy arrays and go as NumPy arrays that own the memory of the Rust array. Everything that computes runs
//! in [`work::run`], without Python's lock and stopped by Ctrl-C.

mod error;
mod pipeline;
mod run;
mod scores;
mod simulators;
mod work;

/// Compiled functions of porecast.
#[pyo3::pymodule]
mod _porecast {
    use std::ffi::OsString;

    use pyo3::prelude::*;

    #[pymodule_export]
    use super::pipeline::{simulate, train};
    #[pymodule_export]
    use super::run::Run;
    #[pymodule_export]
    use super::scores::scores;
    #[pymodule_export]
    use super::simulators::{lattice_boltzmann, percolation};

    /// Runs the command line; returns the exit code.
    #[pyfunction]
    fn program(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        py.detach(|| porecast::program::run(arguments))
    }
}
