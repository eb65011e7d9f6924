//! Training: from a dataset and a configuration to a run folder.
//!
//! The loop is our own, over Burn's modules, autodiff, optimisers, gradient accumulation and records. Burn's
//! `Learner` stands in the way of three things that a run must have: resuming bit for bit (it does not restore the
//! order of the data and the generator of dropout), clipping by the global norm, and stopping at the first
//! impossible loss with the samples that caused it.

mod average;
mod optimizer;
mod schedule;
mod trainer;

use std::path::{Path, PathBuf};

use crate::cli::{TrainArgs, Verbosity};
use crate::config::loss::ClassWeights;
use crate::config::train::{Conditioning, Start, TrainConfig};
use crate::config::{self};
use crate::data::{InvasionData, split};
use crate::device::{Device, on_device};
use crate::error::{Error, Result};
use crate::loss::Loss;
use crate::model::ops::TrainBackend;
use crate::progress::say;
use crate::store::run::{DatasetCard, MemberCard, RunCard};
use crate::store::{InvasionDataset, RunFolder, atomic};
pub(crate) use trainer::BEST;
use trainer::{Member, Trainer};

/// Everything the members of a run share.
pub(crate) struct Setting {
    config: TrainConfig,
    folder: RunFolder,
    card: RunCard,
    data: InvasionData,
    train: Vec<usize>,
    validation: Vec<usize>,
    verbosity: Verbosity,
}

/// `porecast train`: trains every member of a run, or goes on where it stopped.
///
/// # Errors
/// Unusable configuration or dataset, an existing run without `--resume` or `--force`, a loss that is not finite, an
/// interrupt, or a disk that cannot be written.
pub fn run(args: &TrainArgs, verbosity: Verbosity) -> Result<()> {
    let device = Device::parse(&args.device)?;
    let config: TrainConfig = config::load(&args.config, &args.set)?;
    let path = args.output.clone().unwrap_or_else(|| Path::new("runs").join(&config.name));
    let folder = RunFolder::new(&path);
    let resolved = config::to_toml(&config)?;

    // A run has begun once its configuration is there; one that was killed before that begins now.
    let has_begun = folder.config_path().exists();
    if args.resume && has_begun {
        check_same_config(&folder, &config)?;
    } else if !folder.is_vacant() {
        if !args.force {
            return Err(Error::new(
                crate::ErrorKind::Exists,
                path.display().to_string(),
                "exists already; pass --resume to go on with it or --force to replace it",
            ));
        }
        folder.card()?; // only ever remove what is a run
        std::fs::remove_dir_all(&path).map_err(|e| Error::output(&path, e))?;
    }

    let dataset = InvasionDataset::open(&config.dataset)?;
    let data = InvasionData::load(&dataset, &config.inputs)?;
    let mut card = make_card(&config, &dataset, &data, &device)?;
    if args.resume && has_begun {
        let before = folder.card()?;
        if before.dataset.fingerprint != card.dataset.fingerprint {
            return Err(Error::new(
                crate::ErrorKind::Mismatch,
                config.dataset.display().to_string(),
                "is no longer the dataset this run began with; restore it, or train anew with --force",
            ));
        }
        if before.split != card.split {
            let file = config.split.file.as_deref().unwrap_or(&config.dataset);
            return Err(Error::new(
                crate::ErrorKind::Mismatch,
                file.display().to_string(),
                "no longer splits the domains as when this run began; restore it, or train anew with --force",
            ));
        }
        // An earlier part of the run may have finished some members.
        card.members = before.members;
        folder.remove_temporaries()?;
    }
    folder.write_card(&card)?;
    atomic::write(&folder.config_path(), resolved.as_bytes())?;

    let train = data.indices(&card.split.train, &config.dataset)?;
    let validation = data.indices(&card.split.validation, &config.dataset)?;
    let setting = Setting { config, folder, card, data, train, validation, verbosity };
    on_device!(device, train_members(setting))
}

fn train_members<B: TrainBackend>(device: &B::Device, mut setting: Setting) -> Result<()> {
    let split = &setting.card.split;
    let parts = format!(
        "{} training, {} validation, {} test",
        split.train.len(),
        split.validation.len(),
        split.test.len()
    );
    let dataset = setting.config.dataset.display();
    say(setting.verbosity, &format!("{}: {parts} domains of {dataset}", setting.card.name));
    let members = members(&setting.config, setting.card.dataset.shape.0);
    let mut neighbour: Option<PathBuf> = None;
    for member in &members {
        let path = setting.folder.path().join(&member.folder);
        let start = match setting.config.training.start {
            Start::Neighbour => neighbour.as_deref(),
            Start::Scratch => None,
        };
        let done = Trainer::<B>::new(&setting, member, start, device)?.run()?;
        record(&mut setting.card.members, done);
        setting.folder.write_card(&setting.card)?;
        neighbour = Some(path.join(BEST));
    }
    say(setting.verbosity, &format!("trained: {}", setting.folder.path().display()));
    Ok(())
}

