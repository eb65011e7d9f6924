//! Inspects segmentation datasets and predicted masks, and draws augmented images.

use std::collections::HashSet;
use std::path::Path;

use image::{Rgb, RgbImage};
use ndarray::{Axis, Zip};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::augment::{Moment, Patch, patches, strip};
use porecast_imaging::picture::{OUTLINES, outlined};

use super::{Inspection, spread};
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::config;
use porecast_store::config::segmentation::SegmentationConfig;
use porecast_store::image_split::target_ratio;
use porecast_store::plate::Plate;
use porecast_store::{MaskFile, MaskPrediction, Predictions, SegmentationDataset};

/// Largest numbers of rows and columns in a picture of many images.
const MOSAIC: (usize, usize) = (4, 4);
/// Largest numbers of images (rows) and epochs (columns) in a picture of augmented images.
const AUGMENTED: (usize, usize) = (5, 5);
/// Largest number of images from which objects are cut for copy-paste.
const DONORS: usize = 200;

/// Describes a dataset. Reading every image checks it.
pub fn dataset(path: &Path) -> Result<Inspection> {
    let dataset = SegmentationDataset::open(path)?;
    let (channels, height, width) = dataset.shape();
    let count = dataset.ids().len();
    let mut pixels = vec![0; dataset.classes().len()];
    let mut images = pixels.clone();
    let mut rows = Vec::new();
    for (index, (id, group)) in dataset.ids().iter().zip(dataset.groups()).enumerate() {
        let counts = dataset.class_counts(index)?;
        let target =
            counts.as_deref().map_or_else(|| "no mask".to_owned(), |c| format!("{:.4}", target_ratio(c)));
        rows.push(vec![id.clone(), group.clone(), target]);
        for (class, counted) in counts.into_iter().flatten().enumerate() {
            pixels[class] += counted;
            images[class] += u64::from(counted > 0);
        }
    }
    let groups: HashSet<&String> = dataset.groups().iter().collect();
    let with_mask = dataset.has_mask().iter().filter(|&&has| has).count();
    let mut facts = vec![
        ("kind", "segmentation dataset".to_owned()),
        ("images", count.to_string()),
        ("with a mask", with_mask.to_string()),
        ("groups", groups.len().to_string()),
        ("size", format!("{height} x {width} pixels (height x width)")),
        ("channels", channels.to_string()),
        ("values", format!("0 to 1 in steps of 1/{}", dataset.depth().levels())),
    ];
    facts.extend(shares(dataset.classes(), &pixels, &images));
    facts.push(("fingerprint", dataset.fingerprint()?));
    let shown = spread(count, MOSAIC.0 * MOSAIC.1).into_iter();
    let picture = |index| dataset.sample(index).map(|sample| (sample.id.clone(), outlined(&sample)));
    let pictures = shown.map(picture).collect::<Result<Vec<_>>>()?;
    Ok(Inspection {
        facts,
        table: Some((vec!["image", "group", "target"], rows)),
        picture: Some(mosaic(&pictures, dataset.classes())),
    })
}

/// Describes predicted masks. Reading every mask checks it.
pub fn predictions(path: &Path) -> Result<Inspection> {
    let file = MaskFile::open(path)?;
    let count = file.ids().len();
    let mut pixels = vec![0; file.classes().len()];
    let mut images = pixels.clone();
    let mut rows = Vec::new();
    let mut size = (0, 0);
    let mut pictures = Vec::new();
    let shown = spread(count, MOSAIC.0 * MOSAIC.1);
    for (index, id) in file.ids().iter().enumerate() {
        let prediction = file.prediction(index)?;
        size = prediction.mask.dim();
        let mut counts = vec![0; pixels.len()];
        for &class in &prediction.mask {
            *counts.get_mut(usize::from(class)).ok_or_else(|| {
                let what = format!("/mask[{index}] has class {class} of {}", file.classes().len());
                Error::input(path, what)
            })? += 1;
        }
        let certain = certainty(prediction);
        rows.push(vec![
            id.clone(),
            format!("{:.4}", target_ratio(&counts)),
            format!("{:.4}", certain.image.mean().unwrap_or(f32::NAN)),
        ]);
        for (class, counted) in counts.into_iter().enumerate() {
            pixels[class] += counted;
            images[class] += u64::from(counted > 0);
        }
        if shown.contains(&index) {
            pictures.push((certain.id.clone(), outlined(&certain)));
        }
    }
    let mut facts = vec![
        ("kind", "predicted masks".to_owned()),
        ("made by", file.source().to_owned()),
        ("images", count.to_string()),
        ("size", format!("{} x {} pixels (height x width)", size.0, size.1)),
    ];
    facts.extend(shares(file.classes(), &pixels, &images));
    let head = vec!["image", "target", if file.classes().len() == 2 { "foreground" } else { "certainty" }];
    Ok(Inspection { facts, table: Some((head, rows)), picture: Some(mosaic(&pictures, file.classes())) })
}

