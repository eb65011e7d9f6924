//! Colours of what a prediction got wrong: orange where it has too much, violet where it missed something. In grey print
//! violet is the darker one.

use image::{Rgb, RgbImage};
use ndarray::ArrayView2;

use porecast_store::picture::{DEFENDING, SOLID};

/// Invaded in the prediction, not in the truth.
pub const TOO_MUCH: Rgb<u8> = Rgb([0xE6, 0x9F, 0x00]);
/// Invaded in the truth, not in the prediction.
pub const MISSED: Rgb<u8> = Rgb([0x7B, 0x3F, 0xB5]);

/// Predicted probability minus truth: [`MISSED`] at -1, pale at 0, [`TOO_MUCH`] at 1, grey in solid.
///
/// # Panics
/// The shapes differ.
pub fn signed_image(
    solid: ArrayView2<bool>,
    probability: ArrayView2<f32>,
    truth: ArrayView2<bool>,
) -> RgbImage {
    assert_eq!(solid.dim(), truth.dim(), "solid and truth have one shape");
    paint(solid, |pixel| {
        let difference = probability[pixel] - f32::from(u8::from(truth[pixel]));
        blend(if difference < 0.0 { MISSED } else { TOO_MUCH }, difference.abs())
    })
}

/// A field between 0 and 1, from pale to [`TOO_MUCH`]; grey in solid.
///
/// # Panics
/// The shapes differ.
pub fn magnitude_image(solid: ArrayView2<bool>, magnitude: ArrayView2<f32>) -> RgbImage {
    assert_eq!(solid.dim(), magnitude.dim(), "solid and magnitude have one shape");
    paint(solid, |pixel| blend(TOO_MUCH, magnitude[pixel]))
}

fn paint(solid: ArrayView2<bool>, colour: impl Fn((usize, usize)) -> Rgb<u8>) -> RgbImage {
    let (height, width) = solid.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let pixel = (y as usize, x as usize);
        if solid[pixel] { SOLID } else { colour(pixel) }
    })
}

fn blend(colour: Rgb<u8>, share: f32) -> Rgb<u8> {
    let share = share.clamp(0.0, 1.0);
    Rgb(std::array::from_fn(|c| {
        (f32::from(DEFENDING.0[c]) * (1.0 - share) + f32::from(colour.0[c]) * share).round() as u8
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_sign_chooses_the_colour() {
        let solid = array![[false, false, false, true]];
        let image = signed_image(
            solid.view(),
            array![[1.0, 0.0, 1.0, 0.0]].view(),
            array![[false, true, true, false]].view(),
        );
        assert_eq!([0, 1, 2, 3].map(|x| *image.get_pixel(x, 0)), [TOO_MUCH, MISSED, DEFENDING, SOLID]);
    }
}
