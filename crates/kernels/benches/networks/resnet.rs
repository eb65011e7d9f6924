//! A UNet on a ResNet18: upsampling to the nearest, two convolutions a level, 256 to 16 channels.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Tensor, activation};
use porecast_kernels::layer::{Joined, conv2d};
use porecast_kernels::{Activation, Backend, max_pool3x3, upsample2x};

use super::Normed;

pub const INPUTS: usize = 4;

#[derive(Module, Debug)]
pub struct ResnetUnet<B: burn::tensor::backend::Backend> {
    stem: Normed<B>,
    stages: Vec<Vec<Basic<B>>>,
    decoder: Vec<[Normed<B>; 2]>,
    head: Conv2d<B>,
}

/// Two convolutions beside the identity.
#[derive(Module, Debug)]
struct Basic<B: burn::tensor::backend::Backend> {
    first: Normed<B>,
    second: Normed<B>,
    shortcut: Option<Normed<B>>,
}

impl<B: Backend> Basic<B> {
    fn new([from, to]: [usize; 2], stride: usize, device: &B::Device) -> Self {
        Self {
            first: Normed::new([from, to], 3, stride, device),
            second: Normed::new([to, to], 3, 1, device),
            shortcut: (from != to).then(|| Normed::new([from, to], 1, stride, device)),
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = self.first.forward(x.clone(), None, Activation::Relu);
        let y = self.second.forward(y, None, Activation::Identity);
        let x = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x, None, Activation::Identity),
            None => x,
        };
        activation::relu(x + y)
    }
}

impl<B: Backend> ResnetUnet<B> {
    pub fn new(device: &B::Device) -> Self {
        let widths = [64, 64, 128, 256, 512];
        let stage = |level: usize| {
            let (from, to) = (widths[level - 1], widths[level]);
            let stride = if from == to { 1 } else { 2 };
            vec![Basic::new([from, to], stride, device), Basic::new([to, to], 1, device)]
        };
        let decoder = [[512 + 256, 256], [256 + 128, 128], [128 + 64, 64], [64 + 64, 32], [32, 16]];
        Self {
            stem: Normed::new([INPUTS, 64], 7, 2, device),
            stages: (1..5).map(stage).collect(),
            decoder: decoder
                .map(|[from, to]| {
                    [Normed::new([from, to], 3, 1, device), Normed::new([to, to], 3, 1, device)]
                })
                .into(),
            head: Conv2dConfig::new([16, 1], [1, 1]).init(device),
        }
    }

    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let x = self.stem.forward(x, None, Activation::Relu);
        let mut skips = vec![x.clone()];
        let mut x = max_pool3x3(x);
        for stage in &self.stages {
            x = stage.iter().fold(x, |x, block| block.forward(x));
            skips.push(x.clone());
        }
        skips.pop();
        for [first, second] in &self.decoder {
            let joined = Joined { shared: skips.pop(), own: upsample2x(x) };
            x = second.forward(first.forward(joined, None, Activation::Relu), None, Activation::Relu);
        }
        conv2d(&self.head, x)
    }
}
