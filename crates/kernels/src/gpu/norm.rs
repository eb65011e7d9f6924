//! Norm, modulation and activation: two kernels forward, two backward, one with given statistics.
//!
//! The first kernel of each pass sums parts of an image, channel by channel. The second adds up the parts and changes
//! every value; adding up again in each of its cubes takes less time than a third launch.
#![allow(clippy::too_many_arguments, reason = "a kernel takes every buffer and size by itself")]

use burn::tensor::Shape;
use burn_cubecl::cubecl::prelude::*;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use burn_cubecl::{CubeRuntime, cubecl};

use super::activation::{activate, slope};
use super::launch::{
    LANES, ROWS, channels_last, empty, empty_images, one_cube_each, one_unit_each, sum_of_lane,
};
use crate::activation::Activation;
use crate::backend::Normalized;
use crate::norm::{NormOptions, Statistics};

/// Parts of a batch at most, unless it has more images.
const PARTS: usize = 128;
/// Pixels of a part at least.
const PIXELS: usize = 64;
/// Pixels that a cube of a second kernel changes.
const CHANGED: usize = 32 * ROWS;

/// Sizes of a norm: images of `pixels` pixels, each cut into `blocks` parts of `of_block` pixels.
#[derive(CubeType, CubeLaunch, Clone, Copy)]
struct Sizes {
    images: usize,
    channels: usize,
    pixels: usize,
    blocks: usize,
    of_block: usize,
    /// Neighbouring channels that a cube works on, counted in lanes.
    tiles: usize,
}

/// What γ and β are changed by for each image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Modulation {
    None,
    Shift,
    ScaleAndShift,
}

/// Kinds of a norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// Channels of a group; 0 for batch statistics.
    per_group: usize,
    /// Whether each image has its own γ and β.
    is_per_image: bool,
    modulation: Modulation,
    activation: Activation,
}

/// Factor and summand of the normalised values of a channel of an image.
#[derive(CubeType, Clone, Copy)]
struct Affine {
    scale: f32,
    shift: f32,
}

#[cube]
fn affine(
    gamma: &Array<f32>,
    beta: &Array<f32>,
    change: &Array<f32>,
    image: usize,
    channel: usize,
    channels: usize,
    #[comptime] kind: Kind,
) -> Affine {
    let index = if comptime!(kind.is_per_image) { image * channels + channel } else { channel };
    let (gamma, beta) = (gamma[index], beta[index]);
    if comptime!(kind.modulation == Modulation::None) {
        Affine { scale: gamma, shift: beta }
    } else if comptime!(kind.modulation == Modulation::Shift) {
        Affine { scale: gamma, shift: beta + change[image * channels + channel] }
    } else {
        let factor = 1.0f32 + change[image * 2 * channels + channel];
        Affine { scale: gamma * factor, shift: beta * factor + change[(image * 2 + 1) * channels + channel] }
    }
}

/// Pixels of a part.
#[cube]
fn count(part: usize, sizes: &Sizes) -> usize {
    let first = part % sizes.blocks * sizes.of_block;
    let left = sizes.pixels - first;
    select(left < sizes.of_block, left, sizes.of_block)
}

/// Mean of each channel of each part, and the sum of squared distances from it.
#[cube(launch)]
fn part_moments(x: &Array<f32>, means: &mut Array<f32>, squares: &mut Array<f32>, sizes: Sizes) {
    let part = CUBE_POS / sizes.tiles;
    if part >= sizes.images * sizes.blocks {
        terminate!();
    }
    let (lane, row) = (UNIT_POS as usize % LANES, UNIT_POS as usize / LANES);
    let channel = CUBE_POS % sizes.tiles * LANES + lane;
    let count = count(part, &sizes);
    let first = part / sizes.blocks * sizes.pixels + part % sizes.blocks * sizes.of_block;
    let is_inside = channel < sizes.channels;
    let mut sum = 0.0f32;
    if is_inside {
        let mut at = row;
        while at < count {
            sum += x[(first + at) * sizes.channels + channel];
            at += ROWS;
        }
    }
    let mean = sum_of_lane(sum) / f32::cast_from(count);
    let mut square = 0.0f32;
    if is_inside {
        let mut at = row;
        while at < count {
            let distance = x[(first + at) * sizes.channels + channel] - mean;
            square += distance * distance;
            at += ROWS;
        }
    }
    let square = sum_of_lane(square);
    if is_inside && row == 0 {
        means[part * sizes.channels + channel] = mean;
        squares[part * sizes.channels + channel] = square;
    }
}

