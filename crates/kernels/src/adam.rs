//! Adam in one pass over each parameter.
//!
//! Burn's implementation uses a dozen operations per step, each with its own tensor, which is slow compared
//! with fast convolutions.

use std::collections::VecDeque;

use burn::module::{AutodiffModule, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::optim::{GradientsParams, LearningRate, Optimizer, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{Tensor, backend};
use rayon::prelude::*;

use crate::backend::{AutodiffBackend, Backend};
use crate::fallback::{primitive, tensor};
use crate::memory::Buffer;
use crate::simd::{Kernel, Level, Simd};

/// Adam, with weight decay as a penalty or decoupled.
///
/// # References
/// Kingma and Ba, "Adam: a method for stochastic optimization" (2015), algorithm 1; Loshchilov and Hutter,
/// "Decoupled weight decay regularization" (2019), algorithm 2.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// Decay rates β₁ and β₂ of the first and the second moment.
    pub betas: [f32; 2],
    /// Added to the root of the second moment.
    pub epsilon: f32,
    /// Weight decay.
    pub decay: Decay,
}

/// Kind of weight decay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// L2 penalty (Adam): this factor times the weight is added to the gradient.
    Penalty(f32),
    /// Decoupled (AdamW): this factor times the learning rate times the weight is subtracted from the weight.
    Decoupled(f32),
}

impl Adam {
    /// The optimiser with the usual β of 0.9 and 0.999.
    pub fn new(epsilon: f32, decay: Decay) -> Self {
        Self { betas: [0.9, 0.999], epsilon, decay }
    }

    /// Creates the optimiser of a module.
    pub fn init<B: AutodiffBackend, M: AutodiffModule<B>>(self) -> OptimizerAdaptor<Self, M, B> {
        OptimizerAdaptor::from(self)
    }
}

/// Decaying averages of a parameter's gradients and of their squares.
#[derive(Clone, Debug, Record)]
pub struct Moments<B: backend::Backend, const D: usize> {
    first: Tensor<B, D>,
    second: Tensor<B, D>,
    steps: usize,
}

impl<B: backend::Backend, const D: usize> Moments<B, D> {
    /// Before the first step.
    fn none(gradient: &Tensor<B, D>) -> Self {
        let none = gradient.zeros_like();
        Self { first: none.clone(), second: none, steps: 0 }
    }
}

impl Adam {
    /// Coefficients of step number `steps`, counted from 1.
    fn coefficients(&self, rate: LearningRate, steps: usize) -> Step {
        let count = i32::try_from(steps).unwrap_or(i32::MAX);
        let (penalty, decay) = match self.decay {
            Decay::Penalty(penalty) => (penalty, 0.0),
            Decay::Decoupled(decay) => (0.0, decay),
        };
        Step {
            keep_moments: self.betas,
            corrections: self.betas.map(|beta| (1.0 - f64::from(beta).powi(count)) as f32),
            epsilon: self.epsilon,
            penalty,
            keep: (1.0 - rate * f64::from(decay)) as f32,
            rate: rate as f32,
        }
    }
}

/// A step of `adam` over a whole module: on a backend that prefers few operations, all parameters together.
pub fn step<B: AutodiffBackend, M: AutodiffModule<B>>(
    adam: &mut OptimizerAdaptor<Adam, M, B>,
    rate: LearningRate,
    module: M,
    gradients: GradientsParams,
) -> M {
    if !B::PREFERS_FEW_OPERATIONS {
        return adam.step(rate, module, gradients);
    }
    let mut collect = Collect::<B, M> { gradients, history: adam.to_record(), found: Vec::new() };
    module.visit(&mut collect);
    let Collect { history, found, .. } = collect;
    let mut done = VecDeque::with_capacity(found.len());
    for found in found.chunk_by(|a, b| a.steps == b.steps) {
        let coefficients = adam.optim().coefficients(rate, found[0].steps);
        let tensors = found.iter().map(|one| one.tensors.clone()).collect();
        let tensors = B::InnerBackend::adam_of_many(tensors, coefficients);
        let found = found.iter().zip(tensors);
        done.extend(found.map(|(one, tensors)| Stepped { id: one.id, steps: one.steps, tensors }));
    }
    let mut place = Place::<B, M> { history, done };
    let module = module.map(&mut place);
    *adam = adam.optim().init().load_record(place.history);
    module
}

/// Moments of each parameter.
type History<B, M> = <OptimizerAdaptor<Adam, M, B> as Optimizer<M, B>>::Record;

/// A parameter that takes part in a step: itself, its gradient and both moments before; or itself and both moments after.
struct Stepped<T> {
    id: ParamId,
    /// Steps, this one included.
    steps: usize,
    tensors: T,
}

/// Finds the parameters that have a gradient, in the order of the layers.
struct Collect<B: AutodiffBackend, M: AutodiffModule<B>> {
    gradients: GradientsParams,
    history: History<B, M>,
    found: Vec<Stepped<[FloatTensor<B::InnerBackend>; 4]>>,
}

