//! Source coordinates of each pixel of an augmented sample: one affine map, plus a smooth displacement.

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis};
use rayon::prelude::*;

use super::config::Outside;
use super::elastic::Displacement;
use crate::exponential::widest;

/// Rows per parallel task.
const ROWS: usize = 16;

/// An affine map of the plane about the centre of the image, p' = M p + t, in pixels (y downwards).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Affine {
    /// M, rows `[x, y]`.
    matrix: [[f64; 2]; 2],
    /// t, `[x, y]`.
    shift: [f64; 2],
}

impl Affine {
    /// The identity.
    pub const IDENTITY: Self = Self::linear([[1.0, 0.0], [0.0, 1.0]]);

    const fn linear(matrix: [[f64; 2]; 2]) -> Self {
        Self { matrix, shift: [0.0, 0.0] }
    }

    /// Swaps left and right.
    pub const fn flip_horizontal() -> Self {
        Self::linear([[-1.0, 0.0], [0.0, 1.0]])
    }

    /// Swaps top and bottom.
    pub const fn flip_vertical() -> Self {
        Self::linear([[1.0, 0.0], [0.0, -1.0]])
    }

    /// Rotates anticlockwise by 90 degrees `turns` times. `turns` must be even if the image is not square.
    pub const fn quarter_turns(turns: u32) -> Self {
        Self::linear(match turns % 4 {
            0 => [[1.0, 0.0], [0.0, 1.0]],
            1 => [[0.0, 1.0], [-1.0, 0.0]],
            2 => [[-1.0, 0.0], [0.0, -1.0]],
            _ => [[0.0, -1.0], [1.0, 0.0]],
        })
    }

    /// Rotates anticlockwise.
    pub fn rotation(angle_deg: f64) -> Self {
        let (sin, cos) = angle_deg.to_radians().sin_cos();
        Self::linear([[cos, sin], [-sin, cos]])
    }

    /// Magnifies.
    pub const fn zoom(factor: f64) -> Self {
        Self::linear([[factor, 0.0], [0.0, factor]])
    }

    /// Shears: x' = x + `x` y and y' = y + `y` x.
    pub const fn shear(x: f64, y: f64) -> Self {
        Self::linear([[1.0, x], [y, 1.0]])
    }

    /// Shifts by `x` pixels to the right and `y` pixels down.
    pub const fn translation(x: f64, y: f64) -> Self {
        Self { shift: [x, y], ..Self::IDENTITY }
    }

    /// The composition: this map first, then `next`.
    pub fn then(self, next: Self) -> Self {
        let [[a, b], [c, d]] = next.matrix;
        let times = |[x, y]: [f64; 2]| [a * x + b * y, c * x + d * y];
        let [[p, q], [r, s]] = self.matrix;
        let ([p, r], [q, s], [x, y]) = (times([p, r]), times([q, s]), times(self.shift));
        Self { matrix: [[p, q], [r, s]], shift: [x + next.shift[0], y + next.shift[1]] }
    }

    /// The inverse map.
    ///
    /// # Panics
    /// If the map is singular, which no validated configuration can produce.
    pub fn inverse(self) -> Self {
        let [[a, b], [c, d]] = self.matrix;
        let determinant = a * d - b * c;
        assert!(determinant.abs() > 1e-12, "the map has an inverse");
        let matrix = [[d / determinant, -b / determinant], [-c / determinant, a / determinant]];
        let [x, y] = self.shift;
        let shift = [-(matrix[0][0] * x + matrix[0][1] * y), -(matrix[1][0] * x + matrix[1][1] * y)];
        Self { matrix, shift }
    }
}

/// Maps pixels of the result to source coordinates.
#[derive(Debug, Clone)]
pub(super) struct Map<'a> {
    back: Affine,
    displacement: Option<&'a Displacement>,
    outside: Outside,
    shape: (usize, usize),
}

impl<'a> Map<'a> {
    pub(super) fn new(
        forward: Affine,
        displacement: Option<&'a Displacement>,
        outside: Outside,
        shape: (usize, usize),
    ) -> Self {
        Self { back: forward.inverse(), displacement, outside, shape }
    }

