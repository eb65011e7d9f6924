//! Masks of images: those of a dataset, or of the files of a study.

use std::collections::HashMap;
use std::path::Path;

use ndarray::Array2;
use porecast_imaging::fit::Fit;
use porecast_imaging::format::{Format, Unlabelled, read_photograph};
use porecast_imaging::mask::{labelme_json, mask_png};
use porecast_imaging::morphology::postprocess;
use porecast_imaging::picture::outlined;
use porecast_imaging::{AnnotatedImage, resize_mask};

use super::TILE;
use super::mask_predictor::MaskPredictor;
use crate::cli::{PredictArgs, Verbosity};
use crate::config::segmentation::SegmentationConfig;
use crate::data::{check_channels, normalize};
use crate::device::{Device, on_device};
use crate::error::{Error, ErrorKind, Result};
use crate::model::ops::{Kernels, TrainBackend};
use crate::prepare;
use crate::progress::{Progress, say};
use crate::store::mask_prediction::{self, MaskPrediction, most_probable};
use crate::store::run::{SegmentationCard, SegmentationRunCard};
use crate::store::{RunFolder, SegmentationDataset, atomic, image};

/// Grey of the foreground in the PNG of a mask of two classes.
const WHITE: u8 = 255;

/// `porecast predict` with a segmentation run.
///
/// # Errors
/// An unusable run or input, images of other channels than the run's, an existing output without `--force`.
pub(super) fn run(args: &PredictArgs, device: Device, verbosity: Verbosity) -> Result<()> {
    if !args.times.is_empty() || args.inlet.is_some() || args.invert {
        return Err(Error::config(
            "--times, --inlet, --invert",
            "are for runs on invasions; an image is segmented as it is",
        ));
    }
    let existed = args.output.exists();
    let done = on_device!(device, predict_input(args, verbosity));
    if done.is_err() && !existed {
        // Goes only when it is empty.
        let _ = std::fs::remove_dir(&args.output);
    }
    done
}

fn predict_input<B: TrainBackend>(
    device: &B::Device,
    args: &PredictArgs,
    verbosity: Verbosity,
) -> Result<()> {
    let run = RunFolder::new(&args.run);
    let predictor = MaskPredictor::<B::InnerBackend>::load(&run, args.tile, device)?;
    let config = predictor.config();
    let is_dataset = args.input.extension().is_some_and(|extension| extension == "h5");
    let masks = atomic::Folder::new(&args.output.join("masks"))?;
    let overlays = atomic::Folder::new(&args.output.join("overlays"))?;
    let mut count = 0;
    let write = |sample: &AnnotatedImage, mask: &Array2<u8>| -> Result<()> {
        write_mask(masks.path(), config, sample, mask)?;
        let name = format!("{}.png", file_name(&sample.id));
        let segmented = AnnotatedImage { mask: Some(mask.clone()), ..sample.clone() };
        image::write_png(&overlays.path().join(name), &outlined(&segmented))
    };
    if is_dataset {
        let dataset = SegmentationDataset::open(&args.input)?;
        let ids = part_of(predictor.card(), &dataset, args.part.as_deref())?;
        let path = args.output.join("predictions.h5");
        let folds = folds_of(predictor.card(), &dataset)?;
        predict_dataset(&predictor, &dataset, &folds, &ids, &path, verbosity, |sample, mask| {
            count += 1;
            write(sample, mask)
        })?;
    } else {
        if args.part.is_some() {
            return Err(Error::config("--part", "names a part of a dataset's split; the input is none"));
        }
        let mut damaged = None;
        for sample in read_input(&args.input, config, verbosity)? {
            let sample = match sample {
                Ok(sample) => sample,
                Err(error) => {
                    say(verbosity, &format!("warning: {error}; left out"));
                    damaged = Some(error);
                    continue;
                }
            };
            expect_channels(&predictor, sample.image.dim().0, &args.input)?;
            write(&sample, &predict_file(&predictor, &sample))?;
            count += 1;
        }
        if let Some(error) = damaged.filter(|_| count == 0) {
            return Err(error);
        }
    }
    masks.finish()?;
    overlays.finish()?;
    say(verbosity, &format!("segmented {count} images: {}", args.output.display()));
    Ok(())
}

