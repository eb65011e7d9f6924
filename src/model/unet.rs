//! The UNet, told the time at its bottleneck, encoder or decoder.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::attention::SelfAttention;
use super::blocks::Block;
use super::ops::{Conv, Joined, Kernels, Upsample, max_pool};
use super::time_embedding::TimeEmbedding;
use super::{pad_to_multiple, repeat_each};
use crate::config::model::{ModelConfig, TimePlace};

/// Encoder, bottleneck and decoder with skips, and a 3x3 convolution to the logits.
///
/// # References
/// Ronneberger, Fischer & Brox (2015), with padded convolutions and normalisation.
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    embedding: Option<TimeEmbedding<B>>,
    encoder: Vec<Block<B>>,
    bottleneck: Block<B>,
    attention: Option<SelfAttention<B>>,
    upsamples: Vec<Upsample<B>>,
    decoder: Vec<Block<B>>,
    head: Conv<B>,
    encoder_takes_time: bool,
    bottleneck_takes_time: bool,
}

/// What the UNet knows of domains before it is told the time.
#[derive(Debug, Clone)]
pub struct UnetFeatures<B: Backend> {
    stage: Stage<B>,
    height: usize,
    width: usize,
}

/// How far the work that needs no time goes.
#[derive(Debug, Clone)]
enum Stage<B: Backend> {
    /// The encoder takes time: nothing is done yet.
    Input(Tensor<B, 4>),
    /// The bottleneck block takes time: the skips, finest first, and the input of the bottleneck.
    Encoded(Vec<Tensor<B, 4>>, Tensor<B, 4>),
    /// Only the decoder takes time: the skips and the output of the bottleneck.
    Bottlenecked(Vec<Tensor<B, 4>>, Tensor<B, 4>),
}

impl<B: Kernels> Unet<B> {
    /// A UNet with fresh weights.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        takes_time: bool,
        device: &B::Device,
    ) -> Self {
        let unet = &config.unet;
        let at = |place| takes_time && config.time.enters.contains(&place);
        let channels = |level: usize| unet.base_channels << level;
        let encoder = (0..unet.levels)
            .map(|level| {
                let from = if level == 0 { inputs } else { channels(level - 1) };
                Block::init(config, from, channels(level), at(TimePlace::Encoder), device)
            })
            .collect();
        let deepest = channels(unet.levels);
        let decoder = (0..unet.levels)
            .rev()
            .map(|level| {
                Block::init(config, 2 * channels(level), channels(level), at(TimePlace::Decoder), device)
            })
            .collect();
        Self {
            embedding: takes_time.then(|| TimeEmbedding::init(config.time.channels, device)),
            encoder,
            bottleneck: Block::init(
                config,
                channels(unet.levels - 1),
                deepest,
                at(TimePlace::Bottleneck),
                device,
            ),
            attention: unet.attention.enabled.then(|| {
                SelfAttention::init(deepest, unet.attention.heads, unet.attention.positional, device)
            }),
            upsamples: (0..unet.levels)
                .rev()
                .map(|level| Upsample::init(unet.upsampling, channels(level + 1), channels(level), device))
                .collect(),
            decoder,
            head: Conv::init(channels(0), outputs, 3, device),
            encoder_takes_time: at(TimePlace::Encoder),
            bottleneck_takes_time: at(TimePlace::Bottleneck),
        }
    }

    /// Everything that does not depend on time.
    pub fn encode(&self, input: Tensor<B, 4>) -> UnetFeatures<B> {
        let [_, _, height, width] = input.dims();
        let input = pad_to_multiple(input, 1 << self.encoder.len());
        let stage = if self.encoder_takes_time {
            Stage::Input(input)
        } else {
            let (skips, deep) = self.contract(input, None);
            if self.bottleneck_takes_time {
                Stage::Encoded(skips, deep)
            } else {
                Stage::Bottlenecked(skips, self.squeeze(deep, None))
            }
        };
        UnetFeatures { stage, height, width }
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub fn decode(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        let UnetFeatures { stage, height, width } = features;
        let frames = times.dims()[0];
        let time = self.embedding.as_ref().map(|embedding| embedding.forward(times));
        let time = time.as_ref();
        let spread = |x: Tensor<B, 4>| {
            let repeats = frames / x.dims()[0];
            repeat_each(x, repeats)
        };
        let (skips, deep) = match stage {
            Stage::Input(input) => {
                let (skips, deep) = self.contract(spread(input), time);
                (skips, self.squeeze(deep, time))
            }
            Stage::Encoded(skips, deep) => (skips, self.squeeze(spread(deep), time)),
            Stage::Bottlenecked(skips, deep) => (skips, spread(deep)),
        };
        let mut x = deep;
        for ((upsample, block), skip) in self.upsamples.iter().zip(&self.decoder).zip(skips.into_iter().rev())
        {
            x = block.forward(Joined { shared: Some(skip), own: upsample.forward(x) }, time);
        }
        let logits = self.head.forward(x);
        let [n, outputs, h, w] = logits.dims();
        if (h, w) == (height, width) { logits } else { logits.slice([0..n, 0..outputs, 0..height, 0..width]) }
    }

    /// The encoder: skips, finest first, and the input of the bottleneck.
    fn contract(
        &self,
        input: Tensor<B, 4>,
        time: Option<&Tensor<B, 2>>,
    ) -> (Vec<Tensor<B, 4>>, Tensor<B, 4>) {
        let mut skips = Vec::with_capacity(self.encoder.len());
        let mut x = input;
        for block in &self.encoder {
            let skip = block.forward(x.into(), time);
            x = max_pool(skip.clone());
            skips.push(skip);
        }
        (skips, x)
    }

    /// The bottleneck block and the attention behind it.
    fn squeeze(&self, x: Tensor<B, 4>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let x = self.bottleneck.forward(x.into(), time);
        match &self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        }
    }
}
