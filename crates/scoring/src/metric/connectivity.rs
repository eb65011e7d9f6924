//! How much of the invaded region is connected to the inlet.

use ndarray::{Array2, ArrayView2};
use porecast_simulations::Side;

use super::front;

/// Invaded pixels that a 4-connected path of invaded pixels joins to the inlet edge, over all invaded pixels;
/// 1 when nothing is invaded.
///
/// Drainage from one edge gives 1 whatever the pressure: fluid cannot appear ahead of itself. Snap-off, or several
/// inlets, can lower the truth as well, so compare with the value of the true frame.
pub fn fraction_connected_to_inlet(invaded: ArrayView2<bool>, inlet: Side) -> f64 {
    let total = invaded.iter().filter(|&&invaded| invaded).count();
    if total == 0 {
        return 1.0;
    }
    let rows = front::from_inlet(invaded, inlet);
    let (height, width) = rows.dim();
    let mut is_reached = Array2::from_elem((height, width), false);
    let mut stack: Vec<(usize, usize)> = (0..width).filter(|&x| rows[(0, x)]).map(|x| (0, x)).collect();
    for &pixel in &stack {
        is_reached[pixel] = true;
    }
    let mut reached = stack.len();
    while let Some((y, x)) = stack.pop() {
        // A wrapped index lies outside and is refused by `get`.
        for pixel in [(y + 1, x), (y.wrapping_sub(1), x), (y, x + 1), (y, x.wrapping_sub(1))] {
            if rows.get(pixel) == Some(&true) && !is_reached[pixel] {
                is_reached[pixel] = true;
                reached += 1;
                stack.push(pixel);
            }
        }
    }
    reached as f64 / total as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;
    use proptest::prelude::*;

    #[test]
    fn diagonal_neighbours_are_apart() {
        let diagonal = array![[true, false], [false, true]];
        assert_eq!(fraction_connected_to_inlet(diagonal.view(), Side::Top), 0.5);
        let angle = array![[true, false], [true, true]];
        assert_eq!(fraction_connected_to_inlet(angle.view(), Side::Top), 1.0);
    }

    #[test]
    fn an_island_is_not_connected_and_nothing_is() {
        let island = array![[false, false], [true, true]];
        assert_eq!(fraction_connected_to_inlet(island.view(), Side::Top), 0.0);
        assert_eq!(fraction_connected_to_inlet(island.view(), Side::Bottom), 1.0);
        assert_eq!(fraction_connected_to_inlet(array![[false]].view(), Side::Top), 1.0);
    }

    proptest! {
        #[test]
        fn agrees_with_repeated_dilation(bits in prop::collection::vec(prop::bool::weighted(0.6), 42)) {
            let invaded = Array2::from_shape_vec((6, 7), bits).unwrap();
            let mut reached = Array2::from_shape_fn((6, 7), |(y, x)| y == 0 && invaded[(y, x)]);
            loop {
                let next = Array2::from_shape_fn((6, 7), |(y, x)| invaded[(y, x)] && (reached[(y, x)]
                    || (y > 0 && reached[(y - 1, x)]) || (y < 5 && reached[(y + 1, x)])
                    || (x > 0 && reached[(y, x - 1)]) || (x < 6 && reached[(y, x + 1)])));
                if next == reached { break }
                reached = next;
            }
            let count = |m: &Array2<bool>| m.iter().filter(|&&m| m).count() as f64;
            let slow = if count(&invaded) == 0.0 { 1.0 } else { count(&reached) / count(&invaded) };
            prop_assert_eq!(fraction_connected_to_inlet(invaded.view(), Side::Top), slow);
        }
    }
}
