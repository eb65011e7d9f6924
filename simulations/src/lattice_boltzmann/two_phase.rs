//! The solver: time steps for two fluids in a medium, in lattice units.

use ndarray::Array2;

use super::boundary::{Edge, Ends, Links, framed};
use super::collision::density_and_momentum;
use super::interface::curvature;
use super::layout::{Layout, Site};
use super::passes::{CALM, CollisionPass, Constants, InterfacePass, RecolouringPass};
use super::populations::Populations;
use super::real::Real;
use super::recolouring::MAX_SHARPNESS;
use super::state::{Reader, Writer};
use super::stencil::{Q, VELOCITIES, WEIGHTS, each};
use super::stripes::Stripes;
use super::wetting::{BesideWalls, Wettability, Wetting};
use crate::{Error, ErrorKind, Result};

/// Two fluids of equal density, in lattice units.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LatticeFluids {
    /// Kinematic viscosity of the invading fluid.
    pub viscosity_invading: f64,
    /// Kinematic viscosity of the defending fluid.
    pub viscosity_defending: f64,
    /// Interfacial tension.
    pub surface_tension: f64,
    /// β of the recolouring.
    pub sharpness: f64,
    /// Force per volume on both fluids, (x, y).
    pub body_force: [f64; 2],
}

impl Default for LatticeFluids {
    fn default() -> Self {
        Self {
            viscosity_invading: 1.0 / 6.0,
            viscosity_defending: 1.0 / 6.0,
            surface_tension: 0.01,
            sharpness: MAX_SHARPNESS,
            body_force: [0.0, 0.0],
        }
    }
}

/// Deviation of the density from 1 beyond which a simulation counts as diverged.
const MAX_DENSITY_EXCESS: f64 = 0.5;
/// Speed beyond which a simulation counts as diverged; the speed of sound is 0.58.
const MAX_SPEED: f64 = 0.4;

/// A stripe with much interface takes longer than one without; a thread that has finished its own helps with others.
const STRIPES_PER_THREAD: usize = 4;

/// Two fluids in a medium.
#[derive(Debug, Clone)]
pub struct TwoPhase<T> {
    pub(super) layout: Layout,
    fluids: LatticeFluids,
    constants: Constants<T>,
    links: Links,
    wetting: Wetting<T>,
    stripes: Stripes<T>,
    pub(super) populations: Populations<T>,
    /// C at every site.
    pub(super) share: Vec<T>,
    /// Rounding error of `share` accumulated so far (compensated summation).
    pub(super) residue: Vec<T>,
    next_share: Vec<T>,
    normal_x: Vec<T>,
    normal_y: Vec<T>,
    /// |∇χ|.
    steepness: Vec<T>,
    /// Whether there is an interface, for each block: see [`CALM`].
    calm: Vec<u8>,
    /// κ at the last collision.
    pub(super) curvature: Vec<T>,
    /// V of the recolouring.
    gathering_x: Vec<T>,
    gathering_y: Vec<T>,
    /// The normal on the far side of the wall, beside walls.
    mirrored: Vec<[T; 2]>,
    /// 1 in pores, 0 elsewhere.
    pore: Vec<T>,
    /// 0 where a site returns populations that are sent into it, else 1.
    open: Vec<T>,
    wall_moment_x: Vec<T>,
    wall_moment_y: Vec<T>,
    pub(super) steps: u64,
}

