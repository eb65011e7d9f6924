//! In place of MPI in a build without it: more than one process is an error.

use porecast_base::{Error, Result};

/// Has no values: without MPI there are no other processes.
pub(super) enum World {}

impl World {
    pub(super) fn start(count: usize) -> Result<Self> {
        Err(Error::config(
            "mpirun",
            format!(
                "{count} processes need a build with `cargo install --path . --features mpi`; start one process"
            ),
        ))
    }

    pub(super) fn number(&self) -> usize {
        match *self {}
    }

    pub(super) fn count(&self) -> usize {
        match *self {}
    }

    pub(super) fn machine(&self) -> usize {
        match *self {}
    }

    pub(super) fn gather(&self, _: &[u8]) -> Vec<Vec<u8>> {
        match *self {}
    }

    pub(super) fn gather_numbers(&self, _: &[f32]) -> Vec<f32> {
        match *self {}
    }

    pub(super) fn exchange(&self, _: &[f32]) -> Vec<f32> {
        match *self {}
    }

    pub(super) fn leave(self) {
        match self {}
    }

    pub(super) fn abort(&self, _: u8) -> ! {
        match *self {}
    }
}
