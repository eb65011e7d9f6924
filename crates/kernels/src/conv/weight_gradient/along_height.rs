//! Weight gradient of a 3x3 kernel from Winograd's components along the height: those of the input times those of the
//! output gradient, for each of the three kernel columns.
//!
//! A vector holds the output channels of a pixel. An input pixel is multiplied with the output gradients of its left
//! neighbour, of itself and of its right neighbour, which are three taps of the kernel.

use std::ops::Range;

use super::transposed::transpose_lanes;
use crate::conv::images::Image;
use crate::conv::shape::ConvShape;
use crate::conv::winograd::{self, COMPONENTS, GROUP};
use crate::simd::Simd;

/// Kernel columns.
pub(super) const TAPS: usize = 3;

/// Rows of the components of some groups: `width` pixels each.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub count: usize,
    pub width: usize,
}

impl Rows {
    /// Floats of a component of an input channel.
    pub fn input_len(self) -> usize {
        self.count * self.width
    }

    /// Pixels of a component of the output gradient: a row has one more on either side, which is zero.
    pub fn padded_len(self) -> usize {
        self.count * (self.width + 2)
    }
}

/// Output channels in whole vectors.
#[inline(always)]
fn padded_out<S: Simd>(shape: &ConvShape) -> usize {
    shape.out_channels.next_multiple_of(S::LANES)
}

/// Writes the components `[component][channel][row][pixel]` of groups of rows of an input, from the row `first_row` on.
/// `packed` has room for all rows of `channels` channels.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Sizes, input, places, output.
pub(super) unsafe fn take_input<S: Simd>(
    shape: &ConvShape,
    image: Image,
    channels: Range<usize>,
    first_group: usize,
    groups: usize,
    rows: Rows,
    first_row: usize,
    packed: &mut [f32],
) {
    let zeros = vec![0.0; rows.width];
    let stride = channels.len() * rows.input_len();
    for (index, channel) in channels.enumerate() {
        for group in 0..groups {
            let start = index * rows.input_len() + (first_row + group) * rows.width;
            let (plane, place) = (image.channel(channel), [start, stride]);
            // SAFETY: ensured by the caller.
            unsafe {
                winograd::input_components::<S>(
                    plane,
                    shape.in_size,
                    &zeros,
                    first_group + group,
                    packed,
                    place,
                )
            };
        }
    }
}

/// Writes the components `[component][vector of channels][row][pixel][channel]` of groups of rows of an output gradient,
/// from the row `first_row` on. `components` is scratch for a group of a vector of channels.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Sizes, input, places, scratch, output.
pub(super) unsafe fn take_gradient<S: Simd>(
    shape: &ConvShape,
    planes: &[f32],
    first_group: usize,
    groups: usize,
    rows: Rows,
    first_row: usize,
    components: &mut [f32],
    transposed: &mut [f32],
) {
    let [height, width] = shape.out_size;
    let zeros = vec![0.0; width];
    for lanes in (0..padded_out::<S>(shape)).step_by(S::LANES) {
        let live = S::LANES.min(shape.out_channels - lanes);
        for group in 0..groups {
            for lane in 0..live {
                let plane = &planes[(lanes + lane) * shape.out_plane()..][..shape.out_plane()];
                let mut from = [zeros.as_slice(); GROUP];
                for (index, from) in from.iter_mut().enumerate() {
                    let row = (first_group + group) * GROUP + index;
                    if row < height {
                        *from = &plane[row * width..][..width];
                    }
                }
                let to = &mut components[lane * COMPONENTS * width..][..COMPONENTS * width];
                // SAFETY: the caller's promise.
                unsafe { winograd::output_components::<S>(from, to) };
            }
            for component in 0..COMPONENTS {
                let start = (component * padded_out::<S>(shape) + lanes) * rows.padded_len();
                let row = start + (first_row + group) * (width + 2) * S::LANES;
                let row = &mut transposed[row..][..(width + 2) * S::LANES];
                row[..S::LANES].fill(0.0);
                row[(width + 1) * S::LANES..].fill(0.0);
                let (from, plane) = (component * width, COMPONENTS * width);
                // SAFETY: the caller's promise.
                unsafe {
                    transpose_lanes::<S>(
                        components,
                        plane,
                        from,
                        width,
                        live,
                        &mut row[S::LANES..],
                        S::LANES,
                    );
                }
            }
        }
    }
}

