//! Several segmentations side by side, scored on the same dataset or not at all.
//!
//! Files in the output folder:
//!
//! ```text
//! comparison.json   runs, tables and notes (MaskComparison)
//! comparison.md     the tables
//! comparison.csv    run, part, source, measure, over, count, mean, low, high
//! differences.csv   name, less, part, measure, images, mean, low, high: image by image, less the first run
//! runs.csv          parameters, wall time, samples seen and best epochs of each run
//! dice              mean Dice coefficient of all runs (.svg and .png)
//! ```

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::figures;
use super::measure::Measure;
use super::plan::Plan;
use super::scores::{MaskScores, PartScores, ScoredImages, SourceScores};
use super::source::Source;
use super::tables::{classes_text, summary_of};
use crate::cli::{CompareArgs, Verbosity};
use crate::error::Result;
use crate::evaluate::compared::{self, ComparedRun, RunScores, difference};
use crate::evaluate::cost::{self, Cost};
use crate::evaluate::document::Document;
use crate::evaluate::table::{Row, Table, number};
use crate::evaluate::tables::{interval, write_rows};
use crate::figure::{DotRow, Figure, palette};
use crate::metric::Interval;
use crate::store::run::{Card, SegmentationCard};

type Scored = compared::Scored<MaskScores>;

/// Measures that runs are compared by.
const COMPARED: [Measure; 2] = [Measure::Dice, Measure::Iou];

/// What `comparison.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskComparison {
    /// Always [`MaskComparison::FORMAT`](Document::FORMAT).
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// The dataset that all runs were scored on.
    pub dataset: ScoredImages,
    /// The part of the split that the figure is of.
    pub part: String,
    /// The runs, in the order given.
    pub runs: Vec<ComparedRun<SegmentationCard>>,
    /// What a reader has to be told.
    pub notes: Vec<String>,
    /// The tables.
    pub tables: Vec<Table>,
}

impl Document for MaskComparison {
    const FORMAT: &'static str = "porecast-mask-comparison";
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast compare";
}

impl RunScores for MaskScores {
    type Dataset = SegmentationCard;

    fn run(&self) -> Option<&Card<SegmentationCard>> {
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
/// A run is missing, is not a segmentation, changed since it was evaluated, or cannot be compared with the first one
/// (other classes, another dataset, no part in common); the output exists or cannot be written.
pub fn compare(args: &CompareArgs, verbosity: Verbosity) -> Result<()> {
    for plan in unscored(args)? {
        super::execute(&plan)?;
    }
    let scored = Scored::read_all(&args.runs)?;
    let parts = common_parts(&scored)?;
    let notes = notes(&scored, &parts);
    let costs: Vec<Cost> = scored.iter().map(|run| Cost::of(&run.name, &run.card)).collect();
    let mut tables: Vec<Table> = parts.iter().map(|part| scores_table(&scored, part)).collect();
    tables.extend(parts.iter().filter_map(|part| differences_table(&scored, part)));
    tables.push(cost::table(&costs));

    let folder = &args.output;
    let main = parts.last().expect("runs without a part in common are refused");
    figures::comparison(main, dots(&scored, main), &classes_text(&scored[0].scores)).save(folder, "dice")?;
    write_rows(&folder.join("comparison.csv"), &score_rows(&scored, &parts))?;
    write_rows(&folder.join("differences.csv"), &difference_rows(&scored, &parts))?;
    write_rows(&folder.join("runs.csv"), &cost::rows(&costs))?;
    compared::write_markdown(folder, &tables, notes.iter())?;
    let comparison = MaskComparison {
        format: MaskComparison::FORMAT.into(),
        version: MaskComparison::VERSION,
        dataset: scored[0].scores.dataset.clone(),
        part: main.clone(),
        runs: scored.iter().map(Scored::compared).collect(),
        notes,
        tables,
    };
    comparison.write(&folder.join(compared::FILE))?;
    if !verbosity.quiet {
        let last = format!("comparison: {}", folder.display());
        crate::evaluate::print(&comparison.tables, &comparison.notes, &last);
    }
    Ok(())
}

fn source_of<'a>(run: &'a Scored, part: &str, source: Source) -> Option<&'a SourceScores> {
    run.scores.part(part)?.source(source)
}

