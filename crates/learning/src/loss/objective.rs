//! The objective of a training, a weighted sum of loss terms, and the validation error.

use burn::module::Module;
use burn::tensor::{Slice, Tensor, backend::Backend};
use porecast_kernels::Backend as Kernels;

use super::classes::Classes;
use super::elastic_net;
use super::invasion::Invasion;
use porecast_store::config::loss::{LossConfig, Term};
use porecast_store::config::segmentation_loss::SegmentationLossConfig;
use porecast_store::config::train::Head;

/// A weighted sum of terms: Σ_l v_l Σ_t w_t L_t over the heads l of a network and the terms t.
#[derive(Debug, Clone)]
pub struct Objective {
    /// The terms of positive weight.
    terms: Vec<(Term, f64)>,
    /// Weights of the heads, the finest first.
    levels: Vec<f64>,
    l1: f64,
    l2: f64,
    task: Task,
}

#[derive(Debug, Clone)]
enum Task {
    Invasion(Invasion),
    Classes(Classes),
}

/// The terms of a loss on one batch.
#[derive(Debug, Clone)]
pub struct Terms<B: Backend> {
    /// Terms and weights.
    pub weights: Vec<(Term, f64)>,
    /// Values before weighting, `[terms]`.
    pub values: Tensor<B, 1>,
    /// The weighted sum, `[1]`.
    pub total: Tensor<B, 1>,
}

impl Objective {
    /// The loss on invasions; `class_weights` in the order solid, defending, invading.
    pub fn of_invasion(head: Head, config: &LossConfig, class_weights: [f32; 3]) -> Self {
        let task = Task::Invasion(Invasion { head, class_weights });
        Self { terms: positive(&config.terms()), levels: vec![1.0], l1: 0.0, l2: 0.0, task }
    }

    /// The loss on annotated images; `class_weights` has one weight per class, unused if the
    /// configuration asks for dynamic ones.
    pub fn of_classes(config: SegmentationLossConfig, class_weights: Vec<f32>) -> Self {
        let (l1, l2, levels) = (config.l1, config.l2, config.levels.clone());
        let terms = positive(&config.terms());
        Self { terms, levels, l1, l2, task: Task::Classes(Classes { config, class_weights }) }
    }

    /// Evaluates every term of positive weight, summed over the heads of the network.
    ///
    /// The target of a coarse head is every second, fourth, ... pixel of the target.
    ///
    /// # Shapes
    /// `levels`: logits `[n, k, h, w]` of each head, finest first; height and width of head l are
    /// divided by 2ˡ, rounded up. `target` (class; for an invasion 1 in the invading phase) and
    /// `scored` (0 or 1): `[n, 1, h, w]`.
    ///
    /// # References
    /// Lee et al. (2015), equation 4.
    pub fn evaluate<B: Kernels>(
        &self,
        levels: Vec<Tensor<B, 4>>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Terms<B> {
        let of_level = |(level, (logits, weight)): (usize, (Tensor<B, 4>, &f64))| {
            let (target, scored) = (thinned(target.clone(), level), thinned(scored.clone(), level));
            let values = match &self.task {
                Task::Invasion(invasion) => invasion.values(&self.terms, logits, target, scored),
                Task::Classes(classes) => classes.values(&self.terms, logits, target, scored),
            };
            values.into_iter().map(|value| value * *weight).collect::<Vec<_>>()
        };
        let values = levels.into_iter().zip(&self.levels).enumerate().map(of_level);
        let sum = |a: Vec<Tensor<B, 1>>, b: Vec<_>| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
        let values: Vec<_> = values.reduce(sum).expect("a network has a head");
        let weighted = values.iter().zip(&self.terms).map(|(value, (_, weight))| value.clone() * *weight);
        let total = weighted.reduce(|a, b| a + b).expect("a validated loss has a term");
        Terms { weights: self.terms.clone(), values: Tensor::cat(values, 0), total }
    }

    /// Largest value that a term can take. Overlap, volume and squared error lie between 0 and 1;
    /// the range of 32-bit logits limits the logarithmic terms.
    pub fn upper_bound(&self, term: Term) -> f64 {
        let of_head = match term {
            Term::BinaryCrossEntropy | Term::CrossEntropy | Term::Focal => 1e6,
            _ => 1.0 + 1e-4,
        };
        of_head * self.levels.iter().sum::<f64>()
    }

    /// Elastic-net penalty on the weights of a network `[1]`; `None` if there is none.
    pub fn penalty<B: Backend, M: Module<B>>(&self, network: &M) -> Option<Tensor<B, 1>> {
        elastic_net(network, self.l1, self.l2)
    }

    /// Sums over the samples of a batch; [`error`](Self::error) takes their total over all batches.
    ///
    /// # Shapes
    /// As [`evaluate`](Self::evaluate), for the finest head.
    pub fn counts<B: Kernels>(
        &self,
        logits: Tensor<B, 4>,
        target: Tensor<B, 4>,
        scored: Tensor<B, 4>,
    ) -> Tensor<B, 1> {
        match &self.task {
            Task::Invasion(invasion) => invasion.counts(logits, target, scored),
            Task::Classes(classes) => classes.counts(logits, target, scored),
        }
    }

    /// Validation error. For invasions the mean squared error; for images 1 minus the mean Dice
    /// coefficient over all scored pixels, without the background and excluded classes.
    pub fn error(&self, counts: &[f64]) -> f64 {
        match &self.task {
            Task::Invasion(_) => counts[0] / counts[1],
            Task::Classes(classes) => 1.0 - classes.mean_dice(counts),
        }
    }
}

fn positive(terms: &[(Term, f64)]) -> Vec<(Term, f64)> {
    terms.iter().copied().filter(|(_, weight)| *weight > 0.0).collect()
}

/// Every 2ˡ-th pixel along both axes.
fn thinned<B: Backend>(x: Tensor<B, 4>, level: usize) -> Tensor<B, 4> {
    if level == 0 {
        return x;
    }
    let (all, every) = (Slice::with_step(0, None, 1), Slice::with_step(0, None, 1 << level));
    x.slice([all, all, every, every])
}

#[cfg(test)]
mod tests {
    use burn::backend::Flex;

    use super::*;

    #[test]
    fn terms_are_summed_by_their_weights() {
        let config = SegmentationLossConfig { cross_entropy: 1.0, dice: 0.5, ..Default::default() };
        let objective = Objective::of_classes(config, vec![1.0, 1.0]);
        let device = Default::default();
        let logits = Tensor::<Flex, 4>::zeros([1, 1, 2, 2], &device);
        let target = Tensor::from_data([[[[1.0, 0.0], [0.0, 0.0]]]], &device);
        let terms = objective.evaluate(vec![logits], target, Tensor::ones([1, 1, 2, 2], &device));
        let by_hand = 2f32.ln() + 0.5 * (1.0 - 2.0 * 0.5 / 3.0);
        assert!((terms.total.into_scalar() - by_hand).abs() < 1e-5);
    }
}
