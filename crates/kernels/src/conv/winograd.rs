//! 3x3 convolution with half the multiplications: Winograd's F(4, 3) along the height.
//!
//! Four output rows need six input rows. With the matrices below, yᵢ = Σ_c Aᵢc (G w)_c (Bᵀ d)_c: Bᵀ
//! transforms the six input rows into six components, and G does the same with the three kernel rows. Each
//! component is a convolution with a 1x3 kernel along the width. A transforms the six results into four
//! output rows. 6 x 3 products replace 4 x 9. The weight gradient uses the same scheme with A and B
//! exchanged: components of the output gradient (A) times components of the input (Bᵀ), followed by Gᵀ.
//!
//! Vectors run along the width, so that the transforms are sums of rows. Lavin and Gray, "Fast algorithms for
//! convolutional neural networks" (2016), equations 5 to 11; interpolation points 0, ±1, ±2, ∞.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use rayon::prelude::*;

use super::direct::{task_split, tile_rows_within};
use super::finish::{Channel, Finish, ImageFinish};
use super::images::{Image, ImageMut, Images, ImagesMut};
use super::panel::{Panel, Vector};
use super::shape::ConvShape;
use super::square;
use super::tile::{BLOCK, InTiles, Terms};
use crate::ahead::{Ahead, LINE, fetch};
use crate::memory::{Buffer, with_scratch};
use crate::simd::{Kernel, Level, Simd};

/// Components of a group of rows.
pub(crate) const COMPONENTS: usize = 6;
/// Output rows of a group.
pub(crate) const GROUP: usize = 4;
/// Kernel rows.
const KERNEL: usize = 3;
/// Bytes of a panel: a part of the second-level cache, where the input of the next tile has to fit too.
const PANEL_BYTES: usize = 300 * 1024;

/// G
pub(crate) const KERNEL_TO_COMPONENTS: [[f32; KERNEL]; COMPONENTS] = [
    [1.0 / 4.0, 0.0, 0.0],
    [-1.0 / 6.0, -1.0 / 6.0, -1.0 / 6.0],
    [-1.0 / 6.0, 1.0 / 6.0, -1.0 / 6.0],
    [1.0 / 24.0, 1.0 / 12.0, 1.0 / 6.0],
    [1.0 / 24.0, -1.0 / 12.0, 1.0 / 6.0],
    [0.0, 0.0, 1.0],
];

/// Whether this method is possible and worthwhile.
pub(crate) fn is_suitable(shape: &ConvShape) -> bool {
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.dilation == [1, 1]
        && shape.padding == [1, 1]
        && shape.in_channels >= 8
        && shape.out_channels >= 8
        // Missing rows of the last group are computed unnecessarily.
        && shape.out_size[0] >= GROUP
}

/// Orientation of the kernel and order of the channels in the weights of a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Weights `[out, in, 3, 3]`.
    Forward,
    /// Weights `[in, out, 3, 3]` of the convolution whose input gradient is computed; the kernel is rotated
    /// by 180°.
    Backward,
}

/// Input channels whose kernels are transformed together, so that a vector is full and a cache line is written whole.
pub(crate) const PAIR: usize = 2;
/// The nine taps of eight output channels of each input channel of a pair.
pub(crate) type Taps = [[f32; PAIR * BLOCK]; KERNEL * KERNEL];

