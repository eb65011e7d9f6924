//! The command line of the program.

use clap::{Parser, Subcommand};
use porecast_base::Verbosity;

use crate::commands::{
    compare, completions, config, evaluate, export, import, inspect, man, predict, prepare, report, runs,
    search, simulate, slurm, study, synth, train,
};
use crate::version;

/// Predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out.
#[derive(Debug, Parser)]
#[command(name = "porecast", version, long_version = version::long(), about, arg_required_else_help = true)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
    /// Largest number of threads; all processors when absent.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Option<u16>,
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
    /// Print a configuration to start from, or explain its keys.
    Config(config::Args),
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
    /// Write one self-contained HTML page for a run, a comparison, a prediction or a dataset.
    Report(report::Args),
    /// Write a dataset or predictions for NumPy, ImageJ or ParaView.
    Export(export::Args),
    /// List the runs in a folder with their scores.
    Runs(runs::Args),
    /// Run the stages of a study one after the other; what is finished is not done again.
    Study(study::Args),
    /// Write the stages of a study as Slurm jobs, and submit them.
    Slurm(slurm::Args),
    /// Print the completions of a shell.
    Completions(completions::Args),
    /// Write manual pages.
    Man(man::Args),
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::CommandFactory;

    use super::*;

    /// What `make demo` writes.
    const MADE: [&str; 6] = [
        "data/demo.h5",
        "runs/demo-time",
        "runs/demo-frames",
        "runs/demo-comparison",
        "runs/demo-prediction",
        "runs/demo-drainage",
    ];

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// The words of a command as a shell reads them.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut is_quoted = false;
        for c in line.chars() {
            match c {
                '\'' => is_quoted = !is_quoted,
                ' ' if !is_quoted => words.push(String::new()),
                c => words.last_mut().expect("a word").push(c),
            }
        }
        words
    }

    /// Every example: the words of its command, and what it writes.
    fn examples() -> Vec<(Vec<String>, Vec<String>)> {
        let mut examples = Vec::new();
        for command in Cli::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:\n  porecast "), "{} has no examples", command.get_name());
            for line in help.lines().filter(|line| line.starts_with("  porecast ")) {
                let (typed, redirected) = line.trim().split_once(" > ").unwrap_or((line.trim(), ""));
                let words = words(typed);
                let is_output = |flag: &str| ["-o", "--png", "--clean", "man"].contains(&flag);
                let mut written = vec![redirected.to_owned()];
                written
                    .extend(words.windows(2).filter(|pair| is_output(&pair[0])).map(|pair| pair[1].clone()));
                examples.push((words, written));
            }
        }
        examples
    }

    #[test]
    fn the_examples_of_help_parse_and_name_files_of_the_demo() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let examples = examples();
        let mut made: Vec<&str> = MADE.to_vec();
        made.extend(
            examples
                .iter()
                .flat_map(|(_, written)| written)
                .filter(|path| !path.is_empty())
                .map(String::as_str),
        );
        for study in ["stas", "mars", "sea-ice", "right-ventricle"] {
            made.push(study);
        }
        for (words, _) in &examples {
            let example = words.join(" ");
            Cli::try_parse_from(words).unwrap_or_else(|error| panic!("{example}: {error}"));
            let paths = words.iter().skip(2).filter(|word| word.contains('/') && !word.contains('='));
            for path in paths.filter(|path| !path.starts_with("0/")) {
                // The configuration of a study names its dataset.
                let is_made = made
                    .iter()
                    .any(|made| path.starts_with(made) || path.starts_with(&format!("data/{made}")));
                assert!(
                    is_made || root.join(path).exists(),
                    "{example}: there is no {path} after `make demo`"
                );
            }
        }
        assert!(examples.len() >= 25, "{} examples", examples.len());
    }
}
