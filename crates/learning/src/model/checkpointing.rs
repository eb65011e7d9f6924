//! Gradient checkpointing: the forward pass keeps only the outputs of the network's blocks, and the
//! backward pass computes each block again.

use burn::module::{AutodiffModule, Module};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{Tensor, backend::Backend};

use super::Network;
use super::ops::{Kernels, TrainBackend};
use super::unet::Unet;
use porecast_base::Result;
use porecast_base::seed;

type Inner<B> = <B as AutodiffBackend>::InnerBackend;

/// A pass through the blocks of a UNet, either plain or checkpointed.
pub(super) struct Pass<'a, B: Backend> {
    unet: &'a Unet<B>,
    /// Embedding of time and physics that the blocks receive, `[samples, channels]`.
    told: Option<Tensor<B, 2>>,
    /// Seed of the random draws in the blocks; each block seeds the generator anew. `None` leaves the generator as it is.
    seed: Option<u64>,
    /// Number of blocks so far.
    count: u64,
    checkpoints: Option<Checkpoints<B>>,
}

struct Checkpoints<B: Backend> {
    /// A copy for the forward pass, without gradients and with its own running statistics.
    blind: Unet<B>,
    /// Each embedding that the blocks received: with its graph, and as a leaf without it.
    told: Vec<[Tensor<B, 2>; 2]>,
    blocks: Vec<Computed<B>>,
}

/// A block that was computed without a graph.
struct Computed<B: Backend> {
    /// Its outputs, where the graph of the next block begins.
    outputs: Vec<Tensor<B, 4>>,
    /// Computes the block again, with a graph.
    again: Again<B>,
}

type Again<B> = Box<dyn FnOnce(&Unet<B>) -> Vec<Tensor<B, 4>>>;

impl<'a, B: Kernels> Pass<'a, B> {
    /// A plain pass.
    pub(super) fn new(unet: &'a Unet<B>) -> Self {
        Self { unet, told: None, seed: None, count: 0, checkpoints: None }
    }

    /// Sets the embedding that the following blocks receive.
    pub(super) fn tell(&mut self, embedding: Option<Tensor<B, 2>>) {
        self.told = match (&mut self.checkpoints, embedding) {
            (Some(checkpoints), Some(embedding)) => {
                let leaf = embedding.clone().detach().require_grad();
                checkpoints.told.push([embedding, leaf.clone()]);
                Some(leaf)
            }
            (_, embedding) => embedding,
        };
    }

    /// Computes a block from features, an optional skip and the current embedding.
    pub(super) fn block(
        &mut self,
        x: Tensor<B, 4>,
        skip: Option<Tensor<B, 4>>,
        block: impl Fn(&Unet<B>, Tensor<B, 4>, Option<Tensor<B, 4>>, Option<Tensor<B, 2>>) -> Tensor<B, 4>
        + 'static,
    ) -> Tensor<B, 4> {
        let inputs = std::iter::once(x).chain(skip).collect();
        let outputs = self.blocks(inputs, move |unet, inputs, time| {
            let mut inputs = inputs.into_iter();
            let x = inputs.next().expect("a block is given features");
            vec![block(unet, x, inputs.next(), time)]
        });
        outputs.into_iter().next().expect("a block gives features")
    }

    /// Computes a block from any number of tensors. A checkpointed block keeps only its inputs and
    /// outputs.
    pub(super) fn blocks(
        &mut self,
        inputs: Vec<Tensor<B, 4>>,
        block: impl Fn(&Unet<B>, Vec<Tensor<B, 4>>, Option<Tensor<B, 2>>) -> Vec<Tensor<B, 4>> + 'static,
    ) -> Vec<Tensor<B, 4>> {
        if let Some(seed) = self.seed {
            begin::<B>(&inputs[0].device(), seed, self.count);
        }
        self.count += 1;
        let told = self.told.clone();
        let Some(checkpoints) = &mut self.checkpoints else { return block(self.unet, inputs, told) };
        let blind_inputs = inputs.iter().map(|input| input.clone().detach()).collect();
        let outputs = block(&checkpoints.blind, blind_inputs, told.clone().map(Tensor::detach));
        let outputs: Vec<_> = outputs.into_iter().map(|output| output.detach().require_grad()).collect();
        let again: Again<B> = Box::new(move |unet| block(unet, inputs, told));
        checkpoints.blocks.push(Computed { outputs: outputs.clone(), again });
        outputs
    }
}

/// Seeds the backend's generator for a block.
fn begin<B: Backend>(device: &B::Device, seed: u64, index: u64) {
    B::seed(device, seed::derive(seed, "step", index));
}

