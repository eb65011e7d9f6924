//! Losses that know the fluid mask and the volume. Every term is bounded below by zero.

mod objective;
mod overlap;
mod penalty;
mod pixel;
mod segmentation;
mod volume;

use std::cell::LazyCell;

use burn::tensor::{Tensor, backend::Backend};
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

pub use objective::Objective;
pub use overlap::{Overlap, dice, soft_iou};
pub use penalty::elastic_net;
pub use pixel::{binary_cross_entropy, cross_entropy, mse};
pub use segmentation::SegmentationLoss;
pub use volume::{volume_hard, volume_soft};

use crate::task::{invading_probability, invasion_classes};
use porecast_store::config::loss::LossConfig;
use porecast_store::config::train::Head;

/// A weighted sum of terms.
#[derive(Debug, Clone)]
pub struct Loss {
    head: Head,
    config: LossConfig,
    class_weights: [f32; 3],
}

/// The terms of a loss on one batch.
#[derive(Debug, Clone)]
pub struct Terms<B: Backend> {
    /// Names and weights.
    pub names: Vec<(&'static str, f64)>,
    /// Values before weighting, `[terms]`.
    pub values: Tensor<B, 1>,
    /// The weighted sum, `[1]`.
    pub total: Tensor<B, 1>,
}

impl Loss {
    /// A loss for a head; `class_weights` are those of solid, defending, invading.
    pub fn new(head: Head, config: LossConfig, class_weights: [f32; 3]) -> Self {
        Self { head, config, class_weights }
    }

    /// Evaluates every term of positive weight.
    ///
    /// # Shapes
    /// `logits` `[n, head channels, h, w]`, `target` and `scored` `[n, 1, h, w]` of 0 and 1.
    pub fn evaluate<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Terms<B> {
        let p = LazyCell::new(|| invading_probability(self.head, logits.clone()));
        let names: Vec<_> = self.config.terms().into_iter().filter(|(_, weight)| *weight > 0.0).collect();
        let p = || LazyCell::force(&p).clone();
        let (g, m) = (target, scored);
        let values: Vec<Tensor<B, 1>> = names
            .iter()
            .map(|(name, _)| match *name {
                "mse" => mse(p(), g.clone(), m.clone()),
                "bce" => binary_cross_entropy(logits.clone(), g.clone(), m.clone()),
                "cross_entropy" => {
                    let classes = invasion_classes(g.clone(), m.clone(), self.class_weights);
                    cross_entropy(log_softmax_channels(logits.clone()), classes)
                }
                "dice" => dice(p(), g.clone(), m.clone()),
                "iou" => soft_iou(p(), g.clone(), m.clone()),
                "volume_hard" => volume_hard(p(), g.clone(), m.clone()),
                "volume_soft" => volume_soft(p(), g.clone(), m.clone()),
                _ => unreachable!("the terms of LossConfig are listed here"),
            })
            .collect();
        Terms::new(names, values)
    }
}

impl<B: Backend> Terms<B> {
    /// Terms by name and weight with their values, each `[1]`.
    fn new(names: Vec<(&'static str, f64)>, values: Vec<Tensor<B, 1>>) -> Self {
        let total = values
            .iter()
            .zip(&names)
            .map(|(value, (_, weight))| value.clone() * *weight)
            .reduce(|a, b| a + b)
            .expect("a validated loss has a term");
        Self { names, values: Tensor::cat(values, 0), total }
    }
}

/// Largest value that a term can take: overlap, volume and squared error are shares, the logarithmic ones are
/// limited by the range of 32-bit logits.
pub fn upper_bound(term: &str) -> f64 {
    match term {
        "bce" | "cross_entropy" | "focal" => 1e6,
        _ => 1.0 + 1e-4,
    }
}

/// Sum over the pixels of each channel: `[n, c, h, w]` to `[n, c]`.
fn sum_pixels<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let [n, c, _, _] = x.dims();
    // One axis after the other: a GPU sums many rows at once, and each row by itself.
    x.sum_dim(2).sum_dim(3).reshape([n, c])
}

/// Keeps the unscored-everything case finite; the study's s.
const SMALL: f32 = 1e-6;

#[cfg(test)]
mod tests {
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::TensorData;
    use porecast_store::config::loss::ClassWeights;
    use proptest::prelude::*;

