//! The training configuration: every variant of study 1 is one line of it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Problem, Validate};

/// A training, from dataset to weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the run; the run folder is `runs/<name>` unless given.
    pub name: String,
    /// Seed of initialisation, order, dropout and augmentation.
    #[serde(default)]
    pub seed: u64,
    /// Dataset, relative to the working directory.
    pub dataset: PathBuf,
    /// What the last layer says.
    #[serde(default)]
    pub head: Head,
    /// Whether one network takes any time, or each network one frame.
    #[serde(default)]
    pub conditioning: Conditioning,
    /// Channels of the input.
    #[serde(default = "Channel::default_list")]
    pub inputs: Vec<Channel>,
    /// Shares of the domains.
    #[serde(default)]
    pub split: SplitConfig,
    /// The network.
    #[serde(default)]
    pub model: ModelConfig,
    /// The loss: a weighted sum.
    #[serde(default)]
    pub loss: LossConfig,
    /// How gradients become weights.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Epochs, batches and when to stop.
    #[serde(default)]
    pub training: TrainingConfig,
}

/// What the last layer says about a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// One logit: invading against defending.
    Regression,
    /// Three logits: solid, defending, invading.
    #[default]
    MultiClass,
}

impl Head {
    /// Channels of the last layer.
    pub fn channels(self) -> usize {
        match self {
            Self::Regression => 1,
            Self::MultiClass => 3,
        }
    }
}

/// How time reaches the prediction.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// One network takes any time.
    #[default]
    Time,
    /// One network a frame.
    SingleFrame(Frames),
}

/// Frames that get a network of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Frames {
    /// `"all"`.
    All(All),
    /// One frame.
    One(usize),
    /// These frames.
    List(Vec<usize>),
}

/// The word `all`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// Every frame of the dataset.
    All,
}

impl Frames {
    /// The frames, of a dataset of `count`, ascending.
    pub fn of(&self, count: usize) -> Vec<usize> {
        let mut frames = match self {
            Self::All(_) => (0..count).collect(),
            Self::One(frame) => vec![*frame],
            Self::List(list) => list.clone(),
        };
        frames.sort_unstable();
        frames.dedup();
        frames
    }
}

/// A channel of the input, computed from the geometry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// 1 in pore space, 0 in solid.
    Pore,
    /// Distance to the nearest solid pixel, over 16 pixels, at most 1; 0 in solid.
    Distance,
    /// Distance from the inlet over the length of the domain, in pore space; 0 in solid.
    Depth,
    /// Pore volumes injected when quasi-static percolation reaches the pixel; 1 where it never does, 0 in solid.
    /// A prior for dynamic sequences; on sequences made by percolation it is the answer.
    Percolation,
}

impl Channel {
    fn default_list() -> Vec<Self> {
        vec![Self::Pore]
    }
}

/// Shares of the domains that are held out; the rest is trained on.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// Share for validation.
    pub validation: f64,
    /// Share for the test.
    pub test: f64,
    /// Seed of the draw; runs to be compared share it.
    pub seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { validation: 0.15, test: 0.15, seed: 0 }
    }
}

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

/// Weights of the classes solid, defending, invading.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClassWeights {
    /// All one.
    #[default]
    Equal,
    /// Inverse to their share in the training data, mean one.
    Balanced,
    /// As given.
    Given([f64; 3]),
}

/// Weights of the terms of the loss; a term of weight zero is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LossConfig {
    /// Mean squared error of the invasion probability.
    pub mse: f64,
    /// Binary cross-entropy (regression head).
    pub bce: f64,
    /// Cross-entropy over the three classes (multi-class head).
    pub cross_entropy: f64,
    /// Dice loss.
    pub dice: f64,
    /// Soft intersection over union.
    pub iou: f64,
    /// Volume difference of the thresholded mask, as published: it has no gradient.
    pub volume_hard: f64,
    /// Volume difference of the probabilities.
    pub volume_soft: f64,
    /// Weights of the classes in the cross-entropy.
    pub class_weights: ClassWeights,
}

impl Default for LossConfig {
    fn default() -> Self {
        Self {
            mse: 0.0,
            bce: 0.0,
            cross_entropy: 0.0,
            dice: 0.0,
            iou: 0.0,
            volume_hard: 0.0,
            volume_soft: 0.0,
            class_weights: ClassWeights::Equal,
        }
    }
}

/// Optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Algorithm {
    /// Adam.
    Adam,
    /// Adam with decoupled weight decay.
    #[default]
    Adamw,
    /// Stochastic gradient descent with momentum.
    Sgd,
}

/// How gradients become weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OptimizerConfig {
    /// Optimiser.
    pub algorithm: Algorithm,
    /// Highest learning rate.
    pub learning_rate: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Momentum of `sgd`.
    pub momentum: f64,
    /// Largest Euclidean norm of all gradients together; 0 to leave them as they are.
    pub clip_norm: f64,
    /// Decay of the exponential moving average of the weights; 0 for none.
    pub ema: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            algorithm: Algorithm::default(),
            learning_rate: 1e-3,
            weight_decay: 1e-4,
            momentum: 0.9,
            clip_norm: 1.0,
            ema: 0.0,
        }
    }
}

/// Shape of the learning rate over the training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScheduleShape {
    /// Does not change.
    Constant,
    /// Half a cosine down to `final_fraction` at the last step.
    #[default]
    Cosine,
    /// Multiplied by `factor` every `every_epochs`.
    Step,
    /// Multiplied by `factor` when the validation loss has not fallen for `patience` epochs.
    Plateau,
}

/// How the learning rate changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScheduleConfig {
    /// Shape.
    pub shape: ScheduleShape,
    /// Optimiser steps over which it rises linearly from zero.
    pub warmup_steps: usize,
    /// Lowest learning rate over the highest.
    pub final_fraction: f64,
    /// Factor of `step` and `plateau`.
    pub factor: f64,
    /// Epochs between two drops of `step`.
    pub every_epochs: usize,
    /// Epochs that `plateau` waits.
    pub patience: usize,
}

impl Default for ScheduleConfig {
    fn default() -> Self {
        Self {
            shape: ScheduleShape::default(),
            warmup_steps: 0,
            final_fraction: 0.01,
            factor: 0.5,
            every_epochs: 10,
            patience: 3,
        }
    }
}

/// What a single-frame network starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Random weights.
    #[default]
    Scratch,
    /// The best weights of the frame before it.
    Neighbour,
}

/// Epochs, batches and when to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Epochs.
    pub epochs: usize,
    /// Samples (frames of domains) in a batch.
    pub batch_size: usize,
    /// Batches summed up before an optimiser step.
    pub accumulation: usize,
    /// Frames of one domain in a batch; what does not depend on time is computed once for them.
    pub frames_per_domain: usize,
    /// Samples in an epoch; 0 for every frame of every training domain once.
    pub samples_per_epoch: usize,
    /// Frames of each validation domain that are scored after an epoch, evenly spread; 0 for all.
    pub validation_frames: usize,
    /// Mirror domains across the flow at random.
    pub lateral_flip: bool,
    /// Stop when the validation loss has not fallen for this many epochs; 0 for never.
    pub patience: usize,
    /// What a single-frame network starts from.
    pub start: Start,
    /// Seconds between checkpoints within an epoch; each epoch ends with one in any case.
    pub checkpoint_seconds: u64,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 4,
            accumulation: 1,
            frames_per_domain: 1,
            samples_per_epoch: 0,
            validation_frames: 0,
            lateral_flip: true,
            patience: 0,
            start: Start::default(),
            checkpoint_seconds: 120,
        }
    }
}

impl LossConfig {
    /// Names and weights of all terms.
    pub fn terms(&self) -> [(&'static str, f64); 7] {
        [
            ("mse", self.mse),
            ("bce", self.bce),
            ("cross_entropy", self.cross_entropy),
            ("dice", self.dice),
            ("iou", self.iou),
            ("volume_hard", self.volume_hard),
            ("volume_soft", self.volume_soft),
        ]
    }
}

impl Validate for TrainConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        let mut check = |ok: bool, key: &str, value: String, allowed: &str| {
            if !ok {
                found.push(Problem::outside(key, value, allowed));
            }
        };
        let unit = |x: f64| (0.0..1.0).contains(&x);

