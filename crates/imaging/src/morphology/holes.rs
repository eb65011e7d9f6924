//! Hole filling.

use ndarray::{Array2, ArrayView2};

use crate::components::Components;

/// Fills the background regions that do not touch the image border, and those that touch it along at most
/// `border_gap_px` pixels: the border may have cut a target and opened its hole.
///
/// The result is the same as if a border were drawn around the image, connected to the target wherever the
/// opening is that short, and removed after filling. Background pixels are neighbours when they share an
/// edge.
pub fn fill_holes(image: ArrayView2<'_, bool>, border_gap_px: usize) -> Array2<bool> {
    let (height, width) = image.dim();
    let background = Components::find(image.mapv(|inside| !inside).view());
    let mut opening = vec![0; background.regions().len()];
    for ((y, x), &label) in background.labels().indexed_iter() {
        if label != 0 && (y == 0 || x == 0 || y + 1 == height || x + 1 == width) {
            opening[label as usize - 1] += 1;
        }
    }
    let holes = background.keep(|index| opening[index] <= border_gap_px);
    &holes | &image
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::components::tests::binary_image;
    use ndarray::Zip;
    use proptest::prelude::*;

    fn picture(rows: &[&str]) -> Array2<bool> {
        let width = rows[0].len();
        Array2::from_shape_fn((rows.len(), width), |(y, x)| rows[y].as_bytes()[x] == b'#')
    }

    #[test]
    fn holes_and_bays_by_hand() {
        let image = picture(&["#####.", "#.#.#.", "#####.", "..###."]);
        assert_eq!(fill_holes(image.view(), 0), picture(&["#####.", "#####.", "#####.", "..###."]));
        assert_eq!(fill_holes(image.view(), 2), picture(&["#####.", "#####.", "#####.", "#####."]));
    }

    #[test]
    fn an_empty_image_stays_empty() {
        let image = Array2::from_elem((5, 5), false);
        assert_eq!(fill_holes(image.view(), 3), image);
    }

    proptest! {
        #[test]
        fn what_a_flood_from_the_border_does_not_reach_is_filled(image in binary_image()) {
            let (height, width) = image.dim();
            let mut reached = Array2::from_elem((height + 2, width + 2), false);
            let mut stack = vec![(0usize, 0usize)];
            while let Some((y, x)) = stack.pop() {
                let blocked = (1..=height).contains(&y) && (1..=width).contains(&x) && image[[y - 1, x - 1]];
                if blocked || reached[[y, x]] { continue }
                reached[[y, x]] = true;
                if y > 0 { stack.push((y - 1, x)) }
                if x > 0 { stack.push((y, x - 1)) }
                if y < height + 1 { stack.push((y + 1, x)) }
                if x < width + 1 { stack.push((y, x + 1)) }
            }
            let filled = fill_holes(image.view(), 0);
            for ((y, x), &inside) in filled.indexed_iter() {
                prop_assert_eq!(inside, !reached[[y + 1, x + 1]]);
            }
            let wider = fill_holes(image.view(), 3);
            prop_assert!(Zip::from(&filled).and(&wider).all(|less, more| *more || !less));
        }
    }
}
