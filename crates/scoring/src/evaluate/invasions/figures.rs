//! The figures of an evaluation of sequences.

use std::collections::BTreeSet;
use std::path::Path;

use image::RgbImage;
use ndarray::Array2;

use super::Scores;
use super::baseline::Baseline;
use super::compare;
use super::measure::Measure;
use super::samples::Sample;
use super::score::FrameScore;
use super::scores::{SequenceScores, Summary, TimeStep};
use crate::figure::film::time_axis;
use crate::figure::{
    Chart, Charts, Colour, DotRow, Dots, Drawing, Figure, Mosaic, Series, Span, Stroke, difference,
};
use crate::metric::reliability::Bin;
use porecast_base::Result;
use porecast_store::picture;

/// Name of the axis of the error.
pub(super) const SQUARED_ERROR: &str = "mean squared error in the pore space (0 to 1)";
/// Domains among the saturation curves.
const SATURATION_DOMAINS: usize = 6;

/// Measures that are drawn as dots.
const DRAWN: [Measure; 9] = [
    Measure::Mse,
    Measure::Iou,
    Measure::Dice,
    Measure::SaturationError,
    Measure::FrontError,
    Measure::MeanFrontError,
    Measure::Connected,
    Measure::EulerError,
    Measure::Retreat,
];

/// Draws all figures into a folder.
pub(super) fn draw(scores: &Scores, samples: &[Sample], folder: &Path) -> Result<()> {
    squared_error(scores).save(folder, "mse")?;
    saturation(scores).save(folder, "saturation")?;
    reliability(scores).save(folder, "reliability")?;
    if let Some(panel) = panel(scores, samples) {
        panel.save(folder, "panel")?;
    }
    match errors(scores, samples) {
        Some(errors) => errors.save(folder, "errors"),
        None => Ok(()),
    }
}

/// The mean squared error over time steps of one predictor. A run of few frames is drawn with marks.
pub(super) fn squared_error_line(label: &str, source: &SequenceScores, colour: Colour) -> Series {
    let frames = source.frames();
    let steps = source.per_time_step(&frames);
    let at = |step: &TimeStep| step.measures[&Measure::Mse];
    let stroke = match Baseline::ALL.into_iter().find(|b| source.is_baseline && b.name() == source.source) {
        Some(Baseline::NothingMoves) => Stroke::Dashed,
        Some(Baseline::MeanFrame) => Stroke::LongDashed,
        Some(Baseline::Percolation) => Stroke::Dotted,
        None if frames.last().map_or(0, |last| last - frames.first().unwrap_or(last) + 1) > frames.len() => {
            Stroke::Marked
        }
        None if frames.len() == 1 => Stroke::Marked,
        None => Stroke::Solid,
    };
    Series {
        label: label.to_owned(),
        colour,
        stroke,
        points: steps.iter().map(|step| (step.time, at(step).mean)).collect(),
        band: match source.is_baseline {
            true => Vec::new(),
            false => steps.iter().map(|step| (step.time, at(step).low, at(step).high)).collect(),
        },
    }
}

/// The mean squared error over time, a chart for each part of the split.
pub fn squared_error(scores: &Scores) -> Charts {
    let charts: Vec<Chart> = scores
        .parts
        .iter()
        .map(|part| Chart {
            title: match part.part.as_str() {
                "all" => format!("All {} domains", part.ids().len()),
                "train" => format!("{} training domains", part.ids().len()),
                name => format!("{} {name} domains", part.ids().len()),
            },
            x_label: time_axis(scores.dataset.time_unit).into(),
            y_label: SQUARED_ERROR.into(),
            series: part
                .sources
                .iter()
                .rev()
                .map(|source| {
                    let colour = if source.is_baseline { Colour::Baseline } else { Colour::Run(0) };
                    squared_error_line(&source.source, source, colour)
                })
                .collect(),
        })
        .collect();
    let columns = charts.len();
    Charts {
        title: "Mean squared error over time; shaded: 95 % interval over domains".into(),
        cell: if columns == 1 { (760, 420) } else { (400, 330) },
        charts,
        columns,
    }
}

