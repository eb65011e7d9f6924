//! Round grains and their rasterisation.

use ndarray::Array2;

/// A round grain. Lengths are in pixels; the centre of pixel (y, x) lies at (y + ½, x + ½).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Grain {
    pub y: f64,
    pub x: f64,
    pub radius: f64,
}

impl Grain {
    pub fn scaled(self, factor: f64) -> Self {
        Self { radius: self.radius * factor, ..self }
    }
}

/// The solid mask of grains: pixels whose centre lies within a grain. Grains may reach over the edges.
pub(super) fn rasterize(
    grains: impl IntoIterator<Item = Grain>,
    (height, width): (usize, usize),
) -> Array2<bool> {
    let mut solid = Array2::from_elem((height, width), false);
    for Grain { y, x, radius } in grains {
        for row in pixels_within(y, radius, height) {
            let dy = row as f64 + 0.5 - y;
            let half_width = (radius * radius - dy * dy).max(0.0).sqrt();
            for column in pixels_within(x, half_width, width) {
                solid[[row, column]] = true;
            }
        }
    }
    solid
}

/// Pixels whose centre is at most `reach` from `position` along one axis. The casts clip negative values to
/// zero.
fn pixels_within(position: f64, reach: f64, size: usize) -> std::ops::Range<usize> {
    let first = (position - reach - 0.5).ceil() as usize;
    let end = (position + reach + 0.5).floor() as usize;
    first..end.min(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grain_covers_its_area_and_may_cross_the_edges() {
        let solid = rasterize([Grain { y: 30.0, x: 30.0, radius: 20.0 }], (60, 60));
        let area = solid.iter().filter(|&&solid| solid).count() as f64;
        assert!((area / (std::f64::consts::PI * 400.0) - 1.0).abs() < 0.01, "{area}");
        let quarter = rasterize([Grain { y: 0.0, x: 60.0, radius: 20.0 }], (60, 60));
        let area = quarter.iter().filter(|&&solid| solid).count() as f64;
        assert!((area / (std::f64::consts::PI * 100.0) - 1.0).abs() < 0.02, "{area}");
        assert!(quarter[[0, 59]] && !quarter[[59, 0]]);
        assert!(!rasterize([Grain { y: -30.0, x: 90.0, radius: 20.0 }], (60, 60)).iter().any(|&solid| solid));
    }
}
