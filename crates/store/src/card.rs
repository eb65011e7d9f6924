//! The dataset card: a Markdown page beside a dataset that describes its content and origin.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::{InvasionDataset, LatticeRecord};
use porecast_base::atomic;
use porecast_base::{Error, Result};

/// Path of the card of a dataset.
pub fn path(dataset: &Path) -> PathBuf {
    let dataset = atomic::follow(dataset);
    let mut name = dataset.file_name().unwrap_or_default().to_owned();
    name.push(".card.md");
    dataset.with_file_name(name)
}

/// Writes the card of a dataset beside it, with `notes` unchanged.
///
/// # Errors
/// A sequence cannot be read, or the card cannot be written.
pub fn write(dataset: &InvasionDataset, notes: &str) -> Result<()> {
    let path = path(dataset.path());
    let mut domains = Vec::with_capacity(dataset.len());
    for index in 0..dataset.len() {
        let sequence = dataset.sequence(index)?;
        let saturation = sequence.saturation();
        let time = sequence.breakthrough_time();
        let frame = time.and_then(|time| sequence.times.iter().position(|&t| t >= time));
        domains.push(Findings {
            porosity: sequence.domain.porosity(),
            capillary_number: sequence.parameters.capillary_number,
            breakthrough: time.zip(frame).map(|(time, frame)| (time, saturation[frame])),
            last: sequence.times.last().copied().zip(saturation.last().copied()),
            lattice: dataset.dynamics(index)?.map(|dynamics| dynamics.lattice),
        });
    }
    let text = render(dataset, notes, &domains).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, text.as_bytes())
}

/// Quantities of one domain.
struct Findings {
    porosity: f64,
    capillary_number: f64,
    /// Time and saturation at breakthrough.
    breakthrough: Option<(f64, f64)>,
    /// Time and saturation of the last frame.
    last: Option<(f64, f64)>,
    lattice: Option<LatticeRecord>,
}

