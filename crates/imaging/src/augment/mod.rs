//! Augmentation: a sample changes from epoch to epoch, but identically in every run.
//!
//! The order is fixed: copy-paste, geometry with elastic displacement (one resampling), auto-augmentation,
//! colour, noise, cutout. Image and mask move together: the image is interpolated bilinearly, the mask by
//! nearest neighbour, so that no new class appears.
//!
//! Each random generator is seeded with the run's seed, the epoch, the index of the sample and the stage.
//! Enabling a stage does not change the random numbers of the others, and neither does the number of threads.

mod config;
mod copy_paste;
mod cutout;
mod elastic;
mod geometry;
mod noise;
mod operation;
mod policy;
mod sheet;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

pub use config::{
    AugmentConfig, AutoAugmentConfig, ColorConfig, CopyPasteConfig, CutoutConfig, ElasticConfig,
    GeometryConfig, NoiseConfig, Outside,
};
pub use copy_paste::{Patch, patches};
pub use geometry::Affine;
pub use operation::{LEVELS, Operation};
pub use policy::Policy;
pub use sheet::{sheet, strip};

use crate::AnnotatedImage;
use elastic::Displacement;
use geometry::Map;

/// Position in the training at which a sample is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Seed of the run.
    pub seed: u64,
    /// Epoch, from 0.
    pub epoch: usize,
    /// Number of epochs of the whole training.
    pub epochs: usize,
    /// Index of the sample in the dataset.
    pub index: usize,
}

impl Moment {
    fn generator(self, stage: u64) -> ChaCha8Rng {
        let mut seed = [0; 32];
        for (bytes, part) in
            seed.chunks_exact_mut(8).zip([self.seed, self.epoch as u64, self.index as u64, stage])
        {
            bytes.copy_from_slice(&part.to_le_bytes());
        }
        ChaCha8Rng::from_seed(seed)
    }
}

/// Augments a sample according to a valid configuration at this moment of the training.
///
/// `patches` are the objects available to copy-paste. A sample without a mask is augmented as well.
///
/// ```
/// use ndarray::{Array2, Array3};
/// use porecast_imaging::AnnotatedImage;
/// use porecast_imaging::augment::{AugmentConfig, GeometryConfig, Moment, augment};
///
/// let mut sample = AnnotatedImage {
///     id: "slice-1".to_owned(),
///     group: "patient-9".to_owned(),
///     image: Array3::from_shape_fn((1, 32, 32), |(_, y, x)| (y + x) as f32 / 62.0),
///     mask: Some(Array2::from_shape_fn((32, 32), |(y, x)| u8::from(y + x > 40))),
///     original_shape: (32, 32),
///     spacing_mm: None,
/// };
/// let config = AugmentConfig {
///     geometry: GeometryConfig { probability: 1.0, rotation_deg: 20.0, ..Default::default() },
///     ..Default::default()
/// };
/// assert!(config.problems().is_empty());
/// augment(&config, &[], &mut sample, Moment { seed: 1, epoch: 0, epochs: 50, index: 0 });
/// assert!(sample.mask.unwrap().iter().all(|&class| class < 2));
/// ```
///
/// # Panics
/// If image and mask differ in height or width, or the configuration [has problems](AugmentConfig::problems).
pub fn augment(config: &AugmentConfig, patches: &[Patch], sample: &mut AnnotatedImage, moment: Moment) {
    let (_, height, width) = sample.image.dim();
    if let Some(mask) = &sample.mask {
        assert_eq!(mask.dim(), (height, width), "image and mask have one height and width");
    }
    if !sample.image.is_standard_layout() {
        sample.image = sample.image.as_standard_layout().into_owned();
    }
    if sample.image.is_empty() {
        return;
    }

    let mut rng = moment.generator(0);
    if rng.random_bool(config.copy_paste.probability) {
        copy_paste::paste(sample, patches, &config.copy_paste, &mut rng);
    }

    let map = draw_affine(&config.geometry, (height, width), &mut moment.generator(1));
    let mut rng = moment.generator(2);
    let displacement = rng
        .random_bool(config.elastic.probability)
        .then(|| Displacement::draw(&config.elastic, (height, width), &mut rng));
    warp(sample, map, displacement.as_ref(), config.outside);

    let mut rng = moment.generator(3);
    if rng.random_bool(config.auto.probability_in(moment.epoch, moment.epochs)) {
        config.auto.policy.apply(sample, config.outside, &mut rng);
    }

    let mut rng = moment.generator(4);
    if rng.random_bool(config.color.probability) {
        change_color(sample, &config.color, &mut rng);
    }

    let mut rng = moment.generator(5);
    if rng.random_bool(config.noise.probability) {
        noise::add(&mut sample.image, config.noise.sigma, &rng);
    }

    let mut rng = moment.generator(6);
    if rng.random_bool(config.cutout.probability) {
        cutout::apply(sample, &config.cutout, &mut rng);
    }
}

