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

use super::predictor::Predictor;
use super::{Output, Predicted, each};
use crate::data::{check_channels, normalize};
use crate::model::Network;
use crate::model::ops::Kernels;
use crate::predict::PredictOptions;
use porecast_base::Verbosity;
use porecast_base::atomic;
use porecast_base::progress::say;
use porecast_base::{Error, Result};
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::mask_prediction::{self, MaskPrediction, most_probable};
use porecast_store::run::{MemberCard, SegmentationRunCard};
use porecast_store::{SegmentationDataset, image};

/// Grey of the foreground in the PNG of a mask of two classes.
const WHITE: u8 = 255;

impl Predicted for SegmentationDataset {
    type Config = SegmentationConfig;
    type Output = Segmented;

    fn network<B: Kernels>(
        config: &SegmentationConfig,
        card: &SegmentationRunCard,
        _: &MemberCard,
        device: &B::Device,
    ) -> Network<B> {
        Network::init(&config.model, card.dataset.shape.0, config.outputs(), false, device)
    }

    fn of_input(args: &PredictOptions) -> Result<Option<Self>> {
        if !args.times.is_empty() || args.inlet.is_some() || args.invert {
            let what = "are for runs on invasions; an image is segmented as it is";
            return Err(Error::config("--times, --inlet, --invert", what));
        }
        let is_dataset = args.input.extension().is_some_and(|extension| extension == "h5");
        is_dataset.then(|| Self::open(&args.input)).transpose()
    }

    fn output(config: &SegmentationConfig, folder: &Path) -> Result<Segmented> {
        Ok(Segmented {
            classes: config.classes.clone(),
            masks: atomic::Folder::new(&folder.join("masks"))?,
            overlays: atomic::Folder::new(&folder.join("overlays"))?,
            count: 0,
        })
    }

    /// An image that was validated on is predicted by the network of its fold alone.
    fn predict<B: Kernels>(
        &self,
        predictor: &Predictor<B, Self>,
        ids: &[String],
        path: &Path,
        mut output: Option<&mut Segmented>,
        verbosity: Verbosity,
    ) -> Result<()> {
        let config = &predictor.config;
        let (channels, height, width) = self.shape();
        expect_channels(predictor, channels, self.path())?;
        check_channels(self, config.normalization)?;
        let folds = folds_of(&predictor.card, self)?;
        let shape = (config.outputs(), height, width);
        mask_prediction::write(path, &config.name, &config.classes, shape, |writer| {
            each(self, ids, verbosity, |index| {
                let sample = self.sample(index)?;
                let mut input = sample.image.clone();
                normalize(&mut input, config.normalization);
                let fold = folds.get(sample.id.as_str()).copied();
                let probability = mask_prediction::as_stored(predictor.probability(input.view(), fold));
                let mask = mask_of(config, &probability);
                if let Some(output) = &mut output {
                    output.add(&sample, &mask)?;
                }
                writer.push(&MaskPrediction { id: sample.id, probability, mask })
            })
        })
    }

    fn predict_images<B: Kernels>(
        predictor: &Predictor<B, Self>,
        args: &PredictOptions,
        output: &mut Segmented,
        verbosity: Verbosity,
    ) -> Result<()> {
        let mut damaged = None;
        for sample in read_input(&args.input, &predictor.config, verbosity)? {
            match sample {
                Ok(sample) => {
                    expect_channels(predictor, sample.image.dim().0, &args.input)?;
                    output.add(&sample, &predict_file(predictor, &sample))?;
                }
                Err(error) => {
                    say(verbosity, &format!("warning: {error}; left out"));
                    damaged = Some(error);
                }
            }
        }
        damaged.filter(|_| output.count == 0).map_or(Ok(()), Err)
    }
}

/// What is shown of images: each mask as a file, and on its image.
pub struct Segmented {
    classes: Vec<String>,
    masks: atomic::Folder,
    overlays: atomic::Folder,
    count: usize,
}

impl Segmented {
    /// Writes a mask as PNG and as labelme JSON, in the size that the image had.
    fn add(&mut self, sample: &AnnotatedImage, mask: &Array2<u8>) -> Result<()> {
        self.count += 1;
        let name = file_name(&sample.id);
        let original = resize_mask(mask, sample.original_shape);
        let path = self.masks.path().join(format!("{name}.png"));
        let scale = if self.classes.len() == 2 { WHITE } else { 1 };
        let png = mask_png(original.view(), scale).map_err(|e| Error::output(&path, e))?;
        atomic::write(&path, &png)?;
        let labels: Vec<&str> = self.classes[1..].iter().map(String::as_str).collect();
        let json = labelme_json(original.view(), &labels, &format!("{name}.png"));
        atomic::write(&path.with_extension("json"), json.as_bytes())?;
        let segmented = AnnotatedImage { mask: Some(mask.clone()), ..sample.clone() };
        image::write_png(&self.overlays.path().join(format!("{name}.png")), &outlined(&segmented))
    }
}

impl Output for Segmented {
    fn finish(self, _: Option<usize>) -> Result<String> {
        self.masks.finish()?;
        self.overlays.finish()?;
        Ok(format!("segmented {} images", self.count))
    }
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
fn predict_file<B: Kernels>(
    predictor: &Predictor<B, SegmentationDataset>,
    sample: &AnnotatedImage,
) -> Array2<u8> {
    let config = &predictor.config;
    let (fitted, _) = config.source.fit(sample.clone());
    let fit = Fit::resized(sample.shape(), fitted.shape());
    let mut input = fitted.image;
    normalize(&mut input, config.normalization);
    let probability = fit.undo(predictor.probability(input.view(), None).view());
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

/// An identifier as the name of a file.
fn file_name(id: &str) -> String {
    id.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
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

fn expect_channels<B: Kernels>(
    predictor: &Predictor<B, SegmentationDataset>,
    found: usize,
    place: &Path,
) -> Result<()> {
    let learnt = predictor.card.dataset.shape.0;
    if found == learnt {
        return Ok(());
    }
    Err(Error::mismatch(place, format!("has {found} channels, the run learnt {learnt}")))
}
