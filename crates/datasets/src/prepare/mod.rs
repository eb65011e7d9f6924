//! `porecast prepare`: converts the files of a segmentation study to one dataset of images of equal shape,
//! with its card and its split.
//!
//! Images are processed one at a time. As configured, the stains are normalised to reference colours, the
//! image is resized bilinearly and its mask by nearest neighbour, and both are cut into tiles. A damaged or
//! unusual file gives a warning that names it; the other files are still read.

mod card;
mod clean;
mod tiles;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use porecast_imaging::Warning;
use porecast_imaging::split::{Member, Split};

use porecast_base::progress::Progress;
use porecast_base::{Error, Result, Verbosity, atomic, interrupt, lock, output};
use porecast_store::config::segmentation::{SegmentationConfig, SourceConfig};
use porecast_store::config::{self, to_toml};
use porecast_store::image_split;
use porecast_store::segmentation::{self, SegmentationDataset, SegmentationWriter};

/// Options of `porecast prepare`.
#[derive(Debug, Clone)]
pub struct PrepareOptions {
    /// Segmentation configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; without it, the configuration's `dataset`.
    pub output: Option<PathBuf>,
    /// Folder or file of the study; without it, the configuration's `source.path`.
    pub source: Option<PathBuf>,
    /// Copy the npz archive without outliers, shared masks and repeated images to this file and prepare the
    /// copy.
    pub clean: Option<PathBuf>,
    /// Changes of configuration values, each `key=value`.
    pub set: Vec<String>,
    /// Replace an existing dataset, its split and the cleaned archive.
    pub force: bool,
}

/// Result of `porecast prepare`.
#[derive(Debug, Clone, PartialEq)]
pub struct Prepared {
    /// Summary of the dataset and its split in one line.
    pub text: String,
    /// Damaged or unusual files and images.
    pub warnings: Vec<Warning>,
    /// Path of the card.
    pub card: PathBuf,
}

/// Runs `porecast prepare`.
///
/// # Errors
/// The configuration is invalid, the source is missing or has no usable image, its images do not fit the
/// configuration or cannot be split as configured, an output exists or cannot be written, or the user
/// stopped the command. If reading or splitting fails, no new output remains except a cleaned archive.
pub fn run(options: &PrepareOptions, verbosity: Verbosity) -> Result<Prepared> {
    let mut config: SegmentationConfig = config::load(&options.config, &options.set)?;
    let output = options.output.clone().unwrap_or_else(|| config.dataset.clone());
    let outputs = [Some(&output), options.clean.as_ref()];
    let _held = outputs.into_iter().flatten().map(|path| lock::hold(path)).collect::<Result<Vec<_>>>()?;
    for path in outputs.into_iter().flatten() {
        output::check(path, &[], options.force)?;
    }
    if let Some(source) = &options.source {
        config.source.path.clone_from(source);
    }
    let mut images = Images::default();
    if let Some(cleaned) = &options.clean {
        if cleaned.exists() && cleaned.canonicalize().ok() == config.source.path.canonicalize().ok() {
            return Err(Error::config("--clean", "names the source itself; choose another file"));
        }
        images.warnings = clean::clean(&config.source, cleaned)?;
        config.source.path.clone_from(cleaned);
    }

    interrupt::listen();
    let campaign = to_toml(&config)?;
    let old_split = image_split::path(&output);
    let (dataset, split) = atomic::write_together(&output, |path| {
        let mut split = None;
        segmentation::write(path, &config.classes, &campaign, config.source.depth, |writer| {
            images.read(&config.source, writer, verbosity)?;
            if !images.members.is_empty() {
                split = Some(match options.force {
                    true => Split::new(&images.members, &config.split, &output)?,
                    false => image_split::agreed(&output, &images.members, &config.split)?,
                });
            }
            Ok(())
        })?;
        if let Some(split) = &split {
            split.write(&image_split::path(path), &images.members)?;
        }
        let dataset = SegmentationDataset::open(path)?;
        let notes = card::Notes {
            split: split.as_ref(),
            original_shapes: &images.original_shapes,
            with_spacing: images.with_spacing,
            warnings: &images.warnings,
        };
        card::write(&dataset, &notes)?;
        Ok((dataset, split))
    })?;
    if split.is_none() && old_split.exists() && options.force {
        atomic::remove(&old_split)?;
    }
    let text = summary(&output, &dataset, split.as_ref());
    Ok(Prepared { text, warnings: images.warnings, card: porecast_store::card::path(&output) })
}

fn summary(output: &Path, dataset: &SegmentationDataset, split: Option<&Split>) -> String {
    let (channels, height, width) = dataset.shape();
    let count = dataset.ids().len();
    let parts = match split {
        None => "no masks, so no split".to_owned(),
        Some(split) => {
            let mut parts = Vec::new();
            if !split.train.is_empty() {
                parts.push(format!("train {}", split.train.len()));
            }
            let folds: Vec<String> = split.folds.iter().map(|ids| ids.len().to_string()).collect();
            if !folds.is_empty() {
                let label = if folds.len() == 1 { "validation" } else { "folds" };
                parts.push(format!("{label} {}", folds.join(" + ")));
            }
            parts.push(format!("test {}", split.test.len()));
            parts.join(", ")
        }
    };
    format!(
        "{}: {count} images of {channels} x {height} x {width} (channels x height x width); {parts}",
        output.display()
    )
}

/// Facts collected while the images are read.
#[derive(Default)]
struct Images {
    /// Images with a mask, to be split.
    members: Vec<Member>,
    /// Heights and widths before resizing.
    original_shapes: BTreeSet<(usize, usize)>,
    /// Number of images with a known pixel size in millimetres.
    with_spacing: usize,
    warnings: Vec<Warning>,
}

impl Images {
    /// Reads every image of the source into the dataset.
    fn read(
        &mut self,
        config: &SourceConfig,
        writer: &mut SegmentationWriter,
        verbosity: Verbosity,
    ) -> Result<()> {
        let source = config.format.open(&config.path)?;
        self.warnings.extend_from_slice(source.warnings());
        let progress = Progress::new("images", source.len(), 0, verbosity);
        let mut written = 0;
        let mut damaged = None;
        for sample in source.samples() {
            if interrupt::is_requested() {
                return Err(Error::stopped(&config.path));
            }
            match sample {
                Ok(sample) => {
                    let (sample, unchanged) = config.fit(sample);
                    if let Some(reason) = unchanged {
                        let what = format!("image {:?} is kept in its own colours: {reason}", sample.id);
                        self.warnings.push(Warning::new(&config.path, what));
                    }
                    let samples = match config.tile {
                        Some(shape) => tiles::tiles(&sample, shape),
                        None => vec![sample],
                    };
                    if samples.is_empty() {
                        self.warnings
                            .push(Warning::new(&config.path, "has an image smaller than source.tile"));
                    }
                    for sample in &samples {
                        writer.push(sample)?;
                        self.original_shapes.insert(sample.original_shape);
                        self.with_spacing += usize::from(sample.spacing_mm.is_some());
                        if sample.mask.is_some() {
                            self.members.push(Member::from(sample));
                        }
                    }
                    written += samples.len();
                }
                Err(error) => {
                    damaged.get_or_insert_with(|| error.to_string());
                    self.warnings.push(error.into());
                }
            }
            progress.advance(1, "");
        }
        progress.finish();
        match damaged {
            Some(first) if written == 0 => Err(Error::input(
                &config.path,
                format!("none of its {} images can be read; the first: {first}", source.len()),
            )),
            _ => Ok(()),
        }
    }
}
