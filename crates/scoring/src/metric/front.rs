//! How far the invasion has come: the furthest finger, and the mean over the width.
//!
//! Distances are in pixels from the inlet edge: 0 when nothing is invaded, 1 when only the first row beside the
//! inlet is, and the length of the domain when the outlet is touched.

use ndarray::{ArrayView2, Axis};
use porecast_simulations::Side;

/// Length of a domain of this height and width from inlet to outlet, in pixels.
pub fn length((height, width): (usize, usize), inlet: Side) -> usize {
    match inlet {
        Side::Top | Side::Bottom => height,
        Side::Left | Side::Right => width,
    }
}

/// The mask with the inlet at index 0 of the first axis.
pub(super) fn from_inlet(invaded: ArrayView2<bool>, inlet: Side) -> ArrayView2<bool> {
    let mut view = match inlet {
        Side::Top | Side::Bottom => invaded,
        Side::Left | Side::Right => invaded.reversed_axes(),
    };
    if matches!(inlet, Side::Bottom | Side::Right) {
        view.invert_axis(Axis(0));
    }
    view
}

/// Position of the furthest invaded pixel.
pub fn furthest(invaded: ArrayView2<bool>, inlet: Side) -> usize {
    let rows = from_inlet(invaded, inlet);
    rows.axis_iter(Axis(0)).rposition(|row| row.iter().any(|&invaded| invaded)).map_or(0, |row| row + 1)
}

/// Mean over the lanes from inlet to outlet of the position of the furthest invaded pixel in the lane; 0 for a
/// lane without one.
pub fn mean(invaded: ArrayView2<bool>, inlet: Side) -> f64 {
    let rows = from_inlet(invaded, inlet);
    let lanes = rows.len_of(Axis(1));
    let total: usize = rows
        .axis_iter(Axis(1))
        .map(|lane| lane.iter().rposition(|&invaded| invaded).map_or(0, |row| row + 1))
        .sum();
    if lanes == 0 { 0.0 } else { total as f64 / lanes as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};
    use proptest::prelude::*;

    const SIDES: [Side; 4] = [Side::Top, Side::Bottom, Side::Left, Side::Right];

    #[test]
    fn one_corner_by_hand() {
        let corner = array![[true, false, false], [false, false, false]];
        assert_eq!(SIDES.map(|side| furthest(corner.view(), side)), [1, 2, 1, 3]);
        assert_eq!(SIDES.map(|side| mean(corner.view(), side)), [1.0 / 3.0, 2.0 / 3.0, 0.5, 1.5]);
    }

    #[test]
    fn nothing_invaded_is_at_the_inlet_and_everything_at_the_outlet() {
        for side in SIDES {
            let empty = Array2::from_elem((3, 5), false);
            assert_eq!((furthest(empty.view(), side), mean(empty.view(), side)), (0, 0.0));
            let full = Array2::from_elem((3, 5), true);
            assert_eq!(furthest(full.view(), side), length((3, 5), side));
            assert_eq!(mean(full.view(), side), length((3, 5), side) as f64);
        }
    }

    proptest! {
        #[test]
        fn agrees_with_a_search_of_every_pixel(bits in prop::collection::vec(any::<bool>(), 20), side in 0usize..4) {
            let invaded = Array2::from_shape_vec((4, 5), bits).unwrap();
            let slow = invaded.indexed_iter().filter(|(_, i)| **i).map(|((y, x), _)| match SIDES[side] {
                Side::Top => y + 1,
                Side::Bottom => 4 - y,
                Side::Left => x + 1,
                Side::Right => 5 - x,
            }).max().unwrap_or(0);
            prop_assert_eq!(furthest(invaded.view(), SIDES[side]), slow);
            prop_assert!(mean(invaded.view(), SIDES[side]) <= slow as f64);
        }
    }
}
