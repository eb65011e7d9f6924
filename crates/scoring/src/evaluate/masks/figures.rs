//! The figures of an evaluation of masks.

use std::path::Path;

use porecast_imaging::measure::OperatingPoint;

use super::measure::Measure;
use super::source::Source;
use super::{PartScores, Scores};
use crate::figure::{Chart, Colour, DotRow, Dots, Figure, HeatMap, Series, Span, Stroke};
use porecast_base::Result;

/// Bins of the histogram of images.
const BINS: usize = 20;
/// Groups among the dots: the worst of them when there are more.
const SHOWN_GROUPS: usize = 40;

/// Draws all figures but the overlays into a folder.
pub(super) fn draw(scores: &Scores, folder: &Path) -> Result<()> {
    if let Some(chart) = precision_recall(scores) {
        chart.save(folder, "precision-recall")?;
    }
    if let Some(part) = scores.main_part() {
        if let Some(heat_map) = confusion(scores, part) {
            heat_map.save(folder, "confusion")?;
        }
        dice_histogram(scores, part).save(folder, "dice")?;
        if let Some(dots) = groups(scores, part) {
            dots.save(folder, "groups")?;
        }
    }
    Ok(())
}

/// Precision-recall curve of each part. The baseline is the precision of predicting every pixel of the main part as
/// positive.
pub fn precision_recall(scores: &Scores) -> Option<Chart> {
    let main = scores.main_part()?;
    let everything = main.histogram.as_ref()?.curve().first()?.counts.precision();
    let level = vec![(0.0, everything), (1.0, everything)];
    let mut series = vec![Series::line("everything", Colour::Baseline, Stroke::Dashed, level)];
    let parts = scores.parts.iter().rev().filter_map(|part| Some((part, part.histogram.as_ref()?)));
    for (part, histogram) in parts {
        let colour = match (part.part == main.part, part.part.as_str()) {
            (true, _) => Colour::Run(0),
            (false, "train") => Colour::Faint,
            (false, _) => Colour::Run(1),
        };
        let found = histogram.average_precision();
        let label = found.map_or_else(|| part.part.clone(), |ap| format!("{}, {ap:.3}", part.part));
        series.push(Series::line(&label, colour, Stroke::Solid, points(&histogram.curve())));
        if part.part == main.part {
            let best = histogram.best_dice().counts;
            let mark = vec![(best.recall(), best.precision())];
            series.push(Series::line("", colour, Stroke::Marked, mark));
        }
    }
    // Labels stand where lines end: the main part is drawn last, over the others.
    series.sort_by_key(|series| series.colour == Colour::Run(0));
    Some(Chart {
        title: format!("Precision over recall of {:?}, all pixels of the set", scores.dataset.classes[1]),
        x_label: "recall; mark: threshold of the best Dice, numbers: average precision".into(),
        y_label: "precision".into(),
        series,
    })
}

/// Recall and precision from high thresholds to low, without duplicates.
fn points(curve: &[OperatingPoint]) -> Vec<(f64, f64)> {
    let predicted = |point: &&OperatingPoint| point.counts.true_positive + point.counts.false_positive > 0;
    let mut points: Vec<(f64, f64)> =
        curve.iter().rev().filter(predicted).map(|p| (p.counts.recall(), p.counts.precision())).collect();
    points.dedup();
    points
}

/// Share of the pixels of each true class that is predicted as each class.
pub fn confusion(scores: &Scores, part: &PartScores) -> Option<HeatMap> {
    let source = part.main()?;
    let counts = source.total()?.counts();
    let classes = &scores.dataset.classes;
    let shares = counts.outer_iter().map(|row| {
        let all = row.sum();
        row.iter().map(|&count| (all > 0).then(|| count as f64 / all as f64)).collect::<Vec<_>>()
    });
    Some(HeatMap {
        title: format!("Share of each true class, {} images, {}", part.part, source.source.name()),
        row_axis: "true class".into(),
        column_axis: "predicted as".into(),
        rows: classes.clone(),
        columns: classes.clone(),
        shares: shares.collect(),
    })
}

/// How many images have which Dice coefficient.
pub fn dice_histogram(scores: &Scores, part: &PartScores) -> Chart {
    let series = part.sources.iter().rev().filter(|source| source.source != Source::AllBackground);
    let series = series.map(|source| {
        let mut bins = [0usize; BINS];
        for value in source.of_images(Measure::Dice, &scores.scored_classes) {
            bins[((value * BINS as f64) as usize).min(BINS - 1)] += 1;
        }
        let edge = |bin: usize| bin as f64 / BINS as f64;
        let steps = bins
            .iter()
            .enumerate()
            .flat_map(|(bin, &images)| [(edge(bin), images as f64), (edge(bin + 1), images as f64)]);
        let colour = match source.source {
            Source::Network => Colour::Run(0),
            Source::Postprocessed => Colour::Run(1),
            _ => Colour::Baseline,
        };
        let stroke = if source.source.is_baseline() { Stroke::Dashed } else { Stroke::Solid };
        let points = std::iter::once((0.0, 0.0)).chain(steps).collect();
        Series::line(source.source.name(), colour, stroke, points)
    });
    Chart {
        title: format!("Dice coefficient of {} {} images", part.ids().len(), part.part),
        x_label: format!("Dice, {}", super::tables::classes_text(scores)),
        y_label: format!("images in steps of {}", 1.0 / BINS as f64),
        series: series.collect(),
    }
}

/// The images of each group, the worst group first.
pub fn groups(scores: &Scores, part: &PartScores) -> Option<Dots> {
    let source = part.main().filter(|_| scores.has_groups())?;
    let classes = &scores.scored_classes;
    let mut rows: Vec<DotRow> = source
        .groups()
        .into_iter()
        .map(|(group, (_, counts))| DotRow {
            label: group.to_owned(),
            colour: Colour::Run(0),
            dots: source
                .images
                .iter()
                .filter(|image| image.group == group)
                .map(|image| Measure::Dice.of(&image.counts, classes))
                .collect(),
            value: Measure::Dice.of(&counts, classes),
            interval: None,
        })
        .collect();
    rows.sort_by(|a, b| a.value.total_cmp(&b.value));
    let all = rows.len();
    rows.truncate(SHOWN_GROUPS);
    let which = if all > rows.len() { format!("the worst {} of {all}", rows.len()) } else { all.to_string() };
    Some(Dots {
        title: format!("Dice of {which} groups, {} images, {}", part.part, source.source.name()),
        x_label: "Dice; dots: images, line: all pixels of the group together".into(),
        span: Span::Unit,
        rows,
    })
}
