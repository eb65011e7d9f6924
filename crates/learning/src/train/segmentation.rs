//! Training on annotated images: one network, one per fold, or an ensemble on samples drawn with
//! replacement.

use std::path::PathBuf;
use std::sync::Arc;

use rand::RngExt;
use rand::seq::SliceRandom;

use super::begin::{Lead, begin};
use super::memory::Memory;
use super::ranks::Ranks;
use super::{Member, Setting, balanced};
use crate::data::SegmentationData;
use crate::device::Device;
use crate::loss::Objective;
use crate::model::Ends;
use crate::train::TrainOptions;
use porecast_base::Verbosity;
use porecast_base::progress::say;
use porecast_base::seed;
use porecast_base::{Error, Result};
use porecast_store::SegmentationDataset;
use porecast_store::config;
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::config::segmentation_loss::SegmentationWeights;
use porecast_store::image_split::split_of;
use porecast_store::run::{Card, SegmentationCard, SegmentationRunCard};

/// Prepares a training on annotated images.
///
/// # Errors
/// As [`super::run`].
pub(super) fn set_up(
    args: &TrainOptions,
    device: Device,
    verbosity: Verbosity,
    ranks: &Ranks,
    lead: Option<&Lead>,
) -> Result<(Setting, SegmentationRunCard)> {
    let config: SegmentationConfig = config::load(&args.config, &args.set)?;
    ranks.require_batches(&config.training)?;
    let begun = begin(args, &config.name, &config, lead)?;
    let dataset = SegmentationDataset::open(&config.dataset)?;
    if dataset.classes() != config.classes {
        return Err(Error::config(
            "classes",
            format!("differ from those of {}: {:?}", config.dataset.display(), dataset.classes()),
        ));
    }
    let (channels, height, width) = dataset.shape();
    let ends = Ends::new(channels, config.outputs());
    let memory = Memory::check(&config.model, ends, &config.training, (height, width), device)?;
    let split = split_of(&dataset, &config.split)?;
    let trained_on = SegmentationCard {
        path: config.dataset.clone(),
        fingerprint: dataset.fingerprint()?,
        shape: dataset.shape(),
        classes: config.classes.clone(),
    };
    let mut card = Card::new(&config.name, config.seed, &device.to_string(), trained_on, split);
    let members = members(&config, &card, &dataset, args.fold)?;
    let setting = Setting {
        place: begun.write(&mut card, &config.dataset)?,
        memory,
        seed: config.seed,
        model: config.model,
        optimizer: config.optimizer,
        schedule: config.schedule,
        training: config.training,
        members,
        verbosity,
    };
    let what = format!(
        "{}: {} images of {}, {} for the test",
        card.name,
        dataset.ids().len(),
        config.dataset.display(),
        card.split.test.len()
    );
    say(verbosity, &what);
    Ok((setting, card))
}

/// The networks of a run; only those of fold `only` if it is given.
fn members(
    config: &SegmentationConfig,
    card: &SegmentationRunCard,
    dataset: &SegmentationDataset,
    only: Option<usize>,
) -> Result<Vec<Member>> {
    let folds = card.split.folds.len();
    if folds == 0 {
        return Err(Error::config("split.method", "leaves nothing to train on"));
    }
    if let Some(fold) = only.filter(|fold| *fold >= folds) {
        return Err(Error::config("--fold", format!("{fold} is outside 0 to {}", folds - 1)));
    }
    let drawn = |ids: &[String]| -> Vec<usize> {
        let index = |id: &String| dataset.ids().iter().position(|other| other == id);
        ids.iter().filter_map(index).filter(|&index| dataset.has_mask()[index]).collect()
    };
    let fold_of = |fold: usize| {
        let train = share(config, dataset, drawn(&card.split.training(fold)));
        let validation = drawn(&card.split.folds[fold]);
        for (part, images) in [("training", &train), ("validation", &validation)] {
            if images.is_empty() {
                let what = format!("leaves no {part} image with a mask in fold {fold}");
                return Err(Error::config("split", what));
            }
        }
        Ok((train, validation))
    };
    let asked = only.map_or(0..folds, |fold| fold..fold + 1);
    let parts = asked.map(|fold| Ok((fold, fold_of(fold)?))).collect::<Result<Vec<_>>>()?;
    let is_folded = card.split.folds.len() > 1;
    let mut members = Vec::new();
    for (fold, (train, validation)) in parts {
        let data = SegmentationData::new(
            dataset.clone(),
            &train,
            config.augment.clone(),
            config.normalization,
            config.seed,
            config.training.epochs,
        )?;
        let weights = class_weights(config, &data, &train)?;
        let data = Arc::new(data);
        for bag in 0..config.ensemble.bags.max(1) {
            let is_bag = config.ensemble.bags > 0;
            let seed_index = (fold * config.ensemble.bags.max(1) + bag) as u64;
            let mut folder = PathBuf::new();
            let mut label = String::new();
            if is_folded {
                folder.push(format!("fold-{fold:02}"));
                label += &format!("fold {fold}: ");
            }
            if is_bag {
                folder.push(format!("bag-{bag:02}"));
                label += &format!("bag {bag}: ");
            }
            if folder.as_os_str().is_empty() {
                folder.push(".");
            }
            members.push(Member {
                label,
                folder,
                seed_index,
                frame: None,
                fold: is_folded.then_some(fold),
                ends: Ends::new(dataset.shape().0, config.outputs()),
                frames: vec![0],
                architecture: format!("{:?} {} {}", config.model, dataset.shape().0, config.outputs()),
                objective: Objective::of_classes(config.loss.clone(), weights.clone()),
                data: data.clone(),
                train: if is_bag { bag_of(&train, config.seed, seed_index) } else { train.clone() },
                validation: validation.clone(),
            });
        }
    }
    Ok(members)
}

/// The configured share of the training images: whole groups, drawn by the seed.
fn share(config: &SegmentationConfig, dataset: &SegmentationDataset, mut images: Vec<usize>) -> Vec<usize> {
    let share = config.ensemble.training_share;
    if share >= 1.0 {
        return images;
    }
    let mut groups: Vec<&String> = images.iter().map(|&image| &dataset.groups()[image]).collect();
    groups.sort_unstable();
    groups.dedup();
    groups.shuffle(&mut seed::generator(config.seed, "training share", 0));
    groups.truncate(((groups.len() as f64 * share).round() as usize).max(1));
    images.retain(|&image| groups.contains(&&dataset.groups()[image]));
    images
}

/// Bootstrap sample: as many images as there are, drawn with replacement (Breiman, 1996).
fn bag_of(images: &[usize], run_seed: u64, index: u64) -> Vec<usize> {
    let mut generator = seed::generator(run_seed, "bag", index);
    images.iter().map(|_| images[generator.random_range(0..images.len())]).collect()
}

/// The class weights of the loss; balanced ones come from the masks of the training images.
fn class_weights(config: &SegmentationConfig, data: &SegmentationData, train: &[usize]) -> Result<Vec<f32>> {
    Ok(match &config.loss.class_weights {
        SegmentationWeights::Equal | SegmentationWeights::Dynamic => vec![1.0; config.classes.len()],
        SegmentationWeights::Given(weights) => weights.iter().map(|&weight| weight as f32).collect(),
        SegmentationWeights::Balanced => balanced(&data.class_counts(train)?),
    })
}
