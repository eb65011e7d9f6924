//! `porecast prepare`.

use std::path::PathBuf;

use porecast_base::progress::print_line;
use porecast_base::{Result, Verbosity};
use porecast_datasets::prepare::{self, PrepareOptions, Prepared};

use super::{next, print};

/// Largest number of printed warnings; the card lists all.
const MAX_WARNINGS: usize = 10;

/// Arguments of `porecast prepare`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast prepare configs/segmentation/stas.toml\n  porecast prepare configs/segmentation/sea_ice.toml\n  porecast prepare configs/segmentation/mars.toml --clean data/mars-clean.npz -o data/mars.h5\n  porecast prepare configs/segmentation/right_ventricle.toml --set source.format.dicom-contours.structure=whole --force\n\nTwo more files are written: the card <dataset>.card.md and the split <dataset>.split.toml."
)]
pub struct Args {
    /// Segmentation configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; without it, the configuration's `dataset`.
    #[arg(short, long, value_name = "DATASET")]
    pub output: Option<PathBuf>,
    /// Folder or file of the study; without it, the configuration's `source.path`.
    #[arg(long, value_name = "PATH")]
    pub source: Option<PathBuf>,
    /// Copy the npz archive without outliers, shared masks and repeated images to this file and prepare the
    /// copy.
    #[arg(long, value_name = "FILE.npz")]
    pub clean: Option<PathBuf>,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Replace an existing dataset, its split and the cleaned archive.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast prepare`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { config, output, source, clean, set, force } = args;
    let options = PrepareOptions { config, output, source, clean, set, force };
    let prepared = prepare::run(&options, verbosity)?;
    if !verbosity.quiet {
        warn(&prepared);
        print(&format!("{}\n", prepared.text))?;
    }
    next(verbosity, "train", &options.config);
    Ok(())
}

fn warn(Prepared { warnings, card, .. }: &Prepared) {
    for warning in warnings.iter().take(MAX_WARNINGS) {
        print_line(&format!("warning: {warning}"));
    }
    if warnings.len() > MAX_WARNINGS {
        print_line(&format!("and {} more warnings: see {}", warnings.len() - MAX_WARNINGS, card.display()));
    }
}
