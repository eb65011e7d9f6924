//! Values and gradients of every operation on a GPU against those of the CPU.
#![cfg(feature = "wgpu")]

use burn::backend::{Autodiff, Flex, Wgpu};
use burn::module::{Param, ParamId};
use burn::nn::conv::Conv2dConfig;
use burn::nn::{BatchNormConfig, GroupNormConfig, PaddingConfig2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, FloatTensor};
use burn::tensor::{Tensor, TensorData, TensorPrimitive};
use porecast_kernels::adam::{Adam, Decay, Step};
use porecast_kernels::layer::{self, Condition, Joined};
use porecast_kernels::{self as kernels, Activation, Backend, Finish, Precision, with_precision};

/// Largest difference, as a share of the largest value (at least 1).
const TOLERANCE: f32 = 2e-5;

const ACTIVATIONS: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::Silu];

/// Values in [-1, 1) that depend on the shape.
fn noise<B: Backend, const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<B, D> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let values = (0..shape.iter().product::<usize>()).map(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    });
    Tensor::from_data(TensorData::new(values.collect::<Vec<f32>>(), shape), &Default::default())
}

/// Results of the operations on a backend, each with its name.
struct Results<B: Backend> {
    found: Vec<(String, TensorData)>,
    backend: std::marker::PhantomData<B>,
}

impl<B: Backend> Results<B> {
    fn keep<const D: usize>(&mut self, name: &str, tensor: Tensor<B, D>) {
        self.found.push((name.to_owned(), tensor.into_data()));
    }

    /// Keeps the output of an operation, and the gradients of a weighted sum of it for every input.
    fn differentiate<const I: usize>(
        &mut self,
        name: &str,
        shapes: &[[usize; I]],
        operation: impl Fn(&[Tensor<Autodiff<B>, I>]) -> Tensor<Autodiff<B>, 4>,
    ) {
        let inputs = shapes.iter().zip(1..).map(|(&shape, seed)| noise(seed, shape).require_grad());
        let inputs: Vec<Tensor<Autodiff<B>, I>> = inputs.collect();
        let output = operation(&inputs);
        self.keep(&format!("{name}: output"), output.clone().inner());
        let gradients = (output.clone() * noise(99, output.dims())).sum().backward();
        for (index, input) in inputs.iter().enumerate() {
            let gradient = input.grad(&gradients).expect("a gradient for every input");
            self.keep(&format!("{name}: gradient of input {index}"), gradient);
        }
    }
}

/// `values` `[1, 1, images, channels]` as `[images, channels]`.
fn rows<B: Backend>(values: &Tensor<B, 4>) -> Tensor<B, 2> {
    let [_, _, images, channels] = values.dims();
    values.clone().reshape([images, channels])
}

