//! Resizes images and masks.

use ndarray::{Array2, Array3, Axis};

use crate::annotated::AnnotatedImage;

/// Resizes a sample to `shape` (height, width): the image by interpolation, the mask by nearest neighbour.
///
/// The stored original shape and spacing are unchanged.
pub fn resize(sample: &AnnotatedImage, shape: (usize, usize)) -> AnnotatedImage {
    AnnotatedImage {
        id: sample.id.clone(),
        group: sample.group.clone(),
        image: resize_image(&sample.image, shape),
        mask: sample.mask.as_ref().map(|mask| resize_mask(mask, shape)),
        original_shape: sample.original_shape,
        spacing_mm: sample.spacing_mm,
    }
}

/// Bilinear interpolation of `[channel, y, x]`. When the image shrinks, a new pixel is a weighted mean of all
/// pixels it covers.
///
/// The weights are a triangle around the centre of the new pixel; it extends one pixel of the coarser grid to
/// either side (`BILINEAR` in Pillow, `antialias=True` in torchvision). Nothing is extrapolated, so the range
/// of values never grows.
pub fn resize_image(image: &Array3<f32>, (height, width): (usize, usize)) -> Array3<f32> {
    let (channels, old_height, old_width) = image.dim();
    if (old_height, old_width) == (height, width) {
        return image.clone();
    }
    let (rows, columns) = (weights(old_height, height), weights(old_width, width));
    let mut resized = Array3::zeros((channels, height, width));
    let image = image.as_standard_layout();
    for (plane, mut out) in image.axis_iter(Axis(0)).zip(resized.axis_iter_mut(Axis(0))) {
        let lines = plane.to_slice().expect("planes of the standard layout are contiguous");
        let wide = across(lines, old_width, &columns);
        for (mut line, (first, weights)) in out.axis_iter_mut(Axis(0)).zip(&rows) {
            for (&weight, old) in weights.iter().zip(wide[first * width..].chunks_exact(width)) {
                line.iter_mut().zip(old).for_each(|(new, old)| *new += weight * old);
            }
        }
    }
    resized
}

/// For each new pixel, the index of the first old pixel with a weight, and the weights from there on.
type Weights = Vec<(usize, Vec<f32>)>;