/// Mean and variance of a set.
#[derive(CubeType, Clone, Copy)]
struct Moments {
    mean: f32,
    variance: f32,
}

/// Moments of the set of a channel of an image, from those of the parts.
#[cube]
fn set_moments(
    means: &Array<f32>,
    squares: &Array<f32>,
    image: usize,
    channel: usize,
    row: usize,
    sizes: &Sizes,
    #[comptime] kind: Kind,
) -> Moments {
    let is_inside = channel < sizes.channels;
    let mut sum = 0.0f32;
    let mut square = 0.0f32;
    if comptime!(kind.per_group == 0) {
        let parts = sizes.images * sizes.blocks;
        if is_inside {
            let mut part = row;
            while part < parts {
                sum += means[part * sizes.channels + channel] * f32::cast_from(count(part, sizes));
                part += ROWS;
            }
        }
        let values = f32::cast_from(sizes.images * sizes.pixels);
        let mean = sum_of_lane(sum) / values;
        if is_inside {
            let mut part = row;
            while part < parts {
                let distance = means[part * sizes.channels + channel] - mean;
                square += squares[part * sizes.channels + channel]
                    + f32::cast_from(count(part, sizes)) * distance * distance;
                part += ROWS;
            }
        }
        Moments { mean, variance: sum_of_lane(square) / values }
    } else {
        let first = channel / kind.per_group * kind.per_group;
        let values = f32::cast_from(sizes.pixels * kind.per_group);
        if is_inside {
            for block in 0..sizes.blocks {
                let part = image * sizes.blocks + block;
                for other in 0..kind.per_group {
                    sum += means[part * sizes.channels + first + other] * f32::cast_from(count(part, sizes));
                }
            }
        }
        let mean = sum / values;
        if is_inside {
            for block in 0..sizes.blocks {
                let part = image * sizes.blocks + block;
                for other in 0..kind.per_group {
                    let at = part * sizes.channels + first + other;
                    let distance = means[at] - mean;
                    square += squares[at] + f32::cast_from(count(part, sizes)) * distance * distance;
                }
            }
        }
        Moments { mean, variance: square / values }
    }
}

/// Index of the set of a channel of an image.
#[cube]
fn set_of(image: usize, channel: usize, channels: usize, #[comptime] per_group: usize) -> usize {
    if comptime!(per_group == 0) { channel } else { (image * channels + channel) / per_group }
}

/// Cubes that change an image: pixels, then channels.
#[cube]
fn changing(sizes: &Sizes) -> usize {
    sizes.pixels.div_ceil(CHANGED)
}

/// Normalises with the moments of the parts, and writes those of the sets.
#[cube(launch)]
fn apply_moments(
    x: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    change: &Array<f32>,
    part_means: &Array<f32>,
    part_squares: &Array<f32>,
    out: &mut Array<f32>,
    means: &mut Array<f32>,
    variances: &mut Array<f32>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] kind: Kind,
) {
    let cubes = changing(&sizes);
    let (piece, block) = (CUBE_POS / sizes.tiles, CUBE_POS / sizes.tiles % cubes);
    let image = piece / cubes;
    if image >= sizes.images {
        terminate!();
    }
    let (lane, row) = (UNIT_POS as usize % LANES, UNIT_POS as usize / LANES);
    let channel = CUBE_POS % sizes.tiles * LANES + lane;
    let moments = set_moments(part_means, part_squares, image, channel, row, &sizes, kind);
    if channel < sizes.channels {
        let affine = affine(gamma, beta, change, image, channel, sizes.channels, kind);
        let scale = affine.scale / (moments.variance + epsilon).sqrt();
        let mut at = block * CHANGED + row;
        let mut end = (block + 1) * CHANGED;
        if end > sizes.pixels {
            end = sizes.pixels;
        }
        while at < end {
            let index = (image * sizes.pixels + at) * sizes.channels + channel;
            out[index] = activate((x[index] - moments.mean) * scale + affine.shift, kind.activation);
            at += ROWS;
        }
        // Some units of a set write the same.
        if block == 0 && row == 0 {
            let set = set_of(image, channel, sizes.channels, kind.per_group);
            means[set] = moments.mean;
            variances[set] = moments.variance;
        }
    }
}

