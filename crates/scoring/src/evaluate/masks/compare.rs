//! Several segmentation runs side by side. Runs that were scored on different datasets are refused.
//!
//! Files in the output folder, beside those of every comparison:
//!
//! ```text
//! comparison.csv    run, part, source, measure, over, count, mean, low, high
//! differences.csv   name, less, part, measure, images, mean, low, high: image by image, less the first run
//! dice              mean Dice coefficient of all runs (.svg and .png)
//! ```

use super::measure::Measure;
use super::scores::{MaskScores, PartScores, Scores};
use super::source::Source;
use super::tables::{COMPARED, classes_text, measures, summary_of};
use crate::evaluate::compare::{self, Findings, ScoredRun, difference};
use crate::evaluate::sheet::{Sheet, cells, texts};
use crate::evaluate::table::{Row, Table};
use crate::evaluate::{CompareOptions, Printout, cost};
use crate::figure::{Colour, DotRow, Dots, Drawing, Figure, Span};
use crate::metric::Interval;
use porecast_base::Result;
use porecast_store::document::Document;
use porecast_store::run::SegmentationCard;
use porecast_store::{Dataset, SegmentationDataset};

type Run = ScoredRun<SegmentationCard, Scores>;
/// A comparison of runs on annotated images.
pub type Comparison = compare::Comparison<SegmentationCard, SegmentationCard>;

impl Document for Comparison {
    const FORMAT: &'static str = SegmentationDataset::COMPARISON;
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast compare";
}

/// Sets runs side by side and writes tables and figure.
///
/// # Errors
/// A run cannot be compared with the first one: other classes, another dataset, no part in common; a run or the output
/// cannot be read or written.
pub(in crate::evaluate) fn run(options: &CompareOptions) -> Result<Printout> {
    let scored: Vec<Run> = compare::read_runs(&options.runs, |scores: &Scores| scores.run.as_ref())?;
    let parts = common_parts(&scored)?;
    let main = parts.last().expect("runs without a part in common are refused");
    let mut tables: Vec<Table> = parts.iter().map(|part| scores_table(&scored, part)).collect();
    tables.extend(parts.iter().filter_map(|part| differences_table(&scored, part)));
    tables.push(cost::table(&scored));
    figure(&scored, main).save(&options.output, "dice")?;
    let found = Findings {
        part: main.clone(),
        baselines: Vec::new(),
        notes: notes(&scored, &parts),
        answer: answer(&scored, main),
        drawings: drawings(&scored, main),
        terminal: tables.clone(),
        tables,
        sheets: vec![score_sheet(&scored, &parts), difference_sheet(&scored, &parts)],
    };
    compare::write(&options.output, &scored, scored[0].scores.dataset.clone(), found)
}

fn source_of<'a>(run: &'a Run, part: &str, source: Source) -> Option<&'a MaskScores> {
    run.scores.part(part)?.source(source)
}

