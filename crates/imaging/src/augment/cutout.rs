//! Rectangles cut out of an image.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::config::CutoutConfig;
use crate::AnnotatedImage;
use ndarray::s;

/// Cuts the rectangles out, each wholly inside the image.
///
/// # References
/// DeVries and Taylor 2017, arXiv 1708.04552.
pub(super) fn apply(sample: &mut AnnotatedImage, config: &CutoutConfig, rng: &mut ChaCha8Rng) {
    let (_, height, width) = sample.image.dim();
    let length = |side: usize| ((side as f64 * config.size).round() as usize).min(side);
    let (rows, columns) = (length(height), length(width));
    for _ in 0..config.count {
        let top = rng.random_range(0..=height - rows);
        let left = rng.random_range(0..=width - columns);
        let (rows, columns) = (top..top + rows, left..left + columns);
        sample.image.slice_mut(s![.., rows.clone(), columns.clone()]).fill(config.value);
        if let (Some(mask), Some(class)) = (&mut sample.mask, config.class) {
            mask.slice_mut(s![rows, columns]).fill(class);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::augment::tests::blank;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn a_rectangle_of_the_stated_size_is_cut() {
        let config = CutoutConfig { size: 0.5, value: 0.25, class: Some(7), ..Default::default() };
        for seed in 0..20 {
            let mut sample = blank(3, 10, 8);
            apply(&mut sample, &config, &mut ChaCha8Rng::seed_from_u64(seed));
            let cut: Vec<_> = sample.image.indexed_iter().filter(|(_, value)| **value == 0.25).collect();
            assert_eq!(cut.len(), 3 * 5 * 4);
            let mask = sample.mask.unwrap();
            assert!(cut.iter().all(|&((_, y, x), _)| mask[[y, x]] == 7));
            assert_eq!(mask.iter().filter(|&&class| class == 7).count(), 20);
        }
    }

    #[test]
    fn the_mask_stays_unless_a_class_is_given() {
        let mut sample = blank(1, 9, 9);
        apply(&mut sample, &CutoutConfig::default(), &mut ChaCha8Rng::seed_from_u64(1));
        assert_eq!(sample.mask, blank(1, 9, 9).mask);
        assert_ne!(sample.image, blank(1, 9, 9).image);
    }
}
