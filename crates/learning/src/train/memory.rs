//! Memory that a training needs at least.

use porecast_base::{Result, memory};
use porecast_store::config::model::{Architecture, EncoderKind, ModelConfig};
use porecast_store::config::train::TrainingConfig;

use crate::model::Ends;

/// A number of 32 bits.
const FLOAT: f64 = 4.0;
/// Copies of each weight: itself, its gradient and the two moments of Adam.
const COPIES: f64 = 4.0;

/// Refuses a training that cannot fit into the memory of the machine; returns the bytes that it needs at least.
///
/// The estimate is a lower bound: the weights of the UNet's own convolutions or of the transformer, and the outputs of
/// its convolutions for one batch of `size` (height, width).
///
/// # Errors
/// The bound exceeds the available memory.
pub(super) fn check(
    model: &ModelConfig,
    ends: Ends,
    training: &TrainingConfig,
    size: (usize, usize),
) -> Result<f64> {
    let (weights, outputs) = match model.architecture {
        Architecture::Unet => unet(model, ends, training, size),
        Architecture::Vit => (vit(model), 0.0),
    };
    let outputs = if training.gradient_checkpointing { 0.0 } else { outputs };
    let advice = format!(
        "the network has {:.1} million weights or more; choose a smaller model or a smaller training.batch_size",
        weights / 1e6
    );
    let bytes = FLOAT * (COPIES * weights + outputs);
    memory::require(bytes, "model", &advice)?;
    Ok(bytes)
}

/// Weights, and numbers in the outputs of the convolutions for a batch.
fn unet(
    model: &ModelConfig,
    ends: Ends,
    training: &TrainingConfig,
    (height, width): (usize, usize),
) -> (f64, f64) {
    let unet = &model.unet;
    let is_own = unet.encoder.kind == EncoderKind::Plain;
    let channels = |level: usize| unet.channels(level) as f64;
    let (mut weights, mut outputs) = (0.0, 0.0);
    let samples = training.batch_size as f64;
    let domains = samples / training.frames_per_domain.clamp(1, training.batch_size) as f64;
    for level in 0..unet.levels {
        let own = channels(level);
        let above = if level == 0 { ends.inputs as f64 } else { channels(level - 1) };
        let pixels = (height * width) as f64 / 4f64.powi(level as i32);
        weights += 9.0 * 2.0 * own * own;
        outputs += 2.0 * own * pixels * if ends.takes_time { samples } else { domains };
        if is_own {
            weights += 9.0 * (above * own + own * own);
            outputs += 2.0 * own * pixels * domains;
        }
    }
    if is_own {
        let deepest = unet.deepest() as f64;
        weights += 9.0 * (channels(unet.levels - 1) * deepest + deepest * deepest);
    }
    (weights, outputs)
}

/// Weights of the transformer's layers.
fn vit(model: &ModelConfig) -> f64 {
    12.0 * model.vit.depth as f64 * (model.vit.width as f64).powi(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_lies_below_the_network_of_the_study() {
        let (weights, outputs) =
            unet(&ModelConfig::default(), Ends::new(1, 3), &TrainingConfig::default(), (512, 128));
        assert!((1.5e6..1.95e6).contains(&weights), "{weights}");
        // Level 0: 16 channels, four convolutions, four samples.
        assert!(outputs > 4.0 * 4.0 * 16.0 * 65536.0 && outputs < 2.1 * 4.0 * 4.0 * 16.0 * 65536.0);
    }
}
