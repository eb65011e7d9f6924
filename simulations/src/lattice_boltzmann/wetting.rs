//! The contact angle, imposed by the direction of the interface normal at the wall.
//!
//! 1. C is extrapolated into the first layer of solid sites, C_s = Σ w_i C(s + e_i)/Σ w_i over the pore sites
//!    next to s. The gradient of C is then defined beside walls without a fictitious density in the solid.
//! 2. Beside a wall with unit normal n_w, into the fluid, the normal of the interface is turned to n·n_w =
//!    cos ϑ. Two directions in the plane satisfy this, n_± = cos ϑ n_w ± sin ϑ t with t ⊥ n_w; the one nearer
//!    to ∇C is taken. ϑ is the contact angle θ through the defending fluid, corrected for the position of the
//!    site (below).
//! 3. For the curvature, the normal is extended into the solid. It takes the value on the far side of the
//!    wall (-δ in place of δ), averaged in the same way as C.
//!
//! n_w, δ and κ_w are those of the smooth wall behind the staircase (`wall`). No film or mass forms in the
//! solid. Only the direction n is changed. |∇χ|, the strength of the tension, is still the gradient of the
//! extrapolated C.
//!
//! # The angle at a site
//! θ holds where the middle of the interface meets the wall. A site beside the wall is at a distance δ from
//! it and, because the interface is four sites wide, is rarely in its middle. The level sets of C are taken
//! as concentric circles with curvature κ at the site, the wall as a circle of curvature κ_w, positive where
//! the solid is convex. The law of cosines gives the angle θ_s at which a level set meets the wall, at a
//! distance s from the middle towards the invading side, and from it the angle ϑ at the distance δ:
//!
//! cos θ_s = cos θ + s (κ_w + κ cos θ)
//!
//! cos ϑ = (cos θ_s - κδ (1 + ½κ_w δ))/(1 + κ_w δ)
//!
//! The first equation is first-order in s. s = x (1 - x²)/β with x = 2C - 1 = tanh βs is correct in the
//! middle, where the tension acts, and zero where the fluids are pure. The term κ cos θ is left out where it
//! is negative: there, turning n at the wall would move C such that n turns further. Without the terms in κδ,
//! a channel of width w has the capillary pressure of a channel of width w - 1. Without those in κ_w and s,
//! drops that hardly touch a grain of 20 sites miss their contact angle by 17°.
//!
//! # Units
//! Lattice units: δ and s in sites, κ and κ_w in 1/site. Angles through the defending fluid.
//!
//! # Limits
//! Equilibrium angle only, at every speed. Angles from 30° to 150° are met within 3° on flat floors and on
//! grains of radius 20 or more, angles from 45° to 135° on grains of radius 8 or more.
//!
//! # References
//! The geometric condition: H. Ding, P. Spelt, Phys. Rev. E 75 (2007) 046708. In colour-gradient models: S.
//! Leclaire, A. Parmigiani, O. Malaspinas, B. Chopard, J. Latt, Phys. Rev. E 95 (2017) 033306, equation 30
//! (n·n_w = cos θ, only the direction is changed); Z. Xu, H. Liu, A. Valocchi, Water Resour. Res. 53
//! (2017) 3770. T. Akai, B. Bijeljic, M. Blunt, Adv. Water Resour. 116 (2018) 56, equations 2 (C_s), 3 (the
//! normal from it) and 4 (the two candidate directions, the nearer one). The normal extrapolated into solid:
//! M. Sedahmed, R. Coelho, Phys. Fluids 36 (2024) 092117, equation 35. The terms in δ, s and κ_w are ours.

use std::collections::BTreeSet;
use std::ops::Range;

use super::boundary::Edge;
use super::layout::{Layout, Site};
use super::passes::CALM;
use super::real::Real;
use super::stencil::{Q, VELOCITIES, WEIGHTS};
use super::wall::{self, Wall};

/// Wetting of the walls.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wettability {
    /// Contact angle through the defending fluid, degrees.
    pub contact_angle_deg: f64,
    /// Number of rows at both ends whose side walls are neutral (90°): the reservoirs.
    pub neutral_rows: usize,
}

