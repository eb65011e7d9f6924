//! Sequences of a dataset or of predictions in formats of other programs.
//!
//! | format | what is written |
//! |---|---|
//! | npz | one NumPy archive of named arrays |
//! | TIFF | a folder with a stack of frames for each domain, with the size of a pixel, for ImageJ |
//! | XDMF | a folder with a file for each domain that describes the HDF5 file to ParaView; the values stay there |

mod npz;
mod tiff;
mod xdmf;

use std::path::Path;

use ndarray::{Array2, Array3};
use porecast_base::{Error, Result, atomic, lock, output};
use porecast_simulations::{Domain, Side, TimeUnit};

use crate::prediction::{self, PredictionFile};
use crate::{InvasionDataset, listing, mask_prediction, segmentation};

/// A format of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// NumPy archive.
    Npz,
    /// Stacks of images.
    Tiff,
    /// Description for ParaView.
    Xdmf,
}

/// Input channels `[channel, y, x]` that a network computes of a domain with its inlet.
pub type Channels<'a> = &'a dyn Fn(&Domain, Side) -> Array3<f32>;

/// Writes every sequence of `input` to `output`; returns what was written in words. An archive holds `channels` as well, if
/// given.
///
/// # Errors
/// `input` is neither an invasion dataset nor predictions of invasions, `output` exists and `replace` is false, or a file
/// cannot be read or written.
pub fn export(
    input: &Path,
    format: Format,
    output: &Path,
    channels: Option<Channels<'_>>,
    replace: bool,
) -> Result<String> {
    let source = Source::open(input)?;
    let _lock = lock::hold(output)?;
    output::check(output, &[input], replace)?;
    if output.exists() && output.is_dir() != (format != Format::Npz) {
        let what = "must be a file for npz, a folder otherwise; choose another output";
        return Err(Error::output(output, what));
    }
    match format {
        Format::Npz => {
            atomic::write_with(output, |temporary| npz::write(&source, temporary, output, channels))?
        }
        Format::Tiff => atomic::fill_folder(output, |folder| tiff::write(&source, folder))?,
        Format::Xdmf => atomic::fill_folder(output, |folder| xdmf::write(&source, folder))?,
    }
    let (frames, height, width) = source.shape();
    let count = source.ids().len();
    let plural = if count == 1 { "" } else { "s" };
    Ok(format!("exported {count} domain{plural} with {frames} frames of {height} x {width} pixels"))
}

/// What is exported.
enum Source {
    Dataset(InvasionDataset),
    Predictions(PredictionFile),
}

/// One domain of a [`Source`].
struct Sequence {
    domain: Domain,
    times: Vec<f64>,
    frames: Frames,
}

/// Frames `[time, y, x]`.
enum Frames {
    /// True where the invading phase is.
    Phase(Array3<bool>),
    /// Its probability.
    Probability(Array3<f32>),
}

impl Source {
    fn open(path: &Path) -> Result<Self> {
        let format = if path.is_file() { listing::hdf5_format(path)? } else { None };
        match format.as_deref() {
            Some(prediction::FORMAT) => Ok(Self::Predictions(PredictionFile::open(path)?)),
            Some(segmentation::FORMAT | mask_prediction::FORMAT) => {
                let what =
                    "holds images; `export` writes invasions, `predict` writes the masks of images as PNG";
                Err(Error::input(path, what))
            }
            _ => Ok(Self::Dataset(InvasionDataset::open(path)?)),
        }
    }

    fn ids(&self) -> &[String] {
        match self {
            Self::Dataset(dataset) => dataset.domain_ids(),
            Self::Predictions(file) => file.domain_ids(),
        }
    }

    /// Frames, height and width.
    fn shape(&self) -> (usize, usize, usize) {
        match self {
            Self::Dataset(dataset) => dataset.shape(),
            Self::Predictions(file) => file.shape(),
        }
    }

