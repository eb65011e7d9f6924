//! Tiles of 4 x 4 output pixels and their 36 components.
//!
//! A strip is a row of tiles of an image. The tiles of several strips, also of several images, form one list, so
//! that vectors are full however narrow the images are.

use std::ops::Range;

use super::points::{self, COMPONENTS, SIDE};
use crate::conv::panel::odd_lines;
use crate::share::Shared;
use crate::simd::Simd;

/// Components of a tile.
pub(crate) const SQUARE: usize = COMPONENTS * COMPONENTS;
/// Floats of the widest vector.
const WIDEST: usize = 16;

/// Some strips of a batch of images.
#[derive(Clone, Debug)]
pub(crate) struct Strips {
    size: [usize; 2],
    range: Range<usize>,
}

/// A row of output pixels: its image and its place there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    /// Index of the strip in the list.
    pub strip: usize,
    pub image: usize,
    pub y: usize,
}

impl Strips {
    /// Strips of an image of this size.
    pub fn per_image([height, _]: [usize; 2]) -> usize {
        height.div_ceil(SIDE)
    }

    /// The strips in `range` of a batch of images of this size.
    pub fn new(size: [usize; 2], range: Range<usize>) -> Self {
        Self { size, range }
    }

    /// Splits a batch into lists of about `tiles` tiles, equal but for the last. The split depends on sizes alone.
    pub fn split(batch: usize, size: [usize; 2], tiles: usize) -> Vec<Self> {
        let all = batch * Self::per_image(size);
        let together = (tiles / size[1].div_ceil(SIDE)).clamp(1, all.max(1));
        let together = all.div_ceil(all.div_ceil(together).max(1)).max(1);
        (0..all).step_by(together).map(|first| Self::new(size, first..(first + together).min(all))).collect()
    }

    /// Images of the first and the other strips.
    pub fn images(&self) -> impl Iterator<Item = usize> {
        let per_image = Self::per_image(self.size);
        self.range.clone().map(move |strip| strip / per_image)
    }

    fn columns(&self) -> usize {
        self.size[1].div_ceil(SIDE)
    }

    /// Pixels of an image.
    pub fn plane(&self) -> usize {
        self.size[0] * self.size[1]
    }

    /// Number of tiles.
    pub fn tiles(&self) -> usize {
        self.range.len() * self.columns()
    }

    /// Floats for one component of all tiles, in whole vectors.
    pub fn line(&self) -> usize {
        self.tiles().next_multiple_of(WIDEST)
    }

    /// Floats from one component to the next, for so many channels. Each component's tasks write 36 places at
    /// once, which must not share a set of the cache.
    pub fn component(&self, channels: usize) -> usize {
        odd_lines(channels * self.line())
    }

    /// Floats of scratch for one channel's components or outputs.
    pub fn scratch(&self) -> usize {
        COMPONENTS * self.wide() + COMPONENTS * self.line()
    }

    /// Floats for a row of pixels of all strips; the last vector may go beyond it.
    fn wide(&self) -> usize {
        odd_lines(SIDE * self.line() + WIDEST)
    }

