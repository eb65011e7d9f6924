//! Exact Euclidean distance from every pore pixel to the nearest solid pixel.

use ndarray::Array2;
use porecast_base::distance;

/// Squared distance, in pixels, from each pixel's centre to the centre of the nearest solid pixel.
///
/// The squares are exact integers: d² = min over solid pixels s of (x - xₛ)² + (y - yₛ)². It is 0 in solid
/// pixels and 1 in a pore pixel next to a grain.
///
/// The edge of the image is **not** solid: only grains inside the image count, because nothing is known
/// beyond it. SciPy's `distance_transform_edt` and PoreSpy use the same convention. In an image without solid
/// every pixel gets (height + width)², which is more than any distance inside the image. Squares above
/// [`u32::MAX`] are clipped to it.
///
/// # Shapes
/// Input and output `[y, x]`.
pub fn squared_distance(solid: &Array2<bool>) -> Array2<u32> {
    let (height, width) = solid.dim();
    let far = u32::try_from((height + width).pow(2)).unwrap_or(u32::MAX);
    distance::squared_distance(solid.view(), (1.0, 1.0))
        .mapv(|squared| if squared.is_finite() { squared as u32 } else { far })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_edge_of_the_image_is_not_solid() {
        let mut solid = Array2::from_elem((1, 4), false);
        assert!(squared_distance(&solid).iter().all(|&squared| squared == 25));
        solid[[0, 0]] = true;
        assert_eq!(squared_distance(&solid).into_raw_vec_and_offset().0, [0, 1, 4, 9]);
    }

    #[test]
    fn empty_image_has_no_distances() {
        assert_eq!(squared_distance(&Array2::from_elem((0, 5), true)).dim(), (0, 5));
    }
}
