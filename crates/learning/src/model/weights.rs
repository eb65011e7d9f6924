//! Weights as safetensors.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{Tensor, backend::Backend};

use super::Network;
use super::ops::{Kernels, TrainBackend};
use porecast_base::atomic;
use porecast_base::{Error, Result};

impl<B: Kernels> Network<B> {
    /// Writes the weights, running statistics included, atomically.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        // Burn's own entries lie in a hash map: one entry has one order, and equal weights have equal bytes.
        let mut store = SafetensorsStore::from_bytes(None).clear_metadata().metadata("producer", "porecast");
        self.save_into(&mut store).map_err(|e| Error::output(path, e))?;
        let bytes = store.get_bytes().map_err(|e| Error::output(path, e))?;
        atomic::write(path, &bytes)
    }

    /// Reads weights into this network.
    ///
    /// # Errors
    /// The file is missing or broken, or belongs to another architecture.
    pub fn load(mut self, path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
        // What does not fit is reported below, in one line rather than in Burn's table.
        let mut store = SafetensorsStore::from_bytes(Some(bytes)).validate(false).allow_partial(true);
        let other = |what: String| {
            let what = what.lines().next().unwrap_or_default().to_owned();
            Error::input(path, format!("does not hold the weights of the configured network: {what}"))
        };
        let applied = self.load_from(&mut store).map_err(|e| other(e.to_string()))?;
        if let Some(error) = applied.errors.first() {
            return Err(other(error.to_string()));
        }
        if let Some((tensor, _)) = applied.missing.first() {
            return Err(other(format!("it lacks tensor {tensor}")));
        }
        match applied.unused.first() {
            Some(tensor) => Err(other(format!("tensor {tensor} has no place in it"))),
            None => Ok(self),
        }
    }

    /// Reads every weight, in the order of the layers: Burn draws fresh weights when they are first read.
    pub(super) fn draw(&self) {
        struct Read;
        impl<B: Backend> ModuleVisitor<B> for Read {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
                param.val();
            }
        }
        self.visit(&mut Read);
    }
}

impl<B: TrainBackend> Network<B> {
    /// Parameters that an optimiser changes; running statistics are not among them.
    pub fn parameter_count(&self) -> usize {
        struct Count(usize);
        impl<B: Backend> ModuleVisitor<B> for Count {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
                if param.is_require_grad() {
                    self.0 += param.val().shape().num_elements();
                }
            }
        }
        let mut count = Count(0);
        self.visit(&mut count);
        count.0
    }
}
