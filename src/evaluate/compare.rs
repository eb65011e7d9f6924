//! Several runs side by side, scored on the same domains or not at all.
//!
//! Files in the output folder:
//!
//! ```text
//! comparison.json   runs, tables and notes (Comparison)
//! comparison.md     the tables
//! comparison.csv    run, frames, part, measure, over, domains, mean, low, high
//! runs.csv          parameters, wall time, samples seen and best epochs of each run
//! mse               squared error of each time step of all runs (.svg and .png)
//! samples/<n>/      the frames of some domains of run n, for the report
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::compared::{self, ComparedRun, RunScores, difference};
use super::cost::{self, Cost};
use super::document::Document;
use super::figures::squared_error_line;
use super::measure::Measure;
use super::plan::Plan;
use super::scores::{PartScores, ScoredDataset, Scores, SourceScores};
use super::table::{Row, Table};
use super::tables::{self, frames_text};
use crate::cli::{CompareArgs, Verbosity};
use crate::error::{Error, Result};
use crate::figure::{Chart, Charts, Figure, palette};
use crate::store::run::{Card, DatasetCard};
use crate::store::{RunFolder, atomic};

type Scored = compared::Scored<Scores>;

/// Runs whose intervals can be shaded in one figure without hiding each other.
const SHADED_RUNS: usize = 3;

/// What `comparison.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Always [`Comparison::FORMAT`](Document::FORMAT).
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// The dataset that all runs were scored on.
    pub dataset: ScoredDataset,
    /// The part of the split that the comparison rests on.
    pub part: String,
    /// The runs, in the order given.
    pub runs: Vec<ComparedRun<DatasetCard>>,
    /// What each baseline is here.
    pub baselines: Vec<String>,
    /// What a reader has to be told.
    pub notes: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Document for Comparison {
    const FORMAT: &'static str = "porecast-comparison";
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast compare";
}

impl RunScores for Scores {
    type Dataset = DatasetCard;

    fn run(&self) -> Option<&Card<DatasetCard>> {
        self.run.as_ref()
    }

    fn scored_on(&self) -> (&Path, &str) {
        (&self.dataset.path, &self.dataset.fingerprint)
    }
}

/// The evaluations that `porecast compare` will make because they are not there yet.
///
/// # Errors
/// A run or its dataset is missing, or the output exists and is not to be replaced.
pub fn unscored(args: &CompareArgs) -> Result<Vec<Plan>> {
    compared::unscored(args)?.iter().map(Plan::new).collect()
}

/// Runs `porecast compare`: evaluates the runs that are not evaluated yet, and writes tables and a figure.
///
/// # Errors
/// A run is missing, changed since it was evaluated, or cannot be compared with the first one (another dataset,
/// other test domains, no frame in common); the output exists or cannot be written.
pub fn compare(args: &CompareArgs, verbosity: Verbosity) -> Result<()> {
    for plan in unscored(args)? {
        super::execute(&plan)?;
    }
    let scored = Scored::read_all(&args.runs)?;
    let sides = sides(&scored)?;
    let notes = notes(&scored, &sides);
    let tables = all_tables(&scored, &sides);
    let folder = &args.output;
    figure(&sides).save(folder, "mse")?;
    write_csv(&scored, &sides, folder)?;
    let said = scored[0].scores.baselines.iter().chain(&notes);
    compared::write_markdown(folder, &tables, said)?;
    for (number, run) in scored.iter().enumerate() {
        copy_samples(&run.path, &folder.join("samples").join(number.to_string()))?;
    }
    let comparison = Comparison {
        format: Comparison::FORMAT.into(),
        version: Comparison::VERSION,
        dataset: scored[0].scores.dataset.clone(),
        part: sides.part.clone(),
        runs: scored.iter().map(Scored::compared).collect(),
        baselines: scored[0].scores.baselines.clone(),
        notes,
        tables,
    };
    comparison.write(&folder.join(compared::FILE))?;
    if !verbosity.quiet {
        let last = format!("comparison: {}", folder.display());
        super::print(&terminal_tables(&scored, &sides), &comparison.notes, &last);
    }
    Ok(())
}

/// What the runs are compared on.
struct Sides<'a> {
    part: String,
    /// The main part of each run, by name.
    runs: Vec<(String, &'a PartScores)>,
    /// The baselines, which are the same for all runs.
    baselines: Vec<&'a SourceScores>,
    /// All frames of the dataset that some run has, if not all runs have them.
    all: Option<BTreeSet<usize>>,
    /// Frames that all runs have.
    common: BTreeSet<usize>,
}

