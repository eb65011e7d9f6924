//! An invasion sequence: the domain, the frames and the parameters of the simulation.

use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};

use crate::{Domain, Side};

/// Unit of [`Trajectory::times`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Injected volume over the volume of the pore space.
    PoreVolumes,
    /// Seconds.
    Seconds,
    /// Frame index, for sequences whose times are not known.
    Frame,
}

impl TimeUnit {
    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::PoreVolumes => "pore volumes",
            Self::Seconds => "seconds",
            Self::Frame => "frames",
        }
    }
}

/// Parameters of a sequence. A quantity that does not apply is NaN, for example the capillary number of a
/// quasi-static simulation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Seed of the domain.
    pub seed: u64,
    /// Fraction of all pixels that are pore pixels.
    pub porosity: f64,
    /// Contact angle in degrees through the defending phase.
    pub contact_angle_deg: f64,
    /// Interfacial tension in N/m.
    pub surface_tension: f64,
    /// Dynamic viscosity of the invading fluid in Pa·s.
    pub viscosity_invading: f64,
    /// Dynamic viscosity of the defending fluid in Pa·s.
    pub viscosity_defending: f64,
    /// Capillary number.
    pub capillary_number: f64,
    /// Viscosity of the invading over that of the defending fluid.
    pub viscosity_ratio: f64,
}

/// An invasion sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Trajectory {
    /// The porous medium.
    pub domain: Domain,
    /// Where the invading fluid enters.
    pub inlet: Side,
    /// Time of each frame, ascending.
    pub times: Vec<f64>,
    /// Unit of `times`.
    pub time_unit: TimeUnit,
    /// Phase `[time, y, x]`: `true` where the invading fluid is; `false` in solid.
    pub phase: Array3<bool>,
    /// Parameters of the sequence.
    pub parameters: Parameters,
}

impl Trajectory {
    /// Fraction of the pore space filled with invading fluid, for each frame; 0 if there is no pore space.
    pub fn saturation(&self) -> Vec<f64> {
        let pore_count = self.domain.pore_count().max(1) as f64;
        let invaded = |frame: ndarray::ArrayView2<bool>| frame.iter().filter(|&&invaded| invaded).count();
        self.phase.axis_iter(Axis(0)).map(|frame| invaded(frame) as f64 / pore_count).collect()
    }

    /// Time of the first frame in which each pixel is invaded, `[y, x]`; `None` in solid and in pixels that
    /// are never invaded.
    pub fn arrival_time(&self) -> Array2<Option<f64>> {
        let mut arrival = Array2::from_elem(self.domain.shape(), None);
        for (frame, &time) in self.phase.axis_iter(Axis(0)).zip(&self.times) {
            for (arrival, &invaded) in arrival.iter_mut().zip(frame) {
                if invaded && arrival.is_none() {
                    *arrival = Some(time);
                }
            }
        }
        arrival
    }

    /// Time of the first frame with invading fluid on the outlet edge; `None` if it never arrives.
    pub fn breakthrough_time(&self) -> Option<f64> {
        let outlet = self.inlet.opposite();
        let reached = |frame: ndarray::ArrayView2<bool>| outlet.lane(frame).iter().any(|&invaded| invaded);
        let frame = self.phase.axis_iter(Axis(0)).position(reached)?;
        self.times.get(frame).copied()
    }

    /// How far the saturation falls behind the injected volume before breakthrough, at most; 0 if it never does. It means
    /// something if times are pore volumes.
    pub fn lag(&self) -> f64 {
        let end = self.breakthrough_time().unwrap_or(f64::INFINITY);
        let before = self.times.iter().zip(self.saturation()).take_while(|(time, _)| **time < end);
        before.map(|(time, saturation)| time - saturation).fold(0.0, f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derived_quantities_follow_from_the_frames() {
        let domain = Domain { solid: ndarray::array![[false, true], [false, false]], voxel_size_m: 1.0 };
        let frames = [
            [[false, false], [false, false]],
            [[true, false], [false, false]],
            [[true, false], [true, false]],
        ];
        let trajectory = Trajectory {
            domain,
            inlet: Side::Top,
            times: vec![0.0, 0.5, 1.0],
            time_unit: TimeUnit::PoreVolumes,
            phase: Array3::from_shape_fn((3, 2, 2), |(t, y, x)| frames[t][y][x]),
            parameters: Parameters {
                seed: 0,
                porosity: 0.75,
                contact_angle_deg: 45.0,
                surface_tension: 0.03,
                viscosity_invading: 1.0,
                viscosity_defending: 1.0,
                capillary_number: f64::NAN,
                viscosity_ratio: 1.0,
            },
        };
        assert_eq!(trajectory.saturation(), [0.0, 1.0 / 3.0, 2.0 / 3.0]);
        assert_eq!(trajectory.arrival_time(), ndarray::array![[Some(0.5), None], [Some(1.0), None]]);
        assert_eq!(trajectory.breakthrough_time(), Some(1.0));
        assert!((trajectory.lag() - (0.5 - 1.0 / 3.0)).abs() < 1e-12);
    }
}
