//! Convolutions of rounded numbers: what a training loses in TF32 or bfloat16, on any device.

use std::cell::Cell;

use burn::tensor::Tensor;

use crate::backend::Backend;
use crate::fallback::{primitive, tensor};

/// Precision of the numbers that a convolution multiplies; its sums have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// As they are stored.
    #[default]
    Float32,
    /// A mantissa of ten bits.
    Tf32,
    /// A mantissa of seven bits.
    Bfloat16,
}

thread_local! {
    static CURRENT: Cell<Precision> = const { Cell::new(Precision::Float32) };
}

/// Does `work` with convolutions of this precision, forward and backward, on this thread. Norms, losses and sums keep 32 bits.
pub fn with_precision<T>(precision: Precision, work: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(precision);
    let done = work();
    CURRENT.set(before);
    done
}

/// The precision of [`with_precision`].
pub(crate) fn current() -> Precision {
    CURRENT.get()
}

/// `x` rounded to the nearest number of the current precision, by operations that every backend has.
///
/// # References
/// Dekker (1971), section 5: multiplying by 2ˢ + 1 and subtracting the difference leaves s bits fewer.
pub(crate) fn rounded<B: burn::tensor::backend::Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    let removed = match current() {
        Precision::Float32 => return x,
        Precision::Tf32 => 13,
        Precision::Bfloat16 => 16,
    };
    let large = x.clone() * f64::from((1 << removed) + 1);
    large.clone() - (large - x)
}

/// A factor of a convolution: rounded; its gradient passes unchanged.
pub(crate) fn factor<B: Backend>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    if current() == Precision::Float32 { x } else { tensor(B::round_factor(primitive(x))) }
}

/// The output of a convolution: unchanged; its gradient, a factor in the backward pass, is rounded.
pub(crate) fn output<B: Backend>(y: Tensor<B, 4>) -> Tensor<B, 4> {
    if current() == Precision::Float32 { y } else { tensor(B::round_gradient(primitive(y))) }
}

#[cfg(test)]
mod tests {
    use burn::backend::{Autodiff, Flex};
    use burn::tensor::ops::{ConvOptions, ConvTransposeOptions};
    use proptest::prelude::*;

    use super::*;

    /// `value` to the nearest number whose last `removed` bits are zero.
    fn by_bits(value: f32, removed: u32) -> f32 {
        let (bits, unit) = (value.to_bits(), 1u32 << removed);
        let [below, above] = [bits & !(unit - 1), (bits & !(unit - 1)) + unit].map(f32::from_bits);
        if (value - below).abs() <= (above - value).abs() { below } else { above }
    }

    proptest! {
        #[test]
        fn numbers_are_rounded_to_the_nearest_with_fewer_bits(value in -1e6f32..1e6) {
            for (precision, removed) in [(Precision::Tf32, 13), (Precision::Bfloat16, 16)] {
                let x = Tensor::<Flex, 4>::full([1, 1, 1, 1], value, &Default::default());
                let found = with_precision(precision, || rounded(x)).into_scalar();
                let expected = by_bits(value, removed);
                prop_assert_eq!(found.to_bits() & ((1 << removed) - 1), 0, "{} has more bits", found);
                // Half-way, either neighbour will do.
                prop_assert!((found - value).abs() <= (expected - value).abs(), "{value}: {found}, not {expected}");
            }
        }
    }

    fn noise<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<Autodiff<Flex>, D> {
        let count = shape.iter().product::<usize>() as i64;
        let values = Tensor::arange(0..count, &Default::default()).float();
        let noise: Tensor<Autodiff<Flex>, 1> = (values * (seed as f64 + 0.37)).sin();
        noise.reshape(shape)
    }

    /// Output and gradients of a function of two tensors, whose output has the gradient `last`.
    fn differentiated(
        of: impl Fn([Tensor<Autodiff<Flex>, 4>; 2]) -> Tensor<Autodiff<Flex>, 4>,
        [x, weight]: [Tensor<Autodiff<Flex>, 4>; 2],
        last: impl Fn(Tensor<Autodiff<Flex>, 4>) -> Tensor<Autodiff<Flex>, 4>,
    ) -> [Tensor<Flex, 4>; 3] {
        let [x, weight] = [x, weight].map(|of| of.detach().require_grad());
        let y = of([x.clone(), weight.clone()]);
        let gradients = (y.clone() * last(noise(9, y.dims()))).sum().backward();
        [y.inner(), x.grad(&gradients).expect("of x"), weight.grad(&gradients).expect("of the weight")]
    }

    #[test]
    fn every_factor_of_a_convolution_is_rounded_forward_and_backward() {
        let plain = ConvOptions::new([1, 1], [1, 1], [1, 1], 1);
        let transposed = ConvTransposeOptions::new([2, 2], [0, 0], [0, 0], [1, 1], 1);
        for precision in [Precision::Tf32, Precision::Bfloat16] {
            let plain_weight = [4, 3, 3, 3];
            for (of_weight, kind) in
                [(plain_weight, "plain"), (plain_weight, "pair"), ([3, 4, 2, 2], "transposed")]
            {
                let of_x = [2, 3, 6, 5];
                let convolve = |[x, weight]: [Tensor<Autodiff<Flex>, 4>; 2]| match kind {
                    "plain" => crate::conv2d(x, weight, None, plain.clone()),
                    "pair" => {
                        let pair = [x.clone().narrow(1, 0, 1), x.narrow(1, 1, 2)];
                        crate::functions::conv2d_pair(pair, weight, None, plain.clone())
                    }
                    _ => crate::conv_transpose2d(x, weight, None, transposed.clone()),
                };
                let inputs = [noise(1, of_x), noise(2, of_weight)];
                let found =
                    with_precision(precision, || differentiated(convolve, inputs.clone(), |last| last));
                let inputs = with_precision(precision, || inputs.map(rounded));
                let expected =
                    differentiated(convolve, inputs, |last| with_precision(precision, || rounded(last)));
                for (found, expected) in found.into_iter().zip(expected) {
                    assert_eq!(found.into_data(), expected.into_data());
                }
            }
        }
    }
}
