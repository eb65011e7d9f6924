//! Contact sheets that show the effect of augmentation on a sample.

use image::{Rgb, RgbImage, imageops};

use super::{AugmentConfig, Moment, Patch, augment};
use crate::AnnotatedImage;
use crate::picture::outlined;

/// Pixels between pictures.
const GAP: u32 = 6;

/// The original sample, then its augmentations in the first `epochs_shown` epochs, each with mask outlines.
pub fn strip(
    config: &AugmentConfig,
    patches: &[Patch],
    sample: &AnnotatedImage,
    moment: Moment,
    epochs_shown: usize,
) -> Vec<RgbImage> {
    let augmented = (0..epochs_shown).map(|epoch| {
        let mut seen = sample.clone();
        augment(config, patches, &mut seen, Moment { epoch, ..moment });
        outlined(&seen)
    });
    std::iter::once(outlined(sample)).chain(augmented).collect()
}

/// The pictures of a [`strip`] arranged in rows; the sheet is about as wide as high.
pub fn sheet(
    config: &AugmentConfig,
    patches: &[Patch],
    sample: &AnnotatedImage,
    moment: Moment,
    epochs_shown: usize,
) -> RgbImage {
    let pictures = strip(config, patches, sample, moment, epochs_shown);
    let (width, height) = pictures[0].dimensions();
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::NoiseConfig;
    use crate::augment::tests::blank;
    use crate::picture::OUTLINES;
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
}
