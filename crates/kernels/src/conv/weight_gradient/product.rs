//! The matrix product for any kernel: rows of the sums times vectors of output channels, in register tiles.

use super::transposed::out_vectors;
use crate::conv::panel::Panel;
use crate::simd::Simd;

/// A run of consecutive pixels in the panels.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub from: usize,
    pub len: usize,
}

/// Packed panels and the transposed gradient for the same pixels.
pub(super) struct Product<'a> {
    pub panel: &'a Panel,
    /// Number of rows of the sums: channels by taps, taps fastest.
    pub sum_rows: usize,
    pub packed: &'a [f32],
    pub transposed: &'a [f32],
    pub runs: &'a [Run],
    pub pixels: usize,
}

impl Product<'_> {
    /// Panel values for row `row` at pixel 0; rows beyond the last use those of row 0.
    fn start(&self, row: usize) -> *const f32 {
        let (channel, tap) = (row / self.panel.taps.len(), row % self.panel.taps.len());
        let offset =
            if row < self.sum_rows { channel * self.panel.channel + self.panel.taps[tap] } else { 0 };
        debug_assert!(self.runs.iter().all(|run| offset + run.from + run.len <= self.packed.len()));
        self.packed[offset..].as_ptr()
    }
}

/// Adds the products to the sums `[row][padded out]`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn accumulate<S: Simd>(
    product: &Product,
    padded_out: usize,
    out_channels: usize,
    sums: &mut [f32],
) {
    // Two accumulators per row, as many in total as in a forward tile. They hold two vectors of output
    // channels or, if one vector holds all channels, the sums of alternate pixels.
    let group = S::ROWS * S::COLUMNS / 2;
    let line = out_vectors::<S>(out_channels) * S::LANES;
    for first_out in (0..out_channels).step_by(line) {
        let gradient = &product.transposed[first_out * product.pixels..][..product.pixels * line];
        for first in (0..product.sum_rows).step_by(group) {
            let live = group.min(product.sum_rows - first);
            let sums = &mut sums[first * padded_out + first_out..];
            // SAFETY: ensured by the caller.
            unsafe {
                match (group, line == S::LANES) {
                    (12, true) => tile::<S, 12, 1, 2>(product, gradient, first, live, padded_out, sums),
                    (12, false) => tile::<S, 12, 2, 1>(product, gradient, first, live, padded_out, sums),
                    (_, true) => tile::<S, 4, 1, 2>(product, gradient, first, live, padded_out, sums),
                    (_, false) => tile::<S, 4, 2, 1>(product, gradient, first, live, padded_out, sums),
                }
            }
        }
    }
}

/// A register tile: G rows of the sums from `first`, `live` of which exist, by V vectors of output channels, for P pixels
/// at a time.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn tile<S: Simd, const G: usize, const V: usize, const P: usize>(
    product: &Product,
    gradient: &[f32],
    first: usize,
    live: usize,
    padded_out: usize,
    sums: &mut [f32],
) {
    debug_assert_eq!(product.runs.iter().map(|run| run.len).sum::<usize>(), product.pixels);
    debug_assert_eq!(product.pixels * V * S::LANES, gradient.len());
    debug_assert!((live - 1) * padded_out + V * S::LANES <= sums.len());
    let rows = std::array::from_fn(|row| product.start(first + row));
    // SAFETY: the starts are valid for all pixels of the runs; the rest is asserted above.
    unsafe {
        let mut acc = [[[S::splat(0.0); V]; G]; P];
        let mut gradient = gradient.as_ptr();
        for run in product.runs {
            let (mut pixel, end) = (run.from, run.from + run.len);
            while pixel + P <= end {
                for (ahead, acc) in acc.iter_mut().enumerate() {
                    step::<S, G, V>(gradient.add(ahead * V * S::LANES), rows, pixel + ahead, acc);
                }
                pixel += P;
                gradient = gradient.add(P * V * S::LANES);
            }
            while pixel < end {
                step::<S, G, V>(gradient, rows, pixel, &mut acc[0]);
                pixel += 1;
                gradient = gradient.add(V * S::LANES);
            }
        }
        // Each row needs a constant index, otherwise the compiler keeps the sums in memory.
        let [first, others @ ..] = &mut acc[..] else { return };
        for other in others {
            for (first, other) in first.iter_mut().zip(other) {
                for (first, other) in first.iter_mut().zip(other) {
                    *first = S::add(*first, *other);
                }
            }
        }
        for (row, acc) in acc[0].iter().enumerate() {
            if row < live {
                for (vector, &acc) in acc.iter().enumerate() {
                    let to = sums.as_mut_ptr().add(row * padded_out + vector * S::LANES);
                    S::store(to, S::add(S::load(to), acc));
                }
            }
        }
    }
}

/// Adds the products of one pixel.
///
/// # Safety
/// The processor has the instructions of `S`; the gradient is valid for V vectors, and each row at `pixel`.
#[inline(always)]
unsafe fn step<S: Simd, const G: usize, const V: usize>(
    gradient: *const f32,
    rows: [*const f32; G],
    pixel: usize,
    acc: &mut [[S::Vector; V]; G],
) {
    // SAFETY: ensured by the caller.
    unsafe {
        let mut lanes = [S::splat(0.0); V];
        for (vector, lanes) in lanes.iter_mut().enumerate() {
            *lanes = S::load(gradient.add(vector * S::LANES));
        }
        for (row, acc) in acc.iter_mut().enumerate() {
            let x = S::splat(*rows[row].wrapping_add(pixel));
            for (acc, &lanes) in acc.iter_mut().zip(&lanes) {
                *acc = S::fma(lanes, x, *acc);
            }
        }
    }
}