/// The images of a study's files, masks or not; or a photograph.
fn read_input(
    path: &Path,
    config: &SegmentationConfig,
    verbosity: Verbosity,
) -> Result<Box<dyn Iterator<Item = Result<AnnotatedImage>>>> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if ["png", "jpg", "jpeg"].contains(&extension.as_str()) {
        let image = read_photograph(path)?;
        let (_, height, width) = image.dim();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        return Ok(Box::new(std::iter::once(Ok(AnnotatedImage {
            id: name.clone(),
            group: name,
            image,
            mask: None,
            original_shape: (height, width),
            spacing_mm: None,
        }))));
    }
    let mut format = config.source.format.clone();
    *match &mut format {
        Format::DicomContours(options) => &mut options.unlabelled,
        Format::Labelme(options) => &mut options.unlabelled,
        Format::NpzStack(options) => &mut options.unlabelled,
        Format::TiffTriples(options) => &mut options.unlabelled,
    } = Unlabelled::Keep;
    let source = format.open(path)?;
    for warning in source.warnings() {
        say(verbosity, &format!("warning: {warning}"));
    }
    let place = path.to_owned();
    let samples = (0..source.len())
        .map(move |index| source.sample(index).map_err(|e| Error::input(&place, e.to_string())));
    Ok(Box::new(samples))
}

/// The mask of an image in its own size.
fn predict_file<B: Kernels>(predictor: &MaskPredictor<B>, sample: &AnnotatedImage) -> Array2<u8> {
    let config = predictor.config();
    let (fitted, _) = prepare::fitted(sample.clone(), &config.source);
    let fit = Fit::resized(sample.shape(), fitted.shape());
    let mut input = fitted.image;
    normalize(&mut input, config.normalization);
    let probability = fit.undo(predictor.predict(input.view(), None).view());
    mask_of(config, &probability)
}

/// From probabilities to classes.
fn mask_of(config: &SegmentationConfig, probability: &ndarray::Array3<f32>) -> Array2<u8> {
    if probability.dim().0 == 1 {
        let foreground = probability.index_axis(ndarray::Axis(0), 0);
        postprocess(foreground, &config.prediction.postprocess).mapv(u8::from)
    } else {
        most_probable(probability)
    }
}

/// Writes a mask as PNG and as labelme JSON, in the size that the image had.
fn write_mask(
    folder: &Path,
    config: &SegmentationConfig,
    sample: &AnnotatedImage,
    mask: &Array2<u8>,
) -> Result<()> {
    let name = file_name(&sample.id);
    let path = folder.join(format!("{name}.png"));
    let mask = resize_mask(mask, sample.original_shape);
    let scale = if config.classes.len() == 2 { WHITE } else { 1 };
    let png = mask_png(mask.view(), scale).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, &png)?;
    let labels: Vec<&str> = config.classes[1..].iter().map(String::as_str).collect();
    let json = labelme_json(mask.view(), &labels, &format!("{name}.png"));
    atomic::write(&folder.join(format!("{name}.json")), json.as_bytes())
}