/// Resamples image and mask with one map.
fn warp(sample: &mut AnnotatedImage, map: Affine, displacement: Option<&Displacement>, outside: Outside) {
    if map == Affine::IDENTITY && displacement.is_none() {
        return;
    }
    let (_, height, width) = sample.image.dim();
    let map = Map::new(map, displacement, outside, (height, width));
    sample.image = map.image(sample.image.view());
    if let Some(mask) = &mut sample.mask {
        *mask = map.mask(mask.view());
    }
}

/// Draws all random numbers, used or not, so that one probability does not change the other draws.
fn draw_affine(config: &GeometryConfig, (height, width): (usize, usize), rng: &mut ChaCha8Rng) -> Affine {
    let mut map = Affine::IDENTITY;
    if rng.random_bool(config.flip_horizontal) {
        map = map.then(Affine::flip_horizontal());
    }
    if rng.random_bool(config.flip_vertical) {
        map = map.then(Affine::flip_vertical());
    }
    let (turns, occurs) = (rng.random_range(1..=3), rng.random_bool(config.quarter_turns));
    if occurs {
        map = map.then(Affine::quarter_turns(if height == width { turns } else { 2 }));
    }
    let mut within = |most: f64| most * rng.random_range(-1.0..=1.0);
    let rotation = Affine::rotation(within(config.rotation_deg));
    let shear_angles = [within(config.shear_deg), within(config.shear_deg)];
    let [shear_x, shear_y] = shear_angles.map(|angle: f64| angle.to_radians().tan());
    let shift =
        Affine::translation(within(config.shift * width as f64), within(config.shift * height as f64));
    let [least, most] = config.zoom;
    let zoom = Affine::zoom(least * (most / least).powf(rng.random()));
    if rng.random_bool(config.probability) {
        map = map.then(rotation).then(Affine::shear(shear_x, shear_y)).then(zoom).then(shift);
    }
    map
}

