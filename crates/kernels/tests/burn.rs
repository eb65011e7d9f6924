//! Values and gradients against Burn's own operations and its autodiff.

use std::cell::Cell;

use burn::backend::{Autodiff, Flex};
use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig, ConvTranspose2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, GroupNorm, GroupNormConfig, PaddingConfig2d};
use burn::tensor::ops::{ConvOptions, ConvTransposeOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Tensor, TensorData, activation, module};
use porecast_kernels::layer::Joined;
use porecast_kernels::{self as kernels, Activation};

type Train = Autodiff<Flex>;

/// Values in [-1, 1), the same in every run: each test has a thread and so a sequence of its own. (Burn's generator is
/// shared by all threads.)
fn random<const D: usize>(shape: [usize; D]) -> Tensor<Train, D> {
    thread_local! { static STATE: Cell<u64> = const { Cell::new(0x9e37_79b9_7f4a_7c15) } }
    let draw = || {
        let mut state = STATE.get();
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        STATE.set(state);
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    let values = (0..shape.iter().product()).map(|_| draw()).collect::<Vec<f32>>();
    Tensor::from_data(TensorData::new(values, shape), &Default::default())
}

/// Each value within a hundred-thousandth or so of the largest, as sums in another order are.
fn assert_same(found: TensorData, expected: TensorData) {
    assert_eq!(found.shape, expected.shape);
    let (found, expected) = (found.to_vec::<f32>().unwrap(), expected.to_vec::<f32>().unwrap());
    let scale = expected.iter().fold(1.0f32, |most, value| most.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
        assert!((found - expected).abs() <= 3e-5 * scale, "at {index}: {found} instead of {expected}");
    }
}

/// Compares outputs, and the gradients of a weighted sum of the outputs for every input.
fn assert_same_operation<const I: usize, const O: usize>(
    inputs: Vec<Tensor<Train, I>>,
    found: impl Fn(&[Tensor<Train, I>]) -> Tensor<Train, O>,
    expected: impl Fn(&[Tensor<Train, I>]) -> Tensor<Train, O>,
) {
    let inputs: Vec<_> = inputs.into_iter().map(|input| input.require_grad()).collect();
    let (found, expected) = (found(&inputs), expected(&inputs));
    assert_same(found.to_data(), expected.to_data());
    let weight = random(found.dims());
    let found = (found * weight.clone()).sum().backward();
    let expected = (expected * weight).sum().backward();
    for input in &inputs {
        let of = |gradients| input.grad(gradients).expect("a gradient for every input").to_data();
        assert_same(of(&found), of(&expected));
    }
}

/// Inputs of different rank as four-dimensional ones, since the comparison takes them all alike.
fn vector(values: &Tensor<Train, 4>) -> Tensor<Train, 1> {
    values.clone().flatten(0, 3)
}

#[test]
fn conv2d_equals_burn() {
    for (input, out, kernel, stride, padding, dilation, groups) in [
        ([2, 3, 9, 7], 5, [3, 3], [1, 1], [1, 1], [1, 1], 1),
        ([1, 1, 5, 1], 1, [3, 3], [1, 1], [1, 1], [1, 1], 1),
        ([2, 16, 24, 70], 32, [3, 3], [1, 1], [1, 1], [1, 1], 1),
        ([1, 8, 6, 10], 12, [1, 1], [1, 1], [0, 0], [1, 1], 1),
        ([2, 4, 11, 13], 6, [3, 3], [2, 2], [1, 1], [1, 1], 1),
        ([1, 3, 20, 22], 4, [7, 7], [2, 2], [3, 3], [1, 1], 1),
        ([1, 3, 12, 12], 4, [3, 3], [1, 1], [2, 2], [2, 2], 1),
        ([2, 4, 8, 8], 6, [3, 3], [1, 1], [1, 1], [1, 1], 2),
    ] {
        let options = ConvOptions::new(stride, padding, dilation, groups);
        let weight = [out, input[1] / groups, kernel[0], kernel[1]];
        assert_same_operation(
            vec![random(input), random(weight), random([out, 1, 1, 1])],
            |i| kernels::conv2d(i[0].clone(), i[1].clone(), Some(vector(&i[2])), options.clone()),
            |i| module::conv2d(i[0].clone(), i[1].clone(), Some(vector(&i[2])), options.clone()),
        );
        assert_same_operation(
            vec![random(input), random(weight)],
            |i| kernels::conv2d(i[0].clone(), i[1].clone(), None, options.clone()),
            |i| module::conv2d(i[0].clone(), i[1].clone(), None, options.clone()),
        );
    }
}

/// Channels that several images share, joined with those of each image.
fn joined(shared: Tensor<Train, 4>, own: Tensor<Train, 4>) -> Tensor<Train, 4> {
    let ([images, channels, height, width], [batch, ..]) = (shared.dims(), own.dims());
    let repeated = shared.reshape([images, 1, channels * height * width]).repeat_dim(1, batch / images);
    Tensor::cat(vec![repeated.reshape([batch, channels, height, width]), own], 1)
}

const SHARED: [([usize; 4], [usize; 4], usize); 5] = [
    ([2, 8, 12, 70], [6, 8, 12, 70], 16),
    ([1, 3, 7, 5], [3, 4, 7, 5], 9),
    ([2, 8, 9, 17], [2, 16, 9, 17], 8),
    ([1, 16, 8, 8], [4, 16, 8, 8], 24),
    ([3, 1, 1, 1], [3, 2, 1, 1], 1),
];

#[test]
fn convolution_onto_equals_that_of_joined_channels() {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    for (shared, own, out) in SHARED {
        assert_same_operation(
            vec![random(shared), random(own), random([out, shared[1], 3, 3]), random([out, own[1], 3, 3])],
            |i| {
                let onto = kernels::conv2d(i[0].clone(), i[2].clone(), None, options());
                kernels::conv2d_onto(i[1].clone(), i[3].clone(), onto, options())
            },
            |i| {
                let weight = Tensor::cat(vec![i[2].clone(), i[3].clone()], 1);
                module::conv2d(joined(i[0].clone(), i[1].clone()), weight, None, options())
            },
        );
    }
}

#[test]
fn a_skip_for_each_image_equals_its_concatenation() {
    use burn::module::{AutodiffModule, Param, ParamId};
    let device = Default::default();
    for ([skip, own, out], size, stride, has_bias) in [
        ([3, 4, 5], [9, 20], 1, true),
        ([8, 16, 16], [16, 64], 1, false),
        ([32, 40, 33], [16, 12], 1, true),
        ([8, 8, 9], [9, 11], 2, false),
    ] {
        let [height, width] = size;
        let conv = |i: &[Tensor<Train, 4>]| {
            let config = Conv2dConfig::new([skip + own, out], [3, 3]).with_stride([stride; 2]);
            let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
            let mut conv = config.with_padding(same).with_bias(false).init::<Train>(&device);
            conv.weight = Param::initialized(ParamId::new(), i[2].clone());
            conv.bias = i.get(3).map(|bias| Param::initialized(ParamId::new(), vector(bias)));
            conv
        };
        let joined = |i: &[Tensor<Train, 4>]| Joined { shared: Some(i[0].clone()), own: i[1].clone() };
        let mut inputs = vec![
            random([2, skip, height, width]),
            random([2, own, height, width]),
            random([out, skip + own, 3, 3]),
        ];
        inputs.extend(has_bias.then(|| random([out, 1, 1, 1])));
        assert_same_operation(
            inputs.clone(),
            |i| kernels::layer::conv2d_joined(&conv(i), joined(i)),
            |i| conv(i).forward(Tensor::cat(i[..2].to_vec(), 1)),
        );
        // In prediction, with its norm.
        let norm = BatchNormConfig::new(out).init::<Train>(&device).valid();
        let expected = norm.forward(conv(&inputs).forward(Tensor::cat(inputs[..2].to_vec(), 1)).inner());
        let (conv, Joined { shared, own }) = (conv(&inputs).valid(), joined(&inputs));
        let x = Joined { shared: shared.map(Tensor::inner), own: own.inner() };
        let found = kernels::layer::conv2d_batch_norm(&conv, &norm, x, None, Activation::Relu);
        assert_same(found.into_data(), activation::relu(expected).into_data());
    }
}

#[test]
fn a_finished_convolution_equals_the_operations_one_by_one() {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    for (shared, own, out) in SHARED {
        for activation in ACTIVATIONS {
            for images in [1, own[0]] {
                let [x, weight] = [random(own), random([out, own[1], 3, 3])];
                let onto = random([shared[0], out, own[2], own[3]]);
                let [scale, shift] = [(); 2].map(|()| random([images, out, 1, 1]));
                let y = module::conv2d(x.clone(), weight.clone(), None, options());
                let repeated = joined(onto.clone(), x.clone()).narrow(1, 0, out);
                let expected = activate(activation, (y + repeated) * scale.clone() + shift.clone());
                let finish = kernels::Finish {
                    onto: Some(onto.inner()),
                    scale: scale.inner().reshape([images, out]),
                    shift: shift.inner().reshape([images, out]),
                    activation,
                };
                let found = kernels::conv2d_finished(x.inner(), weight.inner(), finish, options());
                assert_same(found.into_data(), expected.into_data());
            }
        }
    }
}

#[test]
fn log_softmax_equals_burn() {
    for shape in [[2, 3, 9, 71], [1, 1, 4, 4], [2, 5, 1, 1], [1, 2, 40, 40]] {
        assert_same_operation(
            vec![random(shape) * 20.0],
            |i| kernels::log_softmax_channels(i[0].clone()),
            |i| activation::log_softmax(i[0].clone(), 1),
        );
    }
}

#[test]
fn inputs_that_are_not_contiguous_are_read_in_order() {
    let options = || ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    assert_same_operation(
        vec![random([2, 7, 9, 3]), random([4, 3, 3, 3])],
        |i| {
            kernels::conv2d(i[0].clone().permute([0, 3, 1, 2]), i[1].clone().swap_dims(2, 3), None, options())
        },
        |i| module::conv2d(i[0].clone().permute([0, 3, 1, 2]), i[1].clone().swap_dims(2, 3), None, options()),
    );
    let x = random([3, 2, 8, 8]);
    let part = x.clone().narrow(0, 1, 1);
    let copy = Tensor::from_data(part.to_data(), &Default::default());
    assert_same(kernels::max_pool2x2(part).into_data(), kernels::max_pool2x2::<Train>(copy).into_data());
}

#[test]
fn conv_transpose2d_equals_burn() {
    for (stride, padding) in [([2, 2], [0, 0]), ([2, 2], [1, 1]), ([1, 3], [0, 0])] {
        let options = ConvTransposeOptions::new(stride, padding, [0, 0], [1, 1], 1);
        let weight = [6, 3, stride[0], stride[1]];
        assert_same_operation(
            vec![random([2, 6, 5, 7]), random(weight), random([3, 1, 1, 1])],
            |i| kernels::conv_transpose2d(i[0].clone(), i[1].clone(), Some(vector(&i[2])), options.clone()),
            |i| module::conv_transpose2d(i[0].clone(), i[1].clone(), Some(vector(&i[2])), options.clone()),
        );
        assert_same_operation(
            vec![random([1, 6, 4, 4]), random(weight)],
            |i| kernels::conv_transpose2d(i[0].clone(), i[1].clone(), None, options.clone()),
            |i| module::conv_transpose2d(i[0].clone(), i[1].clone(), None, options.clone()),
        );
    }
}

fn activate(activation: Activation, z: Tensor<Train, 4>) -> Tensor<Train, 4> {
    match activation {
        Activation::Identity => z,
        Activation::Relu => activation::relu(z),
        Activation::Silu => activation::silu(z),
    }
}

const ACTIVATIONS: [Activation; 3] = [Activation::Identity, Activation::Relu, Activation::Silu];

/// z from x̂, γ and β.
fn scaled(
    normalised: Tensor<Train, 4>,
    gamma: &Tensor<Train, 4>,
    beta: &Tensor<Train, 4>,
) -> Tensor<Train, 4> {
    let channels = normalised.dims()[1];
    let spread = |of: &Tensor<Train, 4>| of.clone().reshape([1, channels, 1, 1]);
    normalised * spread(gamma) + spread(beta)
}

/// Batch norm of the first tensor, with γ and β in the others.
fn normed(of: &[Tensor<Train, 4>], activation: Activation) -> Tensor<Train, 4> {
    kernels::batch_norm(of[0].clone(), vector(&of[1]), vector(&of[2]), 1e-5, activation).output
}

/// The same, by Burn's operations.
fn normed_by_definition(of: &[Tensor<Train, 4>], activation: Activation) -> Tensor<Train, 4> {
    let centred = of[0].clone() - of[0].clone().mean_dims(&[0, 2, 3]);
    let variance = centred.clone().square().mean_dims(&[0, 2, 3]);
    activate(activation, scaled(centred / (variance + 1e-5).sqrt(), &of[1], &of[2]))
}

#[test]
fn batch_norm_equals_its_definition() {
    for shape in [[3, 5, 7, 9], [1, 1, 1, 8], [2, 4, 65, 80]] {
        for activation in ACTIVATIONS {
            let parameters = [shape[1], 1, 1, 1];
            assert_same_operation(
                vec![random(shape) * 3.0 + 2.0, random(parameters), random(parameters)],
                |i| normed(i, activation),
                |i| normed_by_definition(i, activation),
            );
        }
    }
}

/// The gradient of a norm's input replaces that of its output, if nothing else needs this.
#[test]
fn the_gradient_of_a_norm_leaves_that_of_a_sum_as_it_is() {
    let parameters = [5, 1, 1, 1];
    assert_same_operation(
        vec![random([3, 5, 7, 9]) * 3.0 + 2.0, random(parameters), random(parameters)],
        |i| i[0].clone() + normed(i, Activation::Relu),
        |i| i[0].clone() + normed_by_definition(i, Activation::Relu),
    );
}

#[test]
fn a_condition_scales_and_shifts_each_image() {
    for statistics in ["batch", "group"] {
        for activation in ACTIVATIONS {
            let shape = [3, 4, 6, 9];
            let norm = |x: Tensor<Train, 4>, gamma: Tensor<Train, 2>, beta: Tensor<Train, 2>, activation| {
                match statistics {
                    "batch" => kernels::batch_norm(x, gamma, beta, 1e-5, activation).output,
                    _ => kernels::group_norm(x, 2, gamma, beta, 1e-5, activation),
                }
            };
            let flat = |of: &Tensor<Train, 4>| of.clone().reshape([3, 4]);
            assert_same_operation(
                vec![random(shape) * 3.0 + 2.0, random([3, 4, 1, 1]), random([3, 4, 1, 1])],
                |i| norm(i[0].clone(), flat(&i[1]), flat(&i[2]), activation),
                |i| {
                    let (one, zero) = (
                        Tensor::ones([3, 4], &Default::default()),
                        Tensor::zeros([3, 4], &Default::default()),
                    );
                    let normalised = norm(i[0].clone(), one, zero, Activation::Identity);
                    activate(activation, normalised * i[1].clone() + i[2].clone())
                },
            );
        }
    }
}

#[test]
fn group_norm_equals_its_definition() {
    for (shape, groups) in [([2, 6, 5, 9], 3), ([1, 4, 33, 70], 1), ([3, 2, 4, 4], 2)] {
        for activation in ACTIVATIONS {
            let parameters = [shape[1], 1, 1, 1];
            assert_same_operation(
                vec![random(shape) * 3.0 + 2.0, random(parameters), random(parameters)],
                |i| kernels::group_norm(i[0].clone(), groups, vector(&i[1]), vector(&i[2]), 1e-5, activation),
                |i| {
                    let sets =
                        i[0].clone().reshape([shape[0], groups, shape[1] / groups * shape[2] * shape[3]]);
                    let centred = sets.clone() - sets.mean_dim(2);
                    let variance = centred.clone().square().mean_dim(2);
                    let normalised = (centred / (variance + 1e-5).sqrt()).reshape(shape);
                    activate(activation, scaled(normalised, &i[1], &i[2]))
                },
            );
        }
    }
}

#[test]
fn double_precision_takes_the_same_operations_of_burn() {
    type Wide = Autodiff<Flex>;
    let x: Tensor<Wide, 4> = random([2, 4, 6, 6]);
    let parameters: Tensor<Wide, 1> = random([4]) * 0.25 + 0.75;
    let single = |x: Tensor<Wide, 4>, p: Tensor<Wide, 1>| {
        let x = x.require_grad();
        let y = kernels::group_norm(x.clone(), 2, p.clone(), p, 1e-5, Activation::Silu);
        let y = kernels::upsample2x(kernels::max_pool2x2(kernels::concat_channels(y.clone(), y)));
        let gradients = y.clone().powi_scalar(2).sum().backward();
        [y.into_data().convert::<f32>(), x.grad(&gradients).unwrap().into_data().convert::<f32>()]
    };
    let wide = burn::tensor::FloatDType::F64;
    let found = single(x.clone().cast(wide), parameters.clone().cast(wide));
    for (found, expected) in found.into_iter().zip(single(x, parameters)) {
        assert_same(found, expected);
    }
}

#[test]
fn pooling_upsampling_and_concatenation_equal_burn() {
    for shape in [[2, 3, 8, 6], [1, 1, 7, 5], [1, 2, 2, 2], [1, 2, 33, 70]] {
        assert_same_operation(
            vec![random(shape)],
            |i| kernels::max_pool2x2(i[0].clone()),
            |i| module::max_pool2d(i[0].clone(), [2, 2], [2, 2], [0, 0], [1, 1], false),
        );
        assert_same_operation(
            vec![random(shape)],
            |i| kernels::max_pool3x3(i[0].clone()),
            |i| module::max_pool2d(i[0].clone(), [3, 3], [2, 2], [1, 1], [1, 1], false),
        );
        assert_same_operation(
            vec![random(shape)],
            |i| kernels::upsample2x(i[0].clone()),
            |i| {
                let size = [2 * shape[2], 2 * shape[3]];
                module::interpolate(i[0].clone(), size, InterpolateOptions::new(InterpolateMode::Nearest))
            },
        );
        let [batch, channels, height, width] = shape;
        assert_same_operation(
            vec![random(shape), random([batch, channels + 2, height, width])],
            |i| kernels::concat_channels(i[0].clone(), i[1].clone()),
            |i| Tensor::cat(i.to_vec(), 1),
        );
    }
}

#[test]
fn equal_values_in_a_pool_send_the_gradient_to_one_of_them() {
    let x = Tensor::<Train, 4>::ones([1, 1, 2, 4], &Default::default()).require_grad();
    let gradients = kernels::max_pool2x2(x.clone()).sum().backward();
    let expected = TensorData::from([[[[1.0f32, 0.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]);
    assert_eq!(x.grad(&gradients).unwrap().into_data(), expected);
}

#[derive(Module, Debug)]
struct Layers<B: burn::tensor::backend::Backend> {
    conv: Conv2d<B>,
    batch: BatchNorm<B>,
    group: GroupNorm<B>,
}

#[test]
fn layers_equal_the_forward_of_burns_modules() {
    let device = Default::default();
    for padding in [PaddingConfig2d::Same, PaddingConfig2d::Valid, PaddingConfig2d::Explicit(1, 0, 2, 1)] {
        let kernel = if padding == PaddingConfig2d::Same { [2, 3] } else { [3, 3] };
        let init = || Layers::<Train> {
            conv: Conv2dConfig::new([3, 8], kernel).with_padding(padding.clone()).init(&device),
            batch: BatchNormConfig::new(8).init(&device),
            group: GroupNormConfig::new(2, 8).init(&device),
        };
        let layers = init();
        // Parameters are drawn when first used; a record taken before would draw its own.
        let _ = (layers.conv.weight.val(), layers.conv.bias.as_ref().map(|bias| bias.val()));
        // Through a record, because clones share their running statistics.
        let other = init().load_record(layers.clone().into_record());
        let x = random([2, 3, 9, 11]);
        let found = kernels::layer::conv2d(&layers.conv, x.clone());
        let expected = other.conv.forward(x);
        assert_same(found.to_data(), expected.to_data());
        for _ in 0..2 {
            let found = kernels::layer::batch_norm(&layers.batch, found.clone(), None, Activation::Identity);
            assert_same(found.to_data(), other.batch.forward(expected.clone()).to_data());
        }
        let running =
            |norm: &BatchNorm<Train>| [norm.running_mean.value_sync(), norm.running_var.value_sync()];
        for (found, expected) in running(&layers.batch).into_iter().zip(running(&other.batch)) {
            assert_same(found.to_data(), expected.to_data());
        }
        let found_group =
            kernels::layer::group_norm(&layers.group, found.clone(), None, Activation::Identity);
        assert_same(found_group.to_data(), other.group.forward(expected.clone()).to_data());
        // Without autodiff the running statistics are used.
        use burn::module::AutodiffModule;
        let (valid, other) = (layers.valid(), other.valid());
        let found = kernels::layer::batch_norm(&valid.batch, found.inner(), None, Activation::Relu);
        assert_same(found.to_data(), activation::relu(other.batch.forward(expected.inner())).to_data());
    }
    let conditions = [None, Some((true, 6)), Some((false, 6))];
    for (bias, condition) in [(true, conditions[0]), (true, conditions[1]), (false, conditions[2])] {
        // A convolution and its norm are one operation in prediction, and the same as one after the other.
        use burn::module::AutodiffModule;
        let same = PaddingConfig2d::Explicit(1, 1, 1, 1);
        let conv =
            Conv2dConfig::new([5, 8], [3, 3]).with_padding(same).with_bias(bias).init::<Train>(&device);
        let norm = BatchNormConfig::new(8).init::<Train>(&device);
        let (shared, own) = (random([2, 2, 9, 20]), random([6, 3, 9, 20]));
        let condition = condition.map(|(scales, images)| kernels::layer::Condition {
            change: random([images, if scales { 16 } else { 8 }]),
        });
        let x = Joined { shared: Some(shared.clone()), own: own.clone() };
        // Moves the running statistics.
        let trained = kernels::layer::conv2d_batch_norm(&conv, &norm, x, condition.clone(), Activation::Relu);
        assert_eq!(trained.dims(), [6, 8, 9, 20]);
        let y = kernels::layer::conv2d(&conv, joined(shared.clone(), own.clone()));
        let (conv, norm) = (conv.valid(), norm.valid());
        let x = Joined { shared: Some(shared.inner()), own: own.inner() };
        let condition =
            condition.map(|condition| kernels::layer::Condition { change: condition.change.inner() });
        let found = kernels::layer::conv2d_batch_norm(&conv, &norm, x, condition.clone(), Activation::Relu);
        let expected = kernels::layer::batch_norm(&norm, y.inner(), condition, Activation::Relu);
        assert_same(found.into_data(), expected.into_data());
    }
    let up = ConvTranspose2dConfig::new([3, 5], [2, 2]).with_stride([2, 2]).init::<Train>(&device);
    let x = random([1, 3, 4, 5]);
    assert_same(kernels::layer::conv_transpose2d(&up, x.clone()).into_data(), up.forward(x).into_data());
}

#[test]
fn adam_takes_the_steps_of_burns() {
    use burn::module::Param;
    use burn::nn::{Linear, LinearConfig};
    use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, Optimizer, decay::WeightDecayConfig};
    use porecast_kernels::adam::{Adam, Decay};

    /// Five steps towards the same weights.
    fn walk<O: Optimizer<Linear<Train>, Train>>(mut optimizer: O) -> TensorData {
        let weight = Tensor::<Train, 2>::from_data(
            TensorData::new((0..35).map(|i| (i as f32 - 17.0) / 9.0).collect::<Vec<_>>(), [5, 7]),
            &Default::default(),
        );
        let mut layer = LinearConfig::new(5, 7).with_bias(false).init::<Train>(&Default::default());
        layer.weight = Param::from_tensor(weight);
        for step in 1..6 {
            let weight = layer.weight.val();
            let gradients = ((weight.clone() - 0.5).powi_scalar(2) * weight.sin()).sum().backward();
            let gradients = GradientsParams::from_grads(gradients, &layer);
            layer = optimizer.step(0.1 / step as f64, layer, gradients);
        }
        layer.weight.val().into_data()
    }
    let penalty = AdamConfig::new().with_epsilon(1e-8).with_weight_decay(Some(WeightDecayConfig::new(0.1)));
    assert_same(walk(Adam::new(1e-8, Decay::Penalty(0.1)).init()), walk(penalty.init()));
    let decoupled = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.3);
    assert_same(walk(Adam::new(1e-8, Decay::Decoupled(0.3)).init()), walk(decoupled.init()));
}

#[test]
fn a_rectifier_is_that_of_burn() {
    // Several chunks, and an empty tensor.
    for shape in [[2, 3, 5, 7], [1, 2, 130, 130], [1, 0, 2, 2]] {
        assert_same_operation(
            vec![random(shape)],
            |x| kernels::relu(x[0].clone()),
            |x| activation::relu(x[0].clone()),
        );
    }
    // The values of a tensor that is still used stay as they are.
    let x = Tensor::<Flex, 1>::from_data([-1.0, 2.0, f32::NAN], &Default::default());
    let rectified: Vec<f32> = kernels::relu(x.clone()).into_data().iter().collect();
    assert!(rectified[..2] == [0.0, 2.0] && rectified[2].is_nan(), "{rectified:?}");
    assert_eq!(x.into_data().iter::<f32>().next(), Some(-1.0));
}

#[test]
fn a_gated_change_is_that_of_burn() {
    for (batch, channels, size) in [(2, 3, [5, 7]), (1, 1, [1, 1])] {
        let inputs = vec![
            random([batch, channels, size[0], size[1]]),
            random([batch, 2 * channels, size[0], size[1]]) * 4.0,
        ];
        assert_same_operation(
            inputs,
            |x| kernels::gated_change(x[0].clone(), x[1].clone()),
            |x| {
                let gate = activation::sigmoid(x[1].clone().narrow(1, 0, channels));
                x[0].clone() + gate * (x[1].clone().narrow(1, channels, channels).tanh() - x[0].clone())
            },
        );
    }
}

#[test]
fn combined_images_are_those_of_burn() {
    // Domains, frames, outputs, features, sizes of both grids.
    for (domains, frames, outputs, features, [h, w], [height, width]) in [
        (2, 3, 2, 4, [3, 5], [12, 20]),
        (1, 1, 1, 1, [1, 1], [4, 4]),
        (3, 2, 1, 8, [4, 2], [9, 5]),
        (1, 2, 1, 2, [6, 16], [24, 64]),
    ] {
        let inputs = vec![
            random([domains * frames, outputs * features, h, w]),
            random([domains, features, height, width]),
        ];
        // Burn's interpolation has no gradient on this backend: two products with a matrix take its place.
        let line = |coarse: usize, fine: usize| {
            let mut weights = vec![0.0f32; coarse * fine];
            for pixel in 0..fine {
                let at = (pixel as f32 + 0.5) * coarse as f32 / fine as f32 - 0.5;
                let at = at.clamp(0.0, (coarse - 1) as f32);
                for coarse_pixel in 0..coarse {
                    weights[coarse_pixel * fine + pixel] = (1.0 - (at - coarse_pixel as f32).abs()).max(0.0);
                }
            }
            Tensor::<Train, 2>::from_data(TensorData::new(weights, [coarse, fine]), &Default::default())
        };
        assert_same_operation(
            inputs,
            |x| kernels::combine(x[0].clone(), x[1].clone()),
            |x| {
                let planes = domains * frames * outputs * features;
                let rows = line(h, height).transpose().unsqueeze_dim::<3>(0).repeat_dim(0, planes);
                let columns = line(w, width).unsqueeze_dim::<3>(0).repeat_dim(0, planes);
                let fine = rows.matmul(x[0].clone().reshape([planes, h, w])).matmul(columns);
                let fine = fine.reshape([domains, frames * outputs, features, height * width]);
                let images = x[1].clone().reshape([domains, 1, features, height * width]);
                (fine * images).sum_dim(2).reshape([domains * frames, outputs, height, width])
            },
        );
    }
}

#[test]
fn coefficients_are_interpolated_as_burn_interpolates_images() {
    let coefficients = random([1, 1, 3, 4]).detach();
    let found = kernels::combine(coefficients.clone(), Tensor::ones([1, 1, 12, 16], &Default::default()));
    let options = InterpolateOptions::new(InterpolateMode::Bilinear).with_align_corners(false);
    let expected = module::interpolate(coefficients, [12, 16], options);
    assert_same(found.to_data(), expected.to_data());
}
