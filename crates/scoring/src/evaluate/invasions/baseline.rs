//! Baselines: sequences made without a network, scored by the same code as predictions.

use ndarray::{Array2, Array3, Axis, Zip, s};
use porecast_simulations::percolation::{self, Sides};
use porecast_simulations::{TimeUnit, Trajectory};

use crate::metric;
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::Prediction;

/// The baselines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Baseline {
    /// Every frame equals the true first frame.
    NothingMoves,
    /// Mean over the training domains of the frame nearest in time, pixel by pixel.
    MeanFrame,
    /// Invasion percolation from the true first frame, on the same geometry.
    Percolation,
}

impl Baseline {
    /// All baselines.
    pub const ALL: [Self; 3] = [Self::NothingMoves, Self::MeanFrame, Self::Percolation];

    /// Name in tables and files.
    pub fn name(self) -> &'static str {
        match self {
            Self::NothingMoves => "nothing moves",
            Self::MeanFrame => "mean frame",
            Self::Percolation => "percolation",
        }
    }

    /// What it is on a dataset with this time unit, in one sentence; `has_training` if the training domains
    /// are available.
    pub fn explanation(self, time_unit: TimeUnit, has_training: bool) -> &'static str {
        match (self, time_unit, has_training) {
            (Self::NothingMoves, _, _) => "nothing moves: every frame equals the true first frame",
            (Self::MeanFrame, _, true) => {
                "mean frame: in each pixel the mean of the training domains in which it is pore, at the frame nearest \
                 in time; on the training part, the scored domain itself is included"
            }
            (Self::MeanFrame, _, false) => {
                "mean frame: left out, because the training domains are missing or have another size, inlet or time unit"
            }
            (Self::Percolation, TimeUnit::PoreVolumes, _) => {
                "percolation: invasion percolation with trapping from the true first frame, at the saturation of the \
                 volume injected; too high after breakthrough"
            }
            (Self::Percolation, _, true) => {
                "percolation: invasion percolation with trapping from the true first frame, at the mean saturation of \
                 the training domains at the frame nearest in time"
            }
            (Self::Percolation, _, false) => {
                "percolation: left out, because neither the time unit nor training domains give the saturation"
            }
        }
    }

    /// Its prediction for a domain; `None` where it needs the training domains and these are missing.
    ///
    /// # Errors
    /// The percolation refuses the domain.
    pub fn predict(
        self,
        domain_id: &str,
        truth: &Trajectory,
        sides: Sides,
        mean: Option<&TrainingMean>,
    ) -> Result<Option<Prediction>> {
        match self {
            Self::NothingMoves => Ok(Some(nothing_moves(domain_id, truth))),
            Self::MeanFrame => Ok(mean.map(|mean| mean.predict(domain_id, truth))),
            Self::Percolation => {
                let saturations = mean.map(|mean| mean.saturations(&truth.times));
                percolate(domain_id, truth, sides, saturations.as_deref())
            }
        }
    }
}

/// The first true frame at every time.
pub fn nothing_moves(domain_id: &str, truth: &Trajectory) -> Prediction {
    let mut probability = Array3::zeros(truth.phase.dim());
    if let Some(first) = truth.phase.outer_iter().next() {
        let first = first.mapv(|invaded| f32::from(u8::from(invaded)));
        probability.outer_iter_mut().for_each(|mut frame| frame.assign(&first));
    }
    prediction(domain_id, truth, probability)
}

/// Sums over the training domains, for the mean frame and the mean saturation.
#[derive(Debug, Clone)]
pub struct TrainingMean {
    /// Domains that are invaded at `[time, y, x]`.
    invaded: Array3<u32>,
    /// Domains that are pore at `[y, x]`.
    pore: Array2<u32>,
    /// Sum of the saturations of each frame.
    saturation: Vec<f64>,
    /// Sum of the times of each frame.
    time: Vec<f64>,
    domains: usize,
}

