//! The UNet; the time enters its bottleneck, encoder or decoder.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::attention::SelfAttention;
use super::blocks::Block;
use super::checkpointing::Pass;
use super::context::Context;
use super::encoder::Encoder;
use super::ends::{Ends, interpolate};
use super::global_branch::GlobalBranch;
use super::ops::{Conv, Joined, Kernels, Upsample, max_pool};
use super::recurrence::{self, Course, Recurrence};
use super::time_embedding::{PhysicsEmbedding, TimeEmbedding, sum_embeddings};
use super::{crop, pad_to_multiple, repeat_each};
use porecast_base::Result;
use porecast_store::config::model::{ModelConfig, Skips, TimePlace};
use porecast_store::weights::Weights;

/// Encoder, bottleneck and decoder with skips, and a 3x3 convolution to the logits.
///
/// The encoder is the UNet's own blocks or an [`Encoder`], which has no bottleneck block and no
/// skip of full resolution.
///
/// # References
/// Ronneberger, Fischer & Brox (2015), with padded convolutions and normalisation; heads at coarser
/// levels of the decoder follow Lee et al. (2015).
#[derive(Module, Debug)]
pub struct Unet<B: Backend> {
    embedding: Option<TimeEmbedding<B>>,
    encoder: Vec<Block<B>>,
    bottleneck: Option<Block<B>>,
    attention: Option<SelfAttention<B>>,
    upsamples: Vec<Upsample<B>>,
    decoder: Vec<Block<B>>,
    head: Option<Conv<B>>,
    encoder_takes_time: bool,
    bottleneck_takes_time: bool,
    pretrained: Option<Encoder<B>>,
    context: Option<Context<B>>,
    global: Option<GlobalBranch<B>>,
    coarse_heads: Vec<Conv<B>>,
    #[module(skip)]
    merge: Skips,
    physics: Option<PhysicsEmbedding<B>>,
    pub(super) knots: Option<usize>,
    recurrence: Option<Recurrence<B>>,
}

/// Features of domains, before the time enters.
#[derive(Debug, Clone)]
pub struct UnetFeatures<B: Backend> {
    /// The current features; the padded input at first.
    x: Tensor<B, 4>,
    /// The skips, finest first.
    skips: Vec<Tensor<B, 4>>,
    /// The padded input.
    input: Tensor<B, 4>,
    /// Embedding of the physics `[domains, channels]`.
    physics: Option<Tensor<B, 2>>,
    /// Height and width before padding.
    size: [usize; 2],
}

impl<B: Kernels> UnetFeatures<B> {
    /// Time 0 for each domain, for networks that do not depend on time.
    fn untimed(&self) -> Tensor<B, 1> {
        Tensor::zeros([self.x.dims()[0]], &self.x.device())
    }
}