/// Puts a member into the list, in the place of an earlier state of the same one.
fn record(members: &mut Vec<MemberCard>, done: MemberCard) {
    members.retain(|member| member.folder != done.folder);
    members.push(done);
    members.sort_by_key(|member| member.frame);
}

/// The networks of a run: one, or one a frame.
fn members(config: &TrainConfig, frame_count: usize) -> Vec<Member> {
    match &config.conditioning {
        Conditioning::Time => vec![Member { frame: None, folder: PathBuf::from(".") }],
        Conditioning::SingleFrame(frames) => frames
            .of(frame_count)
            .into_iter()
            .map(|frame| Member { frame: Some(frame), folder: PathBuf::from(format!("frame-{frame:02}")) })
            .collect(),
    }
}

fn make_card(
    config: &TrainConfig,
    dataset: &InvasionDataset,
    data: &InvasionData,
    device: &Device,
) -> Result<RunCard> {
    let split = split::split(dataset.domain_ids(), &config.split, &config.dataset)?;
    for (part, ids) in split.parts() {
        if ids.is_empty() && part != "test" {
            return Err(Error::config(
                format!("split.{part}"),
                format!("leaves no {part} domain of the {} in {}", dataset.len(), config.dataset.display()),
            ));
        }
    }
    let frame_count = dataset.shape().0;
    for frame in match &config.conditioning {
        Conditioning::SingleFrame(frames) => frames.of(frame_count),
        Conditioning::Time => Vec::new(),
    } {
        if frame >= frame_count {
            return Err(Error::config(
                "conditioning.single-frame",
                format!(
                    "{frame} is outside 0 to {}, the frames of {}",
                    frame_count - 1,
                    config.dataset.display()
                ),
            ));
        }
    }
    let train = data.indices(&split.train, &config.dataset)?;
    let mean_times = (0..frame_count)
        .map(|frame| train.iter().map(|&i| data.times(i)[frame]).sum::<f64>() / train.len() as f64)
        .collect();
    let time_scale =
        train.iter().flat_map(|&i| data.times(i)).fold(0.0f64, |largest, &time| largest.max(time));
    let dataset = DatasetCard {
        path: config.dataset.clone(),
        fingerprint: dataset.fingerprint()?,
        shape: dataset.shape(),
        time_unit: dataset.time_unit(),
        inlet: dataset.inlet(),
        voxel_size_m: dataset.voxel_size_m(),
        mean_times,
        time_scale: if time_scale > 0.0 { time_scale } else { 1.0 },
    };
    Ok(RunCard::new(&config.name, config.seed, &device.to_string(), dataset, split))
}

/// A run goes on only with the configuration it began with.
fn check_same_config(folder: &RunFolder, config: &TrainConfig) -> Result<()> {
    let path = folder.config_path();
    let before: TrainConfig = config::load(&path, &[])?;
    if &before == config {
        return Ok(());
    }
    Err(Error::new(
        crate::ErrorKind::Mismatch,
        path.display().to_string(),
        "differs from the configuration given; resume with the same one, or train anew with --force",
    ))
}

impl Setting {
    /// The loss, with class weights from the training data where they are asked to be balanced.
    fn loss(&self, frames: &[usize]) -> Loss {
        let weights = match &self.config.loss.class_weights {
            ClassWeights::Equal => [1.0; 3],
            ClassWeights::Given(weights) => weights.map(|w| w as f32),
            ClassWeights::Balanced => balanced(self.data.class_counts(&self.train, frames)),
        };
        Loss::new(self.config.head, self.config.loss.clone(), weights)
    }
}

/// Weights inverse to the counts, mean one; a class that never occurs gets none.
fn balanced(counts: [u64; 3]) -> [f32; 3] {
    let inverse = counts.map(|count| if count == 0 { 0.0 } else { 1.0 / count as f64 });
    let sum: f64 = inverse.iter().sum();
    inverse.map(|x| (3.0 * x / sum) as f32)
}

#[cfg(test)]
mod tests {
    #[test]
    fn balanced_weights_give_each_class_the_same_total() {
        let weights = super::balanced([10, 30, 60]);
        let totals = [10.0 * weights[0], 30.0 * weights[1], 60.0 * weights[2]];
        assert!(totals.iter().all(|total| (total - totals[0]).abs() < 1e-4));
        assert!((weights.iter().sum::<f32>() - 3.0).abs() < 1e-6);
        assert_eq!(super::balanced([5, 5, 0]), [1.5, 1.5, 0.0]);
    }
}
