//! Exponential moving average of the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Tensor, backend::Backend};

use crate::model::Network;

/// decay · average + (1 − decay) · network, running statistics included.
///
/// # References
/// Polyak & Juditsky (1992), in the exponential form of Tarvainen & Valpola (2017), equation 2.
pub fn update<B: Backend>(average: Network<B>, network: &Network<B>, decay: f64) -> Network<B> {
    let mut collect = Collect(GradientsParams::new());
    network.visit(&mut collect);
    average.map(&mut Mix { latest: collect.0, decay })
}

/// Weights by identifier; Burn's container for gradients holds any tensors.
struct Collect(GradientsParams);

impl<B: Backend> ModuleVisitor<B> for Collect {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.register::<B, D>(param.id, param.val());
    }
}

struct Mix {
    latest: GradientsParams,
    decay: f64,
}

impl<B: Backend> ModuleMapper<B> for Mix {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let latest = self.latest.get::<B, D>(param.id).expect("the average is of the same network");
        param.map(|average| average * self.decay + latest * (1.0 - self.decay))
    }
}
