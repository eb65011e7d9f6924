//! `porecast import`: checks published sequences frame by frame and writes them as a dataset of schema
//! version 1.
//!
//! Labels recovered from pictures flicker at the edges of grains. A pixel is solid if more than half of its
//! labels are solid. Fluid labels of a solid pixel are ignored. A pore pixel labelled solid keeps the fluid
//! of the previous frame; before its first fluid label it takes that first fluid. Corrected labels are
//! counted and reported.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis, Zip};
use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::{Domain, Side, TimeUnit, Trajectory};

use porecast_base::{Error, ErrorKind, Result, atomic, interrupt, lock, output};
use porecast_store::invasion::{self, InvasionDataset, Origin};
use porecast_store::{Physics, Quantity, benchmark, card, label_stack, npz};

/// Label of the solid in a label stack.
const SOLID: u8 = 0;
/// Label of the invading fluid.
const INVADING: u8 = 2;
/// Highest share of labels that may contradict the mask of the solid: those that flicker at the edges of grains.
const MAX_CONFLICTS: f64 = 0.01;

/// Times of the frames.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Clock {
    /// Not known: frames are counted.
    #[default]
    Frames,
    /// Seconds, one for each frame.
    Times(Vec<f64>),
    /// Seconds between frames; the first is at 0.
    TimeStep(f64),
    /// The saturation of each frame as the injected pore volumes, which it is until breakthrough.
    PoreVolumes,
    /// Injected pore volumes, one for each frame.
    Injected(Vec<f64>),
}

/// Properties of one imported sequence.
#[derive(Debug, Clone, PartialEq)]
struct Finding {
    name: String,
    porosity: f64,
    saturation: (f64, f64),
    /// Pixels that lost the invading fluid from one frame to the next, over all frames.
    retreats: usize,
    /// Labels that contradict the mask of the solid, over all frames.
    conflicts: usize,
    warnings: Vec<&'static str>,
}

/// Options of `porecast import`.
#[derive(Debug, Clone)]
pub struct ImportOptions {
    /// Files or folders: HDF5 files of the CO2-water benchmark, or label stacks in npz or TIFF.
    pub inputs: Vec<PathBuf>,
    /// Dataset to write.
    pub output: PathBuf,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    pub voxel_size: f64,
    /// Times of the frames.
    pub clock: Clock,
    /// Capillary number, viscosity ratio and contact angle of all sequences, as far as they are known.
    pub physics: Physics,
    /// Replace an existing dataset.
    pub force: bool,
}

/// Result of `porecast import`.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// Summary of the dataset, and a table of its domains.
    pub text: String,
    /// Possible problems of domains.
    pub warnings: Vec<String>,
}

/// Runs `porecast import`.
///
/// # Errors
/// A file cannot be read, has another layout or no pore space, the files differ in shape or share a name,
/// the voxel size is not positive, or the output exists or cannot be written.
pub fn run(options: &ImportOptions) -> Result<Imported> {
    let inputs: Vec<&Path> = options.inputs.iter().map(PathBuf::as_path).collect();
    output::check(&options.output, &inputs, options.force)?;
    if !(options.voxel_size > 0.0 && options.voxel_size.is_finite()) {
        return Err(Error::config(format!("--voxel-size {}", options.voxel_size), "expected metres above 0"));
    }
    let bad = match &options.clock {
        Clock::Times(times) => times.iter().find(|time| !time.is_finite()),
        Clock::TimeStep(step) => Some(step).filter(|step| !(**step > 0.0 && step.is_finite())),
        Clock::Injected(volumes) => match volumes.iter().find(|volume| !volume.is_finite()) {
            Some(bad) => return Err(Error::config("--times", format!("{bad} is no number of pore volumes"))),
            None => None,
        },
        Clock::Frames | Clock::PoreVolumes => None,
    };
    if let Some(bad) = bad {
        return Err(Error::config("--times, --time-step", format!("{bad} is no time in seconds")));
    }
    for quantity in Quantity::GIVEN {
        let value = quantity.of(&options.physics, f64::NAN);
        if let Some(bad) = value.filter(|value| !quantity.is_possible(*value)) {
            return Err(Error::config(
                quantity.option(),
                format!("{bad} is no {}, which is {}", quantity.name(), quantity.possible()),
            ));
        }
    }
    let _held = lock::hold(&options.output)?;
    interrupt::listen();
    let files = expand(&options.inputs)?;
    let names = names(&files)?;
    let is_stack = files.iter().all(|file| is_npz(file) || is_tiff(file));
    let simulator = if is_stack { "label stack" } else { benchmark::NAME };
    let origin = Origin { simulator: simulator.to_owned(), campaign: String::new() };

    let mut findings = Vec::new();
    let (dataset, table) = atomic::write_together(&options.output, |path| {
        let mut first: Option<(&PathBuf, (usize, usize, usize))> = None;
        let sequences = files.iter().zip(&names).map(|(file, name)| {
            if interrupt::is_requested() {
                return Err(Error::stopped(&options.output));
            }
            let (sequence, conflicts) = read(file, options)?;
            let shape = sequence.phase.dim();
            match first {
                Some((other, expected)) if expected != shape => {
                    return Err(differ(file, shape, other, expected));
                }
                Some(_) => {}
                None => first = Some((file, shape)),
            }
            findings.push(examine(name, &sequence, conflicts));
            Ok((name.clone(), sequence))
        });
        invasion::write(path, &origin, sequences)?;
        let (dataset, table) = (InvasionDataset::open(path)?, table(&findings));
        card::write(&dataset, &table)?;
        Ok((dataset, table))
    })?;
    let (frames, height, width) = dataset.shape();
    let text = format!(
        "{}: {} sequences of {frames} frames, {height} x {width} pixels (height x width), inlet {}\n\n{table}",
        options.output.display(),
        dataset.len(),
        dataset.inlet()
    );
    let warnings = findings.iter().flat_map(|f| f.warnings.iter().map(|what| format!("{}: {what}", f.name)));
    Ok(Imported { text, warnings: warnings.collect() })
}