impl<B: Kernels> Unet<B> {
    /// A UNet with fresh weights.
    pub fn init(config: &ModelConfig, ends: Ends, device: &B::Device) -> Self {
        let Ends { inputs, takes_time, .. } = ends;
        let outputs = ends.last_channels();
        let unet = &config.unet;
        let levels = unet.levels;
        let channels = |level: usize| unet.channels(level);
        let foreign = unet.encoder.kind.channels();
        let at = |place| takes_time && config.time.enters.contains(&place);
        let is_told = |place| ends.physics > 0 || at(place);
        let own_at = |place| foreign.is_none() && at(place);
        let depth = |level: usize| (level + 1) as f64 / (levels + 1) as f64;
        let own_levels = if foreign.is_some() { 0 } else { levels };
        // Channels that enter the bottleneck, and channels of the skip at each level.
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
                    Block::init(
                        config,
                        from,
                        channels(level),
                        is_told(TimePlace::Encoder),
                        depth(level),
                        device,
                    )
                })
                .collect(),
            bottleneck: foreign.is_none().then(|| {
                Block::init(config, encoded, unet.deepest(), is_told(TimePlace::Bottleneck), 1.0, device)
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
                    let is_told = is_told(TimePlace::Decoder);
                    Block::init(config, merged(level), channels(level), is_told, depth(level), device)
                })
                .collect(),
            head: ends.recurrent.is_none().then(|| Conv::init(channels(0), outputs, 3, device)),
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
            physics: (ends.physics > 0)
                .then(|| PhysicsEmbedding::init(ends.physics, config.time.channels, device)),
            knots: ends.knots,
            recurrence: ends.recurrent.map(|recurrent| {
                let from = [channels(recurrence::LEVEL), channels(0)];
                let told = (ends.physics > 0).then_some(config.time.channels);
                Recurrence::init(recurrent, from, told, ends.outputs, device)
            }),
        }
    }

    /// The UNet with `weights` in its encoder; `path` names the file in errors.
    pub(super) fn with_encoder_weights(mut self, weights: Weights, path: &Path) -> Result<Self> {
        self.pretrained = self.pretrained.map(|encoder| encoder.place(weights, path)).transpose()?;
        Ok(self)
    }

    /// Everything that does not depend on time.
    pub fn encode(&self, input: Tensor<B, 4>, physics: Option<Tensor<B, 2>>) -> UnetFeatures<B> {
        self.encode_in(&mut Pass::new(self), input, physics)
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub fn decode(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        self.decode_in(&mut Pass::new(self), features, times, &[]).swap_remove(0)
    }

    /// Logits of all heads, finest first; height and width of the coarser ones are divided by 2, 4,
    /// ...
    pub fn decode_levels(&self, features: UnetFeatures<B>, times: Tensor<B, 1>) -> Vec<Tensor<B, 4>> {
        self.decode_in(&mut Pass::new(self), features, times, &self.coarse_heads)
    }

    /// Whether logits are read from a state that is stepped through time.
    pub(super) fn is_recurrent(&self) -> bool {
        self.recurrence.is_some()
    }

    /// The course of a recurrent network, from which [`read`](Self::read) gives logits.
    pub(super) fn run(&self, input: Tensor<B, 4>, physics: Option<Tensor<B, 2>>) -> Course<B> {
        let pass = &mut Pass::new(self);
        let features = self.encode_in(pass, input, physics);
        self.run_in(pass, features)
    }

    /// Logits `[domains * k, outputs, height, width]` at `times` `[domains * k]`.
    pub(super) fn read(&self, course: Course<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        self.recurrence.as_ref().expect("a course comes from a recurrence").read(course, times)
    }

    /// A pass through the whole network; returns the logits of all heads at `times`, finest first.
    pub(super) fn levels_in(
        &self,
        pass: &mut Pass<'_, B>,
        input: Tensor<B, 4>,
        physics: Option<Tensor<B, 2>>,
        times: Tensor<B, 1>,
    ) -> Vec<Tensor<B, 4>> {
        let features = self.encode_in(pass, input, physics);
        if self.is_recurrent() {
            let Course { coefficients, features, size } = self.run_in(pass, features);
            return pass.blocks(vec![coefficients, features], move |unet, inputs, _| {
                let [coefficients, features] = inputs.try_into().expect("two tensors go in");
                vec![unet.read(Course { coefficients, features, size }, times.clone())]
            });
        }
        let Some(knots) = self.knots else {
            return self.decode_in(pass, features, times, &self.coarse_heads);
        };
        let untimed = features.untimed();
        let levels = self.decode_in(pass, features, untimed, &self.coarse_heads);
        levels.into_iter().map(|logits| interpolate(logits, knots, times.clone())).collect()
    }

    fn encode_in(
        &self,
        pass: &mut Pass<'_, B>,
        input: Tensor<B, 4>,
        physics: Option<Tensor<B, 2>>,
    ) -> UnetFeatures<B> {
        let [_, _, height, width] = input.dims();
        let physics =
            self.physics.as_ref().zip(physics).map(|(embedding, physics)| embedding.forward(physics));
        let input = pad_to_multiple(input, 1 << self.decoder.len());
        let size = [height, width];
        pass.tell(physics.clone());
        let mut features = UnetFeatures { x: input.clone(), skips: Vec::new(), input, physics, size };
        if !self.encoder_takes_time {
            self.contract(pass, &mut features);
            if !self.bottleneck_takes_time {
                self.squeeze(pass, &mut features);
            }
        }
        features
    }

    /// The stages that depend on time, the decoder and the heads; returns the finest logits first.
    fn decode_in(
        &self,
        pass: &mut Pass<'_, B>,
        features: UnetFeatures<B>,
        times: Tensor<B, 1>,
        coarse_heads: &[Conv<B>],
    ) -> Vec<Tensor<B, 4>> {
        let size = features.size;
        let decoded = self.expand_all(pass, features, times, 1 + coarse_heads.len());
        let heads = self.head.iter().chain(coarse_heads);
        let logits = |((level, x), head): ((usize, Tensor<B, 4>), &Conv<B>)| {
            crop(head.forward(x), size.map(|length| length.div_ceil(1 << level)))
        };
        decoded.into_iter().enumerate().zip(heads).map(logits).collect()
    }

    /// The UNet and its recurrence.
    fn run_in(&self, pass: &mut Pass<'_, B>, features: UnetFeatures<B>) -> Course<B> {
        let size = features.size;
        let untimed = features.untimed();
        let mut decoded = self.expand_all(pass, features, untimed, recurrence::LEVEL + 1);
        let coarse = decoded.swap_remove(recurrence::LEVEL);
        let found = pass.blocks(vec![coarse, decoded.swap_remove(0)], move |unet, inputs, told| {
            let [coarse, fine] = inputs.try_into().expect("two tensors go in");
            let recurrence = unet.recurrence.as_ref().expect("every copy has the same layers");
            let Course { coefficients, features, .. } = recurrence.run(coarse, fine, told, size);
            vec![coefficients, features]
        });
        let [coefficients, features] = found.try_into().expect("two tensors come out");
        Course { coefficients, features, size }
    }

    /// The stages that depend on time and the decoder; returns the features of its `kept` finest levels, finest first.
    fn expand_all(
        &self,
        pass: &mut Pass<'_, B>,
        mut features: UnetFeatures<B>,
        times: Tensor<B, 1>,
        kept: usize,
    ) -> Vec<Tensor<B, 4>> {
        let frames = times.dims()[0];
        let time = self.embedding.as_ref().map(|embedding| embedding.forward(times));
        pass.tell(sum_embeddings(features.physics.take(), time, frames));
        // Skips stay one for each domain: the decoder repeats what it needs of them.
        features.x = pass.block(features.x, None, move |_, x, _, _| spread(x, frames));
        if self.encoder_takes_time {
            self.contract(pass, &mut features);
        }
        if self.encoder_takes_time || self.bottleneck_takes_time {
            self.squeeze(pass, &mut features);
        }
        let UnetFeatures { mut x, mut skips, .. } = features;
        let mut levels = Vec::new();
        for level in (0..self.decoder.len()).rev() {
            // A pretrained encoder has no skip of full resolution.
            let skip = skips.pop();
            x = pass.block(x, skip, move |unet, x, skip, time| unet.expand(level, x, skip, time, frames));
            if level < kept {
                levels.push(x.clone());
            }
        }
        levels.reverse();
        levels
    }

    /// The encoder, which leaves a skip at each level, and the global branch.
    fn contract(&self, pass: &mut Pass<'_, B>, features: &mut UnetFeatures<B>) {
        for level in 0..self.encoder.len() {
            let skip = pass.block(features.x.clone(), None, move |unet, x, _, time| {
                unet.encoder[level].forward(x.into(), time.as_ref())
            });
            features.x = max_pool(skip.clone());
            features.skips.push(skip);
        }
        if self.pretrained.is_some() {
            features.skips = pass.blocks(vec![features.x.clone()], |unet, mut inputs, _| {
                let encoder = unet.pretrained.as_ref().expect("every copy has the same layers");
                encoder.forward(inputs.remove(0))
            });
            features.x = features.skips.pop().expect("an encoder has five levels");
        }
        if self.global.is_some() {
            // The global branch has no features of full resolution.
            let finest = features.skips.len() + 1 - self.decoder.len();
            let mut fine = features.skips.split_off(finest);
            fine.push(features.x.clone());
            let input = features.input.clone();
            let told = pass.blocks(fine, move |unet, mut fine, _| {
                let global = unet.global.as_ref().expect("every copy has the same layers");
                global.tell(spread(input.clone(), fine[0].dims()[0]), fine.iter_mut());
                fine
            });
            features.skips.extend(told);
            features.x = features.skips.pop().expect("the features under way are the last");
        }
    }

    /// The bottleneck block, self-attention and context.
    fn squeeze(&self, pass: &mut Pass<'_, B>, features: &mut UnetFeatures<B>) {
        features.x = pass.block(features.x.clone(), None, |unet, x, _, time| {
            let x = match &unet.bottleneck {
                Some(bottleneck) => bottleneck.forward(x.into(), time.as_ref()),
                None => x,
            };
            let x = match &unet.attention {
                Some(attention) => attention.forward(x),
                None => x,
            };
            match &unet.context {
                Some(context) => context.forward(x),
                None => x,
            }
        });
    }

    /// Upsampling, skip and block of a level of the decoder.
    fn expand(
        &self,
        level: usize,
        x: Tensor<B, 4>,
        skip: Option<Tensor<B, 4>>,
        time: Option<Tensor<B, 2>>,
        frames: usize,
    ) -> Tensor<B, 4> {
        let index = self.decoder.len() - 1 - level;
        let own = self.upsamples[index].forward(x);
        let joined = match (skip, self.merge) {
            (None, _) => own.into(),
            (Some(skip), Skips::Concatenate) => Joined { shared: Some(skip), own },
            (Some(skip), Skips::Add) => (own + spread(skip, frames)).into(),
            (Some(skip), Skips::Multiply) => (own * spread(skip, frames)).into(),
        };
        self.decoder[index].forward(joined, time.as_ref())
    }
}

/// Repeats the features of each domain for each of its frames.
fn spread<B: Kernels>(x: Tensor<B, 4>, frames: usize) -> Tensor<B, 4> {
    let repeats = frames / x.dims()[0];
    repeat_each(x, repeats)
}
