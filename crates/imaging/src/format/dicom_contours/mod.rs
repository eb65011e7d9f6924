//! Cardiac MRI: DICOM slices, and contours in text files.
//!
//! The content of the folder tells which of two layouts it has. In that of the right ventricle challenge
//! (RVSC), each patient has a folder:
//!
//! ```text
//! patient09/P09dicom/P09-0020.dcm
//! patient09/P09contours-manual/P09-0020-icontour-manual.txt
//! patient09/P09list.txt                   the contours, as .\patient09\P09contours-manual\...
//! ```
//!
//! In that of the Sunnybrook data, a table links slices to contours:
//!
//! ```text
//! link.csv                                patient_id,original_id
//! dicoms/SCD0000101/48.dcm
//! contourfiles/SC-HF-I-1/i-contours/IM-0001-0048-icontour-manual.txt
//! ```
//!
//! In both, the slice number is the last number in the name.

mod patients;

use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, Axis};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::contour::{self, Kind};
use super::{Scaling, Unlabelled, dicom, folder, nothing_usable};
use crate::annotated::AnnotatedImage;
use crate::polygon::{self, Point};
use crate::warning::Warning;
use patients::{Patient, rvsc, sunnybrook};
use porecast_base::{Error, Result};

/// Structure that the mask shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Structure {
    /// Class 1 inside the inner contour.
    #[default]
    Cavity,
    /// Class 1 inside the outer contour.
    Whole,
    /// Class 1 inside the inner contour, class 2 between the two.
    CavityAndWall,
}

impl Structure {
    /// The contours needed and their classes, in drawing order.
    fn contours(self) -> &'static [(Kind, u8)] {
        match self {
            Self::Cavity => &[(Kind::Inner, 1)],
            Self::Whole => &[(Kind::Outer, 1)],
            Self::CavityAndWall => &[(Kind::Outer, 2), (Kind::Inner, 1)],
        }
    }
}

/// Rotation of slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// As they are stored.
    #[default]
    AsStored,
    /// Slices that are higher than wide are rotated by 90° counterclockwise, so that all slices have the same
    /// orientation.
    Landscape,
}

/// Options for reading slices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Structure that the mask shows.
    pub structure: Structure,
    /// Handling of slices without a contour.
    pub unlabelled: Unlabelled,
    /// Rotation of slices.
    pub orientation: Orientation,
    /// Mapping of stored values to [0, 1].
    pub scaling: Scaling,
    /// Value of pixels without data in the modality's units, besides the padding that a file names itself
    /// (PixelPaddingValue). They do not count in the scaling and become 0.
    pub fill_value: Option<f32>,
}

impl Default for Options {
    /// Scales each slice from its smallest to its largest value, because MRI values have no unit.
    fn default() -> Self {
        Self {
            structure: Structure::default(),
            unlabelled: Unlabelled::default(),
            orientation: Orientation::default(),
            scaling: Scaling::Image,
            fill_value: None,
        }
    }
}

/// Whether a file is below a folder of this name.
fn is_in(file: &Path, folder: &str) -> bool {
    file.parent().is_some_and(|parent| parent.iter().any(|part| part == folder))
}

/// DICOM slices and their contours.
#[derive(Debug)]
pub struct DicomContours {
    options: Options,
    slices: Vec<Slice>,
    warnings: Vec<Warning>,
}

#[derive(Debug)]
struct Slice {
    id: String,
    patient: String,
    path: PathBuf,
    header: dicom::Header,
    /// In drawing order.
    contours: Option<Vec<(Vec<Point>, u8)>>,
}