/// A site beside a wall.
#[derive(Debug, Clone, Copy)]
struct ContactSite<T> {
    site: u32,
    /// The first site of its block.
    block: u32,
    wall_normal: [T; 2],
    /// Whether the wall normal is defined. It is not between two walls; the interface normal is then
    /// unchanged.
    has_normal: bool,
    /// cos θ.
    cos: T,
    /// δ, the distance from the site to the wall.
    distance: T,
    /// κ_w.
    wall_curvature: T,
}

impl<T: Real> ContactSite<T> {
    /// cos ϑ at a distance from the wall, for the level set of C at the distance `level` from the middle of
    /// the interface.
    #[inline(always)]
    fn cos_at(&self, distance: T, level: T, curvature: T) -> T {
        let (one, half, zero) = (T::of(1.0), T::of(0.5), T::of(0.0));
        let damping = curvature * self.cos;
        let damping = if damping > zero { damping } else { zero };
        let at_wall = self.cos + level * (self.wall_curvature + damping);
        let bend = self.wall_curvature * distance;
        (at_wall - curvature * distance * (one + half * bend)) / (one + bend)
    }
}

/// A block with contact sites.
#[derive(Debug, Clone)]
struct WettedBlock {
    /// Its first site.
    first: u32,
    /// Indices of its contact sites.
    contacts: Range<usize>,
    /// Indices of the ghosts next to them. A ghost may be next to several blocks.
    ghosts: Vec<u32>,
}

#[derive(Debug, Clone)]
pub(super) struct Wetting<T> {
    contacts: Vec<ContactSite<T>>,
    /// Solid sites next to pores.
    ghosts: Vec<u32>,
    /// Index in `neighbours` at which each ghost starts, and the end of the last.
    first: Vec<u32>,
    /// The pore sites next to each ghost, which are contact sites, and their weights.
    neighbours: Vec<(u32, T)>,
    /// The blocks with contact sites; found only for a range of the memory ([`within`](Self::within)).
    blocks: Vec<WettedBlock>,
    images: Vec<(u32, u32)>,
    /// 1/β.
    width: T,
}

/// What turns the normals beside walls.
#[derive(Debug, Clone, Copy)]
pub(super) struct BesideWalls<'a, T> {
    pub share: &'a [T],
    pub steepness: &'a [T],
    pub curvature: &'a [T],
    pub calm: &'a [u8],
}

impl<T: Real> Wetting<T> {
    pub fn new(layout: &Layout, wettability: Wettability, sharpness: f64) -> Self {
        let mut wetting = Self {
            contacts: contacts(layout, wettability),
            images: Vec::new(),
            ..Self::empty(T::of(if sharpness > 0.0 { 1.0 / sharpness } else { 0.0 }))
        };
        let (first, last) = (layout.stride, layout.len() - layout.stride);
        for (index, site) in layout.sites.iter().enumerate() {
            if let Site::Image(from) = *site {
                wetting.images.push((from, index as u32));
            }
            if !is_ghost(*site) {
                continue;
            }
            let mut neighbours = Vec::new();
            for i in 1..Q {
                let (ex, ey) = VELOCITIES[i];
                if (index < first && ey < 0) || (index >= last && ey > 0) {
                    continue;
                }
                let Some(next) = index.checked_add_signed(layout.offset((ex, ey))) else { continue };
                if layout.sites.get(next).is_some_and(|&next| next == Site::Pore) {
                    neighbours.push((next as u32, WEIGHTS[i]));
                }
            }
            if !neighbours.is_empty() {
                let total: f64 = neighbours.iter().map(|(_, weight)| weight).sum();
                let weighted = neighbours.iter().map(|&(next, weight)| (next, T::of(weight / total)));
                wetting.push_ghost(index as u32, weighted);
            }
        }
        wetting
    }

    fn empty(width: T) -> Self {
        Self {
            contacts: Vec::new(),
            ghosts: Vec::new(),
            first: vec![0],
            neighbours: Vec::new(),
            blocks: Vec::new(),
            images: Vec::new(),
            width,
        }
    }

    fn push_ghost(&mut self, ghost: u32, neighbours: impl Iterator<Item = (u32, T)>) {
        self.ghosts.push(ghost);
        self.neighbours.extend(neighbours);
        self.first.push(self.neighbours.len() as u32);
    }

