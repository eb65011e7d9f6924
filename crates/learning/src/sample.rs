//! Samples: input, time, target and scored pixels.
//!
//! A domain is what a network encodes once: a porous domain with its frames, or an image, which is
//! a single sample.

use burn::tensor::{Tensor, TensorData, backend::Backend};

/// A batch in memory: some domains, each at the same number of times.
#[derive(Debug, Clone, PartialEq)]
pub struct HostBatch {
    /// Number of domains.
    pub domains: usize,
    /// Channels, height and width of the input.
    pub input_shape: [usize; 3],
    /// Input `[domain, channel, y, x]`.
    pub input: Vec<f32>,
    /// Physical quantities `[domain, quantity]`, scaled; empty where the network is not told them.
    pub physics: Vec<f32>,
    /// Time of each sample, scaled to about [0, 1]; the samples of the first domain first.
    pub times: Vec<f32>,
    /// Class of each pixel `[sample, y, x]`; for an invasion 1 in the invading phase and 0
    /// elsewhere.
    pub target: Vec<f32>,
    /// Scored pixels `[domain, y, x]`, 0 or 1.
    pub scored: Vec<f32>,
    /// Name of each sample in messages.
    pub names: Vec<String>,
}

/// A batch on a device.
#[derive(Debug, Clone)]
pub struct Batch<B: Backend> {
    /// `[domains, channels, h, w]`.
    pub input: Tensor<B, 4>,
    /// `[domains, quantities]`.
    pub physics: Option<Tensor<B, 2>>,
    /// `[samples]`.
    pub times: Tensor<B, 1>,
    /// `[samples, 1, h, w]`.
    pub target: Tensor<B, 4>,
    /// `[samples, 1, h, w]`.
    pub scored: Tensor<B, 4>,
}

impl HostBatch {
    /// Copies the batch to a device.
    #[allow(clippy::wrong_self_convention, reason = "its arrays are moved into tensors")]
    pub fn to_device<B: Backend>(self, device: &B::Device) -> Batch<B> {
        let [channels, h, w] = self.input_shape;
        let (domains, samples) = (self.domains, self.times.len());
        let scored = Tensor::<B, 4>::from_data(TensorData::new(self.scored, [domains, 1, 1, h * w]), device)
            .repeat_dim(1, samples / domains)
            .reshape([samples, 1, h, w]);
        let quantities = self.physics.len() / domains;
        Batch {
            physics: (quantities > 0)
                .then(|| Tensor::from_data(TensorData::new(self.physics, [domains, quantities]), device)),
            input: Tensor::from_data(TensorData::new(self.input, [domains, channels, h, w]), device),
            times: Tensor::from_data(TensorData::new(self.times, [samples]), device),
            target: Tensor::from_data(TensorData::new(self.target, [samples, 1, h, w]), device),
            scored,
        }
    }
}