/// Gradients of `loss` for the parameters of the network. `loss` is a function of the logits of all
/// heads, as in [`Network::decode_levels`].
///
/// Random draws in a block, such as dropout, come from a generator seeded from `seed`. Running
/// statistics of batch norms see each batch once, in the backward pass. A vision transformer is not
/// checkpointed.
///
/// # Shapes
/// As [`Network::encode`] and [`Network::decode`].
///
/// # Errors
/// Those of `loss`.
///
/// # References
/// Chen et al. (2016), Training deep nets with sublinear memory cost, section 3.
pub fn gradients<B: TrainBackend>(
    network: &Network<B>,
    input: Tensor<B, 4>,
    physics: Option<Tensor<B, 2>>,
    times: Tensor<B, 1>,
    seed: u64,
    loss: impl FnOnce(Vec<Tensor<B, 4>>) -> Result<Tensor<B, 1>>,
) -> Result<GradientsParams> {
    let device = input.device();
    let Network::Unet(unet) = network else {
        B::seed(&device, seed);
        let levels = network.decode_levels(network.encode(input, physics), times);
        return Ok(GradientsParams::from_grads(loss(levels)?.backward(), network));
    };
    // Without trainable parameters, the forward pass builds no graph.
    let blind = Unet::<B>::from_inner(unet.valid()).no_grad();
    let checkpoints = Checkpoints { blind, told: Vec::new(), blocks: Vec::new() };
    let mut pass = Pass { seed: Some(seed), checkpoints: Some(checkpoints), ..Pass::new(unet) };
    let total = loss(unet.levels_in(&mut pass, input, physics, times))?;
    let Checkpoints { told, mut blocks, .. } = pass.checkpoints.expect("a checkpointed pass");

    let mut accumulator = GradientsAccumulator::new();
    let mut found = total.backward();
    let mut told_slopes = vec![None; told.len()];
    let mut slopes: Vec<Vec<Slope<B>>> = blocks.iter().map(|block| vec![None; block.outputs.len()]).collect();
    loop {
        // Several blocks may use an output: their gradients add up.
        for (block, slopes) in blocks.iter().zip(&mut slopes) {
            for (output, slope) in block.outputs.iter().zip(slopes) {
                add(slope, output.grad(&found));
            }
        }
        for ([_, leaf], slope) in told.iter().zip(&mut told_slopes) {
            add(slope, leaf.grad(&found));
        }
        accumulator.accumulate(network, GradientsParams::from_grads(found, network));
        let (Some(block), Some(slopes)) = (blocks.pop(), slopes.pop()) else { break };
        begin::<B>(&device, seed, blocks.len() as u64);
        let terms = (block.again)(unet)
            .into_iter()
            .zip(slopes)
            .filter_map(|(output, slope)| slope.map(|slope| (output * Tensor::from_inner(slope)).sum()));
        // The gradients of this sum are those of the loss.
        found = terms.reduce(|a, b| a + b).expect("the loss depends on every block").backward();
    }
    let terms = told.into_iter().zip(told_slopes).filter_map(|([embedding, _], slope)| {
        slope.map(|slope| (embedding * Tensor::from_inner(slope)).sum())
    });
    if let Some(sum) = terms.reduce(|a, b| a + b) {
        accumulator.accumulate(network, GradientsParams::from_grads(sum.backward(), network));
    }
    Ok(accumulator.grads())
}

/// Gradient of the loss for an output of a block, as far as it is known.
type Slope<B> = Option<Tensor<Inner<B>, 4>>;

fn add<B: Backend, const D: usize>(sum: &mut Option<Tensor<B, D>>, more: Option<Tensor<B, D>>) {
    if let Some(more) = more {
        *sum = Some(match sum.take() {
            Some(sum) => sum + more,
            None => more,
        });
    }
}

/// Reference for [`gradients`]: no checkpointing, the same random draws in each block.
#[cfg(test)]
pub(super) fn gradients_at_once<B: TrainBackend>(
    network: &Network<B>,
    input: Tensor<B, 4>,
    physics: Option<Tensor<B, 2>>,
    times: Tensor<B, 1>,
    seed: u64,
    loss: impl FnOnce(Vec<Tensor<B, 4>>) -> Tensor<B, 1>,
) -> GradientsParams {
    let levels = match network {
        Network::Unet(unet) => {
            let pass = &mut Pass { seed: Some(seed), ..Pass::new(unet) };
            unet.levels_in(pass, input, physics, times)
        }
        Network::Vit(_) => {
            B::seed(&input.device(), seed);
            network.decode_levels(network.encode(input, physics), times)
        }
    };
    GradientsParams::from_grads(loss(levels).backward(), network)
}
