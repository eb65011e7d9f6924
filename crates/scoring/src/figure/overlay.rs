//! Masks drawn over the images they belong to.

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use ndarray::{Array2, ArrayView2, ArrayView3};
use plotters::style::RGBColor;
use porecast_imaging::measure::outline;

use super::palette;

pub use super::difference::{MISSED, TOO_MUCH};

/// Outline of the truth.
pub const TRUE_OUTLINE: Rgb<u8> = Rgb([0x56, 0xB4, 0xE9]);
/// Outline of a prediction.
pub const PREDICTED_OUTLINE: Rgb<u8> = Rgb([0xF0, 0xE4, 0x42]);
/// True positives: not background in prediction and truth.
pub const RIGHT: Rgb<u8> = Rgb([0x00, 0x9E, 0x73]);

/// Longest edge of a picture: larger images are made smaller first, so that outlines are not lost in it.
const EDGE: usize = 480;
/// Shortest edge, about: smaller images are made larger, so that outlines do not hide them.
const SMALL_EDGE: usize = 200;
/// Weight of a colour over the image.
const OPACITY: f32 = 0.6;
/// Share of the values at either end that the contrast stretch clips.
const TAIL: f64 = 0.005;

/// An image that masks are drawn over.
#[derive(Debug, Clone)]
pub struct Canvas {
    picture: RgbImage,
}

impl Canvas {
    /// An image `[channel, y, x]`: three channels or more as colours of the first three, fewer as grey of the first,
    /// stretched to full contrast.
    pub fn new(image: ArrayView3<'_, f32>) -> Self {
        let (channels, height, width) = image.dim();
        let shown = if channels >= 3 { 3 } else { 1.min(channels) };
        let mut values: Vec<f32> = image
            .outer_iter()
            .take(shown)
            .flat_map(|plane| plane.iter().copied().collect::<Vec<_>>())
            .collect();
        values.sort_unstable_by(f32::total_cmp);
        let at =
            |q: f64| values.get((q * values.len().saturating_sub(1) as f64) as usize).copied().unwrap_or(0.0);
        let (low, high) = (at(TAIL), at(1.0 - TAIL));
        let range = if high > low { high - low } else { 1.0 };
        let full = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            Rgb(std::array::from_fn(|c| {
                let value = image[(c.min(shown.saturating_sub(1)), y as usize, x as usize)];
                ((value - low) / range * 255.0).round().clamp(0.0, 255.0) as u8
            }))
        });
        let (width, height) = shown_size(height, width);
        let filter = if width < full.width() { FilterType::Triangle } else { FilterType::Nearest };
        Self { picture: imageops::resize(&full, width, height, filter) }
    }

    /// The image alone.
    pub fn picture(&self) -> &RgbImage {
        &self.picture
    }

    /// With the outlines of what is not background in truth and prediction; the prediction lies above.
    pub fn with_outlines(&self, truth: ArrayView2<'_, u8>, predicted: ArrayView2<'_, u8>) -> RgbImage {
        let mut picture = self.picture.clone();
        for (mask, colour) in [(truth, TRUE_OUTLINE), (predicted, PREDICTED_OUTLINE)] {
            let border = outline(self.sampled(mask).mapv(|class| class != 0).view());
            for ((y, x), _) in border.indexed_iter().filter(|(_, on)| **on) {
                picture.put_pixel(x as u32, y as u32, colour);
            }
        }
        picture
    }

    /// With true positives, false negatives and false positives coloured; all classes but the background count as one.
    pub fn with_errors(&self, truth: ArrayView2<'_, u8>, predicted: ArrayView2<'_, u8>) -> RgbImage {
        let (truth, predicted) = (self.sampled(truth), self.sampled(predicted));
        self.tinted(|pixel| match (truth[pixel] != 0, predicted[pixel] != 0) {
            (true, true) => Some(RIGHT),
            (true, false) => Some(MISSED),
            (false, true) => Some(TOO_MUCH),
            (false, false) => None,
        })
    }

    /// Coloured by class, the background left as it is.
    pub fn with_classes(&self, mask: ArrayView2<'_, u8>) -> RgbImage {
        let mask = self.sampled(mask);
        self.tinted(|pixel| (mask[pixel] != 0).then(|| class_colour(mask[pixel])))
    }

    /// The nearest pixel of a mask under each pixel of the picture.
    fn sampled(&self, mask: ArrayView2<'_, u8>) -> Array2<u8> {
        let (height, width) = mask.dim();
        let (columns, rows) = self.picture.dimensions();
        Array2::from_shape_fn((rows as usize, columns as usize), |(y, x)| {
            mask[(y * height / rows as usize, x * width / columns as usize)]
        })
    }

    fn tinted(&self, colour: impl Fn((usize, usize)) -> Option<Rgb<u8>>) -> RgbImage {
        let mut picture = self.picture.clone();
        for (x, y, pixel) in picture.enumerate_pixels_mut() {
            if let Some(colour) = colour((y as usize, x as usize)) {
                *pixel = Rgb(std::array::from_fn(|c| {
                    (f32::from(pixel[c]) * (1.0 - OPACITY) + f32::from(colour[c]) * OPACITY).round() as u8
                }));
            }
        }
        picture
    }
}

/// Colour of a class; they repeat after six. The background has none.
pub fn class_colour(class: u8) -> Rgb<u8> {
    let RGBColor(r, g, b) = palette::class(usize::from(class.saturating_sub(1)));
    Rgb([r, g, b])
}

/// Width and height of the picture of an image.
fn shown_size(height: usize, width: usize) -> (u32, u32) {
    let longer = height.max(width).max(1);
    let scaled = |length: usize| match longer {
        large if large > EDGE => (length * EDGE / large).max(1),
        small => length * (SMALL_EDGE / small).max(1),
    };
    (scaled(width) as u32, scaled(height) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    #[test]
    fn errors_have_their_colours_and_the_rest_is_the_image() {
        let image = Array3::from_shape_fn((1, 2, 2), |(_, y, x)| if (y, x) == (1, 1) { 1.0 } else { 0.0 });
        let canvas = Canvas::new(image.view());
        let picture = canvas.with_errors(array![[1, 1], [0, 0]].view(), array![[1, 0], [1, 0]].view());
        let (width, height) = picture.dimensions();
        let corner = |x, y| *picture.get_pixel(x * (width - 1), y * (height - 1));
        let over_black = |Rgb(c): Rgb<u8>| Rgb(c.map(|v| (f32::from(v) * OPACITY).round() as u8));
        assert_eq!([corner(0, 0), corner(1, 0), corner(0, 1)], [RIGHT, MISSED, TOO_MUCH].map(over_black));
        assert_eq!(corner(1, 1), Rgb([255; 3]));
    }

    #[test]
    fn large_images_shrink_and_small_ones_grow_by_whole_numbers() {
        assert_eq!(shown_size(942, 1716), (480, 263));
        assert_eq!(shown_size(64, 128), (128, 64));
        assert_eq!(shown_size(216, 216), (216, 216));
        assert_eq!(shown_size(20, 50), (200, 80));
        let outlines = |size: usize| {
            let canvas = Canvas::new(Array3::zeros((3, size, size)).view());
            let truth = Array2::from_shape_fn((size, size), |(y, _)| u8::from(y > size / 2));
            let picture = canvas.with_outlines(truth.view(), Array2::zeros((size, size)).view());
            picture.pixels().filter(|pixel| **pixel == TRUE_OUTLINE).count()
        };
        assert!(outlines(1000) >= EDGE, "an outline as long as the picture is wide is left");
        assert!(outlines(10) >= SMALL_EDGE);
    }
}
