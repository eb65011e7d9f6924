//! Pictures of annotated images, with mask outlines.

use image::{Rgb, RgbImage, imageops};
use ndarray::{ArrayView2, ArrayView3};

use crate::AnnotatedImage;

/// Approximate length in pixels of the longer side of a picture.
const SIDE: u32 = 320;
/// Outline colours of classes 1, 2, …, repeated if needed (Okabe and Ito: distinguishable with colour
/// blindness).
pub const OUTLINES: [Rgb<u8>; 7] = [
    Rgb([230, 159, 0]),
    Rgb([86, 180, 233]),
    Rgb([0, 158, 115]),
    Rgb([240, 228, 66]),
    Rgb([213, 94, 0]),
    Rgb([204, 121, 167]),
    Rgb([0, 114, 178]),
];

/// The image at about 320 pixels along its longer side, with the outlines of its mask.
///
/// Images with one or two channels are shown in grey (the first channel), those with more in colour (the
/// first three).
pub fn outlined(sample: &AnnotatedImage) -> RgbImage {
    let (_, height, width) = sample.image.dim();
    let longer = height.max(width).max(1) as u32;
    let scaled = |length: usize| {
        let length = length as u32;
        if longer >= SIDE { (length * SIDE / longer).max(1) } else { length * (SIDE / longer) }
    };
    let (rows, columns) = (scaled(height), scaled(width));
    let full = rgb(sample.image.view());
    let mut picture = if longer > SIDE {
        imageops::thumbnail(&full, columns, rows)
    } else {
        imageops::resize(&full, columns, rows, imageops::FilterType::Nearest)
    };
    if let Some(mask) = &sample.mask {
        outline(&mut picture, mask.view());
    }
    picture
}

fn rgb(image: ArrayView3<'_, f32>) -> RgbImage {
    let (channels, height, width) = image.dim();
    RgbImage::from_fn(width as u32, height as u32, |x, y| {
        Rgb([0, 1, 2].map(|channel| {
            let channel = if channels >= 3 { channel } else { 0 };
            (image[[channel, y as usize, x as usize]] * 255.0 + 0.5) as u8
        }))
    })
}

/// Colours the pixels of each class that touch another class.
fn outline(picture: &mut RgbImage, mask: ArrayView2<'_, u8>) {
    let (height, width) = mask.dim();
    let (columns, rows) = picture.dimensions();
    let class = |x: u32, y: u32| {
        let (row, column) = (y as usize * height / rows as usize, x as usize * width / columns as usize);
        mask[[row, column]]
    };
    for y in 0..rows {
        for x in 0..columns {
            let here = class(x, y);
            let around = [
                (x.saturating_sub(1), y),
                (x, y.saturating_sub(1)),
                ((x + 1).min(columns - 1), y),
                (x, (y + 1).min(rows - 1)),
            ];
            if here != 0 && around.iter().any(|&(x, y)| class(x, y) != here) {
                picture.put_pixel(x, y, OUTLINES[usize::from(here - 1) % OUTLINES.len()]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    fn even(values: &[f32], height: usize, width: usize) -> AnnotatedImage {
        AnnotatedImage {
            id: "even".into(),
            group: "even".into(),
            image: Array3::from_shape_fn((values.len(), height, width), |(channel, ..)| values[channel]),
            mask: Some(Array2::zeros((height, width))),
            original_shape: (height, width),
            spacing_mm: None,
        }
    }

    #[test]
    fn large_images_become_smaller_and_small_ones_larger() {
        for (height, width, expected) in [(942, 1716, (320, 175)), (64, 128, (256, 128)), (1, 1, (320, 320))]
        {
            assert_eq!(outlined(&even(&[0.0], height, width)).dimensions(), expected);
        }
    }

    #[test]
    fn the_first_three_of_more_channels_are_colours() {
        for (values, expected) in [
            (&[1.0][..], [255, 255, 255]),
            (&[1.0, 0.0], [255, 255, 255]),
            (&[1.0, 0.0, 0.5], [255, 0, 128]),
            (&[1.0, 0.0, 0.5, 0.2], [255, 0, 128]),
        ] {
            assert_eq!(*outlined(&even(values, 4, 4)).get_pixel(9, 9), Rgb(expected));
        }
    }
}
