//! The card of a segmentation dataset: a Markdown page about its content and origin.

use std::collections::{BTreeSet, HashSet};
use std::fmt::Write;

use porecast_imaging::Warning;
use porecast_imaging::split::Split;

use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_store::segmentation::{FORMAT, VERSION};
use porecast_store::{SegmentationDataset, card};

/// Information for the card that the dataset does not hold.
pub struct Notes<'a> {
    /// Split of the images with masks; `None` if no image has a mask.
    pub split: Option<&'a Split>,
    /// Heights and widths before resizing.
    pub original_shapes: &'a BTreeSet<(usize, usize)>,
    /// Number of images with a known pixel size in millimetres.
    pub with_spacing: usize,
    /// Damaged or unusual files and images.
    pub warnings: &'a [Warning],
}

/// Writes the card next to the dataset.
///
/// # Errors
/// A mask cannot be read, or the card cannot be written.
pub fn write(dataset: &SegmentationDataset, notes: &Notes<'_>) -> Result<()> {
    let path = card::path(dataset.path());
    let counts: Vec<Vec<u64>> = (0..dataset.ids().len())
        .map(|index| dataset.class_counts(index))
        .filter_map(Result::transpose)
        .collect::<Result<_>>()?;
    let text = render(dataset, notes, &counts).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, text.as_bytes())
}

fn render(
    dataset: &SegmentationDataset,
    notes: &Notes<'_>,
    counts: &[Vec<u64>],
) -> std::result::Result<String, std::fmt::Error> {
    let name = dataset.path().file_name().unwrap_or_default().to_string_lossy();
    let (channels, height, width) = dataset.shape();
    let n = dataset.ids().len();
    let groups: HashSet<&String> = dataset.groups().iter().collect();
    let levels = dataset.depth().levels();
    let shapes: Vec<String> = notes.original_shapes.iter().map(|(h, w)| format!("{h} x {w}")).collect();
    let mut card = String::new();
    let w = &mut card;
    writeln!(w, "# {name}\n")?;
    writeln!(w, "Annotated images of one shape: an image, and the class of each of its pixels.\n")?;
    writeln!(w, "| | |\n|---|---|")?;
    writeln!(w, "| images | {n} |")?;
    writeln!(w, "| with a mask | {} |", counts.len())?;
    writeln!(w, "| groups | {} |", groups.len())?;
    writeln!(w, "| size | {height} x {width} pixels (height x width) |")?;
    writeln!(w, "| before resizing | {} |", shapes.join(", "))?;
    writeln!(w, "| channels | {channels} |")?;
    writeln!(w, "| values | 0 to 1 in steps of 1/{levels} |")?;
    writeln!(w, "| images with a known pixel size | {} |", notes.with_spacing)?;
    writeln!(
        w,
        "\nA group is what must stay on one side of a split: a patient, a folder, or the image itself."
    )?;

    writeln!(w, "\n## Classes\n\n| | class | share of the pixels | images with it |\n|---|---|---|---|")?;
    let all: u64 = counts.iter().flatten().sum();
    for (class, title) in dataset.classes().iter().enumerate() {
        let pixels: u64 = counts.iter().map(|counts| counts[class]).sum();
        let images = counts.iter().filter(|counts| counts[class] > 0).count();
        let share = pixels as f64 / all.max(1) as f64;
        writeln!(w, "| {class} | {title} | {share:.4} | {images} |")?;
    }
    if let Some(split) = notes.split {
        writeln!(w, "\n## Split\n\n`{name}.split.toml` names the images with a mask of each part.\n")?;
        writeln!(w, "| part | images |\n|---|---|")?;
        if !split.train.is_empty() {
            writeln!(w, "| training | {} |", split.train.len())?;
        }
        for (fold, ids) in split.folds.iter().enumerate() {
            match split.folds.len() {
                1 => writeln!(w, "| validation | {} |", ids.len())?,
                _ => writeln!(w, "| fold {fold} | {} |", ids.len())?,
            }
        }
        writeln!(w, "| test | {} |", split.test.len())?;
    }
    if !notes.warnings.is_empty() {
        writeln!(w, "\n## Warnings\n")?;
        for warning in notes.warnings {
            writeln!(w, "- {warning}")?;
        }
    }
    writeln!(w, "\n## How it was made\n\n`porecast prepare` with this configuration makes it again:\n")?;
    writeln!(w, "```toml\n{}\n```", dataset.campaign().trim_end())?;
    writeln!(
        w,
        "\n## What is in the file\n\nHDF5, format `{FORMAT}`, version {VERSION}. Axes: image, channel, y, x.\n"
    )?;
    writeln!(w, "| dataset | shape | type | |\n|---|---|---|---|")?;
    writeln!(w, "| `/id` | ({n}) | string | stable; the split names it |")?;
    writeln!(w, "| `/group` | ({n}) | string | what must stay on one side of a split |")?;
    let kind = if levels == 255 { "u8" } else { "u16" };
    writeln!(
        w,
        "| `/image` | ({n}, {channels}, {height}, {width}) | {kind} | 0 to 1 in steps of 1/{levels} |"
    )?;
    writeln!(
        w,
        "| `/mask` | ({n}, {height}, {width}) | u8 | class of each pixel; 0 if the image has no mask |"
    )?;
    writeln!(w, "| `/has_mask` | ({n}) | u8 | 1 if the image has a mask |")?;
    writeln!(w, "| `/original_shape` | ({n}, 2) | u64 | height and width before resizing |")?;
    writeln!(
        w,
        "| `/spacing_mm` | ({n}, 2) | f64 | height and width of an original pixel; NaN where it is not known |"
    )?;
    writeln!(
        w,
        "\n```python\nimport h5py\n\nwith h5py.File(\"{name}\") as file:\n    image = file[\"image\"][0] / {levels}      \
         # channel, y, x\n    mask = file[\"mask\"][0]                # y, x\n```"
    )?;
    writeln!(w, "\n## Licence\n\nImages and masks keep the terms of the files that they were read from.")?;
    Ok(card)
}
