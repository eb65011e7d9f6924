//! Closing of narrow gaps.

use ndarray::{Array2, ArrayView2, s};

use porecast_base::distance::squared_distance;

/// Morphological closing by a disc: fills all background pixels that are not covered by a disc of this radius that lies
/// in the background.
///
/// The disc of a pixel contains the pixels whose centres are at most `radius_px` away. The image counts as
/// empty beyond its border, so that nothing grows there.
pub fn close(image: ArrayView2<'_, bool>, radius_px: f64) -> Array2<bool> {
    let (height, width) = image.dim();
    let margin = radius_px.ceil() as usize + 1;
    let inner = s![margin..margin + height, margin..margin + width];
    let mut padded = Array2::from_elem((height + 2 * margin, width + 2 * margin), false);
    padded.slice_mut(inner).assign(&image);
    let within = radius_px * radius_px;
    // Pixels farther than the radius from every pixel of the image: possible centres of a disc in the
    // background.
    let free = squared_distance(padded.view(), (1.0, 1.0)).mapv(|squared| squared > within);
    squared_distance(free.view(), (1.0, 1.0)).slice(inner).mapv(|squared| squared > within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::tests::binary_image;
    use ndarray::Zip;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn closing_equals_erosion_after_dilation(image in binary_image(), half_steps in 0u8..9) {
            let radius = f64::from(half_steps) / 2.0;
            let (height, width) = (image.dim().0 as i64, image.dim().1 as i64);
            let reach = radius.ceil() as i64 + 1;
            let near = |y: i64, x: i64, v: i64, u: i64| ((y - v).pow(2) + (x - u).pow(2)) as f64 <= radius * radius;
            let dilated = |y: i64, x: i64| image.indexed_iter()
                .any(|((v, u), &inside)| inside && near(y, x, v as i64, u as i64));
            let expected = Array2::from_shape_fn(image.dim(), |(y, x)| {
                let (y, x) = (y as i64, x as i64);
                (-reach..height + reach).all(|v| (-reach..width + reach)
                    .all(|u| !near(y, x, v, u) || dilated(v, u)))
            });
            prop_assert_eq!(close(image.view(), radius), expected);
        }

        #[test]
        fn closing_only_adds_and_twice_is_once(image in binary_image(), half_steps in 0u8..9) {
            let radius = f64::from(half_steps) / 2.0;
            let closed = close(image.view(), radius);
            prop_assert!(Zip::from(&image).and(&closed).all(|before, after| *after || !before));
            prop_assert_eq!(&close(closed.view(), radius), &closed);
        }
    }
}
