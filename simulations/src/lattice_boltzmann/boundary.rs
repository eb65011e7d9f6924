//! Boundary conditions for populations that leave the pore space: walls, inlet, outlet.
//!
//! After collision, the population about to leave site x along e_i is replaced by one that returns along
//! -e_i:
//!
//! | boundary | comes back |
//! |---|---|
//! | wall: half-way bounce-back | h_i |
//! | wall at a share q of e_i from the site, q < ½: interpolated bounce-back | 2q h_i + (1 - 2q) h_i(x - e_i) |
//! | the same, q ≥ ½ | h_i/2q + (1 - 1/2q) h_ī |
//! | given velocity u: bounce-back from a moving wall (Ladd 1994) | h_i - 6 w_i e_i·u |
//! | given density ρ_0: anti-bounce-back (Ginzburg, Verhaeghe & d'Humières 2008) | -h_i + 2 w_i (ρ_0 - 1 + 9/2 (e_i·u)² - 3/2 u²) |
//!
//! In the last two conditions the density is 1 where the papers have the density of the fluid. At a given
//! density, u is Σ e_i f_i/ρ of the same site after collision.
//!
//! Walls lie half-way between sites unless their position is given
//! ([`with_walls`](super::TwoPhase::with_walls)). Interpolated bounce-back meets a curved wall to second
//! order, but it does not conserve mass exactly, so it is for single-fluid flow only.
//!
//! A given velocity fixes the injected mass exactly, whatever the pressure. The fluid beyond the top end is
//! the invading one, so only invading fluid is injected. Fluid that crosses the bottom end, in either
//! direction, has the colour of the last row.
//!
//! # Units
//! Lattice units: h_i and ρ_0 are mass per site, u is in sites per step.
//!
//! # Limits
//! Half-way bounce-back is second-order accurate at walls along the lattice and first-order at staircases.
//! |u| at an end may be up to 0.02.
//!
//! # References
//! A. Ladd, J. Fluid Mech. 271 (1994) 285: bounce-back from walls at rest and moving. M. Bouzidi, M.
//! Firdaouss, P. Lallemand, Phys. Fluids 13 (2001) 3452, equation 5: interpolated bounce-back. I. Ginzburg,
//! F. Verhaeghe, D. d'Humières, Commun. Comput. Phys. 3 (2008) 427, equation 4.1 with tables 3 and 4: a given
//! velocity at a share δ of the way, here ½; anti-bounce-back for a given pressure. T. Krüger et al., The
//! Lattice Boltzmann Method (2017), equation 5.53: anti-bounce-back as it is here, but with u of the wall. S.
//! Khirevich, T. Patzek, Phys. Fluids 30 (2018) 093604: the order on staircases.

use std::ops::Range;

use ndarray::Array2;

use super::collision::density_and_momentum;
use super::layout::{Layout, Site};
use super::real::Real;
use super::stencil::{OPPOSITE, Q, VELOCITIES, WEIGHTS, each};

/// One end of the medium.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum End {
    /// A wall.
    Wall,
    /// Fluid flows into the medium with this velocity (lattice units), averaged over the open width.
    Velocity(f64),
    /// The pressure is c_s² (ρ - 1) with this ρ - 1 (lattice units).
    Density(f64),
}

/// The boundaries along y. Left and right are walls, except in a periodic cell.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ends {
    /// Periodic along y: the first row follows the last.
    Periodic,
    /// Periodic along y and x.
    Cell,
    /// Two ends.
    Between {
        /// Above the first row. An open end has invading fluid behind it.
        top: End,
        /// Below the last row.
        bottom: End,
    },
}

/// Top or bottom end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    Top,
    Bottom,
}

/// The medium with a frame of one site around it.
pub(super) fn framed(solid: &Array2<bool>, ends: Ends) -> Array2<Site> {
    let (height, width) = solid.dim();
    let kind = |y: usize, x: usize| if solid[[y, x]] { Site::Wall } else { Site::Pore };
    let image = |y: usize, x: usize| match kind(y, x) {
        Site::Pore => Site::Image(Layout::framed_index(width, y + 1, x + 1) as u32),
        other => other,
    };
    // Frame indices are one higher than those of the medium.
    let wrapped = |at: usize, length: usize| (at + length - 1) % length;
    let end = |edge: Edge, end: End| if end == End::Wall { Site::Wall } else { Site::Beyond(edge) };
    Array2::from_shape_fn((height + 2, width + 2), |(row, column)| {
        let is_inside = ((1..=height).contains(&row), (1..=width).contains(&column));
        match (is_inside, ends) {
            ((true, true), _) => kind(row - 1, column - 1),
            (_, Ends::Cell) | ((false, true), Ends::Periodic) => {
                image(wrapped(row, height), wrapped(column, width))
            }
            (_, Ends::Periodic) | ((_, false), _) => Site::Wall,
            (_, Ends::Between { top, .. }) if row == 0 => end(Edge::Top, top),
            (_, Ends::Between { bottom, .. }) => end(Edge::Bottom, bottom),
        }
    })
}

