//! The contact angle, by the geometry of the normal at the wall.
//!
//! 1. C is extrapolated into the first layer of solid sites, C_s = Σ w_i C(s + e_i)/Σ w_i over the pore sites
//!    next to s, so that its gradient is defined beside walls without a made-up density in the solid.
//! 2. Beside a wall with unit normal n_w, into the fluid, the normal of the interface is turned to the contact
//!    angle θ through the defending fluid, n·n_w = cos θ. Of the two such directions in the plane, n_± = cos θ
//!    n_w ± sin θ t with t ⊥ n_w, the one nearer to ∇C is taken. The site lies at a distance δ = |e_i|/2 from
//!    the wall, where an interface of curvature κ that meets the wall at θ has turned to n·n_w = cos θ - δκ;
//!    that is what is set, with κ of the last step. Without this second-order term a channel of width w has the
//!    capillary pressure of one of width w - 1.
//! 3. For the curvature the normal goes on into the solid as on the far side of the wall, n·n_w = cos θ + δκ, averaged
//!    as C is.
//!
//! The wall normal on a staircase is n_w = -∇s/|∇s| of the solid mask s (1 in solid) smoothed over [`SMOOTHING`] passes
//! of the stencil, s ← Σ w_i s(x + e_i). No film or mass forms in the solid.
//!
//! Only the direction n is set; |∇χ|, the strength of the tension, stays as the gradient over the extrapolated C has it.
//!
//! # Units
//! Lattice units: δ in sites, κ in 1/site. Angles through the defending fluid.
//!
//! # Limits
//! Equilibrium angle only, at every speed. 30° to 150° within 3° on flat floors and on grains of radius 20 to 30 for drops
//! that wet. δ is ½ or ½√2 on a staircase whatever the wall it stands for; drops that hardly touch the wall feel that most
//! and miss up to 8°.
//!
//! # References
//! The geometric condition: H. Ding, P. Spelt, Phys. Rev. E 75 (2007) 046708. In colour-gradient models: S. Leclaire,
//! A. Parmigiani, O. Malaspinas, B. Chopard, J. Latt, Phys. Rev. E 95 (2017) 033306, equation 30 (n·n_w = cos θ, only the
//! direction is changed) and 34 to 38 (n_w, there with three passes in three dimensions); Z. Xu, H. Liu, A. Valocchi, Water
//! Resour. Res. 53 (2017) 3770. T. Akai, B. Bijeljic, M. Blunt, Adv. Water Resour. 116 (2018) 56, equations 2 (C_s), 3 (the
//! normal from it) and 4 (the two candidate directions, the nearer one). The normal extrapolated into solid: M. Sedahmed,
//! R. Coelho, Phys. Fluids 36 (2024) 092117, equation 35. The terms in δκ are ours.

use super::boundary::Edge;
use super::interface;
use super::layout::{Layout, Site};
use super::real::Real;
use super::stencil::{Q, VELOCITIES, WEIGHTS};

/// Passes of smoothing, Σ w_i s(x + e_i), over the solid mask before its gradient is taken.
const SMOOTHING: usize = 5;

/// How the walls are wetted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wettability {
    /// Contact angle through the defending fluid, degrees.
    pub contact_angle_deg: f64,
    /// Rows at both ends whose side walls are neutral (90°): reservoirs.
    pub neutral_rows: usize,
}

/// A site beside a wall.
#[derive(Debug, Clone, Copy)]
struct ContactSite<T> {
    site: u32,
    wall_normal: [T; 2],
    /// Whether the wall normal is defined: between two walls it is not, and the interface stays as it is.
    has_normal: bool,
    /// cos θ.
    cos: T,
    /// From the site to the wall.
    distance: T,
}

#[derive(Debug, Clone)]
pub(super) struct Wetting<T> {
    contacts: Vec<ContactSite<T>>,
    /// Solid sites next to pores.
    ghosts: Vec<u32>,
    /// Where the neighbours of each ghost start.
    first: Vec<u32>,
    neighbours: Vec<(u32, T)>,
    /// As `neighbours`, by the number of the contact site.
    mirrors: Vec<(u32, T)>,
    /// The normal on the other side of the wall from each contact site.
    mirrored: Vec<[T; 2]>,
    images: Vec<(u32, u32)>,
}

