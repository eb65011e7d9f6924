//! Training on invasion sequences: one network for any time, or one per frame.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::begin::{Lead, begin};
use super::init::Init;
use super::memory::Memory;
use super::ranks::Ranks;
use super::{Member, Setting, balanced};
use crate::data::order::groups_per_batch;
use crate::data::{InvasionData, TimedInvasions};
use crate::device::Device;
use crate::loss::Objective;
use crate::model::Ends;
use crate::train::TrainOptions;
use porecast_base::Verbosity;
use porecast_base::progress::say;
use porecast_base::{Error, Result};
use porecast_simulations::TimeUnit;
use porecast_store::config;
use porecast_store::config::loss::ClassWeights;
use porecast_store::config::train::{Conditioning, TrainConfig, TrainingConfig};
use porecast_store::domain_split;
use porecast_store::run::{AlsoTrainedOn, DatasetCard, RunCard, SplitLists, rescaled_shape};
use porecast_store::{InvasionDataset, Quantity, QuantityScale};

/// Prepares a training on invasions.
///
/// # Errors
/// As [`super::run`].
pub(super) fn set_up(
    args: &TrainOptions,
    device: Device,
    verbosity: Verbosity,
    ranks: &Ranks,
    lead: Option<&Lead>,
) -> Result<(Setting, RunCard)> {
    let config: TrainConfig = config::load(&args.config, &args.set)?;
    ranks.require_batches(&config.training)?;
    if args.fold.is_some() {
        return Err(Error::config("--fold", "is for a segmentation that is split in folds"));
    }
    let begun = begin(args, &config.name, &config, lead)?;
    let dataset = InvasionDataset::open(&config.dataset)?;
    let further =
        config.also_train_on.iter().map(|path| open_further(path, &dataset)).collect::<Result<Vec<_>>>()?;
    for one in further.iter().chain([&dataset]).filter(|one| one.is_unfinished()) {
        let what = "belongs to a campaign that has not ended; the training uses the domains finished so far";
        say(verbosity, &format!("note: {} {what}", one.path().display()));
    }
    let (_, height, width) = dataset.shape();
    let ends = Ends::of_invasion(&config, (height, width), dataset.inlet());
    let memory = Memory::check(&config.model, ends, &config.training, (height, width), device)?;
    let frames = config.training.frames_per_domain.min(dataset.shape().0);
    for size in further_sizes(&config, &dataset, &further) {
        let groups = groups_per_batch(&config.training, frames, (height, width), size);
        let training = TrainingConfig { batch_size: groups * frames, ..config.training.clone() };
        Memory::check(&config.model, ends, &training, size, device)?;
    }
    let mut data = InvasionData::load(&dataset, &config.inputs)?;
    let also = further.iter().map(|other| append(&mut data, other, &config)).collect::<Result<Vec<_>>>()?;
    let origin = begun.init().map(Init::dataset::<DatasetCard>).transpose()?;
    let mut card = make_card(&config, &dataset, &data, also, origin.as_ref(), &device)?;
    let place = begun.write(&mut card, config.split.file.as_deref().unwrap_or(&config.dataset))?;
    let setting = Setting {
        members: members(&config, &card, data)?,
        place,
        memory,
        seed: config.seed,
        model: config.model,
        optimizer: config.optimizer,
        schedule: config.schedule,
        training: config.training,
        verbosity,
    };
    let split = &card.split;
    let mut what = format!(
        "{}: {} training, {} validation, {} test domains of {}",
        card.name,
        split.train.len(),
        split.validation.len(),
        split.test.len(),
        config.dataset.display()
    );
    for AlsoTrainedOn { path, shape: (_, height, width), domains, .. } in &card.dataset.also {
        what += &format!(", {} of {} ({height} x {width} pixels)", domains.len(), path.display());
    }
    if !card.dataset.also_rescaled_by.is_empty() {
        let scales: Vec<String> = card.dataset.also_rescaled_by.iter().map(f64::to_string).collect();
        what += &format!("; all training domains also rescaled by {}", scales.join(", "));
    }
    say(verbosity, &what);
    Ok((setting, card))
}

