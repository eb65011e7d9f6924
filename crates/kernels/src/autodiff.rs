//! The operations on autodiff backends: the forward pass of the inner backend, and how gradients come from its inputs.

use std::fmt;
use std::marker::PhantomData;

use burn::backend::Autodiff;
use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::TensorMetadata;
use burn::tensor::backend::AutodiffBackend as _;
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor};

use crate::backend::{Backend, Normalized};
use crate::norm::NormOptions;

impl<B: Backend, C: CheckpointStrategy> Backend for Autodiff<B, C> {
    const PREFERS_FEW_OPERATIONS: bool = B::PREFERS_FEW_OPERATIONS;

    fn round_factor(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record([x], |[x]| B::round_factor(x), |[]: [_; 0], gradient, _| [Some(gradient)])
    }

    fn round_gradient(y: FloatTensor<Self>) -> FloatTensor<Self> {
        let gradient = |[]: [_; 0], gradient, _| [Some(B::round_factor(gradient))];
        Tape::<C>::record([y], |[y]| y, gradient)
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
        let again = options.clone();
        let gradients = move |inputs, gradient, wanted| convolution::<B>(inputs, gradient, &again, wanted);
        match bias {
            None => Tape::<C>::record(
                [x, weight],
                |[x, weight]| B::convolve2d(x, weight, None, options),
                gradients,
            ),
            Some(bias) => Tape::<C>::record(
                [x, weight, bias],
                |[x, weight, bias]| B::convolve2d(x, weight, Some(bias), options),
                with_bias::<B>(gradients),
            ),
        }
    }

    fn convolve2d_onto(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        onto: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let (images, again) = (onto.primitive.shape()[0], options.clone());
        Tape::<C>::record(
            [x, weight, onto],
            |[x, weight, onto]| B::convolve2d_onto(x, weight, onto, options),
            move |inputs, gradient: FloatTensor<B>, [x, weight, onto]| {
                let of_onto = onto.then(|| B::sum_images(gradient.clone(), images));
                let [of_x, of_weight] = convolution::<B>(inputs, gradient, &again, [x, weight]);
                [of_x, of_weight, of_onto]
            },
        )
    }

    fn convolve_transposed2d(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvTransposeOptions<2>,
    ) -> FloatTensor<Self> {
        let again = options.clone();
        let gradients = move |[x, weight]: [_; 2], gradient, wanted| {
            B::convolve_transposed2d_gradients(x, weight, gradient, again, wanted)
        };
        match bias {
            None => Tape::<C>::record(
                [x, weight],
                |[x, weight]| B::convolve_transposed2d(x, weight, None, options),
                gradients,
            ),
            Some(bias) => Tape::<C>::record(
                [x, weight, bias],
                |[x, weight, bias]| B::convolve_transposed2d(x, weight, Some(bias), options),
                with_bias::<B>(gradients),
            ),
        }
    }

    fn normalize(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        Tape::<C>::record_norm(
            [x, gamma, beta],
            |[x, gamma, beta]| B::normalize(x, gamma, beta, options),
            move |[x, gamma, beta], moments, gradient| {
                B::normalize_gradients(x, gamma, beta, moments, gradient, options)
            },
        )
    }

    fn normalize_modulated(
        x: FloatTensor<Self>,
        [gamma, beta]: [FloatTensor<Self>; 2],
        change: FloatTensor<Self>,
        options: NormOptions,
    ) -> Normalized<FloatTensor<Self>> {
        Tape::<C>::record_norm(
            [x, gamma, beta, change],
            |[x, gamma, beta, change]| B::normalize_modulated(x, [gamma, beta], change, options),
            move |[x, gamma, beta, change], moments, gradient| {
                B::normalize_modulated_gradients(x, [gamma, beta], change, moments, gradient, options)
            },
        )
    }

