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

pub(crate) fn convolve(shape: &ConvShape, x: &[f32], weight: &[f32], bias: Option<&[f32]>) -> Vec<f64> {
    let mut out: Vec<f64> = (0..shape.out_len())
        .map(|i| bias.map_or(0.0, |bias| bias[i / shape.out_plane() % shape.out_channels] as f64))
        .collect();
    products(shape, |i, w, o| out[o] += x[i] as f64 * weight[w] as f64);
    out
}

pub(crate) fn input_gradient(shape: &ConvShape, weight: &[f32], out_gradient: &[f32]) -> Vec<f64> {
    let mut gradient = vec![0.0; shape.in_len()];
    products(shape, |i, w, o| gradient[i] += weight[w] as f64 * out_gradient[o] as f64);
    gradient
}

pub(crate) fn weight_gradient(shape: &ConvShape, x: &[f32], out_gradient: &[f32]) -> Vec<f64> {
    let mut gradient = vec![0.0; shape.weight_len()];
    products(shape, |i, w, o| gradient[w] += x[i] as f64 * out_gradient[o] as f64);
    gradient
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

/// Tolerance at a level: `single` for single-precision products, more if floats are split into two halves.
pub(crate) fn tolerance(level: Level, single: f64) -> f64 {
    if level == Level::Amx { 2e-5 } else { single }
}

/// Asserts that the values agree within `tolerance`, relative to the largest expected value or to one.
pub(crate) fn assert_close(found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    let scale = expected.iter().fold(1.0f64, |most, value| most.max(value.abs()));
    for (index, (&found, &expected)) in found.iter().zip(expected).enumerate() {
        let error = (found as f64 - expected).abs();
        assert!(error <= tolerance * scale, "at {index}: {found} instead of {expected} (largest {scale})");
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
