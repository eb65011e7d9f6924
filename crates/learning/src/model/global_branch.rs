//! The global branch of a UNet: it sees the whole image at low resolution and is fused into the
//! fine features at every scale.

use burn::module::Module;
use burn::nn::transformer::{TransformerEncoder, TransformerEncoderConfig, TransformerEncoderInput};
use burn::tensor::activation::sigmoid;
use burn::tensor::module::avg_pool2d;
use burn::tensor::{Tensor, backend::Backend};

use super::attention::sinusoidal_positions;
use super::blocks::Block;
use super::ops::Joined;
use super::ops::{Conv, Kernels, join, max_pool};
use porecast_store::config::model::ModelConfig;

/// Blocks at 1/2 of the resolution and below, a transformer at the coarsest scale, and a fusion at
/// each scale.
///
/// # References
/// Yu et al. (2018), BiSeNet, for a second branch of low resolution with a wide view; Vaswani et
/// al. (2017) for the transformer, with the norm first as in Xiong et al. (2020).
#[derive(Module, Debug)]
pub struct GlobalBranch<B: Backend> {
    blocks: Vec<Block<B>>,
    transformer: TransformerEncoder<B>,
    fusions: Vec<Fusion<B>>,
}

impl<B: Kernels> GlobalBranch<B> {
    /// A branch for fine features of `fine` channels at 1/2, 1/4, ... of the resolution.
    pub fn init(config: &ModelConfig, inputs: usize, fine: &[usize], device: &B::Device) -> Self {
        let unet = &config.unet;
        let blocks: Vec<_> = (0..fine.len())
            .map(|level| {
                let from = if level == 0 { inputs } else { unet.channels(level - 1) };
                let depth = (level + 1) as f64 / fine.len() as f64;
                Block::init(config, from, unet.channels(level), false, depth, device)
            })
            .collect();
        let width = unet.channels(fine.len() - 1);
        Self {
            blocks,
            transformer: TransformerEncoderConfig::new(
                width,
                4 * width,
                unet.global.heads,
                unet.global.depth,
            )
            .with_dropout(config.dropout)
            .with_norm_first(true)
            .init(device),
            fusions: (fine.iter().enumerate())
                .map(|(level, fine)| Fusion::init(*fine, unet.channels(level), device))
                .collect(),
        }
    }

    /// Fuses the branch into `features`, which are at 1/2, 1/4, ... of the resolution of `input`.
    pub fn tell<'a>(&self, input: Tensor<B, 4>, features: impl Iterator<Item = &'a mut Tensor<B, 4>>) {
        let mut x = input;
        let last = self.blocks.len() - 1;
        for (level, ((block, fusion), fine)) in
            self.blocks.iter().zip(&self.fusions).zip(features).enumerate()
        {
            // Average pooling of the image; maximum pooling of features, as in the fine branch.
            x = if level == 0 { avg_pool2d(x, [2, 2], [2, 2], [0, 0], true, false) } else { max_pool(x) };
            x = block.forward(x.into(), None);
            if level == last {
                x = self.mix(x);
            }
            *fine = fusion.forward(fine.clone(), x.clone());
        }
    }

    /// The transformer over all pixels.
    fn mix(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = x.dims();
        let tokens = x.reshape([n, c, h * w]).swap_dims(1, 2); // [n, h w, c]
        let position = sinusoidal_positions(h, w, c, &tokens.device()).unsqueeze_dim::<3>(0);
        let mixed = self.transformer.forward(TransformerEncoderInput::new(tokens + position));
        mixed.swap_dims(1, 2).reshape([n, c, h, w])
    }
}

/// fine + σ(W [fine, coarse]) V coarse, with 1x1 convolutions W and V: a gate for each pixel and
/// channel.
#[derive(Module, Debug)]
pub struct Fusion<B: Backend> {
    gate: Conv<B>,
    project: Conv<B>,
}

impl<B: Kernels> Fusion<B> {
    fn init(fine: usize, coarse: usize, device: &B::Device) -> Self {
        Self {
            gate: Conv::init(fine + coarse, fine, 1, device),
            project: Conv::init(coarse, fine, 1, device),
        }
    }

    fn forward(&self, fine: Tensor<B, 4>, coarse: Tensor<B, 4>) -> Tensor<B, 4> {
        let both = join(Joined { shared: Some(fine.clone()), own: coarse.clone() });
        fine + sigmoid(self.gate.forward(both)) * self.project.forward(coarse)
    }
}