/// Share of invaded pixels over predicted probability; on the diagonal, the probabilities are calibrated.
pub fn reliability(scores: &Scores) -> Chart {
    let mut series =
        vec![Series::line("perfect", Colour::Baseline, Stroke::Dashed, vec![(0.0, 0.0), (1.0, 1.0)])];
    let sources = scores.main_part().map_or(&[] as &[_], |part| &part.sources);
    series.extend(sources.iter().filter(|source| !source.is_baseline).map(|source| {
        let points = source.reliability().bins.iter().filter_map(Bin::means).collect();
        Series::line(&source.source, Colour::Run(0), Stroke::Marked, points)
    }));
    Chart {
        title: format!("Reliability, {} domains", part_name(scores)),
        x_label: "predicted probability of the invading phase".into(),
        y_label: "share of the pore pixels that is invaded".into(),
        series,
    }
}

/// The saturation of some domains over time, predicted and true.
pub fn saturation(scores: &Scores) -> Charts {
    let source = scores.main_part().and_then(|part| part.sources.first());
    let charts: Vec<Chart> = source
        .map_or(&[] as &[_], |source| &source.domains)
        .iter()
        .take(SATURATION_DOMAINS)
        .map(|domain| {
            let curve = |value: fn(&FrameScore) -> f64| {
                domain.frames.iter().map(|frame| (frame.time, value(frame))).collect::<Vec<_>>()
            };
            let stroke = if domain.frames.len() < 5 { Stroke::Marked } else { Stroke::Solid };
            Chart {
                title: domain.domain_id.clone(),
                x_label: time_axis(scores.dataset.time_unit).into(),
                y_label: "saturation (fraction of pore space)".into(),
                series: vec![
                    Series::line("true", Colour::Truth, stroke, curve(|frame| frame.true_saturation)),
                    Series::line("predicted", Colour::Run(0), stroke, curve(|frame| frame.saturation)),
                ],
            }
        })
        .collect();
    Charts {
        title: format!("Saturation of the invading phase, {} domains", part_name(scores)),
        charts,
        columns: 3,
        cell: (380, 280),
    }
}

/// Measures with their intervals: rows of dots for each, a row a predictor.
pub(super) fn measures(sources: &[(String, &SequenceScores)], frames: &BTreeSet<usize>) -> Vec<Dots> {
    let summaries: Vec<_> = sources.iter().map(|(_, source)| source.summary(frames)).collect();
    let dots = |measure: Measure| {
        let row = |(index, ((name, source), summary)): (usize, (&(String, &SequenceScores), &Summary))| {
            let found = summary.over_time.get(&measure)?;
            Some(DotRow {
                label: name.clone(),
                colour: if source.is_baseline { Colour::Baseline } else { Colour::Run(index) },
                dots: Vec::new(),
                value: found.mean,
                interval: Some((found.low, found.high)),
            })
        };
        Dots {
            title: measure.title().to_owned(),
            x_label: measure.axis().to_owned(),
            span: Span::FromZero,
            rows: sources.iter().zip(&summaries).enumerate().filter_map(row).collect(),
        }
    };
    DRAWN.map(dots).to_vec()
}

/// Measures of the scores of one run, as in a comparison.
pub fn run_measures(scores: &Scores) -> Vec<Dots> {
    let Some(part) = scores.main_part() else { return Vec::new() };
    let sources: Vec<_> = part.sources.iter().map(|source| (source.source.clone(), source)).collect();
    measures(&sources, &part.frames())
}

/// How the baselines differ from the run, domain by domain; none without a baseline.
pub fn run_forest(scores: &Scores) -> Option<Drawing> {
    let part = scores.main_part()?;
    let sources: Vec<_> = part.sources.iter().map(|source| (source.source.clone(), source)).collect();
    Some(Drawing::Dots(vec![compare::forest(&sources, &part.frames(), &part.part)?]))
}