/// Normalises with given moments of each channel.
#[cube(launch)]
fn apply_given(
    x: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    change: &Array<f32>,
    means: &Array<f32>,
    variances: &Array<f32>,
    out: &mut Array<f32>,
    channels: usize,
    pixels: usize,
    epsilon: f32,
    #[comptime] kind: Kind,
) {
    if ABSOLUTE_POS >= out.len() {
        terminate!();
    }
    let channel = ABSOLUTE_POS % channels;
    let image = ABSOLUTE_POS / channels / pixels;
    let affine = affine(gamma, beta, change, image, channel, channels, kind);
    let scale = affine.scale / (variances[channel] + epsilon).sqrt();
    let z = (x[ABSOLUTE_POS] - means[channel]) * scale + affine.shift;
    out[ABSOLUTE_POS] = activate(z, kind.activation);
}

/// Sums of each channel of each part over the gradient before the activation, alone and times the normalised values.
#[cube(launch)]
fn part_gradients(
    x: &Array<f32>,
    gradient: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    change: &Array<f32>,
    means: &Array<f32>,
    variances: &Array<f32>,
    sums: &mut Array<f32>,
    weighted: &mut Array<f32>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] kind: Kind,
) {
    let part = CUBE_POS / sizes.tiles;
    if part >= sizes.images * sizes.blocks {
        terminate!();
    }
    let (lane, row) = (UNIT_POS as usize % LANES, UNIT_POS as usize / LANES);
    let channel = CUBE_POS % sizes.tiles * LANES + lane;
    let image = part / sizes.blocks;
    let is_inside = channel < sizes.channels;
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    if is_inside {
        let set = set_of(image, channel, sizes.channels, kind.per_group);
        let affine = affine(gamma, beta, change, image, channel, sizes.channels, kind);
        let (mean, deviation) = (means[set], (variances[set] + epsilon).sqrt());
        let count = count(part, &sizes);
        let first = image * sizes.pixels + part % sizes.blocks * sizes.of_block;
        let mut at = row;
        while at < count {
            let index = (first + at) * sizes.channels + channel;
            let normalised = (x[index] - mean) / deviation;
            let inner = gradient[index] * slope(normalised * affine.scale + affine.shift, kind.activation);
            sum += inner;
            product += inner * normalised;
            at += ROWS;
        }
    }
    let sum = sum_of_lane(sum);
    let product = sum_of_lane(product);
    if is_inside && row == 0 {
        sums[part * sizes.channels + channel] = sum;
        weighted[part * sizes.channels + channel] = product;
    }
}

