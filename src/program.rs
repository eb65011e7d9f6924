//! The command line: calls the function of each command.

use std::ffi::OsString;

use clap::Parser;
use porecast_base::interrupt;
use porecast_base::progress::print_line;

use crate::cli::{Cli, Command};
use crate::commands::{
    compare, completions, config, evaluate, export, import, inspect, man, predict, prepare, report, runs,
    search, simulate, slurm, study, synth, train,
};

/// Runs the program `porecast` with its arguments, the first of which is its name. Returns the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    interrupt::ignore_hangup();
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // If standard error is closed, nobody can read the message.
            let _ = error.print();
            return u8::try_from(error.exit_code()).unwrap_or(2);
        }
    };
    match call(cli) {
        Ok(()) => 0,
        Err(error) => {
            print_line(&format!("error: {error}"));
            error.exit_code()
        }
    }
}

fn call(cli: Cli) -> porecast_base::Result<()> {
    if let Some(threads) = cli.threads {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.into());
        pool.build_global().map_err(|e| porecast_base::Error::config("--threads", e))?;
    }
    let verbosity = cli.verbosity.into();
    match cli.command {
        Command::Config(args) => config::run(args),
        Command::Simulate(args) => simulate::run(args, verbosity),
        Command::Import(args) => import::run(args, verbosity),
        Command::Synth(args) => synth::run(args, verbosity),
        Command::Prepare(args) => prepare::run(args, verbosity),
        Command::Inspect(args) => inspect::run(args, verbosity),
        Command::Train(args) => train::run(args, verbosity),
        Command::Search(args) => search::run(args, verbosity),
        Command::Predict(args) => predict::run(args, verbosity),
        Command::Evaluate(args) => evaluate::run(args, verbosity),
        Command::Compare(args) => compare::run(args, verbosity),
        Command::Export(args) => export::run(args, verbosity),
        Command::Report(args) => report::run(args, verbosity),
        Command::Runs(args) => runs::run(args),
        Command::Study(args) => study::run(args, verbosity),
        Command::Slurm(args) => slurm::run(args, verbosity),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args, verbosity),
    }
}
