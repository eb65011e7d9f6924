//! Time and physics as vectors, and how they change features.

use std::f32::consts::PI;

use burn::module::Module;
use burn::nn::{Linear, LinearConfig};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::ops::{Condition, Kernels};
use porecast_store::config::model::TimeMode;

/// x / (1 + exp(-x)), as one operation on devices where fewer operations are faster.
fn silu<B: Kernels>(x: Tensor<B, 2>) -> Tensor<B, 2> {
    if B::PREFERS_FEW_OPERATIONS { porecast_kernels::silu(x) } else { burn::tensor::activation::silu(x) }
}

/// Sinusoidal features of a time in [0, 1], then two linear layers.
///
/// Of c features, feature j is sin(πf_j t) and feature c/2 + j is cos(πf_j t), with f_j geometric
/// from 1/2 to 32: the slowest separates early from late, the fastest separates neighbouring frames
/// among about fifty.
///
/// # References
/// Vaswani et al. (2017), section 3.5; Ho, Jain & Abbeel (2020), appendix B, for time in a UNet.
#[derive(Module, Debug)]
pub struct TimeEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
    channels: usize,
}

impl<B: Kernels> TimeEmbedding<B> {
    /// An embedding of even width `channels`.
    pub fn init(channels: usize, device: &B::Device) -> Self {
        let linear = || LinearConfig::new(channels, channels).init(device);
        Self { first: linear(), second: linear(), channels }
    }

    /// `[n]` to `[n, channels]`.
    pub fn forward(&self, times: Tensor<B, 1>) -> Tensor<B, 2> {
        let half = self.channels / 2;
        let last = (half - 1).max(1) as f32;
        let rates: Vec<f32> = (0..half).map(|j| PI * 0.5 * 64f32.powf(j as f32 / last)).collect();
        let rates = Tensor::<B, 1>::from_data(TensorData::from(rates.as_slice()), &times.device());
        let angles = times.unsqueeze_dim::<2>(1) * rates.unsqueeze_dim::<2>(0); // [n, half]
        let features = Tensor::cat(vec![angles.clone().sin(), angles.cos()], 1);
        silu(self.second.forward(silu(self.first.forward(features))))
    }
}

/// Two linear layers from physical quantities, scaled to about mean 0 and standard deviation 1, to the embedding.
#[derive(Module, Debug)]
pub struct PhysicsEmbedding<B: Backend> {
    first: Linear<B>,
    second: Linear<B>,
}

impl<B: Kernels> PhysicsEmbedding<B> {
    /// From `quantities` to a width of `channels`.
    pub fn init(quantities: usize, channels: usize, device: &B::Device) -> Self {
        Self {
            first: LinearConfig::new(quantities, channels).init(device),
            second: LinearConfig::new(channels, channels).init(device),
        }
    }

    /// `[n, quantities]` to `[n, channels]`.
    pub fn forward(&self, physics: Tensor<B, 2>) -> Tensor<B, 2> {
        silu(self.second.forward(silu(self.first.forward(physics))))
    }
}

/// Embedding of each sample: the embedding of its time plus that of the physics of its domain. All samples of a domain get
/// the same physics; the samples of the first domain come first.
///
/// # Shapes
/// `physics` `[domains, channels]`, `time` `[domains * k, channels]`; result `[domains * k, channels]`.
pub fn sum_embeddings<B: Kernels>(
    physics: Option<Tensor<B, 2>>,
    time: Option<Tensor<B, 2>>,
    samples: usize,
) -> Option<Tensor<B, 2>> {
    let physics = physics.map(|physics| {
        let [domains, channels] = physics.dims();
        let k = samples / domains;
        physics.reshape([domains, 1, channels]).repeat_dim(1, k).reshape([samples, channels])
    });
    match (physics, time) {
        (Some(physics), Some(time)) => Some(physics + time),
        (physics, time) => physics.or(time),
    }
}

/// Changes features by an embedding.
#[derive(Module, Debug)]
pub struct TimeInjection<B: Backend> {
    linear: Linear<B>,
    scales: bool,
}

impl<B: Kernels> TimeInjection<B> {
    /// From an embedding of width `embedding` to features of `channels`.
    pub fn init(mode: TimeMode, embedding: usize, channels: usize, device: &B::Device) -> Self {
        let scales = mode == TimeMode::ScaleAndShift;
        let outputs = if scales { 2 * channels } else { channels };
        Self { linear: LinearConfig::new(embedding, outputs).init(device), scales }
    }

    /// x + shift, or x (1 + scale) + shift, channel by channel, for normalised features x.
    ///
    /// # Shapes
    /// `embedding` `[n, channels]`.
    pub fn forward(&self, embedding: Tensor<B, 2>) -> Condition<B> {
        Condition { change: self.linear.forward(embedding) }
    }
}
