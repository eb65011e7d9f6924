//! A vision transformer that maps the token of each patch to the logits of the patch.

use burn::module::Module;
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::attention::sinusoidal_positions;
use super::ends::Ends;
use super::ops::{Kernels, PatchConv};
use super::time_embedding::{PhysicsEmbedding, TimeEmbedding, sum_embeddings};
use super::{pad_to_multiple, repeat_each};
use porecast_store::config::model::ModelConfig;

/// Patches to tokens, time and physics added to each, transformer layers, tokens to patches of logits.
///
/// # References
/// Dosovitskiy et al. (2021); positions are sinusoidal in y and x so that any size can be predicted.
#[derive(Module, Debug)]
pub struct Vit<B: Backend> {
    patches: PatchConv<B>,
    embedding: Option<TimeEmbedding<B>>,
    time: Option<Linear<B>>,
    transformer: TransformerEncoder<B>,
    norm: LayerNorm<B>,
    head: Linear<B>,
    patch: usize,
    outputs: usize,
    physics: Option<PhysicsEmbedding<B>>,
    pub(super) knots: Option<usize>,
}

/// Tokens of domains, before the time is added.
#[derive(Debug, Clone)]
pub struct VitFeatures<B: Backend> {
    /// `[n, width, rows, columns]`.
    tokens: Tensor<B, 4>,
    /// Embedding of the physics `[n, channels]`.
    physics: Option<Tensor<B, 2>>,
    height: usize,
    width: usize,
}

impl<B: Kernels> Vit<B> {
    /// A vision transformer with fresh weights.
    pub fn init(config: &ModelConfig, ends: Ends, device: &B::Device) -> Self {
        let Ends { inputs, takes_time, .. } = ends;
        let outputs = ends.last_channels();
        let is_told = takes_time || ends.physics > 0;
        let vit = &config.vit;
        Self {
            patches: PatchConv::init(inputs, vit.width, vit.patch, device),
            embedding: takes_time.then(|| TimeEmbedding::init(config.time.channels, device)),
            time: is_told.then(|| LinearConfig::new(config.time.channels, vit.width).init(device)),
            transformer: TransformerEncoderConfig::new(vit.width, 4 * vit.width, vit.heads, vit.depth)
                .with_dropout(config.dropout)
                .with_norm_first(true)
                .init(device),
            norm: LayerNormConfig::new(vit.width).init(device),
            head: LinearConfig::new(vit.width, outputs * vit.patch * vit.patch).init(device),
            patch: vit.patch,
            outputs,
            physics: (ends.physics > 0)
                .then(|| PhysicsEmbedding::init(ends.physics, config.time.channels, device)),
            knots: ends.knots,
        }
    }

    /// Tokens of the patches.
    pub fn encode(&self, input: Tensor<B, 4>, physics: Option<Tensor<B, 2>>) -> VitFeatures<B> {
        let [_, _, height, width] = input.dims();
        let physics =
            self.physics.as_ref().zip(physics).map(|(embedding, physics)| embedding.forward(physics));
        let tokens = self.patches.forward(pad_to_multiple(input, self.patch));
        VitFeatures { tokens, physics, height, width }
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub fn decode(&self, features: VitFeatures<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        let VitFeatures { tokens, physics, height, width } = features;
        let [domains, channels, rows, columns] = tokens.dims();
        let n = times.dims()[0];
        let position = sinusoidal_positions(rows, columns, channels, &tokens.device());
        let mut x = repeat_each(tokens, n / domains).reshape([n, channels, rows * columns]).swap_dims(1, 2)
            + position.unsqueeze_dim::<3>(0); // [n, tokens, channels]
        let time = self.embedding.as_ref().map(|embedding| embedding.forward(times));
        if let (Some(embedding), Some(linear)) = (sum_embeddings(physics, time, n), &self.time) {
            x = x + linear.forward(embedding).unsqueeze_dim::<3>(1);
        }
        let x = self.norm.forward(self.transformer.forward(TransformerEncoderInput::new(x)));
        let (p, outputs) = (self.patch, self.outputs);
        let logits = self
            .head
            .forward(x)
            .reshape([n, rows, columns, outputs, p, p])
            .permute([0, 3, 1, 4, 2, 5])
            .reshape([n, outputs, rows * p, columns * p]);
        logits.slice([0..n, 0..outputs, 0..height, 0..width])
    }
}