fn is_npz(path: &Path) -> bool {
    extension(path) == "npz"
}

fn is_tiff(path: &Path) -> bool {
    ["tif", "tiff"].contains(&extension(path).as_str())
}

/// The extension in lower case.
fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase()
}

/// The given files, and the sorted files of the given folders.
fn expand(inputs: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for input in inputs {
        if !input.is_dir() {
            files.push(input.clone());
            continue;
        }
        let unreadable = |e| Error::input(input, format!("cannot be listed: {e}"));
        let mut found = Vec::new();
        for entry in fs::read_dir(input).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
            if !is_hidden && ["h5", "hdf5", "npz", "tif", "tiff"].contains(&extension(&path).as_str()) {
                found.push(path);
            }
        }
        if found.is_empty() {
            return Err(Error::input(input, "has no .h5, .hdf5, .npz or .tif file"));
        }
        found.sort();
        files.extend(found);
    }
    Ok(files)
}

/// Identifiers of the domains: the file names without extension.
fn names(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut seen: HashMap<String, &PathBuf> = HashMap::new();
    let mut names = Vec::new();
    for file in files {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        if let Some(other) = seen.insert(name.clone(), file) {
            let what = format!("has the same name as {}; domain names must be unique", other.display());
            return Err(Error::input(file, what));
        }
        names.push(name);
    }
    Ok(names)
}

fn differ(file: &Path, shape: (usize, usize, usize), other: &Path, expected: (usize, usize, usize)) -> Error {
    let describe = |(frames, height, width)| format!("{frames} frames of {height} x {width} pixels");
    Error::new(
        ErrorKind::Mismatch,
        file.display().to_string(),
        format!(
            "has {}, {} has {}; import files of one shape together",
            describe(shape),
            other.display(),
            describe(expected)
        ),
    )
}

/// Reads a sequence; returns it with the number of labels that contradict the mask of the solid.
fn read(file: &Path, options: &ImportOptions) -> Result<(Trajectory, usize)> {
    let (solid, phase, conflicts) = if is_npz(file) {
        from_labels(&npz::read_labels(file)?)
    } else if is_tiff(file) {
        from_labels(&label_stack::read(file)?)
    } else {
        let sequence = benchmark::read_file(file)?;
        (sequence.domain.solid, sequence.phase, 0)
    };
    let share = conflicts as f64 / phase.len().max(1) as f64;
    if share > MAX_CONFLICTS {
        let what = format!(
            "has {:.1} % of its labels at odds with the solid (a pixel is solid if more than half of its labels are); \
             expected labels 0 solid, 1 defending, 2 invading, with axes (time, y, x)",
            100.0 * share
        );
        return Err(Error::input(file, what));
    }
    let domain = Domain { solid, voxel_size_m: options.voxel_size };
    if domain.pore_count() == 0 {
        return Err(Error::input(file, "has no pore space: every pixel is solid"));
    }
    let mut sequence = Trajectory {
        inlet: options.inlet,
        times: (0..phase.len_of(Axis(0))).map(|t| t as f64).collect(),
        time_unit: TimeUnit::Frame,
        phase,
        parameters: options.physics.parameters(domain.porosity()),
        domain,
    };
    set_clock(&mut sequence, &options.clock, file)?;
    Ok((sequence, conflicts))
}