impl<B: AutodiffBackend, M: AutodiffModule<B>> ModuleVisitor<B> for Collect<B, M> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) else { return };
        let moments: Moments<B::InnerBackend, D> = match self.history.remove(&param.id) {
            Some(record) => record.into_state(),
            None => Moments::none(&gradient),
        };
        let tensors = [param.val().inner(), gradient, moments.first, moments.second].map(primitive);
        self.found.push(Stepped { id: param.id, steps: moments.steps + 1, tensors });
    }
}

/// Puts the results back, in the same order.
struct Place<B: AutodiffBackend, M: AutodiffModule<B>> {
    history: History<B, M>,
    done: VecDeque<Stepped<[FloatTensor<B::InnerBackend>; 3]>>,
}

impl<B: AutodiffBackend, M: AutodiffModule<B>> ModuleMapper<B> for Place<B, M> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(Stepped { steps, tensors, .. }) = self.done.pop_front_if(|done| done.id == param.id) else {
            return param;
        };
        let [parameter, first, second] = tensors.map(tensor::<B::InnerBackend, D>);
        let moments = Moments { first, second, steps };
        self.history.insert(param.id, AdaptorRecord::from_state(moments));
        let (id, before, mapper) = param.consume();
        let parameter = Tensor::from_inner(parameter).set_require_grad(before.is_require_grad());
        Param::from_mapped_value(id, parameter, mapper)
    }
}

impl<B: Backend> SimpleOptimizer<B> for Adam {
    type State<const D: usize> = Moments<B, D>;

    fn step<const D: usize>(
        &self,
        rate: LearningRate,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<Moments<B, D>>,
    ) -> (Tensor<B, D>, Option<Moments<B, D>>) {
        let Moments { first, second, steps } = state.unwrap_or_else(|| Moments::none(&gradient));
        let steps = steps + 1;
        let moments = [primitive(first), primitive(second)];
        let done =
            B::adam(primitive(parameter), primitive(gradient), moments, self.coefficients(rate, steps));
        let [parameter, first, second] = done.map(tensor);
        (parameter, Some(Moments { first, second, steps }))
    }

    fn to_device<const D: usize>(state: Moments<B, D>, device: &B::Device) -> Moments<B, D> {
        let Moments { first, second, steps } = state;
        Moments { first: first.to_device(device), second: second.to_device(device), steps }
    }
}

/// Coefficients of one step.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// β₁ and β₂.
    pub keep_moments: [f32; 2],
    /// 1 - β₁ᵗ and 1 - β₂ᵗ.
    pub corrections: [f32; 2],
    /// ε
    pub epsilon: f32,
    /// Factor of the weight that is added to its gradient.
    pub penalty: f32,
    /// Factor by which the weight is multiplied.
    pub keep: f32,
    /// The learning rate.
    pub rate: f32,
}

/// Values per task.
const PART: usize = 16 * 1024;

/// Performs a step: writes the parameter and both moments from their previous values and the gradient.
pub(crate) fn update(
    level: Level,
    step: &Step,
    [parameter, gradient, first, second]: [&[f32]; 4],
    out: &mut [Buffer; 3],
) {
    let [new_parameter, new_first, new_second] = out;
    let new = new_parameter
        .par_chunks_mut(PART)
        .zip(new_first.par_chunks_mut(PART))
        .zip(new_second.par_chunks_mut(PART));
    let old = parameter
        .par_chunks(PART)
        .zip(gradient.par_chunks(PART))
        .zip(first.par_chunks(PART).zip(second.par_chunks(PART)));
    new.zip(old).for_each(|(((p, m), v), ((parameter, gradient), (first, second)))| {
        level.run(Update { step, new: [p, m, v], old: [parameter, gradient, first, second] });
    });
}

struct Update<'a> {
    step: &'a Step,
    new: [&'a mut [f32]; 3],
    old: [&'a [f32]; 4],
}

impl Kernel for Update<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { step, new: [p, m, v], old: [parameter, gradient, first, second] } = self;
        let count = p.len();
        let (m, v) = (&mut m[..count], &mut v[..count]);
        let (parameter, gradient) = (&parameter[..count], &gradient[..count]);
        let (first, second) = (&first[..count], &second[..count]);
        let [keep_first, keep_second] = step.keep_moments;
        for i in 0..count {
            let slope = gradient[i] + step.penalty * parameter[i];
            m[i] = keep_first * first[i] + (1.0 - keep_first) * slope;
            v[i] = keep_second * second[i] + (1.0 - keep_second) * (slope * slope);
            let change = m[i] / step.corrections[0] / ((v[i] / step.corrections[1]).sqrt() + step.epsilon);
            p[i] = parameter[i] * step.keep - step.rate * change;
        }
    }
}
