//! TIFF stacks of frames, as ImageJ reads them: the first page describes the axes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use ndarray::Axis;
use porecast_base::{Error, Result};
use tiff::encoder::colortype::{ColorType, Gray8, Gray32Float};
use tiff::encoder::{Rational, TiffEncoder, TiffValue};
use tiff::tags::{ResolutionUnit, Tag};

use super::{Frames, Sequence, Source, file_name, labels};

/// Writes `<domain>.tif` for each domain into `folder`: labels of a dataset (0 solid, 1 defending, 2 invading), or
/// probabilities.
pub(super) fn write(source: &Source, folder: &Path) -> Result<()> {
    for (id, sequence) in source.ids().iter().zip(source.sequences()) {
        let sequence = sequence?;
        let path = folder.join(file_name(id, "tif"));
        let written = match &sequence.frames {
            Frames::Phase(phase) => {
                let pages = phase.axis_iter(Axis(0)).map(|frame| labels(&sequence.domain.solid, frame));
                stack::<Gray8>(&path, &describe(source, &sequence, 2), source, pages)
            }
            Frames::Probability(probability) => {
                let pages = probability.axis_iter(Axis(0)).map(|frame| frame.iter().copied().collect());
                stack::<Gray32Float>(&path, &describe(source, &sequence, 1), source, pages)
            }
        };
        written.map_err(|e| Error::output(&path, e))?;
    }
    Ok(())
}

/// ImageJ's description: frames along time, the unit of a pixel's size, the range to display; then the times.
fn describe(source: &Source, sequence: &Sequence, most: usize) -> String {
    let frames = sequence.times.len();
    let times: Vec<String> = sequence.times.iter().map(f64::to_string).collect();
    format!(
        "ImageJ=1.54f\nimages={frames}\nframes={frames}\nhyperstack=true\nmode=grayscale\nunit=micron\nloop=false\n\
         min=0.0\nmax={most}.0\ntime_unit={}\ntimes={}\n",
        source.time_unit().name(),
        times.join(" ")
    )
}

fn stack<C: ColorType>(
    path: &Path,
    description: &str,
    source: &Source,
    pages: impl Iterator<Item = Vec<C::Inner>>,
) -> tiff::TiffResult<()>
where
    [C::Inner]: TiffValue,
{
    let (_, height, width) = source.shape();
    let mut file = BufWriter::new(File::create(path)?);
    let mut encoder = TiffEncoder::new(&mut file)?;
    for (index, page) in pages.enumerate() {
        let mut image = encoder.new_image::<C>(width as u32, height as u32)?;
        image.resolution(ResolutionUnit::None, pixels_per_micron(source.voxel_size_m()));
        if index == 0 {
            image.encoder().write_tag(Tag::ImageDescription, description)?;
        }
        image.write_data(&page)?;
    }
    file.flush()?;
    Ok(())
}

fn pixels_per_micron(voxel_size_m: f64) -> Rational {
    let microns = voxel_size_m * 1e6;
    if microns >= 1.0 {
        Rational { n: 1000, d: (microns * 1000.0).round() as u32 }
    } else {
        Rational { n: (1000.0 / microns).round() as u32, d: 1000 }
    }
}