    /// Source coordinates (y, x) of a row of the result.
    fn sources(&self, y: usize, into: &mut Vec<(f32, f32)>) {
        let (height, width) = self.shape;
        let (centre_x, centre_y) = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
        let Affine { matrix: [[a, b], [c, d]], shift: [shift_x, shift_y] } = self.back;
        let dy = y as f64 - centre_y;
        into.clear();
        into.extend((0..width).map(|x| {
            let dx = x as f64 - centre_x;
            let source_x = a * dx + b * dy + shift_x + centre_x;
            let source_y = c * dx + d * dy + shift_y + centre_y;
            (source_y as f32, source_x as f32)
        }));
        if let Some(displacement) = self.displacement {
            displacement.add_to_row(y, into);
        }
    }

    /// The image, interpolated bilinearly, `[channel, y, x]`.
    pub(super) fn image(&self, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let image = image.as_standard_layout();
        let planes: Vec<&[f32]> =
            image.axis_iter(Axis(0)).map(|plane| plane.to_slice().expect("standard layout")).collect();
        let (height, width) = self.shape;
        let mut result = Array3::zeros(image.dim());
        let blocks: Vec<_> = result.axis_chunks_iter_mut(Axis(1), ROWS).enumerate().collect();
        blocks.into_par_iter().for_each(|(block, mut rows)| {
            let (mut sources, mut points, mut edge) = (Vec::with_capacity(width), Vec::new(), Vec::new());
            for (row, mut values) in rows.axis_iter_mut(Axis(1)).enumerate() {
                self.sources(block * ROWS + row, &mut sources);
                points.resize(width, Point::default());
                widest!({
                    for (point, &(y, x)) in points.iter_mut().zip(&sources) {
                        *point = Point::new(y, x, (height, width));
                    }
                });
                edge.clear();
                edge.extend((0..width).filter(|&x| points[x].first == OUT));
                for (plane, mut values) in planes.iter().zip(values.axis_iter_mut(Axis(0))) {
                    let values = values.as_slice_mut().expect("a new array has standard layout");
                    widest!({
                        for (value, point) in values.iter_mut().zip(&points) {
                            *value = point.interpolate(plane, width);
                        }
                    });
                    for &x in &edge {
                        values[x] = interpolate_at_edge(plane, sources[x], (height, width), self.outside);
                    }
                }
            }
        });
        result
    }

    /// The mask `[y, x]`, by nearest neighbour.
    pub(super) fn mask(&self, mask: ArrayView2<'_, u8>) -> Array2<u8> {
        let (height, width) = self.shape;
        let mut result = Array2::zeros(mask.dim());
        let blocks: Vec<_> = result.axis_chunks_iter_mut(Axis(0), ROWS).enumerate().collect();
        blocks.into_par_iter().for_each(|(block, mut rows)| {
            let mut sources = Vec::with_capacity(width);
            for (row, mut classes) in rows.rows_mut().into_iter().enumerate() {
                self.sources(block * ROWS + row, &mut sources);
                for (class, &(y, x)) in classes.iter_mut().zip(&sources) {
                    let inside = resolve((y + 0.5).floor() as i64, height, self.outside).zip(resolve(
                        (x + 0.5).floor() as i64,
                        width,
                        self.outside,
                    ));
                    *class = match (inside, self.outside) {
                        (Some(pixel), _) => mask[pixel],
                        (None, Outside::Fill { class, .. }) => class,
                        (None, _) => 0,
                    };
                }
            }
        });
        result
    }
}

/// Marks a point that does not lie between four pixels of the image.
const OUT: u32 = u32::MAX;

/// A point between four pixels: index of the upper left pixel in a plane, and the offset of the point from
/// it.
#[derive(Clone, Copy, Default)]
struct Point {
    first: u32,
    x: f32,
    y: f32,
}

impl Point {
    #[inline(always)]
    fn new(y: f32, x: f32, (height, width): (usize, usize)) -> Self {
        // The casts truncate towards zero, which equals rounding down for points inside the image.
        let (row, column) = (y as u32, x as u32);
        let inside = y >= 0.0 && x >= 0.0 && (row as usize) + 1 < height && (column as usize) + 1 < width;
        let first = if inside { row * width as u32 + column } else { OUT };
        Self { first, x: x - column as f32, y: y - row as f32 }
    }

