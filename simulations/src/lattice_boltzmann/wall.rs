//! The smooth wall behind a staircase of solid sites.
//!
//! Solid and pore sites meet in faces that are one site long; consecutive faces run around a grain. Beside
//! each face the wall is a least-squares parabola through the midpoints of the faces before and after it. The
//! fit uses the longest run of faces, up to [`REACH`] each way, in which no face is farther than
//! [`TOLERANCE`] from the parabola: long runs along a smooth grain, short ones at a corner. Faces on opposite
//! sides of a throat are not consecutive and are never fitted together.
//!
//! # Units
//! Lattice units: lengths in sites, curvature in 1/site.

use super::layout::{Layout, Site};

/// Largest number of faces each way in a fit.
const REACH: usize = 12;
/// Largest distance of a face from the parabola. A straight wall oblique to the lattice needs half a site.
const TOLERANCE: f64 = 0.6;
/// The four neighbours of a site, in quarter turns.
const SIDES: [(isize, isize); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// The wall beside a site.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Wall {
    /// Unit normal (x, y) into the fluid.
    pub normal: [f64; 2],
    /// Distance from the site to the wall.
    pub distance: f64,
    /// Curvature, positive where the solid is convex. Limited such that curvature times distance is at most
    /// one half, also at corners.
    pub curvature: f64,
}

/// The face between a pore site and the solid site at one of its [`SIDES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Face {
    site: usize,
    side: usize,
}

/// The wall beside a pore site; `None` if there is no solid next to it, or equally much on opposite sides.
pub(super) fn beside(layout: &Layout, site: usize) -> Option<Wall> {
    let [mut nx, mut ny, mut distance, mut curvature, mut count] = [0.0; 5];
    for face in faces(layout, site) {
        let wall = Parabola::along(layout, face).seen_from(position(layout, site));
        nx += wall.normal[0];
        ny += wall.normal[1];
        distance += wall.distance;
        curvature += wall.curvature;
        count += 1.0;
    }
    let (length, distance) = (nx.hypot(ny), distance / count);
    let sharpest = 0.5 / f64::abs(distance).max(0.5);
    (length > 0.5).then(|| Wall {
        normal: [nx / length, ny / length],
        distance,
        curvature: (curvature / count).clamp(-sharpest, sharpest),
    })
}

/// The faces of a site. If it has none: the faces of its neighbours towards solid along a diagonal.
fn faces(layout: &Layout, site: usize) -> Vec<Face> {
    let own: Vec<Face> =
        (0..4).map(|side| Face { site, side }).filter(|face| is_solid(layout, face.solid(layout))).collect();
    if !own.is_empty() {
        return own;
    }
    let mut around = Vec::new();
    for side in 0..4 {
        let next = step(layout, site, side);
        for turned in [(side + 1) % 4, (side + 3) % 4] {
            let face = Face { site: next, side: turned };
            if layout.is_pore(next) && is_solid(layout, face.solid(layout)) {
                around.push(face);
            }
        }
    }
    around
}

fn step(layout: &Layout, site: usize, side: usize) -> usize {
    site.wrapping_add_signed(layout.offset(SIDES[side % 4]))
}

fn is_solid(layout: &Layout, site: usize) -> bool {
    layout.sites[site] == Site::Wall
}

fn position(layout: &Layout, site: usize) -> [f64; 2] {
    [(site % layout.stride) as f64, (site / layout.stride) as f64]
}

impl Face {
    fn solid(self, layout: &Layout) -> usize {
        step(layout, self.site, self.side)
    }

    fn midpoint(self, layout: &Layout) -> [f64; 2] {
        let [x, y] = position(layout, self.site);
        let (ex, ey) = SIDES[self.side];
        [x + 0.5 * ex as f64, y + 0.5 * ey as f64]
    }

    /// The next face along the wall, a quarter turn (`ahead` = 1) or three quarter turns (`ahead` = 3) from
    /// the solid's side; `None` at the end of the medium.
    fn next(self, layout: &Layout, ahead: usize) -> Option<Self> {
        let along = self.side + ahead;
        let beside = step(layout, self.site, along);
        if is_solid(layout, beside) {
            return Some(Self { site: self.site, side: along % 4 });
        }
        let beyond = step(layout, beside, self.side);
        if !layout.is_pore(beside) {
            None
        } else if is_solid(layout, beyond) {
            Some(Self { site: beside, side: self.side })
        } else {
            layout.is_pore(beyond).then_some(Self { site: beyond, side: (along + 2) % 4 })
        }
    }

    /// The faces that follow, up to [`REACH`], the end of the medium or half way around a grain.
    fn following(self, layout: &Layout, ahead: usize) -> Vec<[f64; 2]> {
        let mut faces: Vec<Self> =
            std::iter::successors(Some(self), |face| face.next(layout, ahead)).take(2 * REACH + 1).collect();
        if let Some(around) = faces.iter().skip(1).position(|&face| face == self) {
            faces.truncate(around / 2 + 1);
        }
        faces.iter().skip(1).take(REACH).map(|face| face.midpoint(layout)).collect()
    }
}