    /// A ghost and its neighbours.
    fn ghost(&self, index: usize) -> (u32, &[(u32, T)]) {
        (self.ghosts[index], &self.neighbours[self.first[index] as usize..self.first[index + 1] as usize])
    }

    /// Each ghost with its neighbours.
    fn ghosts(&self) -> impl Iterator<Item = (u32, &[(u32, T)])> {
        (0..self.ghosts.len()).map(|index| self.ghost(index))
    }

    /// Finds the blocks of the contact sites, which are in the order of the memory.
    fn find_blocks(&mut self) {
        let mut end = 0;
        for contacts in self.contacts.chunk_by(|a, b| a.block == b.block) {
            let start = end;
            end += contacts.len();
            self.blocks.push(WettedBlock {
                first: contacts[0].block,
                contacts: start..end,
                ghosts: Vec::new(),
            });
        }
        for index in 0..self.ghosts.len() {
            let (_, neighbours) = self.ghost(index);
            let block = |&(next, _): &(u32, T)| {
                let contact = self.contacts.partition_point(|contact| contact.site < next);
                self.blocks.partition_point(|block| block.first < self.contacts[contact].block)
            };
            for block in neighbours.iter().map(block).collect::<BTreeSet<_>>() {
                self.blocks[block].ghosts.push(index as u32);
            }
        }
    }

    /// The contact sites in a range of the memory and the ghosts that have all their neighbours there, with indices from its
    /// start.
    pub fn within(&self, memory: &Range<usize>) -> Self {
        let first = memory.start as u32;
        let inside = self.contacts.iter().filter(|contact| memory.contains(&(contact.site as usize)));
        let moved = |contact: &ContactSite<T>| ContactSite {
            site: contact.site - first,
            block: contact.block - first,
            ..*contact
        };
        let contacts = inside.map(moved).collect();
        let mut within = Self { contacts, ..Self::empty(self.width) };
        for (ghost, neighbours) in self.ghosts().filter(|ghost| is_within(*ghost, memory)) {
            within.push_ghost(ghost - first, neighbours.iter().map(|&(next, weight)| (next - first, weight)));
        }
        within.find_blocks();
        within
    }

    /// The ghosts that are [`within`](Self::within) none of the ranges, and the periodic images.
    pub fn across(&self, memories: &[Range<usize>]) -> Self {
        let mut across = Self { images: self.images.clone(), ..Self::empty(self.width) };
        let is_across = |ghost: &(u32, &[(u32, T)])| !memories.iter().any(|memory| is_within(*ghost, memory));
        for (ghost, neighbours) in self.ghosts().filter(is_across) {
            across.push_ghost(ghost, neighbours.iter().copied());
        }
        across
    }

    /// Extrapolates C into the walls and copies it to the periodic images.
    pub fn extend_share(&self, share: &mut [T]) {
        for (ghost, neighbours) in self.ghosts() {
            let add = |sum, &(next, weight): &(u32, T)| sum + weight * share[next as usize];
            share[ghost as usize] = neighbours.iter().fold(T::of(0.0), add);
        }
        self.copy_to_images(share);
    }

    /// Copies the values of pore sites to their periodic images.
    pub fn copy_to_images(&self, values: &mut [T]) {
        for &(from, to) in &self.images {
            values[to as usize] = values[from as usize];
        }
    }

