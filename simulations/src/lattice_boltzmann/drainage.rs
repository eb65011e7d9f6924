//! Simulates a whole drainage of a domain.

use std::ops::ControlFlow;

use ndarray::{Array2, Array3, Axis};

use super::boundary::{End, Ends};
use super::config::{Injection, LatticeBoltzmannConfig, Precision};
use super::frames::Samples;
use super::orientation::Orientation;
use super::real::Real;
use super::state::{Reader, Writer, unusable};
use super::two_phase::TwoPhase;
use super::units::Units;
use super::wetting::Wettability;
use crate::percolation::Until;
use crate::{Domain, Error, ErrorKind, FluidPair, Parameters, Result, Side, TimeUnit, Trajectory};

/// Time steps between two stability checks, and between two calls of `watch`.
const STEPS_BETWEEN_CHECKS: u64 = 50;
/// Phase samples per pore volume, used when frames up to breakthrough are wanted.
const SAMPLES_PER_PORE_VOLUME: f64 = 2000.0;
/// A simulation until breakthrough gives up after this many pore volumes.
const MAX_PORE_VOLUMES: f64 = 3.0;

/// Result of a simulated drainage.
#[derive(Debug, Clone)]
pub struct Drainage {
    /// The invasion sequence.
    pub trajectory: Trajectory,
    /// Volume of the invading and of the defending fluid in the pore space at each frame, in pixels.
    pub volumes: Vec<[f64; 2]>,
    /// Relative mass error of the invading fluid: mass at the last sample before it reached the outlet, minus
    /// initial mass, minus injected mass, divided by injected mass. Two causes: rounding, and defending fluid
    /// that flowed back to the first row of the reservoir.
    pub mass_drift: f64,
    /// Number of time steps.
    pub steps: u64,
    /// The lattice units used.
    pub units: Units,
    /// Pressure and velocity, if `keep_flow` is set.
    pub flow: Option<Flow>,
}

/// Pressure and velocity at every frame.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Flow {
    /// Pressure above that at the outlet `[time, y, x]` in pascals; 0 in solid.
    pub pressure_pa: Vec<Array2<f32>>,
    /// Velocity along y `[time, y, x]` in m/s; 0 in solid.
    pub velocity_y_m_per_s: Vec<Array2<f32>>,
    /// Velocity along x `[time, y, x]` in m/s; 0 in solid.
    pub velocity_x_m_per_s: Vec<Array2<f32>>,
}

/// Simulates drainage of a domain from one edge to the opposite one at a constant rate.
///
/// The domain initially holds defending fluid only. Only the inlet and the outlet edge are open. `seed` is
/// the seed of the domain and is passed on to [`Parameters::seed`].
///
/// # Errors
/// [`ErrorKind::Config`] if settings are out of range or no stable lattice parameters exist for them, see
/// [`Units::new`]. [`ErrorKind::Simulation`] if the domain has no path from the inlet to the outlet, or the
/// invading fluid does not reach the outlet. [`ErrorKind::Diverged`] if the simulation becomes unstable,
/// within 100 steps of the first impossible value.
///
/// ```
/// use porecast_simulations::lattice_boltzmann::{self, Injection, LatticeBoltzmannConfig};
/// use porecast_simulations::{Domain, FluidPair, Side};
///
/// let solid = ndarray::Array2::from_shape_fn((20, 16), |(y, x)| (8..12).contains(&y) && x < 4);
/// let domain = Domain { solid, voxel_size_m: 1e-5 };
/// let injection = Injection::CapillaryNumber(0.05);
/// let config = LatticeBoltzmannConfig { injection, frames: 5, ..Default::default() };
/// let drainage = lattice_boltzmann::simulate(&domain, Side::Top, &FluidPair::default(), &config, 0)?;
/// assert_eq!(drainage.trajectory.phase.dim(), (5, 20, 16));
/// assert!(drainage.trajectory.breakthrough_time().is_some());
/// # Ok::<(), porecast_simulations::Error>(())
/// ```
pub fn simulate(
    domain: &Domain,
    inlet: Side,
    fluids: &FluidPair,
    config: &LatticeBoltzmannConfig,
    seed: u64,
) -> Result<Drainage> {
    simulate_resumable(domain, inlet, fluids, config, seed, None, &mut |_| ControlFlow::Continue(()))
}

/// A running drainage, between two time steps.
pub struct Underway<'a> {
    steps: u64,
    pore_volumes: f64,
    /// Share of the simulation that is done, where its end is known.
    share: Option<f64>,
    state: &'a dyn Fn() -> Vec<u8>,
}

