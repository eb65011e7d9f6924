//! Image-based invasion percolation.

use ndarray::Array2;

use super::disc::Discs;
use super::grid::Grid;
use super::queue::WidestFirst;
use super::trapping;
use crate::domain::distance::squared_distance;
use crate::{Domain, Error, Result, Side};

/// Invades the domain from its whole inlet edge until no accessible pixel is left, without trapping.
///
/// The accessible pixels with the lowest entry pressure, that is the largest distance d to the solid, are
/// invaded next; pixels of equal pressure form one step. A disc of radius ⌊d⌋ is inserted at each of them,
/// and its four neighbours become accessible. The order depends only on d, not on the fluids or the voxel
/// size.
///
/// After every step the invaded set is connected to the inlet through pixels that share an edge.
///
/// # References
/// J. Gostick, N. Misaghian, J. Yang, E. Boek, *Simulating volume-controlled invasion of a non-wetting fluid
/// in volumetric images using basic image processing tools*, Computers & Geosciences 158 (2022) 104978; with
/// a queue instead of repeated image scans as in J. Gostick, N. Misaghian, A. Irannezhad, B. Zhao, Advances
/// in Water Resources 193 (2024) 104799.
pub fn invade(domain: &Domain, inlet: Side) -> Invasion {
    let grid = Grid::of(domain);
    traverse(domain, grid, grid.edge(inlet), Vec::new())
}

/// Like [`invade`], but starts from a given first frame: the invading fluid is initially present in
/// `initial`.
///
/// If `initial` has no pore pixel, the fluid enters at the inlet edge as in [`invade`]. Pixels of `initial`
/// in solid are ignored. `initial` need not touch the inlet: a published sequence may have other inlets.
///
/// # Errors
/// `initial` has a different shape from the domain.
pub fn invade_from(domain: &Domain, initial: &Array2<bool>, inlet: Side) -> Result<Invasion> {
    if initial.dim() != domain.shape() {
        return Err(Error::simulation(format!(
            "the first frame has {:?} pixels (height, width), the domain {:?}",
            initial.dim(),
            domain.shape()
        )));
    }
    let grid = Grid::of(domain);
    let pixels: Vec<u32> = initial
        .indexed_iter()
        .filter(|&(pixel, &present)| present && !domain.solid[pixel])
        .map(|((y, x), _)| grid.index(y, x) as u32)
        .collect();
    if pixels.is_empty() {
        return Ok(invade(domain, inlet));
    }
    let sources: Vec<usize> = pixels.iter().map(|&pixel| pixel as usize).collect();
    Ok(traverse(domain, grid, sources, pixels))
}

fn traverse(
    domain: &Domain,
    grid: Grid,
    sources: impl IntoIterator<Item = usize>,
    initial: Vec<u32>,
) -> Invasion {
    // The squared distance and `CLOSED` while a pixel is not accessible; 0 in solid and on the frame. Once it is accessible:
    // the radius of a disc around it that is known to be invaded. Most discs lie within the disc of a neighbour.
    let mut state = vec![0; grid.len()];
    let mut widest = 0;
    for (y, row) in squared_distance(&domain.solid).outer_iter().enumerate() {
        for (state, &squared) in state[grid.index(y, 0)..].iter_mut().zip(row) {
            if squared > 0 {
                *state = squared.min(CLOSED - 1) | CLOSED;
                widest = widest.max(*state ^ CLOSED);
            }
        }
    }
    let mut queue = WidestFirst::new(grid.len(), widest);
    let mut discs = Discs::new(grid, widest.isqrt());
    let mut invasion = Invasion {
        grid,
        initial: initial.len(),
        order: Vec::with_capacity(domain.solid.len()),
        ends: Vec::new(),
        squared_radii: Vec::new(),
    };
    for pixel in initial {
        let (y, x) = grid.coordinates(pixel);
        discs.cover(y, x, x, &mut invasion.order);
    }
    for source in sources {
        open(&mut state, &mut queue, source);
    }
    let mut batch = Vec::new();
    while let Some(squared_radius) = queue.pop_widest(&mut batch) {
        let radius = squared_radius.isqrt();
        for &site in &batch {
            let known = state[site as usize];
            if known < radius {
                discs.insert(site, radius, &mut invasion.order);
            }
            let inherited = known.max(radius) - 1;
            for neighbour in grid.neighbours(site as usize) {
                open(&mut state, &mut queue, neighbour);
                state[neighbour] = state[neighbour].max(inherited);
            }
        }
        invasion.close_step(squared_radius);
    }
    invasion
}

/// Marks a pixel that is not yet accessible.
const CLOSED: u32 = 1 << 31;

/// Makes a pixel accessible.
#[inline]
fn open(state: &mut [u32], queue: &mut WidestFirst, pixel: usize) {
    if state[pixel] >= CLOSED {
        queue.push(pixel, state[pixel] ^ CLOSED);
        state[pixel] = 0;
    }
}