impl Direction {
    /// Visits each pair of input channels, by its first, with its taps for the eight output channels from `first` on. Missing
    /// ones are zero.
    #[inline(always)]
    fn for_each_pair(
        self,
        shape: &ConvShape,
        weight: &[f32],
        first: usize,
        mut visit: impl FnMut(usize, &Taps),
    ) {
        // Several pairs at once: a vector that is loaded right after its floats were stored one by one waits.
        const TOGETHER: usize = 8;
        let (weight, _) = weight.as_chunks::<{ KERNEL * KERNEL }>();
        let lanes = BLOCK.min(shape.out_channels - first);
        for first_input in (0..shape.in_channels).step_by(TOGETHER) {
            let inputs = first_input..(first_input + TOGETHER).min(shape.in_channels);
            let mut all = [[[0.0; PAIR * BLOCK]; KERNEL * KERNEL]; TOGETHER / PAIR];
            let place = |index: usize, lane: usize| (index / PAIR, index % PAIR * BLOCK + lane);
            match self {
                Direction::Forward => {
                    for lane in 0..lanes {
                        let from =
                            &weight[(first + lane) * shape.in_channels + first_input..][..inputs.len()];
                        for (index, from) in from.iter().enumerate() {
                            let (pair, lane) = place(index, lane);
                            for (taps, &value) in all[pair].iter_mut().zip(from) {
                                taps[lane] = value;
                            }
                        }
                    }
                }
                Direction::Backward => {
                    for (index, input) in inputs.clone().enumerate() {
                        let of = |input: usize| &weight[input * shape.out_channels + first..][..lanes];
                        if input + TOGETHER < shape.in_channels {
                            of(input + TOGETHER).as_flattened().iter().step_by(LINE).for_each(fetch);
                        }
                        for (lane, from) in of(input).iter().enumerate() {
                            let (pair, lane) = place(index, lane);
                            for (taps, &value) in all[pair].iter_mut().rev().zip(from) {
                                taps[lane] = value;
                            }
                        }
                    }
                }
            }
            for (taps, input) in all.iter().zip(inputs.step_by(PAIR)) {
                visit(input, taps);
            }
        }
    }
}

/// Transform of the kernels.
pub(crate) trait Transform {
    /// Floats of the transformed weights of so many input channels for eight output channels.
    fn len(channels: usize) -> usize;

    /// Writes the components of the pair of input channels that begins with `input`.
    fn write(input: usize, channels: usize, taps: &Taps, packed: &mut [f32]);
}

/// Components along the height, for each kernel column.
struct AlongHeight;

impl Transform for AlongHeight {
    fn len(channels: usize) -> usize {
        COMPONENTS * KERNEL * channels * BLOCK
    }

    /// `[component][in][kernel column][BLOCK]`
    #[inline(always)]
    fn write(input: usize, channels: usize, taps: &Taps, packed: &mut [f32]) {
        let (packed, _) = packed.as_chunks_mut::<BLOCK>();
        for column in 0..KERNEL {
            let rows = [&taps[column], &taps[KERNEL + column], &taps[2 * KERNEL + column]];
            for (component, factors) in KERNEL_TO_COMPONENTS.iter().enumerate() {
                let pair = combine(factors, rows);
                let (pair, _) = pair.as_chunks::<BLOCK>();
                for (input, of_input) in (input..channels).zip(pair) {
                    packed[(component * channels + input) * KERNEL + column] = *of_input;
                }
            }
        }
    }
}

/// The sum of three vectors times their factors.
#[inline(always)]
pub(crate) fn combine<const N: usize>(factors: &[f32; 3], values: [&[f32; N]; 3]) -> [f32; N] {
    let mut sum = [0.0; N];
    for (i, sum) in sum.iter_mut().enumerate() {
        *sum = factors[0] * values[0][i] + factors[1] * values[1][i] + factors[2] * values[2][i];
    }
    sum
}

/// Transformed weights of each eight output channels, `[out / BLOCK][as written][BLOCK]`.
pub(crate) fn pack_weights<T: Transform>(
    level: Level,
    shape: &ConvShape,
    direction: Direction,
    weight: &[f32],
) -> Buffer {
    let of_block = T::len(shape.in_channels);
    let mut packed = Buffer::uninitialised(shape.out_channels.div_ceil(BLOCK) * of_block);
    pack_blocks::<T>(level, shape, direction, weight, 0, &mut packed);
    packed
}

