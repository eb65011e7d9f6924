//! The UNet, told the time at its bottleneck, encoder or decoder.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::attention::SelfAttention;
use super::blocks::Block;
use super::context::Context;
use super::encoder::Encoder;
use super::global_branch::GlobalBranch;
use super::ops::{Conv, Joined, Kernels, Upsample, max_pool};
use super::time_embedding::TimeEmbedding;
use super::{pad_to_multiple, repeat_each};
use crate::config::model::{ModelConfig, Skips, TimePlace};
use crate::error::Result;

/// Encoder, bottleneck and decoder with skips, and a 3x3 convolution to the logits.
///
/// The encoder is the UNet's own blocks, or one of [`Encoder`], which leaves no bottleneck block and no skip of full
/// resolution.
///
/// # References
/// Ronneberger, Fischer & Brox (2015), with padded convolutions and normalisation; heads at coarser levels of the
/// decoder follow Lee et al. (2015).
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    embedding: Option<TimeEmbedding<B>>,
    encoder: Vec<Block<B>>,
    bottleneck: Option<Block<B>>,
    attention: Option<SelfAttention<B>>,
    upsamples: Vec<Upsample<B>>,
    decoder: Vec<Block<B>>,
    head: Conv<B>,
    encoder_takes_time: bool,
    bottleneck_takes_time: bool,
    pretrained: Option<Encoder<B>>,
    context: Option<Context<B>>,
    global: Option<GlobalBranch<B>>,
    coarse_heads: Vec<Conv<B>>,
    #[module(skip)]
    merge: Skips,
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
        let levels = unet.levels;
        let channels = |level: usize| unet.channels(level);
        let foreign = unet.encoder.kind.channels();
        let at = |place| takes_time && config.time.enters.contains(&place);
        let own_at = |place| foreign.is_none() && at(place);
        let depth = |level: usize| (level + 1) as f64 / (levels + 1) as f64;
        let own_levels = if foreign.is_some() { 0 } else { levels };
        // What the encoder gives the bottleneck, and what comes with each skip of the decoder.
        let encoded = foreign.map_or(channels(levels - 1), |channels| channels[channels.len() - 1]);
        let skip = |level: usize| match foreign {
            None => Some(channels(level)),
            Some(channels) => level.checked_sub(1).map(|finer| channels[finer]),
        };
        let upsampled = |level: usize| match (unet.skips, skip(level)) {
            (Skips::Add | Skips::Multiply, Some(skip)) => skip,
            _ => channels(level),
        };
        let merged = |level: usize| match (unet.skips, skip(level)) {
            (Skips::Concatenate, Some(skip)) => upsampled(level) + skip,
            _ => upsampled(level),
        };
        let below = |level: usize| if level + 1 == levels { unet.deepest() } else { channels(level + 1) };
        Self {
            embedding: takes_time.then(|| TimeEmbedding::init(config.time.channels, device)),
            encoder: (0..own_levels)
                .map(|level| {
                    let from = if level == 0 { inputs } else { channels(level - 1) };
                    Block::init(config, from, channels(level), at(TimePlace::Encoder), depth(level), device)
                })
                .collect(),
            bottleneck: foreign.is_none().then(|| {
                Block::init(config, encoded, unet.deepest(), at(TimePlace::Bottleneck), 1.0, device)
            }),
            attention: unet.attention.enabled.then(|| {
                SelfAttention::init(unet.deepest(), unet.attention.heads, unet.attention.positional, device)
            }),
            upsamples: (0..levels)
                .rev()
                .map(|level| Upsample::init(unet.upsampling, below(level), upsampled(level), device))
                .collect(),
            decoder: (0..levels)
                .rev()
                .map(|level| {
                    let takes_time = at(TimePlace::Decoder);
                    Block::init(config, merged(level), channels(level), takes_time, depth(level), device)
                })
                .collect(),
            head: Conv::init(channels(0), outputs, 3, device),
            encoder_takes_time: own_at(TimePlace::Encoder),
            bottleneck_takes_time: own_at(TimePlace::Bottleneck),
            pretrained: Encoder::init(unet.encoder.kind, inputs, unet.stochastic_depth, device),
            context: Context::init(unet, unet.deepest(), device),
            global: unet.global.enabled.then(|| {
                let fine: Vec<_> = (1..levels).filter_map(skip).chain([encoded]).collect();
                GlobalBranch::init(config, inputs, &fine, device)
            }),
            coarse_heads: (1..=unet.deep_supervision)
                .map(|level| Conv::init(channels(level), outputs, 3, device))
                .collect(),
            merge: unet.skips,
        }
    }

    /// The UNet with the weights of its encoder from a file.
    pub(super) fn with_encoder_weights(mut self, path: &Path) -> Result<Self> {
        self.pretrained = self.pretrained.map(|encoder| encoder.load(path)).transpose()?;
        Ok(self)
    }

    /// Everything that does not depend on time.
    pub fn encode(&self, input: Tensor<B, 4>) -> UnetFeatures<B> {
        let [_, _, height, width] = input.dims();
        let input = pad_to_multiple(input, 1 << self.decoder.len());
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
        let size = [features.height, features.width];
        let finest = self.expand(features, times, |_, _| {});
        crop(self.head.forward(finest), size)
    }

    /// [`decode`](Self::decode), then the logits of the coarser heads, height and width divided by 2, 4, ...
    pub fn decode_levels(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Vec<Tensor<B, 4>> {
        let [height, width] = [features.height, features.width];
        let mut logits = Vec::with_capacity(1 + self.coarse_heads.len());
        let finest = self.expand(features, times, |level, x| {
            if let Some(head) = level.checked_sub(1).and_then(|index| self.coarse_heads.get(index)) {
                logits.push(crop(
                    head.forward(x.clone()),
                    [height, width].map(|size| size.div_ceil(1 << level)),
                ));
            }
        });
        logits.push(crop(self.head.forward(finest), [height, width]));
        logits.reverse();
        logits
    }

    /// The decoder; `visit` is given the number and the features of each level, coarsest first.
    fn expand(
        &self,
        UnetFeatures { stage, .. }: UnetFeatures<B>,
        times: Tensor<B, 1>,
        mut visit: impl FnMut(usize, &Tensor<B, 4>),
    ) -> Tensor<B, 4> {
        let frames = times.dims()[0];
        let time = self.embedding.as_ref().map(|embedding| embedding.forward(times));
        let time = time.as_ref();
        let spread = |x: Tensor<B, 4>| {
            let repeats = frames / x.dims()[0];
            repeat_each(x, repeats)
        };
        let (mut skips, deep) = match stage {
            Stage::Input(input) => {
                let (skips, deep) = self.contract(spread(input), time);
                (skips, self.squeeze(deep, time))
            }
            Stage::Encoded(skips, deep) => (skips, self.squeeze(spread(deep), time)),
            Stage::Bottlenecked(skips, deep) => (skips, spread(deep)),
        };
        let mut x = deep;
        for (level, (upsample, block)) in self.upsamples.iter().zip(&self.decoder).rev().enumerate().rev() {
            let own = upsample.forward(x);
            let joined = match (skips.pop(), self.merge) {
                (None, _) => own.into(),
                (Some(skip), Skips::Concatenate) => Joined { shared: Some(skip), own },
                (Some(skip), Skips::Add) => (own + spread(skip)).into(),
                (Some(skip), Skips::Multiply) => (own * spread(skip)).into(),
            };
            x = block.forward(joined, time);
            visit(level, &x);
        }
        x
    }

    /// The encoder: skips, finest first, and the input of the bottleneck.
    fn contract(
        &self,
        input: Tensor<B, 4>,
        time: Option<&Tensor<B, 2>>,
    ) -> (Vec<Tensor<B, 4>>, Tensor<B, 4>) {
        let (mut skips, mut deep) = match &self.pretrained {
            Some(encoder) => {
                let mut features = encoder.forward(input.clone());
                let deep = features.pop().expect("an encoder has five levels");
                (features, deep)
            }
            None => {
                let mut skips = Vec::with_capacity(self.encoder.len());
                let mut x = input.clone();
                for block in &self.encoder {
                    let skip = block.forward(x.into(), time);
                    x = max_pool(skip.clone());
                    skips.push(skip);
                }
                (skips, x)
            }
        };
        if let Some(global) = &self.global {
            // A skip of full resolution has nothing beside it in the coarse branch.
            let finest = skips.len() + 1 - self.decoder.len();
            global.tell(input, skips[finest..].iter_mut().chain([&mut deep]));
        }
        (skips, deep)
    }

    /// The bottleneck block, the attention and the context behind it.
    fn squeeze(&self, x: Tensor<B, 4>, time: Option<&Tensor<B, 2>>) -> Tensor<B, 4> {
        let x = match &self.bottleneck {
            Some(bottleneck) => bottleneck.forward(x.into(), time),
            None => x,
        };
        let x = match &self.attention {
            Some(attention) => attention.forward(x),
            None => x,
        };
        match &self.context {
            Some(context) => context.forward(x),
            None => x,
        }
    }
}

/// Takes the padding off.
fn crop<B: Kernels>(x: Tensor<B, 4>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [n, channels, h, w] = x.dims();
    if (h, w) == (height, width) { x } else { x.slice([0..n, 0..channels, 0..height, 0..width]) }
}
