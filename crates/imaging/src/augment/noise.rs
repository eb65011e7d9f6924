//! Normally distributed noise.

use std::f64::consts::TAU;

use ndarray::Array3;
use rand::{Rng, RngExt};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

/// Number of values per random stream.
const CHUNK: usize = 1 << 14;

/// Adds σ N(0, 1) to each value and clamps it to [0, 1].
///
/// Each chunk of values has its own random stream, so that the result does not depend on the number of
/// threads.
pub(super) fn add(image: &mut Array3<f32>, sigma: f64, rng: &ChaCha8Rng) {
    let sigma = sigma as f32;
    let values = image.as_slice_mut().expect("augmentation keeps images in standard layout");
    values.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, values)| {
        let mut rng = rng.clone();
        rng.set_stream(chunk as u64 + 1);
        for pair in values.chunks_mut(2) {
            // Box–Muller gives two draws at once.
            let radius = (-2.0 * (1.0 - rng.random::<f32>()).ln()).sqrt();
            let (sin, cos) = (std::f32::consts::TAU * rng.random::<f32>()).sin_cos();
            for (value, direction) in pair.iter_mut().zip([cos, sin]) {
                *value = (*value + sigma * radius * direction).clamp(0.0, 1.0);
            }
        }
    });
}

/// A draw from the standard normal distribution, by the Box–Muller transform.
pub(super) fn standard_normal(rng: &mut impl Rng) -> f64 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (TAU * rng.random::<f64>()).cos()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn noise_has_the_stated_moments_and_no_memory() {
        let mut image = Array3::from_elem((3, 200, 201), 0.5);
        add(&mut image, 0.1, &ChaCha8Rng::seed_from_u64(5));
        let noise: Vec<f64> = image.iter().map(|&value| (f64::from(value) - 0.5) / 0.1).collect();
        let moment = |power: i32| noise.iter().map(|x| x.powi(power)).sum::<f64>() / noise.len() as f64;
        assert!(moment(1).abs() < 0.02 && (moment(2) - 1.0).abs() < 0.03 && moment(3).abs() < 0.05);
        assert!((moment(4) - 3.0).abs() < 0.2);
        for lag in [1, CHUNK] {
            let products = noise.iter().zip(&noise[lag..]).map(|(a, b)| a * b);
            assert!((products.sum::<f64>() / noise.len() as f64).abs() < 0.02, "lag {lag}");
        }
    }

    #[test]
    fn noise_stays_within_the_range_of_images() {
        let mut image = Array3::from_elem((1, 50, 50), 1.0);
        add(&mut image, 0.5, &ChaCha8Rng::seed_from_u64(5));
        assert!(image.iter().all(|value| (0.0..=1.0).contains(value)));
    }
}
