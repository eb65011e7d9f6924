//! The trials of a search as a table and as lines over their parameters.

use porecast_base::Result;
use porecast_store::config::search::{Parameter, SearchConfig, Values};
use porecast_store::config::search_space::coordinate;
use porecast_store::journal::{Journal, Outcome, Record, best, show};
use porecast_store::run::StudyFolder;
use porecast_store::table;

use crate::evaluate::table::{Row, Table};
use crate::figure::Figure;
use crate::figure::parallel::{Axis, Line, Parallel};

/// Writes `trials.csv`, the figure `parallel` and, once a trial has a loss, `best.toml` into the folder of a search.
///
/// # Errors
/// The journal cannot be read, or the folder cannot be written.
pub fn write(folder: &StudyFolder, config: &SearchConfig) -> Result<Table> {
    let trials = Journal::open(&folder.journal_path(), config)?.records()?;
    let table = trials_table(&trials, config);
    let rows = table.rows.iter().map(|row| &row.cells);
    table::write_csv(&folder.trials_path(), std::iter::once(&table.headings).chain(rows))?;
    if let Some((best, _)) = best(&trials) {
        parallel(&trials, config).save(folder.path(), "parallel")?;
        folder.write_best(best.number)?;
    }
    Ok(table)
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
