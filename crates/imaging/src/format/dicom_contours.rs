//! Cardiac MRI: DICOM slices, and contours in text files.
//!
//! Two layouts are told apart by what lies in the folder. That of the right ventricle challenge (RVSC), in which a
//! patient is a folder:
//!
//! ```text
//! patient09/P09dicom/P09-0020.dcm
//! patient09/P09contours-manual/P09-0020-icontour-manual.txt
//! patient09/P09list.txt                   the contours, as .\patient09\P09contours-manual\...
//! ```
//!
//! and that of the Sunnybrook data, in which a table ties slices to contours:
//!
//! ```text
//! link.csv                                patient_id,original_id
//! dicoms/SCD0000101/48.dcm
//! contourfiles/SC-HF-I-1/i-contours/IM-0001-0048-icontour-manual.txt
//! ```
//!
//! In both, the number of the slice is the last one in the name.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ndarray::{Array2, ArrayView2, Axis};
use serde::{Deserialize, Serialize};

use super::contour::{self, Kind};
use super::{Scaling, Unlabelled, dicom, folder, nothing_usable};
use crate::annotated::AnnotatedImage;
use crate::polygon::{self, Point};
use crate::warning::Warning;
use porecast_base::{Error, Result};

/// What the mask shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// Contours that it needs, the one that is drawn first first, with their classes.
    fn contours(self) -> &'static [(Kind, u8)] {
        match self {
            Self::Cavity => &[(Kind::Inner, 1)],
            Self::Whole => &[(Kind::Outer, 1)],
            Self::CavityAndWall => &[(Kind::Outer, 2), (Kind::Inner, 1)],
        }
    }
}

/// How slices are turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Orientation {
    /// As they are stored.
    #[default]
    AsStored,
    /// Those that are higher than wide are turned by a quarter, counterclockwise, so that all lie alike.
    Landscape,
}

/// How the slices are to be read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// What the mask shows.
    pub structure: Structure,
    /// What becomes of slices without a contour.
    pub unlabelled: Unlabelled,
    /// How slices are turned.
    pub orientation: Orientation,
    /// Stored values to [0, 1].
    pub scaling: Scaling,
}

impl Default for Options {
    /// Each slice from its smallest to its largest value: the numbers of MRI have no unit.
    fn default() -> Self {
        Self {
            structure: Structure::default(),
            unlabelled: Unlabelled::default(),
            orientation: Orientation::default(),
            scaling: Scaling::Image,
        }
    }
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
    /// In the order in which they are drawn.
    contours: Option<Vec<(Vec<Point>, u8)>>,
}

/// What belongs to one patient, whatever the layout.
struct Patient {
    name: String,
    slices: BTreeMap<u32, PathBuf>,
    contours: BTreeMap<(u32, Kind), PathBuf>,
    /// What to name in a warning about all of the patient.
    place: PathBuf,
}

