//! `porecast search`: trains trial after trial until the study has as many as it wants.
//!
//! ```text
//! <folder>/journal.jsonl       every trial, shared by all processes that take part
//! <folder>/trial-003/          its run folder
//! <folder>/trials.csv          number, parameters, outcome
//! <folder>/parallel.svg .png   every trial as a line over its parameters
//! <folder>/best.toml           configuration of the best trial, every default spelt out
//! ```

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::space::coordinate;
use super::{Outcome, Record, Study, Trial};
use crate::cli::{SearchArgs, TrainArgs, Verbosity};
use crate::config;
use crate::config::search::{Parameter, SearchConfig, Values};
use crate::error::{Error, ErrorKind, Result};
use crate::evaluate::table::{Row, Table};
use crate::figure::Figure;
use crate::figure::parallel::{Axis, Line, Parallel};
use crate::progress::say;
use crate::store::{RunFolder, atomic, table};
use crate::train;

/// Runs `porecast search`.
///
/// # Errors
/// The configuration has problems, no trial could be trained, the journal is of another study, a file cannot be written,
/// or the user stopped it: the same command goes on.
pub fn run(args: &SearchArgs, verbosity: Verbosity) -> Result<()> {
    let config: SearchConfig = config::load(&args.config, &args.set)?;
    let folder = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(&config.name));
    std::fs::create_dir_all(&folder).map_err(|e| Error::output(&folder, e))?;
    let study = Study::open(&folder.join("journal.jsonl"), config.clone())?;
    while let Some(trial) = study.next_trial()? {
        try_out(trial, &config, &folder, args, verbosity)?;
        write(&study, &config, &folder)?;
    }
    let Some((best, value)) = study.best()? else {
        let failed = study.trials()?.into_iter().find_map(|record| match record.outcome {
            Some(Outcome::Failed(why)) => Some(why),
            _ => None,
        });
        return Err(Error::new(
            ErrorKind::Diverged,
            folder.display().to_string(),
            format!("no trial has ended with a loss; the first failure: {}", failed.unwrap_or_default()),
        ));
    };
    write(&study, &config, &folder)?;
    if !verbosity.quiet {
        print!("{}", trials_table(&study.trials()?, &config).to_text());
        println!(
            "best: trial {}, validation loss {value:.5}; {}",
            best.number,
            folder.join("best.toml").display()
        );
    }
    Ok(())
}

fn trial_folder(folder: &Path, number: usize) -> PathBuf {
    folder.join(format!("trial-{number:03}"))
}

/// Trains a trial and notes how it ended.
fn try_out(
    trial: Trial<'_>,
    config: &SearchConfig,
    folder: &Path,
    args: &SearchArgs,
    verbosity: Verbosity,
) -> Result<()> {
    let path = trial_folder(folder, trial.number());
    let values: Vec<String> =
        trial.point().iter().map(|(key, value)| format!("{key} {}", show(value))).collect();
    say(verbosity, &format!("trial {}: {}", trial.number(), values.join(", ")));
    let mut set = trial.sets();
    set.push(format!("name=trial-{:03}", trial.number()));
    let training = TrainArgs {
        config: config.training.clone(),
        output: Some(path.clone()),
        device: args.device.clone(),
        set,
        fold: None,
        resume: true,
        force: false,
    };
    match train::run(&training, Verbosity { quiet: true, ..verbosity }) {
        Ok(()) => trial.end(Outcome::Value(validation_loss(&RunFolder::new(&path))?)),
        // Values that cannot be trained with tell the estimator something; a full disk or an interrupt does not.
        Err(error) if matches!(error.kind(), ErrorKind::Diverged | ErrorKind::Config) => {
            say(verbosity, &format!("trial {} failed: {error}", trial.number()));
            trial.end(Outcome::Failed(error.to_string()))
        }
        Err(error) => Err(error),
    }
}

/// Mean over the networks of a run of their lowest validation losses.
fn validation_loss(run: &RunFolder) -> Result<f64> {
    let members = run.members()?;
    let sum: f64 = members.iter().map(|member| member.best_validation_loss).sum();
    Ok(sum / members.len() as f64)
}

