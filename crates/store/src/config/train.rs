//! Configuration of a training on invasions.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::loss::LossConfig;
use super::model::{Architecture, EncoderKind, ModelConfig, TimePlace};
use super::optimizer::{OptimizerConfig, ScheduleConfig};
use super::{Checks, Problem, Validate, plain_name};
use crate::physics::Quantity;
use porecast_base::below;

/// A training on an invasion dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrainConfig {
    /// Name of the run: letters, digits, `-`, `_` and `.`. The run folder is `runs/<name>` unless `-o`
    /// is given.
    pub name: String,
    /// Seed of the initial weights, the order of the samples, dropout and mirroring.
    #[serde(default)]
    pub seed: u64,
    /// Networks trained from different seeds on the same domains; what they predict is averaged.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    #[schemars(range(min = 1), extend("default" = 1))]
    pub networks: usize,
    /// Dataset of invasion sequences to train on, relative to the working directory.
    pub dataset: PathBuf,
    /// Further datasets, all of whose domains are trained on. They may have another height and width, but need the same
    /// number of frames, time unit, inlet and pixel size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub also_train_on: Vec<PathBuf>,
    /// Every training domain is trained on in these resolutions as well: 0.5 has half as many pixels along each edge. A
    /// network then knows finer and coarser grains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(range(min = 0.25, max = 4.0)), extend("default" = []))]
    pub also_rescaled_by: Vec<f64>,
    /// Output of the last layer for each pixel.
    #[serde(default)]
    pub head: Head,
    /// Whether one network predicts any time, one gives the whole sequence, or each frame has a
    /// network.
    #[serde(default)]
    pub conditioning: Conditioning,
    /// Channels of the input, each computed from the geometry; at least one, each once.
    #[serde(default = "Channel::default_list")]
    #[schemars(length(min = 1))]
    pub inputs: Vec<Channel>,
    /// Physical quantities that the network is told, each once; every domain of the dataset must have
    /// them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = []))]
    pub physics: Vec<Quantity>,
    /// Which domains are held out for validation and test.
    #[serde(default)]
    pub split: SplitConfig,
    /// The network.
    #[serde(default)]
    pub model: ModelConfig,
    /// Weights of the loss terms; at least one with a gradient must be above 0.
    #[serde(default)]
    pub loss: LossConfig,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: OptimizerConfig,
    /// How the learning rate changes.
    #[serde(default)]
    pub schedule: ScheduleConfig,
    /// Epochs, batches and when to stop.
    #[serde(default)]
    pub training: TrainingConfig,
    /// Average what is predicted of a domain and of its mirror image across the flow, which are
    /// equally likely.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false))]
    pub mirrored_prediction: bool,
    /// Average what is predicted of a domain in its own resolution and in those of `also_rescaled_by`, where its pores are as
    /// fine and coarse as in the training.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(extend("default" = false))]
    pub rescaled_prediction: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

fn one() -> usize {
    1
}

fn is_one(value: &usize) -> bool {
    *value == 1
}

/// Output of the last layer for each pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
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

/// Whether one network predicts any time, or one network per frame.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conditioning {
    /// One network predicts any time.
    #[default]
    Time,
    /// One network gives the whole sequence at once.
    Sequence(Knots),
    /// One network steps a state through time and reads the frames from it (a recurrent UNet).
    Recurrent(Steps),
    /// One network a frame.
    SingleFrame(Frames),
}

impl Conditioning {
    /// Whether a network steps a state through time.
    pub fn is_recurrent(&self) -> bool {
        matches!(self, Self::Recurrent(_))
    }
}

/// Times at which a network of whole sequences gives logits; those between are interpolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Knots {
    /// Number of knots, evenly spaced from time 0 to the last time of the training domains.
    #[schemars(range(min = 2, max = 512))]
    pub knots: usize,
}

/// Steps of a state through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Steps {
    /// Number of times at which the state is known, evenly spaced from time 0 to the last time of the training domains.
    /// Between them, states are interpolated. A domain that is longer than the training domains gets more, in
    /// proportion.
    #[schemars(range(min = 2, max = 512))]
    pub knots: usize,
    /// Channels of the state.
    #[serde(default = "thirty_two")]
    #[schemars(range(min = 1, max = 1024), extend("default" = 32))]
    pub channels: usize,
}

fn thirty_two() -> usize {
    32
}