/// The order in which pixels are invaded.
///
/// All pixels of a step are invaded together: they are the discs inserted at one entry pressure. Steps that
/// would invade no new pixel are left out, so every step has at least one pixel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invasion {
    pub(super) grid: Grid,
    /// Invaded pixels in order, starting with those present initially.
    pub(super) order: Vec<u32>,
    /// Number of pixels invaded before the first step.
    pub(super) initial: usize,
    /// End index in `order` of each step.
    pub(super) ends: Vec<u32>,
    /// Squared distance to the solid at the pixels through which each step entered.
    pub(super) squared_radii: Vec<u32>,
}

impl Invasion {
    /// Height and width of the domain.
    pub fn shape(&self) -> (usize, usize) {
        (self.grid.height, self.grid.width)
    }

    /// Number of steps.
    #[inline]
    pub fn steps(&self) -> usize {
        self.ends.len()
    }

    /// Number of invaded pixels after `steps` steps; the final number if there are fewer steps.
    pub fn invaded_after(&self, steps: usize) -> usize {
        match steps.min(self.steps()).checked_sub(1) {
            Some(last) => self.ends[last] as usize,
            None => self.initial,
        }
    }

    /// The largest number of steps after which at most `pixels` pixels are invaded; 0 if there is none.
    pub fn steps_within(&self, pixels: f64) -> usize {
        self.ends.partition_point(|&end| f64::from(end) <= pixels)
    }

    /// Squared distance to the solid, in pixels, at the pixels through which each step entered. It determines
    /// the entry pressure of the step, see [`entry_pressure_pa`](super::entry_pressure_pa).
    pub fn squared_radii(&self) -> &[u32] {
        &self.squared_radii
    }

    /// The step in which each pixel is invaded `[y, x]`: 0 for fluid present initially, then 1, 2, ...
    /// without gaps. `None` in solid and in pixels that are never invaded.
    pub fn invasion_sequence(&self) -> Array2<Option<u32>> {
        let mut sequence = Array2::from_elem(self.shape(), None);
        for (step, pixels) in self.batches().enumerate() {
            for &pixel in pixels {
                sequence[self.grid.coordinates(pixel)] = Some(step as u32);
            }
        }
        sequence
    }

    /// Mask `[y, x]` of the invading fluid after `steps` steps.
    pub fn phase_after(&self, steps: usize) -> Array2<bool> {
        let mut phase = Array2::from_elem(self.shape(), false);
        for &pixel in &self.order[..self.invaded_after(steps)] {
            phase[self.grid.coordinates(pixel)] = true;
        }
        phase
    }

    /// Number of steps until the invading fluid first reaches `outlet`; `None` if it never does.
    pub fn breakthrough_step(&self, outlet: Side) -> Option<usize> {
        let on_outlet = |pixels: &[u32]| pixels.iter().any(|&pixel| self.grid.is_on(outlet, pixel));
        self.batches().position(on_outlet)
    }

    /// The same invasion with an incompressible defending fluid that leaves only through `outlet`. Defending
    /// fluid without a path to the outlet at the time of its invasion is trapped and stays.
    ///
    /// A pixel invaded in step s is trapped exactly when every path of edge-sharing pore pixels from it to
    /// the outlet has a pixel that is invaded before step s. The steps of the other pixels keep their order.
    ///
    /// # References
    /// Y. Masson, *A fast two-step algorithm for invasion percolation with trapping*, Computers & Geosciences
    /// 90 (2016) 41-48: the invasion is run without trapping, then read backwards.
    pub fn with_trapping(self, outlet: Side) -> Self {
        let escapes = trapping::escaping(&self, outlet);
        let mut kept = Self {
            grid: self.grid,
            order: Vec::with_capacity(self.order.len()),
            initial: self.initial,
            ends: Vec::with_capacity(self.ends.len()),
            squared_radii: Vec::with_capacity(self.ends.len()),
        };
        let mut batches = self.batches();
        kept.order.extend(batches.next().into_iter().flatten());
        for (pixels, &squared_radius) in batches.zip(&self.squared_radii) {
            for &pixel in pixels {
                if escapes[pixel as usize] {
                    kept.order.push(pixel);
                }
            }
            kept.close_step(squared_radius);
        }
        kept
    }

    /// The pixels present initially, then those of each step.
    pub(super) fn batches(&self) -> impl DoubleEndedIterator<Item = &[u32]> {
        (0..=self.steps()).map(|step| {
            let start = step.checked_sub(1).map_or(0, |previous| self.invaded_after(previous));
            &self.order[start..self.invaded_after(step)]
        })
    }

    fn close_step(&mut self, squared_radius: u32) {
        if self.order.len() > self.invaded_after(self.steps()) {
            self.ends.push(self.order.len() as u32);
            self.squared_radii.push(squared_radius);
        }
    }
}