    #[inline(always)]
    fn interpolate(&self, plane: &[f32], width: usize) -> f32 {
        let first = self.first as usize;
        match plane.get(first..first + width + 2) {
            Some(pixels) => {
                bilinear([pixels[0], pixels[1], pixels[width], pixels[width + 1]], self.x, self.y)
            }
            None => 0.0,
        }
    }
}

#[inline(always)]
fn bilinear([a, b, c, d]: [f32; 4], x: f32, y: f32) -> f32 {
    let (above, below) = (a + x * (b - a), c + x * (d - c));
    above + y * (below - above)
}

/// The value at a point near the edge of the image or outside it.
fn interpolate_at_edge(
    plane: &[f32],
    (y, x): (f32, f32),
    (height, width): (usize, usize),
    outside: Outside,
) -> f32 {
    if let Outside::Fill { value, .. } = outside
        && (y <= -1.0 || x <= -1.0 || y >= height as f32 || x >= width as f32)
    {
        return value;
    }
    let (top, left) = (y.floor(), x.floor());
    let value = |row: i64, column: i64| match (
        resolve(row, height, outside),
        resolve(column, width, outside),
        outside,
    ) {
        (Some(row), Some(column), _) => plane[row * width + column],
        (_, _, Outside::Fill { value, .. }) => value,
        _ => 0.0,
    };
    let (row, column) = (top as i64, left as i64);
    let corners =
        [value(row, column), value(row, column + 1), value(row + 1, column), value(row + 1, column + 1)];
    bilinear(corners, x - left, y - top)
}

