//! The three sweeps over the lattice in each time step.
//!
//! Each sweep reads shared arrays and writes those of one stripe, block by block. The physics is in functions
//! of a single site; the compiler turns the loops over the [`LANES`] sites of a block into vector
//! instructions.

use pulp::{Arch, Simd, WithSimd};

use super::collision::{collide, density_and_momentum};
use super::interface::{curvature, gradient, is_interface, middle, normal};
use super::layout::{LANES, Layout, block, block_mut};
use super::real::Real;
use super::recolouring::{change, gathered};
use super::stencil::{Q, VELOCITIES, each};
use super::stripes::Stripe;
use super::two_phase::LatticeFluids;

/// `calm` counts for each block, at its first site, the sweeps for the interface since one found an interface in its pores,
/// up to this number. From 1 on, the normal, V and κ of these pores are zero; at 2 the zeros are in memory, too.
pub(super) const CALM: u8 = 2;

/// A sweep over one stripe. Sites of a block that are no pores are multiplied by zero: a condition would become a masked
/// store, which takes many cycles with AVX2.
trait Pass {
    /// Runs the sweep. Every function it calls must be inlined, so that all code is compiled for the
    /// processor's vectors.
    fn run(self);
}

/// The passes in one precision. They are compiled once, here: a generic function is compiled again in each crate that
/// calls it.
pub trait Passes: Sized {
    /// Collision with surface tension.
    fn collide(pass: CollisionPass<'_, Self>);
    /// Recolouring.
    fn recolour(pass: RecolouringPass<'_, Self>);
    /// Normal and steepness of the interface.
    fn find_interface(pass: InterfacePass<'_, Self>);
}

macro_rules! passes {
    ($($float:ty)*) => {$(
        impl Passes for $float {
            fn collide(pass: CollisionPass<'_, Self>) {
                vectorised(pass);
            }
            fn recolour(pass: RecolouringPass<'_, Self>) {
                vectorised(pass);
            }
            fn find_interface(pass: InterfacePass<'_, Self>) {
                vectorised(pass);
            }
        }
    )*};
}

passes!(f32 f64);

/// Runs a pass compiled for the widest vectors of this processor.
fn vectorised(pass: impl Pass) {
    struct Vectorised<P>(P);
    impl<P: Pass> WithSimd for Vectorised<P> {
        type Output = ();
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) {
            self.0.run();
        }
    }
    Arch::new().dispatch(Vectorised(pass));
}

/// Material constants in the precision of the solver.
#[derive(Debug, Clone, Copy)]
pub struct Constants<T> {
    fluidity_defending: T,
    fluidity_excess: T,
    surface_tension: T,
    sharpness: T,
    body_force: [T; 2],
}

impl<T: Real> Constants<T> {
    pub fn new(fluids: &LatticeFluids) -> Self {
        Self {
            fluidity_defending: T::of(1.0 / fluids.viscosity_defending),
            fluidity_excess: T::of(1.0 / fluids.viscosity_invading - 1.0 / fluids.viscosity_defending),
            surface_tension: T::of(fluids.surface_tension),
            sharpness: T::of(fluids.sharpness),
            body_force: fluids.body_force.map(T::of),
        }
    }
}

/// Collision with surface tension; also computes the vector V of the recolouring.
pub struct CollisionPass<'a, T> {
    pub(super) stripe: &'a Stripe<T>,
    pub(super) layout: &'a Layout,
    pub(super) constants: Constants<T>,
    pub(super) share: &'a [T],
    pub(super) normal: [&'a [T]; 2],
    pub(super) steepness: &'a [T],
    pub(super) calm: &'a [u8],
    pub(super) pore: &'a [T],
    pub(super) populations: [&'a mut [T]; Q],
    pub(super) gathering: [&'a mut [T]; 2],
    pub(super) curvature: &'a mut [T],
}

impl<T: Real> Pass for CollisionPass<'_, T> {
    #[inline(always)]
    fn run(mut self) {
        let zero = T::of(0.0);
        let constants = self.constants;
        let [body_x, body_y] = constants.body_force;
        for &at in self.layout.blocks(&self.stripe.rows) {
            let at = at as usize;
            let own = at - self.stripe.first;
            let share = block(self.share, at);
            let pore = block(self.pore, at);
            let mut h = each(|i| *block(self.populations[i], own));
            let mut density = [zero; LANES];
            let mut kappa = [zero; LANES];
            let mut force_x = [body_x; LANES];
            let mut force_y = [body_y; LANES];
            let calm = self.calm[at];
            let steepness = block(self.steepness, at);
            let (normal_x, normal_y) = (block(self.normal[0], at), block(self.normal[1], at));
            if calm == 0 && has_interface(steepness) {
                let nx = neighbourhood(self.layout, self.normal[0], at);
                let ny = neighbourhood(self.layout, self.normal[1], at);
                for k in 0..LANES {
                    kappa[k] = curvature(each(|i| nx[i][k]), each(|i| ny[i][k]));
                    let pull = constants.surface_tension * kappa[k] * steepness[k];
                    force_x[k] = body_x + pull * normal_x[k];
                    force_y[k] = body_y + pull * normal_y[k];
                }
            }
            for k in 0..LANES {
                let fluidity = constants.fluidity_defending + share[k] * constants.fluidity_excess;
                let here = each(|i| h[i][k]);
                let after = collide(here, [force_x[k], force_y[k]], fluidity);
                (density[k], _, _) = density_and_momentum(here);
                for i in 0..Q {
                    h[i][k] = after[i] * pore[k];
                }
            }
            for (population, h) in self.populations.iter_mut().zip(&h) {
                *block_mut(population, own) = *h;
            }
            if calm < CALM {
                let mut gathering_x = [zero; LANES];
                let mut gathering_y = [zero; LANES];
                if calm == 0 {
                    for k in 0..LANES {
                        let mixed = share[k] * (T::of(1.0) - share[k]);
                        let amount = constants.sharpness * (T::of(1.0) + density[k]) * mixed * pore[k];
                        gathering_x[k] = amount * normal_x[k];
                        gathering_y[k] = amount * normal_y[k];
                    }
                }
                *block_mut(self.curvature, own) = kappa;
                *block_mut(self.gathering[0], own) = gathering_x;
                *block_mut(self.gathering[1], own) = gathering_y;
            }
        }
    }
}

/// Computes C after streaming.
pub struct RecolouringPass<'a, T> {
    pub(super) stripe: &'a Stripe<T>,
    pub(super) layout: &'a Layout,
    pub(super) populations: [&'a [T]; Q],
    pub(super) share: &'a [T],
    pub(super) gathering: [&'a [T]; 2],
    pub(super) open: &'a [T],
    pub(super) wall_moment: [&'a [T]; 2],
    pub(super) calm: &'a [u8],
    pub(super) pore: &'a [T],
    pub(super) next_share: &'a mut [T],
    pub(super) residue: &'a mut [T],
}

impl<T: Real> Pass for RecolouringPass<'_, T> {
    #[inline(always)]
    fn run(self) {
        let zero = T::of(0.0);
        for (&at, around) in self.layout.blocks_with_surroundings(&self.stripe.rows) {
            let at = at as usize;
            let own = at - self.stripe.first;
            let mut gathering = [[zero; LANES]; 2];
            if self.layout.any_block(around, |at| self.calm[at] == 0) {
                let gathering_x = upstream(self.layout, self.gathering[0], at);
                let gathering_y = upstream(self.layout, self.gathering[1], at);
                let (wall_x, wall_y) = (block(self.wall_moment[0], at), block(self.wall_moment[1], at));
                for k in 0..LANES {
                    let (x, y) = (each(|i| gathering_x[i][k]), each(|i| gathering_y[i][k]));
                    [gathering[0][k], gathering[1][k]] = gathered(x, y, [wall_x[k], wall_y[k]]);
                }
            }
            let h = each(|i| block(self.populations[i], at));
            let share = upstream(self.layout, self.share, at);
            let open = upstream(self.layout, self.open, at);
            let pore = block(self.pore, at);
            let mut next = [zero; LANES];
            let mut residue = *block(self.residue, own);
            for k in 0..LANES {
                let here = share[0][k];
                let gathered = [gathering[0][k], gathering[1][k]];
                let change = change(each(|i| h[i][k]), each(|i| share[i][k]), each(|i| open[i][k]), gathered);
                let change = change + residue[k];
                let sum = here + change;
                residue[k] = (change - (sum - here)) * pore[k];
                next[k] = sum * pore[k];
            }
            *block_mut(self.next_share, own) = next;
            *block_mut(self.residue, own) = residue;
        }
    }
}

/// Normal and steepness of the interface, before the wall correction.
pub struct InterfacePass<'a, T> {
    pub(super) stripe: &'a Stripe<T>,
    pub(super) layout: &'a Layout,
    pub(super) share: &'a [T],
    pub(super) pore: &'a [T],
    pub(super) normal: [&'a mut [T]; 2],
    pub(super) steepness: &'a mut [T],
    pub(super) calm: &'a mut [u8],
}

impl<T: Real> Pass for InterfacePass<'_, T> {
    #[inline(always)]
    fn run(self) {
        let [normal_x, normal_y] = self.normal;
        for &at in self.layout.blocks(&self.stripe.rows) {
            let at = at as usize;
            let own = at - self.stripe.first;
            let share = neighbourhood(self.layout, self.share, at);
            let pore = block(self.pore, at);
            let mut nx = [T::of(0.0); LANES];
            let mut ny = [T::of(0.0); LANES];
            let mut steepness = [T::of(0.0); LANES];
            let mut found = false;
            for k in 0..LANES {
                let [x, y] = gradient(each(|i| share[i][k]));
                found |= is_interface([x, y]) & (pore[k] > T::of(0.0));
                nx[k] = x;
                ny[k] = y;
            }
            let calm = &mut self.calm[own];
            *calm = if found { 0 } else { CALM.min(*calm + 1) };
            if *calm == CALM {
                continue;
            }
            for k in 0..LANES {
                let [x, y] = normal([nx[k], ny[k]]);
                let [gx, gy] = gradient(each(|i| middle(share[i][k])));
                nx[k] = x;
                ny[k] = y;
                // Both gradients have the same direction up to the error of the differences.
                steepness[k] = gx * x + gy * y;
            }
            *block_mut(normal_x, own) = nx;
            *block_mut(normal_y, own) = ny;
            *block_mut(self.steepness, own) = steepness;
        }
    }
}

#[inline(always)]
fn has_interface<T: Real>(steepness: &[T; LANES]) -> bool {
    let zero = T::of(0.0);
    // Few blocks pass the first test, which is fast.
    steepness.iter().fold(false, |any, &steepness| any | (steepness > zero))
        && steepness.iter().fold(zero, |sum, &steepness| sum + steepness) > zero
}

/// The blocks at x + e_i.
#[inline(always)]
fn neighbourhood<'a, T>(layout: &Layout, values: &'a [T], at: usize) -> [&'a [T; LANES]; Q] {
    each(|i| block(values, at.wrapping_add_signed(layout.offset(VELOCITIES[i]))))
}

/// The blocks at x - e_i.
#[inline(always)]
fn upstream<'a, T>(layout: &Layout, values: &'a [T], at: usize) -> [&'a [T; LANES]; Q] {
    each(|i| block(values, at.wrapping_add_signed(-layout.offset(VELOCITIES[i]))))
}
