//! Transposes the output gradient to vectors of output channels.

use crate::conv::shape::ConvShape;
use crate::simd::Simd;

/// Vectors of output channels in a register tile: two, unless one holds all channels.
#[inline(always)]
pub(super) fn out_vectors<S: Simd>(out_channels: usize) -> usize {
    if out_channels <= S::LANES { 1 } else { 2 }
}

/// Output channels rounded up to whole register tiles.
#[inline(always)]
pub(super) fn padded_block<S: Simd>(out_channels: usize) -> usize {
    out_channels.next_multiple_of(out_vectors::<S>(out_channels) * S::LANES)
}

/// Destination of the output gradient: `[out block][pixel][out of the block]`, from `first_pixel` of `pixels`.
pub(super) struct Transposed<'a> {
    pub all: &'a mut [f32],
    pub pixels: usize,
    pub first_pixel: usize,
}

impl Transposed<'_> {
    /// Transposes `count` pixels from `first` of each channel.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    pub(super) unsafe fn take<S: Simd>(self, shape: &ConvShape, planes: &[f32], first: usize, count: usize) {
        for lanes in (0..padded_block::<S>(shape.out_channels)).step_by(S::LANES) {
            let live = S::LANES.min(shape.out_channels.saturating_sub(lanes));
            let planes = &planes[lanes.min(shape.out_channels) * shape.out_plane()..];
            let to = self.place::<S>(shape, lanes) + self.first_pixel * self.line::<S>(shape);
            // SAFETY: the caller's promise.
            unsafe {
                let (line, all) = (self.line::<S>(shape), &mut self.all[to..]);
                transpose_lanes::<S>(planes, shape.out_plane(), first, count, live, all, line);
            }
        }
    }

    /// Floats from one pixel to the next.
    #[inline(always)]
    fn line<S: Simd>(&self, shape: &ConvShape) -> usize {
        out_vectors::<S>(shape.out_channels) * S::LANES
    }

    /// Start of a vector of output channels.
    #[inline(always)]
    fn place<S: Simd>(&self, shape: &ConvShape, lanes: usize) -> usize {
        let line = self.line::<S>(shape);
        lanes / line * self.pixels * line + lanes % line
    }
}

/// Transposes `count` pixels from `first` of `live` channels (at most LANES), `plane` floats apart. Missing
/// channels are zero.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn transpose_lanes<S: Simd>(
    planes: &[f32],
    plane: usize,
    first: usize,
    count: usize,
    live: usize,
    to: &mut [f32],
    line: usize,
) {
    let mut done = 0;
    if live == S::LANES {
        assert!(planes.len() >= (S::LANES - 1) * plane + first + count);
        assert!(count == 0 || to.len() >= (count - 1) * line + S::LANES);
        while done + S::LANES <= count {
            // SAFETY: LANES channels by LANES pixels, inside both slices as just asserted.
            unsafe {
                S::transpose(
                    planes.as_ptr().add(first + done),
                    plane,
                    to.as_mut_ptr().add(done * line),
                    line,
                );
            }
            done += S::LANES;
        }
    }
    for pixel in done..count {
        for (channel, to) in to[pixel * line..][..S::LANES].iter_mut().enumerate() {
            *to = if channel < live { planes[channel * plane + first + pixel] } else { 0.0 };
        }
    }
}
