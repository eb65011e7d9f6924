//! Packs of round grains of varied size that do not touch, the geometry of the published micromodels.

use porecast_base::{Checks, Problem};
use rand::{Rng, RngExt};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::gaussian::truncated_normal;
use super::grain::{Grain, rasterize};
use crate::{Domain, Error, Result, Side};

/// A random pack of discs. Lengths in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiscPackConfig {
    /// Pore pixels over all pixels, inlet and outlet buffers included.
    #[schemars(extend("minimum" = 0.2, "maximum" = 0.99))]
    pub porosity: f64,
    /// Mean grain radius in pixels. The normal distribution is cut off at half and at twice this mean.
    #[schemars(extend("minimum" = 1.0, "maximum" = 1000.0))]
    pub grain_radius: f64,
    /// Standard deviation of that distribution in pixels, at most the mean.
    #[schemars(extend("minimum" = 0.0, "maximum" = 1000.0))]
    pub grain_radius_std: f64,
    /// Smallest gap between two grains in pixels. Rasterisation can reduce it by one pixel.
    #[schemars(extend("minimum" = 0.0, "maximum" = 100.0))]
    pub min_gap: f64,
    /// Rows free of grains at the inlet and at the outlet edge.
    pub buffer: usize,
}

impl Default for DiscPackConfig {
    fn default() -> Self {
        Self { porosity: 0.6, grain_radius: 8.0, grain_radius_std: 2.0, min_gap: 3.0, buffer: 0 }
    }
}

/// Largest area fraction that the discs, each widened by half the gap, can reach without ordering into rows.
const MAX_COVERAGE: f64 = 0.80;
/// Largest number of sweeps that push discs apart; a pack that needs more counts as too dense.
const MAX_SWEEPS: usize = 4000;
/// Overlap in pixels that may remain before the final shrinking.
const OVERLAP_TOLERANCE: f64 = 0.02;

impl DiscPackConfig {
    /// Every problem with the settings: the key and what is wrong with its value.
    pub fn problems(&self) -> Vec<Problem> {
        let mut checks = Checks::default();
        checks.range("porosity", self.porosity, 0.2, 0.99);
        checks.range("grain_radius", self.grain_radius, 1.0, 1000.0);
        checks.range("grain_radius_std", self.grain_radius_std, 0.0, self.grain_radius.max(0.0));
        checks.range("min_gap", self.min_gap, 0.0, 100.0);
        let coverage = (1.0 - self.porosity) * self.widening();
        if checks.0.is_empty() && coverage > MAX_COVERAGE {
            let lowest = 1.0 - MAX_COVERAGE / self.widening();
            let message =
                format!("{} is too dense for this gap: allowed is [{lowest:.3}, 0.99]", self.porosity);
            checks.add("porosity", message);
        }
        checks.0
    }

    /// For a grain of mean size: its area when widened by half the gap, divided by its own area.
    fn widening(&self) -> f64 {
        (1.0 + 0.5 * self.min_gap / self.grain_radius).powi(2)
    }

    /// Draws a pack.
    ///
    /// Discs are placed at random and pushed apart until every gap is at least the smallest one. This reaches
    /// denser packs than adding one disc after the other. Then all radii are multiplied by one factor, which
    /// shrinks them by a few per cent, to meet the porosity.
    ///
    /// # Errors
    /// A configuration error if settings are out of range, [`ErrorKind::Simulation`](crate::ErrorKind) if the
    /// pack does not fit.
    pub fn generate(
        &self,
        shape: (usize, usize),
        voxel_size_m: f64,
        inlet: Side,
        rng: &mut impl Rng,
    ) -> Result<Domain> {
        Checks(self.problems()).into_result()?;
        let container = Container::new(shape, inlet, self)?;
        let solid_target = ((1.0 - self.porosity) * (shape.0 * shape.1) as f64).round();
        // Start with slightly too much solid, because the last step can only shrink the grains.
        let mut area_target = 1.03 * solid_target / container.share_inside();
        let mut grains: Vec<Grain> = Vec::new();
        for _ in 0..8 {
            let mut area: f64 =
                grains.iter().map(|grain| grain.radius.powi(2)).sum::<f64>() * std::f64::consts::PI;
            while area < area_target {
                let range = 0.5 * self.grain_radius..=2.0 * self.grain_radius;
                let radius = truncated_normal(rng, self.grain_radius, self.grain_radius_std, range);
                area += std::f64::consts::PI * radius * radius;
                grains.push(container.throw(radius, rng));
            }
            container.push_apart(&mut grains, self.min_gap)?;
            if solid_pixels(&grains, 1.0, shape) >= solid_target {
                let factor = shrink(&grains, solid_target, shape);
                let solid = rasterize(grains.into_iter().map(|grain| grain.scaled(factor)), shape);
                return Ok(Domain { solid, voxel_size_m });
            }
            area_target *= 1.05;
        }
        Err(Error::simulation(format!("no disc pack of porosity {} fits {shape:?}", self.porosity)))
    }
}

