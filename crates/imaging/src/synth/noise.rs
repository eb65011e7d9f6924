//! Random numbers and smooth random fields.

use ndarray::Array2;
use rand::{Rng, RngExt};

/// A uniformly distributed number between `low` and `high`.
pub fn between(low: f64, high: f64, rng: &mut impl Rng) -> f64 {
    low + (high - low) * rng.random::<f64>()
}

/// A normally distributed number, mean 0 and standard deviation 1 (Box and Muller).
pub fn normal(rng: &mut impl Rng) -> f32 {
    let radius = (-2.0 * (1.0 - rng.random::<f64>()).ln()).sqrt();
    (radius * (std::f64::consts::TAU * rng.random::<f64>()).cos()) as f32
}

/// A field of values around 0, mostly in [-1, 1], with a correlation length of `cell` pixels: random values
/// on a coarse grid, smoothly interpolated, plus half as much from a grid half as coarse.
pub fn smooth_field(shape: (usize, usize), cell: f64, rng: &mut impl Rng) -> Array2<f32> {
    lattice_field(shape, cell, rng) + lattice_field(shape, cell / 2.0, rng) * 0.5
}

fn lattice_field((height, width): (usize, usize), cell: f64, rng: &mut impl Rng) -> Array2<f32> {
    let knots = |length: usize| (length as f64 / cell) as usize + 2;
    let lattice = Array2::from_shape_simple_fn((knots(height), knots(width)), || {
        (2.0 * rng.random::<f64>() - 1.0) as f32
    });
    let place = |i: usize| {
        let at = i as f64 / cell;
        let along = (at - at.floor()) as f32;
        (at as usize, along * along * (3.0 - 2.0 * along))
    };
    let columns: Vec<(usize, f32)> = (0..width).map(place).collect();
    Array2::from_shape_fn((height, width), |(y, x)| {
        let ((row, down), (column, right)) = (place(y), columns[x]);
        let along = |row: usize| lattice[[row, column]] * (1.0 - right) + lattice[[row, column + 1]] * right;
        along(row) * (1.0 - down) + along(row + 1) * down
    })
}

#[cfg(test)]
mod tests {
    use porecast_base::seed::generator;

    use super::*;

    #[test]
    fn a_smooth_field_varies_and_has_no_steps() {
        let field = smooth_field((60, 90), 20.0, &mut generator(1, "field", 0));
        let (low, high) = field.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
        assert!(low < -0.3 && high > 0.3 && low >= -1.5 && high <= 1.5);
        let step =
            field.windows([1, 2]).into_iter().map(|w| (w[[0, 1]] - w[[0, 0]]).abs()).fold(0.0, f32::max);
        assert!(step < 0.35, "{step}");
    }
}
