//! The files of each patient, in the folders of RVSC and of the Sunnybrook data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use porecast_base::{Error, Result};

use super::super::contour::{self, Kind};
use super::super::folder;
use crate::warning::Warning;

/// The files of one patient, in either layout.
pub(super) struct Patient {
    pub name: String,
    pub slices: BTreeMap<u32, PathBuf>,
    pub contours: BTreeMap<(u32, Kind), PathBuf>,
    /// Path to name in warnings about the whole patient.
    pub place: PathBuf,
}

/// Number at the end of a name without extension, like 20 in `P09-0020` and in `20`.
fn slice_number(path: &Path) -> Option<u32> {
    let stem = folder::stem(path);
    let digits = stem.len() - stem.bytes().rev().take_while(u8::is_ascii_digit).count();
    stem[digits..].parse().ok()
}

/// The slices among `files` directly in `parent`. Names without a number and duplicate numbers cause a
/// warning.
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

/// Patients in the RVSC layout: every folder `P<number>dicom` is one patient; the other files lie beside it.
pub(super) fn rvsc(files: &[PathBuf], warnings: &mut Vec<Warning>) -> Vec<Patient> {
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

/// Whether the name is `P` followed by digits.
fn is_patient(name: &str) -> bool {
    name.strip_prefix('P').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn compare_with_list(
    list: &Path,
    text: &str,
    contours: &BTreeMap<(u32, Kind), PathBuf>,
    warnings: &mut Vec<Warning>,
) {
    // The list was written on Windows, with backslashes in its paths; only the file name matters.
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

/// Patients in the Sunnybrook layout: `link.csv` links folders of slices to folders of contours.
pub(super) fn sunnybrook(
    table: &Path,
    files: &[PathBuf],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Patient>> {
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
    use super::*;

    #[test]
    fn the_slice_number_ends_the_name() {
        assert_eq!(slice_number(Path::new("a/P09-0020.dcm")), Some(20));
        assert_eq!(slice_number(Path::new("a/7.dcm")), Some(7));
        assert_eq!(slice_number(Path::new("a/scout.dcm")), None);
    }
}
