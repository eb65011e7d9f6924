//! The domain in an image, for `porecast predict`.

use std::path::{Path, PathBuf};

use porecast_base::{Error, Result};
use porecast_simulations::domain::{Polarity, connectivity::percolates};
use porecast_simulations::{Domain, Side};
use porecast_store::grey_image::{self, FORMATS, GreyImage};

use super::PredictOptions;

/// The images in a folder, by name; none if the input is not a folder, or one without images.
///
/// # Errors
/// The folder cannot be read.
pub(super) fn in_folder(input: &Path) -> Result<Vec<PathBuf>> {
    if !input.is_dir() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(input).map_err(|e| Error::unreadable(input, e))?;
    let paths = entries.flatten().map(|entry| entry.path());
    let mut images: Vec<PathBuf> =
        paths.filter(|path| path.is_file() && grey_image::is_image(path)).collect();
    images.sort();
    Ok(images)
}

/// Whether the input is an image; otherwise it is a dataset.
///
/// # Errors
/// The input is a file of neither kind.
pub(super) fn is_one(input: &Path) -> Result<bool> {
    let extension = input.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    if grey_image::is_image(input) {
        return Ok(true);
    }
    let what = match extension.as_str() {
        _ if !input.is_file() => return Ok(false),
        "h5" | "hdf5" => return Ok(false),
        "raw" | "bin" | "dat" => {
            format!(
                "is a headerless file, which does not tell its size; convert one slice of it to {FORMATS}"
            )
        }
        _ if grey_image::is_hdf5(input) => return Ok(false),
        _ => format!("is neither a dataset (HDF5) nor an image of a domain; convert an image to {FORMATS}"),
    };
    Err(Error::input(input, what))
}

/// Edge length of a pixel of the image in metres; not a number where it is unknown.
pub(super) fn voxel_size_m(options: &PredictOptions) -> f64 {
    options.voxel_size_m.unwrap_or(f64::NAN)
}

/// Reads the domain in the image of `options`; `note` takes what was read, in words.
///
/// # Errors
/// The image cannot be read, is not divided by the threshold, or has no path from the inlet to the other edge.
pub(super) fn read(options: &PredictOptions, inlet: Side, note: impl FnOnce(String)) -> Result<Domain> {
    let image = GreyImage::read(&options.input, options.page)?;
    let polarity = if options.invert { Polarity::PoreDark } else { Polarity::PoreBright };
    let solid = image.solid(polarity, options.threshold, "--threshold")?;
    note(format!("{}, inlet {inlet}", image.describe(polarity, options.threshold)));
    let domain = Domain { solid, voxel_size_m: voxel_size_m(options) };
    require_path(&domain, inlet, &options.input)?;
    Ok(domain)
}

fn require_path(domain: &Domain, inlet: Side, input: &Path) -> Result<()> {
    if percolates(domain, inlet) {
        return Ok(());
    }
    let inverted = Domain { solid: domain.solid.mapv(|solid| !solid), ..*domain };
    let hint = if percolates(&inverted, inlet) { "; the other polarity has one" } else { "" };
    Err(Error::input(
        input,
        format!(
            "the pore space ({:.0} % of the image) has no path from the {inlet} edge to the {} edge; check --threshold, \
             --invert and --inlet{hint}",
            100.0 * domain.porosity(),
            inlet.opposite()
        ),
    ))
}