/// Transformed weights of the blocks from `first` on that `packed` holds.
pub(crate) fn pack_blocks<T: Transform>(
    level: Level,
    shape: &ConvShape,
    direction: Direction,
    weight: &[f32],
    first: usize,
    packed: &mut [f32],
) {
    let of_block = T::len(shape.in_channels);
    packed.par_chunks_mut(of_block).enumerate().for_each(|(index, packed)| {
        let first = (first + index) * BLOCK;
        level.run(PackBlock { shape, direction, weight, first, packed, how: PhantomData::<T> });
    });
}

struct PackBlock<'a, T> {
    shape: &'a ConvShape,
    direction: Direction,
    weight: &'a [f32],
    /// First output channel.
    first: usize,
    packed: &'a mut [f32],
    how: PhantomData<T>,
}

impl<T: Transform> Kernel for PackBlock<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { shape, direction, weight, first, packed, .. } = self;
        direction.for_each_pair(shape, weight, first, |input, taps| {
            T::write(input, shape.in_channels, taps, packed);
        });
    }
}

/// Convolves `x` with a 3x3 kernel into `out`.
#[allow(clippy::too_many_arguments)] // How, inputs, output.
pub(crate) fn convolve(
    level: Level,
    shape: &ConvShape,
    direction: Direction,
    x: Images,
    weight: &[f32],
    bias: Option<&[f32]>,
    finish: Finish,
    out: ImagesMut,
) {
    assert!(is_suitable(shape));
    assert_eq!(x.len(), shape.in_len());
    assert_eq!(out.len(), shape.out_len());
    assert_eq!(weight.len(), shape.weight_len());
    if out.len() == 0 {
        return;
    }
    if square::is_suitable(level, shape) {
        return square::convolve(level, shape, direction, x, weight, bias, finish, out);
    }
    let weights = pack_weights::<AlongHeight>(level, shape, direction, weight);
    let blocks = shape.out_channels.div_ceil(BLOCK);
    let mut starts = vec![0.0; blocks * BLOCK];
    if let Some(bias) = bias {
        starts[..shape.out_channels].copy_from_slice(bias);
    }
    let rows = component_rows(shape);
    let groups = tile_groups(shape, &rows, |_| 0, PANEL_BYTES);
    let panel = Panel::new(&rows, groups);
    let all_groups = rows.out_size[0];
    let tiles = all_groups.div_ceil(panel.rows);
    let (parts, part) = task_split(shape.batch * tiles, blocks, 4);
    let panel_len = panel.len(COMPONENTS * shape.in_channels);
    (0..shape.batch * tiles * parts).into_par_iter().for_each(|task| {
        let (tile, following) = (task / parts, (task + 1) / parts);
        let first_block = task % parts * part;
        let (image, first_group) = (tile / tiles, tile % tiles * panel.rows);
        let size = [shape.in_channels, shape.in_plane()];
        let next = match following != tile && following < shape.batch * tiles {
            true => {
                let image = x.image(following / tiles, size);
                let [first, end] = [0, 1].map(|more| {
                    let row = (following % tiles + more) * panel.rows * GROUP;
                    row.min(shape.in_size[0]) * shape.in_size[1]
                });
                let pixels = |channel| &image.channel(channel)[first..end];
                (0..shape.in_channels).rev().map(pixels).collect()
            }
            false => Vec::new(),
        };
        with_scratch(panel_len + component_plane(shape, &panel), |scratch| {
            let (packed, components) = scratch.split_at_mut(panel_len);
            level.run(Tile {
                shape,
                panel: &panel,
                image: x.image(image, size),
                next,
                ahead: RefCell::default(),
                weights: &weights,
                starts: &starts,
                packed,
                components,
                finish: finish.of_image(image, shape.batch, [shape.out_channels, shape.out_plane()]),
                out: out.image(image, [shape.out_channels, shape.out_plane()]),
                first_group,
                groups: panel.rows.min(all_groups - first_group),
                blocks: first_block.min(blocks)..(first_block + part).min(blocks),
            });
        });
    });
}

