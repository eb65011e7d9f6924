//! The learning rate as a function of the step.

use std::f64::consts::PI;

use porecast_store::config::optimizer::{ScheduleConfig, ScheduleShape};

/// Learning rate as a fraction of the configured one, before optimiser step `step` (from 0) of
/// `total`, in epoch `epoch` (from 0), after `drops` drops of the plateau schedule.
///
/// A linear warm-up multiplies the factor of the shape. The cosine begins after the warm-up and
/// follows Loshchilov & Hutter (2017), equation 5, without restarts.
pub fn factor(config: &ScheduleConfig, step: u64, total: u64, epoch: usize, drops: u32) -> f64 {
    let warmup = config.warmup_steps as u64;
    let rise = if step < warmup { (step + 1) as f64 / warmup as f64 } else { 1.0 };
    let shape = match config.shape {
        ScheduleShape::Constant => 1.0,
        ScheduleShape::Cosine => {
            let length = total.saturating_sub(warmup + 1).max(1) as f64;
            let progress = (step.saturating_sub(warmup) as f64 / length).min(1.0);
            config.final_fraction + (1.0 - config.final_fraction) * 0.5 * (1.0 + (PI * progress).cos())
        }
        ScheduleShape::Step => {
            config.factor.powi((epoch / config.every_epochs) as i32).max(config.final_fraction)
        }
        ScheduleShape::Plateau => config.factor.powi(drops as i32).max(config.final_fraction),
    };
    rise * shape
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(shape: ScheduleShape) -> ScheduleConfig {
        ScheduleConfig {
            shape,
            warmup_steps: 4,
            final_fraction: 0.1,
            factor: 0.5,
            every_epochs: 2,
            patience: 1,
        }
    }

    #[test]
    fn warm_up_rises_linearly() {
        let constant = config(ScheduleShape::Constant);
        let rates: Vec<_> = (0..6).map(|step| factor(&constant, step, 100, 0, 0)).collect();
        assert_eq!(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn cosine_falls_from_one_to_the_final_fraction() {
        let cosine = config(ScheduleShape::Cosine);
        assert_eq!(factor(&cosine, 4, 105, 0, 0), 1.0);
        assert!((factor(&cosine, 54, 105, 0, 0) - 0.55).abs() < 1e-12);
        assert!((factor(&cosine, 104, 105, 0, 0) - 0.1).abs() < 1e-12);
    }

    #[test]
    fn steps_and_plateaus_drop_and_stop_dropping() {
        let (step, plateau) = (config(ScheduleShape::Step), config(ScheduleShape::Plateau));
        assert_eq!(factor(&step, 50, 100, 3, 0), 0.5);
        assert_eq!(factor(&step, 50, 100, 99, 0), 0.1);
        assert_eq!(factor(&plateau, 50, 100, 9, 2), 0.25);
    }
}
