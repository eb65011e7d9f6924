//! Hausdorff distance between two masks.

use ndarray::{Array2, ArrayView2, Zip};

use porecast_base::distance::squared_distance;

/// Hausdorff distance in millimetres between two sets of pixel centres: the largest distance from a pixel of
/// either set to the nearest pixel of the other. 0 when both are empty, `None` when only one is.
///
/// For the distance between contours, as in cardiac studies, pass the [outlines](outline).
///
/// `spacing_mm` is the height and width of a pixel.
///
/// # Panics
/// If the shapes differ.
///
/// # References
/// Huttenlocher et al., IEEE Transactions on Pattern Analysis and Machine Intelligence 15 (1993), 850.
pub fn hausdorff_mm(a: ArrayView2<'_, bool>, b: ArrayView2<'_, bool>, spacing_mm: (f64, f64)) -> Option<f64> {
    let furthest = |from: ArrayView2<'_, bool>, to: ArrayView2<'_, bool>| {
        let squared = squared_distance(to, spacing_mm);
        Zip::from(&from)
            .and(&squared)
            .fold(0.0f64, |most, &inside, &d| if inside { most.max(d) } else { most })
    };
    let distance = furthest(a, b).max(furthest(b, a)).sqrt();
    distance.is_finite().then_some(distance)
}

/// The pixels of a mask that share an edge with a pixel outside it or with the border of the image.
pub fn outline(mask: ArrayView2<'_, bool>) -> Array2<bool> {
    let (height, width) = mask.dim();
    Array2::from_shape_fn((height, width), |(y, x)| {
        let interior = y > 0
            && x > 0
            && y + 1 < height
            && x + 1 < width
            && mask[[y - 1, x]]
            && mask[[y + 1, x]]
            && mask[[y, x - 1]]
            && mask[[y, x + 1]];
        mask[[y, x]] && !interior
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::tests::binary_image;
    use ndarray::{array, s};
    use proptest::prelude::*;

    #[test]
    fn one_pixel_each_by_hand() {
        let mut a = Array2::from_elem((5, 6), false);
        let mut b = a.clone();
        let empty = a.clone();
        a[[1, 1]] = true;
        b[[4, 5]] = true;
        assert_eq!(hausdorff_mm(a.view(), b.view(), (1.0, 1.0)), Some(5.0));
        assert_eq!(hausdorff_mm(a.view(), b.view(), (4.0, 1.25)), Some(13.0));
        assert_eq!(hausdorff_mm(a.view(), a.view(), (1.0, 1.0)), Some(0.0));
        assert_eq!(hausdorff_mm(a.view(), empty.view(), (1.0, 1.0)), None);
        assert_eq!(hausdorff_mm(empty.view(), empty.view(), (1.0, 1.0)), Some(0.0));
    }

    #[test]
    fn an_outline_is_what_the_interior_leaves() {
        let mut square = Array2::from_elem((6, 6), false);
        square.slice_mut(s![1..5, 1..5]).fill(true);
        let ring = outline(square.view());
        assert_eq!(ring.iter().filter(|&&on| on).count(), 12);
        assert!(!ring[[2, 2]] && ring[[1, 4]]);
        assert_eq!(outline(array![[true, true], [true, true]].view()), array![[true, true], [true, true]]);
    }

    proptest! {
        #[test]
        fn distance_equals_that_over_all_pairs(
            a in binary_image(), seed in any::<u64>(), dy in 0.2f64..3.0, dx in 0.2f64..3.0,
        ) {
            let mut state = seed | 1;
            let b = a.mapv(|inside| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                inside ^ (state % 3 == 0)
            });
            let pixels = |mask: &Array2<bool>| -> Vec<(f64, f64)> {
                mask.indexed_iter().filter(|(_, on)| **on).map(|((y, x), _)| (dy * y as f64, dx * x as f64)).collect()
            };
            let (p, q) = (pixels(&a), pixels(&b));
            let furthest = |from: &[(f64, f64)], to: &[(f64, f64)]| from.iter().map(|u| {
                to.iter().map(|v| (u.0 - v.0).hypot(u.1 - v.1)).fold(f64::INFINITY, f64::min)
            }).fold(0.0, f64::max);
            let expected = furthest(&p, &q).max(furthest(&q, &p));
            match hausdorff_mm(a.view(), b.view(), (dy, dx)) {
                Some(distance) => prop_assert!((distance - expected).abs() < 1e-9),
                None => prop_assert!(expected.is_infinite() && (p.is_empty() != q.is_empty())),
            }
        }
    }
}
