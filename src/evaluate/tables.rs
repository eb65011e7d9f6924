//! The tables of an evaluation.

use std::collections::BTreeSet;
use std::path::Path;

use super::measure::Measure;
use super::scores::{PartScores, Scores, SourceScores, Summary};
use super::table::{Row, Table, number};
use crate::error::{Error, Result};
use crate::metric::Interval;
use crate::store::atomic;

/// Measures for a terminal, where there is no room for all.
pub(super) const TERMINAL: [Measure; 5] =
    [Measure::Mse, Measure::Iou, Measure::Dice, Measure::SaturationError, Measure::FrontError];

/// The tables of one run: the study's, inside the pore space and over the whole image, and all measures of the
/// part that nothing was chosen on.
pub fn overview(scores: &Scores) -> Vec<Table> {
    let mut tables = vec![
        squared_error(scores, Measure::Mse, "Mean squared error in the pore space"),
        squared_error(
            scores,
            Measure::WholeImageMse,
            "Mean squared error over the whole image, as published",
        ),
    ];
    tables.extend(main_measures(scores, &Measure::ALL).map(|table| table.transposed()));
    tables
}

/// The same for a terminal.
pub(super) fn terminal(scores: &Scores) -> Vec<Table> {
    let mut tables = vec![squared_error(scores, Measure::Mse, "Mean squared error in the pore space")];
    tables.extend(main_measures(scores, &TERMINAL));
    tables
}

fn main_measures(scores: &Scores, shown: &[Measure]) -> Option<Table> {
    let part = scores.main_part()?;
    let sources: Vec<_> = part.sources.iter().map(|source| (source.source.clone(), source)).collect();
    Some(measures(&part.part, &sources, &part.frames(), shown))
}

fn squared_error(scores: &Scores, measure: Measure, what: &str) -> Table {
    let parts: Vec<&PartScores> = scores.parts.iter().collect();
    let mut names: Vec<(&str, bool)> = Vec::new();
    for source in parts.iter().flat_map(|part| &part.sources) {
        if !names.contains(&(source.source.as_str(), source.is_baseline)) {
            names.push((&source.source, source.is_baseline));
        }
    }
    let rows = names
        .into_iter()
        .map(|(name, is_baseline)| {
            let summaries = parts.iter().map(|part| {
                let source = part.sources.iter().find(|s| s.source == name && s.is_baseline == is_baseline);
                source.map(|source| source.summary(&part.frames()))
            });
            squared_error_row(name, is_baseline, measure, &summaries.collect::<Vec<_>>())
        })
        .collect();
    let part_names: Vec<&str> = parts.iter().map(|part| part.part.as_str()).collect();
    let frames = scores.main_part().map(PartScores::frames).unwrap_or_default();
    Table {
        title: format!("{what}, {}: mean over time steps, then final step", frames_text(&frames)),
        headings: squared_error_headings(&part_names),
        rows,
    }
}

/// Headings for [`squared_error_row`].
pub(super) fn squared_error_headings(parts: &[&str]) -> Vec<String> {
    let over_time = parts.iter().map(|part| (*part).to_owned());
    let final_step = parts.iter().map(|part| format!("final {part}"));
    std::iter::once(String::new()).chain(over_time).chain(final_step).collect()
}

/// A row of the study's table: mean over time steps of each part, then the final step of each part.
pub(super) fn squared_error_row(
    name: &str,
    is_baseline: bool,
    measure: Measure,
    summaries: &[Option<Summary>],
) -> Row {
    let cell = |values: Option<&Interval>| values.map_or_else(|| "-".into(), |v| format!("{:.6}", v.mean));
    let over_time = summaries.iter().map(|s| cell(s.as_ref().and_then(|s| s.over_time.get(&measure))));
    let final_step = summaries.iter().map(|s| cell(s.as_ref().and_then(|s| s.final_step.get(&measure))));
    Row { cells: std::iter::once(name.to_owned()).chain(over_time).chain(final_step).collect(), is_baseline }
}

