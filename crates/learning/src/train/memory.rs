//! Memory that a training needs at least.

use porecast_base::{Error, Result, memory};
use porecast_store::config::model::{Architecture, EncoderKind, ModelConfig};
use porecast_store::config::train::TrainingConfig;

use crate::device::{Device, Full};
use crate::model::Ends;

/// A number of 32 bits.
const FLOAT: f64 = 4.0;
/// Copies of each weight: itself, its gradient and the two moments of Adam.
const COPIES: f64 = 4.0;
/// Memory that a training step on a GPU reserves for each sample, divided by the size of the convolutions' outputs: the rest
/// is for norms, gradients and matrices of inputs. Measured on llvmpipe: 3; this value leaves some room.
const RESERVED: f64 = 4.0;

/// Memory of a training in bytes: lower bounds, from the weights of the UNet's own convolutions or of the transformer, and
/// the outputs of its convolutions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Memory {
    /// For the weights.
    weights: f64,
    /// For the outputs of one sample.
    sample: f64,
    /// For the largest tensor of one sample.
    largest: f64,
    batch_size: usize,
    /// The number of samples in a batch is a multiple of this.
    together: usize,
}

impl Memory {
    /// The memory for images of `size` (height, width), if the device has it.
    ///
    /// # Errors
    /// The machine has less, or the device holds no buffer of that size.
    pub(super) fn check(
        model: &ModelConfig,
        ends: Ends,
        training: &TrainingConfig,
        size: (usize, usize),
        device: Device,
    ) -> Result<Self> {
        let memory = Self::of(model, ends, training, size);
        let available = memory::available().map_or(f64::INFINITY, |bytes| bytes as f64);
        let advice = format!(
            "the network has {:.1} million weights or more; {}",
            memory.weights / (FLOAT * COPIES) / 1e6,
            memory.advice((available - memory.weights) / memory.sample)
        );
        memory::require(memory.needed(), "model", &advice)?;
        let needed = memory.largest * memory.batch_size as f64;
        match device.largest_buffer() {
            Some(limit) if needed > limit as f64 => {
                let mib = |bytes: f64| bytes / f64::from(1 << 20);
                let what = format!(
                    "{} is too large for {device}: a tensor of {:.0} MiB or more, but a buffer there has {:.0} MiB at most; {}",
                    memory.batch_size,
                    mib(needed),
                    mib(limit as f64),
                    memory.advice(limit as f64 / memory.largest)
                );
                Err(Error::config("training.batch_size", what))
            }
            _ => Ok(memory),
        }
    }

    fn of(model: &ModelConfig, ends: Ends, training: &TrainingConfig, size: (usize, usize)) -> Self {
        let together = training.frames_per_domain.clamp(1, training.batch_size);
        let (weights, outputs, largest) = match model.architecture {
            Architecture::Unet => unet(model, ends, together, size),
            Architecture::Vit => (vit(model), 0.0, 0.0),
        };
        let outputs = if training.gradient_checkpointing { 0.0 } else { outputs };
        Self {
            weights: FLOAT * COPIES * weights,
            sample: FLOAT * outputs,
            largest: FLOAT * largest,
            batch_size: training.batch_size,
            together,
        }
    }

    /// Bytes that the training needs at least.
    pub(super) fn needed(&self) -> f64 {
        self.weights + self.sample * self.batch_size as f64
    }

    /// What to do when a device is full.
    pub(super) fn advice_for_full(&self, Full { reserved, excess }: Full) -> String {
        let reserved = reserved.map_or(0.0, |bytes| bytes as f64);
        let fit = if excess > 1.0 {
            self.batch_size as f64 / excess
        } else {
            (reserved - self.weights) / (self.sample * RESERVED)
        };
        self.advice(fit.min((self.batch_size - self.together) as f64))
    }

    /// Recommends a batch size if `fit` samples fit, otherwise other ways to save memory.
    fn advice(&self, fit: f64) -> String {
        let whole =
            if fit.is_finite() && fit > 0.0 { fit as usize / self.together * self.together } else { 0 };
        if whole == 0 || whole >= self.batch_size {
            let what = "choose a smaller model, smaller images or training.gradient_checkpointing = true";
            return what.to_owned();
        }
        format!("training.batch_size = {whole} should fit")
    }
}

/// Weights, and for each sample: numbers in the outputs of the convolutions, and in the largest tensor. `together` samples
/// share a domain.
fn unet(
    model: &ModelConfig,
    ends: Ends,
    together: usize,
    (height, width): (usize, usize),
) -> (f64, f64, f64) {
    let unet = &model.unet;
    let is_own = unet.encoder.kind == EncoderKind::Plain;
    let channels = |level: usize| unet.channels(level) as f64;
    let (mut weights, mut outputs) = (0.0, 0.0);
    let domains = 1.0 / together as f64;
    let decoded = if ends.takes_time { 1.0 } else { domains };
    for level in 0..unet.levels {
        let own = channels(level);
        let above = if level == 0 { ends.inputs as f64 } else { channels(level - 1) };
        let pixels = (height * width) as f64 / 4f64.powi(level as i32);
        weights += 9.0 * 2.0 * own * own;
        outputs += 2.0 * own * pixels * decoded;
        if is_own {
            weights += 9.0 * (above * own + own * own);
            outputs += 2.0 * own * pixels * domains;
        }
    }
    if is_own {
        let deepest = unet.deepest() as f64;
        weights += 9.0 * (channels(unet.levels - 1) * deepest + deepest * deepest);
    }
    if let Some(recurrent) = ends.recurrent {
        // Five layers a step, at a quarter of the resolution, an eighth and a sixteenth.
        let pixels = (height * width) as f64 / 16.0 * (1.0 + 1.0 + 0.25 + 0.0625 + 2.0);
        outputs += (recurrent.knots * recurrent.channels) as f64 * pixels * domains;
    }
    // Without frames that share a domain, skip and decoder are concatenated.
    let joined = if ends.takes_time && together > 1 { 1.0 } else { 2.0 };
    let largest = joined * channels(0) * (height * width) as f64 * decoded;
    (weights, outputs, largest)
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
        let (weights, outputs, largest) = unet(&ModelConfig::default(), Ends::new(1, 3), 1, (512, 128));
        assert!((1.5e6..1.95e6).contains(&weights), "{weights}");
        // Level 0: 16 channels, four convolutions.
        assert!(outputs > 4.0 * 16.0 * 65536.0 && outputs < 2.1 * 4.0 * 16.0 * 65536.0);
        assert_eq!(largest, 2.0 * 16.0 * 65536.0);
    }

    #[test]
    fn the_batch_size_that_fits_is_named_in_whole_domains() {
        let memory = Memory { weights: 100.0, sample: 10.0, largest: 4.0, batch_size: 32, together: 4 };
        assert_eq!(memory.needed(), 420.0);
        assert_eq!(memory.advice(14.9), "training.batch_size = 12 should fit");
        let full = |reserved| memory.advice_for_full(Full { reserved, excess: 1.0 });
        assert_eq!(full(Some(100 + 40 * 9)), "training.batch_size = 8 should fit");
        // What is full with 32 samples does not hold 32.
        assert_eq!(full(Some(1 << 20)), "training.batch_size = 28 should fit");
        let of_buffer = Full { reserved: None, excess: 2.5 };
        assert_eq!(memory.advice_for_full(of_buffer), "training.batch_size = 12 should fit");
        for (fit, reserved) in [(3.0, Some(90)), (-1.0, None)] {
            assert!(memory.advice(fit).contains("smaller model"));
            assert!(full(reserved).contains("smaller model"));
        }
    }
}