/// Gradients with respect to `x`, γ, β and the modulation, from the sums of the parts.
#[cube(launch)]
fn apply_gradients(
    x: &Array<f32>,
    gradient: &Array<f32>,
    gamma: &Array<f32>,
    beta: &Array<f32>,
    change: &Array<f32>,
    means: &Array<f32>,
    variances: &Array<f32>,
    sums: &Array<f32>,
    weighted: &Array<f32>,
    for_x: &mut Array<f32>,
    for_gamma: &mut Array<f32>,
    for_beta: &mut Array<f32>,
    for_change: &mut Array<f32>,
    sizes: Sizes,
    epsilon: f32,
    #[comptime] kind: Kind,
) {
    let cubes = changing(&sizes);
    let (piece, block) = (CUBE_POS / sizes.tiles, CUBE_POS / sizes.tiles % cubes);
    let image = piece / cubes;
    if image >= sizes.images {
        terminate!();
    }
    let (lane, row) = (UNIT_POS as usize % LANES, UNIT_POS as usize / LANES);
    let channel = CUBE_POS % sizes.tiles * LANES + lane;
    let is_inside = channel < sizes.channels;
    // Means over the set of the gradient of the normalised values, alone and times the normalised values.
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut values = f32::cast_from(sizes.images * sizes.pixels);
    if comptime!(kind.per_group == 0) {
        if is_inside {
            let mut part = row;
            while part < sizes.images * sizes.blocks {
                let of_part = part / sizes.blocks;
                let scale = affine(gamma, beta, change, of_part, channel, sizes.channels, kind).scale;
                sum += sums[part * sizes.channels + channel] * scale;
                product += weighted[part * sizes.channels + channel] * scale;
                part += ROWS;
            }
        }
        sum = sum_of_lane(sum);
        product = sum_of_lane(product);
    } else {
        values = f32::cast_from(sizes.pixels * kind.per_group);
        if is_inside {
            let first = channel / kind.per_group * kind.per_group;
            for other in 0..kind.per_group {
                let scale = affine(gamma, beta, change, image, first + other, sizes.channels, kind).scale;
                for part in 0..sizes.blocks {
                    let at = (image * sizes.blocks + part) * sizes.channels + first + other;
                    sum += sums[at] * scale;
                    product += weighted[at] * scale;
                }
            }
        }
    }
    if is_inside {
        let (mean_sum, mean_product) = (sum / values, product / values);
        let set = set_of(image, channel, sizes.channels, kind.per_group);
        let affine = affine(gamma, beta, change, image, channel, sizes.channels, kind);
        let (mean, deviation) = (means[set], (variances[set] + epsilon).sqrt());
        let mut at = block * CHANGED + row;
        let mut end = (block + 1) * CHANGED;
        if end > sizes.pixels {
            end = sizes.pixels;
        }
        while at < end {
            let index = (image * sizes.pixels + at) * sizes.channels + channel;
            let normalised = (x[index] - mean) / deviation;
            let inner = gradient[index] * slope(normalised * affine.scale + affine.shift, kind.activation);
            for_x[index] = (inner * affine.scale - mean_sum - normalised * mean_product) / deviation;
            at += ROWS;
        }
        if block == 0 && row == 0 {
            let mut of_shift = 0.0f32;
            let mut of_scale = 0.0f32;
            for part in 0..sizes.blocks {
                of_shift += sums[(image * sizes.blocks + part) * sizes.channels + channel];
                of_scale += weighted[(image * sizes.blocks + part) * sizes.channels + channel];
            }
            if comptime!(kind.modulation == Modulation::Shift) {
                for_change[image * sizes.channels + channel] = of_shift;
            } else if comptime!(kind.modulation == Modulation::ScaleAndShift) {
                for_change[image * 2 * sizes.channels + channel] =
                    gamma[channel] * of_scale + beta[channel] * of_shift;
                for_change[(image * 2 + 1) * sizes.channels + channel] = of_shift;
            }
            if comptime!(kind.is_per_image) {
                for_gamma[image * sizes.channels + channel] = of_scale;
                for_beta[image * sizes.channels + channel] = of_shift;
            } else if image == 0 {
                let mut of_beta = 0.0f32;
                let mut of_gamma = 0.0f32;
                for part in 0..sizes.images * sizes.blocks {
                    let mut factor = 1.0f32;
                    if comptime!(kind.modulation == Modulation::ScaleAndShift) {
                        factor += change[part / sizes.blocks * 2 * sizes.channels + channel];
                    }
                    of_beta += sums[part * sizes.channels + channel] * factor;
                    of_gamma += weighted[part * sizes.channels + channel] * factor;
                }
                for_gamma[channel] = of_gamma;
                for_beta[channel] = of_beta;
            }
        }
    }
}