/// Opens a further dataset to train on.
///
/// # Errors
/// It cannot be opened, or differs from `dataset` in more than height and width.
fn open_further(path: &Path, dataset: &InvasionDataset) -> Result<InvasionDataset> {
    let other = InvasionDataset::open(path)?;
    let differs = |what: &str, own: &str, expected: &str| {
        let what = format!("has {what} {own}, {} has {expected}", dataset.path().display());
        Err(Error::mismatch(path, what))
    };
    if other.shape().0 != dataset.shape().0 {
        return differs("frames:", &other.shape().0.to_string(), &dataset.shape().0.to_string());
    }
    if other.time_unit() != dataset.time_unit() {
        return differs("times in", other.time_unit().name(), dataset.time_unit().name());
    }
    if other.inlet() != dataset.inlet() {
        return differs("its inlet at the", &other.inlet().to_string(), &dataset.inlet().to_string());
    }
    if other.voxel_size_m() != dataset.voxel_size_m() {
        let size = |of: &InvasionDataset| format!("{} m", of.voxel_size_m());
        return differs("pixels of", &size(&other), &size(dataset));
    }
    Ok(other)
}

/// Heights and widths of the training domains besides that of `dataset`.
fn further_sizes(
    config: &TrainConfig,
    dataset: &InvasionDataset,
    further: &[InvasionDataset],
) -> Vec<(usize, usize)> {
    let edges = |one: &InvasionDataset| (one.shape().1, one.shape().2);
    let own = std::iter::once(edges(dataset)).chain(further.iter().map(edges));
    let scaled = |size| config.also_rescaled_by.iter().map(move |&scale| rescaled_shape(size, scale));
    own.clone().skip(1).chain(own.flat_map(scaled)).collect()
}

/// Reads a further dataset into `data`.
fn append(data: &mut InvasionData, other: &InvasionDataset, config: &TrainConfig) -> Result<AlsoTrainedOn> {
    let own = InvasionData::load(other, &config.inputs)?;
    Ok(AlsoTrainedOn {
        path: other.path().to_owned(),
        fingerprint: own.fingerprint().to_owned(),
        shape: other.shape(),
        domains: data.append(own, other.path())?,
    })
}

/// Indices of all training domains.
fn training_domains(
    config: &TrainConfig,
    data: &InvasionData,
    split: &SplitLists,
    also: &[AlsoTrainedOn],
) -> Result<Vec<usize>> {
    let own = data.indices(&split.train, &config.dataset)?;
    let others = also.iter().map(|other| data.indices(&other.domains, &other.path));
    Ok(others.collect::<Result<Vec<_>>>()?.into_iter().fold(own, |all, others| [all, others].concat()))
}

/// The networks of a run: one, or one per frame, and all of these again for each further seed.
fn members(config: &TrainConfig, card: &RunCard, mut data: InvasionData) -> Result<Vec<Member>> {
    let frame_count = card.dataset.shape.0;
    let networks: Vec<(Option<usize>, Vec<usize>)> = match &config.conditioning {
        Conditioning::Time | Conditioning::Sequence(_) | Conditioning::Recurrent(_) => {
            vec![(None, (0..frame_count).collect())]
        }
        Conditioning::SingleFrame(frames) => {
            frames.of(frame_count).into_iter().map(|frame| (Some(frame), vec![frame])).collect()
        }
    };
    let mut train = training_domains(config, &data, &card.split, &card.dataset.also)?;
    train.extend(data.rescale(&train, &config.also_rescaled_by, &config.inputs));
    let validation = data.indices(&card.split.validation, &config.dataset)?;
    let (time_scale, physics) = (card.dataset.time_scale, card.dataset.physics.clone());
    let data = Arc::new(TimedInvasions { data, time_scale, physics });
    let (_, height, width) = card.dataset.shape;
    let ends = Ends::of_invasion(config, (height, width), card.dataset.inlet);
    let told = if config.physics.is_empty() { String::new() } else { format!(" {:?}", config.physics) };
    let knots = ends.knots.map(|knots| format!(" {knots} knots")).unwrap_or_default();
    let recurrent = ends.recurrent.map(|recurrent| format!(" {recurrent:?}")).unwrap_or_default();
    let member = |index: usize, frame: Option<usize>, frames: &[usize]| Member {
        label: label(config, index, frame),
        folder: folder(config, index, frame),
        // A dataset has fewer frames than a million.
        seed_index: (index * 1_000_000 + frame.unwrap_or(0)) as u64,
        frame,
        fold: None,
        ends,
        architecture: format!(
            "{:?} {:?} {:?} {frame:?}{told}{knots}{recurrent}",
            config.model, config.inputs, config.head
        ),
        objective: objective(config, &data.data, &train, frames),
        data: data.clone(),
        frames: frames.to_vec(),
        train: train.clone(),
        validation: validation.clone(),
    };
    let of_seed = |index| networks.iter().map(move |(frame, frames)| member(index, *frame, frames));
    Ok((0..config.networks).flat_map(of_seed).collect())
}