/// The 1x3 convolution of a component; its rows are groups.
pub(crate) fn component_rows(shape: &ConvShape) -> ConvShape {
    let size = [shape.out_size[0].div_ceil(GROUP), shape.out_size[1]];
    ConvShape { in_size: size, out_size: size, kernel: [1, 3], padding: [0, 1], ..*shape }
}

/// Floats for the components of one channel of a tile.
pub(crate) fn component_plane(shape: &ConvShape, panel: &Panel) -> usize {
    COMPONENTS * panel.rows * shape.out_size[1]
}

/// Groups of rows in a tile.
pub(crate) fn tile_groups(
    shape: &ConvShape,
    rows: &ConvShape,
    more: impl Fn(usize) -> usize,
    budget: usize,
) -> usize {
    let bytes = |groups: usize| {
        let panel = Panel::new(rows, groups).len(COMPONENTS * shape.in_channels);
        (panel + more(groups)) * size_of::<f32>()
    };
    tile_rows_within(rows, 2, bytes, budget)
}

/// Components of the six input rows of a group of one channel, `stride` apart from `start` on. Rows outside
/// the image are `zeros`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(crate) unsafe fn input_components<S: Simd>(
    plane: &[f32],
    [height, width]: [usize; 2],
    zeros: &[f32],
    group: usize,
    to: &mut [f32],
    [start, stride]: [usize; 2],
) {
    let mut rows = [&zeros[..width]; COMPONENTS];
    for (index, to) in rows.iter_mut().enumerate() {
        let row = group * GROUP + index;
        if (1..=height).contains(&row) {
            *to = &plane[(row - 1) * width..][..width];
        }
    }
    assert!(start + (COMPONENTS - 1) * stride + width <= to.len());
    let whole = width / S::LANES * S::LANES;
    let (from, to) = (rows.map(<[f32]>::as_ptr), to[start..].as_mut_ptr());
    // SAFETY: the caller ensures the instructions; the rows have `width` floats, and the output was checked.
    unsafe {
        for x in (0..whole).step_by(S::LANES) {
            let pixels = from.map(|from| S::load(from.add(x)));
            for (component, value) in vertical_input::<S>(pixels).into_iter().enumerate() {
                S::store(to.add(component * stride + x), value);
            }
        }
        if whole < width {
            let pixels = from.map(|from| S::load_first(from.add(whole), width - whole));
            for (component, value) in vertical_input::<S>(pixels).into_iter().enumerate() {
                S::store_first(to.add(component * stride + whole), width - whole, value);
            }
        }
    }
}

/// Bᵀ d
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn vertical_input<S: Simd>([d0, d1, d2, d3, d4, d5]: [S::Vector; 6]) -> [S::Vector; COMPONENTS] {
    // SAFETY: ensured by the caller.
    unsafe {
        let times = |factor: f32, a, b| S::fma(S::splat(factor), a, b);
        let (even, odd) = (times(-4.0, d2, d4), times(-4.0, d1, d3));
        let (near, far) = (S::sub(d4, d2), S::sub(d3, d1));
        [
            times(4.0, d0, times(-5.0, d2, d4)),
            S::add(even, odd),
            S::sub(even, odd),
            times(2.0, far, near),
            times(-2.0, far, near),
            times(4.0, d1, times(-5.0, d3, d5)),
        ]
    }
}

