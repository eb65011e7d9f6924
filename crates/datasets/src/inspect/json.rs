//! `porecast inspect --json`: the content of a file under stable names, listed in docs/reference/json.md.

use std::path::Path;

use porecast_base::{Error, Result};
use porecast_store::grey_image::{self, GreyImage};
use porecast_store::invasion::parts_folder;
use porecast_store::listing::{self, Entry};
use porecast_store::{
    InvasionDataset, MaskFile, PredictionFile, Predictions, RunFolder, SegmentationDataset, mask_prediction,
    npz, prediction, segmentation,
};
use serde_json::{Value, json};

/// Describes a file or folder.
///
/// # Errors
/// It is missing, damaged or of unknown kind.
pub(super) fn describe(path: &Path, page: Option<usize>) -> Result<Value> {
    let mut value = content(path, page)?;
    if let Some(table) = value.as_object_mut() {
        table.insert("path".to_owned(), json!(path));
    }
    Ok(value)
}

fn content(path: &Path, page: Option<usize>) -> Result<Value> {
    if !path.exists() && parts_folder(path).is_dir() {
        return dataset(path);
    }
    if path.is_dir() {
        let card = RunFolder::new(path).card_path();
        return if card.exists() {
            Ok(json!({ "kind": "run", "card": listing::json(&card)? }))
        } else {
            dataset(path)
        };
    }
    if grey_image::is_image(path) {
        let image = GreyImage::read(path, page)?;
        let (height, width) = image.grey.dim();
        let (low, high) = image.range;
        return Ok(json!({
            "kind": "image", "height": height, "width": width, "lowest": low, "highest": high,
            "pages": grey_image::pages(path)?,
        }));
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "npz" => Ok(arrays(&npz::entries(path)?)),
        "safetensors" => Ok(arrays(&listing::safetensors(path)?)),
        "toml" => Ok(json!({ "kind": "toml", "content": listing::toml(path)? })),
        "json" => Ok(json!({ "kind": "json", "content": listing::json(path)? })),
        "csv" => Err(Error::config("--json", "is not for tables, which are CSV already; leave it out")),
        _ => match listing::hdf5_format(path)?.as_deref() {
            Some(prediction::FORMAT) => predictions(path),
            Some(segmentation::FORMAT) => images(path),
            Some(mask_prediction::FORMAT) => masks(path),
            Some(_) => dataset(path),
            None => {
                let entries = listing::hdf5(path)?;
                let is_benchmark = entries.iter().any(|entry| entry.name == "/alpha_water");
                if is_benchmark { dataset(path) } else { Ok(arrays(&entries)) }
            }
        },
    }
}

fn dataset(path: &Path) -> Result<Value> {
    let dataset = InvasionDataset::open(path)?;
    let (frames, height, width) = dataset.shape();
    Ok(json!({
        "kind": "invasion-dataset", "domains": dataset.len(), "frames": frames, "height": height, "width": width,
        "voxel_size_m": dataset.voxel_size_m(), "inlet": dataset.inlet(), "time_unit": dataset.time_unit(),
        "simulator": dataset.origin().simulator, "fingerprint": dataset.fingerprint()?,
        "domain_ids": dataset.domain_ids(), "has_flow": dataset.has_flow(),
    }))
}

fn predictions(path: &Path) -> Result<Value> {
    let file = PredictionFile::open(path)?;
    let (frames, height, width) = file.shape();
    let header = file.header();
    Ok(json!({
        "kind": "predictions", "domains": file.domain_ids().len(), "frames": frames, "height": height, "width": width,
        "voxel_size_m": header.voxel_size_m, "inlet": header.inlet, "time_unit": header.time_unit,
        "source": header.source, "domain_ids": file.domain_ids(),
    }))
}

fn images(path: &Path) -> Result<Value> {
    let dataset = SegmentationDataset::open(path)?;
    let (channels, height, width) = dataset.shape();
    let with_mask = dataset.has_mask().iter().filter(|has_mask| **has_mask).count();
    Ok(json!({
        "kind": "segmentation-dataset", "images": dataset.ids().len(), "with_mask": with_mask, "channels": channels,
        "height": height, "width": width, "classes": dataset.classes(), "fingerprint": dataset.fingerprint()?,
        "image_ids": dataset.ids(),
    }))
}

fn masks(path: &Path) -> Result<Value> {
    let file = MaskFile::open(path)?;
    Ok(json!({
        "kind": "masks", "images": file.ids().len(), "classes": file.classes(), "source": file.source(),
        "image_ids": file.ids(),
    }))
}

fn arrays(entries: &[Entry]) -> Value {
    let array = |entry: &Entry| json!({ "name": entry.name, "type": entry.kind, "shape": entry.shape });
    json!({ "kind": "arrays", "arrays": entries.iter().map(array).collect::<Vec<_>>() })
}
