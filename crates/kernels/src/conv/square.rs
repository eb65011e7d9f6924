//! 3x3 convolution with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).
//!
//! The transforms of [`winograd`](super::winograd) act on both axes: y = Aᵀ (G w Gᵀ · Bᵀ d B) A for each tile of 4 x 4
//! output pixels, whose input d has 6 x 6. Each of the 36 components is a matrix product over the channels. A list of
//! tiles is transformed once; then each task multiplies and transforms back some output channels.

pub(crate) mod points;
pub(crate) mod strips;

use rayon::prelude::*;

use self::points::KERNEL_TO_COMPONENTS;
use self::strips::{SQUARE, Strips};
use super::finish::{Finish, ImageFinish};
use super::images::{Images, ImagesMut};
use super::panel::{Vector, odd_lines};
use super::shape::ConvShape;
use super::tile::{BLOCK, Terms};
use super::winograd::{self, Direction, PAIR, Taps, Transform, combine, pack_blocks, pack_weights};
use crate::memory::with_scratch;
use crate::share::Shared;
use crate::simd::{Kernel, Level, Simd};

/// Tiles for which the weights are worth their transform.
const TILES: usize = 4;
/// Bytes of the components of a list of tiles: together with the products they fit into the second-level cache.
const BYTES: usize = 400 * 1024;
/// Blocks of output channels multiplied before they are transformed back.
const BLOCKS: usize = 4;
/// The same where each part transforms its own weights.
const OWN_BLOCKS: usize = 2;
/// Input channels transformed by one task.
const PACKED: usize = 8;

/// Channels from which a quarter of the multiplications saves more than the transforms along the width cost.
fn least_channels(level: Level) -> usize {
    match level {
        Level::Avx2 => 16,
        _ => 32,
    }
}

/// Whether this method is possible and worthwhile.
pub(crate) fn is_suitable(level: Level, shape: &ConvShape) -> bool {
    let tiles = shape.batch * Strips::per_image(shape.out_size) * shape.out_size[1].div_ceil(points::SIDE);
    winograd::is_suitable(shape)
        && shape.in_channels.min(shape.out_channels) >= least_channels(level)
        && shape.out_size[1] >= points::SIDE
        && tiles >= TILES
}

/// Tiles of a list, a multiple of three vectors, so that the components of `channels` channels fit into `bytes`.
fn tiles_within(channels: usize, bytes: usize) -> usize {
    const LEAST: usize = 48;
    (bytes / (SQUARE * channels * size_of::<f32>()) / LEAST * LEAST).clamp(LEAST, 4 * LEAST)
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
    assert!(winograd::is_suitable(shape));
    assert_eq!((x.len(), out.len()), (shape.in_len(), shape.out_len()));
    assert_eq!(weight.len(), shape.weight_len());
    if out.len() == 0 {
        return;
    }
    let blocks = shape.out_channels.div_ceil(BLOCK);
    let lists = Strips::split(shape.batch, shape.out_size, tiles_within(shape.in_channels, BYTES));
    // For a single list each part transforms its own weights, which then stay in the cache.
    let shared = (lists.len() > 1).then(|| pack_weights::<BothAxes>(level, shape, direction, weight));
    let of_block = BothAxes::len(shape.in_channels);
    let together = if shared.is_some() { BLOCKS } else { OWN_BLOCKS };
    lists.par_iter().for_each(|strips| {
        let finishes: Vec<ImageFinish> = strips
            .images()
            .map(|image| finish.of_image(image, shape.batch, [shape.out_channels, shape.out_plane()]))
            .collect();
        let component = strips.component(shape.in_channels);
        with_scratch(SQUARE * component, |packed| {
            pack(level, strips, x, shape.in_channels, packed);
            (0..blocks.div_ceil(together)).into_par_iter().for_each(|part| {
                let blocks = part * together..((part + 1) * together).min(blocks);
                let products = SQUARE * strips.component(blocks.len() * BLOCK);
                let own = if shared.is_none() { blocks.len() * of_block } else { 0 };
                with_scratch(own + products + strips.scratch(), |scratch| {
                    let (own, scratch) = scratch.split_at_mut(own);
                    let (products, scratch) = scratch.split_at_mut(products);
                    let weights = match &shared {
                        Some(all) => &all[blocks.start * of_block..],
                        None => {
                            pack_blocks::<BothAxes>(level, shape, direction, weight, blocks.start, own);
                            own
                        }
                    };
                    let finishes = &finishes[..];
                    level.run(Part {
                        shape,
                        strips,
                        packed,
                        weights,
                        bias,
                        finishes,
                        blocks,
                        products,
                        scratch,
                        out,
                    });
                });
            });
        });
    });
}

