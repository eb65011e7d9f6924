//! Input channels, computed from the geometry alone.

mod laplace;
mod thickness;

use std::cell::LazyCell;

use ndarray::{Array2, Array3, Axis, s};
use porecast_simulations::domain::distance::squared_distance;
use porecast_simulations::percolation::invade;
use porecast_simulations::{Domain, Side};

use crate::orientation::Orientation;
use laplace::Flow;
use porecast_store::config::train::Channel;
use thickness::local_thickness;

/// The input channels of a domain.
///
/// # Shapes
/// `[channel, y, x]`; every channel is 0 in solid, so that padding with zeros is padding with solid.
pub fn channels(domain: &Domain, inlet: Side, list: &[Channel]) -> Array3<f32> {
    let (height, width) = domain.shape();
    let mut out = Array3::zeros((list.len(), height, width));
    let flow = LazyCell::new(|| single_fluid(domain, inlet));
    for (mut plane, channel) in out.axis_iter_mut(Axis(0)).zip(list) {
        plane.assign(&match channel {
            Channel::Pore => Array2::ones((height, width)),
            Channel::Depth => depth(height, width, inlet),
            Channel::Distance => distance(domain),
            Channel::Percolation => percolation_time(domain, inlet),
            Channel::WallDistance => walled(domain, inlet, distance),
            Channel::WallPercolation => walled(domain, inlet, |walled| percolation_time(walled, inlet)),
            Channel::Thickness => walled(domain, inlet, |walled| {
                local_thickness(&walled.solid).mapv(|radius| (radius / 16.0).min(1.0))
            }),
            Channel::Pressure => flow.pressure.clone(),
            Channel::Speed => flow.speed.mapv(|speed| (speed / 4.0).min(1.0)),
        });
        plane.zip_mut_with(&domain.solid, |value, &solid| {
            if solid {
                *value = 0.0;
            }
        });
    }
    out
}

/// Distance from the inlet to a pixel's centre, as a fraction of the length of the domain.
fn depth(height: usize, width: usize, inlet: Side) -> Array2<f32> {
    Array2::from_shape_fn((height, width), |(y, x)| {
        let (position, length) = match inlet {
            Side::Top => (y, height),
            Side::Bottom => (height - 1 - y, height),
            Side::Left => (x, width),
            Side::Right => (width - 1 - x, width),
        };
        (position as f32 + 0.5) / length as f32
    })
}

/// Distance to the nearest grain in units of 16 pixels, at most 1.
fn distance(domain: &Domain) -> Array2<f32> {
    squared_distance(&domain.solid).mapv(|squared| ((squared as f32).sqrt() / 16.0).min(1.0))
}

/// What `channel` computes of the domain with a wall on each side of the flow, without the walls.
fn walled<T: Clone>(domain: &Domain, inlet: Side, channel: impl Fn(&Domain) -> Array2<T>) -> Array2<T> {
    let (height, width) = domain.shape();
    let (rows, columns) = match inlet {
        Side::Top | Side::Bottom => (0, 1),
        Side::Left | Side::Right => (1, 0),
    };
    let mut solid = Array2::from_elem((height + 2 * rows, width + 2 * columns), true);
    let inside = s![rows..rows + height, columns..columns + width];
    solid.slice_mut(inside).assign(&domain.solid);
    let walled = Domain { solid, voxel_size_m: domain.voxel_size_m };
    channel(&walled).slice(inside).to_owned()
}

/// Flow of a single fluid from the inlet to the opposite edge, with walls on both sides.
fn single_fluid(domain: &Domain, inlet: Side) -> Flow {
    let turn = Orientation::between(inlet, Side::Top);
    let squared = walled(domain, inlet, |walled| squared_distance(&walled.solid));
    let flow = laplace::flow(&turn.turn(squared));
    Flow { pressure: turn.back(flow.pressure), speed: turn.back(flow.speed) }
}

/// Pore volumes injected when invasion percolation with trapping reaches a pixel; 1 where it never
/// does.
fn percolation_time(domain: &Domain, inlet: Side) -> Array2<f32> {
    let invasion = invade(domain, inlet).with_trapping(inlet.opposite());
    let pore_count = domain.pore_count().max(1) as f32;
    invasion.invasion_sequence().mapv(|step| match step {
        Some(step) => invasion.invaded_after(step as usize) as f32 / pore_count,
        None => 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn solid_is_zero_in_every_channel() {
        let domain = Domain { solid: array![[false, true], [false, false]], voxel_size_m: 1.0 };
        let all = channels(&domain, Side::Bottom, &[Channel::Pore, Channel::Depth]);
        assert_eq!(all, array![[[1.0, 0.0], [1.0, 1.0]], [[0.75, 0.0], [0.25, 0.25]]]);
    }

    #[test]
    fn percolation_time_rises_along_the_path_and_is_one_off_it() {
        // A straight channel beside an isolated pore.
        let solid = array![[false, true, true], [false, true, false], [false, true, true],];
        let domain = Domain { solid, voxel_size_m: 1.0 };
        let all = channels(&domain, Side::Top, &[Channel::Percolation, Channel::Distance]);
        let column: Vec<_> = (0..3).map(|y| all[[0, y, 0]]).collect();
        assert!(column.is_sorted() && column.iter().all(|time| (0.0..=0.75).contains(time)), "{column:?}");
        assert_eq!((all[[0, 1, 2]], all[[0, 0, 1]], all[[1, 0, 0]]), (1.0, 0.0, 1.0 / 16.0));
    }
}