impl Underway<'_> {
    /// Number of time steps, including those before a resumed state.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// How far the simulation is: the share that is done or, until breakthrough, the pore volumes injected.
    pub fn progress(&self) -> String {
        match self.share {
            Some(share) => format!("{:.0} %", 100.0 * share.min(1.0)),
            None => format!("{:.2} pore volumes", self.pore_volumes),
        }
    }

    /// The complete state: resuming from it continues the simulation exactly.
    pub fn state(&self) -> Vec<u8> {
        (self.state)()
    }
}

/// Like [`simulate`], but can start from a saved state and reports to `watch`.
///
/// `watch` is called every 50 time steps; it may save the [state](Underway::state) or stop the simulation.
/// Resuming from a state with the same arguments gives the same result, bit for bit, as a run without a stop.
///
/// # Errors
/// Those of [`simulate`]; [`ErrorKind::SavedState`] if the state is damaged or belongs to another simulation;
/// [`ErrorKind::Interrupted`] if `watch` stops the simulation.
pub fn simulate_resumable(
    domain: &Domain,
    inlet: Side,
    fluids: &FluidPair,
    config: &LatticeBoltzmannConfig,
    seed: u64,
    saved: Option<&[u8]>,
    watch: &mut dyn FnMut(&Underway) -> ControlFlow<()>,
) -> Result<Drainage> {
    let run = |saved, watch| match config.precision {
        Precision::Single => Run::<f32>::new(domain, inlet, fluids, config)?.drive(saved, watch),
        Precision::Double => Run::<f64>::new(domain, inlet, fluids, config)?.drive(saved, watch),
    };
    let mut drainage = run(saved, watch)?;
    drainage.trajectory.parameters.seed = seed;
    Ok(drainage)
}

/// A running drainage.
struct Run<'a, T> {
    domain: &'a Domain,
    fluids: &'a FluidPair,
    config: &'a LatticeBoltzmannConfig,
    orientation: Orientation,
    units: Units,
    lattice: TwoPhase<T>,
    /// Sites of each pixel of the domain, row by row.
    pixels: Vec<Vec<u32>>,
    outlet: Vec<u32>,
    steps_per_sample: u64,
    initial_mass: f64,
    progress: Progress,
    flow: Flow,
}

/// State of the run apart from the lattice.
struct Progress {
    samples: Samples,
    breakthrough: Option<u32>,
    /// Volume of the invading fluid at each sample, in sites.
    volumes: Vec<f64>,
    mass_drift: f64,
}

impl<'a, T: Real> Run<'a, T> {
    fn new(
        domain: &'a Domain,
        inlet: Side,
        fluids: &'a FluidPair,
        config: &'a LatticeBoltzmannConfig,
    ) -> Result<Self> {
        let units = Units::new(domain, inlet, fluids, config)?;
        let orientation =
            Orientation { inlet, shape: domain.shape(), sites_per_pixel: config.sites_per_pixel };
        let solid = orientation.medium(&domain.solid, config.reservoir);
        let invading = Array2::from_shape_fn(solid.dim(), |(y, _)| y < config.reservoir);
        let ends = Ends::Between { top: End::Velocity(units.velocity_lu), bottom: End::Density(0.0) };
        let wettability =
            Wettability { contact_angle_deg: fluids.contact_angle_deg, neutral_rows: config.reservoir - 1 };
        let lattice =
            TwoPhase::new(&solid, &invading, ends, wettability, units.fluids).with_threads(config.threads);
        let side = config.sites_per_pixel;
        let (rows, columns) = orientation.turned();
        let mut pixels = vec![Vec::new(); domain.solid.len()];
        let mut outlet = Vec::new();
        for row in 0..rows {
            for column in 0..columns {
                let (y, x) = orientation.pixel(row, column);
                if domain.solid[[y, x]] {
                    continue;
                }
                let pixel = y * domain.shape().1 + x;
                for site_y in row * side..(row + 1) * side {
                    for site_x in column * side..(column + 1) * side {
                        pixels[pixel].push(lattice.layout.index(config.reservoir + site_y, site_x) as u32);
                    }
                }
                if row + 1 == rows {
                    outlet.push(pixel as u32);
                }
            }
        }
        let steps_per_sample = match config.until {
            Until::Breakthrough => units.steps_per_pore_volume / SAMPLES_PER_PORE_VOLUME,
            Until::PoreVolumes(volumes) => volumes * units.steps_per_pore_volume / (config.frames - 1) as f64,
        };
        let initial_mass = lattice.masses()[0];
        let mut run = Self {
            domain,
            fluids,
            config,
            orientation,
            units,
            lattice,
            steps_per_sample: (steps_per_sample.round() as u64).max(1),
            progress: Progress {
                samples: Samples::new(pixels.len()),
                breakthrough: None,
                volumes: vec![0.0],
                mass_drift: 0.0,
            },
            pixels,
            outlet,
            initial_mass,
            flow: Flow::default(),
        };
        run.keep_flow();
        Ok(run)
    }

