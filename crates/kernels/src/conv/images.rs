//! Batches of images whose channels lie in one tensor, or the first of them in one and the rest in another: a decoder's
//! skip and its own channels need no concatenation.

use crate::share::Shared;

/// Floats of an output that is stored past the caches: 2 MiB, the size of a second-level cache. A line that is only written
/// then need not be read first.
const STREAMED: usize = 1 << 19;

/// The input of a convolution.
#[derive(Clone, Copy)]
pub(crate) struct Images<'a> {
    first: &'a [f32],
    rest: &'a [f32],
    /// Channels in the first tensor; more than there are if it has all.
    channels: usize,
}

impl<'a> Images<'a> {
    /// All channels in one tensor.
    pub fn whole(x: &'a [f32]) -> Self {
        Self { first: x, rest: &[], channels: usize::MAX }
    }

    /// The first `channels` channels of each image in one tensor, the rest in another.
    pub fn joined(first: &'a [f32], rest: &'a [f32], channels: usize) -> Self {
        Self { first, rest, channels }
    }

    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// One image with so many channels of so many pixels.
    #[inline(always)]
    pub fn image(&self, index: usize, [channels, plane]: [usize; 2]) -> Image<'a> {
        let first = self.channels.min(channels);
        let [first_len, rest_len] = [first * plane, (channels - first) * plane];
        Image {
            first: &self.first[index * first_len..][..first_len],
            rest: &self.rest[index * rest_len..][..rest_len],
            channels: first,
            plane,
        }
    }
}

/// One of [`Images`].
#[derive(Clone, Copy)]
pub(crate) struct Image<'a> {
    first: &'a [f32],
    rest: &'a [f32],
    channels: usize,
    plane: usize,
}

impl<'a> Image<'a> {
    /// The pixels of a channel.
    #[inline(always)]
    pub fn channel(&self, channel: usize) -> &'a [f32] {
        match channel.checked_sub(self.channels) {
            None => &self.first[channel * self.plane..][..self.plane],
            Some(channel) => &self.rest[channel * self.plane..][..self.plane],
        }
    }
}

/// The output of a convolution, written by several tasks.
#[derive(Clone, Copy)]
pub(crate) struct ImagesMut<'a> {
    first: Shared<'a, f32>,
    rest: Shared<'a, f32>,
    channels: usize,
    streams: bool,
}

impl<'a> ImagesMut<'a> {
    /// All channels in one tensor.
    pub fn whole(out: &'a mut [f32]) -> Self {
        Self::joined(out, &mut [], usize::MAX)
    }

    /// The first `channels` channels of each image in one tensor, the rest in another.
    pub fn joined(first: &'a mut [f32], rest: &'a mut [f32], channels: usize) -> Self {
        let streams = first.len() + rest.len() >= STREAMED;
        Self { first: Shared::new(first), rest: Shared::new(rest), channels, streams }
    }

    pub fn len(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    /// One image with so many channels of so many pixels.
    #[inline(always)]
    pub fn image(&self, index: usize, [channels, plane]: [usize; 2]) -> ImageMut<'a> {
        let first = self.channels.min(channels);
        let [first_len, rest_len] = [first * plane, (channels - first) * plane];
        ImageMut {
            first: self.first.part(index * first_len, first_len),
            rest: self.rest.part(index * rest_len, rest_len),
            channels: first,
            plane,
            streams: self.streams,
        }
    }
}

/// One of [`ImagesMut`].
#[derive(Clone, Copy)]
pub(crate) struct ImageMut<'a> {
    first: Shared<'a, f32>,
    rest: Shared<'a, f32>,
    channels: usize,
    plane: usize,
    streams: bool,
}

