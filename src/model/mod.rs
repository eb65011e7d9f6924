//! Networks: from the channels of a domain and a time to logits.

pub mod attention;
mod blocks;
pub mod ops;
pub mod time_embedding;
pub mod unet;
pub mod vit;
mod weights;

use burn::module::Module;
use burn::tensor::Tensor;

use crate::config::train::{Architecture, ModelConfig};
use ops::Backend;
use unet::{Unet, UnetFeatures};
use vit::{Vit, VitFeatures};

/// A network of either architecture.
#[derive(Module, Debug)]
pub enum Network<B: Backend> {
    /// Encoder and decoder with skips.
    Unet(Unet<B>),
    /// Vision transformer.
    Vit(Vit<B>),
}

/// What a network knows of domains before it is told the time.
#[derive(Debug, Clone)]
pub enum Features<B: Backend> {
    /// Of a UNet.
    Unet(UnetFeatures<B>),
    /// Of a vision transformer.
    Vit(VitFeatures<B>),
}

impl<B: Backend> Network<B> {
    /// A network with fresh weights, drawn from the backend's generator in the order of its layers.
    ///
    /// `takes_time` is false for a network of a single frame.
    pub fn init(
        config: &ModelConfig,
        inputs: usize,
        outputs: usize,
        takes_time: bool,
        device: &B::Device,
    ) -> Self {
        let network = match config.architecture {
            Architecture::Unet => Self::Unet(Unet::init(config, inputs, outputs, takes_time, device)),
            Architecture::Vit => Self::Vit(Vit::init(config, inputs, outputs, takes_time, device)),
        };
        // Burn draws weights when they are first read: read them now.
        network.parameter_count();
        network
    }

    /// Everything that does not depend on time, computed once for each domain.
    ///
    /// # Shapes
    /// `input` `[domains, inputs, height, width]`, any height and width.
    pub fn encode(&self, input: Tensor<B, 4>) -> Features<B> {
        match self {
            Self::Unet(unet) => Features::Unet(unet.encode(input)),
            Self::Vit(vit) => Features::Vit(vit.encode(input)),
        }
    }

    /// Logits at the given times.
    ///
    /// # Shapes
    /// `times` `[domains * k]`, the k times of the first domain first; result
    /// `[domains * k, outputs, height, width]`.
    pub fn decode(&self, features: Features<B>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        match (self, features) {
            (Self::Unet(unet), Features::Unet(features)) => unet.decode(features, times),
            (Self::Vit(vit), Features::Vit(features)) => vit.decode(features, times),
            _ => unreachable!("features come from the same network"),
        }
    }

    /// Logits: [`encode`](Self::encode), then [`decode`](Self::decode).
    pub fn forward(&self, input: Tensor<B, 4>, times: Tensor<B, 1>) -> Tensor<B, 4> {
        self.decode(self.encode(input), times)
    }
}

/// Repeats each entry of the first axis `k` times, entry by entry.
///
/// # Shapes
/// `[n, c, h, w]` to `[n * k, c, h, w]`.
fn repeat_each<B: Backend>(x: Tensor<B, 4>, k: usize) -> Tensor<B, 4> {
    if k == 1 {
        return x;
    }
    let [n, c, h, w] = x.dims();
    x.reshape([n, 1, c * h, w]).repeat_dim(1, k).reshape([n * k, c, h, w])
}

/// Pads height and width with zeros (solid) at the far edges to multiples of `multiple`.
fn pad_to_multiple<B: Backend>(x: Tensor<B, 4>, multiple: usize) -> Tensor<B, 4> {
    let [_, _, h, w] = x.dims();
    let (down, right) = (h.next_multiple_of(multiple) - h, w.next_multiple_of(multiple) - w);
    if down == 0 && right == 0 { x } else { x.pad((0, right, 0, down), 0.0) }
}