/// The parts that every run was scored on, the one that says most last.
fn common_parts(scored: &[Scored]) -> Result<Vec<String>> {
    let first = &scored[0];
    let refuse = |other: &Scored, what: String| Err(first.refuse(other, what));
    for run in &scored[1..] {
        let (ours, theirs) = (&first.scores.dataset, &run.scores.dataset);
        if ours.classes != theirs.classes {
            let what = format!("one has the classes {:?}, the other {:?}", ours.classes, theirs.classes);
            return refuse(run, what);
        }
        first.require_same_dataset(run)?;
        if first.scores.scored_classes != run.scores.scored_classes {
            let what = format!(
                "means run over the classes {} in one, over {} in the other (loss.excluded)",
                first.scores.scored_names().join(", "),
                run.scores.scored_names().join(", ")
            );
            return refuse(run, what);
        }
    }
    let names = ["train", "all", "validation", "test"].map(str::to_owned);
    let parts: Vec<String> =
        names.into_iter().filter(|part| scored.iter().all(|run| run.scores.part(part).is_some())).collect();
    match (parts.is_empty(), scored.last()) {
        (true, Some(last)) => refuse(last, "no part of the split was scored for every run".into()),
        _ => Ok(parts),
    }
}

/// How the images of a part differ from those of the first run, if they do.
fn other_images(scored: &[Scored], run: &Scored, part: &str) -> Option<String> {
    let ours = scored[0].scores.part(part)?.ids();
    difference(&ours, &run.scores.part(part)?.ids())
}

fn notes(scored: &[Scored], parts: &[String]) -> Vec<String> {
    let mut notes = Vec::new();
    for part in parts {
        for run in &scored[1..] {
            if let Some(difference) = other_images(scored, run, part) {
                notes.push(format!(
                    "{} and {} were scored on different {part} images ({difference}), so that their scores do not \
                     compare image by image",
                    scored[0].name, run.name
                ));
            }
        }
    }
    if scored.iter().any(|run| run.card.split != scored[0].card.split) {
        let name = &scored[0].name;
        notes.push(format!("the runs were trained on different splits; the mean mask is that of {name}"));
    }
    notes.extend(Scored::unfinished(scored));
    notes
}

/// Runs with their sources, and the baselines of the first run.
fn rows_of<'a>(
    scored: &'a [Scored],
    part: &'a str,
) -> impl Iterator<Item = (String, &'a Scored, &'a SourceScores)> {
    let of_run = move |run: &'a Scored| {
        let sources = [Source::Network, Source::Postprocessed].into_iter();
        sources.filter_map(move |source| {
            let name = match source {
                Source::Network => run.name.clone(),
                _ => format!("{}, {}", run.name, source.name()),
            };
            Some((name, run, source_of(run, part, source)?))
        })
    };
    let baselines = Source::ALL.into_iter().filter(|source| source.is_baseline()).filter_map(move |source| {
        Some((source.name().to_owned(), &scored[0], source_of(&scored[0], part, source)?))
    });
    scored.iter().flat_map(of_run).chain(baselines)
}

fn scores_table(scored: &[Scored], part: &str) -> Table {
    let classes = &scored[0].scores.scored_classes;
    let rows = rows_of(scored, part).map(|(name, _, source)| {
        let mut cells = vec![name, source.images.len().to_string()];
        cells.extend(
            COMPARED
                .map(|measure| source.mean(measure, classes).as_ref().map_or_else(|| "-".into(), interval)),
        );
        let total = source.total();
        let of_set =
            |measure: Measure| total.as_ref().map_or_else(|| "-".into(), |t| number(measure.of(t, classes)));
        cells.extend(Measure::ALL.map(of_set));
        Row { cells, is_baseline: source.source.is_baseline() }
    });
    let rows = rows.collect();
    let mut headings = ["", "images"].map(str::to_owned).to_vec();
    headings.extend(COMPARED.map(|measure| format!("{} of images", measure.heading())));
    headings.extend(Measure::ALL.map(|measure| measure.heading().to_owned()));
    Table {
        title: format!(
            "{part} images, {}: mean over images ± half the 95 % bootstrap interval, then of all pixels of the set \
             together",
            classes_text(&scored[0].scores)
        ),
        headings,
        rows,
    }
}

