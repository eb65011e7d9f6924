//! Several runs side by side. Runs that were scored on different domains are refused.
//!
//! Files in the output folder, beside those of every comparison:
//!
//! ```text
//! comparison.csv    run, frames, part, measure, over, domains, mean, low, high
//! mse               squared error of each time step of all runs (.svg and .png)
//! samples/<n>/      the frames of some domains of run n, for the report
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::answer;
use super::baseline::Baseline;
use super::figures::{SQUARED_ERROR, measures, squared_error_line};
use super::measure::Measure;
use super::score::{DomainScore, FrameScore};
use super::scores::{PartScores, ScoredDataset, Scores, SequenceScores};
use super::tables::{self, STUDY, frames_text};
use crate::evaluate::compare::{self, Findings, ScoredRun, difference};
use crate::evaluate::sheet::{Sheet, cells, texts};
use crate::evaluate::table::{Row, Table, or_dash};
use crate::evaluate::{CompareOptions, Printout, cost};
use crate::figure::film::time_axis;
use crate::figure::{Chart, Charts, Colour, DotRow, Dots, Drawing, Figure, Series, Span, Stroke};
use porecast_base::Result;
use porecast_simulations::TimeUnit;
use porecast_store::document::{self, Document};
use porecast_store::run::{ComparisonFolder, DatasetCard};
use porecast_store::{Dataset, InvasionDataset, RunFolder};

type Run = ScoredRun<DatasetCard, Scores>;
/// A comparison of runs on invasions.
pub type Comparison = compare::Comparison<DatasetCard, ScoredDataset>;

impl Document for Comparison {
    const FORMAT: &'static str = InvasionDataset::COMPARISON;
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast compare";
}

/// Runs whose intervals can be shaded in one figure without hiding each other.
const SHADED_RUNS: usize = 3;
/// Domains among the saturation curves.
const SATURATION_DOMAINS: usize = 6;
/// A sequence of fewer frames is drawn with marks.
const FEW_FRAMES: usize = 5;

/// Sets runs side by side and writes tables, figure and samples.
///
/// # Errors
/// A run cannot be compared with the first one: another dataset, other test domains, no frame in common; a run or the
/// output cannot be read or written.
pub(in crate::evaluate) fn run(options: &CompareOptions) -> Result<Printout> {
    let scored: Vec<Run> = compare::read_runs(&options.runs, |scores: &Scores| scores.run.as_ref())?;
    let sides = sides(&scored)?;
    let folder = &options.output;
    let unit = scored[0].scores.dataset.time_unit;
    figure(&sides, unit).save(folder, "mse")?;
    for (n, run) in scored.iter().enumerate() {
        copy_samples(&run.path, &ComparisonFolder::new(folder).samples_path(n))?;
    }
    let first = &scored[0].scores;
    let found = Findings {
        part: sides.part.clone(),
        baselines: first.baselines.clone(),
        notes: notes(&scored, &sides),
        answer: answer::of_sources(&sides.predictors(&sides.common), &sides.common, &sides.part),
        drawings: drawings(&sides, unit),
        tables: all_tables(&scored, &sides),
        terminal: terminal_tables(&scored, &sides),
        sheets: vec![sheet(&sides)],
    };
    compare::write(folder, &scored, first.dataset.clone(), found)
}

/// What the runs are compared on.
struct Sides<'a> {
    part: String,
    /// The main part of each run, by name.
    runs: Vec<(String, &'a PartScores)>,
    /// The baselines, which are the same for all runs.
    baselines: Vec<&'a SequenceScores>,
    /// All frames of the dataset that some run has, if not all runs have them.
    all: Option<BTreeSet<usize>>,
    /// Frames that all runs have.
    common: BTreeSet<usize>,
}

