//! The network: UNet or vision transformer, and how time enters it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Checks, Problem};

/// Kind of network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Architecture {
    /// Encoder and decoder with skips.
    #[default]
    Unet,
    /// Vision transformer.
    Vit,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ModelConfig {
    /// Kind of network.
    pub architecture: Architecture,
    /// Share of the activations that are set to zero at random in training.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub dropout: f64,
    /// Where and how the time enters the network.
    pub time: TimeConfig,
    /// Settings of the UNet; a vision transformer ignores them.
    pub unet: UnetConfig,
    /// Settings of the vision transformer; a UNet ignores them.
    pub vit: VitConfig,
}

impl ModelConfig {
    /// Whether each output depends on the whole image, through attention.
    pub fn sees_all(&self) -> bool {
        match self.architecture {
            Architecture::Vit => true,
            Architecture::Unet => self.unet.attention.enabled || self.unet.global.enabled,
        }
    }
}

/// Where time enters a UNet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TimeMode {
    /// Adds a value to each channel.
    Add,
    /// Scales and shifts each channel.
    #[default]
    ScaleAndShift,
}

/// Where and how time enters.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TimeConfig {
    /// Parts of a UNet that are told the time; at least one if the network predicts any time.
    pub enters: Vec<TimePlace>,
    /// How the time embedding changes the features after a norm.
    pub mode: TimeMode,
    /// Width of the time embedding, an even number.
    #[schemars(extend("minimum" = 4, "multipleOf" = 2))]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NormKind {
    /// Over the batch.
    #[default]
    Batch,
    /// Over groups of channels of one sample.
    Group,
}

/// Upsampling in the decoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Upsampling {
    /// Transposed convolution 2x2, stride 2.
    #[default]
    Transposed,
    /// Nearest neighbour, then a convolution.
    Nearest,
}

/// Activation after a normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ActivationKind {
    /// max(z, 0)
    #[default]
    Relu,
    /// max(z, z / 100)
    LeakyRelu,
    /// z tanh(ln(1 + eᶻ)), Misra (2019).
    Mish,
    /// z σ(z), also called swish.
    Silu,
}

/// How a decoder block merges the skip of its level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Skips {
    /// As additional channels.
    #[default]
    Concatenate,
    /// Added to the upsampled features.
    Add,
    /// Multiplied with the upsampled features.
    Multiply,
}

/// Encoder that supplies the skips.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum EncoderKind {
    /// The UNet's own blocks.
    #[default]
    Plain,
    /// ResNet of 18 layers.
    Resnet18,
    /// ResNet of 34 layers.
    Resnet34,
    /// ResNet of 50 layers.
    Resnet50,
    /// EfficientNet-B0.
    EfficientnetB0,
    /// EfficientNet-B1.
    EfficientnetB1,
    /// EfficientNet-B2.
    EfficientnetB2,
    /// EfficientNet-B3.
    EfficientnetB3,
}

impl EncoderKind {
    /// Number of times a ResNet or EfficientNet halves the resolution.
    pub const LEVELS: usize = 5;

    /// Channels at 1/2, 1/4, 1/8, 1/16 and 1/32 of the resolution; `None` for [`Self::Plain`].
    pub fn channels(self) -> Option<[usize; Self::LEVELS]> {
        Some(match self {
            Self::Plain => return None,
            Self::Resnet18 | Self::Resnet34 => [64, 64, 128, 256, 512],
            Self::Resnet50 => [64, 256, 512, 1024, 2048],
            Self::EfficientnetB0 | Self::EfficientnetB1 => [16, 24, 40, 112, 320],
            Self::EfficientnetB2 => [16, 24, 48, 120, 352],
            Self::EfficientnetB3 => [24, 32, 48, 136, 384],
        })
    }
}

/// Encoder that supplies the skips.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct EncoderConfig {
    /// Network whose levels supply the skips.
    pub kind: EncoderKind,
    /// Weights to start from: a `.pth` or safetensors file of torchvision or timm. Not for a plain
    /// encoder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weights: Option<PathBuf>,
}

/// Context module that widens the receptive field at the bottleneck.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContextKind {
    /// Nothing.
    #[default]
    None,
    /// Dilated convolutions one after the other, then squeeze-and-excitation.
    Atrous,
    /// Dilated convolutions side by side (atrous spatial pyramid pooling).
    Aspp,
}

/// Context module that widens the receptive field at the bottleneck.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContextConfig {
    /// Kind of context module.
    pub kind: ContextKind,
    /// Dilations of its convolutions in pixels of the bottleneck.
    #[schemars(length(min = 1), inner(range(min = 1, max = 64)))]
    pub dilations: Vec<usize>,
}

impl Default for ContextConfig {
    fn default() -> Self {
        Self { kind: ContextKind::default(), dilations: vec![1, 2, 4] }
    }
}

