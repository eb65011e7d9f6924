//! Loss terms of an invasion, over the pore space; only the three-class cross-entropy also counts
//! solid.

use std::cell::LazyCell;

use burn::tensor::Tensor;
use porecast_kernels::{Backend as Kernels, log_softmax_channels};

use super::{
    Overlap, binary_cross_entropy, cross_entropy, dice, iou, squared_error, volume_hard, volume_soft,
};
use crate::task::{invading_probability, invasion_class, invasion_classes};
use porecast_store::config::loss::Term;
use porecast_store::config::segmentation_loss::Over;
use porecast_store::config::train::Head;

/// Evaluates the loss terms of an invasion.
#[derive(Debug, Clone)]
pub(super) struct Invasion {
    pub(super) head: Head,
    /// Weights of solid, defending, invading.
    pub(super) class_weights: [f32; 3],
}

impl Invasion {
    /// The value of each term.
    ///
    /// # Shapes
    /// `logits` `[n, head channels, h, w]`, `g` (invading) and `m` (pore space) `[n, 1, h, w]` of 0
    /// and 1.
    pub(super) fn values<B: Kernels>(
        &self,
        terms: &[(Term, f64)],
        logits: Tensor<B, 4>,
        g: Tensor<B, 4>,
        m: Tensor<B, 4>,
    ) -> Vec<Tensor<B, 1>> {
        let p = LazyCell::new(|| invading_probability(self.head, logits.clone()));
        let p = || LazyCell::force(&p).clone();
        let (g, m) = (|| g.clone(), || m.clone());
        let overlap = || Overlap::of(p(), g(), m(), Over::Sample);
        let value = |(term, _): &(Term, f64)| match term {
            Term::SquaredError => squared_error(p(), g(), m()),
            Term::BinaryCrossEntropy => binary_cross_entropy(logits.clone(), g(), m()),
            Term::CrossEntropy if B::PREFERS_FEW_OPERATIONS => {
                let weights = Tensor::from_data(self.class_weights, &logits.device());
                porecast_kernels::cross_entropy(logits.clone(), invasion_class(g(), m()), weights)
            }
            Term::CrossEntropy => {
                let classes = invasion_classes(g(), m(), self.class_weights);
                cross_entropy(log_softmax_channels(logits.clone()), classes)
            }
            Term::Dice => dice(&overlap()),
            Term::Iou => iou(&overlap()),
            Term::VolumeHard => volume_hard(p(), g(), m()),
            Term::VolumeSoft => volume_soft(p(), g(), m()),
            Term::Focal | Term::InverseDice | Term::Switching => {
                unreachable!("LossConfig has no such term")
            }
        };
        terms.iter().map(value).collect()
    }

    /// Sum of the squared errors of the samples, and their number.
    pub(super) fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        g: Tensor<B, 4>,
        m: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let samples = logits.dims()[0] as f64;
        let error = squared_error(invading_probability(self.head, logits), g, m) * samples;
        Tensor::cat(vec![error.clone(), error.ones_like() * samples], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Objective;
    use super::*;
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::{TensorData, backend::Backend};
    use porecast_store::config::loss::{ClassWeights, LossConfig};
    use proptest::prelude::*;

    fn all_terms(head: Head) -> Objective {
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
        Objective::of_invasion(head, &config, [1.0, 1.0, 2.0])
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
                    vec![tensor(z, [2, c, 2, 2])],
                    tensor(&g, [2, 1, 2, 2]),
                    tensor(&m, [2, 1, 2, 2]),
                );
                f64::from(terms.total.into_scalar())
            };
            let input = tensor::<Ad>(&z, [2, c, 2, 2]).require_grad();
            let terms =
                loss.evaluate(vec![input.clone()], tensor(&g, [2, 1, 2, 2]), tensor(&m, [2, 1, 2, 2]));
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
                let loss = all_terms(head);
                let terms = loss.evaluate::<Flex>(
                    vec![tensor(&z[..4 * c], [1, c, 2, 2])],
                    tensor(&bits(&g), [1, 1, 2, 2]),
                    tensor(&bits(&m), [1, 1, 2, 2]),
                );
                for ((term, _), value) in terms.weights.iter().zip(terms.values.into_data().iter::<f32>()) {
                    let bound = loss.upper_bound(*term);
                    prop_assert!(value >= -1e-5 && f64::from(value) <= bound, "{term:?} = {value}");
                }
            }
        }
    }
}
