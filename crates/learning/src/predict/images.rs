//! Masks of the images of a dataset, or of image files in the format of the run's source.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use ::image::RgbImage;
use ndarray::Array2;
use porecast_base::progress::{Progress, say};
use porecast_base::{Error, Result, Verbosity, atomic};
use porecast_imaging::format::{Format, Unlabelled};
use porecast_imaging::mask::{labelme_json, mask_png};
use porecast_imaging::picture::{OUTLINES, outlined};
use porecast_imaging::{AnnotatedImage, resize_mask};
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::document::Document;
use porecast_store::grey_image::is_hdf5;
use porecast_store::mask_list::MaskList;
use porecast_store::mask_prediction::{self, MaskPrediction};
use porecast_store::plate::Plate;
use porecast_store::run::SegmentationRunCard;
use porecast_store::{Dataset, MissingPredictions, Physics, PredictionFolder, SegmentationDataset, image};

use super::mask_predictor::MaskPredictor;
use super::{PredictOptions, THRESHOLD, counted, go_on, ids_of_part, refuse_part};
use crate::data::check_channels;
use crate::device::Device;

/// Grey of the foreground in the PNG of a mask of two classes.
const WHITE: u8 = 255;
/// Images on the sheet of overlays, and how many of them in a row.
const SHEET: usize = 16;
const SHEET_COLUMNS: usize = 4;
/// Name of the sheet.
/// Letters of a name over its picture.
const LETTERS: usize = 34;

/// `porecast predict` with a segmentation run: writes masks and overlays into `folder`, and for a dataset also a
/// file of predictions. Returns what was done.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run(
    options: &PredictOptions,
    folder: &Path,
    predictor: MaskPredictor,
    verbosity: Verbosity,
) -> Result<String> {
    let predictor = predictor.with_tile(options.tile);
    let is_for_invasions = !options.times.is_empty()
        || options.inlet.is_some()
        || options.invert
        || options.page.is_some()
        || options.rescale.is_some()
        || options.voxel_size_m.is_some()
        || options.threshold != THRESHOLD
        || options.physics != Physics::default();
    if is_for_invasions {
        let what = "are for runs on invasions; an image is segmented as it is";
        let options =
            "--times, --inlet, --threshold, --invert, --page, --rescale, --voxel-size and the physics";
        return Err(Error::config(options, what));
    }
    let mut shown = Shown::new(&predictor.config, folder, verbosity);
    if is_dataset(&options.input) {
        let dataset = SegmentationDataset::open(&options.input)?;
        let ids = ids_of_part(predictor.card().parts(), dataset.ids(), options.part.as_deref())?;
        let path = PredictionFolder::new(folder).predictions_path();
        predict_dataset(&predictor, &dataset, &ids, &path, Some(&mut shown), verbosity)?;
    } else {
        refuse_part(options)?;
        predict_files(&predictor, &options.input, &mut shown, verbosity)?;
    }
    shown.finish()?;
    Ok(format!("segmented {}", counted(shown.files.len(), "image")))
}

/// Whether the input is a dataset, from its content, or from its name if it cannot be read.
fn is_dataset(input: &Path) -> bool {
    let is_named_so = input.extension().is_some_and(|extension| extension == "h5" || extension == "hdf5");
    is_hdf5(input) || is_named_so
}

/// Predicts parts of datasets with the networks of one run.
///
/// # Errors
/// As [`super::run`].
pub(super) fn predict_parts(
    run: &Path,
    parts: &[MissingPredictions],
    device: Device,
    verbosity: Verbosity,
) -> Result<()> {
    let predictor = MaskPredictor::on(run, device)?;
    parts.iter().try_for_each(|part| {
        let dataset = SegmentationDataset::open(&part.dataset)?;
        predict_dataset(&predictor, &dataset, &part.ids, &part.predictions, None, verbosity)
    })
}

/// Predicts images of a dataset into the file `path`, and masks and overlays into `shown`. Only the
/// networks validated on a fold predict the images in it.
fn predict_dataset(
    predictor: &MaskPredictor,
    dataset: &SegmentationDataset,
    ids: &[String],
    path: &Path,
    mut shown: Option<&mut Shown>,
    verbosity: Verbosity,
) -> Result<()> {
    let config = &predictor.config;
    let (channels, height, width) = dataset.shape();
    predictor.expect_channels(channels, dataset.path())?;
    check_channels(dataset, config.normalization)?;
    let folds = folds_of(predictor.card(), dataset)?;
    let shape = (config.outputs(), height, width);
    let progress = Progress::new("images predicted", ids.len(), 0, verbosity);
    mask_prediction::write(path, &config.name, &config.classes, shape, |writer| {
        for id in ids {
            go_on(path)?;
            let sample = dataset.sample(dataset.place(id)?)?;
            let fold = folds.get(sample.id.as_str()).copied();
            let probability = predictor.probability_of_fitted(sample.image.clone(), fold)?;
            let probability = mask_prediction::as_stored(probability);
            let mask = predictor.mask_of(&probability);
            if let Some(shown) = &mut shown {
                shown.add(&sample, &mask)?;
            }
            writer.push(&MaskPrediction { id: sample.id, probability, mask })?;
            progress.advance(1, "");
        }
        progress.finish();
        Ok(())
    })
}

