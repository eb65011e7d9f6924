//! The operations on autodiff backends: the forward pass of the inner backend, plus backward steps for
//! gradients.

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn::tensor::TensorMetadata;
use burn::tensor::backend::AutodiffBackend as _;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor};

use crate::backend::{Backend, Normalized};
use crate::norm::NormOptions;

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    const PREFERS_FEW_OPERATIONS: bool = B::PREFERS_FEW_OPERATIONS;

    fn round_factor(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = RoundedFactor.prepare::<C>([x.node.clone()]).compute_bound();
        prep.stateless(B::round_factor(x.primitive))
    }

    fn round_gradient(y: FloatTensor<Self>) -> FloatTensor<Self> {
        RoundedGradient.prepare::<C>([y.node.clone()]).compute_bound().stateless(y.primitive)
    }

    fn largest_buffer(device: &Self::Device) -> Option<u64> {
        B::largest_buffer(device)
    }

    fn reserved_memory(device: &Self::Device) -> Option<u64> {
        B::reserved_memory(device)
    }

    fn convolve2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        match bias {
            Some(bias) => {
                let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
                match Convolution.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(mut prep) => {
                        let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                        let out = B::convolve2d(x.primitive, weight.primitive, Some(bias.primitive), options);
                        prep.finish(state, out)
                    }
                    OpsKind::UnTracked(prep) => prep.finish(B::convolve2d(
                        x.primitive,
                        weight.primitive,
                        Some(bias.primitive),
                        options,
                    )),
                }
            }
            None => {
                let nodes = [x.node.clone(), weight.node.clone()];
                match Convolution.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(mut prep) => {
                        let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                        prep.finish(state, B::convolve2d(x.primitive, weight.primitive, None, options))
                    }
                    OpsKind::UnTracked(prep) => {
                        prep.finish(B::convolve2d(x.primitive, weight.primitive, None, options))
                    }
                }
            }
        }
    }

    fn convolve2d_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        onto: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let nodes = [x.node.clone(), weight.node.clone(), onto.node.clone()];
        match ConvolutionOnto.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let convolution = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                let state = (convolution, onto.primitive.shape()[0]);
                prep.finish(state, B::convolve2d_onto(x.primitive, weight.primitive, onto.primitive, options))
            }
            OpsKind::UnTracked(prep) => {
                prep.finish(B::convolve2d_onto(x.primitive, weight.primitive, onto.primitive, options))
            }
        }
    }

    fn convolve_transposed2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        let forward = B::convolve_transposed2d;
        match bias {
            Some(bias) => {
                let nodes = [x.node.clone(), weight.node.clone(), bias.node.clone()];
                match TransposedConvolution.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(mut prep) => {
                        let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                        prep.finish(
                            state,
                            forward(x.primitive, weight.primitive, Some(bias.primitive), options),
                        )
                    }
                    OpsKind::UnTracked(prep) => {
                        prep.finish(forward(x.primitive, weight.primitive, Some(bias.primitive), options))
                    }
                }
            }
            None => {
                let nodes = [x.node.clone(), weight.node.clone()];
                match TransposedConvolution.prepare::<C>(nodes).compute_bound().stateful() {
                    OpsKind::Tracked(mut prep) => {
                        let state = (prep.checkpoint(&x), prep.checkpoint(&weight), options.clone());
                        prep.finish(state, forward(x.primitive, weight.primitive, None, options))
                    }
                    OpsKind::UnTracked(prep) => {
                        prep.finish(forward(x.primitive, weight.primitive, None, options))
                    }
                }
            }
        }
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone()];
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&x, &gamma, &beta].map(|parent| prep.checkpoint(parent));
                let done = B::normalize(x.primitive, gamma.primitive, beta.primitive, options);
                let state = (parents, [done.mean.clone(), done.variance.clone()], options);
                Normalized {
                    output: prep.finish(state, done.output),
                    mean: Self::from_inner(done.mean),
                    variance: Self::from_inner(done.variance),
                }
            }
            OpsKind::UnTracked(prep) => {
                let done = B::normalize(x.primitive, gamma.primitive, beta.primitive, options);
                Normalized {
                    output: prep.finish(done.output),
                    mean: Self::from_inner(done.mean),
                    variance: Self::from_inner(done.variance),
                }
            }
        }
    }

    fn normalize_modulated(
        x: FloatTensor<Self>,
        [gamma, beta]: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        let nodes = [x.node.clone(), gamma.node.clone(), beta.node.clone(), change.node.clone()];
        match Norm.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&x, &gamma, &beta, &change].map(|parent| prep.checkpoint(parent));
                let affine = [gamma.primitive, beta.primitive];
                let done = B::normalize_modulated(x.primitive, affine, change.primitive, options);
                let state = (parents, [done.mean.clone(), done.variance.clone()], options);
                Normalized {
                    output: prep.finish(state, done.output),
                    mean: Self::from_inner(done.mean),
                    variance: Self::from_inner(done.variance),
                }
            }
            OpsKind::UnTracked(prep) => {
                let affine = [gamma.primitive, beta.primitive];
                let done = B::normalize_modulated(x.primitive, affine, change.primitive, options);
                Normalized {
                    output: prep.finish(done.output),
                    mean: Self::from_inner(done.mean),
                    variance: Self::from_inner(done.variance),
                }
            }
        }
    }

    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let (classes, weights) = (classes.primitive, weights.primitive);
        match CrossEntropy.prepare::<C>([logits.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let node = prep.checkpoint(&logits);
                let [loss, total] = B::cross_entropy(logits.primitive, classes.clone(), weights.clone());
                [prep.finish((node, classes, weights, total.clone()), loss), Self::from_inner(total)]
            }
            OpsKind::UnTracked(prep) => {
                let [loss, total] = B::cross_entropy(logits.primitive, classes, weights);
                [prep.finish(loss), Self::from_inner(total)]
            }
        }
    }

    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match Silu.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::silu(x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::silu(x.primitive)),
        }
    }

    fn convolve2d_pair(
        [first, rest]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let parents = [&first, &rest, &weight].map(|parent| parent.node.clone());
        let forward = B::convolve2d_pair;
        let Some(bias) = bias else {
            return match PairConvolution.prepare::<C>(parents).compute_bound().stateful() {
                OpsKind::Tracked(mut prep) => {
                    let parents = [&first, &rest, &weight].map(|parent| prep.checkpoint(parent));
                    let x = [first.primitive, rest.primitive];
                    prep.finish((parents, options.clone()), forward(x, weight.primitive, None, options))
                }
                OpsKind::UnTracked(prep) => {
                    let x = [first.primitive, rest.primitive];
                    prep.finish(forward(x, weight.primitive, None, options))
                }
            };
        };
        let [a, b, c] = parents;
        match PairConvolution.prepare::<C>([a, b, c, bias.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&first, &rest, &weight].map(|parent| prep.checkpoint(parent));
                let x = [first.primitive, rest.primitive];
                let out = forward(x, weight.primitive, Some(bias.primitive), options.clone());
                prep.finish((parents, options), out)
            }
            OpsKind::UnTracked(prep) => {
                let x = [first.primitive, rest.primitive];
                prep.finish(forward(x, weight.primitive, Some(bias.primitive), options))
            }
        }
    }

    fn convolve2d_joined(
        [shared, own]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let nodes = [shared.node.clone(), own.node.clone(), weight.node.clone(), bias.node.clone()];
        match JoinedConvolution.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&shared, &own, &weight].map(|parent| prep.checkpoint(parent));
                let x = [shared.primitive, own.primitive];
                let out = B::convolve2d_joined(x, weight.primitive, bias.primitive, options.clone());
                prep.finish((parents, options), out)
            }
            OpsKind::UnTracked(prep) => {
                let x = [shared.primitive, own.primitive];
                prep.finish(B::convolve2d_joined(x, weight.primitive, bias.primitive, options))
            }
        }
    }

    fn mix(pairs: Vec<[FloatTensor<Self>; 2]>, factors: [f64; 2]) -> Vec<FloatTensor<Self>> {
        let pairs = pairs.into_iter().map(|pair| pair.map(|of| of.primitive));
        B::mix(pairs.collect(), factors).into_iter().map(Self::from_inner).collect()
    }

    fn pool2x2_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match MaxPool.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::pool2x2_max(x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::pool2x2_max(x.primitive)),
        }
    }

    fn pool3x3_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match OverlappingMaxPool.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::pool3x3_max(x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::pool3x3_max(x.primitive)),
        }
    }

    fn upsample2x_nearest(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let prep = Upsampling.prepare::<C>([x.node.clone()]).compute_bound();
        prep.stateless(B::upsample2x_nearest(x.primitive))
    }

    fn log_softmax_channels(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match LogSoftmax.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                let out = B::log_softmax_channels(x.primitive);
                prep.finish(out.clone(), out)
            }
            OpsKind::UnTracked(prep) => prep.finish(B::log_softmax_channels(x.primitive)),
        }
    }

    fn join_channels(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = a.shape()[1];
        match Concatenation.prepare::<C>([a.node.clone(), b.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(channels, B::join_channels(a.primitive, b.primitive)),
            OpsKind::UnTracked(prep) => prep.finish(B::join_channels(a.primitive, b.primitive)),
        }
    }

    fn gated_change(state: FloatTensor<Self>, change: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [state.node.clone(), change.node.clone()];
        match GatedChange.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&state, &change].map(|parent| prep.checkpoint(parent));
                prep.finish(parents, B::gated_change(state.primitive, change.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::gated_change(state.primitive, change.primitive)),
        }
    }

    fn combine(coefficients: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        let nodes = [coefficients.node.clone(), x.node.clone()];
        match Combination.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let parents = [&coefficients, &x].map(|parent| prep.checkpoint(parent));
                prep.finish(parents, B::combine(coefficients.primitive, x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::combine(coefficients.primitive, x.primitive)),
        }
    }
}

