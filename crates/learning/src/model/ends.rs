//! What a network is given and what it gives back.

use burn::tensor::{Tensor, backend::Backend};
use porecast_simulations::domain::Side;
use porecast_store::config::train::{Conditioning, Knots, Steps, TrainConfig};

/// Sizes of a network's inputs and outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ends {
    /// Channels of the input.
    pub inputs: usize,
    /// Channels of the logits at one time.
    pub outputs: usize,
    /// Whether the blocks are told the time.
    pub takes_time: bool,
    /// Physical quantities that the blocks are told.
    pub physics: usize,
    /// Times at which one pass gives logits, evenly spaced over [0, 1]; `None` for logits at one time.
    pub knots: Option<usize>,
    /// A state that is stepped through time instead.
    pub recurrent: Option<Recurrent>,
}

/// Sizes of a state that is stepped through time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recurrent {
    /// Times at which the state of a training domain is known, evenly spaced over [0, 1].
    pub knots: usize,
    /// Channels of the state.
    pub channels: usize,
    /// Pixels from inlet to outlet of the training domains.
    pub length: usize,
    /// Whether inlet and outlet are the left and right edge.
    pub is_across: bool,
}

impl Ends {
    /// A network without time, physics and knots.
    pub fn new(inputs: usize, outputs: usize) -> Self {
        Self { inputs, outputs, takes_time: false, physics: 0, knots: None, recurrent: None }
    }

    /// A network of a run on invasions, for training domains of a height and width in pixels and their inlet.
    pub fn of_invasion(config: &TrainConfig, (height, width): (usize, usize), inlet: Side) -> Self {
        let is_across = matches!(inlet, Side::Left | Side::Right);
        let length = if is_across { width } else { height };
        Self {
            inputs: config.inputs.len(),
            outputs: config.head.channels(),
            takes_time: config.conditioning == Conditioning::Time,
            physics: config.physics.len(),
            knots: match config.conditioning {
                Conditioning::Sequence(Knots { knots }) => Some(knots),
                _ => None,
            },
            recurrent: match config.conditioning {
                Conditioning::Recurrent(Steps { knots, channels }) => {
                    Some(Recurrent { knots, channels, length, is_across })
                }
                _ => None,
            },
        }
    }

    /// Channels of the last layer: those of the first knot come first.
    pub fn last_channels(&self) -> usize {
        self.outputs * self.knots.unwrap_or(1)
    }
}

/// Logits at any time, by linear interpolation between knots; times outside [0, 1] take the nearest knot.
///
/// # Shapes
/// `logits` `[domains, knots * c, h, w]`, `times` `[domains * k]`; result `[domains * k, c, h, w]`.
pub fn interpolate<B: Backend>(logits: Tensor<B, 4>, knots: usize, times: Tensor<B, 1>) -> Tensor<B, 4> {
    let [domains, channels, h, w] = logits.dims();
    let (samples, device) = (times.dims()[0], logits.device());
    let last = (knots - 1).max(1) as f64;
    let position = times.clamp(0.0, 1.0).mul_scalar(last).reshape([domains, samples / domains, 1]);
    let knot = Tensor::arange(0..knots as i64, &device).float().reshape([1, 1, knots]);
    // The weight of a knot falls linearly to zero at its neighbours.
    let weights = (-(position - knot).abs() + 1.0).clamp_min(0.0); // [domains, k, knots]
    let size = channels / knots * h * w;
    weights.matmul(logits.reshape([domains, knots, size])).reshape([samples, channels / knots, h, w])
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    #[test]
    fn logits_between_knots_are_interpolated() {
        let device = Default::default();
        // Two domains, three knots of two channels, one pixel.
        let values: [f32; 12] = [0.0, 10.0, 1.0, 20.0, 4.0, 0.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0];
        let logits = Tensor::<Flex, 1>::from_data(values, &device).reshape([2, 6, 1, 1]);
        let times = Tensor::from_data([0.0, 0.25, 0.75, 1.0, 1.5, 0.5, 0.1, 0.9, 0.3, 0.2], &device);
        let found: Vec<f32> = interpolate(logits, 3, times).into_data().iter().collect();
        let expected = [0.0, 10.0, 0.5, 15.0, 2.5, 10.0, 4.0, 0.0, 4.0, 0.0].into_iter().chain([7.0; 10]);
        for (found, expected) in found.into_iter().zip(expected) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