/// Writes the components of the input, `[component][channel][tile]`.
fn pack(level: Level, strips: &Strips, x: Images, image_channels: usize, packed: &mut [f32]) {
    let component = strips.component(image_channels);
    let to = Shared::new(packed);
    (0..image_channels.div_ceil(PACKED)).into_par_iter().for_each(|part| {
        let channels = part * PACKED..((part + 1) * PACKED).min(image_channels);
        with_scratch(strips.scratch(), |scratch| {
            level.run(Pack { strips, x, image_channels, channels, to, component, scratch });
        });
    });
}

struct Pack<'a> {
    strips: &'a Strips,
    x: Images<'a>,
    image_channels: usize,
    channels: std::ops::Range<usize>,
    to: Shared<'a, f32>,
    component: usize,
    scratch: &'a mut [f32],
}

impl Kernel for Pack<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let Self { strips, x, image_channels, channels, to, component, scratch } = self;
        for channel in channels {
            let of = |image: usize| x.image(image, [image_channels, strips.plane()]).channel(channel);
            let first = channel * strips.line();
            // SAFETY: the caller ensures the instructions; each task has its own channels.
            unsafe { strips.components::<S>(of, scratch, to, first, component) };
        }
    }
}

/// Components along both axes, G w Gᵀ.
struct BothAxes;

impl BothAxes {
    /// Floats from component to component: an odd number of cache lines, so that those of a channel are in different cache sets.
    fn component(channels: usize) -> usize {
        odd_lines(channels * BLOCK)
    }
}

impl Transform for BothAxes {
    fn len(channels: usize) -> usize {
        SQUARE * Self::component(channels)
    }

    /// `[component][in][BLOCK]`
    #[inline(always)]
    fn write(input: usize, channels: usize, taps: &Taps, packed: &mut [f32]) {
        let components = packed.chunks_exact_mut(Self::component(channels));
        let mut components = components.map(|component| &mut component[input * BLOCK..][..PAIR * BLOCK]);
        for along_height in &KERNEL_TO_COMPONENTS {
            let mut row = [[0.0; PAIR * BLOCK]; 3];
            for (column, row) in row.iter_mut().enumerate() {
                *row = combine(along_height, [&taps[column], &taps[3 + column], &taps[6 + column]]);
            }
            for (along_width, to) in KERNEL_TO_COMPONENTS.iter().zip(&mut components) {
                to.copy_from_slice(&combine(along_width, row.each_ref()));
            }
        }
    }
}

/// Some output channels of a list of tiles: multiplies, transforms back and stores.
struct Part<'a> {
    shape: &'a ConvShape,
    strips: &'a Strips,
    packed: &'a [f32],
    /// Those of its blocks.
    weights: &'a [f32],
    bias: Option<&'a [f32]>,
    /// For the image of each strip.
    finishes: &'a [ImageFinish<'a>],
    blocks: std::ops::Range<usize>,
    products: &'a mut [f32],
    scratch: &'a mut [f32],
    out: ImagesMut<'a>,
}

