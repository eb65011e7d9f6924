//! Domains and frames in a coarser or finer resolution. Capillary number, viscosity ratio, contact angle and pore volumes
//! have no length, so a drainage is the same in any resolution that shows the throats.

use ndarray::{Array3, ArrayView3, Axis, Zip};
use porecast_imaging::resize_image;
use porecast_simulations::Domain;
use porecast_store::run::rescaled_shape;

/// A domain with `scale` times as many pixels along each edge, at least one: solid where grains cover more than half of a
/// pixel.
pub fn rescaled(domain: &Domain, scale: f64) -> Domain {
    let shape = rescaled_shape(domain.shape(), scale);
    let solid = domain.solid.mapv(|solid| f32::from(u8::from(solid))).insert_axis(Axis(0));
    Domain {
        solid: resize_image(&solid, shape).index_axis_move(Axis(0), 0).mapv(|share| share > 0.5),
        voxel_size_m: domain.voxel_size_m / scale,
    }
}

/// Frames `[time, y, x]` of `from`, 0 in its solid, on the pores of `to`, which is `from` in another resolution: the mean
/// over the pores that a pixel covers.
pub fn carried_over(frames: ArrayView3<'_, f32>, from: &Domain, to: &Domain) -> Array3<f32> {
    let pores = from.solid.mapv(|solid| f32::from(u8::from(!solid))).insert_axis(Axis(0));
    let pores = resize_image(&pores, to.shape());
    let mut carried = resize_image(&frames.to_owned(), to.shape());
    for frame in carried.outer_iter_mut() {
        Zip::from(frame).and(&pores.index_axis(Axis(0), 0)).and(&to.solid).for_each(
            |value, &pores, &solid| {
                *value = if solid || pores <= 0.0 { 0.0 } else { (*value / pores).min(1.0) };
            },
        );
    }
    carried
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    use super::*;

    fn domain(solid: Array2<bool>) -> Domain {
        Domain { solid, voxel_size_m: 1e-5 }
    }

    #[test]
    fn half_the_resolution_by_hand() {
        // Blocks of 2 x 2 pixels: three of four solid, none solid.
        let fine = domain(array![[true, true, false, false], [true, false, false, false]]);
        let coarse = rescaled(&fine, 0.5);
        assert_eq!((coarse.solid.clone(), coarse.voxel_size_m), (array![[true, false]], 2e-5));
        let frame = array![[[0.0, 0.0, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0]]];
        assert_eq!(carried_over(frame.view(), &fine, &coarse), array![[[0.0, 1.0]]]);
    }

    proptest! {
        #[test]
        fn what_fills_the_pores_fills_them_in_any_resolution(
            (height, width, seed, scale) in (4usize..24, 4usize..24, any::<u64>(), 0.3f64..3.0),
        ) {
            let solid = Array2::from_shape_fn((height, width), |(y, x)| {
                (seed >> ((y / 3 * 5 + x / 3) % 60)) & 1 == 1
            });
            let own = domain(solid);
            let other = rescaled(&own, scale);
            let full = own.solid.mapv(|solid| if solid { 0.0 } else { 1.0 }).insert_axis(Axis(0));
            let carried = carried_over(full.view(), &own, &other);
            for (value, &solid) in carried.iter().zip(&other.solid) {
                let wanted = f32::from(u8::from(!solid));
                prop_assert!((value - wanted).abs() < 1e-5);
            }
        }
    }
}
