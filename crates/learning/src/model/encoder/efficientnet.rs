//! EfficientNet-B0 to B3 without the classifier head.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

use super::{Library, parameter};
use crate::model::ops::{ConvNorm, ConvShape, Kernels, drop_samples};
use crate::model::squeeze_excitation::SqueezeExcitation;
use porecast_store::config::model::{ActivationKind, EncoderKind, NormKind};

/// Expansion, kernel, stride, channels and repeats of each stage of B0: table 1 of Tan & Le (2019).
const STAGES: [[usize; 5]; 7] = [
    [1, 3, 1, 16, 1],
    [6, 3, 2, 24, 2],
    [6, 5, 2, 40, 2],
    [6, 3, 2, 80, 3],
    [6, 5, 1, 112, 3],
    [6, 5, 2, 192, 4],
    [6, 3, 1, 320, 1],
];

/// The last stage of each resolution.
const LAST_OF_RESOLUTION: [usize; 5] = [0, 1, 2, 4, 6];

/// A 3x3 convolution and seven stages of inverted residual blocks.
///
/// # References
/// Tan & Le (2019), EfficientNet; the blocks are those of Sandler et al. (2018), MobileNetV2, with
/// squeeze-and-excitation.
#[derive(Module, Debug)]
pub struct EfficientNet<B: Backend> {
    stem: ConvNorm<B>,
    stages: Vec<Vec<InvertedResidual<B>>>,
}

impl<B: Kernels> EfficientNet<B> {
    /// An encoder for `inputs` channels. Stochastic depth drops the last block with probability
    /// `left_out`, the others in proportion to their depth.
    pub fn init(kind: EncoderKind, inputs: usize, left_out: f64, device: &B::Device) -> Self {
        let (width, depth) = match kind {
            EncoderKind::EfficientnetB1 => (1.0, 1.1),
            EncoderKind::EfficientnetB2 => (1.1, 1.2),
            EncoderKind::EfficientnetB3 => (1.2, 1.4),
            _ => (1.0, 1.0),
        };
        let repeats = STAGES.map(|[.., repeats]| (repeats as f64 * depth).ceil() as usize);
        let count: usize = repeats.iter().sum();
        let first = scaled(32, width);
        let (mut from, mut made) = (first, 0);
        let stages = STAGES
            .iter()
            .zip(repeats)
            .map(|(&[expansion, kernel, stride, channels, _], repeats)| {
                (0..repeats)
                    .map(|index| {
                        let to = scaled(channels, width);
                        let stride = if index == 0 { stride } else { 1 };
                        made += 1;
                        let left_out = left_out * f64::from(made) / count as f64;
                        let block = InvertedResidual::init(
                            [from, from * expansion, to],
                            kernel,
                            stride,
                            left_out,
                            device,
                        );
                        from = to;
                        block
                    })
                    .collect()
            })
            .collect();
        Self {
            stem: layer(ConvShape { stride: 2, ..ConvShape::new(inputs, first, 3) }, true, device),
            stages,
        }
    }

    /// Features at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution.
    pub fn forward(&self, input: Tensor<B, 4>) -> Vec<Tensor<B, 4>> {
        let mut x = self.stem.forward(input);
        let mut features = Vec::with_capacity(LAST_OF_RESOLUTION.len());
        for (index, stage) in self.stages.iter().enumerate() {
            x = stage.iter().fold(x, |x, block| block.forward(x));
            if LAST_OF_RESOLUTION.contains(&index) {
                features.push(x.clone());
            }
        }
        features
    }
}

/// The multiple of 8 nearest to `width` times the channels, at least nine tenths of it and at
/// least 8.
fn scaled(channels: usize, width: f64) -> usize {
    let wanted = channels as f64 * width;
    let rounded = ((wanted + 4.0) as usize / 8 * 8).max(8);
    if (rounded as f64) < 0.9 * wanted { rounded + 8 } else { rounded }
}