impl Kernel for Part<'_> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<S: Simd>(self) {
        let line = self.strips.line();
        let terms = Terms { channels: self.shape.in_channels, channel: line, taps: &[0] };
        let (from, to) =
            (self.strips.component(terms.channels), self.strips.component(self.blocks.len() * BLOCK));
        let of_component = BothAxes::component(terms.channels);
        for component in 0..SQUARE {
            let packed = &self.packed[component * from..][..terms.channels * line];
            let products = &mut self.products[component * to..][..self.blocks.len() * BLOCK * line];
            for (index, products) in products.chunks_exact_mut(BLOCK * line).enumerate() {
                let weights = index * BothAxes::len(terms.channels) + component * of_component;
                let weights = &self.weights[weights..][..terms.weights()];
                // SAFETY: the caller ensures the instructions.
                unsafe { multiply::<S>(terms, line, packed, weights, products) };
            }
        }
        let Self { shape, strips, bias, finishes, blocks, products, scratch, out, .. } = self;
        let first = blocks.start * BLOCK;
        for channel in first..(blocks.end * BLOCK).min(shape.out_channels) {
            let products = &products[(channel - first) * line..];
            let start = bias.map_or(0.0, |bias| bias[channel]);
            // SAFETY: the caller ensures the instructions; no other task has these strips and channels.
            unsafe {
                strips.outputs::<S>(products, to, start, scratch, |row, values| {
                    let image = out.image(row.image, [shape.out_channels, shape.out_plane()]);
                    let out = finishes[row.strip].channel(channel, &image);
                    let width = shape.out_size[1];
                    for x in (0..width).step_by(S::LANES) {
                        let value = S::load(values[x..][..S::LANES].as_ptr());
                        out.store::<S>(value, row.y * width + x, S::LANES.min(width - x));
                    }
                });
            }
        }
        // SAFETY: the caller ensures the instructions.
        unsafe { S::fence() };
    }
}

/// Products of a component, `[BLOCK][line]`.
///
/// # Safety
/// The processor has the instructions of `S`.
#[inline(always)]
unsafe fn multiply<S: Simd>(
    terms: Terms,
    line: usize,
    packed: &[f32],
    weights: &[f32],
    products: &mut [f32],
) {
    let mut first = 0;
    while first < line {
        // Four vectors are better two and two than three and one.
        let vectors = (line - first) / S::LANES;
        // SAFETY: ensured by the caller.
        unsafe {
            first += S::LANES
                * match vectors {
                    3 | 5.. if S::COLUMNS > 2 => {
                        columns::<S, 3>(terms, line, first, packed, weights, products)
                    }
                    1 => columns::<S, 1>(terms, line, first, packed, weights, products),
                    _ => columns::<S, 2>(terms, line, first, packed, weights, products),
                };
        }
    }
}

/// C vectors of tiles from `first` on; returns C.
///
/// # Safety
/// As for `multiply`.
#[inline(always)]
unsafe fn columns<S: Simd, const C: usize>(
    terms: Terms,
    line: usize,
    first: usize,
    packed: &[f32],
    weights: &[f32],
    products: &mut [f32],
) -> usize {
    // SAFETY: ensured by the caller; the rows are those of a block.
    unsafe {
        match S::ROWS {
            8 => rows::<S, 8, C>(terms, line, first, packed, weights, products, 0),
            _ => {
                rows::<S, 4, C>(terms, line, first, packed, weights, products, 0);
                rows::<S, 4, C>(terms, line, first, packed, weights, products, 4);
            }
        }
    }
    C
}