/// The components `[component][column]` of four rows of an output gradient.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
pub(crate) unsafe fn output_components<S: Simd>(rows: [&[f32]; GROUP], to: &mut [f32]) {
    let width = rows[0].len();
    assert!(rows.iter().all(|row| row.len() == width) && to.len() >= COMPONENTS * width);
    let whole = width / S::LANES * S::LANES;
    let (from, to) = (rows.map(<[f32]>::as_ptr), to.as_mut_ptr());
    // SAFETY: the caller ensures the instructions; the lengths were checked.
    unsafe {
        for x in (0..whole).step_by(S::LANES) {
            let pixels = from.map(|from| S::load(from.add(x)));
            for (component, value) in vertical_output::<S>(pixels).into_iter().enumerate() {
                S::store(to.add(component * width + x), value);
            }
        }
        if whole < width {
            let pixels = from.map(|from| S::load_first(from.add(whole), width - whole));
            for (component, value) in vertical_output::<S>(pixels).into_iter().enumerate() {
                S::store_first(to.add(component * width + whole), width - whole, value);
            }
        }
    }
}

/// A y
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn vertical_output<S: Simd>([y0, y1, y2, y3]: [S::Vector; GROUP]) -> [S::Vector; COMPONENTS] {
    // SAFETY: ensured by the caller.
    unsafe {
        let times = |factor: f32, a, b| S::fma(S::splat(factor), a, b);
        let (even, odd) = (S::add(y0, y2), S::add(y1, y3));
        let (far_even, far_odd) = (times(4.0, y2, y0), times(4.0, y3, y1));
        [
            y0,
            S::add(even, odd),
            S::sub(even, odd),
            times(2.0, far_odd, far_even),
            times(-2.0, far_odd, far_even),
            y3,
        ]
    }
}

/// One tile: packs the components of its input, multiplies, and transforms the products into output rows.
struct Tile<'a> {
    shape: &'a ConvShape,
    panel: &'a Panel,
    image: Image<'a>,
    /// The pixels of the tile that probably comes next on this thread.
    next: Vec<&'a [f32]>,
    ahead: RefCell<Ahead<'a>>,
    weights: &'a [f32],
    starts: &'a [f32],
    /// Scratch for the panel.
    packed: &'a mut [f32],
    /// Scratch for the components of a channel.
    components: &'a mut [f32],
    finish: ImageFinish<'a>,
    out: ImageMut<'a>,
    first_group: usize,
    groups: usize,
    blocks: Range<usize>,
}

/// The components of a register tile of the largest size, on cache lines.
#[repr(align(64))]
struct Products {
    _floats: [f32; COMPONENTS * BLOCK * 3 * 16],
}

/// Packs the components of some channels, component-major like the weights.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
#[allow(clippy::too_many_arguments)] // Sizes, input, place, scratch, output.
pub(crate) unsafe fn pack_components<S: Simd>(
    shape: &ConvShape,
    panel: &Panel,
    image: Image,
    channels: Range<usize>,
    first_group: usize,
    groups: usize,
    components: &mut [f32],
    packed: &mut [f32],
) {
    let width = shape.in_size[1];
    let count = channels.len();
    let zeros = vec![0.0; width];
    for (index, channel) in channels.enumerate() {
        let plane = image.channel(channel);
        if let Some(line) = panel.padded_line() {
            // Writes directly into the panel, with a zero on either side. The middle tap is the pixel itself.
            let stride = count * panel.channel;
            for group in 0..groups {
                let start = index * panel.channel + group * line + panel.taps[1];
                let place = [start, stride];
                // SAFETY: ensured by the caller.
                unsafe {
                    input_components::<S>(plane, shape.in_size, &zeros, first_group + group, packed, place)
                };
                for component in 0..COMPONENTS {
                    packed[component * stride + start - 1] = 0.0;
                    packed[component * stride + start + width] = 0.0;
                }
            }
            continue;
        }
        for group in 0..groups {
            let place = [group * width, groups * width];
            // SAFETY: ensured by the caller.
            unsafe {
                input_components::<S>(plane, shape.in_size, &zeros, first_group + group, components, place)
            };
        }
        for (component, rows) in components.chunks_exact(groups * width).enumerate().take(COMPONENTS) {
            let to = &mut packed[(component * count + index) * panel.channel..][..panel.channel];
            panel.pack_rows(rows, groups, to);
        }
    }
}

