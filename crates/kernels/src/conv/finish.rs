//! Final operations on the sums of a convolution before they are stored.

use super::images::ImageMut;
use crate::share::Shared;
use crate::simd::Simd;

/// z = scale (y + onto) + shift, then the rectifier; each step is optional.
#[derive(Clone, Copy, Default)]
pub(crate) struct Finish<'a> {
    /// `[images, out, plane]`; each image is used for the same number of consecutive images of the batch.
    pub onto: Option<&'a [f32]>,
    /// Scale and shift, `[out]` or `[batch, out]`.
    pub affine: Option<[&'a [f32]; 2]>,
    /// Whether negative values become zero.
    pub rectifies: bool,
}

impl<'a> Finish<'a> {
    /// The part for one image of a batch of outputs `[channels, plane]`.
    pub fn of_image(&self, image: usize, batch: usize, [channels, plane]: [usize; 2]) -> ImageFinish<'a> {
        let size = channels * plane;
        let onto = self.onto.map(|onto| {
            let images = onto.len() / size;
            &onto[image * images / batch * size..][..size]
        });
        let affine = self.affine.map(|values| {
            values.map(|values| match values.len() == channels {
                true => values,
                false => &values[image * channels..][..channels],
            })
        });
        ImageFinish { onto, affine, rectifies: self.rectifies, plane }
    }
}

/// [`Finish`] for one image.
#[derive(Clone, Copy)]
pub(crate) struct ImageFinish<'a> {
    onto: Option<&'a [f32]>,
    affine: Option<[&'a [f32]; 2]>,
    rectifies: bool,
    plane: usize,
}

impl<'a> ImageFinish<'a> {
    /// The part for a channel of the image `out`.
    ///
    /// # Panics
    /// If the channel does not exist.
    #[inline(always)]
    pub fn channel(&self, channel: usize, out: &ImageMut<'a>) -> Channel<'a> {
        Channel {
            onto: self.onto.map(|onto| &onto[channel * self.plane..][..self.plane]),
            affine: self.affine.map(|values| values.map(|values| values[channel])),
            rectifies: self.rectifies,
            out: out.channel(channel),
            streams: out.streams(),
        }
    }
}

/// A channel of an output image, whose sums are finished and stored.
#[derive(Clone, Copy)]
pub(crate) struct Channel<'a> {
    onto: Option<&'a [f32]>,
    affine: Option<[f32; 2]>,
    rectifies: bool,
    out: Shared<'a, f32>,
    /// Whether it is stored past the caches.
    streams: bool,
}

impl Channel<'_> {
    /// Finishes a vector and stores its first `live` lanes as the pixels from `pixel` on.
    ///
    /// # Safety
    /// The processor has the instructions of `S`; no other task has these pixels, and the task calls `S::fence` at its end.
    ///
    /// # Panics
    /// If the pixels do not exist.
    #[inline(always)]
    pub unsafe fn store<S: Simd>(&self, sums: S::Vector, pixel: usize, live: usize) {
        let to = self.out.part(pixel, live).pointer(0, live);
        let mut z = sums;
        // SAFETY: the caller ensures the instructions; the loads are from a slice of `live` floats, and the output was checked.
        unsafe {
            if let Some(onto) = self.onto {
                let onto = &onto[pixel..][..live];
                z = S::add(
                    z,
                    if live == S::LANES {
                        S::load(onto.as_ptr())
                    } else {
                        S::load_first(onto.as_ptr(), live)
                    },
                );
            }
            if let Some([scale, shift]) = self.affine {
                z = S::fma(z, S::splat(scale), S::splat(shift));
            }
            if self.rectifies {
                z = S::rectify(z);
            }
            if live < S::LANES {
                S::store_first(to, live, z);
            } else if self.streams && to.cast::<S::Vector>().is_aligned() {
                S::stream(to, z);
            } else {
                S::store(to, z);
            }
        }
    }

    /// Like [`store`](Self::store), for a slice of consecutive pixels.
    ///
    /// # Safety
    /// No other task has these pixels.
    #[inline(always)]
    pub unsafe fn store_slice(&self, sums: &mut [f32], pixel: usize) {
        if let Some(onto) = self.onto {
            for (z, onto) in sums.iter_mut().zip(&onto[pixel..]) {
                *z += onto;
            }
        }
        if let Some([scale, shift]) = self.affine {
            for z in sums.iter_mut() {
                *z = *z * scale + shift;
            }
        }
        if self.rectifies {
            for z in sums.iter_mut() {
                *z = if *z < 0.0 { 0.0 } else { *z };
            }
        }
        // SAFETY: ensured by the caller.
        unsafe { self.out.slice(pixel, sums.len()) }.copy_from_slice(sums);
    }
}
