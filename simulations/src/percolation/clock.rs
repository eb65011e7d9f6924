//! When each step happens, at a constant injection rate.

use serde::{Deserialize, Serialize};

use super::{Invasion, PercolationConfig};
use crate::domain::connectivity::no_path;
use crate::{Domain, Result, Side, TimeUnit};

/// How long the invasion is watched.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Until the invading fluid first lies on the outlet edge.
    #[default]
    Breakthrough,
    /// Until this volume has been injected, in volumes of the pore space.
    PoreVolumes(f64),
}

/// What happens after breakthrough, if the sequence goes on that long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AfterBreakthrough {
    /// The injected fluid leaves through the outlet and the field stands still.
    #[default]
    Hold,
    /// Invasion goes on, all of the injected fluid staying inside, until nothing accessible is left.
    Continue,
}

/// The frames of one invasion.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    /// Time of each frame.
    pub times: Vec<f64>,
    /// Unit of `times`.
    pub time_unit: TimeUnit,
    /// Steps done at each frame.
    pub steps: Vec<usize>,
}

/// Places the frames of `config` at equal times and says how many steps of `invasion` are done at each.
///
/// Time is injected volume. A step is done once all of its volume has been injected, so that the saturation
/// is the injected volume to within one step, from below.
///
/// # Errors
/// A time of breakthrough is needed and there is none.
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
        // Rounding must not lose a step that ends exactly at the frame.
        steps: (0..config.frames)
            .map(|frame| invasion.steps_within(volume(frame) + 1e-6).min(last_step))
            .collect(),
    })
}