fn render(
    dataset: &InvasionDataset,
    notes: &str,
    domains: &[Findings],
) -> std::result::Result<String, std::fmt::Error> {
    let name = dataset.path().file_name().unwrap_or_default().to_string_lossy();
    let (frames, height, width) = dataset.shape();
    let n = dataset.len();
    let origin = dataset.origin();
    let unit = serde_json::to_value(dataset.time_unit()).unwrap_or_default();
    let unit = unit.as_str().unwrap_or_default();
    let porosity: Vec<f64> = domains.iter().map(|domain| domain.porosity).collect();
    let (times, saturation): (Vec<f64>, Vec<f64>) =
        domains.iter().filter_map(|domain| domain.breakthrough).unzip();
    let (last_times, last_saturation): (Vec<f64>, Vec<f64>) =
        domains.iter().filter_map(|domain| domain.last).unzip();
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
    writeln!(w, "| porosity | {} |", spread(&porosity))?;
    writeln!(w, "| domains that reach breakthrough | {} of {n} |", saturation.len())?;
    writeln!(w, "| saturation at breakthrough | {} |", spread(&saturation))?;
    writeln!(w, "| time of breakthrough | {} |", spread(&times))?;
    writeln!(w, "| saturation of the last frame | {} |", spread(&last_saturation))?;
    writeln!(w, "| time of the last frame | {} |", spread(&last_times))?;
    writeln!(
        w,
        "\nMean ± standard deviation over the domains, and the range. Saturation is the share of the pore space; at breakthrough it is that of the first frame with invading \
         fluid on the outlet edge."
    )?;
    render_rates(w, domains)?;
    render_lattice(w, domains)?;
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
    if dataset.has_dynamics() {
        writeln!(
            w,
            "| `/lattice` | ({n}) | compound | the lattice of each domain, time steps, mass drift |"
        )?;
        writeln!(
            w,
            "| `/volume` | ({n}, {frames}, 2) | f64 | pixels filled by the invading and the defending fluid |"
        )?;
    }
    if dataset.has_flow() {
        writeln!(
            w,
            "| `/pressure` | ({n}, {frames}, {height}, {width}) | f32 | Pa above the outlet, 0 in solid |"
        )?;
        writeln!(
            w,
            "| `/velocity` | ({n}, {frames}, 2, {height}, {width}) | f32 | m/s along y, then x; 0 in solid |"
        )?;
    }
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

/// Largest number of capillary numbers in a table.
const MAX_RATES: usize = 8;

/// Breakthrough at each capillary number, if there are 2 to [`MAX_RATES`].
fn render_rates(w: &mut String, domains: &[Findings]) -> std::fmt::Result {
    let label = |domain: &Findings| format!("{:.2e}", domain.capillary_number);
    let mut rates: Vec<&Findings> = domains.iter().filter(|d| d.capillary_number.is_finite()).collect();
    rates.sort_by(|a, b| a.capillary_number.total_cmp(&b.capillary_number));
    rates.dedup_by_key(|domain| label(domain));
    if !(2..=MAX_RATES).contains(&rates.len()) {
        return Ok(());
    }
    writeln!(w, "\n| capillary number | domains | saturation at breakthrough | time of breakthrough |")?;
    writeln!(w, "|---|---|---|---|")?;
    for rate in rates.into_iter().map(label) {
        let these: Vec<&Findings> = domains.iter().filter(|domain| label(domain) == rate).collect();
        let (times, saturation): (Vec<f64>, Vec<f64>) = these.iter().filter_map(|d| d.breakthrough).unzip();
        writeln!(w, "| {rate} | {} | {} | {} |", these.len(), spread(&saturation), spread(&times))?;
    }
    Ok(())
}

fn render_lattice(w: &mut String, domains: &[Findings]) -> std::fmt::Result {
    let lattices: Vec<LatticeRecord> = domains.iter().filter_map(|domain| domain.lattice).collect();
    if lattices.is_empty() {
        return Ok(());
    }
    writeln!(w, "\n## Lattice\n\nIn lattice units (edge of a site, time step) unless said otherwise.\n")?;
    writeln!(w, "| | median | least | most |\n|---|---|---|---|")?;
    let mut row = |name: &str, value: fn(&LatticeRecord) -> f64| {
        let mut values: Vec<f64> = lattices.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let [median, least, most] =
            [values.len() / 2, 0, values.len() - 1].map(|index| significant(values[index]));
        writeln!(w, "| {name} | {median} | {least} | {most} |")
    };
    row("sites along the edge of a pixel", |l| l.sites_per_pixel)?;
    row("relaxation time of the invading fluid", |l| l.relaxation_time_invading)?;
    row("relaxation time of the defending fluid", |l| l.relaxation_time_defending)?;
    row("interfacial tension", |l| l.surface_tension_lu)?;
    row("injection velocity", |l| l.velocity_lu)?;
    row("width of the interface", |l| l.interface_width_lu)?;
    row("narrowest place of the widest path", |l| l.throat_width_lu)?;
    row("Reynolds number of the thinner fluid there", |l| l.reynolds_number)?;
    row("time step in seconds", |l| l.time_s)?;
    row("unit of pressure in pascals", |l| l.pressure_pa)?;
    row("time steps for a pore volume", |l| l.steps_per_pore_volume)?;
    row("time steps done", |l| l.steps)?;
    row("mass drift (magnitude)", |l| l.mass_drift.abs())?;
    writeln!(
        w,
        "\nMass drift: (mass of the invading fluid at breakthrough - its initial mass - injected mass) / injected \
         mass."
    )
}

/// Three significant digits.
fn significant(value: f64) -> String {
    let is_plain = value == 0.0 || (1e-2..1e6).contains(&value.abs());
    if !is_plain {
        return format!("{value:.2e}");
    }
    let decimals = if value == 0.0 { 0 } else { (2 - value.abs().log10().floor() as i32).max(0) as usize };
    let text = format!("{value:.decimals$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// Mean, standard deviation and range.
fn spread(values: &[f64]) -> String {
    if values.is_empty() {
        return "none".to_owned();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean:.3} ± {:.3} (from {low:.3} to {high:.3})", variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        let shown = [0.0, 4.0, 0.515, 0.03, 123456.0, 2.5e-5, -0.0012345].map(significant);
        assert_eq!(shown, ["0", "4", "0.515", "0.03", "123456", "2.50e-5", "-1.23e-3"]);
    }

    #[test]
    fn a_spread_has_mean_deviation_and_range() {
        assert_eq!(spread(&[1.0, 3.0]), "2.000 ± 1.000 (from 1.000 to 3.000)");
        assert_eq!(spread(&[]), "none");
    }
}
