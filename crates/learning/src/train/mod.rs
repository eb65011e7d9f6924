//! Training: from a dataset and a configuration to a run folder.
//!
//! The training loop is porecast's own, built on Burn's modules, autodiff, optimisers, gradient
//! accumulation and records. Burn's `Learner` lacks three things that a run needs: resuming bit for
//! bit (it does not restore the order of the data and the generator of dropout), clipping by the
//! global norm, and stopping at the first impossible loss, naming the samples that caused it.
//!
//! `invasion` and `segmentation` turn their configuration into a `Setting`; everything after that
//! is the same for both.

mod average;
mod begin;
mod init;
mod invasion;
mod memory;
mod optimizer;
mod plan;
mod ranks;
mod schedule;
mod segmentation;
mod summation;
mod trainer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::data::Samples;
use crate::device::{Device, on_device};
use crate::loss::Objective;
use crate::model::Ends;
use crate::model::ops::TrainBackend;
use begin::{Lead, Place};
use memory::Memory;
#[cfg(all(test, feature = "wgpu"))]
pub(crate) use optimizer::{network_from_bytes, network_to_bytes};
use plan::describe;
use porecast_base::Verbosity;
use porecast_base::progress::say;
use porecast_base::{Error, Result};
use porecast_store::config::model::ModelConfig;
use porecast_store::config::optimizer::{OptimizerConfig, ScheduleConfig};
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::train::{Start, TrainingConfig};
use porecast_store::run::{Card, MemberCard, TrainedOn};
use ranks::Ranks;
pub use ranks::is_first_process;
use trainer::Trainer;

/// The members of a run, and the settings that they share.
struct Setting {
    place: Place,
    memory: Memory,
    seed: u64,
    model: ModelConfig,
    optimizer: OptimizerConfig,
    schedule: ScheduleConfig,
    training: TrainingConfig,
    members: Vec<Member>,
    verbosity: Verbosity,
}

/// One network of a run.
struct Member {
    /// Prefix of its messages, such as `frame 5: `.
    label: String,
    /// Folder below the run folder.
    folder: PathBuf,
    /// Distinguishes its seeds from those of the other members.
    seed_index: u64,
    /// The frame it predicts, if there is one network per frame.
    frame: Option<usize>,
    /// The fold it is validated on, if there are folds.
    fold: Option<usize>,
    ends: Ends,
    /// Description of the model; a checkpoint must match it.
    architecture: String,
    objective: Objective,
    data: Arc<dyn Samples>,
    /// Frames to train on.
    frames: Vec<usize>,
    /// Training domains or images.
    train: Vec<usize>,
    /// Validation domains or images; they determine the best epoch.
    validation: Vec<usize>,
}

/// Options of `porecast train`.
#[derive(Debug, Clone)]
pub struct TrainOptions {
    /// Training configuration (TOML).
    pub config: PathBuf,
    /// Run folder to create; without it, `runs/<name>` with the configuration's `name`.
    pub output: Option<PathBuf>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    pub device: String,
    /// Changes of configuration values, each `key=value`.
    pub set: Vec<String>,
    /// Train only the network of this fold of a segmentation split; [`IfExists::Resume`] trains the
    /// others later.
    pub fold: Option<usize>,
    /// Run folder whose best weights the training begins with. The networks must have the same shape, but the layers after the
    /// UNet may differ, and the state of a recurrent network may have had fewer channels.
    pub init: Option<PathBuf>,
    /// What to do if the folder already holds a run.
    pub if_exists: IfExists,
}

/// What a training does if its folder already holds a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfExists {
    /// Fail and leave it unchanged.
    Refuse,
    /// Continue from its last checkpoint, or begin if there is none.
    Resume,
    /// Train anew; the new run replaces it when it is complete.
    Replace,
}

/// `porecast train`: trains every member of a run, or continues a stopped run; returns its folder. A finished run goes on
/// if `training.epochs` is larger than before.
///
/// # Errors
/// Unusable configuration or dataset, an existing run without `--resume` or `--force`, a loss that
/// is not finite, an interrupt, or a disk that cannot be written.
pub fn run(args: &TrainOptions, verbosity: Verbosity) -> Result<PathBuf> {
    run_on(&Ranks::alone(), args, verbosity)
}

/// As [`run`], on all processes that `mpirun` or `srun` has started; `None` on all but the first. With several processes an
/// error is shown and ends them all.
///
/// # Errors
/// As [`run`]; several processes in a build without the feature `mpi`.
pub fn run_on_ranks(args: &TrainOptions, verbosity: Verbosity) -> Result<Option<PathBuf>> {
    let ranks = Ranks::start()?;
    match run_on(&ranks, args, verbosity) {
        Err(error) if !ranks.is_alone() => ranks.end(&error),
        trained => Ok(Some(trained?).filter(|_| ranks.is_first())),
    }
}