/// Registers the gradients of an operation with two inputs, which the backward step needs again.
fn register_pair<B: Backend>(
    ops: Ops<[NodeId; 2], 2>,
    gradients: &mut Gradients,
    checkpointer: &mut Checkpointer,
    backward: impl FnOnce([FloatTensor<B>; 2], FloatTensor<B>) -> [FloatTensor<B>; 2],
) {
    let gradient = gradients.consume::<B>(&ops.node);
    let inputs = ops.state.map(|parent| checkpointer.retrieve_node_output::<FloatTensor<B>>(parent));
    for (parent, gradient) in ops.parents.into_iter().zip(backward(inputs, gradient)) {
        if let Some(parent) = parent {
            gradients.register::<B>(parent.id, gradient);
        }
    }
}

#[derive(Debug)]
struct GatedChange;

impl<B: Backend> Backward<B, 2> for GatedChange {
    type State = [NodeId; 2];

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        register_pair::<B>(ops, gradients, checkpointer, |[state, change], gradient| {
            B::gated_change_gradients(state, change, gradient)
        });
    }
}

#[derive(Debug)]
struct Combination;

impl<B: Backend> Backward<B, 2> for Combination {
    type State = [NodeId; 2];

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        register_pair::<B>(ops, gradients, checkpointer, |[coefficients, x], gradient| {
            B::combine_gradients(coefficients, x, gradient)
        });
    }
}

