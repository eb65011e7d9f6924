//! The network: where time enters, the UNet and its alternative.

use serde::{Deserialize, Serialize};

use super::{Checks, Problem};

/// Kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Encoder and decoder with skips.
    #[default]
    Unet,
    /// Vision transformer.
    Vit,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Kind of network.
    pub architecture: Architecture,
    /// Share of activations dropped in training.
    pub dropout: f64,
    /// Where and how time enters.
    pub time: TimeConfig,
    /// Settings of the UNet.
    pub unet: UnetConfig,
    /// Settings of the vision transformer.
    pub vit: VitConfig,
}

/// Where time enters a UNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimePlace {
    /// In every block of the encoder.
    Encoder,
    /// In the bottleneck block.
    Bottleneck,
    /// In every block of the decoder.
    Decoder,
}

/// How the time embedding changes the features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeMode {
    /// Adds a value to each channel.
    Add,
    /// Scales and shifts each channel.
    #[default]
    ScaleAndShift,
}

/// Where and how time enters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TimeConfig {
    /// Where it enters a UNet.
    pub enters: Vec<TimePlace>,
    /// How it changes the features.
    pub mode: TimeMode,
    /// Width of the embedding.
    pub channels: usize,
}

impl Default for TimeConfig {
    fn default() -> Self {
        Self {
            enters: vec![TimePlace::Bottleneck, TimePlace::Decoder],
            mode: TimeMode::default(),
            channels: 64,
        }
    }
}

/// Normalisation after a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Over the batch.
    #[default]
    Batch,
    /// Over groups of channels of one sample.
    Group,
}

/// Upsampling in the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Upsampling {
    /// Transposed convolution 2x2, stride 2.
    #[default]
    Transposed,
    /// Nearest neighbour, then a convolution.
    Nearest,
}

/// How tokens know where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Positional {
    /// They do not.
    None,
    /// Sine and cosine of y and x.
    #[default]
    Sinusoidal,
}

/// Self-attention at the bottleneck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// Whether it is there.
    pub enabled: bool,
    /// Heads.
    pub heads: usize,
    /// How tokens know where they are.
    pub positional: Positional,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { enabled: false, heads: 4, positional: Positional::default() }
    }
}

/// Settings of the UNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels of the first level; each level below doubles them.
    pub base_channels: usize,
    /// Times the resolution is halved.
    pub levels: usize,
    /// Normalisation.
    pub norm: NormKind,
    /// Upsampling.
    pub upsampling: Upsampling,
    /// Self-attention at the bottleneck.
    pub attention: AttentionConfig,
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            base_channels: 16,
            levels: 4,
            norm: NormKind::default(),
            upsampling: Upsampling::default(),
            attention: AttentionConfig::default(),
        }
    }
}

/// Settings of the vision transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
    /// Edge of a patch in pixels.
    pub patch: usize,
    /// Width of a token.
    pub width: usize,
    /// Transformer layers.
    pub depth: usize,
    /// Heads of each layer.
    pub heads: usize,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { patch: 8, width: 128, depth: 4, heads: 4 }
    }
}

impl ModelConfig {
    /// Every problem with the values.
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.share("dropout", self.dropout);
        let channels = self.time.channels;
        checks.need(
            channels >= 4 && channels.is_multiple_of(2),
            "time.channels",
            channels,
            "an even number, at least 4",
        );
        let UnetConfig { base_channels, levels, attention, .. } = &self.unet;
        checks.need((1..=512).contains(base_channels), "unet.base_channels", base_channels, "1 to 512");
        checks.need((1..=7).contains(levels), "unet.levels", levels, "1 to 7");
        if attention.enabled {
            let width = base_channels << (*levels).min(7);
            checks.need(
                attention.heads > 0 && width.is_multiple_of(attention.heads.max(1)),
                "unet.attention.heads",
                attention.heads,
                format!("a divisor of the bottleneck's {width} channels"),
            );
            checks.need(
                width.is_multiple_of(4),
                "unet.base_channels",
                base_channels,
                "such that the bottleneck's channels are a multiple of 4 for the positional encoding",
            );
        }
        let VitConfig { patch, width, depth, heads } = &self.vit;
        checks.need((1..=64).contains(patch), "vit.patch", patch, "1 to 64");
        checks.need(
            *width >= 4 && width.is_multiple_of(4) && width.is_multiple_of((*heads).max(1)),
            "vit.width",
            width,
            "a multiple of 4 and of model.vit.heads",
        );
        checks.need(*heads >= 1, "vit.heads", heads, "at least 1");
        checks.need((1..=48).contains(depth), "vit.depth", depth, "1 to 48");
        checks.0
    }
}
