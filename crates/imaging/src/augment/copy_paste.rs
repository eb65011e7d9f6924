//! Copy-paste: objects of a rare class, cut from some images and pasted into others.

use ndarray::{Array2, Array3, s};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::config::CopyPasteConfig;
use crate::AnnotatedImage;
use crate::components::Components;

/// An object cut from an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Patch {
    /// Its class.
    pub class: u8,
    /// The image within the object's bounding box, `[channel, y, x]`.
    pub image: Array3<f32>,
    /// True on the object, `[y, x]`.
    pub object: Array2<bool>,
}

/// Cuts out every connected region of the rare class that is not too small.
///
/// # References
/// Ghiasi et al. 2021, arXiv 2012.07177.
pub fn patches(sample: &AnnotatedImage, config: &CopyPasteConfig) -> Vec<Patch> {
    let Some(mask) = &sample.mask else { return Vec::new() };
    let regions = Components::find(mask.mapv(|class| class == config.class).view());
    regions
        .regions()
        .iter()
        .enumerate()
        .filter(|(_, region)| region.area >= config.minimum_area_px)
        .map(|(label, region)| {
            let [rows, columns] = [region.rows.clone(), region.columns.clone()];
            Patch {
                class: config.class,
                image: sample.image.slice(s![.., rows.clone(), columns.clone()]).to_owned(),
                object: regions.labels().slice(s![rows, columns]).mapv(|found| found == label as u32 + 1),
            }
        })
        .collect()
}

/// Pastes one to `config.most` patches, each at a random place inside the image. Skips patches that are too
/// large or have a different number of channels.
pub(super) fn paste(
    sample: &mut AnnotatedImage,
    patches: &[Patch],
    config: &CopyPasteConfig,
    rng: &mut ChaCha8Rng,
) {
    let (Some(mask), false) = (&mut sample.mask, patches.is_empty()) else { return };
    let (channels, height, width) = sample.image.dim();
    for _ in 0..rng.random_range(1..=config.most.max(1)) {
        let patch = &patches[rng.random_range(0..patches.len())];
        let (rows, columns) = patch.object.dim();
        if patch.image.dim().0 != channels || rows > height || columns > width {
            continue;
        }
        let (top, left) = (rng.random_range(0..=height - rows), rng.random_range(0..=width - columns));
        for ((y, x), _) in patch.object.indexed_iter().filter(|(_, covers)| **covers) {
            mask[[top + y, left + x]] = patch.class;
            for channel in 0..channels {
                sample.image[[channel, top + y, left + x]] = patch.image[[channel, y, x]];
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::blank;
    use ndarray::array;
    use rand_chacha::rand_core::SeedableRng;

    fn donor() -> AnnotatedImage {
        let mut sample = blank(2, 4, 5);
        sample.image = Array3::from_shape_fn((2, 4, 5), |(c, y, x)| 0.01 * (20 * c + 5 * y + x) as f32);
        sample.mask = Some(array![[2, 0, 0, 0, 0], [2, 2, 0, 1, 0], [0, 0, 0, 1, 0], [0, 2, 0, 0, 0]]);
        sample
    }

    #[test]
    fn objects_are_cut_out_with_their_bounding_boxes() {
        let config = CopyPasteConfig { class: 2, minimum_area_px: 2, ..Default::default() };
        let cut = patches(&donor(), &config);
        assert_eq!(cut.len(), 1);
        assert_eq!(cut[0].object, array![[true, false], [true, true]]);
        assert_eq!(cut[0].image, donor().image.slice(s![.., 0..2, 0..2]));
    }

    #[test]
    fn pasting_adds_the_class_where_the_image_changes_and_nowhere_else() {
        let config = CopyPasteConfig { class: 2, minimum_area_px: 2, most: 1, probability: 1.0 };
        let cut = patches(&donor(), &config);
        for seed in 0..20 {
            let mut sample = blank(2, 6, 7);
            sample.image.fill(0.5);
            paste(&mut sample, &cut, &config, &mut ChaCha8Rng::seed_from_u64(seed));
            let mask = sample.mask.unwrap();
            assert_eq!(mask.iter().filter(|&&class| class == 2).count(), 3);
            for ((y, x), &class) in mask.indexed_iter() {
                assert_eq!(class == 2, sample.image[[0, y, x]] != 0.5);
                assert!(class == 2 || class == 0);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_passed_over() {
        let config = CopyPasteConfig { class: 2, minimum_area_px: 1, most: 4, probability: 1.0 };
        let cut = patches(&donor(), &config);
        for (channels, height, width) in [(3, 6, 7), (2, 0, 0)] {
            let mut sample = blank(channels, height, width);
            paste(&mut sample, &cut, &config, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!(sample, blank(channels, height, width));
        }
    }
}
