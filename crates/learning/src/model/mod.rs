//! Networks that map the channels of a domain and a time to logits.

pub mod attention;
mod blocks;
pub mod checkpointing;
pub mod context;
pub mod encoder;
mod ends;
pub mod global_branch;
pub mod ops;
mod recurrence;
mod squeeze_excitation;
pub mod time_embedding;
pub mod unet;
pub mod vit;
mod weights;
mod widening;

use std::path::Path;

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};

pub use ends::Ends;
use ops::Kernels;
use porecast_base::Result;
use porecast_store::config::model::{Architecture, ModelConfig};
use porecast_store::weights::Weights;
use recurrence::Course;
use unet::{Unet, UnetFeatures};
use vit::{Vit, VitFeatures};

/// A network of either architecture.
#[allow(clippy::large_enum_variant, reason = "a program holds a few networks at most")]
#[derive(Module, Debug)]
pub enum Network<B: Backend> {
    /// Encoder and decoder with skips.
    Unet(Unet<B>),
    /// Vision transformer.
    Vit(Vit<B>),
}

/// Features of domains, before the time enters.
#[derive(Debug, Clone)]
pub enum Features<B: Backend> {
    /// Logits at the knots of a whole sequence `[domains, knots * outputs, height, width]`, and how many knots.
    Sequence(Tensor<B, 4>, usize),
    /// The course of a recurrent network.
    Recurrent(Course<B>),
    /// Of a UNet.
    Unet(UnetFeatures<B>),
    /// Of a vision transformer.
    Vit(VitFeatures<B>),
}

impl<B: Kernels> Network<B> {
    /// A network with fresh weights, drawn from the backend's generator in the order of its layers.
    pub fn init(config: &ModelConfig, ends: Ends, device: &B::Device) -> Self {
        let network = Self::undrawn(config, ends, device);
        network.draw();
        network
    }

    /// A network whose weights will be loaded. Burn draws a weight only when it is first read, so none are drawn here.
    pub fn undrawn(config: &ModelConfig, ends: Ends, device: &B::Device) -> Self {
        match config.architecture {
            Architecture::Unet => Self::Unet(Unet::init(config, ends, device)),
            Architecture::Vit => Self::Vit(Vit::init(config, ends, device)),
        }
    }

    /// Computes everything that does not depend on time, once for each domain.
    ///
    /// # Shapes
    /// `input` `[domains, inputs, height, width]`, any height and width; `physics` `[domains, quantities]`.
    pub fn encode(&self, input: Tensor<B, 4>, physics: Option<Tensor<B, 2>>) -> Features<B> {
        let untimed = Tensor::zeros([input.dims()[0]], &input.device());
        match self {
            Self::Unet(unet) if unet.is_recurrent() => Features::Recurrent(unet.run(input, physics)),
            Self::Unet(unet) => match (unet.encode(input, physics), unet.knots) {
                (features, Some(knots)) => Features::Sequence(unet.decode(features, untimed), knots),
                (features, None) => Features::Unet(features),
            },
            Self::Vit(vit) => match (vit.encode(input, physics), vit.knots) {
                (features, Some(knots)) => Features::Sequence(vit.decode(features, untimed), knots),
                (features, None) => Features::Vit(features),
            },
        }
    }

    /// Logits at the given times.
    ///
    /// # Shapes
    /// `times` `[domains * k]`, the k times of the first domain first; result
    /// `[domains * k, outputs, height, width]`.
    pub fn decode(&self, features: Features<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        match (self, features) {
            (_, Features::Sequence(logits, knots)) => ends::interpolate(logits, knots, times),
            (Self::Unet(unet), Features::Recurrent(course)) => unet.read(course, times),
            (Self::Unet(unet), Features::Unet(features)) => unet.decode(features, times),
            (Self::Vit(vit), Features::Vit(features)) => vit.decode(features, times),
            _ => unreachable!("features come from the same network"),
        }
    }

    /// Logits of all heads, finest first. The coarser heads serve training only; height and width
    /// of those at level l are divided by 2ˡ, rounded up.
    pub fn decode_levels(&self, features: Features<B>, times: Tensor<B, 1>) -> Vec<Tensor<B, 4>> {
        match (self, features) {
            (Self::Unet(unet), Features::Unet(features)) => unet.decode_levels(features, times),
            (_, features) => vec![self.decode(features, times)],
        }
    }

    /// The network with `weights` in its encoder; `path` names the file in errors. A vision
    /// transformer stays unchanged.
    ///
    /// # Errors
    /// The weights belong to another encoder.
    pub fn with_encoder_weights(self, weights: Weights, path: &Path) -> Result<Self> {
        match self {
            Self::Unet(unet) => Ok(Self::Unet(unet.with_encoder_weights(weights, path)?)),
            network => Ok(network),
        }
    }

    /// Logits: [`encode`](Self::encode), then [`decode`](Self::decode).
    #[cfg(test)]
    pub fn forward(
        &self,
        input: Tensor<B, 4>,
        physics: Option<Tensor<B, 2>>,
        times: Tensor<B, 1>,
    ) -> Tensor<B, 4> {
        self.decode(self.encode(input, physics), times)
    }
}

/// Repeats each entry of the first axis `k` times, entry by entry.
///
/// # Shapes
/// `[n, c, h, w]` to `[n * k, c, h, w]`.
fn repeat_each<B: Kernels>(x: Tensor<B, 4>, k: usize) -> Tensor<B, 4> {
    if k == 1 {
        return x;
    }
    let [n, c, h, w] = x.dims();
    x.reshape([n, 1, c * h, w]).repeat_dim(1, k).reshape([n * k, c, h, w])
}

/// Pads height and width with zeros (solid) at the far edges to multiples of `multiple`.
fn pad_to_multiple<B: Kernels>(x: Tensor<B, 4>, multiple: usize) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    let (down, right) = (h.next_multiple_of(multiple) - h, w.next_multiple_of(multiple) - w);
    if down == 0 && right == 0 { x } else { x.pad((0, right, 0, down), 0.0) }
}

/// Removes the padding.
fn crop<B: Kernels>(x: Tensor<B, 4>, [height, width]: [usize; 2]) -> Tensor<B, 4> {
    let [n, channels, h, w] = x.dims();
    if (h, w) == (height, width) { x } else { x.slice([0..n, 0..channels, 0..height, 0..width]) }
}

#[cfg(test)]
mod tests;
