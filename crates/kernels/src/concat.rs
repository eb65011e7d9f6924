//! Joining and splitting channels, and summing images.

use rayon::prelude::*;

/// Joins `[batch, a]` and `[batch, b]`, where `a` and `b` are the sizes of an image in each.
pub(crate) fn join(a: &[f32], b: &[f32], [a_image, b_image]: [usize; 2], out: &mut [f32]) {
    let image = a_image + b_image;
    if image == 0 {
        return;
    }
    assert_eq!(out.len(), a.len() + b.len());
    out.par_chunks_mut(image).enumerate().for_each(|(index, out)| {
        let (to_a, to_b) = out.split_at_mut(a_image);
        to_a.copy_from_slice(&a[index * a_image..][..a_image]);
        to_b.copy_from_slice(&b[index * b_image..][..b_image]);
    });
}

/// The reverse of [`join`].
pub(crate) fn split(joined: &[f32], [a_image, b_image]: [usize; 2], a: &mut [f32], b: &mut [f32]) {
    let image = a_image + b_image;
    assert_eq!(joined.len(), a.len() + b.len());
    if a_image > 0 {
        a.par_chunks_mut(a_image).enumerate().for_each(|(index, a)| {
            a.copy_from_slice(&joined[index * image..][..a_image]);
        });
    }
    if b_image > 0 {
        b.par_chunks_mut(b_image).enumerate().for_each(|(index, b)| {
            b.copy_from_slice(&joined[index * image + a_image..][..b_image]);
        });
    }
}

/// Sums of consecutive images: `[batch, channels, plane]` to `[images, channels, plane]`.
pub(crate) fn sum_images(x: &[f32], [images, channels, plane]: [usize; 3], sums: &mut [f32]) {
    let image = channels * plane;
    assert_eq!(sums.len(), images * image);
    if sums.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(sums.len()));
    let repeats = x.len() / sums.len();
    sums.par_chunks_mut(plane).enumerate().for_each(|(index, sums)| {
        let first = index / channels * repeats * image + index % channels * plane;
        sums.copy_from_slice(&x[first..][..plane]);
        for repeat in 1..repeats {
            for (sum, value) in sums.iter_mut().zip(&x[first + repeat * image..][..plane]) {
                *sum += value;
            }
        }
    });
}
