//! The physics that a network is told besides the geometry.

use porecast_simulations::Parameters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::benchmark;

/// Rate and fluids of an invasion, as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Physics {
    /// Capillary number Ca = μ_i q/σ, with the injection velocity q over the whole cross-section.
    pub capillary_number: Option<f64>,
    /// Viscosity of the invading over that of the defending fluid.
    pub viscosity_ratio: Option<f64>,
    /// Contact angle in degrees through the defending phase.
    pub contact_angle_deg: Option<f64>,
}

impl From<&Parameters> for Physics {
    fn from(parameters: &Parameters) -> Self {
        let known = |value: f64| value.is_finite().then_some(value);
        Self {
            capillary_number: known(parameters.capillary_number),
            viscosity_ratio: known(parameters.viscosity_ratio),
            contact_angle_deg: known(parameters.contact_angle_deg),
        }
    }
}

impl Physics {
    /// Parameters of a sequence of which only this and the porosity are known.
    pub fn parameters(&self, porosity: f64) -> Parameters {
        let known = |value: Option<f64>| value.unwrap_or(f64::NAN);
        Parameters {
            capillary_number: known(self.capillary_number),
            viscosity_ratio: known(self.viscosity_ratio),
            contact_angle_deg: known(self.contact_angle_deg),
            ..benchmark::unknown_parameters(porosity)
        }
    }

    /// These quantities; where one is not known, that of `other`.
    pub fn or(&self, other: &Self) -> Self {
        Self {
            capillary_number: self.capillary_number.or(other.capillary_number),
            viscosity_ratio: self.viscosity_ratio.or(other.viscosity_ratio),
            contact_angle_deg: self.contact_angle_deg.or(other.contact_angle_deg),
        }
    }
}

/// A physical quantity that a network can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Quantity {
    /// ln Ca.
    CapillaryNumber,
    /// ln M.
    ViscosityRatio,
    /// Cosine of the contact angle.
    ContactAngle,
    /// Fraction of all pixels that are pore pixels.
    Porosity,
}

impl Quantity {
    /// The quantities that must be given: the geometry does not tell them.
    pub const GIVEN: [Self; 3] = [Self::CapillaryNumber, Self::ViscosityRatio, Self::ContactAngle];

    /// Its name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::CapillaryNumber => "capillary number",
            Self::ViscosityRatio => "viscosity ratio",
            Self::ContactAngle => "contact angle",
            Self::Porosity => "porosity",
        }
    }

    /// The option of `predict` that sets it; none for the porosity, which the domain has.
    pub fn option(self) -> &'static str {
        match self {
            Self::CapillaryNumber => "--capillary-number",
            Self::ViscosityRatio => "--viscosity-ratio",
            Self::ContactAngle => "--contact-angle",
            Self::Porosity => "porosity",
        }
    }

    /// Its value for a domain, if it is known.
    pub fn of(self, physics: &Physics, porosity: f64) -> Option<f64> {
        match self {
            Self::CapillaryNumber => physics.capillary_number,
            Self::ViscosityRatio => physics.viscosity_ratio,
            Self::ContactAngle => physics.contact_angle_deg,
            Self::Porosity => Some(porosity),
        }
    }

    /// The values that [`is_possible`](Self::is_possible) allows, in words.
    pub fn possible(self) -> &'static str {
        match self {
            Self::CapillaryNumber | Self::ViscosityRatio => "above 0",
            Self::ContactAngle => "from 0 to 180",
            Self::Porosity => "from 0 to 1",
        }
    }

    /// Whether the quantity can have this value.
    pub fn is_possible(self, value: f64) -> bool {
        match self {
            Self::CapillaryNumber | Self::ViscosityRatio => value > 0.0 && value.is_finite(),
            Self::ContactAngle => (0.0..=180.0).contains(&value),
            Self::Porosity => (0.0..=1.0).contains(&value),
        }
    }

    fn transformed(self, value: f64) -> f64 {
        match self {
            Self::CapillaryNumber | Self::ViscosityRatio => value.ln(),
            Self::ContactAngle => value.to_radians().cos(),
            Self::Porosity => value,
        }
    }
}

/// How a network is told a quantity, from the training domains.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct QuantityScale {
    /// The quantity.
    pub quantity: Quantity,
    /// Mean of what is told: a logarithm, a cosine, or the value itself.
    pub mean: f64,
    /// Standard deviation of the same; 1 if all training domains agree.
    pub standard_deviation: f64,
    /// Lowest value of the training domains.
    pub least: f64,
    /// Highest value of the training domains.
    pub most: f64,
}

impl QuantityScale {
    /// The scale of a quantity with these values in the training domains.
    pub fn new(quantity: Quantity, values: &[f64]) -> Self {
        let count = values.len().max(1) as f64;
        let told: Vec<f64> = values.iter().map(|&value| quantity.transformed(value)).collect();
        let mean = told.iter().sum::<f64>() / count;
        let variance = told.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count;
        let standard_deviation = if variance.sqrt() > 1e-9 { variance.sqrt() } else { 1.0 };
        let least = values.iter().copied().fold(f64::INFINITY, f64::min);
        let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { quantity, mean, standard_deviation, least, most }
    }

    /// The scale of a network that begins with the weights of a network with the scale `earlier`. Mean and standard deviation
    /// are those of `earlier`; the range covers both.
    pub fn after(self, earlier: &Self) -> Self {
        Self { least: self.least.min(earlier.least), most: self.most.max(earlier.most), ..*earlier }
    }

    /// What the network is told: 0 if all training domains agree, since it cannot know what another value does.
    pub fn scaled(&self, value: f64) -> f32 {
        if self.least == self.most && value.is_finite() {
            return 0.0;
        }
        ((self.quantity.transformed(value) - self.mean) / self.standard_deviation) as f32
    }

    /// Whether the training domains cover a value, to a relative margin of 10⁻⁶.
    pub fn covers(&self, value: f64) -> bool {
        let margin = 1e-6 * value.abs();
        (self.least - margin..=self.most + margin).contains(&value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn told_values_have_mean_zero_and_deviation_one() {
        let scale = QuantityScale::new(Quantity::CapillaryNumber, &[1e-3, 1e-1]);
        assert!((scale.scaled(1e-2)).abs() < 1e-6 && (scale.scaled(1e-1) - 1.0).abs() < 1e-6);
        let angle = QuantityScale::new(Quantity::ContactAngle, &[60.0, 60.0]);
        assert_eq!((angle.scaled(60.0), angle.standard_deviation), (0.0, 1.0));
        assert_eq!(angle.scaled(90.0), 0.0, "nothing was learnt about other angles");
        assert!(!angle.covers(90.0));
        assert!(!Quantity::ContactAngle.is_possible(-5.0) && !Quantity::ViscosityRatio.is_possible(0.0));
        assert!(scale.covers(5e-3) && !scale.covers(5e-4) && !scale.covers(0.2));
        let tuned = QuantityScale::new(Quantity::CapillaryNumber, &[2e-1]).after(&scale);
        assert_eq!(tuned.scaled(1e-2), scale.scaled(1e-2));
        assert!(tuned.covers(1e-3) && tuned.covers(0.2) && !tuned.covers(0.3));
    }
}
