//! The smooth wall behind a staircase of solid sites.
//!
//! Solid and pore sites meet in faces, one site long, that follow one another around a grain. Beside each face the wall
//! is the parabola with the least squares to the midpoints of the faces before and after it, over the longest piece,
//! up to [`REACH`] faces each way, from which none of them is farther than [`TOLERANCE`]: long along a smooth grain,
//! short at a corner. Faces on the other side of a throat do not follow one another, so that they are never mixed.
//!
//! # Units
//! Lattice units: lengths in sites, curvature in 1/site.

use super::layout::{Layout, Site};

/// Most faces each way that a parabola is laid through.
const REACH: usize = 12;
/// How far a face may be from the parabola: half a site is what a straight wall across the lattice needs.
const TOLERANCE: f64 = 0.6;
/// The four neighbours of a site, each a quarter turn from the one before.
const SIDES: [(isize, isize); 4] = [(1, 0), (0, 1), (-1, 0), (0, -1)];

/// The wall beside a site.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Wall {
    /// Unit normal (x, y) into the fluid.
    pub normal: [f64; 2],
    /// From the site to the wall.
    pub distance: f64,
    /// Positive where the solid is convex; times the distance at most a half, also at corners.
    pub curvature: f64,
}

/// Between a pore site and the solid site at one of its [`SIDES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Face {
    site: usize,
    side: usize,
}

/// The wall beside a pore site; `None` where there is no solid, or as much on one side as on the other.
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

/// The faces of a site or, if it has none, of its neighbours towards solid along a diagonal.
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

    /// The next face along the wall, a quarter turn (`ahead` = 1) or three (`ahead` = 3) from the side of the solid;
    /// `None` where the medium ends.
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

    /// The faces that follow, as far as [`REACH`], the end of the medium or half around a grain.
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

    /// The parabola of least squares through some points in order, and the distance of the farthest.
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
        // The foot of the perpendicular, by Newton's method; near the wall a few steps are plenty.
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
