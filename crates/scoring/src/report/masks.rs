//! The pages of masks.

use std::path::Path;

use super::page::escape;
use super::{Content, configurations, listed};
use crate::evaluate::compare::card_and_scores;
use crate::evaluate::masks::compare::Comparison;
use crate::evaluate::masks::measure::Measure;
use crate::evaluate::masks::source::Source;
use crate::evaluate::masks::{Scores, answer, figures, tables};
use crate::figure::Drawing;
use porecast_base::Result;
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{ComparisonFolder, SegmentationCard, SegmentationRunCard};

/// Heading of the definitions.
const DEFINED: &str = "What the measures and sources are";

/// The pictures of a run.
const OVERLAYS: &[&str] = &["overlays-best", "overlays-even", "overlays-worst"];

/// What the page of a run says.
///
/// # Errors
/// The run was not evaluated since its training.
pub(super) fn run_page(run: &RunFolder) -> Result<Content> {
    let (card, scores) = card_and_scores(run.path(), |scores: &Scores| scores.run.as_ref())?;
    let mut drawings = Vec::new();
    let mut draw = |heading: &str, drawing: Drawing| drawings.push((heading.to_owned(), drawing));
    if let Some(part) = scores.main_part() {
        let histogram = figures::dice_histogram(&scores, part);
        draw("How good single images are", Drawing::Charts(histogram.into()));
        if let Some(dots) = figures::groups(&scores, part) {
            draw("Groups", Drawing::Dots(vec![dots]));
        }
        if let Some(map) = figures::confusion(&scores, part) {
            draw("Confusion matrix", Drawing::HeatMap(map));
        }
    }
    if let Some(chart) = figures::precision_recall(&scores) {
        draw("Precision over recall", Drawing::Charts(chart.into()));
    }
    Ok(Content {
        answer: answer::of_run(&scores),
        facts: vec![split_text(&card), dataset_text(&scores.dataset), whole_set(&scores)],
        pictures: OVERLAYS,
        drawings,
        tables: tables::overview(&scores),
        details: vec![(DEFINED.into(), definitions())],
        notes: scores.notes,
        ..Content::default()
    })
}

/// What the page of a comparison says.
///
/// # Errors
/// The folder holds no comparison that can be read.
pub(super) fn comparison_page(folder: &Path) -> Result<Content> {
    let comparison = Comparison::read(&ComparisonFolder::new(folder).comparison_path())?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    Ok(Content {
        title: format!("Comparison of {}", listed(&names)),
        answer: comparison.answer,
        facts: vec![split_text(&comparison.runs[0].card), dataset_text(&comparison.dataset)],
        drawings: comparison.drawings,
        details: std::iter::once((DEFINED.to_owned(), definitions()))
            .chain(configurations(comparison.runs.into_iter().map(|run| (run.name, run.config))))
            .collect(),
        notes: comparison.notes,
        tables: comparison.tables,
        ..Content::default()
    })
}

fn split_text(card: &SegmentationRunCard) -> String {
    let split = &card.split;
    let validation: usize = split.folds.iter().map(Vec::len).sum();
    match split.folds.len() {
        1 => format!(
            "{} training, {validation} validation and {} test images",
            split.train.len(),
            split.test.len()
        ),
        folds => format!("{validation} images in {folds} folds, {} test images", split.test.len()),
    }
}

fn dataset_text(dataset: &SegmentationCard) -> String {
    let (channels, height, width) = dataset.shape;
    let plural = if channels == 1 { "" } else { "s" };
    format!("{height} × {width} pixels, {channels} channel{plural}, classes {}", dataset.classes.join(", "))
}

/// Measures of all pixels of the set together.
fn whole_set(scores: &Scores) -> String {
    let total = scores.main_part().and_then(|part| part.main()?.total());
    let Some(total) = total else { return String::new() };
    let classes = &scores.scored_classes;
    format!(
        "{}; all pixels of the set together: Dice {:.4}, intersection over union {:.4}",
        tables::classes_text(scores),
        Measure::Dice.of(&total, classes),
        Measure::Iou.of(&total, classes)
    )
}

fn definitions() -> String {
    let entry = |term: &str, text: &str| format!("<dt>{}</dt><dd>{}</dd>", escape(term), escape(text));
    let mut list: String = Measure::ALL.map(|m| entry(m.heading(), m.explanation())).concat();
    list += &entry(
        "over several classes",
        "the mean over the classes that occur in truth or prediction, without the background and the classes excluded \
         from the loss; 1 if no class occurs in either",
    );
    list += &entry(
        "Hausdorff",
        "largest distance in millimetres from an outline pixel of truth or prediction to the nearest outline pixel of the \
         other; mean and median over the images with a known pixel size in which truth and prediction have the class",
    );
    list += &entry(
        "average precision",
        "area under the curve of precision over recall, all pixels of the set together, thresholds in steps of 1/1024",
    );
    list += &Source::ALL.map(|source| entry(source.name(), source.explanation())).concat();
    format!("<dl>{list}</dl>")
}