fn sides(scored: &[Run]) -> Result<Sides<'_>> {
    let first = &scored[0];
    let mut runs: Vec<(String, &PartScores)> = Vec::new();
    for run in scored {
        let part = run.scores.main_part();
        let part = part.ok_or_else(|| first.refuse(run, "no part of the split was scored"))?;
        first.require_same_dataset(run, |scores| (&scores.dataset.path, &scores.dataset.fingerprint))?;
        runs.push((run.name.clone(), part));
    }
    let reference = runs[0].1;
    let mut common = reference.frames();
    for (run, (_, part)) in scored.iter().zip(&runs).skip(1) {
        let refuse = |what: String| Err(first.refuse(run, what));
        let name = &part.part;
        if *name != reference.part {
            return refuse(format!("one has {} domains, the other only {name} domains", reference.part));
        }
        if let Some(difference) = difference(&reference.ids(), &part.ids()) {
            return refuse(format!(
                "they were scored on different {name} domains ({difference}); use the same split seed and fractions"
            ));
        }
        let both = &common & &part.frames();
        if both.is_empty() {
            let (ours, theirs) = (frames_text(&common), frames_text(&part.frames()));
            return refuse(format!("they have no frame in common ({ours} against {theirs})"));
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

fn notes(scored: &[Run], sides: &Sides) -> Vec<String> {
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
    notes
}

fn all_tables(scored: &[Run], sides: &Sides) -> Vec<Table> {
    let mut tables = vec![cost::table(scored)];
    for frames in sides.frame_sets() {
        tables.extend(STUDY.map(|study| squared_error(scored, frames, study)));
        let measures = tables::measures(&sides.part, &sides.predictors(frames), frames, &Measure::ALL);
        tables.push(measures.transposed());
        tables.extend(differences(sides, frames));
    }
    tables.push(time_steps(sides));
    tables
}

fn terminal_tables(scored: &[Run], sides: &Sides) -> Vec<Table> {
    let mut tables = vec![cost::table(scored)];
    for frames in sides.frame_sets() {
        tables.push(squared_error(scored, frames, STUDY[0]));
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
    fn all_predictors(&self) -> impl Iterator<Item = (String, &'a SequenceScores)> {
        let runs = self.runs.iter().filter_map(|(name, part)| Some((name.clone(), part.sources.first()?)));
        runs.chain(self.baselines.iter().map(|source| (source.source.clone(), *source)))
    }

    /// Those that have all of `frames`.
    fn predictors(&self, frames: &BTreeSet<usize>) -> Vec<(String, &'a SequenceScores)> {
        self.all_predictors().filter(|(_, source)| frames.is_subset(&source.frames())).collect()
    }
}

fn squared_error(scored: &[Run], frames: &BTreeSet<usize>, study: (Measure, &str)) -> Table {
    let is_scored = |part: &&str| scored.iter().any(|run| run.scores.part(part).is_some());
    let parts: Vec<&str> = ["train", "validation", "test"].into_iter().filter(is_scored).collect();
    let row = |name: &str, run: &Run, baseline: Option<Baseline>| {
        let summary = |part: &&str| {
            let source = run.scores.part(part)?.source(baseline)?;
            frames.is_subset(&source.frames()).then(|| source.summary(frames))
        };
        (name.to_owned(), baseline, parts.iter().map(summary).collect())
    };
    let runs = scored.iter().map(|run| row(&run.name, run, None));
    let baselines = Baseline::ALL.into_iter().map(|one| row(one.name(), &scored[0], Some(one)));
    tables::squared_error(study, frames, &parts, runs.chain(baselines))
}

/// How every other predictor differs from the first run, domain by domain.
fn differences(sides: &Sides, frames: &BTreeSet<usize>) -> Option<Table> {
    let predictors = sides.predictors(frames);
    let ((first, reference), others) = predictors.split_first()?;
    let row = |(name, source): &(String, &SequenceScores)| {
        let found = source.difference(reference, frames, Measure::Mse)?;
        let cells = [found.mean, found.low, found.high].map(|value| format!("{value:+.6}"));
        let cells = std::iter::once(name.clone()).chain(cells).collect();
        Some(Row { cells, is_baseline: source.is_baseline })
    };
    let headings = [format!("minus {first}"), "mean".into(), "2.5 %".into(), "97.5 %".into()];
    Some(Table {
        title: format!(
            "Difference from {first} in the mean squared error in the pore space, {} domains, {}: mean and bootstrap \
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
        let cell = |column: &BTreeMap<_, f64>| or_dash(column.get(frame), |value| format!("{value:.4}"));
        let cells = std::iter::once(frame.to_string()).chain(columns.iter().map(cell)).collect();
        Row { cells, is_baseline: false }
    });
    Table {
        title: format!("Mean squared error in the pore space at each time step, {} domains", sides.part),
        headings: std::iter::once("frame".to_owned()).chain(names).collect(),
        rows: rows.collect(),
    }
}

/// What the report draws.
fn drawings(sides: &Sides, unit: TimeUnit) -> Vec<(String, Drawing)> {
    let predictors = sides.predictors(&sides.common);
    let mut drawings = vec![("Error over time".to_owned(), Drawing::Charts(figure(sides, unit)))];
    let forest = forest(&predictors, &sides.common, &sides.part);
    drawings.extend(forest.map(|forest| ("Paired differences".to_owned(), Drawing::Dots(vec![forest]))));
    let heading = format!("Measures at {}", frames_text(&sides.common));
    drawings.push((heading, Drawing::Dots(measures(&predictors, &sides.common))));
    drawings.push(("Saturation".to_owned(), Drawing::Charts(saturation(sides, unit))));
    drawings
}

/// How every other predictor differs from the first run, domain by domain.
pub(super) fn forest(
    predictors: &[(String, &SequenceScores)],
    frames: &BTreeSet<usize>,
    part: &str,
) -> Option<Dots> {
    let ((first, reference), others) = predictors.split_first()?;
    let row = |(index, (name, source)): (usize, &(String, &SequenceScores))| {
        let found = source.difference(reference, frames, Measure::Mse)?;
        Some(DotRow {
            label: format!("{name} − {first}"),
            colour: if source.is_baseline { Colour::Baseline } else { Colour::Run(index + 1) },
            dots: Vec::new(),
            value: found.mean,
            interval: Some((found.low, found.high)),
        })
    };
    let rows: Vec<DotRow> = others.iter().enumerate().filter_map(row).collect();
    (!rows.is_empty()).then(|| Dots {
        title: format!(
            "Difference from {first} in the mean squared error, domain by domain: mean of {} {part} domains, 95 % interval",
            reference.domains.len()
        ),
        x_label: format!("probability²; right of 0: {first} is better"),
        span: Span::AroundZero,
        rows,
    })
}

/// The saturation of some domains over time.
fn saturation(sides: &Sides, unit: TimeUnit) -> Charts {
    let curve = |domain: &DomainScore, value: fn(&FrameScore) -> f64| {
        domain.frames.iter().map(|frame| (frame.time, value(frame))).collect::<Vec<_>>()
    };
    let sources: Vec<&SequenceScores> =
        sides.runs.iter().filter_map(|(_, part)| part.sources.first()).collect();
    let longest = sources.iter().max_by_key(|source| source.frames().len());
    let domains = longest.map_or(&[][..], |source| &source.domains).iter().take(SATURATION_DOMAINS);
    let chart = |domain: &DomainScore| {
        let truth = curve(domain, |frame| frame.true_saturation);
        let mut series = vec![Series::line("true", Colour::Truth, Stroke::Solid, truth)];
        for (index, ((name, _), source)) in sides.runs.iter().zip(&sources).enumerate() {
            let own = source.domains.iter().find(|own| own.domain_id == domain.domain_id);
            series.extend(own.map(|own| {
                let stroke = if own.frames.len() < FEW_FRAMES { Stroke::Marked } else { Stroke::Solid };
                Series::line(name, Colour::Run(index), stroke, curve(own, |frame| frame.saturation))
            }));
        }
        Chart {
            title: domain.domain_id.clone(),
            x_label: time_axis(unit).into(),
            y_label: "saturation (fraction of the pore space)".into(),
            series,
        }
    };
    Charts {
        title: format!("Saturation of the invading phase, {} domains", sides.part),
        charts: domains.map(chart).collect(),
        columns: 3,
        cell: (380, 280),
    }
}

fn figure(sides: &Sides, unit: TimeUnit) -> Charts {
    let mut series: Vec<_> = sides
        .baselines
        .iter()
        .map(|source| squared_error_line(&source.source, source, Colour::Baseline))
        .collect();
    for (index, (name, part)) in sides.runs.iter().enumerate() {
        series.extend(part.sources.first().map(|source| {
            let mut line = squared_error_line(name, source, Colour::Run(index));
            if sides.runs.len() > SHADED_RUNS {
                line.band.clear();
            }
            line
        }));
    }
    let domains = sides.runs[0].1.ids().len();
    let chart = Chart {
        title: match sides.runs.len() <= SHADED_RUNS {
            true => format!(
                "Mean squared error over time, {domains} {} domains; shaded: 95 % interval over domains",
                sides.part
            ),
            false => format!("Mean squared error over time, {domains} {} domains", sides.part),
        },
        x_label: time_axis(unit).into(),
        y_label: SQUARED_ERROR.into(),
        series,
    };
    Charts { title: String::new(), charts: vec![chart], columns: 1, cell: (900, 480) }
}

fn sheet(sides: &Sides) -> Sheet {
    let headings = ["run", "frames", "part", "measure", "over", "domains", "mean", "low", "high"];
    let mut rows = vec![texts(&headings)];
    for frames in sides.frame_sets() {
        for (name, source) in sides.predictors(frames) {
            let summary = source.summary(frames);
            let domains = summary.domains.to_string();
            rows.extend(summary.means().map(|(over, measure, interval)| {
                let named = [name.as_str(), &frames_text(frames), &sides.part, measure.key(), over, &domains];
                [texts(&named), cells(&interval).to_vec()].concat()
            }));
        }
    }
    Sheet { file: "comparison.csv", rows }
}

/// Copies the samples, so that the report of a comparison needs nothing but its own folder.
fn copy_samples(run: &Path, target: &Path) -> Result<()> {
    let folder = RunFolder::new(run).evaluation().samples_path();
    document::copy_files(&folder, target, "evaluate the run with --force")
}