fn solid_pixels(grains: &[Grain], factor: f64, shape: (usize, usize)) -> f64 {
    let solid = rasterize(grains.iter().map(|grain| grain.scaled(factor)), shape);
    solid.iter().filter(|&&solid| solid).count() as f64
}

/// Finds by bisection the common factor ≤ 1 on all radii that gives the number of solid pixels nearest to
/// `target`.
fn shrink(grains: &[Grain], target: f64, shape: (usize, usize)) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        if solid_pixels(grains, middle, shape) < target { low = middle } else { high = middle }
    }
    high
}

/// The region where centres of grains may lie: up to one radius outside the walls, and clear of the buffers.
struct Container {
    shape: (usize, usize),
    /// Least and largest coordinate of the space for grains, y then x.
    space: [(f64, f64); 2],
    /// For each axis, whether grains must lie wholly inside that space.
    confined: [bool; 2],
    margin: f64,
}

impl Container {
    fn new(shape: (usize, usize), inlet: Side, config: &DiscPackConfig) -> Result<Self> {
        let mut space = [(0.0, shape.0 as f64), (0.0, shape.1 as f64)];
        let mut confined = [false; 2];
        if config.buffer > 0 {
            let flow = usize::from(matches!(inlet, Side::Left | Side::Right));
            let buffer = config.buffer as f64;
            space[flow] = (buffer, space[flow].1 - buffer);
            confined[flow] = true;
            if space[flow].1 - space[flow].0 < 4.0 * config.grain_radius {
                return Err(Error::simulation(format!(
                    "no room for grains of radius {} between buffers of {} rows in {shape:?}",
                    config.grain_radius, config.buffer
                )));
            }
        }
        Ok(Self { shape, space, confined, margin: config.grain_radius })
    }

    /// Range of the centre coordinate of a grain along one axis.
    fn centres(&self, axis: usize, radius: f64) -> (f64, f64) {
        let inset = if self.confined[axis] { radius } else { -self.margin };
        let (low, high) = self.space[axis];
        let middle = 0.5 * (low + high);
        ((low + inset).min(middle), (high - inset).max(middle))
    }

    /// Fraction of the grains' area that lies inside the image.
    fn share_inside(&self) -> f64 {
        let length = |axis: usize| self.space[axis].1 - self.space[axis].0;
        let reach = |axis: usize| length(axis) + if self.confined[axis] { 0.0 } else { 2.0 * self.margin };
        (0..2).map(|axis| length(axis) / reach(axis)).product()
    }

    fn throw(&self, radius: f64, rng: &mut impl Rng) -> Grain {
        let mut draw = |axis| {
            let (low, high) = self.centres(axis, radius);
            low + (high - low) * rng.random::<f64>()
        };
        Grain { y: draw(0), x: draw(1), radius }
    }