/// Copies a population from one array index to another.
#[derive(Debug, Clone, Copy)]
struct Link {
    from: u32,
    to: u32,
}

/// A link that the wall cuts at a given fraction of its length.
#[derive(Debug, Clone, Copy)]
struct CutLink {
    link: Link,
    /// The site on the other side of `link.from`.
    behind: u32,
    /// q, the fraction of the link up to the wall.
    share: f64,
}

/// All copies between collision and streaming.
#[derive(Debug, Clone, Default)]
pub(super) struct Links {
    /// For each outgoing direction: the sites with a link into a wall.
    walls: [Vec<u32>; Q],
    /// Distance in memory to the neighbour in each direction.
    offsets: [isize; Q],
    /// For each outgoing direction: links into walls whose position is given.
    cut: [Vec<CutLink>; Q],
    /// For each outgoing direction: links into an end of given velocity, with the mass they add.
    moving: [Vec<(Link, f64)>; Q],
    /// For each outgoing direction: links into an end of given density, with ρ_0 - 1.
    open: [Vec<(Link, f64)>; Q],
    /// For each direction: links from a site to its periodic images.
    images: [Vec<Link>; Q],
}

impl Links {
    pub fn new(layout: &Layout, ends: Ends) -> Self {
        let mut links =
            Self { offsets: VELOCITIES.map(|velocity| layout.offset(velocity)), ..Self::default() };
        let end = |edge: Edge| match (ends, edge) {
            (Ends::Periodic | Ends::Cell, _) => End::Wall,
            (Ends::Between { top, .. }, Edge::Top) => top,
            (Ends::Between { bottom, .. }, Edge::Bottom) => bottom,
        };
        for from in layout.pores() {
            for i in 1..Q {
                let to = from.wrapping_add_signed(layout.offset(VELOCITIES[i]));
                let link = Link { from: from as u32, to: to as u32 };
                match layout.sites[to] {
                    Site::Pore | Site::Image(_) => {}
                    Site::Wall => links.walls[i].push(link.from),
                    Site::Beyond(edge) => match end(edge) {
                        End::Wall => links.walls[i].push(link.from),
                        End::Velocity(velocity) => links.moving[i].push((link, 6.0 * WEIGHTS[i] * velocity)),
                        End::Density(excess) => links.open[i].push((link, excess)),
                    },
                }
            }
        }
        for (to, site) in layout.sites.iter().enumerate() {
            if let Site::Image(from) = *site {
                links.images.iter_mut().for_each(|images| images.push(Link { from, to: to as u32 }));
            }
        }
        links.spread_velocity(layout, &end);
        links
    }

    /// Takes the wall position from the signed distance (y, x) to the wall, positive in the fluid. A link is
    /// left unchanged if the wall does not cut it or if there is no second site to interpolate with.
    pub fn cut(&mut self, layout: &Layout, distance: impl Fn(f64, f64) -> f64) {
        let at = |index: usize| {
            distance((index / layout.stride) as f64 - 1.0, (index % layout.stride) as f64 - 1.0)
        };
        for ((walls, cut), velocity) in self.walls.iter_mut().zip(&mut self.cut).zip(VELOCITIES) {
            walls.retain(|&from| {
                let to = (from as usize).wrapping_add_signed(layout.offset(velocity));
                let link = Link { from, to: to as u32 };
                let (near, far) = (at(from as usize), at(to));
                let behind = (from as usize).wrapping_add_signed(-layout.offset(velocity));
                let behind = match layout.sites[behind] {
                    Site::Pore => behind as u32,
                    Site::Image(site) => site,
                    Site::Wall | Site::Beyond(_) => return true,
                };
                if near <= 0.0 || far >= 0.0 {
                    return true;
                }
                cut.push(CutLink { link, behind, share: near / (near - far) });
                false
            });
        }
    }