fn sides(scored: &[Scored]) -> Result<Sides<'_>> {
    let first = &scored[0];
    let refuse = |other: &Scored, what: String| first.refuse(other, what);
    let main = |run: &Scored| -> Result<()> {
        match run.scores.main_part() {
            Some(_) => Ok(()),
            None => Err(refuse(run, "no part of the split was scored".into())),
        }
    };
    main(first)?;
    for run in &scored[1..] {
        main(run)?;
        first.require_same_dataset(run)?;
    }
    let runs: Vec<(String, &PartScores)> =
        scored.iter().filter_map(|run| Some((run.name.clone(), run.scores.main_part()?))).collect();
    let reference = runs[0].1;
    let mut common = reference.frames();
    for (run, (_, part)) in scored.iter().zip(&runs).skip(1) {
        if part.part != reference.part {
            return Err(refuse(
                run,
                format!("one has {} domains, the other only {} domains", reference.part, part.part),
            ));
        }
        if let Some(difference) = difference(&reference.domain_ids(), &part.domain_ids()) {
            return Err(refuse(
                run,
                format!(
                    "they were scored on different {} domains ({difference}); use the same split seed and fractions",
                    part.part
                ),
            ));
        }
        let both = &common & &part.frames();
        if both.is_empty() {
            return Err(refuse(
                run,
                format!(
                    "they have no frame in common ({} against {})",
                    frames_text(&common),
                    frames_text(&part.frames())
                ),
            ));
        }
        common = both;
    }
    let union = runs.iter().fold(BTreeSet::new(), |union, (_, part)| &union | &part.frames());
    Ok(Sides {
        part: reference.part.clone(),
        baselines: reference.sources.iter().filter(|source| source.is_baseline).collect(),
        all: (union != common).then_some(union),
        common,
        runs,
    })
}

fn notes(scored: &[Scored], sides: &Sides) -> Vec<String> {
    let mut notes = scored[0].scores.notes.clone();
    if scored.iter().any(|run| run.card.split.train != scored[0].card.split.train) {
        notes.push(format!(
            "the runs were trained on different domains; the mean frame is that of {}",
            scored[0].name
        ));
    }
    if sides.all.is_some() {
        notes.push(format!(
            "not every run predicts every frame: all of them are compared at {}",
            frames_text(&sides.common)
        ));
    }
    notes.extend(Scored::unfinished(scored));
    notes
}

fn all_tables(scored: &[Scored], sides: &Sides) -> Vec<Table> {
    let mut tables = vec![cost::table(&costs(scored))];
    for frames in sides.frame_sets() {
        tables.push(squared_error(scored, frames, Measure::Mse, "Mean squared error in the pore space"));
        let whole = "Mean squared error over the whole image, as published";
        tables.push(squared_error(scored, frames, Measure::WholeImageMse, whole));
        let measures = tables::measures(&sides.part, &sides.predictors(frames), frames, &Measure::ALL);
        tables.push(measures.transposed());
        tables.extend(differences(sides, frames));
    }
    tables.push(time_steps(sides));
    tables
}

fn terminal_tables(scored: &[Scored], sides: &Sides) -> Vec<Table> {
    let mut tables = vec![cost::table(&costs(scored))];
    for frames in sides.frame_sets() {
        tables.push(squared_error(scored, frames, Measure::Mse, "Mean squared error in the pore space"));
        tables.push(tables::measures(&sides.part, &sides.predictors(frames), frames, &tables::TERMINAL));
    }
    tables
}

impl<'a> Sides<'a> {
    /// The sets of frames that runs are compared at: what all of them have, then everything.
    fn frame_sets(&self) -> impl Iterator<Item = &BTreeSet<usize>> {
        std::iter::once(&self.common).chain(&self.all)
    }

    /// All predictors, baselines last.
    fn all_predictors(&self) -> impl Iterator<Item = (String, &'a SourceScores)> {
        let runs = self.runs.iter().filter_map(|(name, part)| Some((name.clone(), part.sources.first()?)));
        runs.chain(self.baselines.iter().map(|source| (source.source.clone(), *source)))
    }

    /// Those that have all of `frames`.
    fn predictors(&self, frames: &BTreeSet<usize>) -> Vec<(String, &'a SourceScores)> {
        self.all_predictors().filter(|(_, source)| frames.is_subset(&source.frames())).collect()
    }
}

fn squared_error(scored: &[Scored], frames: &BTreeSet<usize>, measure: Measure, what: &str) -> Table {
    let parts = ["train", "validation", "test"];
    let parts: Vec<&str> =
        parts.into_iter().filter(|part| scored.iter().any(|run| run.scores.part(part).is_some())).collect();
    let row = |run: &Scored, name: &str, find: &dyn Fn(&PartScores) -> Option<usize>| {
        let summaries: Vec<_> = parts
            .iter()
            .map(|name| {
                let part = run.scores.part(name)?;
                let source = &part.sources[find(part)?];
                frames.is_subset(&source.frames()).then(|| source.summary(frames))
            })
            .collect();
        summaries.iter().any(Option::is_some).then_some((name.to_owned(), summaries))
    };
    let mut rows: Vec<Row> = scored
        .iter()
        .filter_map(|run| row(run, &run.name, &|part| part.sources.iter().position(|s| !s.is_baseline)))
        .map(|(name, summaries)| tables::squared_error_row(&name, false, measure, &summaries))
        .collect();
    for baseline in super::baseline::Baseline::ALL {
        let find = |part: &PartScores| {
            part.sources.iter().position(|s| s.is_baseline && s.source == baseline.name())
        };
        rows.extend(
            row(&scored[0], baseline.name(), &find)
                .map(|(name, summaries)| tables::squared_error_row(&name, true, measure, &summaries)),
        );
    }
    Table {
        title: format!("{what}, {}: mean over time steps, then final step", frames_text(frames)),
        headings: tables::squared_error_headings(&parts),
        rows,
    }
}

