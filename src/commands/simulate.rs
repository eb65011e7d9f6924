//! `porecast simulate`.

use std::path::PathBuf;

use porecast_base::{Result, Verbosity};
use porecast_datasets::campaign::{self, Shard, SimulateOptions};

use super::next;

/// Arguments of `porecast simulate`.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  porecast simulate configs/simulate/demo.toml -o data/demo-2.h5 --set seed=2\n  porecast simulate configs/simulate/lbm-256x64.toml -o data/lbm.h5\n  porecast simulate configs/simulate/percolation-512x128.toml -o data/shards --shard 0/4"
)]
pub struct Args {
    /// Campaign configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; an unfinished or smaller dataset of the same campaign is continued.
    #[arg(short, long)]
    pub output: PathBuf,
    /// Simulate only every n-th domain, starting at domain i (from 0); the output is then a folder of shards.
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<Shard>,
    /// Seconds between two saved states of a lattice Boltzmann simulation.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub checkpoint_seconds: u64,
    /// Change a configuration value; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Replace an existing file that is not a dataset of this campaign.
    #[arg(long)]
    pub force: bool,
}

/// Runs `porecast simulate`.
pub fn run(args: Args, verbosity: Verbosity) -> Result<()> {
    let Args { config, output, shard, checkpoint_seconds, set, force } = args;
    let options = SimulateOptions { config, output, shard, checkpoint_seconds, set, force };
    campaign::run(&options, verbosity)?;
    next(verbosity, "inspect", &options.output);
    Ok(())
}

fn parse_shard(text: &str) -> std::result::Result<Shard, &'static str> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((index, count)) if index < count => Ok(Shard { index, count }),
        _ => Err("expected i/n with i from 0 to n - 1"),
    }
}