        let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
        check(
            !self.name.is_empty() && self.name.chars().all(plain),
            "name",
            format!("{:?}", self.name),
            "letters, digits, '-', '_' and '.', at least one",
        );
        let distinct: std::collections::HashSet<_> = self.inputs.iter().map(|c| *c as usize).collect();
        check(
            !self.inputs.is_empty() && distinct.len() == self.inputs.len(),
            "inputs",
            format!("{:?}", self.inputs),
            "at least one channel, each once",
        );
        if let Conditioning::SingleFrame(Frames::List(list)) = &self.conditioning {
            check(
                !list.is_empty(),
                "conditioning.single-frame",
                "[]".into(),
                "\"all\" or at least one frame",
            );
        }

        let split = &self.split;
        check(unit(split.validation), "split.validation", split.validation.to_string(), "[0, 1)");
        check(unit(split.test), "split.test", split.test.to_string(), "[0, 1)");
        check(
            split.validation + split.test < 1.0,
            "split.validation + split.test",
            (split.validation + split.test).to_string(),
            "below 1, so that something is left to train on",
        );

        let model = &self.model;
        check(unit(model.dropout), "model.dropout", model.dropout.to_string(), "[0, 1)");
        let even = model.time.channels >= 4 && model.time.channels.is_multiple_of(2);
        check(even, "model.time.channels", model.time.channels.to_string(), "an even number, at least 4");
        if self.conditioning == Conditioning::Time && model.architecture == Architecture::Unet {
            check(
                !model.time.enters.is_empty(),
                "model.time.enters",
                "[]".into(),
                "at least one of \"encoder\", \"bottleneck\", \"decoder\", or single-frame conditioning",
            );
        }
        let unet = &model.unet;
        let base = unet.base_channels;
        check((1..=512).contains(&base), "model.unet.base_channels", base.to_string(), "1 to 512");
        check((1..=7).contains(&unet.levels), "model.unet.levels", unet.levels.to_string(), "1 to 7");
        if unet.attention.enabled {
            let width = base << unet.levels.min(7);
            check(
                unet.attention.heads > 0 && width.is_multiple_of(unet.attention.heads.max(1)),
                "model.unet.attention.heads",
                unet.attention.heads.to_string(),
                &format!("a divisor of the bottleneck's {width} channels"),
            );
            check(
                width.is_multiple_of(4),
                "model.unet.base_channels",
                base.to_string(),
                "such that the bottleneck's channels are a multiple of 4 for the positional encoding",
            );
        }
        let vit = &model.vit;
        check((1..=64).contains(&vit.patch), "model.vit.patch", vit.patch.to_string(), "1 to 64");
        check(
            vit.width >= 4 && vit.width.is_multiple_of(4) && vit.width.is_multiple_of(vit.heads.max(1)),
            "model.vit.width",
            vit.width.to_string(),
            "a multiple of 4 and of model.vit.heads",
        );
        check(vit.heads >= 1, "model.vit.heads", vit.heads.to_string(), "at least 1");
        check((1..=48).contains(&vit.depth), "model.vit.depth", vit.depth.to_string(), "1 to 48");

        for (name, weight) in self.loss.terms() {
            let ok = weight.is_finite() && weight >= 0.0;
            check(ok, &format!("loss.{name}"), weight.to_string(), "finite and not negative");
        }
        let differentiable: f64 = self
            .loss
            .terms()
            .iter()
            .filter(|(name, _)| *name != "volume_hard")
            .map(|(_, weight)| weight)
            .sum();
        check(
            differentiable > 0.0,
            "loss",
            "no term with a gradient".into(),
            "at least one of mse, bce, cross_entropy, dice, iou, volume_soft above 0",
        );
        match self.head {
            Head::Regression => check(
                self.loss.cross_entropy == 0.0,
                "loss.cross_entropy",
                self.loss.cross_entropy.to_string(),
                "0 with head = \"regression\" (use bce or mse)",
            ),
            Head::MultiClass => check(
                self.loss.bce == 0.0,
                "loss.bce",
                self.loss.bce.to_string(),
                "0 with head = \"multi-class\" (use cross_entropy)",
            ),
        }
        if let ClassWeights::Given(weights) = &self.loss.class_weights {
            check(
                weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().sum::<f64>() > 0.0,
                "loss.class_weights.given",
                format!("{weights:?}"),
                "three weights, finite, not negative, not all zero",
            );
        }

