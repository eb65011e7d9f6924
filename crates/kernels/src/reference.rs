//! Slow, obvious reference implementations in double precision for the tests.

use crate::conv::shape::ConvShape;
use crate::simd::Level;

/// Calls `visit(input, weight, output)` with the indices of every product of a convolution.
fn products(shape: &ConvShape, mut visit: impl FnMut(usize, usize, usize)) {
    let [in_height, in_width] = shape.in_size;
    let [out_height, out_width] = shape.out_size;
    let [kernel_height, kernel_width] = shape.kernel;
    for image in 0..shape.batch {
        for out in 0..shape.out_channels {
            for y in 0..out_height {
                for x in 0..out_width {
                    for input in 0..shape.in_channels {
                        for ky in 0..kernel_height {
                            for kx in 0..kernel_width {
                                let row = y * shape.stride[0] + ky * shape.dilation[0];
                                let column = x * shape.stride[1] + kx * shape.dilation[1];
                                let row = row.wrapping_sub(shape.padding[0]);
                                let column = column.wrapping_sub(shape.padding[1]);
                                if row < in_height && column < in_width {
                                    visit(
                                        ((image * shape.in_channels + input) * in_height + row) * in_width
                                            + column,
                                        ((out * shape.in_channels + input) * kernel_height + ky)
                                            * kernel_width
                                            + kx,
                                        ((image * shape.out_channels + out) * out_height + y) * out_width + x,
                                    );
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Expected sums of products, and the scale to which their rounding errors relate.
pub(crate) struct Sums {
    pub values: Vec<f64>,
    /// Largest sum of absolute products, at least one. The rounding error of a sum is proportional to it (Higham,
    /// Accuracy and Stability of Numerical Algorithms, section 3.1), also where the products cancel.
    pub scale: f64,
}

impl Sums {
    /// Sums that begin with `values`, of the products that `visit` lists as (index of the sum, product).
    pub fn of(mut values: Vec<f64>, visit: impl FnOnce(&mut dyn FnMut(usize, f64))) -> Self {
        let mut absolute: Vec<f64> = values.iter().map(|value| value.abs()).collect();
        visit(&mut |index, product| {
            values[index] += product;
            absolute[index] += product.abs();
        });
        Sums { values, scale: absolute.into_iter().fold(1.0, f64::max) }
    }
}

pub(crate) fn convolve(shape: &ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Sums {
    let out = (0..shape.out_len())
        .map(|i| bias.map_or(0.0, |bias| bias[i / shape.out_plane() % shape.out_channels] as f64))
        .collect();
    Sums::of(out, |add| products(shape, |i, w, o| add(o, x[i] as f64 * weight[w] as f64)))
}

pub(crate) fn input_gradient(shape: &ConvShape, weight: &[f32], out_gradient: &[f32]) -> Sums {
    let zeros = vec![0.0; shape.in_len()];
    Sums::of(zeros, |add| products(shape, |i, w, o| add(i, weight[w] as f64 * out_gradient[o] as f64)))
}

pub(crate) fn weight_gradient(shape: &ConvShape, x: &[f32], out_gradient: &[f32]) -> Sums {
    let zeros = vec![0.0; shape.weight_len()];
    Sums::of(zeros, |add| products(shape, |i, w, o| add(w, x[i] as f64 * out_gradient[o] as f64)))
}

/// Pseudorandom numbers in [-1, 1), the same for the same seed.
pub(crate) fn noise(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..len)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Tolerance at a level: `single` for single-precision products; with floats in two bfloat16 halves, each product errs
/// by up to 3/2¹⁸ of itself: twice the rounding of a lower half, and the product of the lower halves.
pub(crate) fn tolerance(level: Level, single: f64) -> f64 {
    if level == Level::Amx { 1.2e-5 } else { single }
}

/// Asserts that sums of products agree within `tolerance`, relative to their scale.
pub(crate) fn assert_sums(found: &[f32], expected: &Sums, tolerance: f64) {
    assert_within(found, &expected.values, tolerance, expected.scale);
}

/// Asserts that the values agree within `tolerance`, relative to the largest expected value or to one.
pub(crate) fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    let scale = expected.iter().fold(1.0f64, |most, value| most.max(value.abs()));
    assert_within(found, expected, tolerance, scale);
}

fn assert_within(found: &[f32], expected: &[f64], tolerance: f64, scale: f64) {
    assert_eq!(found.len(), expected.len());
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found as f64 - expected).abs();
        assert!(error <= tolerance * scale, "at {index}: {found} instead of {expected} (scale {scale})");
    }
}

/// Reports that a test is skipped because the machine lacks `what`.
///
/// # Panics
/// If `PORECAST_REQUIRE` lists `what` or is `all`: the test must then run.
pub(crate) fn skip(what: &str, reason: &str) {
    let required = std::env::var("PORECAST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word == what || word == "all");
    assert!(!is_required, "PORECAST_REQUIRE={required} asks for this test, but {reason}");
    println!("skipped: {reason}");
}