fn run_on(ranks: &Ranks, args: &TrainOptions, verbosity: Verbosity) -> Result<PathBuf> {
    let device = ranks.device(&args.device)?;
    let verbosity = if ranks.is_first() { verbosity } else { Verbosity { quiet: true, verbose: false } };
    // The others begin when the first has checked the configuration and holds the folder.
    let lead = if ranks.is_first() { None } else { ranks.gather(None::<Lead>)?.swap_remove(0) };
    if SegmentationConfig::is_in(&args.config) {
        let (setting, mut card) = segmentation::set_up(args, device, verbosity, ranks, lead.as_ref())?;
        meet(ranks, &setting, &card, lead)?;
        on_device!(device, train_members(ranks, &setting, &mut card))
    } else {
        let (setting, mut card) = invasion::set_up(args, device, verbosity, ranks, lead.as_ref())?;
        meet(ranks, &setting, &card, lead)?;
        on_device!(device, train_members(ranks, &setting, &mut card))
    }
}

/// Lets the other ranks begin after the first, and checks that all use the same configuration, data and split.
fn meet<D: TrainedOn>(ranks: &Ranks, setting: &Setting, card: &Card<D>, lead: Option<Lead>) -> Result<()> {
    if let Some(lead) = lead {
        return setting.place.require_lead(&lead, card);
    }
    ranks.gather(Some(setting.place.lead(card)?)).map(drop)
}

/// `porecast train --dry-run`: trains a few steps without keeping them, and says what the training would do.
///
/// # Errors
/// As [`run`], but not for an existing run.
pub fn plan(args: &TrainOptions) -> Result<String> {
    let began = Instant::now();
    let device = Device::parse(&args.device)?;
    let quiet = Verbosity { quiet: true, verbose: false };
    let folder = tempfile::tempdir().map_err(|e| Error::output(&std::env::temp_dir(), e))?;
    let output = Some(folder.path().join("run"));
    let elsewhere = &TrainOptions { output, if_exists: IfExists::Refuse, ..args.clone() };
    let name;
    let setting = if SegmentationConfig::is_in(&args.config) {
        let (setting, card) = segmentation::set_up(elsewhere, device, quiet, &Ranks::alone(), None)?;
        name = card.name;
        setting
    } else {
        let (setting, card) = invasion::set_up(elsewhere, device, quiet, &Ranks::alone(), None)?;
        name = card.name;
        setting
    };
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let text = on_device!(device, describe(&setting, began))?;
    Ok(format!("{text}device      {device}\noutput      {}\n", plan::of_output(&output)))
}

fn train_members<B: TrainBackend>(
    device: &B::Device,
    ranks: &Ranks,
    setting: &Setting,
    card: &mut Card<impl TrainedOn>,
) -> Result<PathBuf> {
    let mut before: Option<&Member> = None;
    for member in &setting.members {
        // The network of the frame before, from the same seed.
        let neighbour = before.filter(|before| before.frame < member.frame);
        let start = match (setting.training.start, neighbour) {
            (Start::Neighbour, Some(neighbour)) => {
                Some(setting.place.folder.member(&neighbour.folder).best_path())
            }
            _ => setting.place.init.as_ref().map(|init| init.weights(&member.folder)).transpose()?,
        };
        let trainer = Trainer::<B>::new(setting, member, start.as_deref(), device, ranks);
        if trainer.is_err() && ranks.is_first() && card.members.is_empty() {
            setting.place.withdraw(member)?;
        }
        let trained = trainer.and_then(Trainer::run);
        record(&mut card.members, trained.map_err(|e| setting.place.named(e))?);
        if ranks.is_first() {
            setting.place.folder.write_card(card).map_err(|e| setting.place.named(e))?;
        }
        before = Some(member);
    }
    let path = setting.place.finish()?;
    say(setting.verbosity, &format!("trained: {}", path.display()));
    Ok(path.to_owned())
}

/// Adds a member to the list, or replaces its earlier entry.
fn record(members: &mut Vec<MemberCard>, done: MemberCard) {
    members.retain(|member| member.folder != done.folder);
    members.push(done);
    members.sort_by(|a, b| (a.frame, a.fold, &a.folder).cmp(&(b.frame, b.fold, &b.folder)));
}

/// Weights inverse to the counts, mean one; a class that never occurs gets weight zero.
fn balanced(counts: &[u64]) -> Vec<f32> {
    let inverse = counts.iter().map(|&count| if count == 0 { 0.0 } else { 1.0 / count as f64 });
    let inverse: Vec<f64> = inverse.collect();
    let mean = inverse.iter().sum::<f64>() / counts.len() as f64;
    inverse.into_iter().map(|weight| (weight / mean) as f32).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn balanced_weights_give_each_class_the_same_total() {
        let weights = super::balanced(&[10, 30, 60]);
        let totals = [10.0 * weights[0], 30.0 * weights[1], 60.0 * weights[2]];
        assert!(totals.iter().all(|total| (total - totals[0]).abs() < 1e-4));
        assert!((weights.iter().sum::<f32>() - 3.0).abs() < 1e-6);
        assert_eq!(super::balanced(&[5, 5, 0]), [1.5, 1.5, 0.0]);
    }
}
