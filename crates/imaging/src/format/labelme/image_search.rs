//! Finds the image that a JSON file annotates.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Document, Pixels, folder};
use crate::warning::Warning;
use porecast_base::{Error, Result};

/// The place of each image.
pub(super) struct Located {
    pub(super) places: Vec<Result<Pixels>>,
    /// JSON file and image.
    moved: Vec<(PathBuf, PathBuf)>,
}

impl Located {
    /// The warning about images that are not where their JSON files say.
    pub(super) fn warning(&self, root: &Path) -> Option<Warning> {
        let below = |path: &Path| path.strip_prefix(root).unwrap_or(path).display().to_string();
        let pairs: Vec<String> =
            self.moved.iter().map(|(json, image)| format!("{} -> {}", below(json), below(image))).collect();
        let what = format!(
            "{} JSON files name an image (imagePath) that is not there; the only image of that name is taken: {}",
            pairs.len(),
            folder::some_of(&pairs)
        );
        (!pairs.is_empty()).then(|| Warning::new(root, what))
    }
}

/// The images of a folder.
pub(super) struct Images<'a> {
    /// By file name in lower case.
    by_name: BTreeMap<String, Vec<&'a PathBuf>>,
    /// By the path without links.
    by_place: BTreeMap<PathBuf, &'a PathBuf>,
}

impl<'a> Images<'a> {
    pub(super) fn new(images: &[&'a PathBuf]) -> Self {
        let mut by_name = BTreeMap::<String, Vec<&PathBuf>>::new();
        let mut by_place = BTreeMap::new();
        for &image in images {
            by_name.entry(folder::name(image).to_lowercase()).or_default().push(image);
            by_place.insert(fs::canonicalize(image).unwrap_or_else(|_| image.clone()), image);
        }
        Self { by_name, by_place }
    }

    /// Finds the image of each document: where `imagePath` says; or in the document; or elsewhere, if exactly one
    /// image has that name, and no other document asks for it.
    pub(super) fn locate(&self, documents: &[(&Path, Document)]) -> Located {
        let exact: Vec<Option<PathBuf>> =
            documents.iter().map(|(json, document)| self.as_written(json, document)).collect();
        let taken: BTreeSet<&PathBuf> = exact.iter().flatten().collect();
        let mut searches: BTreeMap<String, usize> = BTreeMap::new();
        for ((json, document), found) in documents.iter().zip(&exact) {
            if found.is_none() && document.image_data.is_none() && self.beside(json, document).is_none() {
                *searches.entry(name(document)).or_default() += 1;
            }
        }
        let mut moved = Vec::new();
        let places = documents
            .iter()
            .zip(&exact)
            .map(|((json, document), found)| {
                if let Some(image) = found {
                    return Ok(Pixels::File(image.clone()));
                }
                if document.image_data.is_some() {
                    return Ok(Pixels::Embedded(json.to_path_buf()));
                }
                let candidates = self.with_name(document);
                let image = match (self.beside(json, document), candidates) {
                    (Some(image), _) => image,
                    (None, [image]) if searches[&name(document)] == 1 && !taken.contains(image) => image,
                    _ => return Err(lost(json, document, candidates.len())),
                };
                moved.push((json.to_path_buf(), image.clone()));
                Ok(Pixels::File(image.clone()))
            })
            .collect();
        Located { places, moved }
    }

    /// The images with the file name in `imagePath`.
    pub(super) fn with_name(&self, document: &Document) -> &[&'a PathBuf] {
        self.by_name.get(&name(document)).map_or(&[], Vec::as_slice)
    }

    /// The image at `imagePath`, which is relative to the JSON file and may have Windows separators.
    fn as_written(&self, json: &Path, document: &Document) -> Option<PathBuf> {
        let written = document.image_path.as_deref()?.trim();
        let folder = json.parent().unwrap_or(json);
        let places = [folder.join(written), folder.join(written.replace('\\', "/"))];
        let path = places.into_iter().find(|path| path.is_file())?;
        let listed = fs::canonicalize(&path).ok().and_then(|place| self.by_place.get(&place).copied());
        Some(listed.cloned().unwrap_or(path))
    }

    /// The image of the same name beside the JSON file, if `imagePath` is an absolute path, of another computer.
    fn beside(&self, json: &Path, document: &Document) -> Option<&'a PathBuf> {
        let written = document.image_path.as_deref()?.trim();
        let is_absolute = written.starts_with(['/', '\\']) || written.get(1..2) == Some(":");
        let mut same = self.with_name(document).iter().copied();
        same.find(|image| is_absolute && image.parent() == json.parent())
    }
}

fn lost(json: &Path, document: &Document, candidates: usize) -> Error {
    let written = document.image_path.as_deref().unwrap_or_default();
    let elsewhere = match candidates {
        0 => "",
        1 => " (an image of that name elsewhere belongs to another JSON file, too)",
        _ => " (several images elsewhere have that name)",
    };
    let what = format!(
        "belongs to image {written:?}, which is not there{elsewhere}, and holds no image itself (imageData is null); \
         put the image where imagePath says"
    );
    Error::input(json, what)
}

/// The file name in `imagePath`, in lower case.
fn name(document: &Document) -> String {
    folder::last_part(document.image_path.as_deref().unwrap_or_default()).to_lowercase()
}