/// Gives the frames their times.
fn set_clock(sequence: &mut Trajectory, clock: &Clock, file: &Path) -> Result<()> {
    let frames = sequence.times.len();
    let (times, unit) = match clock {
        Clock::Frames => return Ok(()),
        Clock::Times(times) | Clock::Injected(times) if times.len() != frames => {
            let what = format!("has {frames} frames, --times names {} times", times.len());
            return Err(Error::input(file, what));
        }
        Clock::Times(times) => (times.clone(), TimeUnit::Seconds),
        Clock::TimeStep(step) => ((0..frames).map(|t| t as f64 * step).collect(), TimeUnit::Seconds),
        Clock::PoreVolumes => (sequence.saturation(), TimeUnit::PoreVolumes),
        Clock::Injected(volumes) => (volumes.clone(), TimeUnit::PoreVolumes),
    };
    if let Some(t) = times.windows(2).position(|pair| pair[1] <= pair[0]) {
        let what = format!(
            "its times do not ascend: {} at frame {t}, {} at frame {}{}",
            times[t],
            times[t + 1],
            t + 1,
            match clock {
                Clock::PoreVolumes => "; give the injected volumes with --times, or leave such frames out",
                _ => "",
            }
        );
        return Err(Error::input(file, what));
    }
    (sequence.times, sequence.time_unit) = (times, unit);
    Ok(())
}

/// Mask of the solid, phase, and the number of labels that contradict the mask.
fn from_labels(labels: &Array3<u8>) -> (Array2<bool>, Array3<bool>, usize) {
    let frames = labels.len_of(Axis(0));
    let solid = labels.map_axis(Axis(0), |lane| 2 * lane.iter().filter(|&&l| l == SOLID).count() > frames);
    let mut phase = Array3::from_elem(labels.dim(), false);
    let mut conflicts = 0;
    let lanes = labels.lanes(Axis(0));
    Zip::from(phase.lanes_mut(Axis(0))).and(lanes).and(&solid).for_each(|mut phase, labels, &solid| {
        conflicts += labels.iter().filter(|&&label| (label == SOLID) != solid).count();
        if solid {
            return;
        }
        let first = labels.iter().copied().find(|&label| label != SOLID);
        let mut last = first.unwrap_or(SOLID);
        for (invaded, &label) in phase.iter_mut().zip(labels) {
            if label != SOLID {
                last = label;
            }
            *invaded = last == INVADING;
        }
    });
    (solid, phase, conflicts)
}

/// What of a sequence looks as if its inlet or the order of its frames were wrong.
pub(crate) fn doubtful(sequence: &Trajectory) -> Vec<&'static str> {
    let mut found = Vec::new();
    let saturation = sequence.saturation();
    let (Some(first), Some(end), frames) = (saturation.first(), saturation.last(), saturation.len()) else {
        return found;
    };
    let last = sequence.phase.index_axis(Axis(0), frames - 1);
    if *end > 0.0 && !sequence.inlet.lane(last).iter().any(|&invaded| invaded) {
        found.push("no invading fluid is at the inlet edge in the last frame; is the inlet right?");
    }
    if end < first {
        found.push("less is invaded in the last frame than in the first; are the frames in order?");
    }
    found
}

fn examine(name: &str, sequence: &Trajectory, conflicts: usize) -> Finding {
    let phase = &sequence.phase;
    let frames = phase.len_of(Axis(0));
    let retreats = (1..frames)
        .map(|t| {
            let (before, after) = (phase.index_axis(Axis(0), t - 1), phase.index_axis(Axis(0), t));
            before.iter().zip(after).filter(|&(&before, &after)| before && !after).count()
        })
        .sum();
    let saturation = sequence.saturation();
    let mut warnings = doubtful(sequence);
    if !percolates(&sequence.domain, sequence.inlet) {
        warnings.push("the pore space has no path from the inlet to the opposite edge");
    }
    Finding {
        name: name.to_owned(),
        porosity: sequence.domain.porosity(),
        saturation: (saturation[0], saturation[frames - 1]),
        retreats,
        conflicts,
        warnings,
    }
}

fn table(findings: &[Finding]) -> String {
    let mut text = String::from(
        "| domain | porosity | saturation, first to last | pixels that retreat | labels that contradict the solid |\n\
         |---|---|---|---|---|\n",
    );
    for f in findings {
        text.push_str(&format!(
            "| {} | {:.3} | {:.3} to {:.3} | {} | {} |\n",
            f.name, f.porosity, f.saturation.0, f.saturation.1, f.retreats, f.conflicts
        ));
    }
    text
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solid_is_what_most_frames_say_and_flicker_keeps_the_last_fluid() {
        // A row in three frames. Pixels: always solid; mostly solid; invaded, solid once; solid at first;
        // defending fluid.
        let labels = array![[[0, 0, 2, 0, 1]], [[0, 2, 0, 1, 1]], [[0, 0, 2, 2, 1]]];
        let (solid, phase, conflicts) = from_labels(&labels);
        assert_eq!(solid, array![[true, true, false, false, false]]);
        assert_eq!(
            phase,
            array![
                [[false, false, true, false, false]],
                [[false, false, true, false, false]],
                [[false, false, true, true, false]]
            ]
        );
        assert_eq!(conflicts, 3);
    }
}
