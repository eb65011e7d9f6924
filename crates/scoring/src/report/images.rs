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
use porecast_imaging::picture::OUTLINES;
use porecast_store::document::{self, Document};
use porecast_store::mask_list::MaskList;
use porecast_store::{MaskFile, PredictionFolder, Predictions, SegmentationDataset};

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
        Ok((escape(&sample.id), png(&picture)))
    };
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Content {
        title: format!("Dataset {name}"),
        facts: vec![
            format!("{count} images of {height} × {width} pixels (height × width), {channels} channels"),
            format!("read from {}", path.display()),
        ],
        sections: vec![("Images", gallery(count, dataset.classes(), class_colours(), picture)?)],
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
        Ok((escape(&prediction.id), png(&canvas.with_classes(prediction.mask.view()))))
    };
    Ok(Content {
        title: format!("Masks predicted by {}", file.source()),
        facts: vec![format!("{count} images"), read_from(path, output)],
        sections: std::iter::once((HEADING, gallery(count, file.classes(), class_colours(), picture)?))
            .chain(files(path, output))
            .collect(),
        ..Content::default()
    })
}

/// What the page of the masks of images says, which `predict` wrote into `folder`: their outlines on the images.
///
/// # Errors
/// A file of the folder cannot be read.
pub(super) fn of_masks(folder: &Path, output: &Path) -> Result<Content> {
    let prediction = PredictionFolder::new(folder);
    let list = MaskList::read(&prediction.masks_path())?;
    let is_beside = output.parent() == Some(folder);
    let picture = |index: usize| {
        let name = &list.images[index];
        let png = document::read_bytes(&prediction.overlay_path(name), "predict again")?;
        let label = match is_beside {
            true => format!("<a href=\"./masks/{0}.png\">{0}</a>", escape(name)),
            false => escape(name),
        };
        Ok((label, png))
    };
    let colours = OUTLINES.iter().copied().cycle();
    let count = list.images.len();
    Ok(Content {
        title: format!("Masks predicted by {}", list.source),
        facts: vec![format!("{count} image{}", if count == 1 { "" } else { "s" })],
        sections: std::iter::once((
            "Outlines of the masks",
            gallery(count, &list.classes, colours, picture)?,
        ))
        .chain(files(&prediction.masks_path(), output))
        .collect(),
        ..Content::default()
    })
}

/// Colours of the classes from the first after the background.
fn class_colours() -> impl Iterator<Item = Rgb<u8>> {
    (1..=u8::MAX).map(class_colour)
}

/// Pictures with their labels, in HTML, under a legend of the classes; `picture` gives a label and a PNG.
fn gallery(
    count: usize,
    classes: &[String],
    colours: impl Iterator<Item = Rgb<u8>>,
    picture: impl Fn(usize) -> Result<(String, Vec<u8>)>,
) -> Result<String> {
    let shown = count.min(SHOWN);
    let legend: String = classes
        .iter()
        .skip(1)
        .zip(colours)
        .map(|(name, Rgb([r, g, b]))| {
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
        let (label, png) = picture(index)?;
        html += &format!(
            "<figure><img alt=\"\" src=\"data:image/png;base64,{}\"><small>{label}</small></figure>\n",
            BASE64.encode(png)
        );
    }
    Ok(html + "</div>")
}
