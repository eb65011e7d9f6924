//! Some domains to look at: those of the panel, and their frames as strips for the report.

use std::path::Path;

use image::imageops::{self, FilterType};
use image::{ImageEncoder, RgbImage};
use ndarray::{ArrayView2, ArrayView3, Axis};
use porecast_simulations::Trajectory;
use serde::{Deserialize, Serialize};

use super::score::{self, DomainScore};
use super::{Plan, Scores, mismatch_reason};
use crate::evaluate::predictions::PartPredictions;
use crate::figure::difference;
use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_store::run::EvaluationFolder;
use porecast_store::{Dataset, Prediction, document, picture};

/// Domains in the panel.
const PANEL_DOMAINS: usize = 5;
/// Domains in the strips.
const STRIP_DOMAINS: usize = 3;
/// Frames in a strip, at most: evenly chosen when there are more.
const STRIP_FRAMES: usize = 32;
/// Longest edge of a frame in a strip: browsers limit the width of an image.
const STRIP_EDGE: f64 = 512.0;
/// Pixels of a frame in a strip: the report is to stay small.
const STRIP_PIXELS: f64 = 65_536.0;

/// A domain to look at.
#[derive(Debug, Clone)]
pub struct Sample {
    /// The true sequence.
    pub truth: Trajectory,
    /// What was predicted.
    pub prediction: Prediction,
    /// The true frame of each predicted one.
    pub frames: Vec<usize>,
}

impl Sample {
    /// Reads the first domains of the test part, or of the part that replaces it.
    pub(super) fn read(plan: &Plan, scores: &Scores) -> Result<Vec<Self>> {
        let Some(main) = scores.main_part() else { return Ok(Vec::new()) };
        let Some(part) = plan.parts.iter().find(|part| part.name == main.part) else { return Ok(Vec::new()) };
        let predictions = PartPredictions::open(plan, part, mismatch_reason)?;
        part.ids
            .iter()
            .take(PANEL_DOMAINS)
            .map(|id| {
                let truth = plan.dataset.sequence(plan.dataset.place(id)?)?;
                let prediction = predictions.of(id)?;
                let frames = score::match_times(&truth.times, &prediction.times)
                    .expect("the prediction was scored against this truth");
                Ok(Self { truth, prediction, frames })
            })
            .collect()
    }

    /// The solid mask.
    pub(super) fn solid(&self) -> ArrayView2<'_, bool> {
        self.truth.domain.solid.view()
    }

    /// Index in the prediction of a true frame.
    pub(super) fn position(&self, frame: usize) -> Option<usize> {
        self.frames.iter().position(|&f| f == frame)
    }

    /// The true phase at predicted frame `t`.
    pub(super) fn true_phase(&self, t: usize) -> ArrayView2<'_, bool> {
        self.truth.phase.index_axis(Axis(0), self.frames[t])
    }

    /// The predicted probability of predicted frame `t`.
    pub(super) fn probability(&self, t: usize) -> ArrayView2<'_, f32> {
        self.prediction.probability.index_axis(Axis(0), t)
    }
}

/// What `samples/index.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleIndex {
    /// Width of a frame in the strips, which hold the frames side by side.
    pub width: u32,
    /// Height of a frame.
    pub height: u32,
    /// Numbers of the frames.
    pub frames: Vec<usize>,
    /// The domains.
    pub domains: Vec<SampleEntry>,
}

/// A domain in the strips: `<stem>-truth.png`, `<stem>-predicted.png` and `<stem>-error.png`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SampleEntry {
    /// Identifier of the domain.
    pub domain_id: String,
    /// Beginning of the names of its files.
    pub stem: String,
    /// Time of each frame.
    pub times: Vec<f64>,
    /// True saturation of each frame.
    pub true_saturation: Vec<f64>,
    /// Predicted saturation of each frame.
    pub saturation: Vec<f64>,
    /// Mean squared error in the pore space of each frame.
    pub mse: Vec<f64>,
}

impl SampleIndex {
    /// Reads the index of a folder of samples.
    ///
    /// # Errors
    /// The folder has no index.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("index.json");
        let bytes = document::read_bytes(&path, "evaluate with --force")?;
        serde_json::from_slice(&bytes).map_err(|e| {
            Error::input(&path, format!("is not an index of samples: {e}; evaluate with --force"))
        })
    }
}

