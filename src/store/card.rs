//! The dataset card: a page of Markdown beside a dataset that says what is in it and how it was made.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{InvasionDataset, atomic};
use crate::error::{Error, Result};

/// Where the card of a dataset is.
pub fn path(dataset: &Path) -> PathBuf {
    let mut name = dataset.file_name().unwrap_or_default().to_owned();
    name.push(".card.md");
    dataset.with_file_name(name)
}

/// Writes the card of a dataset beside it; `notes` are added as they are.
///
/// # Errors
/// A sequence cannot be read or the card not be written.
pub fn write(dataset: &InvasionDataset, notes: &str) -> Result<()> {
    let path = path(dataset.path());
    let mut porosity = Vec::new();
    let mut saturation = Vec::new();
    for index in 0..dataset.len() {
        let sequence = dataset.sequence(index)?;
        porosity.push(sequence.domain.porosity());
        let breakthrough = sequence.breakthrough_time();
        let frame = breakthrough.and_then(|time| sequence.times.iter().position(|&t| t >= time));
        saturation.extend(frame.map(|frame| sequence.saturation()[frame]));
    }
    let text = render(dataset, notes, &porosity, &saturation).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, text.as_bytes())
}

fn render(
    dataset: &InvasionDataset,
    notes: &str,
    porosity: &[f64],
    saturation: &[f64],
) -> std::result::Result<String, std::fmt::Error> {
    let name = dataset.path().file_name().unwrap_or_default().to_string_lossy();
    let (frames, height, width) = dataset.shape();
    let n = dataset.len();
    let origin = dataset.origin();
    let unit = serde_json::to_value(dataset.time_unit()).unwrap_or_default();
    let unit = unit.as_str().unwrap_or_default();
    let mut card = String::new();
    let w = &mut card;
    writeln!(w, "# {name}\n")?;
    writeln!(
        w,
        "Invasion sequences of porous domains: geometry, and where the invading fluid is at each time.\n"
    )?;
    writeln!(w, "| | |\n|---|---|")?;
    writeln!(w, "| domains | {n} |")?;
    writeln!(w, "| frames | {frames} |")?;
    writeln!(w, "| size | {height} x {width} pixels (height x width) |")?;
    writeln!(w, "| pixel | {:e} m |", dataset.voxel_size_m())?;
    writeln!(w, "| inlet | {} |", dataset.inlet())?;
    writeln!(w, "| time | {unit} |")?;
    writeln!(w, "| made by | {} |", origin.simulator)?;
    writeln!(w, "| porosity | {} |", spread(porosity))?;
    writeln!(w, "| saturation at breakthrough | {} |", spread(saturation))?;
    writeln!(w, "| domains that reach breakthrough | {} of {n} |", saturation.len())?;
    writeln!(
        w,
        "\nSaturation is the share of the pore space; at breakthrough it is that of the first frame with invading \
         fluid on the outlet edge."
    )?;
    if !notes.is_empty() {
        writeln!(w, "\n{}", notes.trim_end())?;
    }
    if !origin.campaign.is_empty() {
        writeln!(w, "\n## How it was made\n\n`porecast simulate` with this configuration makes it again:\n")?;
        writeln!(w, "```toml\n{}\n```", origin.campaign.trim_end())?;
    }
    writeln!(
        w,
        "\n## What is in the file\n\nHDF5, format `porecast-invasion`, version 1. Axes: domain, time, y, x.\n"
    )?;
    writeln!(w, "| dataset | shape | type | |\n|---|---|---|---|")?;
    writeln!(w, "| `/solid` | ({n}, {height}, {width}) | u8 | 1 = solid |")?;
    writeln!(
        w,
        "| `/phase` | ({n}, {frames}, {height}, {width}) | u8 | 1 = invading phase, 0 elsewhere, solid included |"
    )?;
    writeln!(w, "| `/time` | ({n}, {frames}) | f64 | {unit} |")?;
    writeln!(w, "| `/domain_id` | ({n}) | string | stable; the split is made from it |")?;
    writeln!(
        w,
        "| `/parameters` | ({n}) | compound | seed, porosity, fluids; NaN where a quantity does not apply |"
    )?;
    writeln!(
        w,
        "\n```python\nimport h5py\n\nwith h5py.File(\"{name}\") as file:\n    solid = file[\"solid\"][0].astype(bool)\n    \
         phase = file[\"phase\"][0].astype(bool)      # time, y, x\n    \
         saturation = phase.sum(axis=(1, 2)) / (~solid).sum()\n```"
    )?;
    writeln!(
        w,
        "\n## Licence\n\nThe makers of porecast claim no rights in what it computes. Name the licence you choose here \
         before you publish this dataset; images that domains were cropped from keep theirs."
    )?;
    Ok(card)
}

/// Mean and range.
fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean:.3} (from {low:.3} to {high:.3})")
}
