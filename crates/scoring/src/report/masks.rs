//! The pages of masks.

use std::path::Path;

use super::page::escape;
use super::{ComparisonPage, Figures, RunPage};
use crate::evaluate::masks::compare::Comparison;
use crate::evaluate::masks::measure::Measure;
use crate::evaluate::masks::source::Source;
use crate::evaluate::masks::{Scores, tables};
use porecast_base::Result;
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{ComparisonFolder, SegmentationCard, SegmentationRunCard};

/// Heading of the definitions.
const DEFINED: &str = "What the measures and sources are";

/// The figures under the tables of a run.
const FIGURES: Figures = &[
    ("The best", "overlays-best"),
    ("Between best and worst", "overlays-even"),
    ("The worst", "overlays-worst"),
    ("How good single images are", "dice"),
    ("Groups", "groups"),
    ("Precision over recall", "precision-recall"),
    ("Confusion matrix", "confusion"),
];

/// What the page of a run says.
///
/// # Errors
/// The run was not evaluated.
pub(super) fn run_page(run: &RunFolder) -> Result<RunPage> {
    let scores = Scores::read(&run.evaluation().scores_path())?;
    Ok(RunPage {
        split: split_text(&run.card_of()?),
        dataset: dataset_text(&scores.dataset),
        headline: headline(&scores),
        viewer: None,
        first_figures: &[],
        tables: tables::overview(&scores),
        figures: FIGURES,
        definitions: (DEFINED, definitions()),
        notes: scores.notes,
    })
}

/// What the page of a comparison says.
///
/// # Errors
/// The folder holds no comparison that can be read.
pub(super) fn comparison_page(folder: &Path) -> Result<ComparisonPage> {
    let comparison = Comparison::read(&ComparisonFolder::new(folder).comparison_path())?;
    Ok(ComparisonPage {
        split: split_text(&comparison.runs[0].card),
        dataset: dataset_text(&comparison.dataset),
        figures: &[("Dice coefficient", "dice")],
        viewer: None,
        definitions: (DEFINED, definitions()),
        runs: comparison.runs.into_iter().map(|run| (run.name, run.config)).collect(),
        notes: comparison.notes,
        tables: comparison.tables,
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

fn headline(scores: &Scores) -> String {
    let Some(part) = scores.main_part() else { return String::new() };
    let classes = &scores.scored_classes;
    let Some((main, total)) = part.main().and_then(|main| Some((main, main.total()?))) else {
        return String::new();
    };
    let Some(dice) = main.mean(Measure::Dice, classes) else { return String::new() };
    let baselines: Vec<String> = part
        .sources
        .iter()
        .filter(|source| source.source.is_baseline())
        .filter_map(|source| {
            let mean = source.mean(Measure::Dice, classes)?.mean;
            Some(format!("{} {mean:.4}", source.source.name()))
        })
        .collect();
    format!(
        "Dice coefficient of {} {} images, {}: <strong>{:.4}</strong> in the mean over images (95 % interval {:.4} to \
         {:.4}), {:.4} over all pixels together; intersection over union {:.4} over all pixels. Baselines: {}.",
        main.images.len(),
        escape(&part.part),
        escape(&tables::classes_text(scores)),
        dice.mean,
        dice.low,
        dice.high,
        Measure::Dice.of(&total, classes),
        Measure::Iou.of(&total, classes),
        escape(&baselines.join(", "))
    )
}

fn definitions() -> String {
    let entry = |term: &str, text: &str| format!("<dt>{}</dt><dd>{}</dd>", escape(term), escape(text));
    let mut list: String = Measure::ALL.map(|m| entry(m.heading(), m.explanation())).concat();
    list += &entry(
        "over several classes",
        "the mean over the classes that occur in truth or prediction, without the background and the classes excluded \
         from the loss; 1 where none occurs, for there was nothing to find and nothing was found",
    );
    list += &entry(
        "Hausdorff",
        "largest distance in millimetres from a pixel of the outline in truth or prediction to the nearest of the other, \
         mean and median over the images in which the size of a pixel is known and both have the class",
    );
    list += &entry(
        "average precision",
        "area under the curve of precision over recall, all pixels of the set together, thresholds in steps of 1/1024",
    );
    list += &Source::ALL.map(|source| entry(source.name(), source.explanation())).concat();
    format!("<dl>{list}</dl>")
}