    /// A 2x2 image as a batch of one.
    pub fn image(values: [f32; 4]) -> Tensor<Flex, 4> {
        Tensor::from_data(TensorData::new(values.to_vec(), [1, 1, 2, 2]), &Default::default())
    }

    /// Asserts a loss.
    pub fn close(loss: Tensor<Flex, 1>, expected: f64) {
        let value = f64::from(loss.into_scalar());
        assert!((value - expected).abs() < 1e-5, "{value} instead of {expected}");
    }

    fn all_terms(head: Head) -> Loss {
        let multi = head == Head::MultiClass;
        let config = LossConfig {
            mse: 0.7,
            bce: if multi { 0.0 } else { 1.3 },
            cross_entropy: if multi { 1.3 } else { 0.0 },
            dice: 0.5,
            iou: 0.25,
            volume_hard: 0.1,
            volume_soft: 0.2,
            class_weights: ClassWeights::Equal,
        };
        Loss::new(head, config, [1.0, 1.0, 2.0])
    }

    type Ad = Autodiff<Flex>;

    fn tensor<B: Backend>(values: &[f32], shape: [usize; 4]) -> Tensor<B, 4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &Default::default())
    }

    #[test]
    fn gradients_agree_with_finite_differences() {
        for head in [Head::Regression, Head::MultiClass] {
            let loss = all_terms(head);
            let c = head.channels();
            let z: Vec<f32> = (0..8 * c).map(|i| ((i * 37 % 17) as f32 - 8.0) / 5.0).collect();
            let g: Vec<f32> = (0..8).map(|i| (i % 3 == 0) as u8 as f32).collect();
            let m: Vec<f32> = (0..8).map(|i| (i % 5 != 0) as u8 as f32).collect();
            let total = |z: &[f32]| {
                let terms = loss.evaluate::<Flex>(
                    tensor(z, [2, c, 2, 2]),
                    tensor(&g, [2, 1, 2, 2]),
                    tensor(&m, [2, 1, 2, 2]),
                );
                f64::from(terms.total.into_scalar())
            };
            let input = tensor::<Ad>(&z, [2, c, 2, 2]).require_grad();
            let terms = loss.evaluate(input.clone(), tensor(&g, [2, 1, 2, 2]), tensor(&m, [2, 1, 2, 2]));
            let gradients = terms.total.backward();
            let gradient = input.grad(&gradients).expect("the input has a gradient").into_data();
            for (i, slope) in gradient.iter::<f32>().enumerate() {
                let step = 1e-2;
                let (mut up, mut down) = (z.clone(), z.clone());
                up[i] += step;
                down[i] -= step;
                let difference = (total(&up) - total(&down)) / (2.0 * f64::from(step));
                assert!(
                    (difference - f64::from(slope)).abs() < 2e-3,
                    "{head:?} {i}: {slope} and {difference}"
                );
            }
        }
    }

    proptest! {
        #[test]
        fn every_term_is_bounded(
            z in proptest::collection::vec(-50f32..50.0, 12),
            g in proptest::collection::vec(any::<bool>(), 4),
            m in proptest::collection::vec(any::<bool>(), 4),
        ) {
            let bits = |v: &[bool]| v.iter().map(|&b| f32::from(u8::from(b))).collect::<Vec<_>>();
            for head in [Head::Regression, Head::MultiClass] {
                let c = head.channels();
                let terms = all_terms(head).evaluate::<Flex>(
                    tensor(&z[..4 * c], [1, c, 2, 2]),
                    tensor(&bits(&g), [1, 1, 2, 2]),
                    tensor(&bits(&m), [1, 1, 2, 2]),
                );
                for ((name, _), value) in terms.names.iter().zip(terms.values.into_data().iter::<f32>()) {
                    prop_assert!(value >= -1e-5 && f64::from(value) <= upper_bound(name), "{name} = {value}");
                }
            }
        }
    }
}
