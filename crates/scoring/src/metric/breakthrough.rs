//! Breakthrough: when the invading phase first touches the outlet.

use ndarray::{ArrayView2, ArrayView3, Axis};
use porecast_simulations::Side;

use super::front;

/// Whether the invaded region touches the edge across from the inlet.
pub fn touches_outlet(invaded: ArrayView2<bool>, inlet: Side) -> bool {
    let length = front::length(invaded.dim(), inlet);
    length > 0 && front::furthest(invaded, inlet) == length
}

/// Time of the first frame in which the invaded region touches the outlet, without interpolation between frames;
/// `None` when it never does.
///
/// # Panics
/// `times` is shorter than the first axis of `invaded`.
pub fn time(invaded: ArrayView3<bool>, times: &[f64], inlet: Side) -> Option<f64> {
    invaded.axis_iter(Axis(0)).position(|frame| touches_outlet(frame, inlet)).map(|frame| times[frame])
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, s};

    #[test]
    fn first_frame_at_the_outlet_counts() {
        let mut phase = Array3::from_elem((4, 3, 2), false);
        phase.slice_mut(s![1.., 0, 0]).fill(true);
        phase.slice_mut(s![2.., .., 0]).fill(true);
        let times = [0.0, 0.1, 0.2, 0.3];
        assert_eq!(time(phase.view(), &times, Side::Top), Some(0.2));
        assert_eq!(time(phase.view(), &times, Side::Bottom), Some(0.1));
        assert_eq!(time(phase.view(), &times, Side::Left), None);
        assert_eq!(time(phase.slice(s![..1, .., ..]), &times, Side::Top), None);
    }
}
