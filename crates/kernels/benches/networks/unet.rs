//! A UNet of four levels with batch norm: 1.94 million parameters with 16 base channels.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2d, ConvTranspose2dConfig};
use burn::tensor::{Distribution, Tensor, module};
use porecast_kernels::layer::{Condition, Joined, conv_transpose2d, conv2d};
use porecast_kernels::{Activation, Backend, max_pool2x2};

use super::{By, Normed};

pub const INPUTS: usize = 2;
/// Frames of a sequence that are decoded together.
const TOGETHER: usize = 4;

#[derive(Module, Debug)]
pub struct Unet<B: burn::tensor::backend::Backend> {
    encoder: Vec<Block<B>>,
    bottleneck: Block<B>,
    up: Vec<ConvTranspose2d<B>>,
    decoder: Vec<Block<B>>,
    head: Conv2d<B>,
}

#[derive(Module, Debug)]
struct Block<B: burn::tensor::backend::Backend> {
    first: Normed<B>,
    second: Normed<B>,
    channels: usize,
}

impl<B: Backend> Block<B> {
    fn new([from, to]: [usize; 2], device: &B::Device) -> Self {
        let first = Normed::new([from, to], 3, 1, device);
        Self { first, second: Normed::new([to, to], 3, 1, device), channels: to }
    }

    fn forward(&self, x: Joined<B>, time: Option<&Time>, by: By) -> Tensor<B, 4> {
        if by == By::Burn {
            return self.second.forward_by_burn(self.first.forward_by_burn(x.own));
        }
        let condition = time.map(|time| time.condition(self.channels, &x.own.device()));
        self.second.forward(self.first.forward(x, condition, Activation::Relu), None, Activation::Relu)
    }
}

/// Stands for a time embedding: each frame's scale and shift of each channel.
struct Time {
    frames: usize,
}

impl Time {
    fn condition<B: Backend>(&self, channels: usize, device: &B::Device) -> Condition<B> {
        let shape = [self.frames, 2 * channels];
        Condition { change: Tensor::random(shape, Distribution::Uniform(-0.5, 0.5), device) }
    }
}

impl<B: Backend> Unet<B> {
    pub fn new([base, outputs]: [usize; 2], device: &B::Device) -> Self {
        let widths: Vec<usize> = (0..5).map(|level| base << level).collect();
        let mut from = INPUTS;
        let mut encoder = Vec::new();
        for &width in &widths[..4] {
            encoder.push(Block::new([from, width], device));
            from = width;
        }
        let up = |level: usize| {
            let config = ConvTranspose2dConfig::new([widths[level + 1], widths[level]], [2, 2]);
            config.with_stride([2, 2]).init(device)
        };
        Self {
            encoder,
            bottleneck: Block::new([widths[3], widths[4]], device),
            up: (0..4).map(up).collect(),
            decoder: (0..4).map(|level| Block::new([2 * widths[level], widths[level]], device)).collect(),
            head: Conv2dConfig::new([base, outputs], [1, 1]).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<B, 4>, by: By) -> Tensor<B, 4> {
        let (skips, deep) = self.encode(x, by);
        let deep = self.bottleneck.forward(deep.into(), None, by);
        self.decode(skips, deep, None, by)
    }

    pub fn sequence(&self, x: Tensor<B, 4>, frames: usize) {
        let (skips, deep) = self.encode(x, By::Kernels);
        for first in (0..frames).step_by(TOGETHER) {
            let time = Time { frames: TOGETHER.min(frames - first) };
            let deep = deep.clone().repeat_dim(0, time.frames);
            let deep = self.bottleneck.forward(deep.into(), Some(&time), By::Kernels);
            drop(self.decode(skips.clone(), deep, Some(&time), By::Kernels).into_data());
        }
    }

    fn encode(&self, mut x: Tensor<B, 4>, by: By) -> (Vec<Tensor<B, 4>>, Tensor<B, 4>) {
        let mut skips = Vec::new();
        for block in &self.encoder {
            x = block.forward(x.into(), None, by);
            skips.push(x.clone());
            x = match by {
                By::Kernels => max_pool2x2(x),
                By::Burn => module::max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false),
            };
        }
        (skips, x)
    }

    fn decode(
        &self,
        skips: Vec<Tensor<B, 4>>,
        mut x: Tensor<B, 4>,
        time: Option<&Time>,
        by: By,
    ) -> Tensor<B, 4> {
        for (level, skip) in skips.into_iter().enumerate().rev() {
            let joined = match by {
                By::Kernels => Joined { shared: Some(skip), own: conv_transpose2d(&self.up[level], x) },
                By::Burn => Tensor::cat(vec![skip, self.up[level].forward(x)], 1).into(),
            };
            x = self.decoder[level].forward(joined, time, by);
        }
        match by {
            By::Kernels => conv2d(&self.head, x),
            By::Burn => self.head.forward(x),
        }
    }
}