impl TrainingMean {
    /// Nothing summed yet, for sequences of shape `[time, y, x]`.
    pub fn new(shape: (usize, usize, usize)) -> Self {
        let (frames, height, width) = shape;
        Self {
            invaded: Array3::zeros(shape),
            pore: Array2::zeros((height, width)),
            saturation: vec![0.0; frames],
            time: vec![0.0; frames],
            domains: 0,
        }
    }

    /// Adds a training domain.
    ///
    /// # Panics
    /// Its shape is another one.
    pub fn add(&mut self, sequence: &Trajectory) {
        let pore = sequence.domain.solid.mapv(|solid| !solid);
        self.invaded.zip_mut_with(&sequence.phase, |sum, &invaded| *sum += u32::from(invaded));
        self.pore.zip_mut_with(&pore, |sum, &pore| *sum += u32::from(pore));
        for (sum, frame) in self.saturation.iter_mut().zip(sequence.phase.outer_iter()) {
            *sum += metric::saturation(frame, pore.view());
        }
        self.time.iter_mut().zip(&sequence.times).for_each(|(sum, time)| *sum += time);
        self.domains += 1;
    }

    /// Of the frames, the one whose mean time is nearest.
    fn frame_at(&self, time: f64) -> usize {
        let distance = |frame: &usize| (self.time[*frame] / self.domains.max(1) as f64 - time).abs();
        (0..self.time.len()).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0)
    }

    /// Mean saturation at each time; 0 without domains.
    pub fn saturations(&self, times: &[f64]) -> Vec<f64> {
        let mean = |&time: &f64| self.saturation[self.frame_at(time)] / self.domains.max(1) as f64;
        times.iter().map(mean).collect()
    }

    /// The mean frame at each time, on the geometry of `truth`: in each pore pixel the share of invaded ones among the
    /// training domains in which that pixel is pore, or the mean saturation where it never is.
    pub fn predict(&self, domain_id: &str, truth: &Trajectory) -> Prediction {
        let mut probability = Array3::zeros(truth.phase.dim());
        for (t, saturation) in self.saturations(&truth.times).into_iter().enumerate() {
            Zip::from(probability.slice_mut(s![t, .., ..]))
                .and(&truth.domain.solid)
                .and(&self.pore)
                .and(self.invaded.index_axis(Axis(0), self.frame_at(truth.times[t])))
                .for_each(|p, &solid, &pore, &invaded| {
                    *p = match (solid, pore) {
                        (true, _) => 0.0,
                        (false, 0) => saturation as f32,
                        (false, _) => invaded as f32 / pore as f32,
                    };
                });
        }
        prediction(domain_id, truth, probability)
    }
}

/// Invasion percolation with trapping, from the true first frame, at the saturation that follows from
/// the time; the true saturation is not used. `sides` are those of the simulator.
///
/// With time in pore volumes injected, S = S₀ + (t - t₀), at most 1, S₀ the saturation of the first frame: exact
/// until breakthrough, too high after it. With any other clock `training_saturations`, the mean of the training
/// set at each time; `None` when that is needed and not known.
///
/// # Errors
/// The percolation refuses the domain.
pub fn percolate(
    domain_id: &str,
    truth: &Trajectory,
    sides: Sides,
    training_saturations: Option<&[f64]>,
) -> Result<Option<Prediction>> {
    let Some(first) = truth.phase.outer_iter().next() else { return Ok(None) };
    let saturations = match (truth.time_unit, training_saturations) {
        (TimeUnit::PoreVolumes, _) => {
            let pore = truth.domain.solid.mapv(|solid| !solid);
            let start = metric::saturation(first, pore.view());
            truth.times.iter().map(|t| (start + t - truth.times[0]).clamp(0.0, 1.0)).collect()
        }
        (_, Some(saturations)) => saturations.to_vec(),
        (_, None) => return Ok(None),
    };
    let frames =
        percolation::at_saturations(&truth.domain, truth.inlet, sides, Some(&first.to_owned()), &saturations)
            .map_err(|e| {
                Error::new(
                    ErrorKind::Input,
                    format!("domain {domain_id:?}"),
                    format!("cannot be percolated: {e}"),
                )
            })?;
    let mut probability = Array3::zeros(truth.phase.dim());
    for (mut frame, invaded) in probability.outer_iter_mut().zip(frames) {
        frame.assign(&invaded.mapv(|invaded| f32::from(u8::from(invaded))));
    }
    Ok(Some(prediction(domain_id, truth, probability)))
}