    /// Transforms a channel, `plane(image)`, to the components of its tiles, `component` floats apart from `first` on.
    ///
    /// # Safety
    /// The processor has the instructions of `S`; no other task accesses these components of the tiles.
    #[inline(always)]
    pub unsafe fn components<'x, S: Simd>(
        &self,
        plane: impl Fn(usize) -> &'x [f32],
        scratch: &mut [f32],
        to: Shared<f32>,
        first: usize,
        component: usize,
    ) {
        let [height, width] = self.size;
        let (tiles, line, wide) = (self.tiles(), self.line(), self.wide());
        let (rows, phases) = scratch.split_at_mut(COMPONENTS * wide);
        // Along the height, in vectors of pixels.
        for (index, strip) in self.range.clone().enumerate() {
            let per_image = Self::per_image(self.size);
            let (plane, top) = (plane(strip / per_image), strip % per_image * SIDE);
            for x in (0..width).step_by(S::LANES) {
                let live = S::LANES.min(width - x);
                // SAFETY: the caller ensures the instructions; the loads are from a slice of `live` floats, and
                // a row of scratch is a vector longer than its pixels.
                unsafe {
                    let mut pixels = [S::splat(0.0); COMPONENTS];
                    for (row, pixels) in pixels.iter_mut().enumerate() {
                        let y = (top + row).wrapping_sub(1);
                        if y < height {
                            let from = &plane[y * width + x..][..live];
                            *pixels = if live == S::LANES {
                                S::load(from.as_ptr())
                            } else {
                                S::load_first(from.as_ptr(), live)
                            };
                        }
                    }
                    for (k, values) in points::input::<S>(pixels).into_iter().enumerate() {
                        let place = k * wide + index * self.columns() * SIDE + x;
                        debug_assert!(place + S::LANES <= rows.len());
                        S::store(rows.as_mut_ptr().add(place), values);
                    }
                }
            }
        }
        // Along the width, in vectors of tiles.
        for k in 0..COMPONENTS {
            let [p0, p1, p2, p3, p4, p5] = six(phases, line);
            let row = &rows[k * wide..][..SIDE * line];
            for tile in (0..tiles).step_by(S::LANES) {
                // SAFETY: the caller ensures the instructions; lines are whole vectors.
                unsafe {
                    let values = S::load_apart(row.as_ptr().add(SIDE * tile));
                    for (phase, value) in [&mut *p1, &mut *p2, &mut *p3, &mut *p4].into_iter().zip(values) {
                        S::store(phase.as_mut_ptr().add(tile), value);
                    }
                }
            }
            // A tile's first pixel is the last of the tile before it, its last pixel the first of the next.
            let columns = self.columns();
            p0[1..tiles].copy_from_slice(&p4[..tiles - 1]);
            p5[..tiles - 1].copy_from_slice(&p1[1..tiles]);
            p0[..tiles].iter_mut().step_by(columns).for_each(|edge| *edge = 0.0);
            p5[..tiles].iter_mut().skip(columns - 1).step_by(columns).for_each(|edge| *edge = 0.0);
            for tile in (0..tiles).step_by(S::LANES) {
                // SAFETY: the caller ensures the instructions; lines are whole vectors.
                unsafe {
                    let pixels =
                        [&*p0, &*p1, &*p2, &*p3, &*p4, &*p5].map(|phase| S::load(phase.as_ptr().add(tile)));
                    for (j, values) in points::input::<S>(pixels).into_iter().enumerate() {
                        let place = (k * COMPONENTS + j) * component + first + tile;
                        S::store(to.pointer(place, S::LANES), values);
                    }
                }
            }
        }
    }

    /// Transforms the products of a channel, `component` floats apart, to rows of output pixels plus `start`. The slices
    /// go on for at least a vector beyond the row.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    #[inline(always)]
    pub unsafe fn outputs<S: Simd>(
        &self,
        products: &[f32],
        component: usize,
        start: f32,
        scratch: &mut [f32],
        mut visit: impl FnMut(Row, &[f32]),
    ) {
        let height = self.size[0];
        let (tiles, line) = (self.tiles(), self.line());
        let (phases, row) = scratch.split_at_mut(SIDE * SIDE * line);
        debug_assert!(products.len() >= (SQUARE - 1) * component + line && row.len() >= SIDE * line);
        for tile in (0..tiles).step_by(S::LANES) {
            // SAFETY: the caller ensures the instructions; lines are whole vectors.
            unsafe {
                let mut sums = [[S::splat(0.0); COMPONENTS]; SIDE];
                for j in 0..COMPONENTS {
                    let mut column = [S::splat(0.0); COMPONENTS];
                    for (k, column) in column.iter_mut().enumerate() {
                        *column = S::load(products.as_ptr().add((k * COMPONENTS + j) * component + tile));
                    }
                    for (sums, sum) in sums.iter_mut().zip(points::output::<S>(column)) {
                        sums[j] = sum;
                    }
                }
                for (r, sums) in sums.into_iter().enumerate() {
                    for (phase, sum) in points::output::<S>(sums).into_iter().enumerate() {
                        let to = phases.as_mut_ptr().add((r * SIDE + phase) * line + tile);
                        S::store(to, S::add(sum, S::splat(start)));
                    }
                }
            }
        }
        let per_image = Self::per_image(self.size);
        for r in 0..SIDE {
            for tile in (0..tiles).step_by(S::LANES) {
                // SAFETY: the caller ensures the instructions; lines are whole vectors, and the row holds all of them.
                unsafe {
                    let phase = |p: usize| S::load(phases.as_ptr().add((r * SIDE + p) * line + tile));
                    let values = [phase(0), phase(1), phase(2), phase(3)];
                    S::store_apart(row.as_mut_ptr().add(SIDE * tile), values);
                }
            }
            for (index, strip) in self.range.clone().enumerate() {
                let y = strip % per_image * SIDE + r;
                if y < height {
                    let place = Row { strip: index, image: strip / per_image, y };
                    visit(place, &row[index * self.columns() * SIDE..]);
                }
            }
        }
    }
}

/// Six parts of `len` floats.
#[inline(always)]
fn six(all: &mut [f32], len: usize) -> [&mut [f32]; COMPONENTS] {
    let (a, rest) = all.split_at_mut(len);
    let (b, rest) = rest.split_at_mut(len);
    let (c, rest) = rest.split_at_mut(len);
    let (d, rest) = rest.split_at_mut(len);
    let (e, rest) = rest.split_at_mut(len);
    [a, b, c, d, e, &mut rest[..len]]
}
