//! Gradient checkpointing: a pass forward keeps no more than what one step of the network leaves to the next, and the
//! pass back computes each step once more.

use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;

use super::Network;
use super::ops::TrainBackend;
use super::unet::{State, Unet};
use porecast_base::Result;
use porecast_base::seed;

type Inner<B> = <B as AutodiffBackend>::InnerBackend;

/// Gradients of `loss`, a function of the logits of all heads, as in [`Network::decode_levels`], for the parameters
/// of the network.
///
/// What is drawn in a step, by dropout say, comes from a generator begun anew with `seed`. Running statistics of batch
/// norms see each batch once, on the way back. A vision transformer is a single step.
///
/// # Shapes
/// As [`Network::forward`].
///
/// # Errors
/// Those of `loss`.
///
/// # References
/// Chen et al. (2016), Training deep nets with sublinear memory cost, section 3.
pub fn gradients<B: TrainBackend>(
    network: &Network<B>,
    input: Tensor<B, 4>,
    times: Tensor<B, 1>,
    seed: u64,
    loss: impl FnOnce(Vec<Tensor<B, 4>>) -> Result<Tensor<B, 1>>,
) -> Result<GradientsParams> {
    match network {
        Network::Unet(unet) => of_unet(network, unet, input, times, seed, loss),
        Network::Vit(_) => {
            B::seed(&input.device(), seed);
            let levels = network.decode_levels(network.encode(input), times);
            Ok(GradientsParams::from_grads(loss(levels)?.backward(), network))
        }
    }
}

fn of_unet<B: TrainBackend>(
    network: &Network<B>,
    unet: &Unet<B>,
    input: Tensor<B, 4>,
    times: Tensor<B, 1>,
    seed: u64,
    loss: impl FnOnce(Vec<Tensor<B, 4>>) -> Result<Tensor<B, 1>>,
) -> Result<GradientsParams> {
    let device = input.device();
    let steps = unet.steps();
    let begin = |index: usize| B::seed(&device, seed::derive(seed, "step", index as u64));
    let time = unet.embed(times.clone());
    let (first, mut given) = unet.begin(input, times.dims()[0]);
    given.time = time.clone().map(Tensor::detach);

    // Nothing is remembered of a computation without a parameter that asks for its gradient. The copy has running
    // statistics of its own, which a clone would share.
    let blind = Unet::<B>::from_inner(unet.valid()).no_grad();
    let mut states = vec![first];
    for (index, step) in steps.iter().enumerate() {
        begin(index);
        let state = blind.step(*step, states[index].clone(), &given);
        states.push(state.into_iter().map(Tensor::detach).collect());
    }

    let leaves = leaves(states.pop().expect("a state behind the last step"));
    let total = loss(leaves.iter().rev().cloned().collect())?;
    let found = total.backward();
    let mut slopes = slopes_of(&leaves, &found);
    let mut time_slope: Option<Tensor<Inner<B>, 2>> = None;
    let mut accumulator = GradientsAccumulator::new();
    for (index, step) in steps.iter().enumerate().rev() {
        let leaves = self::leaves(states.pop().expect("a state before each step"));
        given.time = given.time.take().map(|time| time.detach().require_grad());
        begin(index);
        let after = unet.step(*step, leaves.clone(), &given);
        let found = along(after, slopes).backward();
        slopes = slopes_of(&leaves, &found);
        if let Some(slope) = given.time.as_ref().and_then(|time| time.grad(&found)) {
            time_slope = Some(match time_slope {
                Some(sum) => sum + slope,
                None => slope,
            });
        }
        accumulator.accumulate(network, GradientsParams::from_grads(found, network));
    }
    if let (Some(time), Some(slope)) = (time, time_slope) {
        let found = (time * Tensor::from_inner(slope)).sum().backward();
        accumulator.accumulate(network, GradientsParams::from_grads(found, network));
    }
    Ok(accumulator.grads())
}

/// The same tensors, each the beginning of a computation.
fn leaves<B: TrainBackend>(state: State<B>) -> State<B> {
    state.into_iter().map(|tensor| tensor.detach().require_grad()).collect()
}

/// Gradients of the tensors of a state; zero for one that nothing came of.
fn slopes_of<B: TrainBackend>(leaves: &[Tensor<B, 4>], found: &B::Gradients) -> Vec<Tensor<Inner<B>, 4>> {
    leaves
        .iter()
        .map(|leaf| leaf.grad(found).unwrap_or_else(|| Tensor::zeros(leaf.dims(), &leaf.device())))
        .collect()
}

/// The number whose gradients are those of the loss, given the slopes of the loss along the tensors of a state.
fn along<B: TrainBackend>(state: State<B>, slopes: Vec<Tensor<Inner<B>, 4>>) -> Tensor<B, 1> {
    let terms =
        state.into_iter().zip(slopes).map(|(tensor, slope)| (tensor * Tensor::from_inner(slope)).sum());
    terms.reduce(|a, b| a + b).expect("a state holds a tensor")
}

/// [`gradients`] without checkpointing, with the same draws in each step: what it is compared with.
#[cfg(test)]
pub(super) fn gradients_at_once<B: TrainBackend>(
    network: &Network<B>,
    input: Tensor<B, 4>,
    times: Tensor<B, 1>,
    seed: u64,
    loss: impl FnOnce(Vec<Tensor<B, 4>>) -> Tensor<B, 1>,
) -> GradientsParams {
    let levels = match network {
        Network::Unet(unet) => {
            let device = input.device();
            let (mut state, mut given) = unet.begin(input, times.dims()[0]);
            given.time = unet.embed(times);
            for (index, step) in unet.steps().into_iter().enumerate() {
                B::seed(&device, seed::derive(seed, "step", index as u64));
                state = unet.step(step, state, &given);
            }
            state.reverse();
            state
        }
        Network::Vit(_) => {
            B::seed(&input.device(), seed);
            network.decode_levels(network.encode(input), times)
        }
    };
    GradientsParams::from_grads(loss(levels).backward(), network)
}
