//! `porecast train`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_learning::train::{self, IfExists, TrainOptions};

use super::{next, print};

/// Arguments of `porecast train`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast train configs/invasion/demo.toml --dry-run\n  porecast train configs/invasion/demo.toml -o runs/frame-15 --set name=frame-15 --set 'conditioning={single-frame=[15]}'\n  porecast train configs/invasion/demo.toml -o runs/demo-time --resume --set training.epochs=20\n  porecast train configs/invasion/demo.toml -o runs/tuned --init runs/demo-time --set name=tuned --set dataset=data/demo-2.h5\n  porecast train configs/segmentation/stas.toml -o runs/stas --fold 0"
)]
pub struct Args {
    /// Training configuration (TOML); `porecast config invasion` prints one to start from.
    pub config: PathBuf,
    /// Run folder to create; without it, `runs/<name>` with the configuration's `name`.
    #[arg(short, long)]
    pub output: Option<PathBuf>,
    /// Device: `cpu`, `cuda[:index]` or `wgpu[:index]`.
    #[arg(long, default_value = "cpu")]
    pub device: String,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Train only the network of this fold of a segmentation split; --resume trains the others later.
    #[arg(long, value_name = "I")]
    pub fold: Option<usize>,
    /// Begin with the best weights of another run, to fine-tune them; networks and inputs must be the same, but a recurrent
    /// network can begin with the layers of a network of whole sequences, and its state can have more channels.
    #[arg(long, value_name = "RUN")]
    pub init: Option<PathBuf>,
    /// Print the resolved configuration, parameters, memory, steps and time, and train nothing.
    #[arg(long, conflicts_with_all = ["resume", "force"])]
    pub dry_run: bool,
    /// Continue from the last checkpoint; a finished run goes on if `training.epochs` has grown.
    #[arg(long, conflicts_with = "force")]
    pub resume: bool,
    /// Replace an existing run when the new one is trained.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast train`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { config, output, device, set, fold, init, dry_run, resume, force } = args;
    let if_exists = match (resume, force) {
        (true, _) => IfExists::Resume,
        (false, true) => IfExists::Replace,
        (false, false) => IfExists::Refuse,
    };
    let options = TrainOptions { config, output, device, set, fold, init, if_exists };
    if dry_run {
        return if train::is_first_process() { print(&train::plan(&options)?) } else { Ok(()) };
    }
    if let Some(run) = train::run_on_ranks(&options, verbosity)? {
        next(verbosity, "evaluate", &run);
    }
    Ok(())
}