/// Writes the strips of the first samples and their index.
pub(super) fn write(folder: &Path, scores: &Scores, samples: &[Sample]) -> Result<()> {
    let folder = EvaluationFolder::new(folder).samples_path();
    let Some(first) = samples.first() else { return Ok(()) };
    let chosen = evenly(first.frames.len(), STRIP_FRAMES);
    let (height, width) = first.truth.domain.shape();
    let pixels = (width * height).max(1) as f64;
    let scale = (STRIP_EDGE / width.max(height) as f64).min((STRIP_PIXELS / pixels).sqrt()).min(1.0);
    let scaled = |length: usize| ((length as f64 * scale).round() as u32).max(1);
    let size = (scaled(width), scaled(height));
    let mut domains = Vec::new();
    for (number, sample) in samples.iter().take(STRIP_DOMAINS).enumerate() {
        let stem = format!("{number}");
        let solid = sample.solid();
        let shown = coarse(sample.prediction.probability.view());
        let save = |kind: &str, picture: &dyn Fn(usize) -> RgbImage| {
            let path = folder.join(format!("{stem}-{kind}.png"));
            let bytes = compressed(&strip(chosen.iter().map(|&t| picture(t)), size))
                .map_err(|e| Error::output(&path, e))?;
            atomic::write(&path, &bytes)
        };
        save("truth", &|t| picture::phase_image(solid, sample.true_phase(t)))?;
        save("predicted", &|t| picture::probability_image(solid, shown.index_axis(Axis(0), t)))?;
        save("error", &|t| {
            difference::signed_image(solid, shown.index_axis(Axis(0), t), sample.true_phase(t))
        })?;
        domains.extend(score_of(scores, &sample.prediction.domain_id).map(|score| {
            let values = |value: fn(&score::FrameScore) -> f64| {
                chosen.iter().map(|&t| value(&score.frames[t])).collect::<Vec<f64>>()
            };
            SampleEntry {
                domain_id: sample.prediction.domain_id.clone(),
                stem,
                times: values(|frame| frame.time),
                true_saturation: values(|frame| frame.true_saturation),
                saturation: values(|frame| frame.saturation),
                mse: values(|frame| frame.mse),
            }
        }));
    }
    let frames = chosen.iter().map(|&t| first.frames[t]).collect();
    let index = SampleIndex { width: size.0, height: size.1, frames, domains };
    let path = folder.join("index.json");
    let bytes = serde_json::to_vec_pretty(&index).map_err(|e| Error::output(&path, e))?;
    atomic::write(&path, &bytes)
}

fn score_of<'a>(scores: &'a Scores, domain_id: &str) -> Option<&'a DomainScore> {
    let source = scores.main_part()?.sources.first()?;
    source.domains.iter().find(|domain| domain.domain_id == domain_id)
}

/// At most `limit` of `count` positions, first and last among them.
fn evenly(count: usize, limit: usize) -> Vec<usize> {
    if count <= limit {
        return (0..count).collect();
    }
    (0..limit).map(|i| i * (count - 1) / (limit - 1)).collect()
}

/// Probabilities in steps of 1/16: the eye sees no difference, and the PNG has a fifth of the size.
fn coarse(probability: ArrayView3<f32>) -> ndarray::Array3<f32> {
    probability.mapv(|p| (p * 16.0).round() / 16.0)
}

fn strip(frames: impl Iterator<Item = RgbImage>, (width, height): (u32, u32)) -> RgbImage {
    let frames: Vec<RgbImage> =
        frames.map(|frame| imageops::resize(&frame, width, height, FilterType::Nearest)).collect();
    let mut strip = RgbImage::new(width * frames.len() as u32, height);
    for (t, frame) in frames.iter().enumerate() {
        imageops::replace(&mut strip, frame, t as i64 * i64::from(width), 0);
    }
    strip
}

fn compressed(image: &RgbImage) -> image::ImageResult<Vec<u8>> {
    use image::codecs::png::{CompressionType, FilterType, PngEncoder};
    let mut bytes = Vec::new();
    // Few flat colours: the runs are found best without a filter.
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter);
    encoder.write_image(image, image.width(), image.height(), image::ExtendedColorType::Rgb8)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chosen_frames_keep_first_and_last() {
        assert_eq!(evenly(3, 8), [0, 1, 2]);
        let chosen = evenly(101, 32);
        assert_eq!((chosen.len(), chosen[0], chosen[31]), (32, 0, 100));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