    /// Name of the frames, as in the HDF5 file.
    fn name(&self) -> &'static str {
        match self {
            Self::Dataset(_) => "phase",
            Self::Predictions(_) => "probability",
        }
    }

    fn inlet(&self) -> Side {
        match self {
            Self::Dataset(dataset) => dataset.inlet(),
            Self::Predictions(file) => file.header().inlet,
        }
    }

    fn time_unit(&self) -> TimeUnit {
        match self {
            Self::Dataset(dataset) => dataset.time_unit(),
            Self::Predictions(file) => file.header().time_unit,
        }
    }

    /// Edge length of a pixel in metres, if it is known.
    fn edge_m(&self) -> Option<f64> {
        Some(self.voxel_size_m()).filter(|edge| *edge > 0.0)
    }

    fn voxel_size_m(&self) -> f64 {
        match self {
            Self::Dataset(dataset) => dataset.voxel_size_m(),
            Self::Predictions(file) => file.header().voxel_size_m,
        }
    }

    fn sequence(&self, index: usize) -> Result<Sequence> {
        Ok(match self {
            Self::Dataset(dataset) => {
                let sequence = dataset.sequence(index)?;
                Sequence {
                    domain: sequence.domain,
                    times: sequence.times,
                    frames: Frames::Phase(sequence.phase),
                }
            }
            Self::Predictions(file) => {
                let prediction = file.prediction(index)?;
                Sequence {
                    domain: Domain { solid: prediction.solid, voxel_size_m: self.voxel_size_m() },
                    times: prediction.times,
                    frames: Frames::Probability(prediction.probability),
                }
            }
        })
    }

    /// All sequences, one in memory at a time.
    fn sequences(&self) -> impl Iterator<Item = Result<Sequence>> {
        (0..self.ids().len()).map(|index| self.sequence(index))
    }
}

/// Name of the file of a domain; identifiers can hold letters that a file name cannot.
fn file_name(id: &str, extension: &str) -> String {
    format!("{}.{extension}", id.replace(['/', '\\', ':'], "-"))
}

