//! Exponential moving average of the weights.

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};

use crate::model::Network;
use crate::model::ops::Kernels;

/// decay · average + (1 − decay) · network, running statistics included.
///
/// # References
/// Polyak & Juditsky (1992), in the exponential form of Tarvainen & Valpola (2017), equation 2.
pub fn update<B: Kernels>(average: Network<B>, network: &Network<B>, decay: f64) -> Network<B> {
    let [averages, latest] = [&average, network].map(|network| {
        let mut collect = Collect::<B>(Vec::new());
        network.visit(&mut collect);
        collect.0
    });
    let pairs = averages.into_iter().zip(latest).map(|(average, latest)| [average, latest]);
    let mixed = B::mix(pairs.collect(), [decay, 1.0 - decay]);
    average.map(&mut Place::<B>(mixed.into_iter()))
}

/// The weights in the order of the layers.
struct Collect<B: Kernels>(Vec<FloatTensor<B>>);

impl<B: Kernels> ModuleVisitor<B> for Collect<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        self.0.push(param.val().into_primitive().tensor());
    }
}

/// Sets the weights in the same order.
struct Place<B: Kernels>(std::vec::IntoIter<FloatTensor<B>>);

impl<B: Kernels> ModuleMapper<B> for Place<B> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let mixed = self.0.next().expect("the average is of the same network");
        param.map(|_| Tensor::from_primitive(TensorPrimitive::Float(mixed)))
    }
}