/// Name of the part that the pictures are of.
fn part_name(scores: &Scores) -> &str {
    scores.main_part().map_or("no", |part| part.part.as_str())
}

/// First, middle and last of the frames; 0, 12 and 25 of 26.
fn shown_frames(sample: &Sample) -> BTreeSet<usize> {
    let frames = &sample.frames;
    [0, frames.len().saturating_sub(1) / 2, frames.len().saturating_sub(1)]
        .into_iter()
        .filter_map(|t| frames.get(t).copied())
        .collect()
}

/// The study's panel. Wide domains have prediction under truth, others beside it.
fn panel(scores: &Scores, samples: &[Sample]) -> Option<Mosaic> {
    let first = samples.first()?;
    let frames = shown_frames(first);
    let group =
        |name: &str| frames.iter().map(|f| (name.to_owned(), format!("frame {f}"))).collect::<Vec<_>>();
    let domain = vec![("Domain".to_owned(), String::new())];
    let (height, width) = first.truth.domain.shape();
    let is_wide = 2 * width > 3 * height;
    let mut rows = Vec::new();
    for sample in samples {
        let shown = || frames.iter().filter_map(|&frame| sample.position(frame));
        let (id, solid) = (sample.prediction.domain_id.clone(), sample.solid());
        let mut truth = vec![Some(picture::domain_image(solid))];
        truth.extend(shown().map(|t| Some(picture::phase_image(solid, sample.true_phase(t)))));
        let predicted = shown().map(|t| Some(picture::probability_image(solid, sample.probability(t))));
        if is_wide {
            rows.push((format!("{id}, true"), truth));
            rows.push(("predicted".into(), std::iter::once(None).chain(predicted).collect()));
        } else {
            rows.push((id, truth.into_iter().chain(predicted).collect()));
        }
    }
    Some(Mosaic {
        title: format!(
            "Invasion of {} domains: the truth, and what {} predicts",
            part_name(scores),
            scores.source
        ),
        columns: match is_wide {
            true => [domain, group("Invasion")].concat(),
            false => [domain, group("True"), group("Predicted")].concat(),
        },
        rows,
        legend: vec![
            ("invading phase (darker: more probable)".into(), picture::INVADING),
            ("defending phase".into(), picture::DEFENDING),
            ("solid".into(), picture::SOLID),
        ],
    })
}

fn errors(scores: &Scores, samples: &[Sample]) -> Option<Mosaic> {
    let frames = shown_frames(samples.first()?);
    let mut columns: Vec<_> =
        frames.iter().map(|frame| ("Predicted − true".to_owned(), format!("frame {frame}"))).collect();
    columns.push(("Mean squared error".into(), "over all frames".into()));
    let rows = samples
        .iter()
        .map(|sample| {
            let solid = sample.solid();
            let mut pictures: Vec<Option<RgbImage>> = frames
                .iter()
                .filter_map(|&frame| sample.position(frame))
                .map(|t| Some(difference::signed_image(solid, sample.probability(t), sample.true_phase(t))))
                .collect();
            pictures.push(Some(difference::magnitude_image(solid, mean_squared_error(sample).view())));
            (sample.prediction.domain_id.clone(), pictures)
        })
        .collect();
    Some(Mosaic {
        title: format!("Where {} errs, {} domains", scores.source, part_name(scores)),
        columns,
        rows,
        legend: vec![
            ("predicted too much".into(), difference::TOO_MUCH),
            ("missed".into(), difference::MISSED),
            ("right".into(), picture::DEFENDING),
            ("solid".into(), picture::SOLID),
        ],
    })
}

fn mean_squared_error(sample: &Sample) -> Array2<f32> {
    let mut total = Array2::<f32>::zeros(sample.truth.domain.shape());
    for t in 0..sample.frames.len() {
        ndarray::Zip::from(&mut total)
            .and(sample.probability(t))
            .and(sample.true_phase(t))
            .for_each(|total, &p, &g| *total += (p - f32::from(u8::from(g))).powi(2));
    }
    total / sample.frames.len().max(1) as f32
}