impl<'a> ImageMut<'a> {
    /// The pixels of a channel.
    #[inline(always)]
    pub fn channel(&self, channel: usize) -> Shared<'a, f32> {
        match channel.checked_sub(self.channels) {
            None => self.first.part(channel * self.plane, self.plane),
            Some(channel) => self.rest.part(channel * self.plane, self.plane),
        }
    }

    /// Whether it is stored past the caches.
    #[inline(always)]
    pub fn streams(&self) -> bool {
        self.streams
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conv::direct::{convolve, convolve_input_gradient};
    use crate::conv::finish::Finish;
    use crate::conv::shape::ConvShape;
    use crate::conv::weight_gradient::weight_gradient;
    use crate::reference::noise;
    use crate::simd::Level;
    use proptest::prelude::*;

    /// The channels of each image, the first `channels` apart from the rest.
    fn apart(x: &[f32], [all, channels, plane]: [usize; 3]) -> [Vec<f32>; 2] {
        let images = x.chunks_exact(all * plane);
        let [mut first, mut rest] = [Vec::new(), Vec::new()];
        for image in images {
            first.extend(&image[..channels * plane]);
            rest.extend(&image[channels * plane..]);
        }
        [first, rest]
    }

    /// An output larger than a second-level cache, in whole lines and not.
    #[test]
    fn large_outputs_have_the_bytes_of_small_ones() {
        for width in [128, 131] {
            let of = |batch| {
                ConvShape::new([batch, 9, 160, width], [9, 3, 3], [1, 1], [1, 1], [1, 1]).expect("fits")
            };
            let (one, all) = (of(1), of(4));
            assert!(one.out_len() < STREAMED && all.out_len() >= STREAMED);
            let x = noise(1, all.in_len());
            let weight = noise(2, all.weight_len());
            for level in Level::available() {
                let [mut expected, mut found] =
                    [vec![f32::NAN; all.out_len()], vec![f32::NAN; all.out_len()]];
                for (x, out) in x.chunks_exact(one.in_len()).zip(expected.chunks_exact_mut(one.out_len())) {
                    let (from, to) = (Images::whole(x), ImagesMut::whole(out));
                    convolve(level, &one, from, &weight, None, Finish::default(), to);
                }
                let (from, to) = (Images::whole(&x), ImagesMut::whole(&mut found));
                convolve(level, &all, from, &weight, None, Finish::default(), to);
                assert_eq!(expected, found);
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn joined_tensors_give_the_same_bytes_as_their_concatenation(
            batch in 1usize..4, first in 1usize..40, rest in 1usize..40, out in 1usize..40, height in 4usize..20,
            width in prop_oneof![4usize..20, Just(64usize)], stride in 1usize..3, seed in 1u64..99,
        ) {
            let size = [batch, first + rest, height, width];
            let shape = ConvShape::new(size, [out, 3, 3], [stride; 2], [1, 1], [1, 1]).expect("fits");
            let backward = shape.dense().input_gradient().expect("the padding is inside the kernel");
            let x = noise(seed, shape.in_len());
            let weight = noise(seed + 1, shape.weight_len());
            let out_gradient = noise(seed + 2, shape.out_len());
            let [a, b] = apart(&x, [first + rest, first, shape.in_plane()]);
            for level in Level::available() {
                let finish = Finish::default();
                let inputs = [Images::whole(&x), Images::joined(&a, &b, first)];
                let [one, two] = inputs.map(|x| {
                    let mut y = vec![f32::NAN; shape.out_len()];
                    convolve(level, &shape, x, &weight, None, finish, ImagesMut::whole(&mut y));
                    let mut gradient = vec![f32::NAN; shape.weight_len()];
                    weight_gradient(level, &shape, x, &out_gradient, &mut gradient);
                    [y, gradient]
                });
                prop_assert_eq!(one, two);
                let mut whole = vec![f32::NAN; shape.in_len()];
                let to = ImagesMut::whole(&mut whole);
                convolve_input_gradient(level, &shape, &backward, &out_gradient, &weight, to);
                let [mut a, mut b] = [vec![f32::NAN; a.len()], vec![f32::NAN; b.len()]];
                let to = ImagesMut::joined(&mut a, &mut b, first);
                convolve_input_gradient(level, &shape, &backward, &out_gradient, &weight, to);
                prop_assert_eq!(apart(&whole, [first + rest, first, shape.in_plane()]), [a, b]);
            }
        }
    }
}
