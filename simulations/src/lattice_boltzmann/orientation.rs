//! Rotates a domain so that the inlet is at the top, and rotates results back.

use ndarray::Array2;

use crate::Side;

/// A domain rotated so that its inlet is the first row, and refined.
#[derive(Debug, Clone, Copy)]
pub(super) struct Orientation {
    pub inlet: Side,
    /// Height and width of the original domain in pixels.
    pub shape: (usize, usize),
    pub sites_per_pixel: usize,
}

impl Orientation {
    /// Height and width in pixels after rotation.
    pub fn turned(self) -> (usize, usize) {
        let (height, width) = self.shape;
        match self.inlet {
            Side::Top | Side::Bottom => (height, width),
            Side::Left | Side::Right => (width, height),
        }
    }

    /// The pixel (y, x) of the original domain at this row and column of the rotated one.
    pub fn pixel(self, row: usize, column: usize) -> (usize, usize) {
        let (height, width) = self.shape;
        match self.inlet {
            Side::Top => (row, column),
            Side::Bottom => (height - 1 - row, column),
            Side::Left => (column, row),
            Side::Right => (column, width - 1 - row),
        }
    }

    /// Converts a vector (along the flow, across) of the rotated domain to (y, x) of the original domain.
    pub fn vector(self, along: f64, across: f64) -> (f64, f64) {
        match self.inlet {
            Side::Top => (along, across),
            Side::Bottom => (-along, across),
            Side::Left => (across, along),
            Side::Right => (across, -along),
        }
    }

    /// The rotated and refined medium with open reservoir rows before the inlet and behind the outlet.
    pub fn medium(self, solid: &Array2<bool>, reservoir: usize) -> Array2<bool> {
        let (height, width) = self.turned();
        let (rows, columns) = (height * self.sites_per_pixel, width * self.sites_per_pixel);
        Array2::from_shape_fn((rows + 2 * reservoir, columns), |(y, x)| {
            let inside = y >= reservoir && y < reservoir + rows;
            inside && solid[self.pixel((y - reservoir) / self.sites_per_pixel, x / self.sites_per_pixel)]
        })
    }

    /// Averages a field on the lattice over the sites of each pixel of the original domain.
    pub fn pixels(self, field: &Array2<f64>, reservoir: usize) -> Array2<f64> {
        let (height, width) = self.turned();
        let side = self.sites_per_pixel;
        let mut pixels = Array2::zeros(self.shape);
        for row in 0..height {
            for column in 0..width {
                let mut sum = 0.0;
                for y in row * side..(row + 1) * side {
                    for x in column * side..(column + 1) * side {
                        sum += field[[reservoir + y, x]];
                    }
                }
                pixels[self.pixel(row, column)] = sum / (side * side) as f64;
            }
        }
        pixels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_where_they_belong_from_every_side() {
        let solid = Array2::from_shape_fn((3, 5), |(y, x)| (y + 2 * x) % 3 == 0);
        for inlet in [Side::Top, Side::Bottom, Side::Left, Side::Right] {
            let orientation = Orientation { inlet, shape: (3, 5), sites_per_pixel: 2 };
            let medium = orientation.medium(&solid, 4).map(|&solid| if solid { 1.0 } else { 0.0 });
            assert_eq!(orientation.pixels(&medium, 4), solid.map(|&solid| if solid { 1.0 } else { 0.0 }));
            let first = orientation.pixel(0, 0);
            assert!(inlet.lane(Array2::from_shape_fn((3, 5), |at| at == first).view()).iter().any(|&is| is));
        }
    }
}