impl Kernel for Tile<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(mut self) {
        let channels = 0..self.shape.in_channels;
        let (first, groups) = (self.first_group, self.groups);
        // SAFETY: the caller ensures the instructions.
        unsafe {
            pack_components::<S>(
                self.shape,
                self.panel,
                self.image,
                channels,
                first,
                groups,
                self.components,
                self.packed,
            );
        }
        let mut vectors = Vec::new();
        self.panel.vectors(self.groups, S::LANES, &mut vectors);
        let sums = vectors.len().div_ceil(S::COLUMNS) * self.blocks.len() * BLOCK / S::ROWS * COMPONENTS;
        self.ahead.replace(Ahead::new(std::mem::take(&mut self.next), sums));
        // SAFETY: the caller ensures the instructions; the vectors are those of the panel.
        unsafe { self.compute::<S>(&vectors) };
    }
}

impl InTiles for Tile<'_> {
    fn blocks(&self) -> Range<usize> {
        self.blocks.clone()
    }

    #[inline(always)]
    unsafe fn rows<S: Simd, const R: usize, const C: usize>(
        &self,
        vectors: &[Vector; C],
        block: usize,
        first: usize,
    ) {
        let shape = self.shape;
        let terms =
            Terms { channels: shape.in_channels, channel: self.panel.channel, taps: &self.panel.taps };
        let zeros = [0.0; R];
        let first_channel = block * BLOCK + first;
        debug_assert!(vectors.iter().all(|vector| {
            let component = (COMPONENTS - 1) * terms.channels * terms.channel;
            component + vector.from + terms.reach() + S::LANES <= self.packed.len()
        }));
        debug_assert!((block + 1) * COMPONENTS * terms.weights() <= self.weights.len());
        // SAFETY: by the caller's promise and the two assertions; outputs go through checked pointers.
        unsafe {
            // In memory without a value: setting and copying arrays of vectors would take a tenth of the time.
            let mut memory = MaybeUninit::<Products>::uninit();
            let products = memory.as_mut_ptr().cast::<f32>();
            let place = |component: usize, row: usize, column: usize| {
                products.add(((component * R + row) * C + column) * S::LANES)
            };
            let mut ahead = self.ahead.borrow_mut();
            for component in 0..COMPONENTS {
                let panel = self.packed.as_ptr().add(component * terms.channels * terms.channel);
                let weights = (block * COMPONENTS + component) * terms.weights() + first;
                let weights = self.weights.as_ptr().add(weights);
                let sums = terms.sum::<S, R, C>(panel, vectors, weights, zeros.as_ptr(), ahead.part());
                for (row, sums) in sums.iter().enumerate() {
                    for (column, &sum) in sums.iter().enumerate() {
                        S::store(place(component, row, column), sum);
                    }
                }
            }
            let places = vectors.each_ref().map(|vector| (vector, self.first_pixel(vector)));
            for row in 0..R.min(shape.out_channels.saturating_sub(first_channel)) {
                let out = self.finish.channel(first_channel + row, &self.out);
                let start = S::splat(self.starts[first_channel + row]);
                for (column, &(vector, pixel)) in places.iter().enumerate() {
                    let mut m = [start; COMPONENTS];
                    for (component, m) in m.iter_mut().enumerate() {
                        *m = S::load(place(component, row, column));
                    }
                    let (sum, difference) = (S::add(m[1], m[2]), S::sub(m[1], m[2]));
                    let (far_sum, far_difference) = (S::add(m[3], m[4]), S::sub(m[3], m[4]));
                    let rows = [
                        S::add(S::add(m[0], start), S::add(sum, far_sum)),
                        S::add(S::fma(S::splat(2.0), far_difference, difference), start),
                        S::add(S::fma(S::splat(4.0), far_sum, sum), start),
                        S::add(S::add(m[5], start), S::fma(S::splat(8.0), far_difference, difference)),
                    ];
                    self.store::<S>(rows, out, vector.live, pixel);
                }
            }
        }
    }
}

