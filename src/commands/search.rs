//! `porecast search`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_learning::search::{self, SearchOptions};
use porecast_scoring::report::trials;

use super::{next, print};

/// Arguments of `porecast search`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast search configs/search/sea-ice.toml -o runs/sea-ice-search\n\nRun the same command again to continue a stopped search, or in a second process to share the trials."
)]
pub struct Args {
    /// Search configuration (TOML).
    pub config: PathBuf,
    /// Folder of the search; without it, `runs/<name>` with the configuration's `name`.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Change a value of the search configuration; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

/// Runs `porecast search`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { config, output, device, set } = args;
    let options = SearchOptions { config, output, device, set };
    let mut table = None;
    let (folder, best, loss) = search::run(&options, verbosity, |folder, config| {
        table = Some(trials::write(folder, config)?);
        Ok(())
    })?;
    if !verbosity.quiet {
        let table = table.map_or_else(String::new, |table| table.to_text());
        let (number, path) = (best.number, folder.best_path());
        print(&format!("{table}best: trial {number}, validation loss {loss:.5}; {}\n", path.display()))?;
    }
    next(verbosity, "train", &folder.best_path());
    Ok(())
}