/// Predicts image files, or a photograph. Skips files that cannot be read; fails if none can.
fn predict_files(
    predictor: &MaskPredictor,
    input: &Path,
    shown: &mut Shown,
    verbosity: Verbosity,
) -> Result<()> {
    let mut damaged = None;
    for sample in read_input(input, predictor, verbosity)? {
        go_on(input)?;
        match sample {
            Ok(sample) => {
                predictor.expect_channels(sample.image.dim().0, input)?;
                shown.add(&sample, &predictor.mask(&sample.image)?)?;
            }
            Err(error) => {
                say(verbosity, &format!("warning: {error}; left out"));
                damaged = Some(error);
            }
        }
    }
    damaged.filter(|_| shown.files.is_empty()).map_or(Ok(()), Err)
}

/// Masks and overlays: each mask as a file, and drawn on its image.
struct Shown {
    source: String,
    classes: Vec<String>,
    folder: PredictionFolder,
    /// The first overlays, by name.
    sheet: Vec<(String, RgbImage)>,
    /// Names of the files, in the order of the images.
    files: Vec<String>,
    /// The same in lower case: not every file system tells cases apart.
    names: HashSet<String>,
    verbosity: Verbosity,
}

impl Shown {
    fn new(config: &SegmentationConfig, folder: &Path, verbosity: Verbosity) -> Self {
        Self {
            source: config.name.clone(),
            classes: config.classes.clone(),
            folder: PredictionFolder::new(folder),
            sheet: Vec::new(),
            files: Vec::new(),
            names: HashSet::new(),
            verbosity,
        }
    }

    /// Writes a mask as PNG and as labelme JSON, in the original size of the image, and the
    /// overlay.
    fn add(&mut self, sample: &AnnotatedImage, mask: &Array2<u8>) -> Result<()> {
        let name = self.unused_name(&sample.id);
        let original = resize_mask(mask, sample.original_shape);
        let path = self.folder.mask_path(&name);
        let scale = if self.classes.len() == 2 { WHITE } else { 1 };
        let png = mask_png(original.view(), scale).map_err(|e| Error::output(&path, e))?;
        atomic::write(&path, &png)?;
        let labels: Vec<&str> = self.classes[1..].iter().map(String::as_str).collect();
        let json = labelme_json(original.view(), &labels, &format!("{name}.png"));
        atomic::write(&path.with_extension("json"), json.as_bytes())?;
        let segmented = AnnotatedImage { mask: Some(mask.clone()), ..sample.clone() };
        let overlay = outlined(&segmented);
        image::write_png(&self.folder.overlay_path(&name), &overlay)?;
        if self.sheet.len() < SHEET {
            self.sheet.push((shortened(&name), overlay));
        }
        self.files.push(name);
        Ok(())
    }

    /// Writes the list of the masks, and `sheet.png`: the first overlays under their names, and what the outlines mean.
    fn finish(&mut self) -> Result<()> {
        let list = MaskList::new(self.source.clone(), self.classes.clone(), self.files.clone());
        list.write(&self.folder.masks_path())?;
        let pictures = std::mem::take(&mut self.sheet);
        let legend = self.classes[1..].iter().cloned().zip(OUTLINES.iter().copied().cycle()).collect();
        let shown = if self.files.len() > pictures.len() {
            format!("the first {} of {} images", pictures.len(), self.files.len())
        } else {
            String::new()
        };
        let rows = pictures.chunks(SHEET_COLUMNS).map(|row| (String::new(), row.to_vec())).collect();
        let plate = Plate { title: shown, rows, legend, scale: None };
        image::write_png(&self.folder.sheet_path(), &plate.draw())
    }

    /// A name for the files of an image, numbered if another image has it.
    fn unused_name(&mut self, id: &str) -> String {
        let plain = file_name(id);
        let numbered = (2..).map(|number| format!("{plain}-{number}"));
        let mut names = std::iter::once(plain.clone()).chain(numbered);
        let name = names.find(|name| self.names.insert(name.to_lowercase())).expect("numbers do not end");
        if name != plain {
            let what =
                format!("warning: the mask of {id:?} is {name}.png, because another image has {plain}.png");
            say(self.verbosity, &what);
        }
        name
    }
}

/// The images in files of the run's source format, with or without masks; or a photograph.
fn read_input(
    path: &Path,
    predictor: &MaskPredictor,
    verbosity: Verbosity,
) -> Result<Box<dyn Iterator<Item = Result<AnnotatedImage>>>> {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if ["png", "jpg", "jpeg"].contains(&extension.as_str()) {
        let learnt = predictor.card().dataset.shape.0;
        let image = predictor.config.source.format.read_photograph(path, learnt)?;
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
    let mut format = predictor.config.source.format.clone();
    *match &mut format {
        Format::DicomContours(options) => &mut options.unlabelled,
        Format::Labelme(options) => &mut options.unlabelled,
        Format::NpzStack(options) => &mut options.unlabelled,
        Format::TiffTriples(options) => &mut options.unlabelled,
    } = Unlabelled::Keep;
    if path.is_file() && !matches!(format, Format::NpzStack(_)) {
        let what =
            "is no photograph (PNG, JPEG); pass one, or a folder of files in the format of the run's source";
        return Err(Error::input(path, what));
    }
    let source = format.open(path)?;
    for warning in source.warnings() {
        say(verbosity, &format!("warning: {warning}"));
    }
    let place = path.to_owned();
    let samples = (0..source.len())
        .map(move |index| source.sample(index).map_err(|e| Error::input(&place, e.to_string())));
    Ok(Box::new(samples))
}

/// The end of a long name, where names differ.
fn shortened(name: &str) -> String {
    let letters: Vec<char> = name.chars().collect();
    match letters.len() > LETTERS {
        true => format!("...{}", letters[letters.len() + 3 - LETTERS..].iter().collect::<String>()),
        false => name.to_owned(),
    }
}

fn file_name(id: &str) -> String {
    id.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect()
}

/// Validation fold of each image of the run's own dataset, if that fold has a network.
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
