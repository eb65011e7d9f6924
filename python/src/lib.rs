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
    use std::path::PathBuf;

    use porecast::store::examine;
    use pyo3::prelude::*;

    use crate::work;

    #[pymodule_export]
    use super::pipeline::{simulate, train};
    #[pymodule_export]
    use super::run::{Run, SegmentationRun, channels};
    #[pymodule_export]
    use super::scores::scores;
    #[pymodule_export]
    use super::simulators::{lattice_boltzmann, percolation};

    /// Lets the command line examine the files that libhdf5 could crash on.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        // Where Python is part of another program, nothing is named here.
        let python: Option<OsString> = module.py().import("sys")?.getattr("executable")?.extract()?;
        if let Some(python) = python.filter(|python| !python.is_empty()) {
            examine::by(vec![python, "-m".into(), "porecast".into()]);
        }
        Ok(())
    }

    /// Refuses an HDF5 file that is damaged.
    #[pyfunction]
    fn approve(py: Python<'_>, path: PathBuf) -> PyResult<()> {
        work::run(py, || examine::approve(&path))
    }

    /// Runs the command line; returns the exit code.
    #[pyfunction]
    fn program(py: Python<'_>, arguments: Vec<OsString>) -> u8 {
        if examine::serve() {
            return 0;
        }
        py.detach(|| porecast::program::run(arguments))
    }
}
