//! A smooth random displacement of the plane.

use rand_chacha::ChaCha8Rng;

use super::config::ElasticConfig;
use super::noise::standard_normal;

/// Displacement of each pixel: normally distributed at the nodes of a coarse grid, cubic B-splines in
/// between.
///
/// At a node the spline weights are 1/6, 2/3, 1/6 along each axis, so the displacement of a pixel at a node
/// has half the standard deviation of the nodes.
///
/// # References
/// Simard et al., ICDAR 2003 (elastic distortion); Ronneberger et al., MICCAI 2015, arXiv 1505.04597 (random
/// values on a coarse grid).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Displacement {
    grid_px: f64,
    columns: usize,
    /// (y, x) at each node, row by row. Nodes are `grid_px` apart; the first one lies before the image.
    nodes: Vec<(f32, f32)>,
}

impl Displacement {
    pub(super) fn draw(
        config: &ElasticConfig,
        (height, width): (usize, usize),
        rng: &mut ChaCha8Rng,
    ) -> Self {
        let count = |length: usize| (length as f64 / config.grid_px).floor() as usize + 4;
        let (rows, columns) = (count(height), count(width));
        let mut draw = || (config.displacement_px * standard_normal(rng)) as f32;
        let nodes = (0..rows * columns).map(|_| (draw(), draw())).collect();
        Self { grid_px: config.grid_px, columns, nodes }
    }

    /// Adds the displacements along row `y` to its coordinates (y, x).
    pub(super) fn add_to_row(&self, y: usize, coordinates: &mut [(f32, f32)]) {
        let (row, down) = self.cell(y);
        // The grid interpolated to this row: one value per column of nodes.
        let nodes: Vec<(f32, f32)> = (0..self.columns)
            .map(|column| {
                (0..4).fold((0.0, 0.0), |(y, x), i| {
                    let node = self.nodes[(row + i) * self.columns + column];
                    (y + down[i] * node.0, x + down[i] * node.1)
                })
            })
            .collect();
        for (x, at) in coordinates.iter_mut().enumerate() {
            let (column, along) = self.cell(x);
            for (node, weight) in nodes[column..].iter().zip(along) {
                at.0 += weight * node.0;
                at.1 += weight * node.1;
            }
        }
    }

    /// First of the four nodes that affect pixel `i` along an axis, and their weights.
    fn cell(&self, i: usize) -> (usize, [f32; 4]) {
        let position = i as f64 / self.grid_px;
        let t = (position - position.floor()) as f32;
        let (t2, t3) = (t * t, t * t * t);
        let weights = [
            (1.0 - 3.0 * t + 3.0 * t2 - t3) / 6.0,
            (4.0 - 6.0 * t2 + 3.0 * t3) / 6.0,
            (1.0 + 3.0 * t + 3.0 * t2 - 3.0 * t3) / 6.0,
            t3 / 6.0,
        ];
        (position.floor() as usize, weights)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::rand_core::SeedableRng;

    proptest! {
        #[test]
        fn equal_nodes_move_everything_alike(height in 1usize..200, width in 1usize..200, grid_px in 4.0f64..90.0) {
            let config = ElasticConfig { probability: 1.0, grid_px, displacement_px: 0.0 };
            let mut field = Displacement::draw(&config, (height, width), &mut ChaCha8Rng::seed_from_u64(1));
            field.nodes.fill((2.0, -3.0));
            for y in [0, height / 2, height - 1] {
                let mut row = vec![(0.0, 0.0); width];
                field.add_to_row(y, &mut row);
                prop_assert!(row.iter().all(|(y, x)| (y - 2.0).abs() < 1e-5 && (x + 3.0).abs() < 1e-5));
            }
        }
    }

    #[test]
    fn neighbours_move_together_and_by_the_stated_spread() {
        let config = ElasticConfig { probability: 1.0, grid_px: 20.0, displacement_px: 6.0 };
        let field = Displacement::draw(&config, (2001, 2001), &mut ChaCha8Rng::seed_from_u64(3));
        let mut squares = 0.0;
        for node_row in 0..100 {
            let mut row = vec![(0.0f32, 0.0f32); 2001];
            field.add_to_row(node_row * 20, &mut row);
            assert!(row.windows(2).all(|pair| (pair[0].1 - pair[1].1).abs() < 1.5));
            squares += row.iter().step_by(20).map(|at| f64::from(at.0).powi(2)).sum::<f64>() / 101.0;
        }
        let spread = (squares / 100.0).sqrt();
        assert!((spread - 3.0).abs() < 0.15, "{spread}");
    }
}
