//! Times of the invasion steps at a constant injection rate.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Invasion, PercolationConfig};
use crate::domain::connectivity::no_path;
use crate::{Domain, Result, Side, TimeUnit};

/// Time of the last frame.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Until the invading fluid first reaches the outlet edge.
    #[default]
    Breakthrough,
    /// Until this volume has been injected, as a multiple of the pore volume.
    PoreVolumes(#[schemars(extend("exclusiveMinimum" = 0.0))] f64),
}

/// Behaviour after breakthrough, if the sequence continues that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AfterBreakthrough {
    /// The injected fluid leaves through the outlet and the phase field no longer changes.
    #[default]
    Hold,
    /// Invasion continues until no accessible pixel is left; all injected fluid stays inside.
    Continue,
}

/// The frames of one invasion.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Time of each frame.
    pub times: Vec<f64>,
    /// Unit of `times`.
    pub time_unit: TimeUnit,
    /// Number of steps completed at each frame.
    pub steps: Vec<usize>,
}

/// Places the frames of `config` at equal times and counts the steps of `invasion` completed at each.
///
/// Time is injected volume. A step is complete once all of its volume has been injected. The saturation is
/// therefore at most the injected volume, and less than one step below it.
///
/// # Errors
/// The breakthrough time is needed, but the fluid never breaks through.
pub fn schedule(
    config: &PercolationConfig,
    invasion: &Invasion,
    domain: &Domain,
    inlet: Side,
) -> Result<Schedule> {
    let pore_count = domain.pore_count() as f64;
    let outlet = inlet.opposite();
    let breakthrough = invasion.breakthrough_step(outlet);
    let injected = match (config.until, breakthrough) {
        (Until::PoreVolumes(volumes), _) => volumes * pore_count,
        (Until::Breakthrough, Some(step)) => invasion.invaded_after(step) as f64,
        (Until::Breakthrough, None) => return Err(no_path(inlet)),
    };
    let last_step = match config.after_breakthrough {
        AfterBreakthrough::Hold => breakthrough.unwrap_or(invasion.steps()),
        AfterBreakthrough::Continue => invasion.steps(),
    };
    let (time_unit, time_per_pixel) = match config.injection_rate_m2_per_s {
        Some(rate) => (TimeUnit::Seconds, domain.voxel_size_m.powi(2) / rate),
        None => (TimeUnit::PoreVolumes, 1.0 / pore_count),
    };
    let intervals = config.frames.saturating_sub(1).max(1) as f64;
    let volume = |frame: usize| injected * frame as f64 / intervals;
    Ok(Schedule {
        times: (0..config.frames).map(|frame| volume(frame) * time_per_pixel).collect(),
        time_unit,
        // Rounding must not drop a step that ends exactly at the frame.
        steps: (0..config.frames)
            .map(|frame| invasion.steps_within(volume(frame) + 1e-6).min(last_step))
            .collect(),
    })
}
