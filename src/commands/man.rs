//! `porecast man`.

use std::path::PathBuf;

use clap::CommandFactory;
use porecast_base::progress::say;
use porecast_base::{Error, Result, Verbosity};

use crate::cli::Cli;

/// Arguments of `porecast man`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  porecast man man/\n\nThen `man -l man/porecast-train.1` shows a page.")]
pub struct Args {
    /// Folder to write the manual pages to: porecast.1 and one for each command.
    pub folder: PathBuf,
}

/// Runs `porecast man`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { folder } = args;
    std::fs::create_dir_all(&folder).map_err(|e| Error::output(&folder, e))?;
    clap_mangen::generate_to(Cli::command(), &folder).map_err(|e| Error::output(&folder, e))?;
    say(verbosity, &format!("manual pages: {}", folder.display()));
    Ok(())
}
