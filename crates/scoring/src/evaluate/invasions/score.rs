//! Scores of one predicted sequence against the true one.

use ndarray::{Array3, ArrayView2, Axis, s};
use porecast_simulations::Trajectory;
use serde::{Deserialize, Serialize};

use crate::metric::{
    self, Confusion, Reliability, Retreat, SquaredError, breakthrough, connectivity, euler, front, saturation,
};
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::Prediction;

/// Everything measured in one frame. Positions are in pixels from the inlet, see [`front`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FrameScore {
    /// Number of the true frame, from 0.
    pub frame: usize,
    /// Its time.
    pub time: f64,
    /// Mean squared error inside the pore space.
    pub mse: f64,
    /// Mean squared error over the whole image.
    pub whole_image_mse: f64,
    /// Pore pixels by predicted and true phase.
    pub counts: Confusion,
    /// Predicted saturation: the mean probability over the pore space.
    pub saturation: f64,
    /// True saturation.
    pub true_saturation: f64,
    /// Predicted position of the furthest invaded pixel.
    pub front: usize,
    /// The true one.
    pub true_front: usize,
    /// Predicted front position averaged over the width.
    pub mean_front: f64,
    /// The true one.
    pub true_mean_front: f64,
    /// Share of the predicted invaded region that is connected to the inlet.
    pub connected: f64,
    /// The same of the true region.
    pub true_connected: f64,
    /// Euler characteristic of the predicted invaded region.
    pub euler: i64,
    /// That of the true region.
    pub true_euler: i64,
    /// Pixels that un-invade from the scored frame before this one to this one; none for the first.
    pub retreat: Retreat,
    /// The same of the truth.
    pub true_retreat: Retreat,
}

/// Scores of one domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DomainScore {
    /// Identifier of the domain.
    pub domain_id: String,
    /// Pixels from inlet to outlet.
    pub length: usize,
    /// Predicted breakthrough time, among the scored frames; `None` when the outlet is never reached.
    pub breakthrough_time: Option<f64>,
    /// True breakthrough time, among the same frames.
    pub true_breakthrough_time: Option<f64>,
    /// The scored frames, ascending.
    pub frames: Vec<FrameScore>,
    /// Pore pixels of all scored frames by predicted probability.
    #[serde(default)]
    pub reliability: Reliability,
}

/// Scores `prediction` against `truth`, at the frames that it predicts.
///
/// Predicted and true frames belong together when their times agree to within 1e-6 of the last one: other programs store
/// times in single precision.
///
/// # Errors
/// A mismatch of shape, solid or times, or a domain without pore space.
pub fn score(truth: &Trajectory, prediction: &Prediction) -> Result<DomainScore> {
    let mismatch = |what: String| {
        Error::new(ErrorKind::Mismatch, format!("prediction of domain {:?}", prediction.domain_id), what)
    };
    let (frames, height, width) = prediction.probability.dim();
    if (height, width) != truth.domain.shape() {
        return Err(mismatch(format!(
            "has {height}x{width} pixels, the dataset {}x{}; pass the dataset that was predicted",
            truth.domain.shape().0,
            truth.domain.shape().1
        )));
    }
    if prediction.solid != truth.domain.solid {
        return Err(mismatch(
            "has another solid than the dataset; pass the dataset that was predicted".into(),
        ));
    }
    if frames != prediction.times.len() {
        return Err(mismatch(format!("has {} times for {frames} frames", prediction.times.len())));
    }
    if frames == 0 {
        return Err(mismatch("has no frames".into()));
    }
    if truth.domain.pore_count() == 0 {
        return Err(mismatch("cannot be scored: the domain has no pore space".into()));
    }
    let is_in_solid =
        |frame: ArrayView2<'_, bool>| frame.iter().zip(&truth.domain.solid).any(|(&a, &b)| a && b);
    if truth.phase.outer_iter().any(is_in_solid) {
        return Err(mismatch(
            "cannot be scored: the truth has invading fluid in solid; is solid inverted?".into(),
        ));
    }
    let matched = match_times(&truth.times, &prediction.times)
        .map_err(|time| {
            mismatch(format!(
                "has a frame at time {time}, which is not a time of the dataset ({} frames from {} to {}); predict at the dataset's times",
                truth.times.len(),
                truth.times.first().copied().unwrap_or(f64::NAN),
                truth.times.last().copied().unwrap_or(f64::NAN),
            ))
        })?;
    let true_phase = truth.phase.select(Axis(0), &matched);
    let pore = truth.domain.solid.mapv(|solid| !solid);
    let mut invaded = Array3::from_elem(prediction.probability.dim(), false);
    let mut reliability = Reliability::default();
    for (t, probability) in prediction.probability.outer_iter().enumerate() {
        reliability.add(probability, true_phase.index_axis(Axis(0), t), pore.view());
        // What other programs predict in solid does not count.
        invaded.slice_mut(s![t, .., ..]).assign(&(metric::mask(probability) & &pore));
    }
    let retreat = |phase: &Array3<bool>, t: usize| match t.checked_sub(1) {
        Some(before) => Retreat::count(phase.index_axis(Axis(0), before), phase.index_axis(Axis(0), t)),
        None => Retreat::default(),
    };
    let frames = matched
        .iter()
        .enumerate()
        .map(|(t, &frame)| {
            let (probability, mask) =
                (prediction.probability.index_axis(Axis(0), t), invaded.index_axis(Axis(0), t));
            let true_mask = true_phase.index_axis(Axis(0), t);
            let mean = |error: SquaredError| error.mean().expect("the pore space is not empty");
            FrameScore {
                frame,
                time: truth.times[frame],
                mse: mean(SquaredError::sum(probability, true_mask, pore.view())),
                whole_image_mse: mean(SquaredError::sum_whole_image(probability, true_mask)),
                counts: Confusion::count(mask, true_mask, pore.view()),
                saturation: saturation::expected(probability, pore.view()),
                true_saturation: saturation(true_mask, pore.view()),
                front: front::furthest(mask, truth.inlet),
                true_front: front::furthest(true_mask, truth.inlet),
                mean_front: front::mean(mask, truth.inlet),
                true_mean_front: front::mean(true_mask, truth.inlet),
                connected: connectivity::fraction_connected_to_inlet(mask, truth.inlet),
                true_connected: connectivity::fraction_connected_to_inlet(true_mask, truth.inlet),
                euler: euler::characteristic(mask),
                true_euler: euler::characteristic(true_mask),
                retreat: retreat(&invaded, t),
                true_retreat: retreat(&true_phase, t),
            }
        })
        .collect();
    let times: Vec<f64> = matched.iter().map(|&frame| truth.times[frame]).collect();
    Ok(DomainScore {
        domain_id: prediction.domain_id.clone(),
        length: front::length((height, width), truth.inlet),
        breakthrough_time: breakthrough::time(invaded.view(), &times, truth.inlet),
        true_breakthrough_time: breakthrough::time(true_phase.view(), &times, truth.inlet),
        frames,
        reliability,
    })
}

