//! Terrain images of a rover: a NumPy archive of images and masks, 64 x 128.
//!
//! Classes: 0 dark and not scored, 1 soil (even), 2 bedrock (fine layers), 3 sand (broad ripples), 4 big rock
//! (lit from one side). Classes 1 to 3 have nearly the same brightness and differ by texture.

use std::path::Path;

use ndarray::{Array2, Array3, Array4, s};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};

use super::GoOn;
use super::noise::{between, normal, smooth_field};
use crate::format::npz_stack;
use porecast_base::Result;
use porecast_base::atomic;
use porecast_base::seed::generator;

/// File name of the archive.
pub const FILE: &str = "mars_for_students.npz";

const SHAPE: (usize, usize) = (64, 128);

/// Size of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MarsConfig {
    /// Images with masks, outliers included; 2615 in the study.
    pub training: usize,
    /// Images without masks; 10022 in the study.
    pub test: usize,
    /// Training samples with a foreign object in the image and all with the same mask; a cleaning should find
    /// them.
    pub outliers: usize,
}

impl Default for MarsConfig {
    fn default() -> Self {
        Self { training: 120, test: 40, outliers: 4 }
    }
}

/// Writes a data set into the new folder `path`.
///
/// # Errors
/// If the folder already exists or cannot be written, or `go_on` returns an error.
pub(super) fn write(path: &Path, config: &MarsConfig, seed: u64, go_on: GoOn) -> Result<()> {
    let (training, test) = stacks(config, seed, go_on)?;
    atomic::new_folder(path, |folder| npz_stack::write(&folder.join(FILE), &training, &test))
}

fn stacks(config: &MarsConfig, seed: u64, go_on: GoOn) -> Result<(Array4<u8>, Array3<u8>)> {
    let (height, width) = SHAPE;
    let mut training = Array4::zeros((config.training, 2, height, width));
    let (_, shared_mask) = terrain(&mut generator(seed, "mars shared mask", 0));
    for index in 0..config.training {
        go_on()?;
        let rng = &mut generator(seed, "mars training", index as u64);
        let (mut image, mut mask) = terrain(rng);
        // Spread evenly over the whole set.
        if index * config.outliers / config.training.max(1)
            != (index + 1) * config.outliers / config.training.max(1)
        {
            add_visitor(&mut image, rng);
            mask.clone_from(&shared_mask);
        }
        training.slice_mut(s![index, 0, .., ..]).assign(&image);
        training.slice_mut(s![index, 1, .., ..]).assign(&mask);
    }
    let mut test = Array3::zeros((config.test, height, width));
    for index in 0..config.test {
        go_on()?;
        let (image, _) = terrain(&mut generator(seed, "mars test", index as u64));
        test.slice_mut(s![index, .., ..]).assign(&image);
    }
    Ok((training, test))
}

/// An image and its mask.
fn terrain(rng: &mut impl Rng) -> (Array2<u8>, Array2<u8>) {
    let likes: Vec<Array2<f32>> =
        [0.15, 0.1, 0.0].iter().map(|b| smooth_field(SHAPE, 45.0, rng) + *b).collect();
    let mut mask = Array2::from_shape_fn(SHAPE, |at| {
        (1..=3).max_by(|&a, &b| likes[a as usize - 1][at].total_cmp(&likes[b as usize - 1][at])).unwrap_or(1)
    });
    let mut light = Array2::<f32>::zeros(SHAPE);
    if rng.random::<f64>() < 0.35 {
        for _ in 0..1 + (rng.random::<f64>() * 3.0) as usize {
            add_rock(&mut mask, &mut light, rng);
        }
    }
    if rng.random::<f64>() < 0.3 {
        add_shadow(&mut mask, rng);
    }
    let (layers, ripples) = (Stripes::new(4.5, rng), Stripes::new(15.0, rng));
    let shade = smooth_field(SHAPE, 40.0, rng);
    let bend = smooth_field(SHAPE, 25.0, rng);
    let image = Array2::from_shape_fn(SHAPE, |at| {
        let grey = match mask[at] {
            0 => 14.0,
            1 => 125.0,
            2 => 132.0 + 34.0 * layers.at(at, bend[at]),
            3 => 120.0 + 22.0 * ripples.at(at, bend[at]),
            _ => 125.0 + 85.0 * light[at],
        };
        let noise = if mask[at] == 0 { 3.0 } else { 7.0 };
        (grey + 14.0 * shade[at] * f32::from(mask[at] != 0) + noise * normal(rng)).clamp(0.0, 255.0) as u8
    });
    (image, mask)
}

/// Parallel, slightly bent stripes.
struct Stripes {
    across: (f32, f32),
    phase: f32,
}

impl Stripes {
    fn new(period: f64, rng: &mut impl Rng) -> Self {
        let angle = between(1.0, 2.1, rng);
        let wave = std::f64::consts::TAU / (period * between(0.85, 1.15, rng));
        Self {
            across: ((wave * angle.sin()) as f32, (wave * angle.cos()) as f32),
            phase: between(0.0, 6.3, rng) as f32,
        }
    }

