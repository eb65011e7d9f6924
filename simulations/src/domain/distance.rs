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
    let mut envelope = Envelope::new(width);
    for (row, out) in vertical.chunks_exact(width).zip(squared.outer_iter_mut()) {
        envelope.fill(row);
        envelope.read(row, out.into_iter());
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

/// Lower envelope of the parabolas (x - i)² + g(i)² of one row: parabola `centre[q]` is the lowest from
/// `start[q]` up to `start[q + 1]`.
struct Envelope {
    centre: Vec<i64>,
    start: Vec<i64>,
}

impl Envelope {
    fn new(width: usize) -> Self {
        Self { centre: Vec::with_capacity(width), start: Vec::with_capacity(width) }
    }

    fn fill(&mut self, g: &[u32]) {
        self.centre.clear();
        self.start.clear();
        for u in 0..g.len() as i64 {
            while let (Some(&i), Some(&from)) = (self.centre.last(), self.start.last())
                && parabola(from, i, g) > parabola(from, u, g)
            {
                self.centre.pop();
                self.start.pop();
            }
            let start = self.centre.last().map_or(0, |&i| 1 + crossing(i, u, g));
            if start < g.len() as i64 {
                self.centre.push(u);
                self.start.push(start);
            }
        }
    }

    fn read<'a>(&self, g: &[u32], out: impl Iterator<Item = &'a mut u32>) {
        let mut q = 0;
        for (x, out) in out.enumerate() {
            while self.start.get(q + 1).is_some_and(|&start| start <= x as i64) {
                q += 1;
            }
            *out = u32::try_from(parabola(x as i64, self.centre[q], g)).unwrap_or(u32::MAX);
        }
    }
}

fn parabola(x: i64, i: i64, g: &[u32]) -> i64 {
    let height = i64::from(g[i as usize]);
    (x - i) * (x - i) + height * height
}

/// Last x at which the parabola at i is not above the one at u > i.
fn crossing(i: i64, u: i64, g: &[u32]) -> i64 {
    let (gi, gu) = (i64::from(g[i as usize]), i64::from(g[u as usize]));
    (u * u - i * i + gu * gu - gi * gi) / (2 * (u - i))
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
