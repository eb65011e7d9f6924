//! The command line: what can be typed.

use clap::{Parser, Subcommand};
use porecast_base::Verbosity;

use crate::commands::{
    compare, evaluate, import, inspect, predict, prepare, report, search, simulate, synth, train,
};

/// Predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.
#[derive(Debug, Parser)]
#[command(name = "porecast", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// How much to say.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// How much the program says.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct VerbosityArgs {
    /// Say nothing but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Say more.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl From<VerbosityArgs> for Verbosity {
    fn from(args: VerbosityArgs) -> Self {
        Self { quiet: args.quiet, verbose: args.verbose }
    }
}

/// The commands, in the order of the pipeline.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate a campaign of invasions into a dataset.
    Simulate(simulate::Args),
    /// Turn published sequences into a dataset.
    Import(import::Args),
    /// Write synthetic images in the on-disk format of a segmentation study.
    Synth(synth::Args),
    /// Turn the files of a segmentation study into a dataset.
    Prepare(prepare::Args),
    /// Show what is in any file that porecast reads or writes.
    Inspect(inspect::Args),
    /// Train a network, or one network a frame.
    Train(train::Args),
    /// Search for settings whose training ends best; several processes can share it.
    Search(search::Args),
    /// Predict the invasion sequence of domains, or the masks of images.
    Predict(predict::Args),
    /// Score a run on its training, validation and test domains, beside the baselines.
    Evaluate(evaluate::Args),
    /// Score several runs side by side.
    Compare(compare::Args),
    /// Write one self-contained HTML page for a run or a comparison.
    Report(report::Args),
}