impl<T: Real> TwoPhase<T> {
    /// Both fluids at rest, with a sharp interface. The invading fluid is where `invading` is true.
    ///
    /// # Shapes
    /// `solid` and `invading` are `[y, x]` and have the same shape.
    ///
    /// # Panics
    /// If the shapes differ or the medium has no sites.
    pub fn new(
        solid: &Array2<bool>,
        invading: &Array2<bool>,
        ends: Ends,
        wettability: Wettability,
        fluids: LatticeFluids,
    ) -> Self {
        assert_eq!(solid.dim(), invading.dim(), "one phase for every site");
        assert!(!solid.is_empty(), "a medium has sites");
        let layout = Layout::new(&framed(solid, ends));
        let zeros = || vec![T::default(); layout.len()];
        let indicator = |is: &dyn Fn(Site) -> bool| -> Vec<T> {
            layout.sites.iter().map(|&site| T::of(if is(site) { 1.0 } else { 0.0 })).collect()
        };
        let reflects = |site: Site| matches!(site, Site::Wall | Site::Beyond(Edge::Bottom));
        let wall_moment = |component: fn((isize, isize)) -> isize| {
            let mut moment = zeros();
            for site in layout.pores() {
                let from = |i: usize| site.wrapping_add_signed(-layout.offset(VELOCITIES[i]));
                let term = |i: usize| WEIGHTS[i] * component(VELOCITIES[i]) as f64;
                moment[site] = T::of((1..Q).filter(|&i| reflects(layout.sites[from(i)])).map(term).sum());
            }
            moment
        };
        let mut share = zeros();
        for ((y, x), &invading) in invading.indexed_iter() {
            if invading && !solid[[y, x]] {
                share[layout.index(y, x)] = T::of(1.0);
            }
        }
        for (share, site) in share.iter_mut().zip(&layout.sites) {
            if *site == Site::Beyond(Edge::Top) {
                *share = T::of(1.0);
            }
        }
        let links = Links::new(&layout, ends);
        let wetting = Wetting::new(&layout, wettability, fluids.sharpness);
        let mut simulation = Self {
            fluids,
            constants: Constants::new(&fluids),
            stripes: Stripes::new(&layout, 1, &links, &wetting),
            links,
            wetting,
            populations: Populations::at_rest(&layout),
            next_share: share.clone(),
            share,
            residue: zeros(),
            normal_x: zeros(),
            normal_y: zeros(),
            steepness: zeros(),
            calm: vec![CALM; layout.len()],
            curvature: zeros(),
            gathering_x: zeros(),
            gathering_y: zeros(),
            mirrored: vec![[T::default(); 2]; layout.len()],
            pore: indicator(&|site| site == Site::Pore),
            open: indicator(&|site| !reflects(site)),
            wall_moment_x: wall_moment(|e| e.0),
            wall_moment_y: wall_moment(|e| e.1),
            steps: 0,
            layout,
        };
        simulation.extend_share();
        simulation.find_interface();
        simulation
    }

    /// Divides the rows into stripes for this many threads of the surrounding rayon pool. The result is bitwise
    /// the same.
    pub fn with_threads(self, threads: usize) -> Self {
        self.with_stripes(if threads > 1 { STRIPES_PER_THREAD * threads } else { 1 })
    }

    fn with_stripes(mut self, count: usize) -> Self {
        self.stripes = Stripes::new(&self.layout, count, &self.links, &self.wetting);
        self
    }

    /// Places the walls where `distance` is zero instead of half-way between sites; round grains are then met
    /// to second order. Only for flow of a single fluid: interpolated bounce-back does not conserve the mass
    /// of each fluid exactly.
    ///
    /// # Units
    /// `distance(y, x)` is the signed distance to the wall in sites, positive in the fluid. Sites lie at
    /// integer coordinates.
    pub fn with_walls(mut self, distance: impl Fn(f64, f64) -> f64) -> Self {
        self.links.cut(&self.layout, distance);
        let stripes = self.stripes.count();
        self.with_stripes(stripes)
    }

    /// Advances by one time step.
    pub fn step(&mut self) {
        self.collide();
        self.populations.stream();
        self.recolour();
        self.find_interface();
        self.steps += 1;
    }

    /// Number of steps since the start.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// Mass per step that enters through ends of given velocity.
    pub fn injected_per_step(&self) -> f64 {
        self.links.injected_per_step()
    }

    /// Checks for values that no stable simulation has.
    ///
    /// # Errors
    /// [`ErrorKind::Diverged`], with the lattice site and its values.
    pub fn check(&self) -> Result<()> {
        let all = self.populations.all();
        // Written such that NaN fails every comparison.
        let is_sound = |site: usize| {
            let (density, jx, jy) = density_and_momentum(each(|i| all[i][site]));
            let share = self.share[site];
            let (limit, fast) = (T::of(MAX_DENSITY_EXCESS), T::of(MAX_SPEED * MAX_SPEED));
            density < limit
                && density > -limit
                && jx * jx + jy * jy < fast
                && share > T::of(-0.1)
                && share < T::of(1.1)
        };
        let Some(site) = self.layout.pores().find(|&site| !is_sound(site)) else { return Ok(()) };
        let (y, x) = (site / self.layout.stride - 1, site % self.layout.stride - 1);
        let (density, jx, jy) = self.moments(site);
        let what = format!(
            "the simulation diverged within 50 steps before step {}: at lattice site ({y}, {x}) the density is {:.3}, \
             the speed {:.3} and the share of the invading fluid {:.3}; lower the injection rate or choose other lattice \
             parameters",
            self.steps,
            1.0 + density,
            jx.hypot(jy) / (1.0 + density),
            self.share[site].to_f64()
        );
        Err(Error::new(ErrorKind::Diverged, "", what))
    }

