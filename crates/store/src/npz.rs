//! NumPy's npz archives: label stacks, and a listing of any archive.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::{Array3, ArrayD, Ix3, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpzError, ReadableElement};

use super::listing::Entry;
use porecast_base::{Error, Result};

/// Name of the array of a label stack.
pub const LABELS: &str = "labels";

/// Reads the array `labels` `[time, y, x]`: 0 solid, 1 resident, 2 invading.
///
/// # Errors
/// The file is missing or damaged, has no such array, or the array is of another shape or holds other values.
pub fn read_labels(path: &Path) -> Result<Array3<u8>> {
    let mut reader = open(path)?;
    let names = reader.names().map_err(|e| damaged(path, e))?;
    if !names.iter().any(|name| name == LABELS) {
        return Err(Error::input(
            path,
            format!("has no array {LABELS:?}, which a label stack is; it has {}", names.join(", ")),
        ));
    }
    let labels = read_wide(&mut reader, LABELS).map_err(|e| damaged(path, e))?;
    let Some((_, labels)) = labels else {
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
    let mut reader = open(path)?;
    let names = reader.names().map_err(|e| damaged(path, e))?;
    let mut entries = Vec::new();
    for name in names {
        let array = match read_wide(&mut reader, &name).map_err(|e| damaged(path, e))? {
            Some(array) => Some(array),
            None => read_floats(&mut reader, &name).map_err(|e| damaged(path, e))?,
        };
        let (kind, shape) =
            array.map_or(("another type", Vec::new()), |(kind, array)| (kind, array.shape().to_vec()));
        entries.push(Entry { name, kind: kind.to_owned(), shape });
    }
    Ok(entries)
}

type Reader = NpzReader<BufReader<File>>;
type Found = std::result::Result<Option<(&'static str, ArrayD<f64>)>, ReadNpzError>;

fn open(path: &Path) -> Result<Reader> {
    let file = File::open(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    NpzReader::new(BufReader::new(file)).map_err(|e| damaged(path, e))
}

fn damaged(path: &Path, error: impl std::fmt::Display) -> Error {
    Error::input(path, format!("is not a readable npz archive: {error}"))
}

/// An array of integers or truth values; `None` for other types.
fn read_wide(reader: &mut Reader, name: &str) -> Found {
    if let Some(array) = read_as::<bool>(reader, name)? {
        return Ok(Some(("bool", array.mapv(f64::from))));
    }
    macro_rules! first_that_fits {
        ($($kind:ident)*) => {
            $(if let Some(array) = read_as::<$kind>(reader, name)? {
                return Ok(Some((stringify!($kind), array.mapv(|value| value as f64))));
            })*
        };
    }
    first_that_fits!(u8 i64 i32 u16 i16 i8 u32 u64);
    Ok(None)
}

fn read_floats(reader: &mut Reader, name: &str) -> Found {
    if let Some(array) = read_as::<f32>(reader, name)? {
        return Ok(Some(("f32", array.mapv(f64::from))));
    }
    Ok(read_as::<f64>(reader, name)?.map(|array| ("f64", array)))
}

/// An array of elements `T`; `None` when it is of another type.
fn read_as<T: ReadableElement>(
    reader: &mut Reader,
    name: &str,
) -> std::result::Result<Option<ArrayD<T>>, ReadNpzError> {
    match reader.by_name::<OwnedRepr<T>, IxDyn>(name) {
        Ok(array) => Ok(Some(array)),
        Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
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
