//! A vision transformer that maps the token of each patch to the logits of the patch.

use burn::module::Module;
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig};
use burn::tensor::{Tensor, backend::Backend};

use super::attention::sinusoidal_positions;
use super::ops::{Kernels, PatchConv};
use super::time_embedding::TimeEmbedding;
use super::{pad_to_multiple, repeat_each};
use porecast_store::config::model::ModelConfig;

/// Embeds patches as tokens, adds the time, applies transformer layers and maps tokens to patches
/// of logits.
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
}

/// Tokens of domains, before the time is added.
#[derive(Debug, Clone)]
pub struct VitFeatures<B: Backend> {
    /// `[n, width, rows, columns]`.
    tokens: Tensor<B, 4>,
    height: usize,
    width: usize,
}

impl<B: Kernels> Vit<B> {
    /// A vision transformer with fresh weights.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        takes_time: bool,
        device: &B::Device,
    ) -> Self {
        let vit = &config.vit;
        Self {
            patches: PatchConv::init(inputs, vit.width, vit.patch, device),
            embedding: takes_time.then(|| TimeEmbedding::init(config.time.channels, device)),
            time: takes_time.then(|| LinearConfig::new(config.time.channels, vit.width).init(device)),
            transformer: TransformerEncoderConfig::new(vit.width, 4 * vit.width, vit.heads, vit.depth)
                .with_dropout(config.dropout)
                .with_norm_first(true)
                .init(device),
            norm: LayerNormConfig::new(vit.width).init(device),
            head: LinearConfig::new(vit.width, outputs * vit.patch * vit.patch).init(device),
            patch: vit.patch,
            outputs,
        }
    }

    /// Tokens of the patches.
    pub fn encode(&self, input: Tensor<B, 4>) -> VitFeatures<B> {
        let [_, _, height, width] = input.dims();
        VitFeatures { tokens: self.patches.forward(pad_to_multiple(input, self.patch)), height, width }
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub fn decode(&self, features: VitFeatures<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        let VitFeatures { tokens, height, width } = features;
        let [domains, channels, rows, columns] = tokens.dims();
        let n = times.dims()[0];
        let position = sinusoidal_positions(rows, columns, channels, &tokens.device());
        let mut x = repeat_each(tokens, n / domains).reshape([n, channels, rows * columns]).swap_dims(1, 2)
            + position.unsqueeze_dim::<3>(0); // [n, tokens, channels]
        if let (Some(embedding), Some(linear)) = (&self.embedding, &self.time) {
            x = x + linear.forward(embedding.forward(times)).unsqueeze_dim::<3>(1);
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