/// The true frame of each predicted time, or the first predicted time that is not a true one.
pub fn match_times(truth: &[f64], predicted: &[f64]) -> std::result::Result<Vec<usize>, f64> {
    let last = truth.iter().fold(0.0, |last: f64, time| last.max(time.abs()));
    let agree = |a: f64, b: f64| (a - b).abs() <= 1e-6 * last;
    predicted.iter().map(|&p| truth.iter().position(|&t| agree(t, p)).ok_or(p)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{exact, trajectory};
    use super::*;

    #[test]
    fn the_truth_scores_perfectly() {
        let truth = trajectory(3);
        let score = score(&truth, &exact("a", &truth)).unwrap();
        assert_eq!(score.breakthrough_time, score.true_breakthrough_time);
        assert_eq!(score.frames.len(), truth.times.len());
        for frame in &score.frames {
            assert_eq!((frame.mse, frame.counts.iou()), (0.0, 1.0));
            assert_eq!((frame.saturation, frame.front), (frame.true_saturation, frame.true_front));
            assert_eq!((frame.euler, frame.retreat), (frame.true_euler, frame.true_retreat));
        }
    }

    #[test]
    fn some_frames_are_scored_at_their_own_times() {
        let truth = trajectory(3);
        let mut some = exact("a", &truth);
        some.times = vec![truth.times[2], truth.times[4] * (1.0 + 1e-12)];
        some.probability = some.probability.select(Axis(0), &[2, 4]);
        let score = score(&truth, &some).unwrap();
        assert_eq!(score.frames.iter().map(|f| f.frame).collect::<Vec<_>>(), [2, 4]);
        assert!(score.frames.iter().all(|f| f.mse == 0.0));
    }

    #[test]
    fn what_is_predicted_in_solid_does_not_count() {
        let truth = trajectory(3);
        let clean = exact("a", &truth);
        let mut spilt = clean.clone();
        for mut frame in spilt.probability.outer_iter_mut() {
            frame.zip_mut_with(&truth.domain.solid, |p, solid| *p = if *solid { 0.7 } else { *p });
        }
        let [clean, spilt] = [clean, spilt].map(|prediction| score(&truth, &prediction).unwrap());
        for (clean, spilt) in clean.frames.iter().zip(spilt.frames) {
            assert!(spilt.whole_image_mse > clean.whole_image_mse);
            assert_eq!(*clean, FrameScore { whole_image_mse: clean.whole_image_mse, ..spilt });
        }
    }

    #[test]
    fn a_truth_in_solid_is_refused() {
        let mut truth = trajectory(3);
        let prediction = exact("a", &truth);
        let (y, x) = truth.domain.solid.indexed_iter().find(|(_, solid)| **solid).unwrap().0;
        truth.phase[(5, y, x)] = true;
        let error = score(&truth, &prediction).unwrap_err().to_string();
        assert!(error.contains("is solid inverted?"), "{error}");
    }

    #[test]
    fn times_agree_to_rounding_at_time_zero_as_well() {
        assert_eq!(match_times(&[0.0, 0.5], &[1e-12, 0.5 + 1e-8]), Ok(vec![0, 1]));
        assert_eq!(match_times(&[0.0, 0.5], &[1e-5]), Err(1e-5));
    }

    #[test]
    fn whole_image_error_is_the_pore_error_times_the_porosity() {
        let truth = trajectory(3);
        let mut half = exact("a", &truth);
        half.probability.mapv_inplace(|p| p * 0.5);
        for frame in score(&truth, &half).unwrap().frames {
            assert!((frame.whole_image_mse - frame.mse * truth.domain.porosity()).abs() < 1e-12);
        }
    }

    #[test]
    fn another_geometry_or_time_is_a_mismatch() {
        let truth = trajectory(3);
        let mut other = exact("a", &truth);
        other.times[1] += 0.01;
        assert!(score(&truth, &other).unwrap_err().to_string().contains("not a time of the dataset"));
        let other = exact("a", &trajectory(4));
        let error = score(&truth, &other).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert!(error.to_string().contains("another solid"), "{error}");
    }
}
