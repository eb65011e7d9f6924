//! Turns a domain so that its inlet lies where it did in the training.

use ndarray::{Array, Axis, Dimension};
use porecast_simulations::Side;

/// A turn of images: optionally exchanges the axes, then optionally mirrors along the flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation {
    swaps: bool,
    mirrors: bool,
    /// Axis of the flow after the turn, counted from the last: 1 for y, 0 for x.
    flow: usize,
}

impl Orientation {
    /// The turn that brings the inlet from `from` to `to`. It may exchange the two lateral sides.
    pub fn between(from: Side, to: Side) -> Self {
        let is_vertical = |side| matches!(side, Side::Top | Side::Bottom);
        let is_first = |side| matches!(side, Side::Top | Side::Left);
        Self {
            swaps: is_vertical(from) != is_vertical(to),
            mirrors: is_first(from) != is_first(to),
            flow: usize::from(is_vertical(to)),
        }
    }

    /// Turns the last two axes.
    pub fn turn<T: Clone, D: Dimension>(self, mut image: Array<T, D>) -> Array<T, D> {
        self.swap(&mut image);
        self.mirror(&mut image);
        standard(image)
    }

    /// Undoes [`turn`](Self::turn).
    pub fn back<T: Clone, D: Dimension>(self, mut image: Array<T, D>) -> Array<T, D> {
        self.mirror(&mut image);
        self.swap(&mut image);
        standard(image)
    }

    fn swap<T, D: Dimension>(self, image: &mut Array<T, D>) {
        let n = image.ndim();
        if self.swaps {
            image.swap_axes(n - 2, n - 1);
        }
    }

    fn mirror<T, D: Dimension>(self, image: &mut Array<T, D>) {
        let n = image.ndim();
        if self.mirrors {
            image.invert_axis(Axis(n - 1 - self.flow));
        }
    }
}

/// Converts to row-major order; copies only if needed.
fn standard<T: Clone, D: Dimension>(image: Array<T, D>) -> Array<T, D> {
    if image.is_standard_layout() { image } else { image.as_standard_layout().into_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, Array3};

    const SIDES: [Side; 4] = [Side::Top, Side::Bottom, Side::Left, Side::Right];

    #[test]
    fn the_inlet_lands_where_it_is_wanted() {
        for from in SIDES {
            for to in SIDES {
                let mut image = Array2::from_elem((3, 5), 0);
                let (axis, index) = edge(from, image.dim());
                image.index_axis_mut(axis, index).fill(1);
                let turned = Orientation::between(from, to).turn(image);
                let (axis, index) = edge(to, turned.dim());
                assert!(turned.index_axis(axis, index).iter().all(|&pixel| pixel == 1), "{from} to {to}");
            }
        }
    }

    #[test]
    fn back_undoes_turn() {
        let image = Array3::from_shape_fn((2, 3, 5), |(t, y, x)| 100 * t + 10 * y + x);
        for from in SIDES {
            for to in SIDES {
                let turn = Orientation::between(from, to);
                assert_eq!(turn.back(turn.turn(image.clone())), image);
            }
        }
    }

    fn edge(side: Side, (height, width): (usize, usize)) -> (Axis, usize) {
        match side {
            Side::Top => (Axis(0), 0),
            Side::Bottom => (Axis(0), height - 1),
            Side::Left => (Axis(1), 0),
            Side::Right => (Axis(1), width - 1),
        }
    }
}