/// Adds the products of the components of `channels` input channels and of the output channels `outs` to the sums
/// `[component][channel][tap][out]`, whose rows have `line` floats.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Sizes, places, inputs, output.
pub(super) unsafe fn accumulate<S: Simd>(
    shape: &ConvShape,
    channels: usize,
    outs: Range<usize>,
    rows: Rows,
    packed: &[f32],
    transposed: &[f32],
    line: usize,
    sums: &mut [f32],
) {
    for component in 0..COMPONENTS {
        let packed = &packed[component * channels * rows.input_len()..][..channels * rows.input_len()];
        for lanes in (outs.start..outs.end.min(padded_out::<S>(shape))).step_by(S::LANES) {
            let start = (component * padded_out::<S>(shape) + lanes) * rows.padded_len();
            let gradient = &transposed[start..][..rows.padded_len() * S::LANES];
            // Three sums for each channel, three vectors of gradients and an input fit into 32 or 16 registers.
            let together = if S::ROWS == 8 { 8 } else { 3 };
            for first in (0..channels).step_by(together) {
                let sums = &mut sums[(component * channels + first) * TAPS * line + lanes - outs.start..];
                let live = together.min(channels - first);
                let packed = &packed[first * rows.input_len()..][..live * rows.input_len()];
                // SAFETY: the caller's promise.
                unsafe {
                    match together {
                        8 => tile::<S, 8>(rows, packed, gradient, line, sums),
                        _ => tile::<S, 3>(rows, packed, gradient, line, sums),
                    }
                }
            }
        }
    }
}

/// A register tile: the taps of at most C input channels for a vector of output channels.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn tile<S: Simd, const C: usize>(
    rows: Rows,
    packed: &[f32],
    gradient: &[f32],
    line: usize,
    sums: &mut [f32],
) {
    let live = packed.len() / rows.input_len();
    assert!(gradient.len() == rows.padded_len() * S::LANES);
    assert!((live * TAPS - 1) * line + S::LANES <= sums.len());
    // Channels beyond the last repeat it.
    let inputs: [&[f32]; C] =
        std::array::from_fn(|c| &packed[c.min(live - 1) * rows.input_len()..][..rows.input_len()]);
    // SAFETY: inputs and gradient have all rows, as asserted, and a row of the gradient two pixels more.
    unsafe {
        let mut acc = [[S::splat(0.0); TAPS]; C];
        for row in 0..rows.count {
            let inputs = inputs.map(|input| input.as_ptr().add(row * rows.width));
            let gradient = gradient.as_ptr().add(row * (rows.width + 2) * S::LANES);
            for pixel in 0..rows.width {
                // The first tap reads the pixel left of an output: its gradient is that of the right neighbour.
                let gradient = gradient.add(pixel * S::LANES);
                let taps = [2, 1, 0].map(|at| S::load(gradient.add(at * S::LANES)));
                for (acc, input) in acc.iter_mut().zip(inputs) {
                    let x = S::splat(*input.add(pixel));
                    for (acc, tap) in acc.iter_mut().zip(taps) {
                        *acc = S::fma(tap, x, *acc);
                    }
                }
            }
        }
        for (channel, acc) in acc.iter().enumerate() {
            if channel < live {
                for (tap, &acc) in acc.iter().enumerate() {
                    let to = sums.as_mut_ptr().add((channel * TAPS + tap) * line);
                    S::store(to, S::add(S::load(to), acc));
                }
            }
        }
    }
}
