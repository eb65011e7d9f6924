//! Exact Euclidean distances to a set of pixels.

use ndarray::{Array2, ArrayView2, Axis};

/// Squared distance from each pixel's centre to that of the nearest pixel of the set; infinite where the set is empty.
///
/// `spacing` is the height and width of a pixel; distances have its unit.
///
/// # References
/// Felzenszwalb and Huttenlocher, Theory of Computing 8 (2012), 415: the lower envelope of parabolas, along columns
/// and then along rows.
pub(crate) fn squared_distance(set: ArrayView2<'_, bool>, spacing: (f64, f64)) -> Array2<f64> {
    let mut squared = set.mapv(|inside| if inside { 0.0 } else { f64::INFINITY });
    let longer = set.dim().0.max(set.dim().1);
    let (mut line, mut envelope) = (Vec::with_capacity(longer), Vec::with_capacity(longer));
    for (axis, step) in [(Axis(0), spacing.0), (Axis(1), spacing.1)] {
        for mut lane in squared.lanes_mut(axis) {
            line.clear();
            line.extend(lane.iter().copied());
            lower_envelope(&line, step, &mut envelope);
            let mut current = 0;
            for (i, value) in lane.iter_mut().enumerate() {
                while envelope.get(current + 1).is_some_and(|next: &Parabola| next.from <= i as f64) {
                    current += 1;
                }
                if let Some(parabola) = envelope.get(current) {
                    let distance = step * (i as f64 - parabola.vertex as f64);
                    *value = distance * distance + line[parabola.vertex];
                }
            }
        }
    }
    squared
}

/// The parabola with its vertex at pixel `vertex` is the lowest from `from` on.
struct Parabola {
    vertex: usize,
    from: f64,
}

fn lower_envelope(heights: &[f64], step: f64, envelope: &mut Vec<Parabola>) {
    envelope.clear();
    for (vertex, &height) in heights.iter().enumerate() {
        if height.is_infinite() {
            continue;
        }
        let mut from = f64::NEG_INFINITY;
        while let Some(last) = envelope.last() {
            // Where the parabola at `vertex` falls below the last one.
            let (a, b) = (last.vertex as f64, vertex as f64);
            from = (a + b) / 2.0 + (height - heights[last.vertex]) / (2.0 * step * step * (b - a));
            if from > last.from {
                break;
            }
            envelope.pop();
            from = f64::NEG_INFINITY;
        }
        envelope.push(Parabola { vertex, from });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::tests::binary_image;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn distances_equal_the_least_over_all_pixels(set in binary_image(), dy in 0.1f64..3.0, dx in 0.1f64..3.0) {
            let result = squared_distance(set.view(), (dy, dx));
            for ((y, x), &value) in result.indexed_iter() {
                let least = set.indexed_iter().filter(|(_, inside)| **inside).map(|((v, u), _)| {
                    (dy * (y as f64 - v as f64)).powi(2) + (dx * (x as f64 - u as f64)).powi(2)
                }).fold(f64::INFINITY, f64::min);
                prop_assert!(value == least || (value - least).abs() < 1e-9, "{value} {least}");
            }
        }
    }
}