/// Frames that get a network of their own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum All {
    /// Every frame of the dataset.
    All,
}

impl Frames {
    /// The frames in ascending order, for a dataset of `count` frames.
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Channel {
    /// 1 in pore space, 0 in solid.
    Pore,
    /// Distance to the nearest solid pixel divided by 16 pixels, at most 1; 0 in solid.
    Distance,
    /// Distance from the inlet divided by the length of the domain; 0 in solid.
    Depth,
    /// Pore volumes injected when quasi-static percolation reaches the pixel; 1 where it never
    /// does, 0 in solid. A prior for dynamic sequences; for sequences made by percolation it
    /// reveals the target.
    Percolation,
    /// As `distance`, with walls on both sides of the flow.
    WallDistance,
    /// As `percolation`, with walls on both sides of the flow.
    WallPercolation,
    /// Radius of the largest disc in the pore space that covers the pixel, with walls on both sides,
    /// over 16 pixels, at most 1; 0 in solid.
    Thickness,
    /// Pressure of a single fluid that flows through, from 1 at the inlet to 0 at the outlet.
    Pressure,
    /// Speed of that fluid over four times its mean, at most 1.
    Speed,
}

impl Channel {
    /// The channel of a name in a configuration.
    pub fn named(name: &str) -> Option<Self> {
        serde_json::from_value(name.into()).ok()
    }

    fn default_list() -> Vec<Self> {
        vec![Self::Pore]
    }
}

/// Which domains are held out: shares of them, or those that a file names.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct SplitConfig {
    /// TOML file with the lists `train`, `validation` and `test` of domain identifiers, relative to
    /// the working directory; replaces the shares. A domain in none of the lists is not used; in
    /// a file without `train`, it is trained on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Share of the domains that select the best epoch; together with `test` below 1.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub validation: f64,
    /// Share of the domains that no training sees and `evaluate` scores.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 1.0))]
    pub test: f64,
    /// Seed of the draw of the parts; must be the same for runs to be compared.
    pub seed: u64,
}

impl Default for SplitConfig {
    fn default() -> Self {
        Self { file: None, validation: 0.15, test: 0.15, seed: 0 }
    }
}

impl SplitConfig {
    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.below_one("validation", self.validation);
        checks.below_one("test", self.test);
        let held_out = self.validation + self.test;
        checks.expect(
            held_out < 1.0,
            "validation + test",
            held_out,
            "less than 1, so that training domains remain",
        );
        let is_of_shares = *self != Self { file: self.file.clone(), ..Self::default() };
        if self.file.is_some() && is_of_shares {
            checks.0.push(Problem::new(
                "file",
                "cannot be combined with validation, test and seed; remove either",
            ));
        }
        checks.0
    }
}

/// Initial weights of a single-frame network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Start {
    /// Random weights.
    #[default]
    Scratch,
    /// The best weights of the previous frame's network.
    Neighbour,
}

/// Precision of the numbers that convolutions multiply; weights, sums, norms and losses keep 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits; an NVIDIA GPU multiplies them in TF32.
    #[default]
    Float32,
    /// A mantissa of ten bits instead of 23.
    Tf32,
    /// A mantissa of seven bits.
    Bfloat16,
}

impl Precision {
    fn is_full(&self) -> bool {
        *self == Self::Float32
    }
}

/// Epochs, batches and when to stop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingConfig {
    /// Number of epochs: passes over the samples.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Samples (frames of domains, or images) in a batch. The domains of a batch have one size; larger domains than the
    /// first training domain come in smaller batches of about as many pixels.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Batches whose gradients are averaged before an optimiser step. Processes started by `mpirun` share them.
    #[schemars(range(min = 1))]
    pub accumulation: usize,
    /// Recompute activations in the backward pass instead of storing them: less memory, more time.
    pub gradient_checkpointing: bool,
    /// Precision of convolutions in training steps, to see what fewer bits cost; saves no time. For the architecture `unet`.
    #[serde(skip_serializing_if = "Precision::is_full")]
    #[schemars(extend("default" = "float32"))]
    pub precision: Precision,
    /// Frames of one domain in a batch, a divisor of `batch_size`; they share the computations that do
    /// not depend on time. 1 for images.
    #[schemars(range(min = 1))]
    pub frames_per_domain: usize,
    /// Samples in an epoch; 0 for every frame of every training domain once.
    pub samples_per_epoch: usize,
    /// Evenly spread frames of each validation domain to score after an epoch; 0 for all.
    pub validation_frames: usize,
    /// Mirror domains at random across the flow direction; images are mirrored by `augment` instead.
    pub lateral_flip: bool,
    /// Stop when the validation loss has not fallen for this many epochs; 0 for never.
    pub patience: usize,
    /// Initial weights of the network of a frame, with single-frame conditioning.
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
            gradient_checkpointing: false,
            precision: Precision::default(),
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

