//! The pages of a segmentation: of one run, and of several side by side.

use std::fs;
use std::path::Path;

use super::page::{Page, escape};
use super::{configuration, figure, listed};
use crate::error::Result;
use crate::evaluate::compared;
use crate::evaluate::document::Document;
use crate::evaluate::masks::compare::MaskComparison;
use crate::evaluate::masks::measure::Measure;
use crate::evaluate::masks::scores::{MaskScores, ScoredImages};
use crate::evaluate::masks::source::Source;
use crate::evaluate::masks::tables;
use crate::store::RunFolder;
use crate::store::run::SegmentationRunCard;

/// The page of an evaluated run.
pub(super) fn run_page(run: &RunFolder) -> Result<Page> {
    let card: SegmentationRunCard = run.card_of()?;
    let folder = run.evaluation_path();
    let scores = MaskScores::read(&folder.join("scores.json"))?;
    let mut page = Page::new(&card.name);
    page.subtitle(&[split_text(&card), dataset_text(&scores.dataset), super::run_text(&card)]);
    page.lead(&headline(&scores));
    page.notes(&scores.notes);
    for table in tables::overview(&scores) {
        page.table(&table);
    }
    for (heading, stem) in [
        ("The best", "overlays-best"),
        ("Between best and worst", "overlays-even"),
        ("The worst", "overlays-worst"),
        ("How good single images are", "dice"),
        ("Groups", "groups"),
        ("Precision over recall", "precision-recall"),
        ("Confusion matrix", "confusion"),
        ("Training", "training"),
    ] {
        if let Some(figure) = figure(&folder, stem)? {
            page.section(heading, &figure);
        }
    }
    page.details("What the measures and sources are", &definitions());
    page.details(
        "Resolved configuration",
        &configuration(&fs::read_to_string(run.config_path()).unwrap_or_default()),
    );
    Ok(page)
}

/// The page of a comparison.
pub(super) fn comparison_page(folder: &Path) -> Result<Page> {
    let comparison = MaskComparison::read(&folder.join(compared::FILE))?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    let mut page = Page::new(&format!("Comparison of {}", listed(&names)));
    page.subtitle(&[split_text(&comparison.runs[0].card), dataset_text(&comparison.dataset)]);
    page.notes(&comparison.notes);
    page.section("Dice coefficient", &figure(folder, "dice")?.unwrap_or_default());
    for table in &comparison.tables {
        page.table(table);
    }
    page.details("What the measures and sources are", &definitions());
    for run in &comparison.runs {
        page.details(&format!("Resolved configuration of {}", run.name), &configuration(&run.config));
    }
    Ok(page)
}

/// What the evaluation found, in a sentence.
fn headline(scores: &MaskScores) -> String {
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

fn dataset_text(dataset: &ScoredImages) -> String {
    let (channels, height, width) = dataset.shape;
    let plural = if channels == 1 { "" } else { "s" };
    format!("{height} × {width} pixels, {channels} channel{plural}, classes {}", dataset.classes.join(", "))
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