    /// Writes the values at the pore sites: the next step depends on nothing else, and the rest of the memory
    /// follows from them.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.number(self.steps);
        let pores: Vec<usize> = self.layout.pores().collect();
        for field in
            self.populations.all().into_iter().chain([&self.share[..], &self.residue, &self.curvature])
        {
            writer.field(&pores.iter().map(|&site| field[site]).collect::<Vec<T>>());
        }
    }

    /// Reads the output of [`write`](Self::write).
    pub(super) fn read(&mut self, reader: &mut Reader) -> Result<()> {
        self.steps = reader.number()?;
        let pores: Vec<usize> = self.layout.pores().collect();
        let mut values = vec![T::default(); pores.len()];
        let fields = [&mut self.share[..], &mut self.residue, &mut self.curvature];
        for field in self.populations.all_mut().into_iter().chain(fields) {
            reader.field(&mut values)?;
            for (&site, &value) in pores.iter().zip(&values) {
                field[site] = value;
            }
        }
        self.extend_share();
        // Every block may have an interface in memory.
        self.calm.fill(0);
        self.find_interface();
        Ok(())
    }

    fn collide(&mut self) {
        let fields = [&mut self.gathering_x[..], &mut self.gathering_y[..], &mut self.curvature[..]];
        let outputs = (self.populations.all_mut(), fields);
        self.stripes.run(outputs, |stripe, (mut populations, [gathering_x, gathering_y, curvature])| {
            T::collide(CollisionPass {
                stripe,
                layout: &self.layout,
                constants: self.constants,
                share: &self.share,
                normal: [&self.normal_x, &self.normal_y],
                steepness: &self.steepness,
                calm: &self.calm,
                pore: &self.pore,
                populations: populations.each_mut().map(|population| &mut **population),
                gathering: [gathering_x, gathering_y],
                curvature,
            });
            stripe.links.apply(populations);
        });
        self.stripes.links.apply(self.populations.all_mut());
        self.wetting.copy_to_images(&mut self.gathering_x);
        self.wetting.copy_to_images(&mut self.gathering_y);
    }

    fn recolour(&mut self) {
        let populations = self.populations.all();
        let outputs = [&mut self.next_share[..], &mut self.residue[..]];
        self.stripes.run(outputs, |stripe, [next_share, residue]| {
            T::recolour(RecolouringPass {
                stripe,
                layout: &self.layout,
                populations,
                share: &self.share,
                gathering: [&self.gathering_x, &self.gathering_y],
                open: &self.open,
                wall_moment: [&self.wall_moment_x, &self.wall_moment_y],
                calm: &self.calm,
                pore: &self.pore,
                next_share: &mut *next_share,
                residue,
            });
            stripe.wetting.extend_share(next_share);
        });
        std::mem::swap(&mut self.share, &mut self.next_share);
        self.stripes.wetting.extend_share(&mut self.share);
    }

    fn extend_share(&mut self) {
        self.wetting.extend_share(&mut self.share);
    }

    fn find_interface(&mut self) {
        let fields = [&mut self.normal_x[..], &mut self.normal_y[..], &mut self.steepness[..]];
        let outputs = (fields, (&mut self.mirrored[..], &mut self.calm[..]));
        self.stripes.run(outputs, |stripe, ([normal_x, normal_y, steepness], (mirrored, calm))| {
            let (layout, share, pore) = (&self.layout, &self.share, &self.pore);
            let (normal, steepness) = ([&mut *normal_x, &mut *normal_y], &mut *steepness);
            let sweep = InterfacePass { stripe, layout, share, pore, normal, steepness, calm: &mut *calm };
            T::find_interface(sweep);
            let (share, curvature) = (&share[stripe.first..], &self.curvature[stripe.first..]);
            let beside = BesideWalls { share, steepness, curvature, calm };
            stripe.wetting.correct_normals(beside, [normal_x, normal_y], mirrored);
        });
        let normals = [&mut self.normal_x[..], &mut self.normal_y[..]];
        self.stripes.wetting.extend_normals(&self.share, normals, &self.mirrored);
    }

    /// Solid mask `[y, x]`.
    pub fn solid(&self) -> Array2<bool> {
        self.map(|_| true).map(|&pore| !pore)
    }

    /// Fraction of invading fluid `[y, x]`, from 0 to 1; 0 in solid.
    pub fn invading_share(&self) -> Array2<f64> {
        self.map(|site| self.share[site].to_f64())
    }

    /// Density minus 1 `[y, x]`; a third of it is the pressure. 0 in solid.
    pub fn density_excess(&self) -> Array2<f64> {
        self.map(|site| self.moments(site).0)
    }

    /// Velocity (x, y) `[y, x]`; 0 in solid.
    pub fn velocity(&self) -> [Array2<f64>; 2] {
        [0, 1].map(|axis| {
            self.map(|site| {
                let (density, jx, jy) = self.moments(site);
                let momentum = [jx, jy][axis] + 0.5 * self.force(site)[axis];
                momentum / (1.0 + density)
            })
        })
    }

    /// Mass of the invading and of the defending fluid.
    pub fn masses(&self) -> [f64; 2] {
        let mut masses = [0.0; 2];
        for site in self.layout.pores() {
            let density = 1.0 + self.moments(site).0;
            let share = self.share[site].to_f64() + self.residue[site].to_f64();
            masses[0] += share * density;
            masses[1] += (1.0 - share) * density;
        }
        masses
    }

    pub(super) fn moments(&self, site: usize) -> (f64, f64, f64) {
        let all = self.populations.all();
        density_and_momentum(each(|i| all[i][site].to_f64()))
    }

    fn force(&self, site: usize) -> [f64; 2] {
        let at = |e: (isize, isize)| site.wrapping_add_signed(self.layout.offset(e));
        let kappa = curvature(
            VELOCITIES.map(|e| self.normal_x[at(e)].to_f64()),
            VELOCITIES.map(|e| self.normal_y[at(e)].to_f64()),
        );
        let pull = self.fluids.surface_tension * kappa * self.steepness[site].to_f64();
        let [bx, by] = self.fluids.body_force;
        [bx + pull * self.normal_x[site].to_f64(), by + pull * self.normal_y[site].to_f64()]
    }

    fn map<U: Default + Clone>(&self, value: impl Fn(usize) -> U) -> Array2<U> {
        Array2::from_shape_fn((self.layout.height, self.layout.width), |(y, x)| {
            let site = self.layout.index(y, x);
            if self.layout.is_pore(site) { value(site) } else { U::default() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::boundary::End;
    use super::*;

    #[test]
    fn calm_blocks_change_nothing() {
        let solid = Array2::from_shape_fn((90, 40), |(y, x)| {
            [(20, 8), (45, 30), (70, 14)]
                .iter()
                .any(|&(v, u): &(usize, usize)| y.abs_diff(v).pow(2) + x.abs_diff(u).pow(2) < 64)
        });
        let invading = Array2::from_shape_fn(solid.dim(), |(y, x)| y < 20 + x / 4);
        let wettability = Wettability { contact_angle_deg: 50.0, neutral_rows: 2 };
        let flow = Ends::Between { top: End::Velocity(2e-3), bottom: End::Density(0.0) };
        for ends in [flow, Ends::Cell] {
            let new = || TwoPhase::<f32>::new(&solid, &invading, ends, wettability, LatticeFluids::default());
            let (mut fast, mut slow) = (new(), new());
            for _ in 0..400 {
                fast.step();
                // Every block is computed as if it had an interface.
                slow.calm.fill(0);
                slow.step();
            }
            let all = fast.layout.blocks(&(0..90));
            let calm = all.iter().filter(|&&at| fast.calm[at as usize] == CALM).count();
            assert!(calm > all.len() / 3, "{calm} of {} blocks are calm", all.len());
            for site in fast.layout.pores() {
                let values = |flow: &TwoPhase<f32>| {
                    let h = flow.populations.all();
                    (each(|i| h[i][site]), flow.share[site], flow.residue[site], flow.curvature[site])
                };
                assert_eq!(values(&fast), values(&slow), "site {site}");
            }
        }
    }
}
