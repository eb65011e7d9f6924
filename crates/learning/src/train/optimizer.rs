//! One type for all optimisers, and clipping by the global norm, which Burn lacks.

use burn::module::{AutodiffModule, Module, ModuleVisitor, Param};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, Optimizer as _, Sgd, SgdConfig};
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, TensorPrimitive};
use porecast_kernels::adam::{self, Adam, Decay};

use crate::model::Network;
use crate::model::ops::{Kernels, TrainBackend};
use porecast_store::config::optimizer::{Algorithm, OptimizerConfig};

type Bytes = BinBytesRecorder<FullPrecisionSettings>;

/// An optimiser of a network's weights.
pub enum Optimizer<B: TrainBackend> {
    /// Adam, with either kind of weight decay.
    Adam(OptimizerAdaptor<Adam, Network<B>, B>),
    /// Stochastic gradient descent.
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, Network<B>, B>),
}

impl<B: TrainBackend> Optimizer<B> {
    /// An optimiser without history.
    pub fn new(config: &OptimizerConfig) -> Self {
        let decay = config.weight_decay as f32;
        match config.algorithm {
            Algorithm::Adam => Self::Adam(Adam::new(1e-8, Decay::Penalty(decay)).init()),
            Algorithm::Adamw => Self::Adam(Adam::new(1e-8, Decay::Decoupled(decay)).init()),
            Algorithm::Sgd => {
                let penalty = (decay > 0.0).then(|| WeightDecayConfig::new(decay));
                let momentum =
                    (config.momentum > 0.0).then(|| MomentumConfig::new().with_momentum(config.momentum));
                Self::Sgd(SgdConfig::new().with_weight_decay(penalty).with_momentum(momentum).init())
            }
        }
    }

    /// One step.
    pub fn step(&mut self, rate: f64, network: Network<B>, gradients: GradientsParams) -> Network<B> {
        match self {
            Self::Adam(adam) => adam::step(adam, rate, network, gradients),
            Self::Sgd(sgd) => sgd.step(rate, network, gradients),
        }
    }

    /// Its history as bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RecorderError> {
        let recorder = Bytes::default();
        match self {
            Self::Adam(adam) => Recorder::<B>::record(&recorder, adam.to_record(), ()),
            Self::Sgd(sgd) => Recorder::<B>::record(&recorder, sgd.to_record(), ()),
        }
    }

    /// The optimiser with the history in `bytes`.
    pub fn load(self, bytes: Vec<u8>, device: &B::Device) -> Result<Self, RecorderError> {
        let recorder = Bytes::default();
        Ok(match self {
            Self::Adam(adam) => Self::Adam(adam.load_record(Recorder::<B>::load(&recorder, bytes, device)?)),
            Self::Sgd(sgd) => Self::Sgd(sgd.load_record(Recorder::<B>::load(&recorder, bytes, device)?)),
        })
    }
}

/// Squared Euclidean norm `[1]` of all gradients together, summed in the order of the layers; `None` if there are none.
pub fn squared_norm<B: TrainBackend>(
    network: &Network<B>,
    gradients: &GradientsParams,
) -> Option<Tensor<B::InnerBackend, 1>> {
    let found = found::<B>(network, gradients);
    if found.is_empty() {
        return None;
    }
    let sums = TensorPrimitive::Float(B::InnerBackend::sums_of_squares(found));
    Some(Tensor::<B::InnerBackend, 1>::from_primitive(sums).sum())
}

/// Multiplies all gradients by `factor`.
pub fn scale<B: TrainBackend>(
    network: &Network<B>,
    gradients: GradientsParams,
    factor: f64,
) -> GradientsParams {
    struct Place<B: TrainBackend> {
        gradients: GradientsParams,
        scaled: std::vec::IntoIter<FloatTensor<B::InnerBackend>>,
    }
    impl<B: TrainBackend> ModuleVisitor<B> for Place<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if self.gradients.remove::<B::InnerBackend, D>(param.id).is_some() {
                let scaled = self.scaled.next().expect("a value for each gradient");
                let scaled = Tensor::<B::InnerBackend, D>::from_primitive(TensorPrimitive::Float(scaled));
                self.gradients.register(param.id, scaled);
            }
        }
    }
    let scaled = B::InnerBackend::scale_many(found::<B>(network, &gradients), factor);
    let mut place = Place::<B> { gradients, scaled: scaled.into_iter() };
    network.visit(&mut place);
    place.gradients
}

/// The gradients in the order of the layers.
fn found<B: TrainBackend>(
    network: &Network<B>,
    gradients: &GradientsParams,
) -> Vec<FloatTensor<B::InnerBackend>> {
    struct Collect<'a, B: TrainBackend> {
        gradients: &'a GradientsParams,
        found: Vec<FloatTensor<B::InnerBackend>>,
    }
    impl<B: TrainBackend> ModuleVisitor<B> for Collect<'_, B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
                self.found.push(gradient.into_primitive().tensor());
            }
        }
    }
    let mut collect = Collect::<B> { gradients, found: Vec::new() };
    network.visit(&mut collect);
    collect.found
}

/// Weights as bytes, with the identifiers that tie them to the optimiser's history.
pub fn network_to_bytes<B: TrainBackend>(network: &Network<B>) -> Result<Vec<u8>, RecorderError> {
    Recorder::<B::InnerBackend>::record(&Bytes::default(), network.valid().into_record(), ())
}

/// The network with the weights in `bytes`.
pub fn network_from_bytes<B: TrainBackend>(
    network: Network<B>,
    bytes: Vec<u8>,
    device: &B::Device,
) -> Result<Network<B>, RecorderError> {
    Ok(network.load_record(Recorder::<B>::load(&Bytes::default(), bytes, device)?))
}