    /// Turns the normals beside walls to the contact angle, and extends them into the walls. `mirrored` takes the normals on
    /// the far side of the wall, at the contact sites. Walls beside calm blocks alone are left out: nothing reads their
    /// normals.
    pub fn correct_normals(
        &self,
        BesideWalls { share, steepness, curvature, calm }: BesideWalls<'_, T>,
        [nx, ny]: [&mut [T]; 2],
        mirrored: &mut [[T; 2]],
    ) {
        let not_calm = || self.blocks.iter().filter(|block| calm[block.first as usize] < CALM);
        for block in not_calm() {
            for contact in &self.contacts[block.contacts.clone()] {
                let site = contact.site as usize;
                mirrored[site] = [nx[site], ny[site]];
                if contact.has_normal && steepness[site] > T::of(0.0) {
                    let [wx, wy] = contact.wall_normal;
                    let (tx, ty) = (-wy, wx);
                    let is_along = nx[site] * tx + ny[site] * ty >= T::of(0.0);
                    let direction = |cos: T| {
                        let cos = clamp(cos);
                        let sin = (T::of(1.0) - cos * cos).sqrt();
                        let sin = if is_along { sin } else { -sin };
                        [cos * wx + sin * tx, cos * wy + sin * ty]
                    };
                    let kappa = curvature[site];
                    let x = share[site] + share[site] - T::of(1.0);
                    let level = self.width * x * (T::of(1.0) - x * x);
                    [nx[site], ny[site]] = direction(contact.cos_at(contact.distance, level, kappa));
                    mirrored[site] = direction(contact.cos_at(-contact.distance, level, kappa));
                }
            }
        }
        for block in not_calm() {
            for &index in &block.ghosts {
                extend_normal(self.ghost(index as usize), share, [&mut *nx, &mut *ny], mirrored);
            }
        }
    }

    /// Extends the normals into all ghosts and the periodic images, after [`correct_normals`](Self::correct_normals).
    pub fn extend_normals(&self, share: &[T], [nx, ny]: [&mut [T]; 2], mirrored: &[[T; 2]]) {
        for ghost in self.ghosts() {
            extend_normal(ghost, share, [&mut *nx, &mut *ny], mirrored);
        }
        self.copy_to_images(nx);
        self.copy_to_images(ny);
    }
}

/// The normal in a ghost.
#[inline(always)]
fn extend_normal<T: Real>(
    (ghost, neighbours): (u32, &[(u32, T)]),
    share: &[T],
    [nx, ny]: [&mut [T]; 2],
    mirrored: &[[T; 2]],
) {
    let ghost = ghost as usize;
    let is_pure = !(share[ghost] > T::of(0.0) && share[ghost] < T::of(1.0));
    let [mut x, mut y] = [T::of(0.0); 2];
    if !is_pure {
        for &(contact, weight) in neighbours {
            let [mx, my] = mirrored[contact as usize];
            x = x + weight * mx;
            y = y + weight * my;
        }
    }
    nx[ghost] = x;
    ny[ghost] = y;
}

/// Whether a ghost and all its neighbours lie in a range of the memory.
fn is_within<T>((ghost, neighbours): (u32, &[(u32, T)]), memory: &Range<usize>) -> bool {
    let holds = |site: u32| memory.contains(&(site as usize));
    holds(ghost) && neighbours.iter().all(|&(next, _)| holds(next))
}

/// Whether C and the normal are extrapolated into a site.
fn is_ghost(site: Site) -> bool {
    matches!(site, Site::Wall | Site::Beyond(Edge::Bottom))
}

fn clamp<T: Real>(cos: T) -> T {
    let one = T::of(1.0);
    if cos > one {
        one
    } else if cos < -one {
        -one
    } else {
        cos
    }
}

fn contacts<T: Real>(layout: &Layout, wettability: Wettability) -> Vec<ContactSite<T>> {
    let wetted = wettability.contact_angle_deg.to_radians().cos();
    let is_contact = |&site: &usize| {
        VELOCITIES.into_iter().any(|e| is_ghost(layout.sites[site.wrapping_add_signed(layout.offset(e))]))
    };
    let blocks = layout.blocks(&(0..layout.height));
    let contact = |site: usize| {
        let y = site / layout.stride - 1;
        let is_neutral = y < wettability.neutral_rows || y + wettability.neutral_rows >= layout.height;
        let wall = wall::beside(layout, site);
        let Wall { normal, distance, curvature } = wall.unwrap_or_default();
        ContactSite {
            site: site as u32,
            block: blocks[blocks.partition_point(|&first| first as usize <= site) - 1],
            wall_normal: normal.map(T::of),
            has_normal: wall.is_some(),
            cos: T::of(if is_neutral { 0.0 } else { wetted }),
            distance: T::of(distance),
            wall_curvature: T::of(curvature),
        }
    };
    layout.pores().filter(is_contact).map(contact).collect()
}