impl Tile<'_> {
    /// Row and column of the image where the first of four output rows of a vector begins.
    #[inline(always)]
    fn first_pixel(&self, vector: &Vector) -> [usize; 2] {
        let width = self.shape.out_size[1];
        [(self.first_group + vector.to / width) * GROUP, vector.to % width]
    }

    /// Finishes and stores a vector of each of the four rows.
    ///
    /// # Safety
    /// The processor has the instructions of `S`; no other task writes these rows of the channel.
    #[inline(always)]
    unsafe fn store<S: Simd>(
        &self,
        rows: [S::Vector; GROUP],
        out: Channel,
        live: usize,
        [first, column]: [usize; 2],
    ) {
        let [height, width] = self.shape.out_size;
        let inside = column + live <= width;
        for (index, row) in rows.into_iter().enumerate() {
            // SAFETY: the stores are checked, and the caller ensures that they are only this task's.
            unsafe {
                if inside && first + index < height {
                    out.store::<S>(row, (first + index) * width + column, live);
                } else if !inside {
                    // The vector continues into the next groups.
                    let mut lanes = [0.0f32; 16];
                    S::store(lanes.as_mut_ptr(), row);
                    let (mut y, mut column, mut lanes) = (first + index, column, &mut lanes[..live]);
                    while !lanes.is_empty() {
                        let here = lanes.len().min(width - column);
                        let (here, rest) = lanes.split_at_mut(here);
                        if y < height {
                            out.store_slice(here, y * width + column);
                        }
                        (y, column, lanes) = (y + GROUP, 0, rest);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::weight_gradient::weight_gradient;
    use crate::reference::{self, assert_sums, noise, tolerance};
    use proptest::prelude::*;

    pub(crate) fn shapes() -> impl Strategy<Value = ConvShape> {
        let width =
            prop_oneof![1usize..20, 30usize..34, 46usize..50, 60usize..68, Just(8usize), Just(16usize)];
        let channels = || prop_oneof![8usize..10, 15usize..18, 31usize..34];
        (1usize..3, channels(), 4usize..23, width, channels()).prop_map(
            |(batch, input, height, width, out)| {
                ConvShape::new([batch, input, height, width], [out, 3, 3], [1, 1], [1, 1], [1, 1])
                    .expect("a padded kernel fits every size")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(120))]

        #[test]
        fn convolution_and_gradients_equal_the_definition(shape in shapes(), seed in 1u64..1000) {
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let bias = noise(seed + 2, shape.out_channels);
            let out_gradient = noise(seed + 3, shape.out_len());
            let backward = shape.input_gradient().expect("stride one has an input gradient");
            let expected = reference::convolve(&shape, &x, &weight, Some(&bias));
            let expected_x = reference::input_gradient(&shape, &weight, &out_gradient);
            let expected_weight = reference::weight_gradient(&shape, &x, &out_gradient);
            for level in Level::available() {
                let mut out = vec![f32::NAN; shape.out_len()];
                let (from, to) = (Images::whole(&x), ImagesMut::whole(&mut out));
                convolve(level, &shape, Direction::Forward, from, &weight, Some(&bias), Finish::default(), to);
                assert_sums(&out, &expected, tolerance(level, 1.5e-6));
                let mut gradient = vec![f32::NAN; shape.in_len()];
                let finish = Finish::default();
                let (from, to) = (Images::whole(&out_gradient), ImagesMut::whole(&mut gradient));
                convolve(level, &backward, Direction::Backward, from, &weight, None, finish, to);
                assert_sums(&gradient, &expected_x, tolerance(level, 1.5e-6));
                let mut gradient = vec![f32::NAN; shape.weight_len()];
                weight_gradient(level, &shape, Images::whole(&x), &out_gradient, &mut gradient);
                assert_sums(&gradient, &expected_weight, tolerance(level, 1.5e-6));
            }
        }
    }
}
