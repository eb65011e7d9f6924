//! Rasterisation of polygons into masks.

use ndarray::Array2;

/// A vertex: x to the right, y down, in pixels.
pub type Point = [f64; 2];

/// Sets every pixel of `mask` whose centre lies inside the polygon to `class`. Returns the number of such
/// pixels.
///
/// The centre of the pixel at (row, column) is at x = column + `first_centre`, y = row + `first_centre`: use
/// 0.5 if the origin is the corner of the image, 1 if coordinates count pixels from one. Inside is determined
/// by the even-odd rule, exactly and without smoothing. A centre on a left or upper edge is inside, one on a
/// right or lower edge is outside, so polygons that share an edge neither overlap nor leave a gap. Parts
/// outside the mask are clipped; points that are not finite set no pixel.
pub fn fill(mask: &mut Array2<u8>, polygon: &[Point], first_centre: f64, class: u8) -> usize {
    if polygon.iter().flatten().any(|v| !v.is_finite()) {
        return 0;
    }
    let (height, width) = mask.dim();
    // Index of the first pixel whose centre is at or after `coordinate`.
    let first_from =
        |coordinate: f64, count: usize| (coordinate - first_centre).ceil().clamp(0.0, count as f64) as usize;
    let mut crossings = vec![Vec::new(); height];
    for (i, &[x1, y1]) in polygon.iter().enumerate() {
        let [x0, y0] = polygon[(i + polygon.len() - 1) % polygon.len()];
        let (first, end) = (first_from(y0.min(y1), height), first_from(y0.max(y1), height));
        for (row, crossings) in (first..).zip(&mut crossings[first..end]) {
            let y = row as f64 + first_centre;
            crossings.push(x0 + (y - y0) / (y1 - y0) * (x1 - x0));
        }
    }
    let mut covered = 0;
    for (row, crossings) in crossings.iter_mut().enumerate() {
        crossings.sort_by(f64::total_cmp);
        for span in crossings.chunks_exact(2) {
            for column in first_from(span[0], width)..first_from(span[1], width) {
                mask[[row, column]] = class;
                covered += 1;
            }
        }
    }
    covered
}

/// Mean of the vertices.
pub fn centroid(polygon: &[Point]) -> Point {
    let sum = polygon.iter().fold([0.0, 0.0], |sum, point| [sum[0] + point[0], sum[1] + point[1]]);
    sum.map(|v| v / polygon.len().max(1) as f64)
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use proptest::prelude::*;

    use super::*;

    fn filled(shape: (usize, usize), polygon: &[Point], first_centre: f64) -> Array2<u8> {
        let mut mask = Array2::zeros(shape);
        let covered = fill(&mut mask, polygon, first_centre, 1);
        assert_eq!(covered, mask.iter().filter(|&&v| v == 1).count());
        mask
    }

    #[test]
    fn a_square_from_corner_coordinates_covers_its_pixels() {
        let square = [[1.0, 1.0], [3.0, 1.0], [3.0, 2.0], [1.0, 2.0]];
        assert_eq!(filled((3, 4), &square, 0.5), array![[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]);
    }

    #[test]
    fn coordinates_that_count_from_one_are_shifted_by_one() {
        // Centres at 1, 2, 3: the square holds the centres (2, 1), (3, 1) and, on its left edge, (1, 1).
        let square = [[1.0, 0.5], [3.5, 0.5], [3.5, 1.5], [1.0, 1.5]];
        assert_eq!(filled((2, 3), &square, 1.0), array![[1, 1, 1], [0, 0, 0]]);
    }

    #[test]
    fn a_triangle_by_hand() {
        // Legs of 4: the hypotenuse x + y = 4 passes through centres; they lie on a right edge and are
        // therefore outside.
        let triangle = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]];
        assert_eq!(
            filled((4, 4), &triangle, 0.5),
            array![[1, 1, 1, 0], [1, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 0]]
        );
    }

    #[test]
    fn the_notch_of_a_concave_polygon_stays_empty() {
        let u =
            [[0.0, 0.0], [1.0, 0.0], [1.0, 2.0], [2.0, 2.0], [2.0, 0.0], [3.0, 0.0], [3.0, 3.0], [0.0, 3.0]];
        assert_eq!(filled((3, 3), &u, 0.5), array![[1, 0, 1], [1, 0, 1], [1, 1, 1]]);
    }

    #[test]
    fn what_lies_outside_the_image_is_cut_off() {
        let square = [[-1e9, -5.0], [1.0, -5.0], [1.0, 1e9], [-1e9, 1e9]];
        assert_eq!(filled((2, 2), &square, 0.5), array![[1, 0], [1, 0]]);
        assert_eq!(
            filled((2, 2), &[[0.0, 0.0], [f64::NAN, 1.0], [1.0, 1.0]], 0.5),
            Array2::<u8>::zeros((2, 2))
        );
        assert_eq!(filled((2, 2), &[], 0.5), Array2::<u8>::zeros((2, 2)));
    }

    /// Even-odd rule: counts the edges crossed by a ray to the left.
    fn is_inside(polygon: &[Point], x: f64, y: f64) -> bool {
        let mut crossed = 0;
        for i in 0..polygon.len() {
            let ([x0, y0], [x1, y1]) = (polygon[i], polygon[(i + 1) % polygon.len()]);
            let at = x0 + (y - y0) / (y1 - y0) * (x1 - x0);
            crossed += usize::from((y0 < y) != (y1 < y) && at <= x);
        }
        crossed % 2 == 1
    }

    proptest! {
        #[test]
        fn the_fill_is_the_set_of_centres_inside(
            polygon in proptest::collection::vec([-3.0..15.0_f64, -3.0..15.0], 3..12),
        ) {
            let mask = filled((11, 12), &polygon, 0.5);
            for ((row, column), &value) in mask.indexed_iter() {
                let inside = is_inside(&polygon, column as f64 + 0.5, row as f64 + 0.5);
                prop_assert_eq!(value == 1, inside, "at {}, {}", row, column);
            }
        }

        #[test]
        fn polygons_that_share_an_edge_neither_overlap_nor_leave_a_gap(
            top in 0.0..10.0_f64, bottom in 0.0..10.0_f64,
        ) {
            let left = [[0.0, 0.0], [top, 0.0], [bottom, 8.0], [0.0, 8.0]];
            let right = [[top, 0.0], [10.0, 0.0], [10.0, 8.0], [bottom, 8.0]];
            let sum = filled((8, 10), &left, 0.5) + filled((8, 10), &right, 0.5);
            prop_assert!(sum.iter().all(|&v| v == 1));
        }
    }
}