/// An identifier as the name of a file.
fn file_name(id: &str) -> String {
    id.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// The images of a part of the run's split, or all of the dataset.
fn part_of(
    card: &SegmentationRunCard,
    dataset: &SegmentationDataset,
    part: Option<&str>,
) -> Result<Vec<String>> {
    let split = &card.split;
    Ok(match part {
        None => dataset.ids().to_vec(),
        Some("train") => split.train.clone(),
        Some("validation") => split.folds.concat(),
        Some("test") => split.test.clone(),
        Some(other) => {
            let what = format!("{other:?} is unknown; use train, validation or test");
            return Err(Error::config("--part", what));
        }
    })
}

/// Predicts images of a dataset for `evaluate` and `compare`: those of each part go to a file. Nothing is done for a run
/// whose weights are gone.
///
/// # Errors
/// As `porecast predict`.
pub fn predict_masks<'a>(
    run: &RunFolder,
    dataset: &SegmentationDataset,
    parts: impl Iterator<Item = (&'a [String], &'a Path)>,
    device: &str,
    verbosity: Verbosity,
) -> Result<()> {
    let device = Device::parse(device)?;
    let parts: Vec<_> = parts.collect();
    let members = run.card_of::<SegmentationCard>()?.members;
    let has_weights = members.iter().all(|member| run.member_path(member).join(crate::train::BEST).exists());
    if parts.is_empty() || members.is_empty() || !has_weights {
        return Ok(());
    }
    on_device!(device, predict_files(run, dataset, &parts, verbosity))
}

fn predict_files<B: TrainBackend>(
    device: &B::Device,
    run: &RunFolder,
    dataset: &SegmentationDataset,
    parts: &[(&[String], &Path)],
    verbosity: Verbosity,
) -> Result<()> {
    let predictor = MaskPredictor::<B::InnerBackend>::load(run, TILE, device)?;
    let folds = folds_of(predictor.card(), dataset)?;
    for (ids, path) in parts {
        predict_dataset(&predictor, dataset, &folds, ids, path, verbosity, |_, _| Ok(()))?;
    }
    Ok(())
}

/// The fold that each image of the run's own dataset was validated on, where that fold has a network.
fn folds_of<'a>(
    card: &'a SegmentationRunCard,
    dataset: &SegmentationDataset,
) -> Result<HashMap<&'a str, usize>> {
    if card.split.folds.len() < 2 || dataset.fingerprint()? != card.dataset.fingerprint {
        return Ok(HashMap::new());
    }
    let has_network = |fold: &usize| card.members.iter().any(|member| member.fold == Some(*fold));
    let folds = card.split.folds.iter().enumerate().filter(|(fold, _)| has_network(fold));
    Ok(folds.flat_map(|(fold, ids)| ids.iter().map(move |id| (id.as_str(), fold))).collect())
}

/// Predicts images of a dataset into the file `path`, an image of `folds` by the network of its fold alone; `look` is
/// shown each with its mask.
fn predict_dataset<B: Kernels>(
    predictor: &MaskPredictor<B>,
    dataset: &SegmentationDataset,
    folds: &HashMap<&str, usize>,
    ids: &[String],
    path: &Path,
    verbosity: Verbosity,
    mut look: impl FnMut(&AnnotatedImage, &Array2<u8>) -> Result<()>,
) -> Result<()> {
    let config = predictor.config();
    let (channels, height, width) = dataset.shape();
    expect_channels(predictor, channels, dataset.path())?;
    check_channels(dataset, config.normalization)?;
    let progress = Progress::new("images segmented", ids.len(), 0, verbosity);
    let shape = (config.outputs(), height, width);
    mask_prediction::write(path, &config.name, &config.classes, shape, |writer| {
        for id in ids {
            let index = dataset.ids().iter().position(|other| other == id).ok_or_else(|| {
                Error::input(dataset.path(), format!("has no image {id:?} of the run's split"))
            })?;
            let sample = dataset.sample(index)?;
            let mut input = sample.image.clone();
            normalize(&mut input, config.normalization);
            let fold = folds.get(id.as_str()).copied();
            let probability = mask_prediction::as_stored(predictor.predict(input.view(), fold));
            let mask = mask_of(config, &probability);
            look(&sample, &mask)?;
            writer.push(&MaskPrediction { id: id.clone(), probability, mask })?;
            progress.advance(1, "");
        }
        Ok(())
    })?;
    progress.finish();
    Ok(())
}

fn expect_channels<B: Kernels>(predictor: &MaskPredictor<B>, found: usize, place: &Path) -> Result<()> {
    let learnt = predictor.card().dataset.shape.0;
    if found == learnt {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Mismatch,
        place.display().to_string(),
        format!("has {found} channels, the run learnt {learnt}"),
    ))
}