#[derive(Debug)]
struct RoundedFactor;

impl<B: Backend> Backward<B, 1> for RoundedFactor {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| gradient);
    }
}

#[derive(Debug)]
struct RoundedGradient;

impl<B: Backend> Backward<B, 1> for RoundedGradient {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, B::round_factor);
    }
}

#[derive(Debug)]
struct Convolution;

/// Nodes of input and weight, and the options.
type ConvolutionState = (NodeId, NodeId, ConvOptions<2>);

impl Convolution {
    fn register<B: Backend>(
        state: ConvolutionState,
        [x_node, weight_node]: [Option<NodeId>; 2],
        gradient: FloatTensor<B>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (x, weight, options) = state;
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = x_node {
            let of_x =
                B::convolve2d_input_gradient(x.clone(), weight.clone(), gradient.clone(), options.clone());
            gradients.register::<B>(node, of_x);
        }
        if let Some(node) = weight_node {
            gradients.register::<B>(node, B::convolve2d_weight_gradient(x, weight, gradient, options));
        }
    }
}

impl<B: Backend> Backward<B, 2> for Convolution {
    type State = ConvolutionState;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        Self::register::<B>(ops.state, nodes, gradient, gradients, checkpointer);
    }
}

impl<B: Backend> Backward<B, 3> for Convolution {
    type State = ConvolutionState;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, weight, bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        if let Some(node) = bias {
            gradients.register::<B>(node, B::bias_gradient(gradient.clone()));
        }
        Self::register::<B>(ops.state, [x, weight], gradient, gradients, checkpointer);
    }
}

