//! Exact Euclidean distance from every pore pixel to the nearest solid pixel.

use ndarray::Array2;

/// Squared distance, in pixels, from each pixel's centre to the centre of the nearest solid pixel.
///
/// The squares are exact integers: d² = min over solid pixels s of (x - xₛ)² + (y - yₛ)². Solid pixels have
/// 0 and a pore pixel next to a grain has 1.
///
/// The edge of the image is **not** solid: beyond it nothing is known, and only grains inside the image
/// count. This is the convention of SciPy's `distance_transform_edt` and of PoreSpy. In an image without any
/// solid every pixel has (height + width)², which is farther than any grain inside it could be.
/// Squares above [`u32::MAX`] are clipped to it.
///
/// # Shapes
/// Input and output `[y, x]`.
///
/// # References
/// A. Meijster, J. Roerdink, W. Hesselink, *A general algorithm for computing distance transforms in linear
/// time*, in Mathematical Morphology and its Applications (2000): both phases, with the Euclidean metric.
pub fn squared_distance(solid: &Array2<bool>) -> Array2<u32> {
    let (height, width) = solid.dim();
    let mut squared = Array2::zeros((height, width));
    if solid.is_empty() {
        return squared;
    }
    let vertical = vertical_distance(solid);
    let mut envelope = Vec::with_capacity(width);
    for (row, out) in vertical.chunks_exact(width).zip(squared.outer_iter_mut()) {
        lower_envelope(row, &mut envelope, out.into_iter());
    }
    squared
}

/// Distance to the nearest solid pixel in the same column; height + width where the column has none.
fn vertical_distance(solid: &Array2<bool>) -> Vec<u32> {
    let (height, width) = solid.dim();
    let far = (height + width) as u32;
    let mut distance: Vec<u32> = solid.iter().map(|&solid| if solid { 0 } else { far }).collect();
    // Row by row in both sweeps, so that the inner loop runs along memory.
    for y in 1..height {
        let (above, here) = distance.split_at_mut(y * width);
        relax(&mut here[..width], &above[(y - 1) * width..]);
    }
    for y in (1..height).rev() {
        let (above, here) = distance.split_at_mut(y * width);
        relax(&mut above[(y - 1) * width..], &here[..width]);
    }
    distance
}

fn relax(row: &mut [u32], neighbour: &[u32]) {
    for (here, &there) in row.iter_mut().zip(neighbour) {
        *here = (*here).min(there + 1);
    }
}

/// The parabola (x - centre)² + offset, the lowest one from `start` up to the next one's start.
#[derive(Clone, Copy)]
struct Parabola {
    centre: i64,
    offset: i64,
    start: i64,
}

impl Parabola {
    fn at(self, x: i64) -> i64 {
        (x - self.centre) * (x - self.centre) + self.offset
    }

    /// Last x at which this parabola is not above one centred further right.
    fn crossing(self, right: Self) -> i64 {
        let (i, u) = (self.centre, right.centre);
        (u * u - i * i + right.offset - self.offset) / (2 * (u - i))
    }
}

/// Writes the lower envelope of the parabolas (x - i)² + g(i)² of one row to `out`; `envelope` is scratch space.
fn lower_envelope<'a>(g: &[u32], envelope: &mut Vec<Parabola>, out: impl Iterator<Item = &'a mut u32>) {
    envelope.clear();
    for (u, &g) in g.iter().enumerate() {
        let mut new = Parabola { centre: u as i64, offset: i64::from(g) * i64::from(g), start: 0 };
        while envelope.last().is_some_and(|last| last.at(last.start) > new.at(last.start)) {
            envelope.pop();
        }
        if let Some(last) = envelope.last() {
            new.start = 1 + last.crossing(new);
        }
        envelope.push(new);
    }
    let mut parabolas = envelope.iter().peekable();
    let mut lowest = Parabola { centre: 0, offset: 0, start: 0 };
    for (x, out) in out.enumerate() {
        while let Some(&next) = parabolas.next_if(|next| next.start <= x as i64) {
            lowest = next;
        }
        *out = u32::try_from(lowest.at(x as i64)).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn brute_force(solid: &Array2<bool>) -> Array2<u32> {
        let (height, width) = solid.dim();
        Array2::from_shape_fn((height, width), |(y, x)| {
            solid
                .indexed_iter()
                .filter(|&(_, &solid)| solid)
                .map(|((sy, sx), _)| (sy.abs_diff(y).pow(2) + sx.abs_diff(x).pow(2)) as u32)
                .min()
                .unwrap_or(((height + width) * (height + width)) as u32)
        })
    }

    proptest! {
        #[test]
        fn distance_equals_brute_force(
            (height, width) in (1usize..24, 1usize..24),
            solid_share in 0.0f64..0.6,
            seed: u64,
        ) {
            use rand::{RngExt, SeedableRng};
            let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
            let solid = Array2::from_shape_fn((height, width), |_| rng.random::<f64>() < solid_share);
            prop_assert_eq!(squared_distance(&solid), brute_force(&solid));
        }
    }

    #[test]
    fn image_edge_is_not_solid() {
        let mut solid = Array2::from_elem((1, 4), false);
        solid[[0, 0]] = true;
        assert_eq!(squared_distance(&solid).into_raw_vec_and_offset().0, [0, 1, 4, 9]);
    }

    #[test]
    fn empty_image_has_no_distances() {
        assert_eq!(squared_distance(&Array2::from_elem((0, 5), true)).dim(), (0, 5));
    }
}