impl<T: Real> Wetting<T> {
    pub fn new(layout: &Layout, wettability: Wettability) -> Self {
        let mut wetting = Self {
            contacts: contacts(layout, wettability),
            ghosts: Vec::new(),
            first: vec![0],
            neighbours: Vec::new(),
            mirrors: Vec::new(),
            mirrored: Vec::new(),
            images: Vec::new(),
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
                wetting
                    .neighbours
                    .extend(neighbours.iter().map(|&(next, weight)| (next, T::of(weight / total))));
                wetting.ghosts.push(index as u32);
                wetting.first.push(wetting.neighbours.len() as u32);
            }
        }
        let number = |site: u32| {
            let found = wetting.contacts.binary_search_by_key(&site, |contact| contact.site);
            found.expect("whatever lies next to a ghost is a contact site") as u32
        };
        wetting.mirrors = wetting.neighbours.iter().map(|&(site, weight)| (number(site), weight)).collect();
        wetting.mirrored = vec![[T::default(); 2]; wetting.contacts.len()];
        wetting
    }

    /// Extends C into the walls and the images.
    pub fn extend_share(&self, share: &mut [T]) {
        for (&ghost, range) in self.ghosts.iter().zip(self.first.windows(2)) {
            share[ghost as usize] = self.mean(share, range);
        }
        self.copy_to_images(share);
    }

    /// Gives the images of pore sites the values of the sites.
    pub fn copy_to_images(&self, values: &mut [T]) {
        for &(from, to) in &self.images {
            values[to as usize] = values[from as usize];
        }
    }

    /// Turns the normals beside walls to the contact angle and extends them into the walls and the images.
    pub fn correct_normals(
        &mut self,
        share: &[T],
        [nx, ny]: [&mut [T]; 2],
        steepness: &[T],
        curvature: &[T],
    ) {
        for (contact, mirrored) in self.contacts.iter().zip(&mut self.mirrored) {
            let site = contact.site as usize;
            *mirrored = [nx[site], ny[site]];
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
                let turn = contact.distance * curvature[site];
                [nx[site], ny[site]] = direction(contact.cos - turn);
                *mirrored = direction(contact.cos + turn);
            }
        }
        for (&ghost, range) in self.ghosts.iter().zip(self.first.windows(2)) {
            let ghost = ghost as usize;
            let is_pure = !(share[ghost] > T::of(0.0) && share[ghost] < T::of(1.0));
            let [mut x, mut y] = [T::of(0.0); 2];
            if !is_pure {
                for &(contact, weight) in &self.mirrors[range[0] as usize..range[1] as usize] {
                    let [mx, my] = self.mirrored[contact as usize];
                    x = x + weight * mx;
                    y = y + weight * my;
                }
            }
            nx[ghost] = x;
            ny[ghost] = y;
        }
        self.copy_to_images(nx);
        self.copy_to_images(ny);
    }

    #[inline(always)]
    fn mean(&self, values: &[T], range: &[u32]) -> T {
        let neighbours = &self.neighbours[range[0] as usize..range[1] as usize];
        neighbours.iter().fold(T::of(0.0), |sum, &(next, weight)| sum + weight * values[next as usize])
    }
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
    let solid = smoothed_solid(layout);
    let cos = wettability.contact_angle_deg.to_radians().cos();
    let mut contacts = Vec::new();
    for site in layout.pores() {
        let neighbour = |e: (isize, isize)| site.wrapping_add_signed(layout.offset(e));
        let nearest = VELOCITIES.into_iter().find(|&e| is_ghost(layout.sites[neighbour(e)]));
        let Some((ex, ey)) = nearest else { continue };
        let [gx, gy] = interface::gradient(VELOCITIES.map(|e| solid[neighbour(e)]));
        let length = gx.hypot(gy);
        let has_normal = length > 1e-6;
        let length = if has_normal { length } else { 1.0 };
        let y = site / layout.stride - 1;
        let is_neutral = y < wettability.neutral_rows || y + wettability.neutral_rows >= layout.height;
        contacts.push(ContactSite {
            site: site as u32,
            wall_normal: [T::of(-gx / length), T::of(-gy / length)],
            has_normal,
            cos: T::of(if is_neutral { 0.0 } else { cos }),
            distance: T::of(0.5 * (ex as f64).hypot(ey as f64)),
        });
    }
    contacts
}

/// 1 in walls and 0 in pores, smoothed. Beyond the frame the medium goes on as at its edge.
fn smoothed_solid(layout: &Layout) -> Vec<f64> {
    let (height, width, stride) = (layout.height as isize, layout.width as isize, layout.stride);
    let is_wall = |site: Site| if site == Site::Wall { 1.0 } else { 0.0 };
    let mut solid: Vec<f64> = layout.sites.iter().map(|&site| is_wall(site)).collect();
    for _ in 0..SMOOTHING {
        let before = solid.clone();
        for y in -1..=height {
            for x in -1..=width {
                let at = |(ex, ey): (isize, isize)| {
                    let (y, x) = ((y + ey).clamp(-1, height), (x + ex).clamp(-1, width));
                    before[(y + 1) as usize * stride + (x + 1) as usize]
                };
                solid[(y + 1) as usize * stride + (x + 1) as usize] =
                    (0..Q).map(|i| WEIGHTS[i] * at(VELOCITIES[i])).sum();
            }
        }
    }
    solid
}