/// R output channels of C vectors of tiles.
///
/// # Safety
/// As for `multiply`, and `channel` + R is at most a block.
#[inline(always)]
unsafe fn rows<S: Simd, const R: usize, const C: usize>(
    terms: Terms,
    line: usize,
    first: usize,
    packed: &[f32],
    weights: &[f32],
    products: &mut [f32],
    channel: usize,
) {
    let vectors = std::array::from_fn::<_, C, _>(|c| Vector {
        from: first + c * S::LANES,
        to: first + c * S::LANES,
        live: S::LANES,
    });
    let zeros = [0.0; R];
    assert!(first + C * S::LANES <= line && channel + R <= BLOCK);
    assert!(packed.len() >= terms.channels * line && weights.len() >= terms.weights());
    assert!(products.len() >= BLOCK * line);
    // SAFETY: by the caller's promise and the assertions.
    unsafe {
        let weights = weights.as_ptr().add(channel);
        let sums = terms.sum::<S, R, C>(packed.as_ptr(), &vectors, weights, zeros.as_ptr(), &[]);
        for (row, sums) in sums.iter().enumerate() {
            for (&sum, vector) in sums.iter().zip(&vectors) {
                S::store(products.as_mut_ptr().add((channel + row) * line + vector.to), sum);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::{self, assert_close, assert_sums, noise};
    use proptest::prelude::*;

    fn shapes() -> impl Strategy<Value = ConvShape> {
        let channels = || prop_oneof![8usize..10, 15usize..18, 31usize..42];
        (1usize..4, channels(), 4usize..23, 4usize..37, channels()).prop_map(
            |(batch, input, height, width, out)| {
                ConvShape::new([batch, input, height, width], [out, 3, 3], [1, 1], [1, 1], [1, 1])
                    .expect("a padded kernel fits every size")
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(80))]

        #[test]
        fn convolution_and_input_gradient_equal_the_definition(shape in shapes(), seed in 1u64..1000) {
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let bias = noise(seed + 2, shape.out_channels);
            let out_gradient = noise(seed + 3, shape.out_len());
            let backward = shape.input_gradient().expect("stride one has an input gradient");
            let expected = reference::convolve(&shape, &x, &weight, Some(&bias));
            let expected_x = reference::input_gradient(&shape, &weight, &out_gradient);
            for level in Level::available() {
                let mut out = vec![f32::NAN; shape.out_len()];
                let (from, to) = (Images::whole(&x), ImagesMut::whole(&mut out));
                convolve(level, &shape, Direction::Forward, from, &weight, Some(&bias), Finish::default(), to);
                assert_sums(&out, &expected, 1.5e-6);
                let mut gradient = vec![f32::NAN; shape.in_len()];
                let finish = Finish::default();
                let (from, to) = (Images::whole(&out_gradient), ImagesMut::whole(&mut gradient));
                convolve(level, &backward, Direction::Backward, from, &weight, None, finish, to);
                assert_sums(&gradient, &expected_x, 1.5e-6);
            }
        }

        #[test]
        fn finish_is_applied_to_every_pixel_of_its_image(
            height in 4usize..14, width in 4usize..40, rectifies: bool, seed in 1u64..1000,
        ) {
            let shape = ConvShape::new([4, 8, height, width], [9, 3, 3], [1, 1], [1, 1], [1, 1]).expect("fits");
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let onto = noise(seed + 2, shape.out_len() / 2);
            let [scale, shift] = [noise(seed + 3, 36), noise(seed + 4, 36)];
            let mut expected = reference::convolve(&shape, &x, &weight, None).values;
            for (index, z) in expected.iter_mut().enumerate() {
                let (plane, pixel) = (index / shape.out_plane(), index % shape.out_plane());
                let (image, channel) = (plane / 9, plane % 9);
                let onto = onto[(image / 2 * 9 + channel) * shape.out_plane() + pixel];
                *z = (*z + onto as f64) * scale[plane] as f64 + shift[plane] as f64;
                *z = if rectifies { z.max(0.0) } else { *z };
            }
            for level in Level::available() {
                let finish = Finish { onto: Some(&onto), affine: Some([&scale, &shift]), rectifies };
                let mut out = vec![f32::NAN; shape.out_len()];
                let (from, to) = (Images::whole(&x), ImagesMut::whole(&mut out));
                convolve(level, &shape, Direction::Forward, from, &weight, None, finish, to);
                assert_close(&out, &expected, 5e-6);
            }
        }
    }
}