#[derive(Debug)]
struct ConvolutionOnto;

impl<B: Backend> Backward<B, 3> for ConvolutionOnto {
    /// The state of the convolution, and the number of images in `onto`.
    type State = (ConvolutionState, usize);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, weight, onto] = ops.parents.map(|parent| parent.map(|node| node.id));
        let (state, images) = ops.state;
        if let Some(node) = onto {
            gradients.register::<B>(node, B::sum_images(gradient.clone(), images));
        }
        Convolution::register::<B>(state, [x, weight], gradient, gradients, checkpointer);
    }
}

#[derive(Debug)]
struct PairConvolution;

/// Nodes of both inputs and of the weight, and the options.
type PairConvolutionState = ([NodeId; 3], ConvOptions<2>);

impl PairConvolution {
    fn register<B: Backend>(
        (parents, options): PairConvolutionState,
        nodes: [Option<NodeId>; 3],
        gradient: FloatTensor<B>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let [first, rest, weight] =
            parents.map(|parent| checkpointer.retrieve_node_output::<FloatTensor<B>>(parent));
        let found = B::convolve2d_pair_gradients([first, rest], weight, gradient, options);
        for (node, gradient) in nodes.into_iter().zip(found) {
            if let Some(node) = node {
                gradients.register::<B>(node, gradient);
            }
        }
    }
}

impl<B: Backend> Backward<B, 3> for PairConvolution {
    type State = PairConvolutionState;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        Self::register::<B>(ops.state, nodes, gradient, gradients, checkpointer);
    }
}

impl<B: Backend> Backward<B, 4> for PairConvolution {
    type State = PairConvolutionState;

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [first, rest, weight, bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        if let Some(node) = bias {
            gradients.register::<B>(node, B::bias_gradient(gradient.clone()));
        }
        Self::register::<B>(ops.state, [first, rest, weight], gradient, gradients, checkpointer);
    }
}

#[derive(Debug)]
struct JoinedConvolution;

impl<B: Backend> Backward<B, 4> for JoinedConvolution {
    /// Nodes of the shared and own channels and of the weight, and the options.
    type State = ([NodeId; 3], ConvOptions<2>);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (parents, options) = ops.state;
        let [shared, own, weight] =
            parents.map(|parent| checkpointer.retrieve_node_output::<FloatTensor<B>>(parent));
        let [for_shared, for_own, for_weight, for_bias] =
            ops.parents.map(|parent| parent.map(|node| node.id));
        let [of_shared, of_own] = B::split_channels(weight, shared.shape()[1]);
        let together = B::sum_images(gradient.clone(), shared.shape()[0]);
        let parts = [(shared, of_shared, together.clone(), for_shared), (own, of_own, gradient, for_own)];
        let [for_shared, for_own] = parts.map(|(x, weight, gradient, node)| {
            if let Some(node) = node {
                let (x, weight, gradient) = (x.clone(), weight.clone(), gradient.clone());
                let of_x = B::convolve2d_input_gradient(x, weight, gradient, options.clone());
                gradients.register::<B>(node, of_x);
            }
            for_weight.map(|_| B::convolve2d_weight_gradient(x, weight, gradient, options.clone()))
        });
        if let (Some(node), Some(for_shared), Some(for_own)) = (for_weight, for_shared, for_own) {
            gradients.register::<B>(node, B::join_channels(for_shared, for_own));
        }
        if let Some(node) = for_bias {
            gradients.register::<B>(node, B::bias_gradient(together));
        }
    }
}

#[derive(Debug)]
struct TransposedConvolution;

/// Nodes of input and weight, and the options.
type TransposedConvolutionState = (NodeId, NodeId, ConvTransposeOptions<2>);

