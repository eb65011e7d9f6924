//! A picture of what augmentation does to a sample.

use image::{Rgb, RgbImage, imageops};
use ndarray::{ArrayView2, ArrayView3};

use super::{AugmentConfig, Moment, Patch, augment};
use crate::AnnotatedImage;

/// Pixels along the longer side of each picture, about.
const SIDE: u32 = 320;
/// Pixels between pictures.
const GAP: u32 = 6;
/// Outlines of classes 1, 2, …, then from the start again (Okabe and Ito: told apart by colour-blind readers too).
const OUTLINES: [Rgb<u8>; 7] = [
    Rgb([230, 159, 0]),
    Rgb([86, 180, 233]),
    Rgb([0, 158, 115]),
    Rgb([240, 228, 66]),
    Rgb([213, 94, 0]),
    Rgb([204, 121, 167]),
    Rgb([0, 114, 178]),
];

/// The sample as it is and as the first epochs see it, `epochs_shown` of them, with outlines of its mask; row by row.
///
/// One channel is shown as grey, three as colour; of two or more than three, the first.
pub fn sheet(
    config: &AugmentConfig,
    patches: &[Patch],
    sample: &AnnotatedImage,
    moment: Moment,
    epochs_shown: usize,
) -> RgbImage {
    let augmented = (0..epochs_shown).map(|epoch| {
        let mut seen = sample.clone();
        augment(config, patches, &mut seen, Moment { epoch, ..moment });
        picture(&seen)
    });
    let pictures: Vec<RgbImage> = std::iter::once(picture(sample)).chain(augmented).collect();
    let (width, height) = pictures[0].dimensions();
    // As many columns as make the sheet about square.
    let columns =
        (pictures.len() as f32 * height as f32 / width.max(1) as f32).sqrt().round().max(1.0) as u32;
    let rows = (pictures.len() as u32).div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(
        columns * (width + GAP) + GAP,
        rows * (height + GAP) + GAP,
        Rgb([255, 255, 255]),
    );
    for (i, picture) in (0..).zip(&pictures) {
        let (left, top) = (GAP + i % columns * (width + GAP), GAP + i / columns * (height + GAP));
        imageops::replace(&mut sheet, picture, left.into(), top.into());
    }
    sheet
}

fn picture(sample: &AnnotatedImage) -> RgbImage {
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
            let channel = if channels == 3 { channel } else { 0 };
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
    use crate::augment::NoiseConfig;
    use crate::augment::tests::blank;
    use ndarray::s;

    #[test]
    fn a_sheet_shows_the_original_first_and_outlines_its_mask() {
        let mut sample = blank(3, 40, 80);
        sample.image.fill(0.5);
        sample.mask.as_mut().unwrap().slice_mut(s![10..20, 20..40]).fill(2);
        let config =
            AugmentConfig { noise: NoiseConfig { probability: 1.0, sigma: 0.2 }, ..Default::default() };
        let moment = Moment { seed: 1, epoch: 0, epochs: 10, index: 0 };
        let sheet = sheet(&config, &[], &sample, moment, 3);
        assert_eq!(sheet.dimensions(), (320 + 2 * GAP, 4 * (160 + GAP) + GAP));
        let at = |x: u32, y: u32| *sheet.get_pixel(GAP + x, GAP + y);
        assert_eq!(at(0, 0), Rgb([128; 3]));
        assert_eq!(at(80, 40), OUTLINES[1]);
        assert_eq!(at(90, 50), Rgb([128; 3]));
    }

    #[test]
    fn large_images_become_smaller_and_small_ones_larger() {
        for (height, width, expected) in [(942, 1716, (320, 175)), (64, 128, (256, 128)), (1, 1, (320, 320))]
        {
            assert_eq!(picture(&blank(1, height, width)).dimensions(), expected);
        }
    }
}
