//! Channels of the input, computed from the geometry alone.

use ndarray::{Array2, Array3, Axis};
use porecast_simulations::{Domain, Side};

use crate::config::train::Channel;

/// The channels of a domain.
///
/// # Shapes
/// `[channel, y, x]`; every channel is 0 in solid, so that padding with zeros is padding with solid.
pub fn channels(domain: &Domain, inlet: Side, list: &[Channel]) -> Array3<f32> {
    let (height, width) = domain.shape();
    let mut out = Array3::zeros((list.len(), height, width));
    for (mut plane, channel) in out.axis_iter_mut(Axis(0)).zip(list) {
        plane.assign(&match channel {
            Channel::Pore => Array2::ones((height, width)),
            Channel::Depth => depth(height, width, inlet),
            Channel::Distance => todo!(),
            Channel::Percolation => todo!(),
        });
        plane.zip_mut_with(&domain.solid, |value, &solid| {
            if solid {
                *value = 0.0;
            }
        });
    }
    out
}

/// Distance of a pixel's centre from the inlet over the length of the domain.
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
}
