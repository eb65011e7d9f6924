//! Pictures of domains and invasion sequences, pixel for pixel in one palette.
//!
//! Grains are grey, the defending fluid is pale and the invading fluid blue. The colours differ in
//! lightness, so that colour-blind readers and grey prints distinguish them.

use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

/// Colour of the solid.
pub const SOLID: Rgb<u8> = Rgb([134, 134, 138]);
/// Colour of the defending fluid: a probability of 0.
pub const DEFENDING: Rgb<u8> = Rgb([247, 244, 236]);
/// Colour of the invading fluid: a probability of 1.
pub const INVADING: Rgb<u8> = Rgb([18, 78, 140]);
/// Colour around pictures.
pub const PAPER: Rgb<u8> = Rgb([255, 255, 255]);

/// The geometry alone.
pub fn domain_image(solid: ArrayView2<'_, bool>) -> RgbImage {
    raster(solid.dim(), |y, x| if solid[(y, x)] { SOLID } else { DEFENDING })
}

/// One frame of a sequence.
///
/// # Panics
/// The shapes differ.
pub fn phase_image(solid: ArrayView2<'_, bool>, phase: ArrayView2<'_, bool>) -> RgbImage {
    assert_eq!(solid.dim(), phase.dim(), "solid and phase have one shape");
    raster(solid.dim(), |y, x| match (solid[(y, x)], phase[(y, x)]) {
        (true, _) => SOLID,
        (false, true) => INVADING,
        (false, false) => DEFENDING,
    })
}

/// One frame of a prediction; the colour runs from [`DEFENDING`] at 0 to [`INVADING`] at 1.
///
/// # Panics
/// The shapes differ.
pub fn probability_image(solid: ArrayView2<'_, bool>, probability: ArrayView2<'_, f32>) -> RgbImage {
    assert_eq!(solid.dim(), probability.dim(), "solid and probability have one shape");
    raster(solid.dim(), |y, x| if solid[(y, x)] { SOLID } else { probability_colour(probability[(y, x)]) })
}

/// Colour of a probability; values outside 0 to 1 take the nearer end.
pub fn probability_colour(probability: f32) -> Rgb<u8> {
    let p = probability.clamp(0.0, 1.0);
    Rgb(std::array::from_fn(|c| {
        let (from, to) = (f32::from(DEFENDING.0[c]), f32::from(INVADING.0[c]));
        (from + p * (to - from)).round() as u8
    }))
}

/// Enlarges each pixel to `factor` x `factor` pixels.
pub fn enlarge(image: &RgbImage, factor: u32) -> RgbImage {
    RgbImage::from_fn(image.width() * factor, image.height() * factor, |x, y| {
        *image.get_pixel(x / factor, y / factor)
    })
}

fn raster((height, width): (usize, usize), colour: impl Fn(usize, usize) -> Rgb<u8>) -> RgbImage {
    RgbImage::from_fn(width as u32, height as u32, |x, y| colour(y as usize, x as usize))
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn solid_hides_whatever_a_frame_says_there() {
        let solid = array![[true, false, false]];
        let image = phase_image(solid.view(), array![[true, true, false]].view());
        assert_eq!([0, 1, 2].map(|x| *image.get_pixel(x, 0)), [SOLID, INVADING, DEFENDING]);
        let image = probability_image(solid.view(), array![[1.0, 1.0, 0.0]].view());
        assert_eq!([0, 1, 2].map(|x| *image.get_pixel(x, 0)), [SOLID, INVADING, DEFENDING]);
    }

    #[test]
    fn the_three_colours_differ_in_lightness() {
        let lightness = |Rgb([r, g, b]): Rgb<u8>| u32::from(r) * 3 + u32::from(g) * 6 + u32::from(b);
        assert!(
            lightness(INVADING) + 400 < lightness(SOLID) && lightness(SOLID) + 400 < lightness(DEFENDING)
        );
    }
}
