//! The pages of predicted masks and of datasets of annotated images.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::Rgb;

use super::page::escape;
use super::{Content, files, read_from};
use crate::figure::overlay::{Canvas, class_colour};
use crate::figure::png;
use porecast_base::Result;
use porecast_store::{MaskFile, Predictions, SegmentationDataset};

/// Heading of predicted masks.
const HEADING: &str = "Masks over the predicted probability";
/// Images of a page: evenly chosen when there are more.
const SHOWN: usize = 60;

/// What the page of a dataset says: its images, coloured by the classes of their masks.
///
/// # Errors
/// The dataset cannot be read.
pub(super) fn of_dataset(path: &Path) -> Result<Content> {
    let dataset = SegmentationDataset::open(path)?;
    let (channels, height, width) = dataset.shape();
    let count = dataset.ids().len();
    let picture = |index: usize| {
        let sample = dataset.sample(index)?;
        let canvas = Canvas::new(sample.image.view());
        let picture = sample
            .mask
            .as_ref()
            .map_or_else(|| canvas.picture().clone(), |mask| canvas.with_classes(mask.view()));
        Ok((sample.id, picture))
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Content {
        title: format!("Dataset {name}"),
        facts: vec![
            format!("{count} images of {height} × {width} pixels (height × width), {channels} channels"),
            format!("read from {}", path.display()),
        ],
        sections: vec![("Images", gallery(count, dataset.classes(), picture)?)],
        ..Content::default()
    })
}

/// What the page of predicted masks says: the masks over the probability of what they show.
///
/// # Errors
/// The file cannot be read.
pub(super) fn of_predictions(path: &Path, output: &Path) -> Result<Content> {
    let file = MaskFile::open(path)?;
    let count = file.ids().len();
    let picture = |index: usize| {
        let prediction = file.prediction(index)?;
        let canvas = Canvas::new(prediction.probability.slice(ndarray::s![..1, .., ..]));
        Ok((prediction.id, canvas.with_classes(prediction.mask.view())))
    };
    Ok(Content {
        title: format!("Masks predicted by {}", file.source()),
        facts: vec![format!("{count} images"), read_from(path, output)],
        sections: std::iter::once((HEADING, gallery(count, file.classes(), picture)?))
            .chain(files(path, output))
            .collect(),
        ..Content::default()
    })
}

/// Pictures with their names under a legend of the classes.
fn gallery(
    count: usize,
    classes: &[String],
    picture: impl Fn(usize) -> Result<(String, image::RgbImage)>,
) -> Result<String> {
    let shown = count.min(SHOWN);
    let legend: String = classes
        .iter()
        .zip(0u8..)
        .skip(1)
        .map(|(name, class)| {
            let Rgb([r, g, b]) = class_colour(class);
            format!("<span><i style=\"--c:rgb({r},{g},{b})\"></i>{}</span>", escape(name))
        })
        .collect();
    let which = if shown < count {
        format!("<span>{shown} of {count} images are shown</span>")
    } else {
        String::new()
    };
    let mut html = format!("<p class=\"legend\">{legend}{which}</p>\n<div class=\"gallery\">\n");
    for index in (0..shown).map(|i| i * count / shown) {
        let (id, picture) = picture(index)?;
        let (width, height) = picture.dimensions();
        html += &format!(
            "<figure><svg viewBox=\"0 0 {width} {height}\" role=\"img\"><image width=\"{width}\" height=\"{height}\" \
             href=\"data:image/png;base64,{}\"/></svg><small>{}</small></figure>\n",
            BASE64.encode(png(&picture)),
            escape(&id)
        );
    }
    Ok(html + "</div>")
}