/// Labels of a frame as `import` reads them: 0 solid, 1 defending, 2 invading.
fn labels(solid: &Array2<bool>, phase: ndarray::ArrayView2<'_, bool>) -> Vec<u8> {
    solid
        .iter()
        .zip(phase)
        .map(|(&solid, &invading)| if solid { 0 } else { 1 + u8::from(invading) })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::path::PathBuf;

    use ::tiff::decoder::{Decoder, DecodingResult};
    use ndarray::{Array1, Array4};
    use ndarray_npy::NpzReader;
    use porecast_simulations::Trajectory;

    use super::*;
    use crate::benchmark::unknown_parameters;
    use crate::invasion::{self, Origin};
    use crate::prediction::{Prediction, PredictionHeader};

    fn solid() -> Array2<bool> {
        Array2::from_shape_fn((3, 4), |(y, x)| y == 1 && x == 2)
    }

    /// A dataset and predictions of two domains, two frames of 3 x 4 pixels of 35 µm each.
    fn files(folder: &Path) -> [PathBuf; 2] {
        let [dataset, predictions] = ["d.h5", "p.h5"].map(|name| folder.join(name));
        let sequences = ["a", "b/1"].into_iter().enumerate().map(|(index, id)| {
            let phase = Array3::from_shape_fn((2, 3, 4), |(t, y, x)| x <= t + index && !solid()[(y, x)]);
            let sequence = Trajectory {
                domain: Domain { solid: solid(), voxel_size_m: 35e-6 },
                inlet: Side::Left,
                times: vec![0.0, 0.25],
                time_unit: TimeUnit::PoreVolumes,
                phase,
                parameters: unknown_parameters(0.9),
            };
            Ok((id.to_owned(), sequence))
        });
        let origin = Origin { simulator: "test".into(), campaign: String::new() };
        invasion::write(&dataset, &origin, sequences).unwrap();
        let header = PredictionHeader {
            source: "test".into(),
            time_unit: TimeUnit::PoreVolumes,
            inlet: Side::Left,
            voxel_size_m: 35e-6,
        };
        let predicted = Prediction {
            domain_id: "a".into(),
            solid: solid(),
            times: vec![0.5, 1.0],
            probability: Array3::from_shape_fn((2, 3, 4), |(t, y, x)| (t + y + x) as f32 / 8.0),
        };
        prediction::write(&predictions, &header, [Ok(predicted)].into_iter()).unwrap();
        [dataset, predictions]
    }

    #[test]
    fn an_archive_holds_every_array_under_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let [dataset, predictions] = files(folder.path());
        let path = folder.path().join("a.npz");
        let channels = |domain: &Domain, _| {
            domain.solid.mapv(|solid| f32::from(u8::from(solid))).insert_axis(ndarray::Axis(0))
        };
        export(&dataset, Format::Npz, &path, Some(&channels), false).unwrap();
        let mut archive = NpzReader::new(File::open(&path).unwrap()).unwrap();
        let phase: Array4<bool> = archive.by_name("phase").unwrap();
        let source = InvasionDataset::open(&dataset).unwrap();
        for index in 0..2 {
            assert_eq!(phase.index_axis(ndarray::Axis(0), index), source.sequence(index).unwrap().phase);
        }
        assert_eq!(
            archive.by_name::<ndarray::OwnedRepr<f64>, _>("time").unwrap(),
            ndarray::arr2(&[[0.0, 0.25]; 2])
        );
        let mut inlet = Vec::new();
        let mut files = zip::ZipArchive::new(File::open(&path).unwrap()).unwrap();
        files.by_name("inlet.npy").unwrap().read_to_end(&mut inlet).unwrap();
        // Characters of four bytes.
        let letters =
            source.inlet().to_string().chars().flat_map(|c| u32::from(c).to_le_bytes()).collect::<Vec<_>>();
        assert!(inlet.ends_with(&letters), "{inlet:?}");
        let porosity: Array1<f64> = archive.by_name("porosity").unwrap();
        assert_eq!(porosity, ndarray::arr1(&[0.9, 0.9]));
        let computed: Array4<f32> = archive.by_name("channels").unwrap();
        assert_eq!((computed.dim(), computed.sum()), ((2, 1, 3, 4), 2.0));

        export(&predictions, Format::Npz, &path, None, true).unwrap();
        let mut archive = NpzReader::new(File::open(&path).unwrap()).unwrap();
        let probability: Array4<f32> = archive.by_name("probability").unwrap();
        assert_eq!(probability[(0, 1, 2, 3)], 0.75);
        assert!(archive.by_name::<ndarray::OwnedRepr<f64>, ndarray::Ix1>("porosity").is_err());
    }

    #[test]
    fn a_stack_has_labels_or_probabilities_and_the_size_of_a_pixel() {
        let folder = tempfile::tempdir().unwrap();
        let [dataset, predictions] = files(folder.path());
        let stacks = folder.path().join("stacks");
        export(&dataset, Format::Tiff, &stacks, None, false).unwrap();
        let mut stack = Decoder::new(File::open(stacks.join("a.tif")).unwrap()).unwrap();
        let DecodingResult::U8(labels) = stack.read_image().unwrap() else { panic!("labels are bytes") };
        assert_eq!(labels, [2, 1, 1, 1, 2, 1, 0, 1, 2, 1, 1, 1]);
        let description = stack.get_tag_ascii_string(::tiff::tags::Tag::ImageDescription).unwrap();
        assert!(
            description.contains("frames=2\n")
                && description.contains("finterval=0.25\n")
                && description.contains("times=0 0.25\n"),
            "{description}"
        );
        let resolution = stack.get_tag(::tiff::tags::Tag::XResolution).unwrap();
        assert_eq!(resolution, ::tiff::decoder::ifd::Value::Rational(1000, 35000));
        // ImageJ reads the first directory only and takes the other pages to lie right behind the first.
        let offset = ::tiff::tags::Tag::StripOffsets;
        let first = stack.get_tag_u32(offset).unwrap();
        let metadata = stack.get_tag_u8_vec(::tiff::tags::Tag::Unknown(50839)).unwrap();
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_ne_bytes).collect::<Vec<u8>>();
        assert_eq!(metadata[12..], [utf16("0 pore volumes"), utf16("0.25 pore volumes")].concat());
        stack.next_image().unwrap();
        assert_eq!(stack.get_tag_u32(offset).unwrap(), first + 3 * 4);
        assert!(!stack.more_images() && stacks.join("b-1.tif").exists());

        export(&predictions, Format::Tiff, &stacks, None, true).unwrap();
        let mut stack = Decoder::new(File::open(stacks.join("a.tif")).unwrap()).unwrap();
        let DecodingResult::F32(values) = stack.read_image().unwrap() else {
            panic!("probabilities are floats")
        };
        assert_eq!(values[..4], [0.0, 0.125, 0.25, 0.375]);
    }

    #[test]
    fn a_description_names_the_file_and_the_row_of_each_frame() {
        let folder = tempfile::tempdir().unwrap();
        let [dataset, _] = files(folder.path());
        let grids = folder.path().join("grids");
        export(&dataset, Format::Xdmf, &grids, None, false).unwrap();
        let text = std::fs::read_to_string(grids.join("b-1.xdmf")).unwrap();
        assert!(text.contains(">1 1 0 0 1 1 1 1 1 1 3 4</DataItem>"), "{text}");
        assert!(text.contains(">../d.h5:/phase<") && text.contains("<Time Value=\"0.25\"/>"), "{text}");
    }

    #[test]
    fn an_existing_output_and_images_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let [dataset, predictions] = files(folder.path());
        let refused = |input: &Path, output: &Path, replace| {
            export(input, Format::Npz, output, None, replace).unwrap_err().to_string()
        };
        assert!(refused(&dataset, &predictions, false).contains("exists already"));
        assert!(refused(&dataset, folder.path(), true).contains("would replace the input"));
        let other = tempfile::tempdir().unwrap();
        assert!(refused(&dataset, other.path(), true).contains("folder"));
        let masks = folder.path().join("m.h5");
        mask_prediction::write(&masks, "test", &["a".into(), "b".into()], (1, 2, 2), |_| Ok(())).unwrap();
        assert!(refused(&masks, &folder.path().join("m.npz"), false).contains("holds images"));
    }

    #[test]
    fn lengths_are_in_pixels_where_their_size_is_not_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.h5");
        let header = PredictionHeader {
            source: "test".into(),
            time_unit: TimeUnit::PoreVolumes,
            inlet: Side::Left,
            voxel_size_m: f64::NAN,
        };
        let predicted = Prediction {
            domain_id: "a".into(),
            solid: solid(),
            times: vec![0.5],
            probability: Array3::zeros((1, 3, 4)),
        };
        prediction::write(&path, &header, [Ok(predicted)].into_iter()).unwrap();
        export(&path, Format::Xdmf, &folder.path().join("xdmf"), None, false).unwrap();
        let text = std::fs::read_to_string(folder.path().join("xdmf/a.xdmf")).unwrap();
        assert!(text.contains(">1 1 1</DataItem>") && !text.contains("NaN"), "{text}");
        export(&path, Format::Tiff, &folder.path().join("tiff"), None, false).unwrap();
        let mut stack = Decoder::new(File::open(folder.path().join("tiff/a.tif")).unwrap()).unwrap();
        assert!(
            stack.get_tag_ascii_string(::tiff::tags::Tag::ImageDescription).unwrap().contains("unit=pixel\n")
        );
        let resolution = stack.get_tag(::tiff::tags::Tag::XResolution).unwrap();
        assert_eq!(resolution, ::tiff::decoder::ifd::Value::Rational(1, 1));
    }
}