fn prediction(domain_id: &str, truth: &Trajectory, probability: Array3<f32>) -> Prediction {
    Prediction {
        domain_id: domain_id.to_owned(),
        solid: truth.domain.solid.clone(),
        times: truth.times.clone(),
        probability,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::invasions::fabricated::trajectory;

    #[test]
    fn nothing_moves_repeats_the_first_frame() {
        let truth = trajectory(1);
        let still = nothing_moves("a", &truth);
        for frame in still.probability.outer_iter() {
            assert_eq!(metric::mask(frame), truth.phase.index_axis(Axis(0), 0));
        }
    }

    #[test]
    fn mean_of_one_domain_is_that_domain() {
        let truth = trajectory(1);
        let mut mean = TrainingMean::new(truth.phase.dim());
        mean.add(&truth);
        let predicted = mean.predict("a", &truth);
        assert_eq!(predicted.probability.mapv(|p| p > 0.5), truth.phase);
        assert!(predicted.probability.iter().all(|p| *p == 0.0 || *p == 1.0));
    }

    #[test]
    fn the_mean_at_a_time_is_that_of_the_nearest_frame() {
        let truth = trajectory(1);
        let mut mean = TrainingMean::new(truth.phase.dim());
        mean.add(&truth);
        // Other times, fewer of them, and one beyond the last.
        let (asked, nearest) = ([0.05, 0.2, 0.45, 9.0], [0, 1, 3, 5]);
        let phase = truth.phase.select(Axis(0), &nearest);
        let other = Trajectory { times: asked.to_vec(), phase, ..truth.clone() };
        assert_eq!(mean.predict("a", &other).probability.mapv(|p| p > 0.5), other.phase);
        let saturations = mean.saturations(&truth.times);
        assert_eq!(mean.saturations(&asked).as_slice(), nearest.map(|frame| saturations[frame]));
    }

    #[test]
    fn mean_counts_only_domains_in_which_the_pixel_is_pore() {
        let (a, b) = (trajectory(1), trajectory(2));
        let mut mean = TrainingMean::new(a.phase.dim());
        mean.add(&a);
        mean.add(&b);
        let predicted = mean.predict("a", &a);
        let last = a.times.len() - 1;
        for ((y, x), solid) in a.domain.solid.indexed_iter() {
            let share = |t: &Trajectory| f32::from(u8::from(t.phase[(last, y, x)]));
            let expected = match (solid, b.domain.solid[(y, x)]) {
                (true, _) => 0.0,
                (false, true) => share(&a),
                (false, false) => (share(&a) + share(&b)) / 2.0,
            };
            assert_eq!(predicted.probability[(last, y, x)], expected);
        }
    }

    #[test]
    fn percolation_needs_a_clock_or_the_training_saturations() {
        let mut truth = trajectory(1);
        assert!(percolate("a", &truth, Sides::Open, None).unwrap().is_some());
        truth.time_unit = TimeUnit::Seconds;
        assert!(percolate("a", &truth, Sides::Open, None).unwrap().is_none());
        let saturations = vec![0.3; truth.times.len()];
        let predicted = percolate("a", &truth, Sides::Open, Some(&saturations)).unwrap().unwrap();
        assert!(
            predicted.probability.iter().zip(truth.domain.solid.iter().cycle()).all(|(p, s)| !s || *p == 0.0)
        );
    }
}