/// η = a + bξ + cξ², ξ along the wall and η into the fluid.
struct Parabola {
    origin: [f64; 2],
    along: [f64; 2],
    coefficients: [f64; 3],
}

impl Parabola {
    fn along(layout: &Layout, face: Face) -> Self {
        let origin = face.midpoint(layout);
        let (forward, backward) = (face.following(layout, 1), face.following(layout, 3));
        let piece = |reach: usize| -> Vec<[f64; 2]> {
            let before = backward.iter().take(reach).rev();
            before.chain([&origin]).chain(forward.iter().take(reach)).copied().collect()
        };
        let mut best = Self::through(&piece(1), face).0;
        for reach in 2..=forward.len().max(backward.len()) {
            let (parabola, farthest) = Self::through(&piece(reach), face);
            if farthest > TOLERANCE {
                break;
            }
            best = parabola;
        }
        best
    }

    /// The least-squares parabola through ordered points, and the largest distance of a point from it.
    fn through(points: &[[f64; 2]], face: Face) -> (Self, f64) {
        let (first, last) = (points[0], points[points.len() - 1]);
        let chord = [last[0] - first[0], last[1] - first[1]];
        let length = chord[0].hypot(chord[1]);
        let (ex, ey) = SIDES[face.side];
        let along =
            if length > 0.0 { [chord[0] / length, chord[1] / length] } else { [-ey as f64, ex as f64] };
        let count = points.len() as f64;
        let origin = [0, 1].map(|axis| points.iter().map(|point| point[axis]).sum::<f64>() / count);
        let mut parabola = Self { origin, along, coefficients: [0.0; 3] };
        let local: Vec<[f64; 2]> = points.iter().map(|&point| parabola.local(point)).collect();
        parabola.coefficients = least_squares(&local);
        let miss = |&[xi, eta]: &[f64; 2]| (parabola.height(xi) - eta).abs();
        let farthest = local.iter().map(miss).fold(0.0, f64::max);
        (parabola, farthest)
    }

    fn local(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let ([ax, ay], dx, dy) = (self.along, x - self.origin[0], y - self.origin[1]);
        [dx * ax + dy * ay, dy * ax - dx * ay]
    }

    fn height(&self, xi: f64) -> f64 {
        let [a, b, c] = self.coefficients;
        a + xi * (b + c * xi)
    }

    fn slope(&self, xi: f64) -> f64 {
        self.coefficients[1] + 2.0 * self.coefficients[2] * xi
    }

    fn seen_from(&self, site: [f64; 2]) -> Wall {
        let [xi, eta] = self.local(site);
        let c = self.coefficients[2];
        // The foot of the perpendicular, by Newton's method. A few steps are enough near the wall.
        let mut foot = xi;
        for _ in 0..4 {
            let (slope, above) = (self.slope(foot), eta - self.height(foot));
            let curve = 1.0 + slope * slope - 2.0 * c * above;
            foot += ((xi - foot) + slope * above) / curve.max(0.5);
        }
        let slope = self.slope(foot);
        let length = (1.0 + slope * slope).sqrt();
        let [ax, ay] = self.along;
        Wall {
            normal: [(-slope * ax - ay) / length, (ax - slope * ay) / length],
            distance: ((eta - self.height(foot)) - slope * (xi - foot)) / length,
            curvature: -2.0 * c / (length * length * length),
        }
    }
}

