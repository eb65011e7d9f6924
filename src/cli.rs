//! The command line of the program.

use clap::{Parser, Subcommand};
use porecast_base::Verbosity;

use crate::commands::{
    compare, evaluate, export, import, inspect, predict, prepare, report, search, simulate, synth, train,
};

/// Predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.
#[derive(Debug, Parser)]
#[command(name = "porecast", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// How much to print.
    #[command(flatten)]
    pub verbosity: VerbosityArgs,
}

/// How much the program prints.
#[derive(Debug, Clone, Copy, clap::Args)]
pub struct VerbosityArgs {
    /// Print only errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: `inspect` shows every row of a table.
    #[arg(short, long, global = true)]
    pub verbose: bool,
}

impl From<VerbosityArgs> for Verbosity {
    fn from(args: VerbosityArgs) -> Self {
        Self { quiet: args.quiet, verbose: args.verbose }
    }
}

/// Commands in the order of the pipeline.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Simulate the invasion of many domains and write a dataset.
    Simulate(simulate::Args),
    /// Convert published invasion sequences to a dataset.
    Import(import::Args),
    /// Write synthetic images in the file format of a segmentation study.
    Synth(synth::Args),
    /// Convert the files of a segmentation study to a dataset.
    Prepare(prepare::Args),
    /// Show the content of any file that porecast reads or writes.
    Inspect(inspect::Args),
    /// Train one network, or one per frame, fold or bag.
    Train(train::Args),
    /// Search for the settings with the lowest validation loss; several processes can share a search.
    Search(search::Args),
    /// Predict the invasion sequences of domains or the masks of images.
    Predict(predict::Args),
    /// Score a run and the baselines on the training, validation and test data.
    Evaluate(evaluate::Args),
    /// Compare the scores of several runs.
    Compare(compare::Args),
    /// Write one self-contained HTML page for a run or a comparison.
    Report(report::Args),
    /// Write a dataset or predictions for NumPy, ImageJ or ParaView.
    Export(export::Args),
}