    fn drive(
        mut self,
        saved: Option<&[u8]>,
        watch: &mut dyn FnMut(&Underway) -> ControlFlow<()>,
    ) -> Result<Drainage> {
        if let Some(saved) = saved {
            self.restore(saved)?;
        }
        while !self.is_done()? {
            self.advance(watch)?;
            self.sample();
        }
        Ok(self.finish())
    }

    /// Number of samples between two frames, once the duration is known.
    fn samples_per_frame(&self) -> Option<u32> {
        match self.config.until {
            Until::PoreVolumes(_) => Some(1),
            Until::Breakthrough => {
                self.progress.breakthrough.map(|sample| sample.div_ceil(self.config.frames as u32 - 1).max(1))
            }
        }
    }

    fn is_done(&self) -> Result<bool> {
        let taken = self.progress.samples.count - 1;
        if let Some(stride) = self.samples_per_frame() {
            return Ok(taken >= stride * (self.config.frames as u32 - 1));
        }
        if self.lattice.steps() as f64 > MAX_PORE_VOLUMES * self.units.steps_per_pore_volume {
            return Err(Error::simulation(format!(
                "the invading fluid has not reached the outlet after {MAX_PORE_VOLUMES} pore volumes"
            )));
        }
        Ok(false)
    }

    /// Advances to the next sample, also from a state saved between two samples.
    fn advance(&mut self, watch: &mut dyn FnMut(&Underway) -> ControlFlow<()>) -> Result<()> {
        let next = u64::from(self.progress.samples.count) * self.steps_per_sample;
        while self.lattice.steps() < next {
            self.lattice.step();
            if self.lattice.steps().is_multiple_of(STEPS_BETWEEN_CHECKS) {
                self.lattice.check()?;
                let steps = self.lattice.steps();
                let samples = |stride: u32| u64::from(stride) * (self.config.frames as u64 - 1);
                let all = self.samples_per_frame().map(|stride| samples(stride) * self.steps_per_sample);
                let underway = Underway {
                    steps,
                    pore_volumes: steps as f64 / self.units.steps_per_pore_volume,
                    share: all.map(|all| steps as f64 / all.max(1) as f64),
                    state: &|| self.state(),
                };
                if watch(&underway).is_break() {
                    let what = format!("the simulation was stopped after step {}", self.lattice.steps());
                    return Err(Error::new(ErrorKind::Interrupted, "", what));
                }
            }
        }
        Ok(())
    }

    fn sample(&mut self) {
        let share = &self.lattice.share;
        let mean = |sites: &Vec<u32>| {
            sites.iter().map(|&site| share[site as usize].to_f64()).sum::<f64>() / sites.len() as f64
        };
        // In solid the mean over no sites is NaN, which is not above one half.
        self.progress.samples.take(self.pixels.iter().map(|sites| mean(sites) > 0.5));
        let volume = self.pixels.iter().flatten().map(|&site| share[site as usize].to_f64()).sum();
        self.progress.volumes.push(volume);
        if self.progress.breakthrough.is_none() {
            if self.outlet.iter().any(|&pixel| self.progress.samples.phase[pixel as usize]) {
                self.progress.breakthrough = Some(self.progress.samples.count - 1);
            } else {
                let injected = self.lattice.injected_per_step() * self.lattice.steps() as f64;
                self.progress.mass_drift =
                    (self.lattice.masses()[0] - self.initial_mass - injected) / injected;
            }
        }
        self.keep_flow();
    }

    fn keep_flow(&mut self) {
        if !self.config.keep_flow {
            return;
        }
        let pixels = |field: &Array2<f64>| self.orientation.pixels(field, self.config.reservoir);
        let speed = self.units.length_m / self.units.time_s;
        let pressure = pixels(&self.lattice.density_excess());
        let [across, along] = self.lattice.velocity();
        let (along, across) = (pixels(&along), pixels(&across));
        let component = |of: fn((f64, f64)) -> f64| {
            Array2::from_shape_fn(self.domain.shape(), |at| {
                (speed * of(self.orientation.vector(along[at], across[at]))) as f32
            })
        };
        let (y, x) = (component(|v| v.0), component(|v| v.1));
        self.flow.pressure_pa.push(pressure.map(|&density| (density / 3.0 * self.units.pressure_pa) as f32));
        self.flow.velocity_y_m_per_s.push(y);
        self.flow.velocity_x_m_per_s.push(x);
    }

