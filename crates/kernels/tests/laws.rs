//! What holds whatever the implementation: derivatives, determinism.

use std::cell::Cell;

use burn::backend::{Autodiff, Flex};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Tensor, TensorData};
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

/// A small network through every operation.
fn network(x: Tensor<Train, 4>, weight: Tensor<Train, 4>, scale: Tensor<Train, 1>) -> Tensor<Train, 1> {
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
    let y = kernels::conv2d(x, weight, Some(scale.clone()), options);
    let y = kernels::batch_norm(y, scale.clone(), scale.clone(), 1e-5, Activation::Silu).output;
    let down = kernels::max_pool2x2(y.clone());
    let y = kernels::concat_channels(kernels::upsample2x(down), y);
    let scale = Tensor::cat(vec![scale.clone(), scale], 0);
    let y = kernels::group_norm(y, 2, scale.clone(), scale, 1e-5, Activation::Silu);
    y.powi_scalar(3).mean()
}

#[test]
fn gradients_are_the_limit_of_differences() {
    let (x, weight, scale) = (random([2, 3, 6, 8]), random([4, 3, 3, 3]), random([4]) + 2.0);
    let [x, weight] = [x, weight].map(Tensor::require_grad);
    let scale = scale.require_grad();
    let gradients = network(x.clone(), weight.clone(), scale.clone()).backward();
    let value = |x: Tensor<Train, 4>, weight: Tensor<Train, 4>, scale: Tensor<Train, 1>| {
        network(x.detach(), weight.detach(), scale.detach()).into_scalar() as f64
    };
    let step = 1e-2f32;
    // Along the direction of each gradient the slope is its length.
    for which in 0..3 {
        let moved = |by: f32| {
            let along = |wanted: usize| if which == wanted { by } else { 0.0 };
            let unit = |gradient: Tensor<Flex, 4>| {
                let length = gradient.clone().square().sum().sqrt().into_scalar();
                (gradient / length, length)
            };
            let (dx, x_length) = unit(x.grad(&gradients).unwrap());
            let (dw, w_length) = unit(weight.grad(&gradients).unwrap());
            let (ds, s_length) = unit(scale.grad(&gradients).unwrap().reshape([4, 1, 1, 1]));
            let found = value(
                x.clone().detach() + Tensor::from_inner(dx) * along(0),
                weight.clone().detach() + Tensor::from_inner(dw) * along(1),
                scale.clone().detach() + Tensor::from_inner(ds.reshape([4])) * along(2),
            );
            (found, [x_length, w_length, s_length][which] as f64)
        };
        let ((above, length), (below, _)) = (moved(step), moved(-step));
        let slope = (above - below) / (2.0 * step as f64);
        assert!((slope / length - 1.0).abs() < 2e-2, "input {which}: {slope} instead of {length}");
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bytes() {
    let (x, weight, scale) = (random([3, 20, 40, 70]), random([36, 20, 3, 3]), random([36]) + 2.0);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let (x, weight, scale) =
                (x.clone().require_grad(), weight.clone().require_grad(), scale.clone().require_grad());
            let loss = network(x.clone(), weight.clone(), scale.clone());
            let gradients = loss.backward();
            [
                loss.into_data(),
                x.grad(&gradients).unwrap().into_data(),
                weight.grad(&gradients).unwrap().into_data(),
                scale.grad(&gradients).unwrap().into_data(),
            ]
        })
    };
    let single = run(1);
    for threads in [2, 3, 7] {
        assert_eq!(single, run(threads), "{threads} threads");
    }
}