        let optimizer = &self.optimizer;
        let rate = optimizer.learning_rate;
        check(
            rate.is_finite() && rate > 0.0 && rate <= 10.0,
            "optimizer.learning_rate",
            rate.to_string(),
            "(0, 10]",
        );
        check(
            unit(optimizer.weight_decay),
            "optimizer.weight_decay",
            optimizer.weight_decay.to_string(),
            "[0, 1)",
        );
        check(unit(optimizer.momentum), "optimizer.momentum", optimizer.momentum.to_string(), "[0, 1)");
        check(unit(optimizer.ema), "optimizer.ema", optimizer.ema.to_string(), "[0, 1)");
        check(
            optimizer.clip_norm.is_finite() && optimizer.clip_norm >= 0.0,
            "optimizer.clip_norm",
            optimizer.clip_norm.to_string(),
            "finite and not negative",
        );

        let schedule = &self.schedule;
        let fraction = schedule.final_fraction;
        check((0.0..=1.0).contains(&fraction), "schedule.final_fraction", fraction.to_string(), "[0, 1]");
        check(
            schedule.factor > 0.0 && schedule.factor < 1.0,
            "schedule.factor",
            schedule.factor.to_string(),
            "(0, 1)",
        );
        check(schedule.every_epochs > 0, "schedule.every_epochs", "0".into(), "at least 1");

        let training = &self.training;
        for (key, value) in [
            ("training.epochs", training.epochs),
            ("training.batch_size", training.batch_size),
            ("training.accumulation", training.accumulation),
            ("training.frames_per_domain", training.frames_per_domain),
        ] {
            check(value > 0, key, value.to_string(), "at least 1");
        }
        check(
            training.batch_size.is_multiple_of(training.frames_per_domain.max(1)),
            "training.frames_per_domain",
            training.frames_per_domain.to_string(),
            "a divisor of training.batch_size",
        );
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> TrainConfig {
        toml::from_str(text).expect("valid TOML")
    }

    #[test]
    fn every_conditioning_of_the_study_can_be_written() {
        let with = |line: &str| parse(&format!("name='a'\ndataset='d.h5'\n{line}")).conditioning;
        assert_eq!(with(""), Conditioning::Time);
        assert_eq!(with("conditioning = 'time'"), Conditioning::Time);
        let frames = |line| match with(line) {
            Conditioning::SingleFrame(frames) => frames.of(26),
            Conditioning::Time => panic!("not single-frame"),
        };
        assert_eq!(frames("conditioning = { single-frame = 15 }"), [15]);
        assert_eq!(frames("conditioning = { single-frame = [25, 5] }"), [5, 25]);
        assert_eq!(frames("conditioning = { single-frame = 'all' }").len(), 26);
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let config = parse(
            "name=''\ndataset='d.h5'\n[split]\ntest=1.5\n[optimizer]\nlearning_rate=-1\n[training]\nbatch_size=0",
        );
        let keys: Vec<_> = config.problems().into_iter().map(|p| p.key).collect();
        for key in ["name", "split.test", "optimizer.learning_rate", "training.batch_size", "loss"] {
            assert!(keys.iter().any(|k| k == key), "{key} missing in {keys:?}");
        }
    }

    #[test]
    fn a_loss_without_gradient_or_bound_is_refused() {
        for loss in ["volume_hard = 1.0", "dice = -1.0", "dice = inf"] {
            let config = parse(&format!("name='a'\ndataset='d.h5'\n[loss]\n{loss}"));
            assert!(!config.problems().is_empty(), "{loss}");
        }
        assert!(
            parse("name='a'\ndataset='d.h5'\n[loss]\ncross_entropy = 1.0\nvolume_hard = 0.1")
                .problems()
                .is_empty()
        );
    }

    #[test]
    fn a_resolved_configuration_reads_back_as_itself() {
        let config = parse(
            "name='a'\ndataset='d.h5'\nconditioning={single-frame='all'}\n[loss]\nmse=1.0\nclass_weights={given=[0.0,1.0,2.0]}",
        );
        let text = toml::to_string(&config).expect("serialises");
        assert_eq!(parse(&text), config);
    }

    #[test]
    fn the_trainings_that_come_with_the_program_are_valid() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("configs/invasion");
        let mut count = 0;
        for entry in std::fs::read_dir(folder).expect("a folder") {
            crate::config::load::<TrainConfig>(&entry.expect("an entry").path(), &[]).expect("valid");
            count += 1;
        }
        assert!(count >= 5);
    }
}