/// Measures of one part, a row a predictor, averaged over `frames`.
pub(super) fn measures(
    part: &str,
    sources: &[(String, &SourceScores)],
    frames: &BTreeSet<usize>,
    shown: &[Measure],
) -> Table {
    let shown = || shown.iter().filter(|measure| **measure != Measure::WholeImageMse);
    let mut headings = vec![String::new()];
    headings.extend(shown().map(|measure| measure.heading().to_owned()));
    headings.push("|Δ breakthrough|".into());
    let rows = sources.iter().map(|(name, source)| {
        let summary = source.summary(frames);
        let mut cells = vec![name.clone()];
        cells.extend(shown().map(|m| summary.over_time.get(m).map_or_else(|| "-".into(), interval)));
        cells.push(match &summary.breakthrough {
            Some(breakthrough) => format!(
                "{} ({}/{})",
                breakthrough.time_error.as_ref().map_or_else(|| "-".into(), interval),
                breakthrough.agreeing,
                summary.domains
            ),
            None => "-".into(),
        });
        Row { cells, is_baseline: source.is_baseline }
    });
    let domains = sources.first().map_or(0, |(_, source)| source.domains.len());
    Table {
        title: format!(
            "Measures, {domains} {part} domains, mean over {} ± half the 95 % bootstrap interval over domains",
            frames_text(frames)
        ),
        headings,
        rows: rows.collect(),
    }
}

/// A mean and half its interval.
pub(super) fn interval(interval: &Interval) -> String {
    let half_width = (interval.high - interval.low) / 2.0;
    match half_width > 1e-4 {
        true => format!("{} ± {}", number(interval.mean), number(half_width)),
        false => number(interval.mean),
    }
}

/// A set of frames in words.
pub(super) fn frames_text(frames: &BTreeSet<usize>) -> String {
    match (frames.first(), frames.last()) {
        (Some(first), Some(last)) if first == last => format!("frame {first}"),
        (Some(first), Some(last)) if last - first + 1 == frames.len() => format!("frames {first} to {last}"),
        _ => {
            let numbers: Vec<String> = frames.iter().map(usize::to_string).collect();
            format!("frames {}", numbers.join(", "))
        }
    }
}

/// Writes `per_time_step.csv` and `summary.csv`.
///
/// Baselines are given at every frame in the first, and averaged over the frames of the prediction in the second.
///
/// # Errors
/// The folder cannot be written.
pub(super) fn write_csv(scores: &Scores, folder: &Path) -> Result<()> {
    let mut steps: Vec<Vec<String>> = Vec::new();
    let mut heading: Vec<String> = ["part", "source", "frame", "time"].map(str::to_owned).to_vec();
    for measure in Measure::ALL {
        heading.extend(["", "_low", "_high"].map(|suffix| format!("{}{suffix}", measure.key())));
    }
    steps.push(heading);
    let mut summary: Vec<Vec<String>> = vec![
        ["part", "source", "measure", "over", "domains", "frames", "mean", "low", "high"]
            .map(str::to_owned)
            .to_vec(),
    ];
    for part in &scores.parts {
        for source in &part.sources {
            for step in source.per_time_step(&source.frames()) {
                let mut row = vec![
                    part.part.clone(),
                    source.source.clone(),
                    step.frame.to_string(),
                    step.time.to_string(),
                ];
                for interval in step.measures.values() {
                    row.extend([interval.mean, interval.low, interval.high].map(|v| v.to_string()));
                }
                steps.push(row);
            }
            let found = source.summary(&part.frames());
            for (over, measures) in [("time steps", &found.over_time), ("final step", &found.final_step)] {
                for (measure, interval) in measures {
                    let mut row = vec![part.part.clone(), source.source.clone()];
                    row.extend([measure.key(), over].map(str::to_owned));
                    row.extend([found.domains, found.frames.len()].map(|n| n.to_string()));
                    row.extend([interval.mean, interval.low, interval.high].map(|v| v.to_string()));
                    summary.push(row);
                }
            }
        }
    }
    write_rows(&folder.join("per_time_step.csv"), &steps)?;
    write_rows(&folder.join("summary.csv"), &summary)
}

/// Writes rows as CSV.
pub(super) fn write_rows(path: &Path, rows: &[Vec<String>]) -> Result<()> {
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row).map_err(|e| Error::output(path, e))?;
    }
    let bytes = writer.into_inner().map_err(|e| Error::output(path, e))?;
    atomic::write(path, &bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_named_shortly() {
        let text = |frames: &[usize]| frames_text(&frames.iter().copied().collect());
        assert_eq!(text(&[15]), "frame 15");
        assert_eq!(text(&[0, 1, 2]), "frames 0 to 2");
        assert_eq!(text(&[5, 15, 25]), "frames 5, 15, 25");
    }
}