/// Convolution and norm, followed by SiLU if `is_activated`.
fn layer<B: Kernels>(shape: ConvShape, is_activated: bool, device: &B::Device) -> ConvNorm<B> {
    ConvNorm::init(shape, NormKind::Batch, is_activated.then_some(ActivationKind::Silu), device)
}

/// A 1x1 expansion, a depthwise convolution, squeeze-and-excitation and a 1x1 projection.
#[derive(Module, Debug)]
pub struct InvertedResidual<B: Backend> {
    expand: Option<ConvNorm<B>>,
    depthwise: ConvNorm<B>,
    excitation: SqueezeExcitation<B>,
    project: ConvNorm<B>,
    is_residual: bool,
    left_out: f64,
}

impl<B: Kernels> InvertedResidual<B> {
    fn init(
        [inputs, width, outputs]: [usize; 3],
        kernel: usize,
        stride: usize,
        left_out: f64,
        device: &B::Device,
    ) -> Self {
        let within = ConvShape { stride, groups: width, ..ConvShape::new(width, width, kernel) };
        Self {
            expand: (width != inputs).then(|| layer(ConvShape::new(inputs, width, 1), true, device)),
            depthwise: layer(within, true, device),
            excitation: SqueezeExcitation::init(width, inputs / 4, ActivationKind::Silu, device),
            project: layer(ConvShape::new(width, outputs, 1), false, device),
            is_residual: stride == 1 && inputs == outputs,
            left_out,
        }
    }

    fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let wide = match &self.expand {
            Some(expand) => expand.forward(x.clone()),
            None => x.clone(),
        };
        let change = self.project.forward(self.excitation.forward(self.depthwise.forward(wide)));
        if self.is_residual { x + drop_samples(change, self.left_out) } else { change }
    }
}

/// Name in a library's weight files of the parameter at `path` in [`EfficientNet`].
pub fn name(path: &[&str], library: Library) -> Option<String> {
    let (stage, block, part, rest) = match path {
        ["stem", rest @ ..] => {
            let (layer, value) = parameter(rest)?;
            return Some(match library {
                Library::Torchvision => format!("features.0.{}.{value}", layer.index()),
                Library::Timm => format!("{}.{value}", layer.choose("conv_stem", "bn1")),
            });
        }
        ["stages", stage, block, part, rest @ ..] => (stage.parse::<usize>().ok()?, block, *part, rest),
        _ => return None,
    };
    // The first stage has no expansion, so its later layers move up by one.
    let order = ["expand", "depthwise", "excitation", "project"].iter().position(|p| *p == part)?;
    let skipped = usize::from(stage == 0);
    if part == "excitation" {
        let [which, "inner", value] = rest else { return None };
        let is_first = *which == "reduce";
        return Some(match library {
            Library::Torchvision => {
                let index = order - skipped;
                format!(
                    "features.{}.{block}.block.{index}.fc{}.{value}",
                    stage + 1,
                    if is_first { 1 } else { 2 }
                )
            }
            Library::Timm => {
                format!(
                    "blocks.{stage}.{block}.se.conv_{}.{value}",
                    if is_first { "reduce" } else { "expand" }
                )
            }
        });
    }
    let (layer, value) = parameter(rest)?;
    Some(match library {
        Library::Torchvision => {
            format!("features.{}.{block}.block.{}.{}.{value}", stage + 1, order - skipped, layer.index())
        }
        Library::Timm => {
            let (conv, norm) = match (part, stage) {
                ("expand", _) => ("conv_pw", "bn1"),
                ("depthwise", 0) => ("conv_dw", "bn1"),
                ("depthwise", _) => ("conv_dw", "bn2"),
                (_, 0) => ("conv_pw", "bn2"),
                _ => ("conv_pwl", "bn3"),
            };
            format!("blocks.{stage}.{block}.{}.{value}", layer.choose(conv, norm))
        }
    })
}
