//! Local thickness of the pore space.

use ndarray::Array2;
use porecast_simulations::domain::distance::squared_distance;

/// Radius in pixels of the largest disc in the pore space that covers each pixel; 0 in solid. It is small in throats
/// and large in pores.
///
/// # References
/// Hildebrand & Rüegsegger (1997), A new method for the model-independent assessment of thickness in
/// three-dimensional images.
pub(super) fn local_thickness(solid: &Array2<bool>) -> Array2<f32> {
    let squared = squared_distance(solid);
    let (height, width) = solid.dim();
    let mut centres: Vec<((usize, usize), u32)> =
        squared.indexed_iter().map(|(place, &squared)| (place, squared)).collect();
    centres.retain(|(_, squared)| *squared > 0);
    // The largest discs come first: a pixel keeps the radius of the first one that covers it.
    centres.sort_by_key(|(_, squared)| std::cmp::Reverse(*squared));
    let mut thickness = Array2::<f32>::zeros(solid.dim());
    for ((y, x), squared) in centres {
        let radius = (squared as f32).sqrt();
        let reach = radius.ceil() as usize;
        for row in y.saturating_sub(reach)..(y + reach + 1).min(height) {
            for column in x.saturating_sub(reach)..(x + reach + 1).min(width) {
                let distance = row.abs_diff(y).pow(2) + column.abs_diff(x).pow(2);
                let value = &mut thickness[[row, column]];
                if *value == 0.0 && distance < squared as usize && !solid[[row, column]] {
                    *value = radius;
                }
            }
        }
    }
    thickness
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_as_thick_as_it_is_wide_and_a_throat_thinner() {
        // A channel of nine rows with a throat of three.
        let solid = Array2::from_shape_fn((11, 30), |(y, x)| {
            y == 0 || y == 10 || ((12..18).contains(&x) && !(4..7).contains(&y))
        });
        let thickness = local_thickness(&solid);
        assert_eq!(thickness[[5, 4]], 5.0);
        assert_eq!(thickness[[1, 4]], 5.0);
        assert_eq!(thickness[[4, 15]], 2.0);
        assert_eq!(thickness[[0, 4]], 0.0);
    }
}