    /// Inlet corners have fewer links. This scales the added mass so that the mean over the open sites is
    /// exact.
    fn spread_velocity(&mut self, layout: &Layout, end: &impl Fn(Edge) -> End) {
        for (edge, y) in [(Edge::Top, 0), (Edge::Bottom, layout.height.saturating_sub(1))] {
            let End::Velocity(velocity) = end(edge) else { continue };
            let row = layout.index(y, 0)..layout.index(y, 0) + layout.width;
            let open = row.clone().filter(|&index| layout.is_pore(index)).count() as f64;
            let inward: isize = if edge == Edge::Top { 1 } else { -1 };
            let directions = (1..Q).filter(|&i| VELOCITIES[i].1 == -inward);
            let of_row = |link: &Link| row.contains(&(link.from as usize));
            let total: f64 = directions
                .clone()
                .flat_map(|i| &self.moving[i])
                .filter(|(link, _)| of_row(link))
                .map(|(_, added)| added)
                .sum();
            if total == 0.0 {
                continue;
            }
            for i in directions {
                for (_, added) in self.moving[i].iter_mut().filter(|(link, _)| of_row(link)) {
                    *added *= velocity * open / total;
                }
            }
        }
    }

    /// Mass that enters through ends of given velocity in one step.
    pub fn injected_per_step(&self) -> f64 {
        self.moving.iter().flatten().map(|(_, added)| added).sum()
    }

    /// The links into walls that stay within a range of the memory, with indices from its start.
    pub fn within(&self, memory: &Range<usize>) -> Self {
        let mut within = Self { offsets: self.offsets, ..Self::default() };
        for (i, walls) in within.walls.iter_mut().enumerate() {
            let inside = self.walls[i].iter().filter(|&&from| self.is_within(from, i, memory));
            walls.extend(inside.map(|from| from - memory.start as u32));
        }
        within
    }

    /// All links that are [`within`](Self::within) none of the ranges.
    pub fn across(&self, memories: &[Range<usize>]) -> Self {
        let mut across = self.clone();
        for (i, walls) in across.walls.iter_mut().enumerate() {
            walls.retain(|&from| !memories.iter().any(|memory| self.is_within(from, i, memory)));
        }
        across
    }

    /// Whether both ends of the link from a site in direction `i` lie in a range of the memory.
    fn is_within(&self, from: u32, i: usize, memory: &Range<usize>) -> bool {
        let from = from as usize;
        memory.contains(&from) && memory.contains(&from.wrapping_add_signed(self.offsets[i]))
    }

    pub fn apply<T: Real>(&self, mut all: [&mut [T]; Q]) {
        self.apply_open(&mut all);
        for (i, &opposite) in OPPOSITE.iter().enumerate().skip(1) {
            let [from, to] = all.get_disjoint_mut([i, opposite]).expect("e_i is not its own opposite");
            for &site in &self.walls[i] {
                let site = site as usize;
                to[site.wrapping_add_signed(self.offsets[i])] = from[site];
            }
            for &CutLink { link, behind, share } in &self.cut[i] {
                let (out, double) = (from[link.from as usize], 2.0 * share);
                to[link.to as usize] = if share < 0.5 {
                    T::of(double) * out + T::of(1.0 - double) * from[behind as usize]
                } else {
                    T::of(1.0 / double) * out + T::of(1.0 - 1.0 / double) * to[link.from as usize]
                };
            }
            for &(link, added) in &self.moving[i] {
                to[link.to as usize] = from[link.from as usize] + T::of(added);
            }
            for link in &self.images[i] {
                from[link.to as usize] = from[link.from as usize];
            }
        }
    }

    fn apply_open<T: Real>(&self, all: &mut [&mut [T]; Q]) {
        for i in 1..Q {
            for &(link, excess) in &self.open[i] {
                let h = each(|i| all[i][link.from as usize]);
                let (density, jx, jy) = density_and_momentum(h);
                let inverse = T::of(1.0) / (density + T::of(1.0));
                let (ux, uy) = (jx * inverse, jy * inverse);
                let eu = T::of(VELOCITIES[i].0 as f64) * ux + T::of(VELOCITIES[i].1 as f64) * uy;
                let target = T::of(excess) + T::of(4.5) * eu * eu - T::of(1.5) * (ux * ux + uy * uy);
                all[OPPOSITE[i]][link.to as usize] = T::of(2.0 * WEIGHTS[i]) * target - h[i];
            }
        }
    }
}