fn weights(old: usize, new: usize) -> Weights {
    let scale = old as f64 / new as f64;
    let reach = scale.max(1.0);
    (0..new)
        .map(|i| {
            let centre = (i as f64 + 0.5) * scale;
            let first = (centre - reach + 0.5).max(0.0) as usize;
            let end = ((centre + reach + 0.5) as usize).min(old);
            let raw: Vec<f64> =
                (first..end).map(|j| (1.0 - ((j as f64 + 0.5 - centre) / reach).abs()).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            (first, raw.iter().map(|w| (w / sum) as f32).collect())
        })
        .collect()
}

/// The pixels of each line of `width`, combined to one for each of `columns`.
fn across(lines: &[f32], width: usize, columns: &Weights) -> Vec<f32> {
    let combined = |line: &[f32], first: usize, weights: &[f32]| -> f32 {
        weights.iter().zip(&line[first..]).map(|(weight, old)| weight * old).sum()
    };
    let new = |line| columns.iter().map(move |(first, weights)| combined(line, *first, weights));
    lines.chunks_exact(width).flat_map(new).collect()
}

/// Takes the class of the old pixel under the centre of each new pixel, so that no new class appears.
pub fn resize_mask(mask: &Array2<u8>, (height, width): (usize, usize)) -> Array2<u8> {
    let (old_height, old_width) = mask.dim();
    // Integer arithmetic avoids rounding errors: floor((i + 1/2) * old / new).
    Array2::from_shape_fn((height, width), |(y, x)| {
        mask[[(2 * y + 1) * old_height / (2 * height), (2 * x + 1) * old_width / (2 * width)]]
    })
}

#[cfg(test)]
mod tests {
    use ndarray::{array, s};
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn twice_as_large_by_hand() {
        // New centres at 0.25, 0.75, 1.25, 1.75 between old ones at 0.5 and 1.5.
        let doubled = resize_image(&array![[[0.0, 1.0]]], (1, 4));
        assert_eq!(doubled, array![[[0.0, 0.25, 0.75, 1.0]]]);
    }

    #[test]
    fn half_as_large_by_hand() {
        // Triangle of half-width 2 around 1 and 3: weights 3, 3, 1 over 7 at the borders.
        let halved = resize_image(&array![[[7.0, 0.0, 0.0, 7.0]]], (1, 2));
        assert!((&halved - &array![[[3.0, 3.0]]]).iter().all(|d| d.abs() < 1e-6), "{halved}");
    }

    #[test]
    fn smaller_and_larger_images_equal_pillow_s() {
        // Expected values from Pillow 13.0: Image.fromarray(a, mode="F").resize((width, height),
        // Image.BILINEAR).
        let image =
            Array3::from_shape_fn((1, 5, 7), |(_, y, x)| ((7 * y * y + 5 * x * x + 3 * x * y) % 11) as f32);
        let smaller = array![[
            [3.7755, 4.4686, 2.5714, 4.5646],
            [5.4550, 3.5467, 2.4178, 3.6667],
            [4.4490, 3.2743, 4.8343, 0.9728]
        ]];
        assert!((resize_image(&image, (3, 4)) - smaller).iter().all(|d| d.abs() < 1e-4));
        let first_row = array![1.6667, 7.2222, 2.8182, 3.4444, 4.0];
        let third_row = array![6.0, 2.0069, 3.7557, 1.8611, 5.8542];
        let mixed = resize_image(&image, (8, 5));
        assert!((&mixed.slice(s![0, 0, ..]) - &first_row).iter().all(|d| d.abs() < 1e-4));
        assert!((&mixed.slice(s![0, 2, ..]) - &third_row).iter().all(|d| d.abs() < 1e-4));
    }

    #[test]
    fn a_mask_takes_the_pixel_under_the_centre() {
        let mask = array![[1, 2, 3], [4, 5, 6]];
        assert_eq!(resize_mask(&mask, (2, 2)), array![[1, 3], [4, 6]]);
        assert_eq!(resize_mask(&mask, (4, 3)).slice(s![.., 0]), array![1, 1, 4, 4]);
    }

    #[test]
    fn the_original_shape_and_spacing_stay() {
        let sample = AnnotatedImage {
            id: "a".into(),
            group: "b".into(),
            image: Array3::ones((1, 4, 6)),
            mask: Some(Array2::ones((4, 6))),
            original_shape: (4, 6),
            spacing_mm: Some((0.7, 0.8)),
        };
        let small = resize(&sample, (2, 3));
        assert_eq!((small.shape(), small.mask.as_ref().unwrap().dim()), ((2, 3), (2, 3)));
        assert_eq!((small.original_shape, small.spacing_mm), ((4, 6), Some((0.7, 0.8))));
        assert_eq!((small.id.as_str(), small.group.as_str()), ("a", "b"));
    }

    proptest! {
        #[test]
        fn a_plane_stays_a_plane_inside_and_the_range_never_grows(
            (old, new) in ((2usize..30, 2usize..30), (2usize..60, 2usize..60)),
        ) {
            let slope = Array3::from_shape_fn((1, old.0, old.1), |(_, y, x)| (y as f32 + 0.5) * 2.0 - (x as f32 + 0.5));
            let resized = resize_image(&slope, new);
            let (low, high) = slope.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)));
            prop_assert!(resized.iter().all(|&v| low - 1e-3 <= v && v <= high + 1e-3));
            let scale = (old.0 as f32 / new.0 as f32, old.1 as f32 / new.1 as f32);
            for ((_, y, x), &v) in resized.indexed_iter() {
                let at = ((y as f32 + 0.5) * scale.0, (x as f32 + 0.5) * scale.1);
                let reach = (scale.0.max(1.0), scale.1.max(1.0));
                let is_inside = at.0 > reach.0 && at.0 < old.0 as f32 - reach.0
                    && at.1 > reach.1 && at.1 < old.1 as f32 - reach.1;
                // Where the triangle is symmetric on the grid, the mean of a plane is its value at the
                // centre.
                if is_inside && scale.0 <= 1.0 && scale.1 <= 1.0 {
                    prop_assert!((v - (at.0 * 2.0 - at.1)).abs() < 1e-3);
                }
            }
        }

        #[test]
        fn a_constant_stays_constant(old in (1usize..20, 1usize..20), new in (1usize..40, 1usize..40)) {
            let resized = resize_image(&Array3::from_elem((2, old.0, old.1), 0.25), new);
            prop_assert!(resized.iter().all(|v| (v - 0.25).abs() < 1e-6));
        }
    }
}