    fn finish(self) -> Drainage {
        let frames = self.config.frames;
        let stride = self.samples_per_frame().unwrap_or(1) as usize;
        let (height, width) = self.domain.shape();
        let mut phase = Array3::from_elem((frames, height, width), false);
        let taken = self.progress.samples.frames((height, width), stride, frames);
        for (mut frame, taken) in phase.axis_iter_mut(Axis(0)).zip(&taken) {
            frame.assign(taken);
        }
        let (time_unit, time_per_step) = match self.config.injection {
            Injection::CapillaryNumber(_) => (TimeUnit::PoreVolumes, 1.0 / self.units.steps_per_pore_volume),
            Injection::RateM2PerS(_) => (TimeUnit::Seconds, self.units.time_s),
        };
        let time = |frame: usize| (frame * stride) as f64 * self.steps_per_sample as f64 * time_per_step;
        let pixel = (self.config.sites_per_pixel as f64).powi(2);
        let volume = |frame: usize| {
            let invading = self.progress.volumes[frame * stride] / pixel;
            [invading, self.domain.pore_count() as f64 - invading]
        };
        Drainage {
            trajectory: Trajectory {
                domain: self.domain.clone(),
                inlet: self.orientation.inlet,
                times: (0..frames).map(time).collect(),
                time_unit,
                phase,
                parameters: Parameters {
                    seed: 0,
                    porosity: self.domain.porosity(),
                    contact_angle_deg: self.fluids.contact_angle_deg,
                    surface_tension: self.fluids.surface_tension,
                    viscosity_invading: self.units.viscosity_ratio * self.fluids.viscosity_defending,
                    viscosity_defending: self.fluids.viscosity_defending,
                    capillary_number: self.units.capillary_number,
                    viscosity_ratio: self.units.viscosity_ratio,
                },
            },
            volumes: (0..frames).map(volume).collect(),
            mass_drift: self.progress.mass_drift,
            steps: self.lattice.steps(),
            units: self.units,
            flow: self.config.keep_flow.then_some(self.flow),
        }
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::new::<T>();
        self.lattice.write(&mut writer);
        let Progress { samples, breakthrough, volumes, mass_drift } = &self.progress;
        writer.number(self.steps_per_sample);
        writer.number(u64::from(samples.count));
        writer.number(breakthrough.map_or(u64::MAX, u64::from));
        writer.number(mass_drift.to_bits());
        writer.number(volumes.len() as u64);
        writer.field(volumes);
        writer.number(samples.changes.len() as u64);
        for &(sample, pixel) in &samples.changes {
            writer.number(u64::from(sample) << 32 | u64::from(pixel));
        }
        writer.number(self.flow.pressure_pa.len() as u64);
        for field in self.flow_fields() {
            writer.field(&field.iter().copied().collect::<Vec<_>>());
        }
        writer.finish()
    }

    fn flow_fields(&self) -> impl Iterator<Item = &Array2<f32>> {
        let Flow { pressure_pa, velocity_y_m_per_s, velocity_x_m_per_s } = &self.flow;
        pressure_pa.iter().chain(velocity_y_m_per_s).chain(velocity_x_m_per_s)
    }

    fn restore(&mut self, bytes: &[u8]) -> Result<()> {
        let mut reader = Reader::new::<T>(bytes)?;
        self.lattice.read(&mut reader)?;
        if reader.number()? != self.steps_per_sample {
            return Err(unusable("it was made with other settings"));
        }
        let samples = &mut self.progress.samples;
        samples.count = reader.number()? as u32;
        self.progress.breakthrough = u32::try_from(reader.number()?).ok();
        self.progress.mass_drift = f64::from_bits(reader.number()?);
        self.progress.volumes = vec![0.0; reader.count()?];
        reader.field(&mut self.progress.volumes)?;
        samples.changes.clear();
        samples.phase.fill(false);
        for _ in 0..reader.count()? {
            let change = reader.number()?;
            let (sample, pixel) = ((change >> 32) as u32, change as u32);
            let phase = samples
                .phase
                .get_mut(pixel as usize)
                .ok_or_else(|| unusable("it names a pixel that is not there"))?;
            *phase = !*phase;
            samples.changes.push((sample, pixel));
        }
        let frames = reader.count()?;
        let mut fields = || {
            let mut fields = vec![Array2::zeros(self.domain.shape()); frames];
            for field in &mut fields {
                reader.field(field.as_slice_mut().expect("a new array is contiguous"))?;
            }
            Ok::<_, Error>(fields)
        };
        self.flow =
            Flow { pressure_pa: fields()?, velocity_y_m_per_s: fields()?, velocity_x_m_per_s: fields()? };
        reader.finish()
    }
}