    /// Moves grains apart along their line of centres until no two are nearer than `gap`.
    fn push_apart(&self, grains: &mut [Grain], gap: f64) -> Result<()> {
        let reach = 2.0 * grains.iter().map(|grain| grain.radius).fold(0.0, f64::max) + gap;
        for _ in 0..MAX_SWEEPS {
            let mut worst: f64 = 0.0;
            for (i, j) in near_pairs(grains, reach) {
                let (dy, dx) = (grains[j].y - grains[i].y, grains[j].x - grains[i].x);
                let distance = dy.hypot(dx);
                let overlap = grains[i].radius + grains[j].radius + gap - distance;
                if overlap <= 0.0 {
                    continue;
                }
                worst = worst.max(overlap);
                // Grains with the same centre are separated along x.
                let (uy, ux) = if distance > 0.0 { (dy / distance, dx / distance) } else { (0.0, 1.0) };
                for (k, sign) in [(i, -0.5), (j, 0.5)] {
                    let (low_y, high_y) = self.centres(0, grains[k].radius);
                    let (low_x, high_x) = self.centres(1, grains[k].radius);
                    grains[k].y = (grains[k].y + sign * overlap * uy).clamp(low_y, high_y);
                    grains[k].x = (grains[k].x + sign * overlap * ux).clamp(low_x, high_x);
                }
            }
            if worst <= OVERLAP_TOLERANCE {
                return Ok(());
            }
        }
        Err(Error::simulation(format!(
            "grains could not be kept {gap} apart in {:?}: raise the porosity or lower min_gap",
            self.shape
        )))
    }
}

/// Pairs of grains whose centres are nearer than `reach`, found by sweeping along y.
fn near_pairs(grains: &[Grain], reach: f64) -> Vec<(usize, usize)> {
    let mut by_y: Vec<usize> = (0..grains.len()).collect();
    by_y.sort_by(|&i, &j| grains[i].y.total_cmp(&grains[j].y));
    let mut pairs = Vec::new();
    for (position, &i) in by_y.iter().enumerate() {
        for &j in by_y[position + 1..].iter().take_while(|&&j| grains[j].y - grains[i].y < reach) {
            if (grains[j].x - grains[i].x).abs() < reach {
                pairs.push((i, j));
            }
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::ErrorKind;

    #[test]
    fn grains_pushed_apart_keep_the_gap() {
        let config = DiscPackConfig { porosity: 0.55, ..DiscPackConfig::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let container = Container::new((200, 150), Side::Top, &config).unwrap();
        let mut grains: Vec<_> =
            (0..70).map(|_| container.throw(8.0 + 2.0 * rng.random::<f64>(), &mut rng)).collect();
        container.push_apart(&mut grains, 3.0).unwrap();
        for (i, a) in grains.iter().enumerate() {
            for b in &grains[i + 1..] {
                let gap = (a.y - b.y).hypot(a.x - b.x) - a.radius - b.radius;
                assert!(gap >= 3.0 - 2.0 * OVERLAP_TOLERANCE, "gap {gap}");
            }
        }
    }

    #[test]
    fn porosity_and_buffer_are_met_from_sparse_to_dense() {
        for (porosity, min_gap, buffer) in [(0.9, 3.0, 0), (0.6, 3.0, 6), (0.45, 2.0, 0), (0.3, 1.0, 0)] {
            let config = DiscPackConfig { porosity, min_gap, buffer, ..DiscPackConfig::default() };
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            let domain = config.generate((256, 128), 1e-6, Side::Top, &mut rng).unwrap();
            assert!((domain.porosity() - porosity).abs() < 2e-3, "{porosity}: {}", domain.porosity());
            for row in (0..buffer).chain(256 - buffer..256) {
                assert!(!domain.solid.row(row).iter().any(|&solid| solid));
            }
        }
    }

    #[test]
    fn all_problems_are_reported_at_once() {
        let config =
            DiscPackConfig { porosity: 1.5, grain_radius: f64::NAN, min_gap: -1.0, ..Default::default() };
        let keys: Vec<_> = config.problems().into_iter().map(|problem| problem.key).collect();
        assert_eq!(keys, ["porosity", "grain_radius", "grain_radius_std", "min_gap"]);
        let dense = DiscPackConfig { porosity: 0.3, min_gap: 8.0, ..Default::default() };
        assert!(dense.problems()[0].what.contains("too dense"));
    }

    #[test]
    fn a_pack_that_cannot_fit_is_an_error() {
        let config = DiscPackConfig { buffer: 40, ..Default::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let error = config.generate((64, 64), 1e-6, Side::Left, &mut rng).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Simulation);
    }
}