impl TransposedConvolution {
    fn register<B: Backend>(
        state: TransposedConvolutionState,
        nodes: [Option<NodeId>; 2],
        gradient: FloatTensor<B>,
        gradients: &mut Gradients,
        checkpointer: &mut Checkpointer,
    ) {
        let (x, weight, options) = state;
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        let wanted = [nodes[0].is_some(), nodes[1].is_some()];
        let found = B::convolve_transposed2d_gradients(x, weight, gradient, options, wanted);
        for (node, gradient) in nodes.into_iter().zip(found) {
            if let (Some(node), Some(gradient)) = (node, gradient) {
                gradients.register::<B>(node, gradient);
            }
        }
    }
}

impl<B: Backend> Backward<B, 2> for TransposedConvolution {
    type State = TransposedConvolutionState;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let nodes = ops.parents.map(|parent| parent.map(|node| node.id));
        Self::register::<B>(ops.state, nodes, gradient, gradients, checkpointer);
    }
}

impl<B: Backend> Backward<B, 3> for TransposedConvolution {
    type State = TransposedConvolutionState;

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let [x, weight, bias] = ops.parents.map(|parent| parent.map(|node| node.id));
        if let Some(node) = bias {
            gradients.register::<B>(node, B::bias_gradient(gradient.clone()));
        }
        Self::register::<B>(ops.state, [x, weight], gradient, gradients, checkpointer);
    }
}

#[derive(Debug)]
struct Norm;

impl<B: Backend> Backward<B, 3> for Norm {
    type State = ([NodeId; 3], [FloatTensor<B>; 2], NormOptions);

    fn backward(self, ops: Ops<Self::State, 3>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (parents, moments, options) = ops.state;
        let [x, gamma, beta] =
            parents.map(|parent| checkpointer.retrieve_node_output::<FloatTensor<B>>(parent));
        let found = B::normalize_gradients(x, gamma, beta, moments, gradient, options);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

/// With γ and β that are changed for each image.
impl<B: Backend> Backward<B, 4> for Norm {
    type State = ([NodeId; 4], [FloatTensor<B>; 2], NormOptions);

    fn backward(self, ops: Ops<Self::State, 4>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (parents, moments, options) = ops.state;
        let [x, gamma, beta, change] =
            parents.map(|parent| checkpointer.retrieve_node_output::<FloatTensor<B>>(parent));
        let affine = [gamma, beta];
        let found = B::normalize_modulated_gradients(x, affine, change, moments, gradient, options);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

#[derive(Debug)]
struct MaxPool;

impl<B: Backend> Backward<B, 1> for MaxPool {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state);
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| B::pool2x2_max_gradient(x, gradient));
    }
}

#[derive(Debug)]
struct OverlappingMaxPool;

impl<B: Backend> Backward<B, 1> for OverlappingMaxPool {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state);
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| B::pool3x3_max_gradient(x, gradient));
    }
}

#[derive(Debug)]
struct Upsampling;

impl<B: Backend> Backward<B, 1> for Upsampling {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, B::upsample2x_nearest_gradient);
    }
}

#[derive(Debug)]
struct Silu;

impl<B: Backend> Backward<B, 1> for Silu {
    type State = NodeId;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let x = checkpointer.retrieve_node_output::<FloatTensor<B>>(ops.state);
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| B::silu_gradient(x, gradient));
    }
}

#[derive(Debug)]
struct LogSoftmax;

impl<B: Backend> Backward<B, 1> for LogSoftmax {
    /// The output.
    type State = FloatTensor<B>;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            B::log_softmax_channels_gradient(ops.state, gradient)
        });
    }
}

#[derive(Debug)]
struct CrossEntropy;

impl<B: Backend> Backward<B, 1> for CrossEntropy {
    /// Node of the logits, classes, weights and total weight.
    type State = (NodeId, FloatTensor<B>, FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let (logits, classes, weights, total) = ops.state;
        let logits = checkpointer.retrieve_node_output::<FloatTensor<B>>(logits);
        unary::<B, _>(ops.parents, ops.node, gradients, |gradient| {
            B::cross_entropy_gradient(logits, classes, weights, total, gradient)
        });
    }
}

#[derive(Debug)]
struct Concatenation;

impl<B: Backend> Backward<B, 2> for Concatenation {
    /// Number of channels of the first input.
    type State = usize;

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        for (parent, gradient) in ops.parents.into_iter().zip(B::split_channels(gradient, ops.state)) {
            if let Some(node) = parent {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}
