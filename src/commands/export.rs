//! `porecast export`.

use std::path::PathBuf;

use porecast_base::{Error, Result, Verbosity};
use porecast_learning::Predictor;
use porecast_simulations::{Domain, Side};
use porecast_store::export;

use super::print;

/// Arguments of `porecast export`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast export data/demo.h5 --format npz -o demo.npz\n  porecast export runs/demo-prediction/predictions.h5 --format tiff -o stacks/\n  porecast export data/demo.h5 --format xdmf -o paraview/\n  porecast export data/demo.h5 --format npz --channels runs/demo-time -o channels.npz"
)]
pub struct Args {
    /// Invasion dataset, or predictions of invasions.
    pub input: PathBuf,
    /// `npz` for NumPy: one file. `tiff` for ImageJ: a folder with a stack for each domain. `xdmf` for ParaView: a folder
    /// with a description of each domain; the values stay in the input.
    #[arg(long)]
    pub format: Format,
    /// File or folder to write.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Add the input channels of a run's networks to an npz archive.
    #[arg(long, value_name = "RUN")]
    pub channels: Option<PathBuf>,
    /// Replace an existing output.
    #[arg(long)]
    pub force: bool,
}

/// A format of another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// NumPy archive.
    Npz,
    /// Stacks of images.
    Tiff,
    /// Description for ParaView.
    Xdmf,
}

/// Runs `porecast export`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { input, format, output, channels, force } = args;
    let format = match format {
        Format::Npz => export::Format::Npz,
        Format::Tiff => export::Format::Tiff,
        Format::Xdmf => export::Format::Xdmf,
    };
    if channels.is_some() && format != export::Format::Npz {
        return Err(Error::config("--channels", "is for --format npz"));
    }
    let predictor = channels.map(|run| Predictor::open(&run)).transpose()?;
    let compute =
        predictor.as_ref().map(|predictor| |domain: &Domain, inlet: Side| predictor.channels(domain, inlet));
    let channels = compute.as_ref().map(|compute| compute as export::Channels<'_>);
    let text = export::export(&input, format, &output, channels, force)?;
    if !verbosity.quiet {
        print(&format!("{text} to {}\n", output.display()))?;
    }
    Ok(())
}
