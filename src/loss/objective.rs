//! What a training lowers, and how far from right a network is, whatever the task.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use porecast_kernels::Backend as Kernels;

use super::{Loss, SegmentationLoss, Terms, elastic_net, mse, upper_bound};
use crate::task::invading_probability;

/// The loss of a task.
#[derive(Debug, Clone)]
pub enum Objective {
    /// Of invasion sequences.
    Invasion(Loss),
    /// Of annotated images.
    Segmentation(SegmentationLoss),
}

impl Objective {
    /// Evaluates every term of positive weight.
    ///
    /// # Shapes
    /// `levels` the logits `[n, k, h, w]` of each head, the finest first; `target` (classes; of an invasion 1 where the
    /// invading phase is) and `scored` (0 or 1) `[n, 1, h, w]`.
    pub fn evaluate<B: Kernels>(
        &self,
        mut levels: Vec<Tensor<B, 4>>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Terms<B> {
        match self {
            Self::Invasion(loss) => loss.evaluate(levels.swap_remove(0), target, scored),
            Self::Segmentation(loss) => {
                loss.evaluate_levels(levels, target.squeeze_dim::<3>(1).int(), scored)
            }
        }
    }

    /// Largest value that a term can take.
    pub fn upper_bound(&self, term: &str) -> f64 {
        match self {
            Self::Invasion(_) => upper_bound(term),
            Self::Segmentation(loss) => loss.upper_bound(term),
        }
    }

    /// Penalty on the weights of a network `[1]`; `None` where there is none.
    pub fn penalty<B: Backend, M: Module<B>>(&self, network: &M) -> Option<Tensor<B, 1>> {
        match self {
            Self::Invasion(_) => None,
            Self::Segmentation(loss) => {
                let (l1, l2) = loss.penalties();
                elastic_net(network, l1, l2)
            }
        }
    }

    /// Sums over samples that [`error`](Self::error) is computed from once they are added up.
    ///
    /// # Shapes
    /// As [`evaluate`](Self::evaluate), of the finest head.
    pub fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        match self {
            Self::Invasion(loss) => {
                let samples = logits.dims()[0] as f64;
                let error = mse(invading_probability(loss.head, logits), target, scored) * samples;
                Tensor::cat(vec![error.clone(), error.ones_like() * samples], 0)
            }
            Self::Segmentation(loss) => loss.counts(logits, target, scored),
        }
    }

    /// How far from right: the mean squared error of an invasion, 1 less the mean Dice coefficient of the classes but
    /// the background over all pixels of a segmentation.
    pub fn error(&self, counts: &[f64]) -> f64 {
        match self {
            Self::Invasion(_) => counts[0] / counts[1],
            Self::Segmentation(loss) => 1.0 - loss.mean_dice(counts),
        }
    }
}
