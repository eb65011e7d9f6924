//! The on-disk formats of the segmentation studies.
//!
//! Opening a folder or file checks names, headers and annotations, and collects a [`Warning`] for every
//! anomaly. Pixels are read one sample at a time.
//!
//! ```
//! use porecast_imaging::format::Format;
//! use porecast_imaging::split::{Member, Method, Split, SplitConfig};
//! use porecast_imaging::synth::{MarsConfig, Study, mars};
//!
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("terrain");
//! Study::Mars(MarsConfig { training: 20, ..MarsConfig::default() }).write(&path, 1)?;
//!
//! let source = Format::NpzStack(Default::default()).open(&path.join(mars::FILE))?;
//! let mut members = Vec::new();
//! let warnings = source.read(|sample| {
//!     members.push(Member::from(&sample));
//!     Ok(())
//! })?;
//! assert_eq!(members.len(), 20);
//! assert!(warnings[0].message.contains("have no mask"));
//!
//! let method = Method::HoldOut { validation: 0.2, test: 0.1 };
//! let split = Split::new(&members, &SplitConfig { method, bins: 1, seed: 1 }, &path)?;
//! assert_eq!((split.training(0).len(), split.folds[0].len(), split.test.len()), (14, 4, 2));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod cleaning;
mod contour;
mod dicom;
pub mod dicom_contours;
pub mod fold_list;
mod folder;
pub mod labelme;
pub mod npz;
pub mod npz_stack;
mod photograph;
mod scaling;
pub mod tiff_page;
mod tiff_raster;
pub mod tiff_triples;

use std::path::Path;

use ndarray::Array3;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::annotated::AnnotatedImage;
use crate::warning::Warning;
use porecast_base::{Error, Result};

pub use dicom_contours::DicomContours;
pub use labelme::Labelme;
pub use npz_stack::NpzStack;
pub use photograph::read as read_photograph;
pub use scaling::Scaling;
pub use tiff_triples::TiffTriples;

/// Handling of images without annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Unlabelled {
    /// Leave them out.
    #[default]
    LeaveOut,
    /// Keep them without a mask, for prediction.
    Keep,
}

/// Groups that a split must not divide, for formats that name no patient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Grouping {
    /// Each image is its own group.
    #[default]
    Image,
    /// The images of a folder form a group, for example the frames of a video.
    Folder,
}

/// A format and its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// DICOM slices with contours in text files.
    DicomContours(dicom_contours::Options),
    /// JPEG or PNG images with labelme JSON files.
    Labelme(labelme::Options),
    /// NumPy stacks of images and masks.
    NpzStack(npz_stack::Options),
    /// TIFF images of several bands and sizes, with a mask.
    TiffTriples(tiff_triples::Options),
}

impl Format {
    /// Reads a JPEG or PNG file `[channel, y, x]` for a network that learnt images of this format with `channels`
    /// channels. A grey file has one channel if one is wanted, and three equal ones otherwise.
    ///
    /// # Errors
    /// If the file is missing, damaged or of another kind.
    pub fn read_photograph(&self, path: &Path, channels: usize) -> Result<Array3<f32>> {
        let mut image = photograph::read_with(path, channels)?;
        self.scale_photograph(&mut image);
        Ok(image)
    }

    /// Scales the grey values of a photograph, `[channel, y, x]` in [0, 1], as those of this format are.
    pub fn scale_photograph(&self, image: &mut Array3<f32>) {
        if let (Self::DicomContours(dicom_contours::Options { scaling: Scaling::Image, .. }), 1) =
            (self, image.dim().0)
        {
            let values = image.as_slice_mut().expect("pixels are in rows");
            Scaling::Image.apply(values, None, &[]).expect("pixels of a file are numbers");
        }
    }

    /// Opens the data set at `path` without reading pixels.
    ///
    /// # Errors
    /// If `path` contains no readable data of this format.
    pub fn open(&self, path: &Path) -> Result<Source> {
        Ok(match self {
            Self::DicomContours(options) => {
                Source::DicomContours(DicomContours::open(path, options.clone())?)
            }
            Self::Labelme(options) => Source::Labelme(Labelme::open(path, options.clone())?),
            Self::NpzStack(options) => Source::NpzStack(NpzStack::open(path, options.clone())?),
            Self::TiffTriples(options) => Source::TiffTriples(TiffTriples::open(path, options.clone())?),
        })
    }
}

/// An opened data set; samples are read on demand.
#[derive(Debug)]
pub enum Source {
    /// DICOM slices with contours in text files.
    DicomContours(DicomContours),
    /// JPEG or PNG images with labelme JSON files.
    Labelme(Labelme),
    /// NumPy stacks of images and masks.
    NpzStack(NpzStack),
    /// TIFF images of several bands and sizes, with a mask.
    TiffTriples(TiffTriples),
}

impl Source {
    /// Warnings from opening.
    pub fn warnings(&self) -> &[Warning] {
        match self {
            Self::DicomContours(source) => source.warnings(),
            Self::Labelme(source) => source.warnings(),
            Self::NpzStack(source) => source.warnings(),
            Self::TiffTriples(source) => source.warnings(),
        }
    }

    /// Number of samples; never zero.
    #[expect(clippy::len_without_is_empty, reason = "an empty source is refused when it is opened")]
    pub fn len(&self) -> usize {
        match self {
            Self::DicomContours(source) => source.len(),
            Self::Labelme(source) => source.len(),
            Self::NpzStack(source) => source.len(),
            Self::TiffTriples(source) => source.len(),
        }
    }

    /// Reads one sample.
    ///
    /// # Errors
    /// If its file is damaged.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        match self {
            Self::DicomContours(source) => source.sample(index),
            Self::Labelme(source) => source.sample(index),
            Self::NpzStack(source) => source.sample(index),
            Self::TiffTriples(source) => source.sample(index),
        }
    }

    /// Reads all samples in order. After an error on a damaged sample, the next one is still read.
    pub fn samples(&self) -> impl Iterator<Item = Result<AnnotatedImage>> {
        (0..self.len()).map(|index| self.sample(index))
    }

    /// Passes every readable sample to `use_sample`. Returns all warnings, including those about damaged
    /// files.
    ///
    /// # Errors
    /// If no sample could be read; or the error of `use_sample`.
    pub fn read(&self, mut use_sample: impl FnMut(AnnotatedImage) -> Result<()>) -> Result<Vec<Warning>> {
        let mut warnings = self.warnings().to_vec();
        let mut damaged = 0;
        for sample in self.samples() {
            match sample {
                Ok(sample) => use_sample(sample)?,
                Err(error) => {
                    damaged += 1;
                    warnings.push(error.into());
                }
            }
        }
        match warnings.last() {
            Some(last) if damaged == self.len() => Err(Error::input(
                &last.path,
                format!("{}; none of the {damaged} samples could be read", last.message),
            )),
            _ => Ok(warnings),
        }
    }
}

/// The error for a folder or file without usable data; it names the first reasons.
fn nothing_usable(path: &Path, wanted: &str, warnings: &[Warning]) -> Error {
    let mut message = format!("holds no {wanted} that could be used");
    for warning in warnings.iter().take(3) {
        message += &format!("\n  {warning}");
    }
    if warnings.len() > 3 {
        message += &format!("\n  and {} more", warnings.len() - 3);
    }
    Error::input(path, message)
}
