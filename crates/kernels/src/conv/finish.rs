//! Final operations on the sums of a convolution before they are stored.

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

impl ImageFinish<'_> {
    /// Finishes a vector whose first `live` lanes are the pixels of a channel from `pixel` on.
    ///
    /// # Safety
    /// The processor has the instructions of `S`.
    ///
    /// # Panics
    /// If the channel or its pixels do not exist.
    #[inline(always)]
    pub unsafe fn vector<S: Simd>(
        &self,
        sums: S::Vector,
        channel: usize,
        pixel: usize,
        live: usize,
    ) -> S::Vector {
        let mut z = sums;
        // SAFETY: the caller ensures the instructions; the loads are from a slice of `live` floats.
        unsafe {
            if let Some(onto) = self.onto {
                let onto = &onto[channel * self.plane + pixel..][..live];
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
                z = S::fma(z, S::splat(scale[channel]), S::splat(shift[channel]));
            }
            if self.rectifies {
                z = S::rectify(z);
            }
        }
        z
    }

    /// Like the method for vectors, for a slice of consecutive pixels.
    #[inline(always)]
    pub fn slice(&self, sums: &mut [f32], channel: usize, pixel: usize) {
        if let Some(onto) = self.onto {
            for (z, onto) in sums.iter_mut().zip(&onto[channel * self.plane + pixel..]) {
                *z += onto;
            }
        }
        if let Some([scale, shift]) = self.affine {
            for z in sums.iter_mut() {
                *z = *z * scale[channel] + shift[channel];
            }
        }
        if self.rectifies {
            for z in sums.iter_mut() {
                *z = if *z < 0.0 { 0.0 } else { *z };
            }
        }
    }
}