/// The sizes of a norm of `x` on both sides of a launch.
struct Plan {
    images: usize,
    channels: usize,
    pixels: usize,
    blocks: usize,
    sets: usize,
    kind: Kind,
}

impl Plan {
    fn new<R: CubeRuntime>(
        x: &CubeTensor<R>,
        gamma: &CubeTensor<R>,
        change: Option<&CubeTensor<R>>,
        options: NormOptions,
    ) -> Self {
        let [images, channels, height, width]: [usize; 4] = x.meta.shape().dims();
        let pixels = height * width;
        let wanted = (PARTS / images).clamp(1, pixels.div_ceil(PIXELS));
        let blocks = pixels.div_ceil(pixels.div_ceil(wanted));
        let (sets, per_group) = match options.statistics {
            Statistics::Batch => (channels, 0),
            Statistics::Group(groups) => (images * groups, channels / groups),
        };
        let modulation = match change.map(|change| change.meta.num_elements() / images / channels) {
            None => Modulation::None,
            Some(1) => Modulation::Shift,
            Some(_) => Modulation::ScaleAndShift,
        };
        let is_per_image = gamma.meta.num_elements() > channels;
        let kind = Kind { per_group, is_per_image, modulation, activation: options.activation };
        Self { images, channels, pixels, blocks, sets, kind }
    }

    fn of_block(&self) -> usize {
        self.pixels.div_ceil(self.blocks)
    }