    fn at(&self, (y, x): (usize, usize), bend: f32) -> f32 {
        (self.across.0 * y as f32 + self.across.1 * x as f32 + self.phase + 1.5 * bend).sin()
    }
}

/// A disc-like boulder, bright towards the upper left and dark towards the lower right.
fn add_rock(mask: &mut Array2<u8>, light: &mut Array2<f32>, rng: &mut impl Rng) {
    let centre = (between(8.0, 56.0, rng), between(8.0, 120.0, rng));
    let radii = (between(4.0, 10.0, rng), between(5.0, 14.0, rng));
    for ((y, x), class) in mask.indexed_iter_mut() {
        let (v, u) = ((y as f64 - centre.0) / radii.0, (x as f64 - centre.1) / radii.1);
        if u * u + v * v <= 1.0 {
            *class = 4;
            light[[y, x]] = (-0.7 * (u + v)) as f32;
        }
    }
}

/// A dark corner: the shadow of the rover.
fn add_shadow(mask: &mut Array2<u8>, rng: &mut impl Rng) {
    let (height, slope) = (between(8.0, 26.0, rng), between(-0.15, 0.15, rng));
    for ((y, x), class) in mask.indexed_iter_mut() {
        if y as f64 > 64.0 - height + slope * (x as f64 - 64.0) {
            *class = 0;
        }
    }
}

/// A bright foreign object.
fn add_visitor(image: &mut Array2<u8>, rng: &mut impl Rng) {
    let centre = (between(24.0, 40.0, rng), between(40.0, 88.0, rng));
    for ((y, x), grey) in image.indexed_iter_mut() {
        let (v, u) = ((y as f64 - centre.0) / 22.0, (x as f64 - centre.1) / 30.0);
        let is_eye = (u.abs() - 0.35).hypot(v + 0.2) < 0.2;
        if u * u + v * v <= 1.0 {
            *grey = if is_eye { 0 } else { 255 };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Unlabelled;
    use crate::format::cleaning::{self, CleaningConfig};
    use crate::format::npz_stack::{NpzStack, Options};

    #[test]
    fn what_was_written_is_read_back_to_the_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mars");
        let config = MarsConfig { training: 12, test: 3, outliers: 2 };
        write(&path, &config, 3, &|| Ok(())).unwrap();
        let options = Options { unlabelled: Unlabelled::Keep, ..Options::default() };
        let source = NpzStack::open(&path.join(FILE), options).unwrap();
        let (training, test) = stacks(&config, 3, &|| Ok(())).unwrap();
        assert_eq!(source.len(), 15);
        for index in 0..12 {
            let sample = source.sample(index).unwrap();
            assert_eq!(sample.mask.unwrap(), training.slice(s![index, 1, .., ..]));
            let image = sample.image.index_axis_move(ndarray::Axis(0), 0).mapv(|v| (v * 255.0).round() as u8);
            assert_eq!(image, training.slice(s![index, 0, .., ..]));
        }
        let image = source.sample(14).unwrap().image.index_axis_move(ndarray::Axis(0), 0);
        assert_eq!(image.mapv(|v| (v * 255.0).round() as u8), test.slice(s![2, .., ..]));
    }

    #[test]
    fn a_cleaning_finds_the_outliers_by_their_shared_mask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mars");
        write(&path, &MarsConfig { training: 60, test: 0, outliers: 3 }, 3, &|| Ok(())).unwrap();
        let source = NpzStack::open(&path.join(FILE), Options::default()).unwrap();
        let findings = cleaning::look_through(&source, &CleaningConfig::default());
        assert_eq!(findings.same_mask, [[19, 39, 59]]);
        assert!(findings.removals().len() <= 6, "{:?}", findings.removals());
        let clean = path.with_file_name("clean.npz");
        source.write_without(&findings.removals(), &clean).unwrap();
        let cleaned = NpzStack::open(&clean, Options::default()).unwrap();
        assert_eq!(cleaned.len(), 60 - findings.removals().len());
        assert!(cleaning::look_through(&cleaned, &CleaningConfig::default()).same_mask.is_empty());
    }

    #[test]
    fn all_classes_come_up_and_brightness_tells_soil_bedrock_and_sand_badly() {
        let (training, _) =
            stacks(&MarsConfig { training: 60, test: 0, outliers: 0 }, 3, &|| Ok(())).unwrap();
        let mut sums = [(0.0, 0.0); 5];
        for (&class, &grey) in training.slice(s![.., 1, .., ..]).iter().zip(training.slice(s![.., 0, .., ..]))
        {
            sums[class as usize].0 += f64::from(grey);
            sums[class as usize].1 += 1.0;
        }
        assert!(sums.iter().all(|&(_, count)| count > 500.0), "{sums:?}");
        let means = sums.map(|(sum, count)| sum / count);
        assert!((means[1] - means[2]).abs() < 20.0 && (means[1] - means[3]).abs() < 20.0, "{means:?}");
    }
}
