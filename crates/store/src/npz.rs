//! NumPy npz archives: reads label stacks, lists any archive.

use std::path::Path;

use ndarray::{Array3, Ix3};

use super::listing::Entry;
use porecast_base::{Error, Result};
use porecast_imaging::format::npz::{Archive, Numbers};

/// Name of the array of a label stack.
pub const LABELS: &str = "labels";

/// Reads the array `labels` `[time, y, x]`: 0 solid, 1 defending, 2 invading.
///
/// # Errors
/// The file is missing or damaged, or lacks an array of this name, shape and range of values.
pub fn read_labels(path: &Path) -> Result<Array3<u8>> {
    let mut archive = Archive::open(path)?;
    let names = archive.names()?;
    if !names.iter().any(|name| name == LABELS) {
        return Err(Error::input(
            path,
            format!("has no array {LABELS:?} with the label stack; it has {}", names.join(", ")),
        ));
    }
    let numbers = archive.numbers(LABELS)?.filter(|numbers| !numbers.kind.starts_with('f'));
    let Some(Numbers { values: labels, .. }) = numbers else {
        return Err(Error::input(path, format!("array {LABELS:?} does not hold integers")));
    };
    let shape = labels.shape().to_vec();
    let labels = labels.into_dimensionality::<Ix3>().map_err(|_| {
        Error::input(path, format!("array {LABELS:?} has shape {shape:?}, expected [time, y, x]"))
    })?;
    if labels.is_empty() {
        return Err(Error::input(path, format!("array {LABELS:?} has shape {shape:?}: it is empty")));
    }
    if let Some(((t, y, x), value)) = labels.indexed_iter().find(|(_, label)| !(0.0..=2.0).contains(*label)) {
        return Err(Error::input(
            path,
            format!("array {LABELS:?} holds {value} at (time, y, x) = ({t}, {y}, {x}), expected 0, 1 or 2"),
        ));
    }
    Ok(labels.mapv(|label| label as u8))
}

/// Lists the arrays of an archive.
///
/// # Errors
/// The file is missing or damaged.
pub fn entries(path: &Path) -> Result<Vec<Entry>> {
    let mut archive = Archive::open(path)?;
    let mut entries = Vec::new();
    for name in archive.names()? {
        let (kind, shape) = match archive.numbers(&name)? {
            Some(Numbers { kind, values }) => (kind, values.shape().to_vec()),
            None => ("another type", Vec::new()),
        };
        entries.push(Entry { name, kind: kind.to_owned(), shape });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use ndarray::array;
    use ndarray_npy::NpzWriter;

    use super::*;

    fn archive(write: impl FnOnce(&mut NpzWriter<File>)) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        let mut writer = NpzWriter::new_compressed(File::create(&path).unwrap());
        write(&mut writer);
        writer.finish().unwrap();
        (folder, path)
    }

    #[test]
    fn labels_of_any_integer_type_read_alike() {
        let (_folder, path) = archive(|w| w.add_array("labels", &array![[[0_i64, 1, 2]]]).unwrap());
        assert_eq!(read_labels(&path).unwrap(), array![[[0, 1, 2]]]);
        let (_folder, path) = archive(|w| w.add_array("labels", &array![[[0_u8, 1, 2]]]).unwrap());
        assert_eq!(read_labels(&path).unwrap(), array![[[0, 1, 2]]]);
    }

    #[test]
    fn a_stack_that_is_none_is_refused_with_the_reason() {
        let refused = |write: &dyn Fn(&mut NpzWriter<File>), wanted: &str| {
            let (_folder, path) = archive(|w| write(w));
            let error = read_labels(&path).unwrap_err().to_string();
            assert!(error.contains("a.npz") && error.contains(wanted), "{error}");
        };
        refused(&|w| w.add_array("frames", &array![[[0_u8]]]).unwrap(), "has no array \"labels\"");
        refused(&|w| w.add_array("labels", &array![[0_u8]]).unwrap(), "has shape [1, 1], expected");
        refused(
            &|w| w.add_array("labels", &array![[[0_u8, 3]]]).unwrap(),
            "holds 3 at (time, y, x) = (0, 0, 1)",
        );
        refused(&|w| w.add_array("labels", &array![[[f32::NAN]]]).unwrap(), "does not hold integers");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.npz");
        std::fs::write(&path, "PK but not really").unwrap();
        assert!(read_labels(&path).unwrap_err().to_string().contains("is not a readable npz archive"));
    }

    #[test]
    fn the_listing_names_types_and_shapes() {
        let (_folder, path) = archive(|w| {
            w.add_array("a", &array![[1.0_f32, 2.0]]).unwrap();
            w.add_array("b", &array![true]).unwrap();
        });
        let entries = entries(&path).unwrap();
        let entry = |name: &str, kind: &str, shape| Entry { name: name.into(), kind: kind.into(), shape };
        assert_eq!(entries, [entry("a", "f32", vec![1, 2]), entry("b", "bool", vec![1])]);
    }
}
