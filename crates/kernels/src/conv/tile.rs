//! The register tile used by all convolutions.

use std::ops::Range;

use super::panel::Vector;
use crate::ahead::{LINE, fetch};
use crate::simd::Simd;

/// Output channels whose weights are interleaved.
pub(crate) const BLOCK: usize = 8;

/// With at least so many vectors of sums, lines are fetched between the products, else before them: the products of a channel
/// then take too little time to hide a fetch.
const BETWEEN: usize = 16;

/// The terms summed for an output: channels of a panel, `channel` floats apart, and in each the taps at their
/// offsets. The weights are `[channel][tap][BLOCK]`.
#[derive(Clone, Copy)]
pub(crate) struct Terms<'a> {
    pub channels: usize,
    pub channel: usize,
    pub taps: &'a [usize],
}

impl Terms<'_> {
    /// Floats read from a panel pointer beyond the vector itself.
    pub fn reach(&self) -> usize {
        (self.channels.max(1) - 1) * self.channel + self.taps.iter().max().unwrap_or(&0)
    }

    /// Floats of the weights of a block.
    pub fn weights(&self) -> usize {
        self.channels * self.taps.len() * BLOCK
    }

    /// The sums of R output channels for C vectors of pixels, added to `start`. Meanwhile, `ahead` is
    /// fetched, a cache line with each channel.
    ///
    /// # Safety
    /// The processor has the instructions of `S`. The panel is valid for [`reach`](Self::reach) + LANES
    /// floats from each vector's place; the weights are valid for R floats at every multiple of [`BLOCK`]
    /// below [`weights`](Self::weights), and `start` for R floats.
    #[inline(always)]
    pub unsafe fn sum<S: Simd, const R: usize, const C: usize>(
        &self,
        panel: *const f32,
        vectors: &[Vector; C],
        weights: *const f32,
        start: *const f32,
        ahead: &[f32],
    ) -> [[S::Vector; C]; R] {
        // SAFETY: every address is inside the ranges ensured by the caller.
        unsafe {
            let mut sums = [[S::splat(0.0); C]; R];
            for (row, sums) in sums.iter_mut().enumerate() {
                *sums = [S::splat(*start.add(row)); C];
            }
            let mut from = [panel; C];
            for (from, vector) in from.iter_mut().zip(vectors) {
                *from = from.add(vector.from);
            }
            if R * C < BETWEEN {
                ahead.iter().step_by(LINE).for_each(fetch);
            }
            // A constant number of taps needs no inner loop.
            match *self.taps {
                [a] => self.add_products::<S, R, C>([a].iter(), from, weights, ahead, &mut sums),
                [a, b, c] => self.add_products::<S, R, C>([a, b, c].iter(), from, weights, ahead, &mut sums),
                _ => self.add_products::<S, R, C>(self.taps.iter(), from, weights, ahead, &mut sums),
            }
            sums
        }
    }

    /// # Safety
    /// As for `sum`, with pointers to the first pixel of each vector.
    #[inline(always)]
    unsafe fn add_products<'t, S: Simd, const R: usize, const C: usize>(
        &self,
        taps: impl Iterator<Item = &'t usize> + Clone,
        mut from: [*const f32; C],
        mut weights: *const f32,
        ahead: &[f32],
        sums: &mut [[S::Vector; C]; R],
    ) {
        for channel in 0..self.channels {
            if R * C >= BETWEEN
                && let Some(line) = ahead.get(channel * LINE)
            {
                fetch(line);
            }
            for &tap in taps.clone() {
                // SAFETY: every address is inside the ranges ensured by the caller.
                unsafe {
                    let mut pixels = [S::splat(0.0); C];
                    for (pixels, from) in pixels.iter_mut().zip(&from) {
                        *pixels = S::load(from.add(tap));
                    }
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let weight = S::splat(*weights.add(row));
                        for (sum, &pixels) in sums.iter_mut().zip(&pixels) {
                            *sum = S::fma(pixels, weight, *sum);
                        }
                    }
                    weights = weights.add(BLOCK);
                }
            }
            for from in &mut from {
                *from = from.wrapping_add(self.channel);
            }
        }
    }
}

/// Output channels of vectors of pixels, computed one register tile after the other.
pub(crate) trait InTiles {
    /// Blocks of output channels.
    fn blocks(&self) -> Range<usize>;

    /// R output channels of C vectors, from channel `first` of a block on.
    ///
    /// # Safety
    /// The processor has the instructions of `S`; the panel is valid for every tap of the vectors; no other task writes
    /// their pixels in these blocks; `first` + R is at most a block.
    unsafe fn rows<S: Simd, const R: usize, const C: usize>(
        &self,
        vectors: &[Vector; C],
        block: usize,
        first: usize,
    );

    /// All output channels of the vectors.
    ///
    /// # Safety
    /// As for `rows`.
    #[inline(always)]
    unsafe fn compute<S: Simd>(&self, mut vectors: &[Vector]) {
        // SAFETY: ensured by the caller.
        unsafe {
            while !vectors.is_empty() {
                if let (3.., Some((some, rest))) = (S::COLUMNS, vectors.split_first_chunk::<3>()) {
                    self.columns::<S, 3>(some);
                    vectors = rest;
                } else if let Some((some, rest)) = vectors.split_first_chunk::<2>() {
                    self.columns::<S, 2>(some);
                    vectors = rest;
                } else if let Some((some, rest)) = vectors.split_first_chunk::<1>() {
                    self.columns::<S, 1>(some);
                    vectors = rest;
                }
            }
            S::fence();
        }
    }

    /// All output channels of C vectors.
    ///
    /// # Safety
    /// As for `rows`.
    #[inline(always)]
    unsafe fn columns<S: Simd, const C: usize>(&self, vectors: &[Vector; C]) {
        for block in self.blocks() {
            // SAFETY: ensured by the caller; the rows are those of a block.
            unsafe {
                match S::ROWS {
                    8 => self.rows::<S, 8, C>(vectors, block, 0),
                    _ => {
                        self.rows::<S, 4, C>(vectors, block, 0);
                        self.rows::<S, 4, C>(vectors, block, 4);
                    }
                }
            }
        }
    }
}
