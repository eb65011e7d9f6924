//! Prediction intervals of a run, from the errors on its validation domains: `intervals.json` in the run folder.

use serde::{Deserialize, Serialize};

use crate::document::Document;
use crate::run::MemberCard;

/// Half-widths of prediction intervals. A new domain drawn like the validation domains lies inside with a probability of at
/// least `level`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Intervals {
    format: String,
    version: u32,
    /// Share of new domains that an interval covers.
    pub level: f64,
    /// Number of validation domains.
    pub domains: usize,
    /// Best epoch of each network: intervals of other weights do not count.
    best_epochs: Vec<usize>,
    /// Mean time of each frame over the validation domains, in the unit of the dataset.
    pub times: Vec<f64>,
    /// Half-width of the saturation at each of `times`.
    pub saturation: Vec<f64>,
    /// Half-width of the breakthrough time; `None` where too few validation domains break through.
    pub breakthrough: Option<f64>,
}

impl Document for Intervals {
    const FORMAT: &'static str = "porecast-intervals";
    const VERSION: u32 = 2;
    const COMMAND: &'static str = "porecast evaluate";
}

impl Intervals {
    /// Intervals that hold for the best weights of `members`.
    pub fn new(
        level: f64,
        domains: usize,
        (times, saturation): (Vec<f64>, Vec<f64>),
        breakthrough: Option<f64>,
        members: &[MemberCard],
    ) -> Self {
        Self {
            format: Self::FORMAT.to_owned(),
            version: Self::VERSION,
            level,
            domains,
            best_epochs: members.iter().map(|member| member.best_epoch).collect(),
            times,
            saturation,
            breakthrough,
        }
    }

    /// Whether they were made with the best weights of `members`.
    pub fn hold_for(&self, members: &[MemberCard]) -> bool {
        self.best_epochs.iter().eq(members.iter().map(|member| &member.best_epoch))
    }

    /// Half-width of the saturation at a time, linear between frames. Before the first and after the last frame it is constant.
    pub fn saturation_at(&self, time: f64) -> f64 {
        let after = self.times.partition_point(|one| *one < time);
        match (after.checked_sub(1), self.times.get(after)) {
            (Some(before), Some(next)) => {
                let share = (time - self.times[before]) / (next - self.times[before]);
                self.saturation[before] + share * (self.saturation[after] - self.saturation[before])
            }
            (None, Some(_)) => self.saturation[0],
            (_, None) => self.saturation.last().copied().unwrap_or(f64::NAN),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_widths_between_frames_are_interpolated() {
        let intervals = Intervals::new(0.9, 20, (vec![0.0, 0.1, 0.3], vec![0.0, 0.02, 0.04]), None, &[]);
        for (time, width) in [(0.0, 0.0), (0.05, 0.01), (0.1, 0.02), (0.2, 0.03), (0.3, 0.04), (0.5, 0.04)] {
            assert!((intervals.saturation_at(time) - width).abs() < 1e-12, "{time}");
        }
    }
}