/// Index of the pixel used for position `i` of a line of `length` pixels; `None` if the fill value is used.
fn resolve(i: i64, length: usize, outside: Outside) -> Option<usize> {
    let length = length as i64;
    if (0..length).contains(&i) {
        return Some(i as usize);
    }
    match outside {
        Outside::Edge => Some(i.clamp(0, length - 1) as usize),
        Outside::Reflect => {
            let folded = i.rem_euclid(2 * length);
            Some(folded.min(2 * length - 1 - folded) as usize)
        }
        Outside::Fill { .. } => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array, array, s};
    use proptest::prelude::*;

    const FILL: Outside = Outside::Fill { value: 0.0, class: 0 };

    fn resample(image: &Array3<f32>, map: Affine, outside: Outside) -> Array3<f32> {
        let (_, height, width) = image.dim();
        Map::new(map, None, outside, (height, width)).image(image.view())
    }

    fn remask(mask: &Array2<u8>, map: Affine, outside: Outside) -> Array2<u8> {
        Map::new(map, None, outside, mask.dim()).mask(mask.view())
    }

    fn random_image(height: usize, width: usize, seed: u64) -> Array3<f32> {
        let mut state = seed | 1;
        Array::from_shape_fn((2, height, width), |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 40) as f32 / (1u64 << 24) as f32
        })
    }

    #[test]
    fn flips_and_turns_by_hand() {
        let mask = array![[1, 2], [3, 4]];
        assert_eq!(remask(&mask, Affine::flip_horizontal(), FILL), array![[2, 1], [4, 3]]);
        assert_eq!(remask(&mask, Affine::flip_vertical(), FILL), array![[3, 4], [1, 2]]);
        assert_eq!(remask(&mask, Affine::quarter_turns(1), FILL), array![[2, 4], [1, 3]]);
    }

    #[test]
    fn outside_by_hand() {
        let row = array![[1u8, 2, 3]];
        let right_by_two = Affine::translation(2.0, 0.0);
        assert_eq!(remask(&row, right_by_two, Outside::Edge), array![[1, 1, 1]]);
        assert_eq!(remask(&row, right_by_two, Outside::Reflect), array![[2, 1, 1]]);
        assert_eq!(remask(&row, right_by_two, Outside::Fill { value: 0.0, class: 9 }), array![[9, 9, 1]]);
        let image = array![[[0.25f32, 0.5, 1.0]]];
        let half = resample(&image, Affine::translation(0.5, 0.0), Outside::Fill { value: 0.75, class: 0 });
        assert_eq!(half, array![[[0.5, 0.375, 0.75]]]);
    }

    #[test]
    fn a_rotation_turns_anticlockwise_as_seen() {
        let image = random_image(5, 5, 3);
        let turned = resample(&image, Affine::rotation(90.0), FILL);
        let exact = resample(&image, Affine::quarter_turns(1), FILL);
        assert!((&turned - &exact).iter().all(|difference| difference.abs() < 1e-5));
        assert_eq!(exact.slice(s![0, 0, 0]), image.slice(s![0, 0, 4]));
    }

    proptest! {
        #[test]
        fn exact_maps_undo_themselves(height in 1usize..20, width in 1usize..20, seed in any::<u64>()) {
            let image = random_image(height, width, seed);
            for map in [Affine::flip_horizontal(), Affine::flip_vertical(), Affine::quarter_turns(2)] {
                prop_assert_eq!(&resample(&resample(&image, map, FILL), map, FILL), &image);
            }
            prop_assert_eq!(&resample(&image, Affine::IDENTITY, FILL), &image);
            let square = random_image(height, height, seed);
            let mut turned = square.clone();
            for _ in 0..4 {
                turned = resample(&turned, Affine::quarter_turns(1), FILL);
            }
            prop_assert_eq!(turned, square);
        }

        #[test]
        fn composition_is_one_after_the_other_and_inverse_goes_back(
            angle in -180.0f64..180.0, zoom in 0.2f64..4.0, shear in -0.9f64..0.9, x in -20.0f64..20.0, y in -20.0f64..20.0,
        ) {
            let map = Affine::rotation(angle).then(Affine::zoom(zoom)).then(Affine::shear(shear, 0.1))
                .then(Affine::translation(x, y)).then(Affine::flip_horizontal());
            let there_and_back = map.then(map.inverse());
            for (value, expected) in there_and_back.matrix.as_flattened().iter().zip([1.0, 0.0, 0.0, 1.0]) {
                prop_assert!((value - expected).abs() < 1e-9);
            }
            prop_assert!(there_and_back.shift.iter().all(|shift| shift.abs() < 1e-9));
        }

        #[test]
        fn interpolation_equals_the_formula(
            angle in -180.0f64..180.0, zoom in 0.3f64..3.0, x in -9.0f64..9.0, seed in any::<u64>(), reflect in any::<bool>(),
        ) {
            let (height, width) = (7, 11);
            let image = random_image(height, width, seed);
            let outside = if reflect { Outside::Reflect } else { Outside::Edge };
            let map = Affine::rotation(angle).then(Affine::zoom(zoom)).then(Affine::translation(x, 1.3));
            let result = resample(&image, map, outside);
            // Slow: each value is a sum over the extended image of products of triangle functions.
            let back = map.inverse();
            for ((channel, y, x), &value) in result.indexed_iter() {
                let (dx, dy) = (x as f64 - 5.0, y as f64 - 3.0);
                let sx = back.matrix[0][0] * dx + back.matrix[0][1] * dy + back.shift[0] + 5.0;
                let sy = back.matrix[1][0] * dx + back.matrix[1][1] * dy + back.shift[1] + 3.0;
                let mut expected = 0.0;
                for i in -70i64..80 {
                    let weight_y = (1.0 - (sy - i as f64).abs()).max(0.0);
                    if weight_y == 0.0 { continue }
                    for j in -70i64..80 {
                        let weight = weight_y * (1.0 - (sx - j as f64).abs()).max(0.0);
                        if weight == 0.0 { continue }
                        let (i, j) = if reflect {
                            let fold = |mut i: i64, n: i64| {
                                while i < 0 || i >= n { i = if i < 0 { -1 - i } else { 2 * n - 1 - i } }
                                i
                            };
                            (fold(i, height as i64), fold(j, width as i64))
                        } else {
                            (i.clamp(0, height as i64 - 1), j.clamp(0, width as i64 - 1))
                        };
                        expected += weight * f64::from(image[[channel, i as usize, j as usize]]);
                    }
                }
                prop_assert!((f64::from(value) - expected).abs() < 1e-4, "{value} {expected}");
            }
        }
    }
}
