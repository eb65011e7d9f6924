//! Joining and splitting channels.

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
