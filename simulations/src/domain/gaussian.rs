//! Normally distributed numbers.

use rand::{Rng, RngExt};

/// A draw from the standard normal distribution, by the Box–Muller transform.
pub(super) fn standard_normal(rng: &mut impl Rng) -> f64 {
    // 1 - u lies in (0, 1], where the logarithm is finite.
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()
}

/// A draw from a normal distribution cut off at `range`. If the standard deviation is zero, it is the mean.
pub(super) fn truncated_normal(
    rng: &mut impl Rng,
    mean: f64,
    standard_deviation: f64,
    range: std::ops::RangeInclusive<f64>,
) -> f64 {
    // Redrawing keeps the shape of the density. The bound stops the loop for a range far out in the tail.
    for _ in 0..64 {
        let value = mean + standard_deviation * standard_normal(rng);
        if range.contains(&value) {
            return value;
        }
    }
    mean.clamp(*range.start(), *range.end())
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn draws_have_the_moments_of_the_distribution() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let draws: Vec<f64> = (0..20_000).map(|_| standard_normal(&mut rng)).collect();
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64;
        assert!(mean.abs() < 0.03 && (variance - 1.0).abs() < 0.05, "mean {mean}, variance {variance}");
    }

    #[test]
    fn truncated_draws_stay_in_range() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for _ in 0..1000 {
            let value = truncated_normal(&mut rng, 5.0, 3.0, 4.0..=8.0);
            assert!((4.0..=8.0).contains(&value));
        }
        assert_eq!(truncated_normal(&mut rng, 5.0, 0.0, 1.0..=9.0), 5.0);
    }
}
