//! ResNet18, ResNet34 and ResNet50 without the classifier.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::{Library, parameter};
use crate::model::ops::{ConvNorm, ConvShape, Kernels, drop_samples, max_pool_overlapping};
use porecast_kernels::relu;
use porecast_store::config::model::{ActivationKind, EncoderKind, NormKind};

/// A 7x7 convolution, maximum pooling and four stages of residual blocks.
///
/// # References
/// He et al. (2016), table 1; the stride of a bottleneck block lies in its 3x3 convolution, as in
/// torchvision.
#[derive(Module, Debug)]
pub struct Resnet<B: Backend> {
    stem: ConvNorm<B>,
    stages: Vec<Vec<Residual<B>>>,
}

impl<B: Kernels> Resnet<B> {
    /// An encoder for `inputs` channels. Stochastic depth drops the last block with probability
    /// `left_out`, the others in proportion to their depth.
    pub fn init(kind: EncoderKind, inputs: usize, left_out: f64, device: &B::Device) -> Self {
        let (repeats, expansion) = match kind {
            EncoderKind::Resnet18 => ([2, 2, 2, 2], 1),
            EncoderKind::Resnet34 => ([3, 4, 6, 3], 1),
            _ => ([3, 4, 6, 3], 4),
        };
        let count: usize = repeats.iter().sum();
        let (mut from, mut made) = (64, 0);
        let stages = (0..4)
            .map(|stage| {
                let width = 64 << stage;
                (0..repeats[stage])
                    .map(|index| {
                        let stride = if stage > 0 && index == 0 { 2 } else { 1 };
                        made += 1;
                        let left_out = left_out * f64::from(made) / count as f64;
                        let block =
                            Residual::init([from, width, width * expansion], stride, left_out, device);
                        from = width * expansion;
                        block
                    })
                    .collect()
            })
            .collect();
        let stem = ConvShape { stride: 2, ..ConvShape::new(inputs, 64, 7) };
        Self { stem: ConvNorm::init(stem, NormKind::Batch, Some(ActivationKind::Relu), device), stages }
    }

    /// Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.
    pub fn forward(&self, input: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let stem = self.stem.forward(input);
        let mut x = max_pool_overlapping(stem.clone());
        let mut features = vec![stem];
        for stage in &self.stages {
            x = stage.iter().fold(x, |x, block| block.forward(x));
            features.push(x.clone());
        }
        features
    }
}

/// ReLU(shortcut(x) + change(x)).
#[derive(Module, Debug)]
pub struct Residual<B: Backend> {
    convolutions: Vec<ConvNorm<B>>,
    shortcut: Option<ConvNorm<B>>,
    left_out: f64,
}

impl<B: Kernels> Residual<B> {
    /// A basic block (two 3x3 convolutions) if `width` equals `outputs`, else a bottleneck block
    /// (1x1, 3x3, 1x1).
    fn init([inputs, width, outputs]: [usize; 3], stride: usize, left_out: f64, device: &B::Device) -> Self {
        let make = |shape: ConvShape, is_activated: bool| {
            ConvNorm::init(shape, NormKind::Batch, is_activated.then_some(ActivationKind::Relu), device)
        };
        let strided = |from, to, kernel| ConvShape { stride, ..ConvShape::new(from, to, kernel) };
        let convolutions = if width == outputs {
            vec![make(strided(inputs, width, 3), true), make(ConvShape::new(width, width, 3), false)]
        } else {
            vec![
                make(ConvShape::new(inputs, width, 1), true),
                make(strided(width, width, 3), true),
                make(ConvShape::new(width, outputs, 1), false),
            ]
        };
        let is_identity = inputs == outputs && stride == 1;
        let shortcut = (!is_identity).then(|| make(strided(inputs, outputs, 1), false));
        Self { convolutions, shortcut, left_out }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let shortcut = match &self.shortcut {
            Some(shortcut) => shortcut.forward(x.clone()),
            None => x.clone(),
        };
        let change = self.convolutions.iter().fold(x, |x, convolution| convolution.forward(x));
        relu(shortcut + drop_samples(change, self.left_out))
    }
}

/// Name of the parameter at `path` in [`Resnet`]; the same in torchvision and timm.
pub fn name(path: &[&str], _: Library) -> Option<String> {
    let number = |text: &str| text.parse::<usize>().ok().map(|n| n + 1);
    Some(match path {
        ["stem", rest @ ..] => {
            let (layer, value) = parameter(rest)?;
            format!("{}1.{value}", layer.short())
        }
        ["stages", stage, block, "convolutions", convolution, rest @ ..] => {
            let (layer, value) = parameter(rest)?;
            format!("layer{}.{block}.{}{}.{value}", number(stage)?, layer.short(), number(convolution)?)
        }
        ["stages", stage, block, "shortcut", rest @ ..] => {
            let (layer, value) = parameter(rest)?;
            format!("layer{}.{block}.downsample.{}.{value}", number(stage)?, layer.index())
        }
        _ => return None,
    })
}