impl DicomContours {
    /// Finds slices and contours in `path`: a data set or, in the RVSC layout, a single patient.
    ///
    /// # Errors
    /// If the folder cannot be read or contains no usable slice.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let files = folder::files_below(path)?;
        let mut source = Self { options, slices: Vec::new(), warnings: Vec::new() };
        let tables: Vec<&PathBuf> = files.iter().filter(|file| folder::name(file) == "link.csv").collect();
        let patients = match tables[..] {
            [] if files.iter().any(|file| is_in(file, "contourfiles")) => {
                let what = "has the folder contourfiles of the Sunnybrook data but no link.csv, which assigns contours to \
                            patients; put it there: its first line is patient_id,original_id";
                return Err(Error::input(path, what));
            }
            [] => rvsc(&files, &mut source.warnings),
            _ => {
                let mut patients = Vec::new();
                for table in tables {
                    patients.extend(sunnybrook(table, &files, &mut source.warnings)?);
                }
                patients
            }
        };
        for patient in patients {
            source.add(patient);
        }
        if source.slices.is_empty() {
            let wanted = match source.options.unlabelled {
                Unlabelled::LeaveOut => "DICOM slice with a contour",
                Unlabelled::Keep => "DICOM slice",
            };
            return Err(nothing_usable(path, wanted, &source.warnings));
        }
        Ok(source)
    }

    /// Warnings from opening.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of slices.
    #[expect(clippy::len_without_is_empty, reason = "an empty source is refused when it is opened")]
    pub fn len(&self) -> usize {
        self.slices.len()
    }

    /// Reads one slice and fills its contours.
    ///
    /// # Errors
    /// If the pixels are damaged or not grey.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let slice = &self.slices[index];
        let mut pixels = dicom::pixels(&slice.path)?;
        if let Some(fill) = self.options.fill_value {
            pixels.mapv_inplace(|v| if v == fill { f32::NAN } else { v });
        }
        let is_padding = pixels.mapv(f32::is_nan);
        let values = pixels.as_slice_mut().expect("pixels are in rows");
        self.options
            .scaling
            .apply(values, None, &[f32::NAN])
            .ok_or_else(|| Error::input(&slice.path, "holds values that are not numbers"))?;
        if slice.header.is_inverted {
            pixels.zip_mut_with(&is_padding, |v, &is_padding| *v = if is_padding { 0.0 } else { 1.0 - *v });
        }
        let mask = slice.contours.as_ref().map(|contours| {
            let mut mask = Array2::zeros(pixels.dim());
            for (points, class) in contours {
                polygon::fill(&mut mask, points, contour::FIRST_CENTRE, *class);
            }
            mask
        });
        let is_turned = self.options.orientation == Orientation::Landscape && pixels.nrows() > pixels.ncols();
        let (image, mask, spacing_mm) = if is_turned {
            let spacing_mm = slice.header.spacing_mm.map(|(height, width)| (width, height));
            (quarter_turn(pixels.view()), mask.map(|mask| quarter_turn(mask.view())), spacing_mm)
        } else {
            (pixels, mask, slice.header.spacing_mm)
        };
        Ok(AnnotatedImage {
            id: slice.id.clone(),
            group: slice.patient.clone(),
            original_shape: image.dim(),
            image: image.insert_axis(Axis(0)),
            mask,
            spacing_mm,
        })
    }

    /// Adds the slices of a patient, and a warning for every anomaly.
    fn add(&mut self, patient: Patient) {
        for ((number, kind), path) in &patient.contours {
            if !patient.slices.contains_key(number) {
                let what = format!("{} of slice {number}, for which there is no DICOM file", kind.name());
                self.warnings.push(Warning::new(path, what));
            }
        }
        let mut without = Vec::new();
        let mut without_spacing = Vec::new();
        for (&number, path) in &patient.slices {
            let paths: Vec<(Option<&PathBuf>, u8)> = self
                .options
                .structure
                .contours()
                .iter()
                .map(|&(kind, class)| (patient.contours.get(&(number, kind)), class))
                .collect();
            let is_drawn = paths.iter().all(|(path, _)| path.is_some());
            if !is_drawn {
                without.push(folder::name(path));
            }
            if !is_drawn && self.options.unlabelled == Unlabelled::LeaveOut {
                continue;
            }
            let slice = dicom::header(path).and_then(|header| {
                let contours = match is_drawn {
                    true => Some(self.read_contours(paths.iter().copied(), header.shape)?),
                    false => None,
                };
                Ok((header, contours))
            });
            match slice {
                Ok((header, contours)) => {
                    if header.spacing_mm.is_none() {
                        without_spacing.push(folder::name(path));
                    }
                    self.slices.push(Slice {
                        id: format!("{}/{}", patient.name, folder::stem(path)),
                        patient: patient.name.clone(),
                        path: path.clone(),
                        header,
                        contours,
                    });
                }
                Err(error) => self.warnings.push(error.into()),
            }
        }
        if !without.is_empty() {
            let kinds: Vec<_> =
                self.options.structure.contours().iter().map(|(kind, _)| kind.name()).collect();
            let what = format!(
                "{} of {} slices have no {}: {}; {}",
                without.len(),
                patient.slices.len(),
                kinds.join(" and "),
                folder::some_of(&without),
                match self.options.unlabelled {
                    Unlabelled::LeaveOut => "left out",
                    Unlabelled::Keep => "kept without a mask",
                }
            );
            self.warnings.push(Warning::new(&patient.place, what));
        }
        if !without_spacing.is_empty() {
            let what = format!(
                "{} slices do not say how large a pixel is (PixelSpacing): {}; distances in millimetres cannot be given for them",
                without_spacing.len(),
                folder::some_of(&without_spacing)
            );
            self.warnings.push(Warning::new(&patient.place, what));
        }
    }

    fn read_contours<'a>(
        &mut self,
        paths: impl Iterator<Item = (Option<&'a PathBuf>, u8)>,
        (height, width): (usize, usize),
    ) -> Result<Vec<(Vec<Point>, u8)>> {
        let mut contours = Vec::new();
        for (path, class) in paths {
            let Some(path) = path else { continue };
            let points = contour::read(path)?;
            let is_outside = |&[x, y]: &Point| {
                let (x, y) = (x - contour::FIRST_CENTRE + 0.5, y - contour::FIRST_CENTRE + 0.5);
                !(0.0..=width as f64).contains(&x) || !(0.0..=height as f64).contains(&y)
            };
            match points.iter().filter(|point| is_outside(point)).count() {
                0 => {}
                all if all == points.len() => {
                    let what = format!("all its {all} points lie outside the slice of {height} x {width}");
                    return Err(Error::input(path, what));
                }
                some => {
                    let what = format!(
                        "{some} of its {} points lie outside the slice of {height} x {width}; cut off at the edge",
                        points.len()
                    );
                    self.warnings.push(Warning::new(path, what));
                }
            }
            contours.push((points, class));
        }
        Ok(contours)
    }
}

/// Rotates by 90° counterclockwise: the last column becomes the first row.
fn quarter_turn<T: Copy>(pixels: ArrayView2<'_, T>) -> Array2<T> {
    let mut turned = pixels.reversed_axes();
    turned.invert_axis(Axis(0));
    turned.as_standard_layout().into_owned()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_quarter_turn_is_counterclockwise() {
        assert_eq!(quarter_turn(array![[1, 2], [3, 4], [5, 6]].view()), array![[2, 4, 6], [1, 3, 5]]);
    }
}
