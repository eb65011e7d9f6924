//! TIFF stacks of frames, as ImageJ reads them: the first page describes the axes and holds the times as labels.

use std::fs::File;
use std::io::{BufWriter, Seek, Write};
use std::path::Path;

use ndarray::Axis;
use porecast_base::{Error, Result};
use tiff::encoder::colortype::{ColorType, Gray8, Gray32Float};
use tiff::encoder::{DirectoryEncoder, Rational, TiffEncoder, TiffKindStandard, TiffValue};
use tiff::tags::{CompressionMethod, ResolutionUnit, Tag};

use super::{Frames, Sequence, Source, file_name, labels};

/// ImageJ's tags: sizes of the parts of its metadata in bytes, and the metadata.
const LABEL_SIZES: Tag = Tag::Unknown(50838);
const LABELS: Tag = Tag::Unknown(50839);

/// Writes `<domain>.tif` for each domain into `folder`: labels of a dataset (0 solid, 1 defending, 2 invading), or
/// probabilities.
pub(super) fn write(source: &Source, folder: &Path) -> Result<()> {
    for (id, sequence) in source.ids().iter().zip(source.sequences()) {
        let sequence = sequence?;
        let path = folder.join(file_name(id, "tif"));
        let unit = source.time_unit().name();
        let times: Vec<String> =
            sequence.times.iter().map(|time| format!("{} {unit}", *time as f32)).collect();
        let written = match &sequence.frames {
            Frames::Phase(phase) => {
                let pages = phase.axis_iter(Axis(0)).map(|frame| labels(&sequence.domain.solid, frame));
                stack::<Gray8>(&path, &describe(source, &sequence, 2), &times, source, pages)
            }
            Frames::Probability(probability) => {
                let pages = probability.axis_iter(Axis(0)).map(|frame| frame.iter().copied().collect());
                stack::<Gray32Float>(&path, &describe(source, &sequence, 1), &times, source, pages)
            }
        };
        written.map_err(|e| Error::output(&path, e))?;
    }
    Ok(())
}

/// ImageJ's description: frames along time and how far apart, the unit of a pixel's size, the range to display; then the times.
fn describe(source: &Source, sequence: &Sequence, most: usize) -> String {
    let frames = sequence.times.len();
    let length = if source.edge_m().is_some() { "micron" } else { "pixel" };
    let unit = source.time_unit().name();
    let interval =
        interval(&sequence.times).map_or(String::new(), |t| format!("finterval={t}\ntunit={unit}\n"));
    let times: Vec<String> = sequence.times.iter().map(f64::to_string).collect();
    format!(
        "ImageJ=1.54f\nimages={frames}\nframes={frames}\nhyperstack=true\nmode=grayscale\nunit={length}\n{interval}\
         loop=false\nmin=0.0\nmax={most}.0\ntime_unit={unit}\ntimes={}\n",
        times.join(" ")
    )
}

/// The step of times that are evenly spaced, to rounding.
fn interval(times: &[f64]) -> Option<f64> {
    let step = (times.last()? - times[0]) / (times.len() - 1).max(1) as f64;
    let is_even = times.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() <= 1e-6 * step);
    (step > 0.0 && is_even).then_some(step)
}

/// ImageJ's labels of the pages, which it shows above the picture: sizes in bytes, and the bytes. They are a header (magic
/// number, kind, count), then each label in UTF-16.
fn page_labels(labels: &[String]) -> (Vec<u32>, Vec<u8>) {
    let word = |letters: &[u8; 4]| u32::from_be_bytes(*letters).to_ne_bytes();
    let count = (labels.len() as u32).to_ne_bytes();
    let mut sizes = vec![12];
    let mut bytes = [word(b"IJIJ"), word(b"labl"), count].concat();
    for label in labels {
        let before = bytes.len();
        bytes.extend(label.encode_utf16().flat_map(u16::to_ne_bytes));
        sizes.push((bytes.len() - before) as u32);
    }
    (sizes, bytes)
}

/// Writes the pages one behind the other before their directories: ImageJ reads only the first directory of a stack and
/// expects the other pages right behind the first.
fn stack<C: ColorType>(
    path: &Path,
    description: &str,
    labels: &[String],
    source: &Source,
    pages: impl Iterator<Item = Vec<C::Inner>>,
) -> tiff::TiffResult<()>
where
    [C::Inner]: TiffValue,
{
    let mut file = BufWriter::new(File::create(path)?);
    let mut encoder = TiffEncoder::new(&mut file)?;
    let mut first = encoder.image_directory()?;
    let offsets = pages.map(|page| first.write_data(&page[..])).collect::<tiff::TiffResult<Vec<_>>>()?;
    first.write_tag(Tag::ImageDescription, description)?;
    let (sizes, bytes) = page_labels(labels);
    first.write_tag(LABEL_SIZES, &sizes[..])?;
    first.write_tag(LABELS, &bytes[..])?;
    finish::<C>(first, offsets[0], source)?;
    for offset in &offsets[1..] {
        finish::<C>(encoder.image_directory()?, *offset, source)?;
    }
    file.flush()?;
    Ok(())
}

/// Writes the directory of a page whose pixels lie at `offset`.
fn finish<C: ColorType>(
    mut page: DirectoryEncoder<'_, impl Write + Seek, TiffKindStandard>,
    offset: u64,
    source: &Source,
) -> tiff::TiffResult<()> {
    let (_, height, width) = source.shape();
    let bytes = height * width * usize::from(C::BITS_PER_SAMPLE[0] / 8);
    let resolution = source.edge_m().map_or(Rational { n: 1, d: 1 }, pixels_per_micron);
    page.write_tag(Tag::ImageWidth, width as u32)?;
    page.write_tag(Tag::ImageLength, height as u32)?;
    page.write_tag(Tag::BitsPerSample, C::BITS_PER_SAMPLE)?;
    page.write_tag(Tag::SampleFormat, C::SAMPLE_FORMAT[0].to_u16())?;
    page.write_tag(Tag::SamplesPerPixel, 1_u16)?;
    page.write_tag(Tag::PhotometricInterpretation, C::TIFF_VALUE.to_u16())?;
    page.write_tag(Tag::Compression, CompressionMethod::None.to_u16())?;
    page.write_tag(Tag::RowsPerStrip, height as u32)?;
    page.write_tag(Tag::StripOffsets, u32::try_from(offset)?)?;
    page.write_tag(Tag::StripByteCounts, u32::try_from(bytes)?)?;
    page.write_tag(Tag::XResolution, resolution.clone())?;
    page.write_tag(Tag::YResolution, resolution)?;
    page.write_tag(Tag::ResolutionUnit, ResolutionUnit::None.to_u16())?;
    page.finish()
}

fn pixels_per_micron(voxel_size_m: f64) -> Rational {
    let microns = voxel_size_m * 1e6;
    if microns >= 1.0 {
        Rational { n: 1000, d: (microns * 1000.0).round() as u32 }
    } else {
        Rational { n: (1000.0 / microns).round() as u32, d: 1000 }
    }
}
