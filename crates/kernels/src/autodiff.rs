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

    fn pool2x2_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        match MaxPool.prepare::<C>([x.node.clone()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let state = prep.checkpoint(&x);
                prep.finish(state, B::pool2x2_max(x.primitive))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::pool2x2_max(x.primitive)),
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
struct Upsampling;

impl<B: Backend> Backward<B, 1> for Upsampling {
    type State = ();

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _checkpointer: &mut Checkpointer) {
        unary::<B, _>(ops.parents, ops.node, gradients, B::upsample2x_nearest_gradient);
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