/// The differences of every other row from the first run, image by image.
fn differences<'a>(
    scored: &'a [Scored],
    part: &'a str,
    measure: Measure,
) -> impl Iterator<Item = (String, &'a SourceScores, Interval)> {
    let reference = scored[0].scores.part(part).and_then(PartScores::main);
    rows_of(scored, part).filter_map(move |(name, run, source)| {
        let reference = reference?;
        let is_itself = std::ptr::eq(source, reference);
        if is_itself || other_images(scored, run, part).is_some() {
            return None;
        }
        Some((name, source, source.difference(reference, measure, &scored[0].scores.scored_classes)?))
    })
}

fn differences_table(scored: &[Scored], part: &str) -> Option<Table> {
    let [dice, iou] = COMPARED.map(|measure| differences(scored, part, measure).collect::<Vec<_>>());
    let rows: Vec<Row> = dice
        .into_iter()
        .zip(iou)
        .map(|((name, source, dice), (_, _, iou))| {
            let signed = |value: f64| format!("{value:+.4}");
            let cells = [dice, iou].map(|d| [d.mean, d.low, d.high].map(signed));
            Row {
                cells: std::iter::once(name).chain(cells.into_iter().flatten()).collect(),
                is_baseline: source.source.is_baseline(),
            }
        })
        .collect();
    let reference = reference_name(&scored[0], part);
    let headings = [format!("less {reference}")]
        .into_iter()
        .chain(["Dice", "2.5 %", "97.5 %", "IoU", "2.5 %", "97.5 %"].map(str::to_owned));
    (!rows.is_empty()).then(|| Table {
        title: format!("Less that of {reference}, {part} image by image: mean and bootstrap interval"),
        headings: headings.collect(),
        rows,
    })
}

/// The first run, and what its masks are.
fn reference_name(first: &Scored, part: &str) -> String {
    match first.scores.part(part).and_then(PartScores::main).map(|source| source.source) {
        Some(Source::Postprocessed) => format!("{}, {}", first.name, Source::Postprocessed.name()),
        _ => first.name.clone(),
    }
}

fn dots(scored: &[Scored], part: &str) -> Vec<DotRow> {
    let classes = &scored[0].scores.scored_classes;
    let row = |(name, run, source): (String, &Scored, &SourceScores)| {
        let mean = source.mean(Measure::Dice, classes)?;
        let place = scored.iter().position(|other| std::ptr::eq(other, run)).unwrap_or(0);
        Some(DotRow {
            label: name,
            colour: if source.source.is_baseline() { palette::BASELINE } else { palette::line(place) },
            dots: Vec::new(),
            value: mean.mean,
            interval: Some((mean.low, mean.high)),
        })
    };
    rows_of(scored, part).filter_map(row).collect()
}

fn text(cells: &[&str]) -> Vec<String> {
    cells.iter().map(|cell| (*cell).to_owned()).collect()
}

/// Name of a run in a CSV file; a baseline has none.
fn run_name<'a>(run: &'a Scored, source: &SourceScores) -> &'a str {
    if source.source.is_baseline() { "" } else { &run.name }
}

fn score_rows(scored: &[Scored], parts: &[String]) -> Vec<Vec<String>> {
    let mut rows = vec![text(&["run", "part", "source", "measure", "over", "count", "mean", "low", "high"])];
    for part in parts {
        for (_, run, source) in rows_of(scored, part) {
            let name = text(&[run_name(run, source), part, source.source.name()]);
            rows.extend(summary_of(source, &run.scores).into_iter().map(|row| [name.clone(), row].concat()));
        }
    }
    rows
}

fn difference_rows(scored: &[Scored], parts: &[String]) -> Vec<Vec<String>> {
    let mut rows = vec![text(&["name", "less", "part", "measure", "images", "mean", "low", "high"])];
    for part in parts {
        for measure in COMPARED {
            for (name, source, found) in differences(scored, part, measure) {
                let mut row = text(&[&name, &reference_name(&scored[0], part), part, measure.key()]);
                row.push(source.images.len().to_string());
                row.extend([found.mean, found.low, found.high].map(|value| value.to_string()));
                rows.push(row);
            }
        }
    }
    rows
}
