//! The two fluids and how they wet the solid.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Invading and defending fluid.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FluidPair {
    /// Interfacial tension in N/m.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub surface_tension: f64,
    /// Contact angle in degrees, measured through the defending (wetting) fluid.
    #[schemars(extend("minimum" = 0.0, "exclusiveMaximum" = 90.0))]
    pub contact_angle_deg: f64,
    /// Dynamic viscosity of the invading fluid in Pa·s.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub viscosity_invading: f64,
    /// Dynamic viscosity of the defending fluid in Pa·s.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub viscosity_defending: f64,
}

impl Default for FluidPair {
    /// Supercritical CO2 displacing water, as in the published CO2-water benchmark.
    fn default() -> Self {
        Self {
            surface_tension: 0.03,
            contact_angle_deg: 45.0,
            viscosity_invading: 2.833e-5,
            viscosity_defending: 1.0e-3,
        }
    }
}