impl TrainingConfig {
    pub(super) fn problems(&self, model: &ModelConfig) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.expect(
            self.precision.is_full() || model.architecture == Architecture::Unet,
            "precision",
            super::shown(&self.precision),
            "\"float32\" with this model.architecture, which hardly has convolutions",
        );
        for (key, value) in [
            ("epochs", self.epochs),
            ("batch_size", self.batch_size),
            ("accumulation", self.accumulation),
            ("frames_per_domain", self.frames_per_domain),
        ] {
            checks.expect(value > 0, key, value, "at least 1");
        }
        checks.expect(
            self.batch_size.is_multiple_of(self.frames_per_domain.max(1)),
            "frames_per_domain",
            self.frames_per_domain,
            "a divisor of training.batch_size",
        );
        checks.0
    }
}

impl Validate for TrainConfig {
    const KIND: &'static str = super::TRAINING;

    fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        plain_name(&mut checks, &self.name);
        checks.expect(self.networks > 0, "networks", self.networks, "at least 1");
        let datasets: std::collections::HashSet<_> =
            self.also_train_on.iter().chain([&self.dataset]).collect();
        checks.expect(
            datasets.len() == 1 + self.also_train_on.len(),
            "also_train_on",
            super::shown(&self.also_train_on),
            "each dataset once, and not that of `dataset`",
        );
        let scales = &self.also_rescaled_by;
        checks.expect(
            (0..scales.len()).all(|i| {
                (0.25..=4.0).contains(&scales[i]) && scales[i] != 1.0 && !scales[..i].contains(&scales[i])
            }),
            "also_rescaled_by",
            super::shown(scales),
            "numbers from 0.25 to 4 other than 1, each once",
        );
        checks.expect(
            !self.rescaled_prediction || !scales.is_empty(),
            "rescaled_prediction",
            self.rescaled_prediction,
            "`also_rescaled_by` as well",
        );
        let distinct: std::collections::HashSet<_> = self.inputs.iter().map(|c| *c as usize).collect();
        checks.expect(
            !self.inputs.is_empty() && distinct.len() == self.inputs.len(),
            "inputs",
            super::shown(&self.inputs),
            "at least one channel, each once",
        );
        if let Conditioning::SingleFrame(Frames::List(list)) = &self.conditioning {
            checks.expect(
                !list.is_empty(),
                "conditioning.single-frame",
                "[]",
                "\"all\" or at least one frame",
            );
        }
        if let Conditioning::Sequence(Knots { knots }) = self.conditioning {
            checks.need((2..=512).contains(&knots), "conditioning.sequence.knots", knots, "2 to 512");
        }
        if let Conditioning::Recurrent(Steps { knots, channels }) = self.conditioning {
            let key = |key: &str| format!("conditioning.recurrent.{key}");
            checks.need((2..=512).contains(&knots), &key("knots"), knots, "2 to 512");
            checks.need((1..=1024).contains(&channels), &key("channels"), channels, "1 to 1024");
            let is_unet = self.model.architecture == Architecture::Unet;
            checks.expect(is_unet, "model.architecture", "\"vit\"", "\"unet\" with recurrent conditioning");
            checks.expect(
                self.model.unet.levels >= 4,
                "model.unet.levels",
                self.model.unet.levels,
                "at least 4 with recurrent conditioning",
            );
        }
        let told: std::collections::HashSet<_> = self.physics.iter().collect();
        checks.expect(
            told.len() == self.physics.len(),
            "physics",
            super::shown(&self.physics),
            "each quantity once",
        );
        let is_unet = self.model.architecture == Architecture::Unet;
        checks.expect(
            !(self.conditioning == Conditioning::Time && is_unet && self.model.time.enters.is_empty()),
            "model.time.enters",
            "[]",
            "at least one of \"encoder\", \"bottleneck\", \"decoder\", or single-frame conditioning",
        );
        let unet = &self.model.unet;
        let is_own_block = |place: &TimePlace| *place != TimePlace::Decoder;
        let tells_encoder = self.conditioning == Conditioning::Time
            && is_unet
            && unet.encoder.kind != EncoderKind::Plain
            && self.model.time.enters.iter().any(is_own_block);
        checks.expect(
            !tells_encoder,
            "model.time.enters",
            super::shown(&self.model.time.enters),
            "[\"decoder\"] with this model.unet.encoder, which does not take the time",
        );
        checks.expect(
            unet.deep_supervision == 0,
            "model.unet.deep_supervision",
            unet.deep_supervision,
            "0: deep supervision works only for segmentation",
        );
        checks.expect(
            self.loss.can_be_learnt(),
            "loss",
            "no term with a gradient",
            "at least one of mse, bce, cross_entropy, dice, iou, volume_soft above 0",
        );
        let tables = [
            ("split", self.split.problems()),
            ("model", self.model.problems()),
            ("loss", self.loss.problems(self.head)),
            ("optimizer", self.optimizer.problems()),
            ("schedule", self.schedule.problems()),
            ("training", self.training.problems(&self.model)),
        ];
        checks
            .0
            .into_iter()
            .chain(tables.into_iter().flat_map(|(table, found)| below(table, found)))
            .collect()
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
            other => panic!("{other:?} is not single-frame"),
        };
        let sequence = with("conditioning = { sequence = { knots = 9 } }");
        assert_eq!(sequence, Conditioning::Sequence(Knots { knots: 9 }));
        let recurrent = with("conditioning = { recurrent = { knots = 9 } }");
        assert_eq!(recurrent, Conditioning::Recurrent(Steps { knots: 9, channels: 32 }));
        assert_eq!(frames("conditioning = { single-frame = 15 }"), [15]);
        assert_eq!(frames("conditioning = { single-frame = [25, 5] }"), [5, 25]);
        assert_eq!(frames("conditioning = { single-frame = 'all' }").len(), 26);
    }

    #[test]
    fn a_recurrence_needs_a_unet_of_four_levels() {
        let keys = |model: &str| {
            let conditioning = "conditioning = { recurrent = { knots = 1, channels = 0 } }";
            let config = parse(&format!("name='a'\ndataset='d.h5'\n{conditioning}\n{model}"));
            config.problems().into_iter().map(|p| p.key).collect::<Vec<_>>()
        };
        let found = keys("[model.unet]\nlevels = 3");
        for key in ["conditioning.recurrent.knots", "conditioning.recurrent.channels", "model.unet.levels"] {
            assert!(found.iter().any(|k| k == key), "{key} missing in {found:?}");
        }
        assert!(keys("[model]\narchitecture = 'vit'").contains(&"model.architecture".to_owned()));
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
    fn a_split_is_of_shares_or_of_a_file() {
        let problems = |line: &str| {
            let config = format!("name='a'\ndataset='d.h5'\n[loss]\nmse=1.0\n[split]\n{line}");
            parse(&config).problems().into_iter().map(|p| p.key).collect::<Vec<_>>()
        };
        assert!(problems("file = 'split.toml'").is_empty());
        assert_eq!(problems("file = 'split.toml'\nseed = 3"), ["split.file"]);
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
    fn a_network_that_an_invasion_cannot_use_is_refused() {
        let keys = |text: &str| -> Vec<_> {
            let config = parse(&format!("name='a'\ndataset='d.h5'\nloss.mse=1.0\n[model]\n{text}"));
            config.problems().into_iter().map(|problem| problem.key).collect()
        };
        let on_encoder = "unet = { levels = 5, encoder.kind = 'resnet18' }";
        assert_eq!(keys(on_encoder), ["model.time.enters"]);
        assert_eq!(keys(&format!("{on_encoder}\ntime.enters = ['decoder']")), [] as [&str; 0]);
        assert_eq!(keys("unet.deep_supervision = 1"), ["model.unet.deep_supervision"]);
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
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/invasion");
        let mut count = 0;
        for folder in [folder.join("skill"), folder] {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_file() {
                    crate::config::load::<TrainConfig>(&path, &[]).expect("valid");
                    count += 1;
                }
            }
        }
        assert!(count >= 10);
    }
}