    fn cross_entropy(
        logits: FloatTensor<Self>,
        classes: FloatTensor<Self>,
        weights: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 2] {
        let (classes, weights) = (classes.primitive, weights.primitive);
        let again = (classes.clone(), weights.clone());
        let (loss, total) = Tape::<C>::record_with(
            [logits],
            |[logits]| B::cross_entropy(logits, classes, weights).into(),
            move |[logits], total, gradient, _| {
                let (classes, weights) = again;
                [Some(B::cross_entropy_gradient(logits, classes, weights, total, gradient))]
            },
        );
        [loss, Self::from_inner(total)]
    }

    fn rectify(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record_output(x, B::rectify, B::rectify_gradient)
    }

    fn silu(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record([x], |[x]| B::silu(x), |[x], gradient, _| [Some(B::silu_gradient(x, gradient))])
    }

    fn convolve2d_pair(
        [first, rest]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: Option<FloatTensor<Self>>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let again = options.clone();
        let gradients = move |[first, rest, weight]: [_; 3], gradient| {
            B::convolve2d_pair_gradients([first, rest], weight, gradient, again).map(Some)
        };
        match bias {
            None => Tape::<C>::record(
                [first, rest, weight],
                |[first, rest, weight]| B::convolve2d_pair([first, rest], weight, None, options),
                move |inputs, gradient, _| gradients(inputs, gradient),
            ),
            Some(bias) => Tape::<C>::record(
                [first, rest, weight, bias],
                |[first, rest, weight, bias]| B::convolve2d_pair([first, rest], weight, Some(bias), options),
                move |inputs, gradient: FloatTensor<B>, [.., bias]| {
                    let of_bias = bias.then(|| B::bias_gradient(gradient.clone()));
                    let [of_first, of_rest, of_weight] = gradients(inputs, gradient);
                    [of_first, of_rest, of_weight, of_bias]
                },
            ),
        }
    }

    fn convolve2d_joined(
        [shared, own]: [FloatTensor<Self>; 2],
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        options: ConvOptions<2>,
    ) -> FloatTensor<Self> {
        let again = options.clone();
        Tape::<C>::record(
            [shared, own, weight, bias],
            |[shared, own, weight, bias]| B::convolve2d_joined([shared, own], weight, bias, options),
            move |[shared, own, weight]: [FloatTensor<B>; 3], gradient: FloatTensor<B>, wanted| {
                let [for_shared, for_own, for_weight, for_bias] = wanted;
                let [by_shared, by_own] = B::split_channels(weight, shared.shape()[1]);
                let together = B::sum_images(gradient.clone(), shared.shape()[0]);
                let of_bias = for_bias.then(|| B::bias_gradient(together.clone()));
                let [of_shared, to_shared] =
                    convolution::<B>([shared, by_shared], together, &again, [for_shared, for_weight]);
                let [of_own, to_own] =
                    convolution::<B>([own, by_own], gradient, &again, [for_own, for_weight]);
                let of_weight = to_shared.zip(to_own).map(|(shared, own)| B::join_channels(shared, own));
                [of_shared, of_own, of_weight, of_bias]
            },
        )
    }

    fn mix(pairs: Vec<[FloatTensor<Self>; 2]>, factors: [f64; 2]) -> Vec<FloatTensor<Self>> {
        let pairs = pairs.into_iter().map(|pair| pair.map(|of| of.primitive));
        B::mix(pairs.collect(), factors).into_iter().map(Self::from_inner).collect()
    }