impl DicomContours {
    /// Finds slices and contours in `path`, a data set or, in the layout of RVSC, a single patient.
    ///
    /// # Errors
    /// The folder cannot be read, or holds no slice that could be used.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let files = folder::files_below(path)?;
        let mut source = Self { options, slices: Vec::new(), warnings: Vec::new() };
        let tables: Vec<&PathBuf> = files.iter().filter(|file| folder::name(file) == "link.csv").collect();
        let patients = match tables[..] {
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

    /// What was odd.
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
    /// The pixels are damaged or not grey.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let slice = &self.slices[index];
        let mut pixels = dicom::pixels(&slice.path)?;
        let values = pixels.as_slice_mut().expect("pixels are in rows");
        self.options
            .scaling
            .apply(values, None)
            .ok_or_else(|| Error::input(&slice.path, "holds values that are not numbers"))?;
        if slice.header.is_inverted {
            pixels.mapv_inplace(|v| 1.0 - v);
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

    /// Adds the slices of a patient, and a warning for everything that is not as it should be.
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

/// Rows become columns, the last column the first row.
fn quarter_turn<T: Copy>(pixels: ArrayView2<'_, T>) -> Array2<T> {
    let mut turned = pixels.reversed_axes();
    turned.invert_axis(Axis(0));
    turned.as_standard_layout().into_owned()
}

/// Number at the end of a name without extension, like 20 in `P09-0020` and in `20`.
fn slice_number(path: &Path) -> Option<u32> {
    let stem = folder::stem(path);
    let digits = stem.len() - stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    stem[digits..].parse().ok()
}

/// Slices in `files` that lie in `parent` itself; names without a number and numbers that come twice get a warning.
fn slices_in(parent: &Path, files: &[PathBuf], warnings: &mut Vec<Warning>) -> BTreeMap<u32, PathBuf> {
    let mut slices = BTreeMap::<u32, PathBuf>::new();
    for file in files.iter().filter(|f| f.parent() == Some(parent) && folder::extension(f) == "dcm") {
        match slice_number(file) {
            None => {
                warnings.push(Warning::new(file, "does not end in the number of a slice; left out"));
            }
            Some(number) => match slices.get(&number) {
                Some(first) => {
                    let what = format!("has the same slice number as {}; left out", folder::name(first));
                    warnings.push(Warning::new(file, what));
                }
                None => {
                    slices.insert(number, file.clone());
                }
            },
        }
    }
    slices
}

/// Contours anywhere below `parent`.
fn contours_below(
    parent: &Path,
    files: &[PathBuf],
    warnings: &mut Vec<Warning>,
) -> BTreeMap<(u32, Kind), PathBuf> {
    let mut contours = BTreeMap::<(u32, Kind), PathBuf>::new();
    for file in files.iter().filter(|file| file.starts_with(parent)) {
        let Some(key) = contour::of_name(&folder::name(file)) else { continue };
        if let Some(first) = contours.get(&key) {
            let what = format!(
                "is a second {} of slice {} beside {}; left out",
                key.1.name(),
                key.0,
                first.display()
            );
            warnings.push(Warning::new(file, what));
        } else {
            contours.insert(key, file.clone());
        }
    }
    contours
}

/// Patients as in RVSC: every folder `P<number>dicom` is one, what belongs to it lies beside.
fn rvsc(files: &[PathBuf], warnings: &mut Vec<Warning>) -> Vec<Patient> {
    let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
    let mut patients: Vec<Patient> = Vec::new();
    for slices_folder in folders {
        let name = folder::name(slices_folder);
        let Some(name) = name.strip_suffix("dicom").filter(|name| is_patient(name)) else { continue };
        let place = slices_folder.parent().unwrap_or(slices_folder).to_path_buf();
        if let Some(other) = patients.iter().find(|patient| patient.name == name) {
            let what = format!("is a second patient {name} beside {}; left out", other.place.display());
            warnings.push(Warning::new(slices_folder, what));
            continue;
        }
        let contours_folder = place.join(format!("{name}contours-manual"));
        let contours = contours_below(&contours_folder, files, warnings);
        if contours.is_empty() {
            warnings.push(Warning::new(&contours_folder, format!("holds no contour of patient {name}")));
        }
        let list = place.join(format!("{name}list.txt"));
        match std::fs::read_to_string(&list) {
            Ok(text) => compare_with_list(&list, &text, &contours, warnings),
            Err(e) => {
                let what =
                    format!("the list of contours cannot be read ({e}); all contours in the folder are used");
                warnings.push(Warning::new(&list, what));
            }
        }
        let slices = slices_in(slices_folder, files, warnings);
        patients.push(Patient { name: name.to_owned(), slices, contours, place });
    }
    patients
}

/// Whether it is `P` and digits.
fn is_patient(name: &str) -> bool {
    name.strip_prefix('P').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn compare_with_list(
    list: &Path,
    text: &str,
    contours: &BTreeMap<(u32, Kind), PathBuf>,
    warnings: &mut Vec<Warning>,
) {
    // Written on a system that separates folders by backslashes: the name is what counts.
    let listed: Vec<&str> = text.lines().map(folder::last_part).filter(|name| !name.is_empty()).collect();
    let present: Vec<String> = contours.values().map(|path| folder::name(path)).collect();
    let absent: Vec<String> = listed
        .iter()
        .filter(|&&name| !present.iter().any(|p| p == name))
        .map(|&name| name.to_owned())
        .collect();
    if !absent.is_empty() {
        let what =
            format!("names {} contours that are not there: {}", absent.len(), folder::some_of(&absent));
        warnings.push(Warning::new(list, what));
    }
    let unlisted: Vec<String> = present.into_iter().filter(|name| !listed.contains(&name.as_str())).collect();
    if !unlisted.is_empty() {
        let what = format!(
            "does not name {} contours that are there: {}; they are used",
            unlisted.len(),
            folder::some_of(&unlisted)
        );
        warnings.push(Warning::new(list, what));
    }
}

/// Patients as in the Sunnybrook data: `link.csv` ties folders of slices to folders of contours.
fn sunnybrook(table: &Path, files: &[PathBuf], warnings: &mut Vec<Warning>) -> Result<Vec<Patient>> {
    let text =
        std::fs::read_to_string(table).map_err(|e| Error::input(table, format!("cannot be read: {e}")))?;
    let root = table.parent().unwrap_or(table);
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default().trim_start_matches('\u{feff}');
    let columns: Vec<&str> = header.split(',').map(str::trim).collect();
    let column = |name: &str| {
        columns.iter().position(|c| *c == name).ok_or_else(|| {
            Error::input(
                table,
                format!("has no column {name:?}; its first line must be patient_id,original_id"),
            )
        })
    };
    let (patient_column, original_column) = (column("patient_id")?, column("original_id")?);
    let mut patients: Vec<Patient> = Vec::new();
    for (number, line) in lines.enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let (Some(&name), Some(&original)) = (fields.get(patient_column), fields.get(original_column)) else {
            warnings.push(Warning::new(table, format!("line {} has too few columns; left out", number + 2)));
            continue;
        };
        let (slices_folder, contours_folder) =
            (root.join("dicoms").join(name), root.join("contourfiles").join(original));
        let slices = slices_in(&slices_folder, files, warnings);
        let contours = contours_below(&contours_folder, files, warnings);
        let missing = match (slices.is_empty(), contours.is_empty()) {
            (true, true) => "neither slices nor contours are there",
            (true, false) => "no slices are there",
            (false, true) => "no contours are there",
            (false, false) => "",
        };
        if !missing.is_empty() {
            let what = format!("names patient {name} ({original}), of whom {missing}");
            warnings.push(Warning::new(table, what));
        }
        if !slices.is_empty() {
            patients.push(Patient { name: name.to_owned(), slices, contours, place: slices_folder });
        }
    }
    let linked: Vec<&Path> = patients.iter().map(|patient| patient.place.as_path()).collect();
    let unlinked: BTreeSet<&Path> = files
        .iter()
        .filter(|file| folder::extension(file) == "dcm" && file.starts_with(root))
        .filter_map(|file| file.parent())
        .filter(|parent| !linked.contains(parent))
        .collect();
    for parent in unlinked {
        let what = format!("holds slices of a patient that {} does not name; left out", table.display());
        warnings.push(Warning::new(parent, what));
    }
    Ok(patients)
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn a_quarter_turn_is_counterclockwise() {
        assert_eq!(quarter_turn(array![[1, 2], [3, 4], [5, 6]].view()), array![[2, 4, 6], [1, 3, 5]]);
    }

    #[test]
    fn the_slice_number_ends_the_name() {
        assert_eq!(slice_number(Path::new("a/P09-0020.dcm")), Some(20));
        assert_eq!(slice_number(Path::new("a/7.dcm")), Some(7));
        assert_eq!(slice_number(Path::new("a/scout.dcm")), None);
    }
}
