//! Content of any program's files: named arrays (HDF5, safetensors), trees of values (TOML, JSON).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::Deserialize;

use super::h5::{H5Reader, last_cause};
use porecast_base::{Error, Result};

/// A named array of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Name of the array.
    pub name: String,
    /// Type of its elements.
    pub kind: String,
    /// Length of each axis.
    pub shape: Vec<usize>,
}

/// Lists the datasets at the root of an HDF5 file.
///
/// # Errors
/// The file is missing, damaged or not HDF5.
pub fn hdf5(path: &Path) -> Result<Vec<Entry>> {
    let file = H5Reader::open(path)?;
    let datasets = file.file().datasets().map_err(|e| file.error("/", last_cause(&e)))?;
    let entry = |dataset: &::hdf5::Dataset| {
        let kind = dataset.dtype().and_then(|kind| kind.to_descriptor());
        Entry {
            name: dataset.name(),
            kind: kind.map_or_else(|_| "unknown".to_owned(), |kind| kind.to_string()),
            shape: dataset.shape(),
        }
    };
    Ok(datasets.iter().map(entry).collect())
}

/// The attribute `format` of an HDF5 file: which of porecast's schemas it follows, if any.
///
/// # Errors
/// The file is missing, damaged or not HDF5.
pub fn hdf5_format(path: &Path) -> Result<Option<String>> {
    Ok(H5Reader::open(path)?.text("format").ok())
}

#[derive(Deserialize)]
struct TensorHeader {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

/// Lists the tensors of a safetensors file; reads only its header.
///
/// # Errors
/// The file is missing, or its header and length do not fit together.
pub fn safetensors(path: &Path) -> Result<Vec<Entry>> {
    let damaged = |what: String| Error::input(path, format!("is not a safetensors file: {what}"));
    let mut file = File::open(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    let length = file.metadata().map_err(|e| damaged(e.to_string()))?.len();
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(|_| damaged("it is shorter than 8 bytes".to_owned()))?;
    let header_length = u64::from_le_bytes(prefix);
    let Some(data_length) = length.checked_sub(8).and_then(|left| left.checked_sub(header_length)) else {
        return Err(damaged(format!("its header would be {header_length} bytes of {length}")));
    };
    let mut header = vec![0; header_length as usize];
    file.read_exact(&mut header).map_err(|e| damaged(e.to_string()))?;
    let mut tensors: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&header).map_err(|e| damaged(format!("its header is no JSON table: {e}")))?;
    tensors.remove("__metadata__");
    let mut entries = Vec::new();
    for (name, value) in tensors {
        let tensor: TensorHeader =
            serde_json::from_value(value).map_err(|e| damaged(format!("tensor {name:?}: {e}")))?;
        if tensor.data_offsets.1 > data_length {
            let what =
                format!("tensor {name:?} ends at byte {}, the data at {data_length}", tensor.data_offsets.1);
            return Err(Error::input(path, format!("is truncated: {what}")));
        }
        entries.push(Entry { name, kind: tensor.dtype, shape: tensor.shape });
    }
    Ok(entries)
}

/// The values of a TOML file.
///
/// # Errors
/// The file cannot be read or is not TOML.
pub fn toml(path: &Path) -> Result<serde_json::Value> {
    tree(path, |text| ::toml::from_str(text).map_err(|e| e.message().to_owned()))
}

/// The values of a JSON file.
///
/// # Errors
/// The file cannot be read or is not JSON.
pub fn json(path: &Path) -> Result<serde_json::Value> {
    tree(path, |text| serde_json::from_str(text).map_err(|e| e.to_string()))
}

fn tree<T>(path: &Path, parse: impl Fn(&str) -> std::result::Result<T, String>) -> Result<T> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string());
    text.and_then(|text| parse(&text)).map_err(|e| Error::input(path, format!("cannot be read: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: &str, data: usize) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.resize(bytes.len() + data, 0);
        std::fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn tensors_are_listed_from_the_header() {
        let header = r#"{"__metadata__":{"a":"b"},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
        let (_folder, path) = file(header, 24);
        let entry = Entry { name: "w".into(), kind: "F32".into(), shape: vec![2, 3] };
        assert_eq!(safetensors(&path).unwrap(), [entry]);
        let (_folder, path) = file(header, 20);
        assert!(
            safetensors(&path)
                .unwrap_err()
                .to_string()
                .contains("is truncated: tensor \"w\" ends at byte 24")
        );
    }

    #[test]
    fn a_header_that_is_none_is_an_error() {
        let (_folder, path) = file("not json", 0);
        assert!(safetensors(&path).unwrap_err().to_string().contains("no JSON table"));
        std::fs::write(&path, [255; 12]).unwrap();
        assert!(safetensors(&path).unwrap_err().to_string().contains("its header would be"));
    }
}
