//! An invasion sequence: the domain, the frames and the parameters they were made with.

use ndarray::Array3;
use serde::{Deserialize, Serialize};

use crate::{Domain, Side};

/// What the numbers in [`Trajectory::times`] count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TimeUnit {
    /// Injected volume over the volume of the pore space.
    PoreVolumes,
    /// Seconds.
    Seconds,
    /// Number of the frame, for sequences whose clock is not known.
    Frame,
}

/// What a sequence was made with. A quantity that does not apply is NaN
/// (for example the capillary number of a quasi-static simulation).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Parameters {
    /// Seed of the domain.
    pub seed: u64,
    /// Pore pixels over all pixels.
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
    /// What it was made with.
    pub parameters: Parameters,
}