/// The mask with the probability of the foreground as its image; with several classes, the highest probability.
fn certainty(prediction: MaskPrediction) -> AnnotatedImage {
    let mut planes = prediction.probability.axis_iter(Axis(0));
    let mut highest = planes.next().map(|plane| plane.to_owned()).unwrap_or_default();
    for plane in planes {
        Zip::from(&mut highest).and(plane).for_each(|highest, &p| *highest = highest.max(p));
    }
    AnnotatedImage {
        group: prediction.id.clone(),
        id: prediction.id,
        original_shape: highest.dim(),
        image: highest.insert_axis(Axis(0)),
        mask: Some(prediction.mask),
        spacing_mm: None,
    }
}

/// Draws augmented images of a dataset: each row shows an image, then the same image as augmented in the first epochs.
///
/// # Errors
/// The configuration is invalid or has other classes, or the dataset cannot be read or has no image with a
/// mask.
pub fn augmented(path: &Path, config: &Path) -> Result<RgbImage> {
    let place = config;
    let config: SegmentationConfig = config::load(config, &[])?;
    let dataset = SegmentationDataset::open(path)?;
    if dataset.classes() != config.classes {
        let what = format!(
            "is for the classes {:?}, {} has {:?}",
            config.classes,
            path.display(),
            dataset.classes()
        );
        return Err(Error::new(ErrorKind::Mismatch, place.display().to_string(), what));
    }
    let masked: Vec<usize> = (0..dataset.ids().len()).filter(|&index| dataset.has_mask()[index]).collect();
    if masked.is_empty() {
        return Err(Error::input(path, "has no image with a mask to augment"));
    }
    let mut objects: Vec<Patch> = Vec::new();
    if config.augment.copy_paste.probability > 0.0 {
        for index in spread(masked.len(), DONORS) {
            objects.extend(patches(&dataset.sample(masked[index])?, &config.augment.copy_paste));
        }
    }
    let epochs = config.training.epochs;
    let rows = spread(masked.len(), AUGMENTED.0).into_iter().map(|index| {
        let index = masked[index];
        let moment = Moment { seed: config.seed, epoch: 0, epochs, index };
        let sample = dataset.sample(index)?;
        let pictures = strip(&config.augment, &objects, &sample, moment, AUGMENTED.1.min(epochs));
        let captions = std::iter::once("image".to_owned()).chain((1..).map(|epoch| format!("epoch {epoch}")));
        Ok((sample.id, captions.zip(pictures).collect()))
    });
    let rows = rows.collect::<Result<Vec<_>>>()?;
    Ok(Plate { title: String::new(), rows, legend: outlines(&config.classes), scale: None }.draw())
}

/// One fact per class: its share of the pixels and the number of images that contain it.
fn shares<'a>(
    classes: &'a [String],
    pixels: &'a [u64],
    images: &'a [u64],
) -> impl Iterator<Item = (&'static str, String)> + 'a {
    let all: u64 = pixels.iter().sum();
    classes.iter().zip(pixels.iter().zip(images)).enumerate().map(
        move |(class, (name, (&pixels, images)))| {
            let share = pixels as f64 / all.max(1) as f64;
            ("class", format!("{class} {name}: {share:.4} of the pixels, in {images} images"))
        },
    )
}

/// Pictures under their names, above a legend of the outlines.
fn mosaic(pictures: &[(String, RgbImage)], classes: &[String]) -> RgbImage {
    let rows = pictures.chunks(MOSAIC.1).map(|row| (String::new(), row.to_vec())).collect();
    Plate { title: String::new(), rows, legend: outlines(classes), scale: None }.draw()
}

/// What the outlines mean; the background has none.
fn outlines(classes: &[String]) -> Vec<(String, Rgb<u8>)> {
    classes[1..].iter().cloned().zip(OUTLINES.iter().copied().cycle()).collect()
}
