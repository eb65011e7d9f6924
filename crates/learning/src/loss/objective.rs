//! What a training lowers, and how far from right a network is.

use burn::module::Module;
use burn::tensor::{Tensor, backend::Backend};
use porecast_kernels::Backend as Kernels;

use super::{Loss, Terms, mse, upper_bound};
use crate::task::invading_probability;

/// A loss as the training sees it.
pub trait Objective: Sync {
    /// Evaluates every term of positive weight.
    ///
    /// # Shapes
    /// `levels` the logits `[n, k, h, w]` of each head, the finest first; `target` (classes; of an invasion 1 where the
    /// invading phase is) and `scored` (0 or 1) `[n, 1, h, w]`.
    fn terms<B: Kernels>(
        &self,
        levels: Vec<Tensor<B, 4>>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Terms<B>;

    /// Largest value that a term can take.
    fn upper_bound(&self, term: &str) -> f64 {
        upper_bound(term)
    }

    /// Penalty on the weights of a network `[1]`; `None` where there is none.
    fn penalty<B: Backend, M: Module<B>>(&self, _network: &M) -> Option<Tensor<B, 1>> {
        None
    }

    /// Sums over samples that [`error`](Self::error) is computed from once they are added up.
    ///
    /// # Shapes
    /// As [`terms`](Self::terms), of the finest head.
    fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Tensor<B, 1>;

    /// How far from right a network is.
    fn error(&self, counts: &[f64]) -> f64;
}

impl Objective for Loss {
    fn terms<B: Kernels>(
        &self,
        mut levels: Vec<Tensor<B, 4>>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Terms<B> {
        self.evaluate(levels.swap_remove(0), target, scored)
    }

    fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        let samples = logits.dims()[0] as f64;
        let error = mse(invading_probability(self.head, logits), target, scored) * samples;
        Tensor::cat(vec![error.clone(), error.ones_like() * samples], 0)
    }

    /// The mean squared error.
    fn error(&self, counts: &[f64]) -> f64 {
        counts[0] / counts[1]
    }
}