/// Writes what is known so far.
fn write(study: &Study, config: &SearchConfig, folder: &Path) -> Result<()> {
    let trials = study.trials()?;
    let table = trials_table(&trials, config);
    let rows = table.rows.iter().map(|row| &row.cells);
    table::write_csv(&folder.join("trials.csv"), std::iter::once(&table.headings).chain(rows))?;
    let Some((best, _)) = study.best()? else { return Ok(()) };
    parallel(&trials, config).save(folder, "parallel")?;
    let source = RunFolder::new(trial_folder(folder, best.number)).config_path();
    let text = std::fs::read(&source).map_err(|e| Error::input(&source, format!("cannot be read: {e}")))?;
    atomic::write(&folder.join("best.toml"), &text)
}

fn trials_table(trials: &[Record], config: &SearchConfig) -> Table {
    let keys = config.parameters.iter().map(|parameter| parameter.key.clone());
    let headings = std::iter::once("trial".to_owned()).chain(keys).chain(["validation loss".to_owned()]);
    let rows = trials.iter().map(|trial| {
        let values = config
            .parameters
            .iter()
            .map(|parameter| trial.point.get(&parameter.key).map_or_else(String::new, show));
        let outcome = match &trial.outcome {
            Some(Outcome::Value(value)) => format!("{value:.5}"),
            Some(Outcome::Failed(why)) => format!("failed: {}", why.lines().next().unwrap_or_default()),
            None => "under way".to_owned(),
        };
        let cells = std::iter::once(trial.number.to_string()).chain(values).chain([outcome]).collect();
        Row { cells, is_baseline: false }
    });
    Table { title: format!("Trials of {}", config.name), headings: headings.collect(), rows: rows.collect() }
}

/// A value with four digits.
fn show(value: &Value) -> String {
    match value {
        Value::Number(number) if number.is_f64() => {
            let number = number.as_f64().unwrap_or(f64::NAN);
            if (1e-3..1e4).contains(&number.abs()) { format!("{number:.4}") } else { format!("{number:.3e}") }
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// The trials that have a loss as lines over the parameters; the better, the stronger.
fn parallel(trials: &[Record], config: &SearchConfig) -> Parallel {
    let valued: Vec<(&Record, f64)> = trials
        .iter()
        .filter_map(|trial| match trial.outcome {
            Some(Outcome::Value(value)) => Some((trial, value)),
            _ => None,
        })
        .collect();
    let lowest = valued.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
    let highest = valued.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
    let span = (highest - lowest).max(f64::MIN_POSITIVE);
    let mut axes: Vec<Axis> = config.parameters.iter().map(axis).collect();
    axes.push(Axis {
        name: "validation loss".into(),
        ticks: vec![(0.0, format!("{lowest:.4}")), (1.0, format!("{highest:.4}"))],
    });
    let line = |(trial, value): &(&Record, f64)| {
        let places = config.parameters.iter().map(|parameter| place(parameter, trial));
        let badness = (value - lowest) / span;
        Line { places: places.chain([badness]).collect(), strength: 1.0 - badness }
    };
    Parallel {
        title: format!("{}: {} trials", config.name, valued.len()),
        axes,
        lines: valued.iter().map(line).collect(),
    }
}

fn axis(parameter: &Parameter) -> Axis {
    let ticks = match &parameter.values {
        Values::Real { low, high, .. } => vec![(0.0, format!("{low:?}")), (1.0, format!("{high:?}"))],
        Values::Whole { low, high } => vec![(0.0, low.to_string()), (1.0, high.to_string())],
        Values::Choice(list) => list
            .iter()
            .enumerate()
            .map(|(index, value)| (choice_place(index, list.len()), show(value)))
            .collect(),
    };
    Axis { name: parameter.key.clone(), ticks }
}

fn choice_place(index: usize, count: usize) -> f64 {
    if count < 2 { 0.5 } else { index as f64 / (count - 1) as f64 }
}

/// Where a trial's value lies on the axis of a parameter, from 0 to 1.
fn place(parameter: &Parameter, trial: &Record) -> f64 {
    let value = &trial.point[&parameter.key];
    match &parameter.values {
        Values::Choice(list) => {
            let index = list.iter().position(|other| other == value).unwrap_or(0);
            choice_place(index, list.len())
        }
        values => coordinate(values, value).unwrap_or(0.5),
    }
}