fn operations<B: Backend>() -> Vec<(String, TensorData)> {
    let mut results = Results::<B> { found: Vec::new(), backend: std::marker::PhantomData };
    for (x, weight, stride, padding, dilation, groups) in [
        ([2, 3, 9, 7], [5, 3, 3, 3], 1, 1, 1, 1),
        ([2, 8, 24, 70], [16, 8, 3, 3], 1, 1, 1, 1),
        ([4, 16, 16, 12], [8, 16, 1, 1], 1, 0, 1, 1),
        ([1, 8, 20, 22], [8, 8, 3, 3], 1, 2, 2, 1),
        ([2, 4, 11, 13], [6, 4, 3, 3], 2, 1, 1, 1),
        ([2, 4, 9, 8], [4, 1, 5, 5], 2, 2, 1, 4),
    ] {
        let options = ConvOptions::new([stride; 2], [padding; 2], [dilation; 2], groups);
        let name = format!("convolution {x:?} {weight:?} {options:?}");
        results.differentiate(&name, &[x, weight], |inputs| {
            kernels::conv2d(inputs[0].clone(), inputs[1].clone(), None, options.clone())
        });
        if groups == 1 && stride == 1 {
            let name = format!("convolution onto {x:?} {weight:?}");
            let [_, _, height, width] = x;
            results.differentiate(&name, &[x, weight, [1, weight[0], height, width]], |inputs| {
                let onto = inputs[2].clone();
                kernels::conv2d_onto(inputs[0].clone(), inputs[1].clone(), onto, options.clone())
            });
            for activation in ACTIVATIONS {
                for (images, is_onto) in [(1, false), (x[0], true)] {
                    let onto = is_onto.then(|| noise(3, [1, weight[0], height, width]));
                    let [scale, shift] = [4, 5].map(|seed| noise(seed, [images, weight[0]]));
                    let finish = Finish { onto, scale, shift, activation };
                    let (x, weight) = (noise::<B, 4>(1, x), noise(2, weight));
                    let name = format!("finished convolution {activation:?} {images}");
                    results.keep(&name, kernels::conv2d_finished(x, weight, finish, options.clone()));
                }
            }
        }
    }
    results.differentiate("transposed convolution", &[[2, 6, 5, 7], [6, 4, 2, 2]], |inputs| {
        let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        kernels::conv_transpose2d(inputs[0].clone(), inputs[1].clone(), None, options)
    });
    results.differentiate("biases", &[[2, 6, 5, 7], [18, 6, 3, 3], [1, 1, 1, 18], [18, 5, 2, 2]], |inputs| {
        let bias = inputs[2].clone().reshape([18]);
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let x = kernels::conv2d(inputs[0].clone(), inputs[1].clone(), Some(bias.clone()), options);
        let options = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        kernels::conv_transpose2d(x, inputs[3].clone(), Some(bias.slice(2..7)), options)
    });
    for precision in [Precision::Tf32, Precision::Bfloat16] {
        let (x, weight) = (noise::<B, 4>(1, [2, 8, 24, 70]), noise(2, [16, 8, 3, 3]));
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let rounded = with_precision(precision, || kernels::conv2d(x, weight, None, options));
        results.keep(&format!("convolution in {precision:?}"), rounded);
    }
    // The inputs that each weight meets take 150 MB, more than a buffer of llvmpipe.
    results.differentiate("large convolution", &[[4, 64, 128, 128], [8, 64, 3, 3]], |inputs| {
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        kernels::conv2d(inputs[0].clone(), inputs[1].clone(), None, options)
    });
    results.differentiate("joined channels", &[[2, 3, 6, 7], [6, 5, 6, 7], [4, 8, 3, 3]], |inputs| {
        let conv = Conv2dConfig::new([8, 4], [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        let mut conv = conv.init(&Default::default());
        conv.weight = Param::initialized(ParamId::new(), inputs[2].clone());
        conv.bias = Some(Param::initialized(
            ParamId::new(),
            inputs[2].clone().slice([0..4, 0..1, 0..1, 0..1]).reshape([4]),
        ));
        let (shared, own) = (Some(inputs[0].clone()), inputs[1].clone());
        layer::conv2d_joined(&conv, Joined { shared, own })
    });
    // Modulated norms of more images and channels than a cube takes.
    for (is_group, changes) in [(false, 20), (false, 40), (true, 20), (true, 40)] {
        let shapes = [[3, 20, 33, 18], [1, 1, 1, 20], [1, 1, 1, 20], [1, 1, 3, changes]];
        let name = format!("modulated norm, groups: {is_group}, {changes} changes");
        results.differentiate(&name, &shapes, |inputs| {
            let device = Default::default();
            let condition = Some(Condition { change: rows(&inputs[3]) });
            let [gamma, beta] = [1, 2].map(|index| inputs[index].clone().reshape([20]));
            let x = inputs[0].clone();
            if is_group {
                let mut norm = GroupNormConfig::new(5, 20).init(&device);
                norm.gamma = Some(Param::initialized(ParamId::new(), gamma));
                norm.beta = Some(Param::initialized(ParamId::new(), beta));
                layer::group_norm(&norm, x, condition, Activation::Silu)
            } else {
                let mut norm = BatchNormConfig::new(20).init(&device);
                norm.gamma = Param::initialized(ParamId::new(), gamma);
                norm.beta = Param::initialized(ParamId::new(), beta);
                layer::batch_norm(&norm, x, condition, Activation::Relu)
            }
        });
    }
    for activation in ACTIVATIONS {
        for images in [1, 4] {
            let shapes = [[4, 6, 15, 7], [1, 1, images, 6], [1, 1, images, 6]];
            let name = format!("batch norm {activation:?} {images}");
            results.differentiate(&name, &shapes, |inputs| {
                let (gamma, beta) = (rows(&inputs[1]), rows(&inputs[2]));
                kernels::batch_norm(inputs[0].clone(), gamma, beta, 1e-5, activation).output
            });
            results.differentiate(&format!("group norm {activation:?} {images}"), &shapes, |inputs| {
                let (gamma, beta) = (rows(&inputs[1]), rows(&inputs[2]));
                kernels::group_norm(inputs[0].clone(), 3, gamma, beta, 1e-5, activation)
            });
            let [gamma, beta] = [2, 3].map(|seed| noise::<B, 2>(seed, [images, 6]));
            let (mean, variance) = (noise::<B, 1>(4, [6]), noise::<B, 1>(5, [6]) + 1.5);
            let x = noise::<B, 4>(1, [4, 6, 15, 7]);
            results.keep(
                &format!("batch norm in prediction {activation:?} {images}"),
                kernels::batch_norm_inference(x, gamma, beta, mean, variance, 1e-5, activation),
            );
        }
    }
    for size in [[3, 4, 8, 6], [2, 3, 7, 5]] {
        results.differentiate("pooling", &[size], |inputs| kernels::max_pool2x2(inputs[0].clone()));
        results.differentiate("upsampling", &[size], |inputs| kernels::upsample2x(inputs[0].clone()));
        results.differentiate("log-softmax", &[size], |inputs| {
            kernels::log_softmax_channels(inputs[0].clone() * 5.0)
        });
        results.differentiate("relu", &[size], |inputs| kernels::relu(inputs[0].clone()));
        results.differentiate("silu", &[size], |inputs| kernels::silu(inputs[0].clone() * 5.0));
        for weights in [[0.5, 0.0, 2.0], [0.0; 3]] {
            let logits = [size[0], 3, size[2], size[3]];
            results.differentiate(&format!("cross-entropy, weights {weights:?}"), &[logits], |inputs| {
                let classes =
                    (noise([7, 8][size[0] % 2], [size[0], 1, size[2], size[3]]) * 1.5 + 1.5).int().float();
                let weights = Tensor::from_data(weights, &Default::default());
                kernels::cross_entropy(inputs[0].clone() * 5.0, classes, weights).reshape([1, 1, 1, 1])
            });
        }
        let other = [size[0], 2, size[2], size[3]];
        results.differentiate("concatenation", &[size, other], |inputs| {
            kernels::concat_channels(inputs[0].clone(), inputs[1].clone())
        });
    }
    results.differentiate("gated change", &[[3, 4, 8, 6], [3, 8, 8, 6]], |inputs| {
        kernels::gated_change(inputs[0].clone(), inputs[1].clone() * 4.0)
    });
    for shapes in [[[6, 8, 3, 5], [2, 4, 12, 20]], [[2, 3, 1, 1], [2, 3, 4, 4]]] {
        results.differentiate(&format!("combination {shapes:?}"), &shapes, |inputs| {
            kernels::combine(inputs[0].clone(), inputs[1].clone())
        });
    }
    for decay in [Decay::Penalty(0.1), Decay::Decoupled(0.1)] {
        let adam = Adam::new(1e-8, decay);
        let (mut parameter, mut moments) = (noise::<B, 2>(1, [7, 300]), None);
        for step in 0..3 {
            (parameter, moments) = burn::optim::SimpleOptimizer::<B>::step(
                &adam,
                0.01,
                parameter,
                noise(2 + step, [7, 300]),
                moments,
            );
        }
        results.keep(&format!("three steps of Adam, {decay:?}"), parameter);
    }
    together(&mut results);
    results.found
}

/// Operations on many tensors of different sizes, some with other orders in memory.
fn together<B: Backend>(results: &mut Results<B>) {
    let float = |tensor: Tensor<B, 4>| -> FloatTensor<B> { tensor.into_primitive().tensor() };
    let random = |seed: u64| -> Vec<FloatTensor<B>> {
        let one = |index: usize| {
            let shape = [1 + index % 3, 5, 3, 1 + 40 * index];
            let x = noise::<B, 4>(seed + 7 * index as u64, shape);
            // Some have their channels last in memory, some only in one of the inputs.
            float(match index % 4 {
                1 => x.reshape([shape[0], shape[2], shape[3], shape[1]]).permute([0, 3, 1, 2]),
                2 if seed == 2 => x.reshape([shape[0], shape[2], shape[3], shape[1]]).permute([0, 3, 1, 2]),
                3 => x.swap_dims(2, 3),
                _ => x,
            })
        };
        (0..40).map(one).collect()
    };
    let [a, b, c, d] = [1, 2, 3, 4].map(random);
    let positive = |of: FloatTensor<B>| B::float_mul(of.clone(), of);
    let tensor = |of| Tensor::<B, 4>::from_primitive(TensorPrimitive::Float(of));
    results.keep("sum of squares", {
        let sums = TensorPrimitive::Float(B::sums_of_squares(a.clone()));
        Tensor::<B, 1>::from_primitive(sums).sum()
    });
    for (index, scaled) in B::scale_many(a.clone(), 0.7).into_iter().enumerate() {
        results.keep(&format!("scaled {index}"), tensor(scaled));
    }
    let pairs = a.iter().cloned().zip(b.iter().cloned()).map(|(a, b)| [a, b]);
    for (index, mixed) in B::mix(pairs.collect(), [0.3, 0.7]).into_iter().enumerate() {
        results.keep(&format!("mixed {index}"), tensor(mixed));
    }
    let tensors = a.into_iter().zip(b).zip(c.into_iter().zip(d.into_iter().map(positive)));
    let tensors = tensors.map(|((a, b), (c, d))| [a, b, c, d]).collect();
    let step = Step {
        keep_moments: [0.9, 0.99],
        corrections: [0.5, 0.2],
        epsilon: 1e-3,
        penalty: 0.1,
        keep: 0.9,
        rate: 0.1,
    };
    for (index, done) in B::adam_of_many(tensors, step).into_iter().enumerate() {
        for (what, done) in ["parameter", "first moment", "second moment"].into_iter().zip(done) {
            results.keep(&format!("{what} {index}"), tensor(done));
        }
    }
}

// The tolerance is 2e-5 of the largest value of each result.
#[test]
fn a_gpu_computes_the_values_and_gradients_of_the_cpu() {
    let expected = operations::<Flex>();
    let found = operations::<Wgpu>();
    let mut wrong = Vec::new();
    for ((name, found), (_, expected)) in found.iter().zip(&expected) {
        assert_eq!(found.shape, expected.shape, "{name}");
        let values = |data: &TensorData| data.to_vec::<f32>().expect("single precision");
        let (found, expected) = (values(found), values(expected));
        let largest = expected.iter().fold(1.0f32, |most, value| most.max(value.abs()));
        let far = |(a, b): &(&f32, &f32)| !((*a - *b).abs() <= TOLERANCE * largest);
        if let Some((found, expected)) = found.iter().zip(&expected).find(far) {
            wrong.push(format!("{name}: {found} instead of {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} results differ:\n{}", wrong.len(), found.len(), wrong.join("\n"));
}