    fn pool2x2_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let gradient = |[x]: [_; 1], gradient, _| [Some(B::pool2x2_max_gradient(x, gradient))];
        Tape::<C>::record([x], |[x]| B::pool2x2_max(x), gradient)
    }

    fn pool3x3_max(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let gradient = |[x]: [_; 1], gradient, _| [Some(B::pool3x3_max_gradient(x, gradient))];
        Tape::<C>::record([x], |[x]| B::pool3x3_max(x), gradient)
    }

    fn upsample2x_nearest(x: FloatTensor<Self>) -> FloatTensor<Self> {
        let gradient = |[]: [_; 0], gradient, _| [Some(B::upsample2x_nearest_gradient(gradient))];
        Tape::<C>::record([x], |[x]| B::upsample2x_nearest(x), gradient)
    }

    fn log_softmax_channels(x: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record_output(x, B::log_softmax_channels, B::log_softmax_channels_gradient)
    }

    fn join_channels(a: FloatTensor<Self>, b: FloatTensor<Self>) -> FloatTensor<Self> {
        let channels = a.shape()[1];
        Tape::<C>::record(
            [a, b],
            |[a, b]| B::join_channels(a, b),
            move |[]: [_; 0], gradient, _| B::split_channels(gradient, channels).map(Some),
        )
    }

    fn gated_change(state: FloatTensor<Self>, change: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record(
            [state, change],
            |[state, change]| B::gated_change(state, change),
            |[state, change], gradient, _| B::gated_change_gradients(state, change, gradient).map(Some),
        )
    }

    fn combine(coefficients: FloatTensor<Self>, x: FloatTensor<Self>) -> FloatTensor<Self> {
        Tape::<C>::record(
            [coefficients, x],
            |[coefficients, x]| B::combine(coefficients, x),
            |[coefficients, x], gradient, _| B::combine_gradients(coefficients, x, gradient).map(Some),
        )
    }
}

type Tensors<B, const N: usize> = [FloatTensor<B>; N];
/// A gradient for each input that wants one.
type Found<B, const N: usize> = [Option<FloatTensor<B>>; N];

/// Gradients of input and weight of a convolution.
fn convolution<B: Backend>(
    [x, weight]: [FloatTensor<B>; 2],
    gradient: FloatTensor<B>,
    options: &ConvOptions<2>,
    [for_x, for_weight]: [bool; 2],
) -> Found<B, 2> {
    let size = x.shape();
    let of_weight = for_weight
        .then(|| B::convolve2d_weight_gradient(x, weight.clone(), gradient.clone(), options.clone()));
    // `x` is freed by now, unless something else holds it.
    [for_x.then(|| B::convolve2d_input_gradient(size, weight, gradient, options.clone())), of_weight]
}

/// The gradients of a convolution with a bias, given those of input and weight.
fn with_bias<B: Backend>(
    gradients: impl FnOnce(Tensors<B, 2>, FloatTensor<B>, [bool; 2]) -> Found<B, 2> + Clone + Send + 'static,
) -> impl FnOnce(Tensors<B, 2>, FloatTensor<B>, [bool; 3]) -> Found<B, 3> + Clone + Send {
    move |inputs, gradient, [x, weight, bias]| {
        let of_bias = bias.then(|| B::bias_gradient(gradient.clone()));
        let [of_x, of_weight] = gradients(inputs, gradient, [x, weight]);
        [of_x, of_weight, of_bias]
    }
}

/// Records operations for the backward pass, with checkpoints as `C` wants them.
struct Tape<C>(PhantomData<C>);

impl<C: CheckpointStrategy> Tape<C> {
    /// Runs `forward` on the inner backend. `gradients` takes the first `K` inputs, the gradient of the output and which
    /// inputs want a gradient.
    fn record<B: Backend, G, const N: usize, const K: usize>(
        inputs: [FloatTensor<Autodiff<B, C>>; N],
        forward: impl FnOnce(Tensors<B, N>) -> FloatTensor<B>,
        gradients: G,
    ) -> FloatTensor<Autodiff<B, C>>
    where
        G: FnOnce(Tensors<B, K>, FloatTensor<B>, [bool; N]) -> Found<B, N> + Clone + Send + 'static,
    {
        let forward = |inputs| (forward(inputs), ());
        let gradients = |inputs, (), gradient, wanted| gradients(inputs, gradient, wanted);
        Self::record_with(inputs, forward, gradients).0
    }

