//! The tables of an evaluation of sequences.

use std::collections::{BTreeMap, BTreeSet};

use super::baseline::Baseline;
use super::coverage;
use super::measure::Measure;
use super::scores::{SequenceScores, Summary, TimeStep};
use super::{PartScores, Scores};
use crate::evaluate::answer::counted;
use crate::evaluate::sheet::{Sheet, cells, texts};
use crate::evaluate::table::{Row, Table, interval, or_dash};
use crate::metric::Interval;
use crate::metric::reliability::{Bin, Partition};

/// Measures for a terminal, where there is no room for all.
pub(super) const TERMINAL: [Measure; 5] =
    [Measure::Mse, Measure::Iou, Measure::Dice, Measure::SaturationError, Measure::FrontError];

/// Measures of the study's table, and what they are of.
pub(super) const STUDY: [(Measure, &str); 2] = [
    (Measure::Mse, "Mean squared error in the pore space"),
    (Measure::WholeImageMse, "Mean squared error over the whole image, as published"),
];

/// The tables of one run: the study's, inside the pore space and over the whole image, and all measures of the
/// [main part](Scores::main_part).
pub fn overview(scores: &Scores) -> Vec<Table> {
    let mut tables = STUDY.map(|study| squared_errors(scores, study)).to_vec();
    tables.extend(main_measures(scores, &Measure::ALL).map(|table| table.transposed()));
    tables.extend(scores.main_part().map(partition));
    let validation = scores.part("validation").and_then(|part| part.sources.first());
    let test = scores.part("test").and_then(|part| part.sources.first());
    let pair = validation.zip(test);
    tables.extend(pair.and_then(|(validation, test)| coverage::table(validation, test, "test domains")));
    tables
}

/// Murphy's partition of the Brier score, a row a predictor.
fn partition(part: &PartScores) -> Table {
    let row = |source: &SequenceScores| {
        let Partition { reliability, resolution, uncertainty } = source.reliability().partition()?;
        let brier = reliability - resolution + uncertainty;
        let cells = [brier, reliability, resolution, uncertainty].map(|value| format!("{value:.5}"));
        let cells = std::iter::once(source.source.clone()).chain(cells).collect();
        Some(Row { cells, is_baseline: source.is_baseline })
    };
    Table {
        title: format!(
            "Brier score = reliability - resolution + uncertainty, all pore pixels of the {} {} domains in bins of 0.05",
            part.ids().len(),
            part.part
        ),
        headings: texts(&["", "Brier score", "reliability", "resolution", "uncertainty"]),
        rows: part.sources.iter().filter_map(row).collect(),
    }
}

/// The same for a terminal.
pub(super) fn terminal(scores: &Scores) -> Vec<Table> {
    std::iter::once(squared_errors(scores, STUDY[0])).chain(main_measures(scores, &TERMINAL)).collect()
}

fn main_measures(scores: &Scores, shown: &[Measure]) -> Option<Table> {
    let part = scores.main_part()?;
    let sources: Vec<_> = part.sources.iter().map(|source| (source.source.clone(), source)).collect();
    Some(measures(&part.part, &sources, &part.frames(), shown))
}

fn squared_errors(scores: &Scores, study: (Measure, &str)) -> Table {
    let parts: Vec<&str> = scores.parts.iter().map(|part| part.part.as_str()).collect();
    let rows = std::iter::once(None).chain(Baseline::ALL.map(Some)).map(|baseline| {
        let summary = |part: &PartScores| Some(part.source(baseline)?.summary(&part.frames()));
        let name = baseline.map_or(scores.source.as_str(), |baseline| baseline.name());
        (name.to_owned(), baseline, scores.parts.iter().map(summary).collect())
    });
    squared_error(study, &scores.main_part().map(PartScores::frames).unwrap_or_default(), &parts, rows)
}

