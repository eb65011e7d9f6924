//! What the batches of a step add up to over all ranks: gradients, and the running statistics of batch norms.

use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param};
use burn::nn::BatchNormConfig;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use porecast_base::hex;
use sha2::{Digest, Sha256};

use super::ranks::Ranks;
use crate::model::Network;
use crate::model::ops::{Kernels, TrainBackend};

/// The sum of the gradients of batches, in their order.
pub struct Summation<'a, B: TrainBackend> {
    ranks: &'a Ranks,
    sum: GradientsAccumulator<Network<B>>,
    /// This rank's share of the sum, if there are others.
    share: Vec<f32>,
}

impl<'a, B: TrainBackend> Summation<'a, B> {
    /// An empty sum.
    pub fn new(ranks: &'a Ranks) -> Self {
        Self { ranks, sum: GradientsAccumulator::new(), share: Vec::new() }
    }

    /// Adds the gradients of `batches` batches, one from each of the first ranks. All ranks must call it, also those without a
    /// batch.
    pub fn add(&mut self, network: &Network<B>, own: Option<GradientsParams>, batches: usize) {
        let own = own.unwrap_or_default();
        if self.ranks.is_alone() {
            self.sum.accumulate(network, own);
        } else {
            self.ranks.add_in_order(numbers_of(network, &own), batches, &mut self.share);
        }
    }

    /// The sum, on every rank.
    pub fn finish(mut self, network: &Network<B>) -> GradientsAccumulator<Network<B>> {
        if !self.ranks.is_alone() {
            let numbers = self.ranks.whole(self.share);
            self.sum.accumulate(network, gradients_of(network, &numbers));
        }
        self.sum
    }
}

/// Gradients as numbers in the order of the layers. Before those of each tensor, 1, or 0 if it has no gradient.
fn numbers_of<B: TrainBackend>(network: &Network<B>, gradients: &GradientsParams) -> Vec<f32> {
    struct Numbers<'a> {
        gradients: &'a GradientsParams,
        numbers: Vec<f32>,
    }
    impl<B: TrainBackend> ModuleVisitor<B> for Numbers<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let gradient = self.gradients.get::<B::InnerBackend, D>(param.id);
            self.numbers.push(if gradient.is_some() { 1.0 } else { 0.0 });
            match gradient {
                Some(gradient) => self.numbers.extend(floats(gradient)),
                None => self.numbers.extend(std::iter::repeat_n(0.0, param.shape().num_elements())),
            }
        }
    }
    let mut numbers = Numbers { gradients, numbers: Vec::new() };
    network.visit(&mut numbers);
    numbers.numbers
}

/// The numbers of a tensor.
fn floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().convert::<f32>().into_vec().expect("converted to 32 bits")
}

/// The inverse of [`numbers_of`].
fn gradients_of<B: TrainBackend>(network: &Network<B>, numbers: &[f32]) -> GradientsParams {
    struct Gradients<'a> {
        numbers: &'a [f32],
        gradients: GradientsParams,
    }
    impl<B: TrainBackend> ModuleVisitor<B> for Gradients<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let (own, rest) = self.numbers.split_at(1 + param.shape().num_elements());
            self.numbers = rest;
            if own[0] > 0.0 {
                let data = TensorData::new(own[1..].to_vec(), param.shape());
                let gradient = Tensor::<B::InnerBackend, D>::from_data(data, &param.device());
                self.gradients.register(param.id, gradient);
            }
        }
    }
    let mut gradients = Gradients { numbers, gradients: GradientsParams::new() };
    network.visit(&mut gradients);
    gradients.gradients
}

/// Running statistics of the batch norms, set aside while the ranks compute a batch each.
///
/// A norm keeps r ← (1 − m) r + m s with the statistics s of a batch. Starting from r = 0, a batch leaves m s. The ranks
/// exchange these values, and each applies them in the order of the batches.
pub struct RunningStatistics(Vec<f32>);

impl RunningStatistics {
    /// Sets the statistics of a network to zero and returns them; `None` with one rank, whose network goes on by itself.
    pub fn set_aside<B: TrainBackend>(ranks: &Ranks, network: &Network<B>) -> Option<Self> {
        let kept = (!ranks.is_alone()).then(|| statistics_of(network))?;
        set_statistics(network, &vec![0.0; kept.len()]);
        Some(Self(kept))
    }

    /// Applies the statistics of `batches` batches, one from each of the first ranks, to those set aside.
    pub fn take_up<B: TrainBackend>(self, ranks: &Ranks, network: &Network<B>, batches: usize) {
        let Self(mut kept) = self;
        let share = (1.0 - BatchNormConfig::new(1).momentum) as f32;
        for found in ranks.gather_numbers(&statistics_of(network)).iter().take(batches) {
            kept.iter_mut().zip(found).for_each(|(kept, found)| *kept = *kept * share + found);
        }
        set_statistics(network, &kept);
    }
}

/// Whether the field of a module holds running statistics.
fn is_statistic(field: &str) -> bool {
    field.starts_with("running_")
}

fn statistics_of<B: TrainBackend>(network: &Network<B>) -> Vec<f32> {
    #[derive(Default)]
    struct Statistics {
        is_inside: bool,
        found: Vec<f32>,
    }
    impl<B: Backend> ModuleVisitor<B> for Statistics {
        fn enter_module(&mut self, field: &str, _: &str) {
            self.is_inside = is_statistic(field);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if self.is_inside {
                self.found.extend(floats(param.val()));
            }
        }
    }
    let mut statistics = Statistics::default();
    // `valid` also takes up the last batch; `network` alone would show the one before.
    network.valid().visit(&mut statistics);
    statistics.found
}

/// Sets the statistics, which all copies of a network share.
fn set_statistics<B: TrainBackend>(network: &Network<B>, values: &[f32]) {
    struct Set<'a> {
        is_inside: bool,
        values: &'a [f32],
    }
    impl<B: Backend> ModuleMapper<B> for Set<'_> {
        fn enter_module(&mut self, field: &str, _: &str) {
            self.is_inside = is_statistic(field);
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            if !self.is_inside {
                return param;
            }
            let shape = param.shape();
            let (own, rest) = self.values.split_at(shape.num_elements());
            self.values = rest;
            param.map(|before| Tensor::from_data(TensorData::new(own.to_vec(), shape), &before.device()))
        }
    }
    let _ = network.clone().map(&mut Set { is_inside: false, values });
}

/// Digest of all weights and running statistics.
pub fn fingerprint<B: Kernels>(network: &Network<B>) -> String {
    struct Numbers(Sha256);
    impl<B: Backend> ModuleVisitor<B> for Numbers {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            self.0.update(param.val().into_data().as_bytes());
        }
    }
    let mut numbers = Numbers(Sha256::new());
    network.visit(&mut numbers);
    hex(&numbers.0.finalize())
}
