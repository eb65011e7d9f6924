//! `porecast train`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_learning::train::{self, IfExists, TrainOptions};

/// Arguments of `porecast train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast train configs/invasion/time-embedded.toml -o runs/time\n  porecast train configs/invasion/time-embedded.toml -o runs/frame-15 --set 'conditioning={single-frame=[15]}'\n  porecast train configs/invasion/time-embedded.toml -o runs/time --resume\n  porecast train configs/segmentation/stas.toml -o runs/stas --fold 0"
)]
pub struct Args {
    /// Training configuration (TOML).
    pub config: PathBuf,
    /// Run folder to create; without it, `runs/<name>` with the configuration's `name`.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Device: `flex` (CPU) or `cuda[:index]`.
    #[arg(long, default_value = "flex")]
    pub device: String,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Train only the network of this fold of a segmentation split; --resume trains the others later.
    #[arg(long, value_name = "I")]
    pub fold: Option<usize>,
    /// Continue from the last checkpoint.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace an existing run when the new one is trained.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast train`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { config, output, device, set, fold, resume, force } = args;
    let if_exists = match (resume, force) {
        (true, _) => IfExists::Resume,
        (false, true) => IfExists::Replace,
        (false, false) => IfExists::Refuse,
    };
    let options = TrainOptions { config, output, device, set, fold, if_exists };
    train::run(&options, verbosity)
}