/// a, b, c of η = a + bξ + cξ² for points (ξ, η) with mean 0.
fn least_squares(points: &[[f64; 2]]) -> [f64; 3] {
    let mut sums = [0.0; 5];
    let mut right = [0.0; 3];
    for &[xi, eta] in points {
        let mut power = 1.0;
        for k in 0..5 {
            sums[k] += power;
            if k < 3 {
                right[k] += power * eta;
            }
            power *= xi;
        }
    }
    let [s0, s1, s2, s3, s4] = sums;
    let determinant = |m: [[f64; 3]; 3]| {
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    };
    let rows = [[s0, s1, s2], [s1, s2, s3], [s2, s3, s4]];
    let whole = determinant(rows);
    if whole.abs() < 1e-9 {
        return [right[0] / s0, 0.0, 0.0];
    }
    [0, 1, 2].map(|column| {
        let mut replaced = rows;
        for (row, value) in replaced.iter_mut().zip(right) {
            row[column] = value;
        }
        determinant(replaced) / whole
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;
    use proptest::prelude::*;

    use super::super::boundary::{End, Ends, framed};
    use super::*;

    fn layout(shape: (usize, usize), solid: impl Fn(f64, f64) -> bool) -> Layout {
        let solid = Array2::from_shape_fn(shape, |(y, x)| solid(y as f64, x as f64));
        Layout::new(&framed(&solid, Ends::Between { top: End::Wall, bottom: End::Wall }))
    }

    /// Root mean squared errors beside a round grain: distance in sites, angle in degrees, curvature of itself.
    fn errors_beside_a_grain(radius: f64, dy: f64, dx: f64) -> [f64; 3] {
        let side = 2 * radius as usize + 14;
        let (cy, cx) = (side as f64 / 2.0 + dy, side as f64 / 2.0 + dx);
        let layout = layout((side, side), |y, x| (y - cy).hypot(x - cx) < radius);
        let (mut count, mut squares) = (0.0, [0.0; 3]);
        for site in layout.pores() {
            let [x, y] = position(&layout, site).map(|at| at - 1.0);
            let (y, x) = (y - cy, x - cx);
            let far = y.hypot(x);
            if far - radius > 1.0 {
                continue;
            }
            let Some(wall) = beside(&layout, site) else { continue };
            let turn = (wall.normal[0] * x + wall.normal[1] * y) / far;
            count += 1.0;
            squares[0] += (wall.distance - (far - radius)).powi(2);
            squares[1] += turn.min(1.0).acos().to_degrees().powi(2);
            squares[2] += (wall.curvature * radius - 1.0).powi(2);
        }
        squares.map(|sum: f64| (sum / count).sqrt())
    }

    #[test]
    fn the_wall_of_a_round_grain_is_its_circle() {
        let (mut count, mut squares) = (0.0, [0.0; 3]);
        for radius in (20..80).map(|half| f64::from(half) / 2.0) {
            for (dy, dx) in [(0.0, 0.0), (0.5, 0.5), (0.13, 0.71), (0.82, 0.29)] {
                let errors @ [distance, angle, curvature] = errors_beside_a_grain(radius, dy, dx);
                let grain = format!("radius {radius}, centre off by ({dy}, {dx})");
                assert!(distance < 0.2, "{grain}: {distance} sites");
                assert!(angle < 2.0, "{grain}: {angle}°");
                assert!(curvature < 0.6, "{grain}: {curvature} of the curvature");
                squares = std::array::from_fn(|of| squares[of] + errors[of].powi(2));
                count += 1.0;
            }
        }
        // Over all grains. The faces of a few grains lie such that the fit takes them for flatter or rounder ones.
        let [distance, angle, curvature] = squares.map(|sum| (sum / count).sqrt());
        assert!(distance < 0.12, "{distance} sites");
        assert!(angle < 0.8, "{angle}°");
        assert!(curvature < 0.2, "{curvature} of the curvature");
    }

    proptest! {
        #[test]
        fn any_wall_is_near_and_bounded(seed in prop::collection::vec(0..3_u8, 144)) {
            let layout = layout((12, 12), |y, x| seed[(y * 12.0 + x) as usize] == 0);
            for wall in layout.pores().filter_map(|site| beside(&layout, site)) {
                prop_assert!((wall.normal[0].hypot(wall.normal[1]) - 1.0).abs() < 1e-12);
                prop_assert!(wall.distance.abs() < 2.0, "{}", wall.distance);
                prop_assert!((wall.curvature * wall.distance).abs() <= 0.5 + 1e-12);
            }
        }
    }

    #[test]
    fn straight_walls_are_met_exactly() {
        let root = 0.5_f64.sqrt();
        let floor = layout((30, 40), |y, _| y >= 20.0);
        let wall = beside(&floor, floor.index(19, 20)).unwrap();
        assert!((wall.distance - 0.5).abs() < 1e-12 && wall.curvature.abs() < 1e-12);
        assert!(wall.normal[0].abs() < 1e-12 && (wall.normal[1] + 1.0).abs() < 1e-12);
        // x + y = 39½ is a staircase of single sites, half a diagonal of a site away from the sites beside
        // it.
        let slope = layout((40, 40), |y, x| x + y >= 40.0);
        let wall = beside(&slope, slope.index(19, 20)).unwrap();
        assert!((wall.distance - 0.5 * root).abs() < 1e-12 && wall.curvature.abs() < 1e-12, "{wall:?}");
        assert!((wall.normal[0] + root).abs() < 1e-12 && (wall.normal[1] + root).abs() < 1e-12);
        // This site touches the wall only along the diagonal.
        let wall = beside(&slope, slope.index(18, 20)).unwrap();
        assert!((wall.distance - 1.5 * root).abs() < 1e-12, "{wall:?}");
    }

    #[test]
    fn a_throat_does_not_mix_its_walls() {
        let throat = layout((30, 30), |_, x| x <= 12.0 || x >= 15.0);
        let [left, right] = [13, 14].map(|x| beside(&throat, throat.index(15, x)).unwrap());
        assert_eq!((left.normal, right.normal), ([1.0, 0.0], [-1.0, 0.0]));
        let slit = layout((30, 30), |_, x| x != 13.0);
        assert_eq!(beside(&slit, slit.index(15, 13)), None);
    }
}