/// A second, coarse branch that sees the whole image: blocks from half the resolution downwards,
/// then a transformer. It is fused into the fine branch at every scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GlobalConfig {
    /// Whether the network has a second, coarse branch that sees the whole image.
    pub enabled: bool,
    /// Number of its transformer layers.
    #[schemars(range(min = 1, max = 48))]
    pub depth: usize,
    /// Attention heads of each layer, a divisor of the branch's channels.
    #[schemars(range(min = 1))]
    pub heads: usize,
}

impl Default for GlobalConfig {
    fn default() -> Self {
        Self { enabled: false, depth: 1, heads: 4 }
    }
}

/// Positional encoding of the tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Positional {
    /// No positional encoding.
    None,
    /// Sine and cosine of y and x.
    #[default]
    Sinusoidal,
}

/// Self-attention at the bottleneck.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AttentionConfig {
    /// Whether the network has self-attention at the bottleneck.
    pub enabled: bool,
    /// Attention heads, a divisor of the bottleneck's channels.
    #[schemars(range(min = 1))]
    pub heads: usize,
    /// Positional encoding of the tokens.
    pub positional: Positional,
}

impl Default for AttentionConfig {
    fn default() -> Self {
        Self { enabled: false, heads: 4, positional: Positional::default() }
    }
}

/// Settings of the UNet.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct UnetConfig {
    /// Channels of the first level; each level below doubles them.
    #[schemars(range(min = 1, max = 512))]
    pub base_channels: usize,
    /// Number of times the resolution is halved; 5 with a ResNet or EfficientNet as encoder.
    #[schemars(range(min = 1, max = 7))]
    pub levels: usize,
    /// Normalisation after each convolution.
    pub norm: NormKind,
    /// Activation after each normalisation.
    pub activation: ActivationKind,
    /// How the decoder doubles the resolution.
    pub upsampling: Upsampling,
    /// How a decoder block merges the skip of its level.
    pub skips: Skips,
    /// Whether each block adds its input to its output.
    pub residual: bool,
    /// Probability of skipping the deepest residual block for a sample in training; for the other
    /// blocks it is proportional to their depth. Needs residual blocks.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub stochastic_depth: f64,
    /// Number of decoder levels next to the finest that have a head of their own in training; below
    /// `levels`. Only for images.
    #[schemars(range(min = 0, max = 6))]
    pub deep_supervision: usize,
    /// Encoder that supplies the skips.
    pub encoder: EncoderConfig,
    /// Self-attention at the bottleneck.
    pub attention: AttentionConfig,
    /// Context module that widens the receptive field at the bottleneck.
    pub context: ContextConfig,
    /// A second, coarse branch.
    pub global: GlobalConfig,
}

impl UnetConfig {
    /// Channels of a level of the decoder, and of the UNet's own encoder.
    pub fn channels(&self, level: usize) -> usize {
        self.base_channels << level
    }

    /// Channels of the bottleneck.
    pub fn deepest(&self) -> usize {
        self.encoder
            .kind
            .channels()
            .map_or(self.channels(self.levels), |channels| channels[channels.len() - 1])
    }
}

impl Default for UnetConfig {
    fn default() -> Self {
        Self {
            base_channels: 16,
            levels: 4,
            norm: NormKind::default(),
            activation: ActivationKind::default(),
            upsampling: Upsampling::default(),
            skips: Skips::default(),
            residual: false,
            stochastic_depth: 0.0,
            deep_supervision: 0,
            encoder: EncoderConfig::default(),
            attention: AttentionConfig::default(),
            context: ContextConfig::default(),
            global: GlobalConfig::default(),
        }
    }
}

/// Settings of the vision transformer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VitConfig {
    /// Edge of a patch in pixels; each patch becomes a token.
    #[schemars(range(min = 1, max = 64))]
    pub patch: usize,
    /// Width of a token, a multiple of 4 and of `heads`.
    #[schemars(extend("minimum" = 4, "multipleOf" = 4))]
    pub width: usize,
    /// Number of transformer layers.
    #[schemars(range(min = 1, max = 48))]
    pub depth: usize,
    /// Attention heads of each layer.
    #[schemars(range(min = 1))]
    pub heads: usize,
}

impl Default for VitConfig {
    fn default() -> Self {
        Self { patch: 8, width: 128, depth: 4, heads: 4 }
    }
}

