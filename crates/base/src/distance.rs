//! Exact Euclidean distances to a set of pixels.

use ndarray::{Array2, ArrayView2, ArrayViewMut1, s};

/// Squared distance from the centre of each pixel to the centre of the nearest pixel of the set; infinite if
/// the set is empty.
///
/// `spacing` is the height and width of a pixel; distances have its unit. With a spacing of (1, 1) the
/// squares are exact integers. The edge of the image does not belong to the set.
///
/// # Shapes
/// Input and output `[y, x]`.
///
/// # References
/// A. Meijster, J. Roerdink, W. Hesselink, *A general algorithm for computing distance transforms in linear
/// time*, in Mathematical Morphology and its Applications (2000): distances along columns, then the lower
/// envelope of parabolas along rows, here as in P. Felzenszwalb, D. Huttenlocher, Theory of Computing 8
/// (2012) 415. Rows without a long distance take the least over the near parabolas instead.
pub fn squared_distance(set: ArrayView2<'_, bool>, spacing: (f64, f64)) -> Array2<f64> {
    let mut squared = vertical_distance(set);
    squared.mapv_inplace(|pixels| (spacing.0 * pixels) * (spacing.0 * pixels));
    let width = set.dim().1;
    let (mut line, mut envelope) = (Vec::with_capacity(width), Vec::with_capacity(width));
    for mut row in squared.outer_iter_mut() {
        line.clear();
        line.extend(row.iter().copied());
        if let Some(row) = row.as_slice_mut()
            && least_of_near(&line, spacing.1, row)
        {
            continue;
        }
        lower_envelope(&line, spacing.1, &mut envelope);
        let mut current = 0;
        for (x, value) in row.iter_mut().enumerate() {
            while envelope.get(current + 1).is_some_and(|next: &Parabola| next.from <= x as f64) {
                current += 1;
            }
            if let Some(parabola) = envelope.get(current) {
                let distance = spacing.1 * (x as f64 - parabola.vertex as f64);
                *value = distance * distance + line[parabola.vertex];
            }
        }
    }
    squared
}

/// Distance in pixels to the nearest pixel of the set in the same column; infinite if the column has none.
fn vertical_distance(set: ArrayView2<'_, bool>) -> Array2<f64> {
    let mut distance = set.mapv(|inside| if inside { 0.0 } else { f64::INFINITY });
    let height = set.dim().0;
    // Both sweeps go row by row, so that the inner loop runs along memory.
    for y in 1..height {
        let (above, here) = distance.multi_slice_mut((s![y - 1, ..], s![y, ..]));
        relax(here, above);
    }
    for y in (1..height).rev() {
        let (above, here) = distance.multi_slice_mut((s![y - 1, ..], s![y, ..]));
        relax(above, here);
    }
    distance
}

fn relax(mut row: ArrayViewMut1<'_, f64>, neighbour: ArrayViewMut1<'_, f64>) {
    row.zip_mut_with(&neighbour, |here, &there| *here = lesser(*here, there + 1.0));
}

/// The lesser of two numbers that are not NaN, in one instruction.
#[inline(always)]
fn lesser(a: f64, b: f64) -> f64 {
    if b < a { b } else { a }
}

/// The greatest of the numbers, none of which is NaN or negative.
#[inline(always)]
fn largest(values: &[f64]) -> f64 {
    let greater = |a: f64, b: f64| if b > a { b } else { a };
    // Independent maxima, so that the processor need not wait for the one before.
    let mut lanes = [0.0; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    for chunk in chunks {
        for k in 0..8 {
            lanes[k] = greater(lanes[k], chunk[k]);
        }
    }
    let mut largest = 0.0;
    for &value in lanes.iter().chain(rest) {
        largest = greater(largest, value);
    }
    largest
}

/// How far [`least_of_near`] looks to each side, in pixels.
const NEAR: usize = 24;

/// Squared distances of a row from `squares`, those along columns, if parabolas at most [`NEAR`] pixels away decide all.
/// Returns whether they do; if not, `row` is of no use.
fn least_of_near(squares: &[f64], step: f64, row: &mut [f64]) -> bool {
    for pixels in 1..=NEAR.min(squares.len()) {
        let distance = step * pixels as f64;
        let add = distance * distance;
        if largest(row) <= add {
            return true;
        }
        let (before, after) = (&squares[..squares.len() - pixels], &squares[pixels..]);
        for (value, &square) in row[pixels..].iter_mut().zip(before) {
            *value = lesser(*value, square + add);
        }
        for (value, &square) in row.iter_mut().zip(after) {
            *value = lesser(*value, square + add);
        }
    }
    squares.len() <= NEAR
}

/// A parabola with its vertex at pixel `vertex`; it is the lowest one from pixel `from` on.
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
            // Position where the parabola at `vertex` falls below the last one.
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
    use proptest::prelude::*;

    fn set() -> impl Strategy<Value = Array2<bool>> {
        // Also wide sets with few pixels, in which near parabolas do not decide.
        (1usize..24, 1usize..3 * NEAR, 0.0f64..0.9).prop_flat_map(|(height, width, root)| {
            proptest::collection::vec(proptest::bool::weighted(root.powi(6)), height * width)
                .prop_map(move |set| Array2::from_shape_vec((height, width), set).unwrap())
        })
    }

    fn brute_force(set: &Array2<bool>, (dy, dx): (f64, f64)) -> Array2<f64> {
        Array2::from_shape_fn(set.dim(), |(y, x)| {
            let inside = set.indexed_iter().filter(|(_, inside)| **inside);
            let squares = inside.map(|((v, u), _)| {
                (dy * (y as f64 - v as f64)).powi(2) + (dx * (x as f64 - u as f64)).powi(2)
            });
            squares.fold(f64::INFINITY, f64::min)
        })
    }

    proptest! {
        #[test]
        fn distances_equal_the_least_over_all_pixels(set in set(), dy in 0.1f64..3.0, dx in 0.1f64..3.0) {
            let squared = squared_distance(set.view(), (dy, dx));
            for (value, least) in squared.iter().zip(&brute_force(&set, (dy, dx))) {
                prop_assert!(value == least || (value - least).abs() < 1e-9, "{value} {least}");
            }
        }

        #[test]
        fn squares_of_square_pixels_are_exact(set in set()) {
            prop_assert_eq!(squared_distance(set.view(), (1.0, 1.0)), brute_force(&set, (1.0, 1.0)));
        }
    }
}
