//! Self-attention over the pixels of a feature map.

use burn::module::Module;
use burn::nn::attention::{MhaInput, MultiHeadAttention, MultiHeadAttentionConfig};
use burn::nn::{LayerNorm, LayerNormConfig};
use burn::tensor::{Tensor, TensorData, backend::Backend};

use super::ops::Kernels;
use porecast_store::config::model::Positional;

/// x + attention(norm(x) + position), each pixel a token.
///
/// # References
/// Vaswani et al. (2017), section 3.2.2; the residual with the norm first as in Xiong et al.
/// (2020).
#[derive(Module, Debug)]
pub struct SelfAttention<B: Backend> {
    norm: LayerNorm<B>,
    attention: MultiHeadAttention<B>,
    knows_position: bool,
}

impl<B: Kernels> SelfAttention<B> {
    /// Attention over tokens of `channels`, a multiple of 4 and of `heads`.
    pub fn init(channels: usize, heads: usize, positional: Positional, device: &B::Device) -> Self {
        Self {
            norm: LayerNormConfig::new(channels).init(device),
            attention: MultiHeadAttentionConfig::new(channels, heads).with_dropout(0.0).init(device),
            knows_position: positional == Positional::Sinusoidal,
        }
    }

    /// `[n, channels, h, w]`, shape kept.
    pub fn forward(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let [n, c, h, w] = x.dims();
        let tokens = x.reshape([n, c, h * w]).swap_dims(1, 2); // [n, h w, c]
        let mut normed = self.norm.forward(tokens.clone());
        if self.knows_position {
            normed = normed + sinusoidal_positions(h, w, c, &tokens.device()).unsqueeze_dim::<3>(0);
        }
        let mixed = self.attention.forward(MhaInput::self_attn(normed)).context;
        (tokens + mixed).swap_dims(1, 2).reshape([n, c, h, w])
    }
}

/// Sine and cosine of y in the first half of the channels, of x in the second; defined for any size.
///
/// # Shapes
/// `[h * w, channels]`, `channels` a multiple of 4.
pub fn sinusoidal_positions<B: Kernels>(
    h: usize,
    w: usize,
    channels: usize,
    device: &B::Device,
) -> Tensor<B, 2> {
    let quarter = channels / 4;
    let mut values = Vec::with_capacity(h * w * channels);
    for y in 0..h {
        for x in 0..w {
            for position in [y, x] {
                for wave in [f32::sin, f32::cos] {
                    values.extend((0..quarter).map(|j| {
                        let rate = 1000f32.powf(-(j as f32) / quarter as f32);
                        wave(position as f32 * rate)
                    }));
                }
            }
        }
    }
    Tensor::from_data(TensorData::new(values, [h * w, 4 * quarter]), device)
}