impl UnetConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        let Self { base_channels, levels, attention, encoder, context, global, .. } = self;
        let sizes = [
            checks.need((1..=512).contains(base_channels), "base_channels", base_channels, "1 to 512"),
            checks.need((1..=7).contains(levels), "levels", levels, "1 to 7"),
        ];
        checks.below_one("stochastic_depth", self.stochastic_depth);
        if encoder.kind == EncoderKind::Plain {
            checks.expect(
                encoder.weights.is_none(),
                "encoder.weights",
                "a file",
                "no weights with encoder.kind = \"plain\"; choose a ResNet or EfficientNet",
            );
            checks.expect(
                self.residual || self.stochastic_depth == 0.0,
                "stochastic_depth",
                self.stochastic_depth,
                "0 unless residual = true or the encoder has residual blocks",
            );
        } else {
            let expected = EncoderKind::LEVELS;
            checks.expect(
                *levels == expected,
                "levels",
                levels,
                format!("{expected}, the levels of the encoder"),
            );
        }
        if sizes.contains(&false) {
            return checks.0;
        }
        checks.need(
            self.deep_supervision < *levels,
            "deep_supervision",
            self.deep_supervision,
            format!("0 to {}, the levels below the finest", levels - 1),
        );
        if attention.enabled {
            check_tokens(&mut checks, self.deepest(), attention.heads, "attention.heads", "bottleneck");
        }
        if global.enabled {
            check_tokens(
                &mut checks,
                self.channels(levels - 1),
                global.heads,
                "global.heads",
                "coarse branch",
            );
            checks.need((1..=48).contains(&global.depth), "global.depth", global.depth, "1 to 48");
        }
        checks.expect(
            !context.dilations.is_empty() && context.dilations.iter().all(|d| (1..=64).contains(d)),
            "context.dilations",
            format!("{:?}", context.dilations),
            "at least one dilation, each 1 to 64",
        );
        checks.0
    }
}

/// Checks that `width` channels per token suit `heads` heads and sinusoidal positions.
fn check_tokens(checks: &mut Checks, width: usize, heads: usize, key: &str, place: &str) {
    checks.expect(
        heads > 0 && width.is_multiple_of(heads.max(1)),
        key,
        heads,
        format!("a divisor of the {place}'s {width} channels"),
    );
    checks.expect(
        width.is_multiple_of(4),
        "base_channels",
        format!("{width} channels in the {place}"),
        "a multiple of 4, which positional encoding needs",
    );
}

impl ModelConfig {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.below_one("dropout", self.dropout);
        let channels = self.time.channels;
        checks.expect(
            channels >= 4 && channels.is_multiple_of(2),
            "time.channels",
            channels,
            "an even number, at least 4",
        );
        checks.0.extend(porecast_base::below("unet", self.unet.problems()));
        let VitConfig { patch, width, depth, heads } = &self.vit;
        checks.need((1..=64).contains(patch), "vit.patch", patch, "1 to 64");
        checks.expect(
            *width >= 4 && width.is_multiple_of(4) && width.is_multiple_of((*heads).max(1)),
            "vit.width",
            width,
            "a multiple of 4 and of model.vit.heads",
        );
        checks.expect(*heads >= 1, "vit.heads", heads, "at least 1");
        checks.need((1..=48).contains(depth), "vit.depth", depth, "1 to 48");
        checks.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        let config: ModelConfig = toml::from_str(text).expect("valid TOML");
        config.problems().into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn the_networks_of_the_studies_can_be_written() {
        for text in [
            "unet = { levels = 5, upsampling = 'nearest', deep_supervision = 2, activation = 'mish', encoder = { kind = 'efficientnet-b3', weights = 'b3.pth' } }",
            "unet = { levels = 5, stochastic_depth = 0.2, encoder.kind = 'resnet50' }",
            "unet = { skips = 'multiply', context = { kind = 'atrous', dilations = [1, 2, 4, 8] }, norm = 'group' }",
            "unet = { residual = true, stochastic_depth = 0.1, context.kind = 'aspp', global.enabled = true, activation = 'leaky-relu' }",
        ] {
            assert_eq!(problems(text), [] as [&str; 0], "{text}");
        }
    }

    #[test]
    fn what_does_not_go_together_is_refused_by_its_key() {
        for (text, key) in [
            ("unet.encoder.kind = 'resnet18'", "unet.levels"),
            ("unet.encoder.weights = 'w.pth'", "unet.encoder.weights"),
            ("unet.stochastic_depth = 0.1", "unet.stochastic_depth"),
            ("unet = { residual = true, stochastic_depth = 1.0 }", "unet.stochastic_depth"),
            ("unet.deep_supervision = 4", "unet.deep_supervision"),
            ("unet.context = { kind = 'aspp', dilations = [] }", "unet.context.dilations"),
            ("unet.global = { enabled = true, heads = 3 }", "unet.global.heads"),
            (
                "unet = { levels = 5, encoder.kind = 'efficientnet-b0', attention = { enabled = true, heads = 3 } }",
                "unet.attention.heads",
            ),
            ("unet = { levels = 0, deep_supervision = 1 }", "unet.levels"),
        ] {
            assert_eq!(problems(text), [key], "{text}");
        }
    }
}
