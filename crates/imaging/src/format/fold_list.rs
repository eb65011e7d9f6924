//! Published lists of images for the folds of a data set, with bounding boxes of their objects.
//!
//! ```json
//! [{"filename": "00000446", "version": "4.5.5", "height": 942, "width": 1716, "numobj": 2,
//!   "bbox_xyxy": [[269.8, 408.5, 341.6, 485.8], ...], "ratio": 0.0038}, {"filename": "Public_00000000"}]
//! ```

use std::collections::BTreeSet;
use std::path::Path;

use serde::Deserialize;

use crate::split::Split;
use porecast_base::{Error, Result};

/// An image of a published list.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct ListedImage {
    /// Name of the image without its extension.
    #[serde(rename = "filename")]
    pub id: String,
    /// Version of labelme that was used for its annotation.
    #[serde(default)]
    pub version: Option<String>,
    /// Height in pixels.
    #[serde(default)]
    pub height: Option<usize>,
    /// Width in pixels.
    #[serde(default)]
    pub width: Option<usize>,
    /// Left, top, right and bottom of each object in pixels; empty if the list does not publish them.
    #[serde(default, rename = "bbox_xyxy")]
    pub boxes: Vec<[f64; 4]>,
    /// Fraction of the image's pixels covered by its objects.
    #[serde(default, rename = "ratio")]
    pub target_ratio: Option<f64>,
}

/// Reads a list.
///
/// # Errors
/// If the file cannot be read, has another format, is empty, or lists an image twice.
pub fn read(path: &Path) -> Result<Vec<ListedImage>> {
    let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    let images: Vec<ListedImage> = serde_json::from_slice(&bytes)
        .map_err(|e| Error::input(path, format!("is not a list of images: {e}")))?;
    if images.is_empty() {
        return Err(Error::input(path, "names no image"));
    }
    let mut seen = BTreeSet::new();
    if let Some(twice) = images.iter().find(|image| !seen.insert(&image.id)) {
        return Err(Error::input(path, format!("names {:?} twice", twice.id)));
    }
    Ok(images)
}

/// The split described by the lists in `folder`: `Fold0_train.json`, `Fold0_valid.json`, `Fold1_train.json`,
/// ... and `Test.json`.
///
/// # Errors
/// If there are fewer than two folds, a list cannot be read, the training images of a fold are not exactly
/// the validation images of the other folds, or an image is in two parts.
pub fn read_split(folder: &Path) -> Result<Split> {
    let ids = |name: String| -> Result<Vec<String>> {
        Ok(read(&folder.join(name))?.into_iter().map(|image| image.id).collect())
    };
    let count = (0..).take_while(|fold| folder.join(format!("Fold{fold}_valid.json")).exists()).count();
    if count < 2 {
        return Err(Error::input(folder, "holds no lists Fold0_valid.json, Fold1_valid.json, ..."));
    }
    let folds = (0..count).map(|fold| ids(format!("Fold{fold}_valid.json"))).collect::<Result<Vec<_>>>()?;
    let split = Split { train: Vec::new(), test: ids("Test.json".into())?, folds };
    let mut seen = BTreeSet::new();
    if let Some(twice) = split.folds.iter().flatten().chain(&split.test).find(|id| !seen.insert(*id)) {
        return Err(Error::input(folder, format!("holds {twice:?} in two parts")));
    }
    for fold in 0..count {
        let name = format!("Fold{fold}_train.json");
        let (listed, wanted) = (ids(name.clone())?, split.training(fold));
        if listed.iter().collect::<BTreeSet<_>>() != wanted.iter().collect::<BTreeSet<_>>() {
            let what = "must list exactly the validation images of all other folds";
            return Err(Error::input(&folder.join(name), what));
        }
    }
    Ok(split)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_folds_become_a_split_and_leaks_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, ids: &[&str]| {
            let images: Vec<_> = ids.iter().map(|id| serde_json::json!({ "filename": id })).collect();
            std::fs::write(folder.path().join(name), serde_json::to_string(&images).unwrap()).unwrap();
        };
        let refused = |wanted: &str| {
            let error = read_split(folder.path()).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        };
        refused("holds no lists");
        write("Fold0_valid.json", &["a", "b"]);
        write("Fold1_valid.json", &["c"]);
        write("Fold0_train.json", &["c"]);
        write("Fold1_train.json", &["b", "a"]);
        write("Test.json", &["d"]);
        let split = read_split(folder.path()).unwrap();
        assert_eq!((split.folds.len(), split.training(1)), (2, vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(split.test, ["d"]);
        write("Fold0_train.json", &["c", "a"]);
        refused("Fold0_train.json: must list exactly");
        write("Test.json", &["a"]);
        refused("\"a\" in two parts");
    }

    fn read_text(text: &str) -> std::result::Result<Vec<ListedImage>, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("Fold0_train.json");
        std::fs::write(&path, text).unwrap();
        read(&path).map_err(|e| e.to_string())
    }

    #[test]
    fn lists_with_and_without_boxes_are_read() {
        let list = r#"[{"filename": "1", "version": "3.16.7", "height": 942, "width": 1716, "numobj": 1,
            "bbox_xyxy": [[1.5, 2, 3, 4]], "ratio": 0.25}, {"filename": "Public_2"}]"#;
        let images = read_text(list).unwrap();
        assert_eq!((images[0].boxes[0], images[0].target_ratio), ([1.5, 2.0, 3.0, 4.0], Some(0.25)));
        assert_eq!((images[1].id.as_str(), images[1].target_ratio), ("Public_2", None));
    }

    #[test]
    fn empty_repeated_and_foreign_lists_are_refused() {
        assert!(read_text("[]").unwrap_err().contains("Fold0_train.json: names no image"));
        assert!(read_text(r#"[{"filename": "1"}, {"filename": "1"}]"#).unwrap_err().contains("\"1\" twice"));
        assert!(read_text(r#"{"shapes": []}"#).unwrap_err().contains("is not a list of images"));
    }
}