/// The parts that every run was scored on; the one that the comparison rests on is last.
fn common_parts(scored: &[Run]) -> Result<Vec<String>> {
    let first = &scored[0];
    let refuse = |other: &Run, what: String| Err(first.refuse(other, what));
    for run in &scored[1..] {
        let (ours, theirs) = (&first.scores.dataset, &run.scores.dataset);
        if ours.classes != theirs.classes {
            let what = format!("one has the classes {:?}, the other {:?}", ours.classes, theirs.classes);
            return refuse(run, what);
        }
        first.require_same_dataset(run, |scores| (&scores.dataset.path, &scores.dataset.fingerprint))?;
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
fn other_images(scored: &[Run], run: &Run, part: &str) -> Option<String> {
    let ours = scored[0].scores.part(part)?.ids();
    difference(&ours, &run.scores.part(part)?.ids())
}

fn notes(scored: &[Run], parts: &[String]) -> Vec<String> {
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
    notes
}

/// Runs with their sources, and the baselines of the first run.
fn rows_of<'a>(scored: &'a [Run], part: &'a str) -> impl Iterator<Item = (String, &'a Run, &'a MaskScores)> {
    let of_run = move |run: &'a Run| {
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

fn scores_table(scored: &[Run], part: &str) -> Table {
    let first = &scored[0].scores;
    let sources = rows_of(scored, part).map(|(name, _, source)| (name, source));
    measures(&format!("{part} images, {}", classes_text(first)), &first.scored_classes, sources)
}

/// The differences of every other row from the first run, image by image.
fn differences<'a>(
    scored: &'a [Run],
    part: &'a str,
    measure: Measure,
) -> impl Iterator<Item = (String, &'a MaskScores, Interval)> {
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

fn differences_table(scored: &[Run], part: &str) -> Option<Table> {
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
    let headings = [format!("minus {reference}")]
        .into_iter()
        .chain(["Dice", "2.5 %", "97.5 %", "IoU", "2.5 %", "97.5 %"].map(str::to_owned));
    (!rows.is_empty()).then(|| Table {
        title: format!("Difference from {reference}, {part} images: mean and bootstrap interval"),
        headings: headings.collect(),
        rows,
    })
}

/// The first run, and what its masks are.
fn reference_name(first: &Run, part: &str) -> String {
    match first.scores.part(part).and_then(PartScores::main).map(|source| source.source) {
        Some(Source::Postprocessed) => format!("{}, {}", first.name, Source::Postprocessed.name()),
        _ => first.name.clone(),
    }
}

/// The best run against the next one, or against the best baseline if there is no other.
fn answer(scored: &[Run], part: &str) -> String {
    let classes = &scored[0].scores.scored_classes;
    let mains = scored.iter().filter_map(|run| Some((run.name.as_str(), run.scores.part(part)?.main()?)));
    let baselines = Source::ALL.into_iter().filter(|source| source.is_baseline());
    let baselines =
        baselines.filter_map(|source| Some((source.name(), source_of(&scored[0], part, source)?)));
    super::answer::of_sources(&mains.chain(baselines).collect::<Vec<_>>(), classes, part)
}

/// What the report draws.
fn drawings(scored: &[Run], part: &str) -> Vec<(String, Drawing)> {
    let mut drawings = vec![("Dice coefficient".to_owned(), Drawing::Dots(vec![figure(scored, part)]))];
    let rows: Vec<DotRow> = differences(scored, part, Measure::Dice)
        .map(|(label, source, found)| DotRow {
            label,
            colour: if source.source.is_baseline() { Colour::Baseline } else { Colour::Run(1) },
            dots: Vec::new(),
            value: found.mean,
            interval: Some((found.low, found.high)),
        })
        .collect();
    if !rows.is_empty() {
        let reference = reference_name(&scored[0], part);
        let forest = Dots {
            title: format!("Difference from {reference} in the Dice coefficient, image by image"),
            x_label: format!("Dice; left of 0: {reference} is better"),
            span: Span::AroundZero,
            rows,
        };
        drawings.push(("Paired differences".to_owned(), Drawing::Dots(vec![forest])));
    }
    drawings
}

/// The mean Dice coefficient of every run with its interval, baselines in grey.
fn figure(scored: &[Run], part: &str) -> Dots {
    let scores = &scored[0].scores;
    let row = |(name, run, source): (String, &Run, &MaskScores)| {
        let mean = source.mean(Measure::Dice, &scores.scored_classes)?;
        let place = scored.iter().position(|other| std::ptr::eq(other, run)).unwrap_or(0);
        Some(DotRow {
            label: name,
            colour: if source.source.is_baseline() { Colour::Baseline } else { Colour::Run(place) },
            dots: Vec::new(),
            value: mean.mean,
            interval: Some((mean.low, mean.high)),
        })
    };
    Dots {
        title: format!("Dice coefficient, {part} images, {}", classes_text(scores)),
        x_label: "mean over images, with its 95 % interval".into(),
        span: Span::Unit,
        rows: rows_of(scored, part).filter_map(row).collect(),
    }
}

/// A baseline is of no run.
fn score_sheet(scored: &[Run], parts: &[String]) -> Sheet {
    let headings = ["run", "part", "source", "measure", "over", "count", "mean", "low", "high"];
    let mut rows = vec![texts(&headings)];
    for part in parts {
        for (_, run, source) in rows_of(scored, part) {
            let name = if source.source.is_baseline() { "" } else { &run.name };
            let named = texts(&[name, part, source.source.name()]);
            rows.extend(summary_of(source, &run.scores).into_iter().map(|row| [named.clone(), row].concat()));
        }
    }
    Sheet { file: "comparison.csv", rows }
}

fn difference_sheet(scored: &[Run], parts: &[String]) -> Sheet {
    let headings = ["name", "less", "part", "measure", "images", "mean", "low", "high"];
    let mut rows = vec![texts(&headings)];
    for part in parts {
        for measure in COMPARED {
            for (name, source, found) in differences(scored, part, measure) {
                let (less, images) = (reference_name(&scored[0], part), source.images.len().to_string());
                let named = [name.as_str(), &less, part, measure.key(), &images];
                rows.push([texts(&named), cells(&found).to_vec()].concat());
            }
        }
    }
    Sheet { file: "differences.csv", rows }
}