    fn tiles(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    fn sizes<R: CubeRuntime>(&self) -> SizesLaunch<R> {
        let Self { images, channels, pixels, blocks, .. } = *self;
        SizesLaunch::new(images, channels, pixels, blocks, self.of_block(), self.tiles())
    }

    /// Values per channel of each part.
    fn of_parts<R: CubeRuntime>(&self, like: &CubeTensor<R>) -> CubeTensor<R> {
        empty(like, [self.images * self.blocks * self.channels])
    }

    /// Cubes that sum the parts.
    fn summing<R: CubeRuntime>(&self, like: &CubeTensor<R>) -> (CubeCount, CubeDim) {
        one_cube_each(like, self.images * self.blocks * self.tiles())
    }

    /// Cubes that change every value.
    fn changing<R: CubeRuntime>(&self, like: &CubeTensor<R>) -> (CubeCount, CubeDim) {
        one_cube_each(like, self.images * self.pixels.div_ceil(CHANGED) * self.tiles())
    }
}

/// Norm with the statistics of `x`, the modulation by `change`, then the activation.
pub(super) fn normalize<R: CubeRuntime>(
    x: CubeTensor<R>,
    [gamma, beta]: [CubeTensor<R>; 2],
    change: Option<CubeTensor<R>>,
    options: NormOptions,
) -> Normalized<CubeTensor<R>> {
    let x = channels_last(x);
    let plan = Plan::new(&x, &gamma, change.as_ref(), options);
    let [part_means, part_squares] = [(); 2].map(|()| plan.of_parts(&x));
    let [mean, variance] = [(); 2].map(|()| empty(&x, [plan.sets]));
    let client = x.client.clone();
    let (cubes, size) = plan.summing(&x);
    part_moments::launch::<R>(
        &client,
        cubes,
        size,
        x.clone().into_array_arg(),
        part_means.clone().into_array_arg(),
        part_squares.clone().into_array_arg(),
        plan.sizes(),
    );
    let output = empty_images(&x, x.meta.shape().dims());
    // γ stands in where nothing is told.
    let change = change.unwrap_or_else(|| gamma.clone());
    let (cubes, size) = plan.changing(&x);
    apply_moments::launch::<R>(
        &client,
        cubes,
        size,
        x.into_array_arg(),
        into_contiguous(gamma).into_array_arg(),
        into_contiguous(beta).into_array_arg(),
        into_contiguous(change).into_array_arg(),
        part_means.into_array_arg(),
        part_squares.into_array_arg(),
        output.clone().into_array_arg(),
        mean.clone().into_array_arg(),
        variance.clone().into_array_arg(),
        plan.sizes(),
        options.epsilon as f32,
        plan.kind,
    );
    Normalized { output, mean, variance }
}

/// Norm with given mean and variance of each channel, the modulation by `change`, then the activation.
pub(super) fn normalize_with<R: CubeRuntime>(
    x: CubeTensor<R>,
    [gamma, beta]: [CubeTensor<R>; 2],
    change: Option<CubeTensor<R>>,
    [mean, variance]: [CubeTensor<R>; 2],
    options: NormOptions,
) -> CubeTensor<R> {
    let x = channels_last(x);
    let plan = Plan::new(&x, &gamma, change.as_ref(), options);
    let out = empty_images(&x, x.meta.shape().dims());
    let change = change.unwrap_or_else(|| gamma.clone());
    let (cubes, size) = one_unit_each(&x, out.meta.num_elements());
    apply_given::launch::<R>(
        &x.client.clone(),
        cubes,
        size,
        x.into_array_arg(),
        into_contiguous(gamma).into_array_arg(),
        into_contiguous(beta).into_array_arg(),
        into_contiguous(change).into_array_arg(),
        into_contiguous(mean).into_array_arg(),
        into_contiguous(variance).into_array_arg(),
        out.clone().into_array_arg(),
        plan.channels,
        plan.pixels,
        options.epsilon as f32,
        plan.kind,
    );
    out
}

/// Gradients with respect to `x`, γ and β, and to `change`; without one the last means nothing.
pub(super) fn gradients<R: CubeRuntime>(
    x: CubeTensor<R>,
    affine: [CubeTensor<R>; 2],
    change: Option<CubeTensor<R>>,
    moments: [CubeTensor<R>; 2],
    out_gradient: CubeTensor<R>,
    options: NormOptions,
) -> ([CubeTensor<R>; 3], CubeTensor<R>) {
    let [x, gradient] = [x, out_gradient].map(channels_last);
    let [gamma, beta] = affine.map(into_contiguous);
    let [mean, variance] = moments.map(into_contiguous);
    let plan = Plan::new(&x, &gamma, change.as_ref(), options);
    let client = x.client.clone();
    let [sums, weighted] = [(); 2].map(|()| plan.of_parts(&x));
    let change = into_contiguous(change.unwrap_or_else(|| gamma.clone()));
    let (cubes, size) = plan.summing(&x);
    part_gradients::launch::<R>(
        &client,
        cubes,
        size,
        x.clone().into_array_arg(),
        gradient.clone().into_array_arg(),
        gamma.clone().into_array_arg(),
        beta.clone().into_array_arg(),
        change.clone().into_array_arg(),
        mean.clone().into_array_arg(),
        variance.clone().into_array_arg(),
        sums.clone().into_array_arg(),
        weighted.clone().into_array_arg(),
        plan.sizes(),
        options.epsilon as f32,
        plan.kind,
    );
    let for_x = empty_images(&x, x.meta.shape().dims());
    let of_affine: Shape = gamma.meta.shape().clone();
    let [for_gamma, for_beta] = [(); 2].map(|()| empty(&x, of_affine.clone()));
    let for_change = empty(&x, change.meta.shape().clone());
    let (cubes, size) = plan.changing(&x);
    apply_gradients::launch::<R>(
        &client,
        cubes,
        size,
        x.into_array_arg(),
        gradient.into_array_arg(),
        gamma.into_array_arg(),
        beta.into_array_arg(),
        change.into_array_arg(),
        mean.into_array_arg(),
        variance.into_array_arg(),
        sums.into_array_arg(),
        weighted.into_array_arg(),
        for_x.clone().into_array_arg(),
        for_gamma.clone().into_array_arg(),
        for_beta.clone().into_array_arg(),
        for_change.clone().into_array_arg(),
        plan.sizes(),
        options.epsilon as f32,
        plan.kind,
    );
    ([for_x, for_gamma, for_beta], for_change)
}