/// Prefix of the messages of a network.
fn label(config: &TrainConfig, index: usize, frame: Option<usize>) -> String {
    let network = (config.networks > 1).then(|| format!("network {index}: "));
    let frame = frame.map(|frame| format!("frame {frame}: "));
    network.into_iter().chain(frame).collect()
}

/// Folder of a network in that of the run.
fn folder(config: &TrainConfig, index: usize, frame: Option<usize>) -> PathBuf {
    let network = (config.networks > 1).then(|| format!("network-{index:02}"));
    let frame = frame.map(|frame| format!("frame-{frame:02}"));
    match (network, frame) {
        (None, None) => ".".into(),
        (network, frame) => network.into_iter().chain(frame).collect(),
    }
}

/// The loss; balanced class weights come from the training data.
fn objective(config: &TrainConfig, data: &InvasionData, train: &[usize], frames: &[usize]) -> Objective {
    let weights = match &config.loss.class_weights {
        ClassWeights::Equal => [1.0; 3],
        ClassWeights::Given(weights) => weights.map(|w| w as f32),
        ClassWeights::Balanced => {
            let weights = balanced(&data.class_counts(train, frames));
            [weights[0], weights[1], weights[2]]
        }
    };
    Objective::of_invasion(config.head, &config.loss, weights)
}

/// The card of a run. A run that begins with the weights of another, trained on `origin`, scales times and physics as that
/// run did.
fn make_card(
    config: &TrainConfig,
    dataset: &InvasionDataset,
    data: &InvasionData,
    also: Vec<AlsoTrainedOn>,
    origin: Option<&DatasetCard>,
    device: &Device,
) -> Result<RunCard> {
    let split = domain_split::split(dataset.domain_ids(), &config.split, &config.dataset)?;
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
        Conditioning::Time | Conditioning::Sequence(_) | Conditioning::Recurrent(_) => Vec::new(),
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
    let own = data.indices(&split.train, &config.dataset)?;
    let mean_times = (0..frame_count)
        .map(|frame| own.iter().map(|&i| data.times(i)[frame]).sum::<f64>() / own.len() as f64)
        .collect();
    let train = training_domains(config, data, &split, &also)?;
    let earlier = origin
        .filter(|origin| origin.time_unit == dataset.time_unit())
        .map_or(0.0, |origin| origin.time_scale);
    let time_scale =
        train.iter().flat_map(|&i| data.times(i)).fold(earlier, |largest, &time| largest.max(time));
    let everyone: Vec<usize> = split
        .parts()
        .into_iter()
        .map(|(_, ids)| data.indices(ids, &config.dataset))
        .collect::<Result<Vec<_>>>()?
        .concat();
    let physics = config.physics.iter().map(|&quantity| {
        data.quantity(quantity, &everyone, &config.dataset)?;
        for other in &also {
            data.quantity(quantity, &data.indices(&other.domains, &other.path)?, &other.path)?;
        }
        let own = QuantityScale::new(quantity, &data.quantity(quantity, &train, &config.dataset)?);
        let earlier = origin.and_then(|origin| origin.physics.iter().find(|one| one.quantity == quantity));
        Ok(earlier.map_or(own, |earlier| own.after(earlier)))
    });
    let physics = physics.collect::<Result<_>>()?;
    let porosity =
        QuantityScale::new(Quantity::Porosity, &data.quantity(Quantity::Porosity, &train, &config.dataset)?);
    let chord_length = data.chord_lengths(&train).map(|[least, most]| {
        let scales = || config.also_rescaled_by.iter().copied().chain([1.0]);
        [least * scales().fold(1.0, f64::min), most * scales().fold(1.0, f64::max)]
    });
    let lag = (dataset.time_unit() == TimeUnit::PoreVolumes).then(|| data.lag(&train));
    let dataset = DatasetCard {
        physics,
        chord_length,
        lag,
        porosity: Some([porosity.least, porosity.most]),
        path: config.dataset.clone(),
        fingerprint: data.fingerprint().to_owned(),
        shape: dataset.shape(),
        time_unit: dataset.time_unit(),
        inlet: dataset.inlet(),
        voxel_size_m: dataset.voxel_size_m(),
        mean_times,
        time_scale: if time_scale > 0.0 { time_scale } else { 1.0 },
        also,
        also_rescaled_by: config.also_rescaled_by.clone(),
    };
    Ok(RunCard::new(&config.name, config.seed, &device.to_string(), dataset, split))
}
