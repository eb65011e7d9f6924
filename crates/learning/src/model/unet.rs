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
use porecast_base::Result;
use porecast_store::config::model::{ModelConfig, Skips, TimePlace};

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
    /// What the steps that need no time have left.
    state: State<B>,
    input: Tensor<B, 4>,
    height: usize,
    width: usize,
}

/// What one step of the network leaves to the next: the logits of coarse heads, the skips, finest first, and the
/// features under way, last.
pub(super) type State<B> = Vec<Tensor<B, 4>>;

/// A part of the network that is computed at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// A block of the encoder; the skips and the input of the next block follow.
    Encoder(usize),
    /// The whole of a pretrained encoder.
    Pretrained,
    /// The coarse branch.
    Global,
    /// Repeats the features under way for each frame; what comes behind is told the time.
    Frames,
    /// The bottleneck.
    Bottleneck,
    /// Upsampling, skip and block of a level of the decoder.
    Decoder(usize),
    /// The last convolution.
    Head,
}

/// What every step may look at.
#[derive(Debug, Clone)]
pub(super) struct Given<B: Backend> {
    /// The input, padded.
    input: Tensor<B, 4>,
    /// Embedding of the times `[frames, channels]`.
    pub(super) time: Option<Tensor<B, 2>>,
    frames: usize,
    height: usize,
    width: usize,
    with_coarse_heads: bool,
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
        let steps = self.steps();
        let timeless = steps.iter().take_while(|step| **step != Step::Frames);
        let frames = input.dims()[0];
        let given =
            Given { input: input.clone(), time: None, frames, height, width, with_coarse_heads: false };
        let state = timeless.fold(vec![input], |state, step| self.step(*step, state, &given));
        UnetFeatures { state, input: given.input, height, width }
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub fn decode(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        self.finish(features, times, false).pop().expect("the head leaves its logits last")
    }

    /// [`decode`](Self::decode), then the logits of the coarser heads, height and width divided by 2, 4, ...
    pub fn decode_levels(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Vec<Tensor<B, 4>> {
        let mut logits = self.finish(features, times, true);
        logits.reverse();
        logits
    }

    fn finish(&self, features: UnetFeatures<B>, times: Tensor<B, 1>, with_coarse_heads: bool) -> State<B> {
        let UnetFeatures { state, input, height, width } = features;
        let frames = times.dims()[0];
        let time = self.embed(times);
        let given = Given { input, time, frames, height, width, with_coarse_heads };
        let steps = self.steps();
        let with_time = steps.iter().skip_while(|step| **step != Step::Frames);
        with_time.fold(state, |state, step| self.step(*step, state, &given))
    }

    /// The embedding of the times, where the network takes any.
    pub(super) fn embed(&self, times: Tensor<B, 1>) -> Option<Tensor<B, 2>> {
        self.embedding.as_ref().map(|embedding| embedding.forward(times))
    }

    /// What the steps begin with and may look at, for a pass through all heads; the time is still missing.
    pub(super) fn begin(&self, input: Tensor<B, 4>, frames: usize) -> (State<B>, Given<B>) {
        let [_, _, height, width] = input.dims();
        let input = pad_to_multiple(input, 1 << self.decoder.len());
        let state = vec![input.clone()];
        (state, Given { input, time: None, frames, height, width, with_coarse_heads: true })
    }

    /// All steps in their order.
    pub(super) fn steps(&self) -> Vec<Step> {
        let encoder = match &self.pretrained {
            Some(_) => vec![Step::Pretrained],
            None => (0..self.encoder.len()).map(Step::Encoder).collect(),
        };
        let mut steps: Vec<_> = encoder
            .into_iter()
            .chain(self.global.is_some().then_some(Step::Global))
            .chain([Step::Bottleneck])
            .chain((0..self.decoder.len()).rev().map(Step::Decoder))
            .chain([Step::Head])
            .collect();
        let bottleneck = steps.len() - self.decoder.len() - 2;
        let first_with_time = match (self.encoder_takes_time, self.bottleneck_takes_time) {
            (true, _) => 0,
            (false, true) => bottleneck,
            (false, false) => bottleneck + 1,
        };
        steps.insert(first_with_time, Step::Frames);
        steps
    }

    /// One step; the state begins with the input alone and ends with the logits, coarsest first.
    pub(super) fn step(&self, step: Step, mut state: State<B>, given: &Given<B>) -> State<B> {
        let x = state.pop().expect("the features under way are last");
        let time = given.time.as_ref();
        match step {
            Step::Encoder(level) => {
                let skip = self.encoder[level].forward(x.into(), time);
                let deep = max_pool(skip.clone());
                state.extend([skip, deep]);
            }
            Step::Pretrained => {
                let encoder = self.pretrained.as_ref().expect("the step of a pretrained encoder");
                state.extend(encoder.forward(x));
            }
            Step::Global => {
                let global = self.global.as_ref().expect("the step of a coarse branch");
                state.push(x);
                // A skip of full resolution has nothing beside it in the coarse branch.
                let finest = state.len() - self.decoder.len();
                let input = spread(given.input.clone(), state[finest].dims()[0]);
                global.tell(input, state[finest..].iter_mut());
            }
            // Skips stay one for each domain: the decoder repeats what it needs of them.
            Step::Frames => state.push(spread(x, given.frames)),
            Step::Bottleneck => state.push(self.squeeze(x, time)),
            Step::Decoder(level) => {
                let index = self.decoder.len() - 1 - level;
                let own = self.upsamples[index].forward(x);
                // A pretrained encoder has no skip of full resolution.
                let skip = if self.pretrained.is_some() && level == 0 { None } else { state.pop() };
                let joined = match (skip, self.merge) {
                    (None, _) => own.into(),
                    (Some(skip), Skips::Concatenate) => Joined { shared: Some(skip), own },
                    (Some(skip), Skips::Add) => (own + spread(skip, given.frames)).into(),
                    (Some(skip), Skips::Multiply) => (own * spread(skip, given.frames)).into(),
                };
                let x = self.decoder[index].forward(joined, time);
                let head = level.checked_sub(1).and_then(|finer| self.coarse_heads.get(finer));
                if let Some(head) = head.filter(|_| given.with_coarse_heads) {
                    let size = [given.height, given.width].map(|size| size.div_ceil(1 << level));
                    // Behind the coarser ones, before the skips.
                    let place = self.coarse_heads.len() - level;
                    state.insert(place, crop(head.forward(x.clone()), size));
                }
                state.push(x);
            }
            Step::Head => state.push(crop(self.head.forward(x), [given.height, given.width])),
        }
        state
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

/// Repeats what each domain has for each of its frames.
fn spread<B: Kernels>(x: Tensor<B, 4>, frames: usize) -> Tensor<B, 4> {
    let repeats = frames / x.dims()[0];
    repeat_each(x, repeats)
}

/// Takes the padding off.
fn crop<B: Kernels>(x: Tensor<B, 4>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [n, channels, h, w] = x.dims();
    if (h, w) == (height, width) { x } else { x.slice([0..n, 0..channels, 0..height, 0..width]) }
}