/// The study's table: mean over time steps of each part, then the final step of each part. A row for each name with a
/// summary in any of `parts`.
pub(super) fn squared_error(
    (measure, what): (Measure, &str),
    frames: &BTreeSet<usize>,
    parts: &[&str],
    rows: impl Iterator<Item = (String, Option<Baseline>, Vec<Option<Summary>>)>,
) -> Table {
    let row = |(name, baseline, summaries): (String, Option<Baseline>, Vec<Option<Summary>>)| {
        let means = |of: fn(&Summary) -> &BTreeMap<Measure, Interval>| {
            let mean = move |summary: &Option<Summary>| of(summary.as_ref()?).get(&measure).map(|v| v.mean);
            summaries.iter().map(move |summary| or_dash(mean(summary), |value| format!("{value:.6}")))
        };
        let cells = means(|summary| &summary.over_time).chain(means(|summary| &summary.final_step));
        Row { cells: std::iter::once(name).chain(cells).collect(), is_baseline: baseline.is_some() }
    };
    let final_step = parts.iter().map(|part| format!("final {part}"));
    Table {
        title: format!("{what}, {}: mean over time steps, then final step", frames_text(frames)),
        headings: [texts(&[""]), texts(parts), final_step.collect()].concat(),
        rows: rows.filter(|(_, _, summaries)| summaries.iter().any(Option::is_some)).map(row).collect(),
    }
}

/// Measures of one part, a row a predictor, averaged over `frames`.
pub(super) fn measures(
    part: &str,
    sources: &[(String, &SequenceScores)],
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
        cells.extend(shown().map(|m| or_dash(summary.over_time.get(m), interval)));
        cells.push(match &summary.breakthrough {
            Some(breakthrough) => format!(
                "{} ({}/{})",
                or_dash(breakthrough.time_error.as_ref(), interval),
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
            "Measures, {}, mean over {} ± half the 95 % bootstrap interval over domains; in brackets: prediction and truth \
             agree on whether there is breakthrough",
            counted(domains, part, "domain"),
            frames_text(frames)
        ),
        headings,
        rows: rows.collect(),
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

/// `per_time_step.csv`, `summary.csv` and `reliability.csv`. The first has every frame of the baselines; the second averages
/// baselines over the frames of the prediction.
pub(super) fn sheets(scores: &Scores) -> Vec<Sheet> {
    let of_measure = |measure: Measure| ["", "_low", "_high"].map(|end| format!("{}{end}", measure.key()));
    let headings = [texts(&["frame", "time"]), Measure::ALL.map(of_measure).concat()].concat();
    let of_steps = |_: &PartScores, source: &SequenceScores| {
        let steps = source.per_time_step(&source.frames()).into_iter();
        let row = |step: TimeStep| {
            let of_step = vec![step.frame.to_string(), step.time.to_string()];
            of_step.into_iter().chain(step.measures.values().flat_map(cells)).collect()
        };
        steps.map(row).collect()
    };
    let steps = Sheet::of_sources("per_time_step.csv", headings, rows(scores, of_steps));
    let headings = texts(&["measure", "over", "domains", "frames", "mean", "low", "high"]);
    let of_summary = |part: &PartScores, source: &SequenceScores| {
        let summary = source.summary(&part.frames());
        let counts = [summary.domains, summary.frames.len()].map(|count| count.to_string());
        let row = |(over, measure, interval): (&str, Measure, Interval)| {
            [texts(&[measure.key(), over]), counts.to_vec(), cells(&interval).to_vec()].concat()
        };
        summary.means().map(row).collect()
    };
    let summary = Sheet::of_sources("summary.csv", headings, rows(scores, of_summary));
    let headings = texts(&["bin", "pixels", "probability", "invaded"]);
    let of_bins = |_: &PartScores, source: &SequenceScores| {
        let bins = source.reliability().bins.into_iter().enumerate();
        let row = |(index, bin): (usize, Bin)| {
            let (probability, invaded) = bin.means()?;
            let cells =
                [index.to_string(), bin.count.to_string(), probability.to_string(), invaded.to_string()];
            Some(cells.to_vec())
        };
        bins.filter_map(row).collect()
    };
    let reliability = Sheet::of_sources("reliability.csv", headings, rows(scores, of_bins));
    vec![steps, summary, reliability]
}

/// The rows of each part and source.
fn rows(
    scores: &Scores,
    rows: impl Fn(&PartScores, &SequenceScores) -> Vec<Vec<String>>,
) -> impl Iterator<Item = (&str, &str, Vec<Vec<String>>)> {
    let sources = scores.parts.iter().flat_map(|part| part.sources.iter().map(move |source| (part, source)));
    sources.map(move |(part, source)| (part.part.as_str(), source.source.as_str(), rows(part, source)))
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
