//! Insertion of discs into a bitmap, reporting each pixel the first time it is covered.

use super::grid::Grid;

/// Bitmap of invaded pixels, and rasters of discs.
///
/// A disc of integer radius r covers the pixels with dx² + dy² < r², as in PoreSpy. If r ≤ d, the distance to
/// the solid, the disc covers no solid.
pub(super) struct Discs {
    grid: Grid,
    words_per_row: usize,
    filled: Vec<u64>,
    /// For each radius, the half-widths of the rows |dy| = 0, 1, ..., radius - 1; empty until first used.
    half_widths: Vec<Vec<u32>>,
}

impl Discs {
    pub fn new(grid: Grid, largest_radius: u32) -> Self {
        let words_per_row = grid.width.div_ceil(64);
        let half_widths = vec![Vec::new(); largest_radius as usize + 1];
        Self { grid, words_per_row, filled: vec![0; words_per_row * grid.height], half_widths }
    }

    /// Covers the disc around a pixel and appends the newly covered pixels to `order`, in reading order.
    pub fn insert(&mut self, centre: u32, radius: u32, order: &mut Vec<u32>) {
        let (cy, cx) = self.grid.coordinates(centre);
        let rows = cy.saturating_sub(radius as usize - 1)..(cy + radius as usize).min(self.grid.height);
        for y in rows {
            let half_width = self.half_width(radius, y.abs_diff(cy));
            let first = cx.saturating_sub(half_width);
            let last = (cx + half_width).min(self.grid.width - 1);
            self.cover(y, first, last, order);
        }
    }

    fn half_width(&mut self, radius: u32, dy: usize) -> usize {
        let half_widths = &mut self.half_widths[radius as usize];
        if half_widths.is_empty() {
            let (r, rows) = (u64::from(radius), 0..u64::from(radius));
            half_widths.extend(rows.map(|dy| (r * r - dy * dy - 1).isqrt() as u32));
        }
        half_widths[dy] as usize
    }

    /// Covers the pixels `first..=last` of a row.
    pub fn cover(&mut self, y: usize, first: usize, last: usize, order: &mut Vec<u32>) {
        let row = y * self.words_per_row;
        for word in first / 64..=last / 64 {
            let mut span = u64::MAX;
            if word == first / 64 {
                span &= u64::MAX << (first % 64);
            }
            if word == last / 64 {
                span &= u64::MAX >> (63 - last % 64);
            }
            let mut new = span & !self.filled[row + word];
            self.filled[row + word] |= new;
            let base = self.grid.index(y, word * 64) as u32;
            while new != 0 {
                order.push(base + new.trailing_zeros());
                new &= new - 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disc_covers_each_pixel_strictly_nearer_than_its_radius_once() {
        let grid = Grid { height: 40, width: 150 };
        for (y, x, radius) in [(20, 70, 1), (20, 64, 2), (3, 63, 9), (39, 149, 15), (0, 0, 300)] {
            let mut discs = Discs::new(grid, radius);
            let mut order = Vec::new();
            discs.insert(grid.index(y, x) as u32, radius, &mut order);
            let covered: Vec<_> = order.iter().map(|&pixel| grid.coordinates(pixel)).collect();
            let mut expected = Vec::new();
            for v in 0..grid.height {
                for u in 0..grid.width {
                    if v.abs_diff(y).pow(2) + u.abs_diff(x).pow(2) < (radius as usize).pow(2) {
                        expected.push((v, u));
                    }
                }
            }
            assert_eq!(covered, expected);
            discs.insert(grid.index(y, x) as u32, radius, &mut order);
            assert_eq!(order.len(), expected.len());
        }
    }
}
