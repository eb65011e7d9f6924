//! Weights as safetensors.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::store::{ModuleSnapshot, SafetensorsStore};
use burn::tensor::{DType, FloatDType, Tensor, backend::Backend};

use super::Network;
use super::ops::{Kernels, TrainBackend};
use super::widening::widened;
use porecast_base::{Error, Result};

impl<B: Kernels> Network<B> {
    /// The weights, running statistics included, as the bytes of a safetensors file.
    ///
    /// # Errors
    /// A weight cannot be serialised; `path` names the file in the message.
    pub fn to_bytes(&self, path: &Path) -> Result<Vec<u8>> {
        // Burn keeps metadata in a hash map of random order; with one entry, equal weights give
        // equal bytes.
        let mut store = SafetensorsStore::from_bytes(None).clear_metadata().metadata("producer", "porecast");
        self.save_into(&mut store).map_err(|e| Error::output(path, e))?;
        store.get_bytes().map_err(|e| Error::output(path, e))
    }

    /// This network with the weights in the bytes of a safetensors file; `path` names the file in
    /// errors.
    ///
    /// # Errors
    /// The bytes are damaged or belong to another architecture.
    pub fn with_weights(self, bytes: Vec<u8>, path: &Path) -> Result<Self> {
        self.load(bytes, path, |_| false, |_| false)
    }

    /// This network with the weights of another one. The layers after the UNet may differ, the state of a recurrent network may
    /// have had fewer channels, and the other network need not be told time or physics: layers and channels that only this
    /// network has keep their weights. `path` names the file in errors.
    ///
    /// # Errors
    /// The bytes are damaged, or another layer differs.
    pub fn started_from(self, bytes: Vec<u8>, path: &Path) -> Result<Self> {
        let is_end =
            |tensor: &str| ["Unet.head.", "Unet.recurrence."].iter().any(|end| tensor.starts_with(end));
        let tells = |tensor: &str| tensor.starts_with("Unet.physics.") || tensor.contains(".time.");
        let widened = widened(&bytes, &self.to_bytes(path)?);
        self.load(widened.unwrap_or(bytes), path, |tensor| is_end(tensor) || tells(tensor), is_end)
    }

    /// This network with the weights in `bytes`. `may_lack` says which of its tensors `bytes` need not have, `may_leave` which
    /// tensors of `bytes` it need not have.
    fn load(
        mut self,
        bytes: Vec<u8>,
        path: &Path,
        may_lack: impl Fn(&str) -> bool,
        may_leave: impl Fn(&str) -> bool,
    ) -> Result<Self> {
        // Mismatches are reported below, in one line instead of Burn's table.
        let mut store = SafetensorsStore::from_bytes(Some(bytes)).validate(false).allow_partial(true);
        let other = |what: String| {
            let what = what.lines().next().unwrap_or_default().to_owned();
            Error::input(path, format!("does not hold the weights of the configured network: {what}"))
        };
        let applied = self.load_from(&mut store).map_err(|e| other(e.to_string()))?;
        let wrong = applied
            .errors
            .iter()
            .map(|error| error.to_string().lines().next().unwrap_or_default().to_owned());
        let missing = applied.missing.iter().map(|(tensor, _)| tensor).filter(|tensor| !may_lack(tensor));
        let missing = missing.map(|tensor| format!("it lacks tensor {tensor}"));
        let unused = applied.unused.iter().filter(|tensor| !may_leave(tensor));
        let unused = unused.map(|tensor| format!("tensor {tensor} has no place in it"));
        let mismatches: Vec<String> = wrong.chain(missing).chain(unused).collect();
        match mismatches.as_slice() {
            [] => Ok(self.map(&mut Single)),
            [one] => Err(other(one.clone())),
            [first, rest @ ..] => Err(other(format!("{first}, and {} more", rest.len()))),
        }
    }

    /// Reads every weight in the order of the layers: Burn draws a weight when it is first read.
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

/// Makes every weight a number of 32 bits; files may hold half precision.
struct Single;

impl<B: Backend> ModuleMapper<B> for Single {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if param.val().dtype() == DType::F32 {
            return param;
        }
        let is_trained = param.is_require_grad();
        // Autodiff would not train the result of a cast.
        param.map(|weights| weights.cast(FloatDType::F32).detach().set_require_grad(is_trained))
    }
}

impl<B: TrainBackend> Network<B> {
    /// Number of trainable parameters, without running statistics.
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