    /// The same with a `forward` that also gives what `gradients` needs besides.
    fn record_with<B: Backend, S, G, const N: usize, const K: usize>(
        inputs: [FloatTensor<Autodiff<B, C>>; N],
        forward: impl FnOnce(Tensors<B, N>) -> (FloatTensor<B>, S),
        gradients: G,
    ) -> (FloatTensor<Autodiff<B, C>>, S)
    where
        S: Clone + Send + 'static,
        G: FnOnce(Tensors<B, K>, S, FloatTensor<B>, [bool; N]) -> Found<B, N> + Clone + Send + 'static,
    {
        let nodes = inputs.each_ref().map(|input| input.node.clone());
        match Operation::<S, G, K>(PhantomData).prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(mut prep) => {
                let kept = std::array::from_fn(|index| prep.checkpoint(&inputs[index]));
                let (output, besides) = forward(inputs.map(|input| input.primitive));
                let state = Kept { inputs: kept, besides: besides.clone(), gradients };
                (prep.finish(state, output), besides)
            }
            OpsKind::UnTracked(prep) => {
                let (output, besides) = forward(inputs.map(|input| input.primitive));
                (prep.finish(output), besides)
            }
        }
    }

    /// An operation of one input, whose `gradient` takes the output and its gradient.
    fn record_output<B: Backend>(
        x: FloatTensor<Autodiff<B, C>>,
        forward: fn(FloatTensor<B>) -> FloatTensor<B>,
        gradient: fn(FloatTensor<B>, FloatTensor<B>) -> FloatTensor<B>,
    ) -> FloatTensor<Autodiff<B, C>> {
        let forward = |[x]: [_; 1]| {
            let output = forward(x);
            (output.clone(), output)
        };
        let gradients =
            move |[]: [_; 0], output, out_gradient, _: [_; 1]| [Some(gradient(output, out_gradient))];
        Self::record_with([x], forward, gradients).0
    }

    /// A norm: `forward` gives output and moments, `gradients` the gradients of the inputs.
    fn record_norm<B: Backend, const N: usize>(
        inputs: [FloatTensor<Autodiff<B, C>>; N],
        forward: impl FnOnce(Tensors<B, N>) -> Normalized<FloatTensor<B>>,
        gradients: impl FnOnce(Tensors<B, N>, Tensors<B, 2>, FloatTensor<B>) -> Tensors<B, N>
        + Clone
        + Send
        + 'static,
    ) -> Normalized<FloatTensor<Autodiff<B, C>>> {
        let (output, moments) = Self::record_with(
            inputs,
            |inputs| {
                let Normalized { output, mean, variance } = forward(inputs);
                (output, [mean, variance])
            },
            move |inputs: [_; N], moments, gradient, _| gradients(inputs, moments, gradient).map(Some),
        );
        let [mean, variance] = moments.map(Autodiff::<B, C>::from_inner);
        Normalized { output, mean, variance }
    }
}

/// Names the types of [`Kept`] for Burn.
struct Operation<S, G, const K: usize>(PhantomData<(S, G)>);

/// What the backward step of an operation is given: the nodes of its first inputs, what its forward pass gave besides, and
/// how gradients come from these.
#[derive(Clone)]
struct Kept<S, G, const K: usize> {
    inputs: [NodeId; K],
    besides: S,
    gradients: G,
}

impl<S, G, const K: usize> fmt::Debug for Operation<S, G, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Operation")
    }
}

impl<S, G, const K: usize> fmt::Debug for Kept<S, G, K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kept").field("inputs", &self.inputs).finish_non_exhaustive()
    }
}

impl<B: Backend, S, G, const N: usize, const K: usize> Backward<B, N> for Operation<S, G, K>
where
    S: Clone + Send + 'static,
    G: FnOnce(Tensors<B, K>, S, FloatTensor<B>, [bool; N]) -> Found<B, N> + Clone + Send + 'static,
{
    type State = Kept<S, G, K>;

    fn backward(self, ops: Ops<Self::State, N>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let Kept { inputs, besides, gradients: rule } = ops.state;
        let inputs = inputs.map(|input| checkpointer.retrieve_node_output::<FloatTensor<B>>(input));
        let wanted = ops.parents.each_ref().map(Option::is_some);
        for (parent, gradient) in ops.parents.into_iter().zip(rule(inputs, besides, gradient, wanted)) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<B>(parent.id, gradient);
            }
        }
    }
}
