//! `porecast report`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_scoring::report::{self, ReportOptions};

use super::print;

/// Arguments of `porecast report`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast report runs/demo-time\n  porecast report runs/demo-comparison -o out/comparison.html\n  porecast report runs/demo-prediction --force\n  porecast report data/demo.h5"
)]
pub struct Args {
    /// Run, comparison or folder of a prediction; or a dataset or predictions in HDF5.
    pub input: PathBuf,
    /// HTML file; without it, `report.html` in the folder, or beside the file under its name.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Replace an existing file.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast report`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { input, output, force } = args;
    let options = ReportOptions { input, output, force };
    let page = report::run(&options)?;
    if !verbosity.quiet {
        print(&format!("report: {}; open it in a browser\n", page.display()))?;
    }
    Ok(())
}