fn change_color(sample: &mut AnnotatedImage, config: &ColorConfig, rng: &mut ChaCha8Rng) {
    let mut within = |most: f64| most * rng.random_range(-1.0..=1.0);
    let brightness = (1.0 + within(config.brightness)) as f32;
    let contrast = (1.0 + within(config.contrast)) as f32;
    let saturation = (1.0 + within(config.saturation)) as f32;
    let exponent = (1.0 + config.gamma).powf(within(1.0)) as f32;
    let image = &mut sample.image;
    if brightness != 1.0 {
        operation::each(image, |v| (brightness * v).clamp(0.0, 1.0));
    }
    if contrast != 1.0 {
        operation::contrast(image, contrast);
    }
    if saturation != 1.0 {
        operation::saturate(image, saturation);
    }
    if exponent != 1.0 {
        operation::each(image, |v| v.powf(exponent));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3, Zip};
    use proptest::prelude::*;

    pub(super) fn blank(channels: usize, height: usize, width: usize) -> AnnotatedImage {
        AnnotatedImage {
            id: "blank".to_owned(),
            group: "blank".to_owned(),
            image: Array3::from_elem((channels, height, width), 1.0),
            mask: Some(Array2::zeros((height, width))),
            original_shape: (height, width),
            spacing_mm: None,
        }
    }

    /// A disc and a square with value 1 on a background of 0; the mask is the thresholded image.
    fn shapes(height: usize, width: usize) -> AnnotatedImage {
        let mut sample = blank(1, height, width);
        sample.image = Array3::from_shape_fn((1, height, width), |(_, y, x)| {
            let (dy, dx) = (y as f32 - 0.4 * height as f32, x as f32 - 0.3 * width as f32);
            let disc = dy * dy + dx * dx < (0.2 * height as f32).powi(2);
            let square = y > height * 2 / 3 && x > width / 2 && x < width * 3 / 4;
            f32::from(disc || square)
        });
        sample.mask = Some(sample.image.index_axis(ndarray::Axis(0), 0).mapv(|v| u8::from(v >= 0.5)));
        sample
    }

    fn everything() -> AugmentConfig {
        AugmentConfig {
            outside: Outside::Reflect,
            copy_paste: CopyPasteConfig { probability: 0.5, ..Default::default() },
            geometry: GeometryConfig {
                flip_horizontal: 0.5,
                flip_vertical: 0.5,
                quarter_turns: 0.5,
                probability: 0.9,
                rotation_deg: 40.0,
                zoom: [0.7, 1.5],
                shift: 0.2,
                shear_deg: 15.0,
            },
            elastic: ElasticConfig { probability: 0.7, grid_px: 12.0, displacement_px: 3.0 },
            auto: AutoAugmentConfig { probability: 0.7, policy: Policy::Every, ..Default::default() },
            color: ColorConfig {
                probability: 0.7,
                brightness: 0.3,
                contrast: 0.3,
                saturation: 0.3,
                gamma: 0.3,
            },
            noise: NoiseConfig { probability: 0.5, sigma: 0.05 },
            cutout: CutoutConfig { probability: 0.5, count: 2, ..Default::default() },
        }
    }

    #[test]
    fn the_default_changes_nothing() {
        let mut sample = shapes(20, 30);
        augment(
            &AugmentConfig::default(),
            &[],
            &mut sample,
            Moment { seed: 3, epoch: 1, epochs: 9, index: 4 },
        );
        assert_eq!(sample, shapes(20, 30));
    }

    #[test]
    fn the_same_moment_gives_the_same_bytes_on_any_number_of_threads() {
        let config = everything();
        assert_eq!(config.problems(), []);
        let cut = patches(&shapes(40, 50), &config.copy_paste);
        let run = |threads: usize, moment| {
            let mut sample = shapes(60, 90);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| augment(&config, &cut, &mut sample, moment));
            sample
        };
        let moments = (0..12).map(|epoch| Moment { seed: 3, epoch, epochs: 30, index: 4 });
        for moment in moments {
            let sample = run(1, moment);
            assert_eq!(sample, run(3, moment));
            for other in [
                Moment { epoch: moment.epoch + 1, ..moment },
                Moment { index: 5, ..moment },
                Moment { seed: 4, ..moment },
            ] {
                assert_ne!(sample.image, run(1, other).image);
            }
        }
    }

    #[test]
    fn one_stage_does_not_change_what_another_draws() {
        let moment = Moment { seed: 3, epoch: 2, epochs: 30, index: 4 };
        let cutout = CutoutConfig { probability: 1.0, ..Default::default() };
        let alone = AugmentConfig { cutout: cutout.clone(), ..Default::default() };
        let noise = NoiseConfig { probability: 1.0, sigma: 0.0 };
        let together = AugmentConfig { cutout, noise, ..Default::default() };
        let [a, b] = [alone, together].map(|config| {
            let mut sample = blank(1, 30, 30);
            augment(&config, &[], &mut sample, moment);
            sample
        });
        assert_eq!(a, b);
    }

    proptest! {
        #[test]
        fn masks_keep_their_classes_and_images_their_range(seed in any::<u64>(), epoch in 0usize..40) {
            let config = everything();
            let mut sample = shapes(30, 44);
            sample.mask.as_mut().unwrap().mapv_inplace(|class| 5 * class);
            augment(&config, &[], &mut sample, Moment { seed, epoch, epochs: 30, index: 0 });
            prop_assert!(sample.mask.unwrap().iter().all(|class| [0, 5].contains(class)));
            prop_assert!(sample.image.iter().all(|v| (0.0..=1.0).contains(v)));
            prop_assert_eq!(sample.image.dim(), (1, 30, 44));
        }

        #[test]
        fn a_mask_that_is_a_threshold_of_the_image_stays_one(seed in any::<u64>(), reflect in any::<bool>()) {
            // Where the interpolated image is exactly 0 or 1, all pixels around the source agree, so the
            // nearest one must too.
            let config = AugmentConfig {
                outside: if reflect { Outside::Reflect } else { Outside::default() },
                geometry: everything().geometry,
                elastic: everything().elastic,
                ..Default::default()
            };
            let mut sample = shapes(50, 50);
            augment(&config, &[], &mut sample, Moment { seed, epoch: 0, epochs: 30, index: 0 });
            let image = sample.image.index_axis(ndarray::Axis(0), 0).to_owned();
            let mut clear = 0;
            Zip::from(&image).and(&sample.mask.unwrap()).for_each(|&v, &class| {
                if !(1e-4..=1.0 - 1e-4).contains(&v) {
                    clear += 1;
                    assert_eq!(v > 0.5, class == 1);
                }
            });
            prop_assert!(clear > 1500, "{clear}");
        }

        #[test]
        fn flips_alone_keep_the_threshold_everywhere(seed in any::<u64>()) {
            let config = AugmentConfig {
                geometry: GeometryConfig {
                    flip_horizontal: 0.5, flip_vertical: 0.5, quarter_turns: 0.5, ..Default::default()
                },
                ..Default::default()
            };
            let mut sample = shapes(31, 31);
            augment(&config, &[], &mut sample, Moment { seed, epoch: 0, epochs: 1, index: 0 });
            let threshold = sample.image.index_axis(ndarray::Axis(0), 0).mapv(|v| u8::from(v >= 0.5));
            prop_assert_eq!(Some(threshold), sample.mask);
        }
    }
}