/// How every other predictor differs from the first run, domain by domain.
fn differences(sides: &Sides, frames: &BTreeSet<usize>) -> Option<Table> {
    let predictors = sides.predictors(frames);
    let ((first, reference), others) = predictors.split_first()?;
    let row = |(name, source): &(String, &SourceScores)| {
        let found = source.difference(reference, frames, Measure::Mse)?;
        let cells = [found.mean, found.low, found.high].map(|value| format!("{value:+.6}"));
        let cells = std::iter::once(name.clone()).chain(cells).collect();
        Some(Row { cells, is_baseline: source.is_baseline })
    };
    let headings = [format!("less {first}"), "mean".into(), "2.5 %".into(), "97.5 %".into()];
    Some(Table {
        title: format!(
            "Mean squared error in the pore space less that of {first}, {} domain by domain, {}: mean and bootstrap \
             interval",
            sides.part,
            frames_text(frames)
        ),
        headings: headings.to_vec(),
        rows: others.iter().filter_map(row).collect(),
    })
}

/// The squared error of each time step: a row a frame, a column a predictor.
fn time_steps(sides: &Sides) -> Table {
    let frames = sides.all.as_ref().unwrap_or(&sides.common);
    let (names, columns): (Vec<String>, Vec<BTreeMap<usize, f64>>) = sides
        .all_predictors()
        .map(|(name, source)| {
            let steps = source.per_time_step(&(frames & &source.frames()));
            (name, steps.iter().map(|step| (step.frame, step.measures[&Measure::Mse].mean)).collect())
        })
        .unzip();
    let rows = frames.iter().map(|frame| {
        let cell =
            |column: &BTreeMap<_, f64>| column.get(frame).map_or_else(|| "-".into(), |v| format!("{v:.4}"));
        let cells = std::iter::once(frame.to_string()).chain(columns.iter().map(cell)).collect();
        Row { cells, is_baseline: false }
    });
    Table {
        title: format!("Mean squared error in the pore space at each time step, {} domains", sides.part),
        headings: std::iter::once("frame".to_owned()).chain(names).collect(),
        rows: rows.collect(),
    }
}

fn costs(scored: &[Scored]) -> Vec<Cost> {
    scored.iter().map(|run| Cost::of(&run.name, &run.card)).collect()
}

fn figure(sides: &Sides) -> Charts {
    let mut series: Vec<_> = sides
        .baselines
        .iter()
        .map(|source| squared_error_line(&source.source, source, palette::BASELINE))
        .collect();
    for (index, (name, part)) in sides.runs.iter().enumerate() {
        series.extend(part.sources.first().map(|source| {
            let mut line = squared_error_line(name, source, palette::line(index));
            if sides.runs.len() > SHADED_RUNS {
                line.band.clear();
            }
            line
        }));
    }
    let domains = sides.runs[0].1.domain_ids().len();
    let chart = Chart {
        title: format!("Mean squared error of each time step, {domains} {} domains", sides.part),
        x_label: "time step (frame)".into(),
        y_label: match sides.runs.len() <= SHADED_RUNS {
            true => "MSE, pore space; shaded: 95 % interval over domains".into(),
            false => "MSE, pore space".into(),
        },
        series,
    };
    Charts { title: String::new(), charts: vec![chart], columns: 1, cell: (900, 480) }
}

fn write_csv(scored: &[Scored], sides: &Sides, folder: &Path) -> Result<()> {
    let text = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<String>>();
    let mut rows =
        vec![text(&["run", "frames", "part", "measure", "over", "domains", "mean", "low", "high"])];
    for frames in sides.frame_sets() {
        for (name, source) in sides.predictors(frames) {
            let summary = source.summary(frames);
            for (over, measures) in [("time steps", &summary.over_time), ("final step", &summary.final_step)]
            {
                for (measure, interval) in measures {
                    let mut row = text(&[&name, &frames_text(frames), &sides.part, measure.key(), over]);
                    row.push(summary.domains.to_string());
                    row.extend([interval.mean, interval.low, interval.high].map(|v| v.to_string()));
                    rows.push(row);
                }
            }
        }
    }
    tables::write_rows(&folder.join("comparison.csv"), &rows)?;
    tables::write_rows(&folder.join("runs.csv"), &cost::rows(&costs(scored)))
}

/// The samples go along, so that the report of a comparison needs its folder alone.
fn copy_samples(run: &Path, target: &Path) -> Result<()> {
    let folder = RunFolder::new(run).evaluation_path().join("samples");
    let unreadable = |e| Error::input(&folder, format!("cannot be read: {e}; evaluate the run with --force"));
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let bytes = fs::read(entry.path()).map_err(unreadable)?;
        atomic::write(&target.join(entry.file_name()), &bytes)?;
    }
    Ok(())
}
