//! The cases that the simulator is measured on: each sets up a flow with a known answer and returns what was found.
//! The tests run them small, the example runs them long and draws them.

use ndarray::{Array2, ArrayView2, Axis};
use porecast_simulations::domain::DiscPackConfig;
use porecast_simulations::lattice_boltzmann::{
    Drainage, End, Ends, Injection, LatticeBoltzmannConfig, LatticeFluids, Real, TwoPhase, Wettability,
    simulate,
};
use porecast_simulations::percolation::{self, Sides};
use porecast_simulations::{DomainConfig, FluidPair, Side, Trajectory};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Walls that prefer neither fluid.
pub const NEUTRAL: Wettability = Wettability { contact_angle_deg: 90.0, neutral_rows: 0 };

/// A box with walls all round.
pub const BOX: Ends = Ends::Between { top: End::Wall, bottom: End::Wall };

/// A disc of grain or of fluid.
#[derive(Debug, Clone, Copy)]
pub struct Disc {
    pub y: f64,
    pub x: f64,
    pub radius: f64,
}

impl Disc {
    pub fn contains(&self, y: usize, x: usize) -> bool {
        (y as f64 - self.y).hypot(x as f64 - self.x) < self.radius
    }
}

fn mask((height, width): (usize, usize), inside: impl Fn(usize, usize) -> bool) -> Array2<bool> {
    Array2::from_shape_fn((height, width), |(y, x)| inside(y, x))
}

/// Relative change of the invading and of the defending mass, after a drop between wetted grains has moved about
/// in a closed box.
pub fn mass_drift<T: Real>(steps: usize) -> [f64; 2] {
    let shape = (96, 64);
    let grains = [(30.0, 14.0), (66.0, 24.0), (44.0, 50.0)].map(|(y, x)| Disc { y, x, radius: 9.5 });
    let solid = mask(shape, |y, x| grains.iter().any(|grain| grain.contains(y, x)));
    let drop = mask(shape, |y, x| (20..50).contains(&y) && (26..60).contains(&x));
    let wettability = Wettability { contact_angle_deg: 60.0, neutral_rows: 0 };
    let fluids = LatticeFluids { viscosity_invading: 1.0 / 60.0, ..LatticeFluids::default() };
    let mut flow = TwoPhase::<T>::new(&solid, &drop, BOX, wettability, fluids);
    let before = flow.masses();
    advance(&mut flow, steps);
    let after = flow.masses();
    [after[0] / before[0] - 1.0, after[1] / before[1] - 1.0]
}

/// A drop at rest.
pub struct Drop {
    /// Radius of the circle with the drop's area.
    pub radius: f64,
    /// Pressure inside minus outside.
    pub jump: f64,
    /// Interfacial tension.
    pub surface_tension: f64,
    /// Largest speed anywhere.
    pub max_speed: f64,
}

/// A drop of this radius in the middle of a box.
pub fn drop_at_rest<T: Real>(radius: f64, viscosity_ratio: f64, steps: usize) -> Drop {
    let side = (3.2 * radius).ceil() as usize;
    let centre = (side - 1) as f64 / 2.0;
    let disc = Disc { y: centre, x: centre, radius };
    let fluids = LatticeFluids { viscosity_invading: viscosity_ratio / 6.0, ..LatticeFluids::default() };
    let solid = mask((side, side), |_, _| false);
    let drop = mask((side, side), |y, x| disc.contains(y, x));
    let mut flow = TwoPhase::<T>::new(&solid, &drop, BOX, NEUTRAL, fluids);
    advance(&mut flow, steps);
    let density = flow.density_excess();
    Drop {
        radius: (flow.masses()[0] / std::f64::consts::PI).sqrt(),
        jump: (density[[side / 2, side / 2]] - density[[3, 3]]) / 3.0,
        surface_tension: fluids.surface_tension,
        max_speed: max_speed(&flow),
    }
}

/// A velocity profile across a channel.
pub struct Profile {
    /// Velocity at each site, measured.
    pub measured: Vec<f64>,
    /// Velocity at each site, from the Stokes equation.
    pub exact: Vec<f64>,
}

impl Profile {
    /// Relative L2 error.
    pub fn error(&self) -> f64 {
        let square = |value: f64| value * value;
        let miss: f64 = self.measured.iter().zip(&self.exact).map(|(m, e)| square(m - e)).sum();
        (miss / self.exact.iter().map(|&e| square(e)).sum::<f64>()).sqrt()
    }
}

/// Two fluids side by side in a channel, driven by the same force: the invading one in the middle half, the
/// defending one along the walls.
///
/// `viscosity_ratio` is invading over defending.
pub fn layered_poiseuille<T: Real>(width: usize, viscosity_ratio: f64) -> Profile {
    let thick = 0.5_f64;
    let thin = thick / viscosity_ratio.max(1.0 / viscosity_ratio);
    let (viscosity_invading, viscosity_defending) =
        if viscosity_ratio > 1.0 { (thick, thin) } else { (thick * viscosity_ratio, thick) };
    let half = width as f64 / 2.0;
    let core = half / 2.0;
    // About the same largest velocity whatever the ratio.
    let force = 2.0 * 0.005 * thin / (half * half);
    let fluids = LatticeFluids {
        viscosity_invading,
        viscosity_defending,
        surface_tension: 1e-3,
        body_force: [0.0, force],
        ..LatticeFluids::default()
    };
    let shape = (4, width);
    let position = |x: usize| x as f64 + 0.5 - half;
    let solid = mask(shape, |_, _| false);
    let invading = mask(shape, |_, x| position(x).abs() < core);
    let mut flow = TwoPhase::<T>::new(&solid, &invading, Ends::Periodic, NEUTRAL, fluids);
    // Momentum of the core leaves through the rims, each a quarter of the width.
    advance(&mut flow, (8.0 * core * core / thin + 8.0 * half * half / thick) as usize);
    let [_, velocity] = flow.velocity();
    let rim = |r: f64| force / (2.0 * viscosity_defending) * (half * half - r * r);
    let exact = |x: usize| {
        let r = position(x).abs();
        if r > core { rim(r) } else { rim(core) + force / (2.0 * viscosity_invading) * (core * core - r * r) }
    };
    Profile { measured: velocity.row(1).to_vec(), exact: (0..width).map(exact).collect() }
}

/// One fluid in a channel.
pub fn poiseuille<T: Real>(width: usize, viscosity: f64) -> Profile {
    let half = width as f64 / 2.0;
    let force = 0.02 * viscosity / (half * half);
    let fluids = LatticeFluids {
        viscosity_invading: viscosity,
        viscosity_defending: viscosity,
        body_force: [0.0, force],
        ..LatticeFluids::default()
    };
    let none = mask((4, width), |_, _| false);
    let mut flow = TwoPhase::<T>::new(&none, &none, Ends::Periodic, NEUTRAL, fluids);
    advance(&mut flow, (12.0 * half * half / viscosity) as usize);
    let [_, velocity] = flow.velocity();
    let exact = |x: usize| {
        let r = x as f64 + 0.5 - half;
        force / (2.0 * viscosity) * (half * half - r * r)
    };
    Profile { measured: velocity.row(1).to_vec(), exact: (0..width).map(exact).collect() }
}

/// One fluid in a channel, a while after the force was switched on: t = 0.1 w²/ν.
pub fn starting_poiseuille<T: Real>(width: usize, viscosity: f64) -> Profile {
    let full = width as f64;
    // Slow enough for sound to play no part, at every width.
    let force = 1e-4 * viscosity / (full * full) * (8.0 / full);
    let fluids = LatticeFluids {
        viscosity_invading: viscosity,
        viscosity_defending: viscosity,
        body_force: [0.0, force],
        ..LatticeFluids::default()
    };
    let none = mask((4, width), |_, _| false);
    let mut flow = TwoPhase::<T>::new(&none, &none, Ends::Periodic, NEUTRAL, fluids);
    let steps = (0.1 * full * full / viscosity).round();
    advance(&mut flow, steps as usize);
    let [_, velocity] = flow.velocity();
    let exact = |x: usize| {
        let position = (x as f64 + 0.5) / full;
        let mode = |n: usize| {
            let k = std::f64::consts::PI * (2 * n + 1) as f64;
            let decay = 1.0 - (-k * k * viscosity * steps / (full * full)).exp();
            4.0 / k.powi(3) * (k * position).sin() * decay
        };
        force * full * full / viscosity * (0..200).map(mode).sum::<f64>()
    };
    Profile { measured: velocity.row(1).to_vec(), exact: (0..width).map(exact).collect() }
}

/// Where the walls of round grains are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walls {
    /// Half-way between pore and solid sites: a staircase.
    Staircase,
    /// On the circle.
    Round,
}

/// Permeability, over the period squared, of a square array of round grains that fill [`SOLID_FRACTION`], the centre of
/// the grain at (`offset`, `offset`²) from a site.
pub fn permeability<T: Real>(period: usize, offset: f64, walls: Walls, viscosity: f64) -> f64 {
    let [y, x] = [offset, offset * offset].map(|offset| (period / 2) as f64 + offset);
    let radius = (SOLID_FRACTION / std::f64::consts::PI).sqrt() * period as f64;
    let grain = Disc { y, x, radius };
    let solid = mask((period, period), |y, x| grain.contains(y, x));
    // Small enough for inertia and compression to play no part, at every size.
    let area = solid.len() as f64;
    let force = 1e-3 * viscosity / area;
    let fluids = LatticeFluids {
        viscosity_invading: viscosity,
        viscosity_defending: viscosity,
        body_force: [0.0, force],
        ..LatticeFluids::default()
    };
    let mut flow = TwoPhase::<T>::new(&solid, &solid.map(|_| false), Ends::Cell, NEUTRAL, fluids);
    if walls == Walls::Round {
        flow = flow.with_walls(|y, x| (y - grain.y).hypot(x - grain.x) - radius);
    }
    advance(&mut flow, (0.5 * area / viscosity) as usize);
    let [_, velocity] = flow.velocity();
    velocity.sum() * viscosity / force / (area * area)
}

/// Share of the grains in [`permeability`].
pub const SOLID_FRACTION: f64 = 0.3;
/// The exact value of [`permeability`]: the force on a cylinder is 102.90 μU with U averaged over the cell (A.
/// Sangani, A. Acrivos, Int. J. Multiphase Flow 8 (1982) 193, table 1).
pub const EXACT_PERMEABILITY: f64 = 1.0 / 102.90;
/// Places of the grain between the sites.
const OFFSETS: [f64; 6] = [0.0, 0.13, 0.31, 0.5, 0.67, 0.86];

/// Relative error of [`permeability`], the root of the mean square over places of the grain between the sites.
pub fn permeability_error<T: Real>(period: usize, walls: Walls, viscosity: f64) -> f64 {
    let error = |offset| permeability::<T>(period, offset, walls, viscosity) / EXACT_PERMEABILITY - 1.0;
    (OFFSETS.iter().map(|&offset| error(offset).powi(2)).sum::<f64>() / OFFSETS.len() as f64).sqrt()
}

/// Which fluid a drop on a wall is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropOf {
    Invading,
    Defending,
}

/// What a drop on a wall is found to be.
pub struct Sessile {
    /// Contact angle through the defending fluid.
    pub angle_deg: f64,
    /// Largest speed anywhere.
    pub max_speed: f64,
}

/// A drop at rest on a flat floor, with the area of a half disc of this radius.
pub fn drop_on_floor<T: Real>(contact_angle_deg: f64, drop: DropOf, radius: f64, steps: usize) -> Sessile {
    let (height, width) = ((2.6 * radius) as usize, (5.0 * radius) as usize);
    let inner = through_drop(contact_angle_deg, drop).to_radians();
    // A tenth of the way to a half disc, so that it has to move.
    let inner = inner + 0.1 * (std::f64::consts::FRAC_PI_2 - inner);
    let radius = radius * (std::f64::consts::FRAC_PI_2 / (inner - inner.sin() * inner.cos())).sqrt();
    let floor = height as f64 - 0.5;
    let disc = Disc { y: floor + radius * inner.cos(), x: (width - 1) as f64 / 2.0, radius };
    let solid = mask((height, width), |_, _| false);
    let flow = settle::<T>(&solid, disc, drop, contact_angle_deg, steps);
    let circle = fit_circle(&contour(&flow, |y, _| y < floor - 3.0));
    let inner = ((circle.y - floor) / circle.radius).acos().to_degrees();
    Sessile { angle_deg: through_drop(inner, drop), max_speed: max_speed(&flow) }
}

/// A drop at rest on top of a round grain.
pub fn drop_on_grain<T: Real>(
    contact_angle_deg: f64,
    drop: DropOf,
    grain_radius: f64,
    drop_radius: f64,
    steps: usize,
) -> Sessile {
    let side = (2.0 * (grain_radius + drop_radius) + 12.0) as usize;
    let centre = (side - 1) as f64 / 2.0;
    let grain = Disc { y: side as f64 - grain_radius - 6.0, x: centre, radius: grain_radius };
    let inner = through_drop(contact_angle_deg, drop).to_radians();
    // Two circles that cross at the angle: the distance of their centres by the law of cosines.
    let squares = grain_radius.powi(2) + drop_radius.powi(2);
    let distance = (squares - 2.0 * grain_radius * drop_radius * inner.cos()).sqrt();
    let disc = Disc { y: grain.y - distance, x: centre, radius: drop_radius };
    let solid = mask((side, side), |y, x| grain.contains(y, x));
    let flow = settle::<T>(&solid, disc, drop, contact_angle_deg, steps);
    let circle = fit_circle(&contour(&flow, |y, x| (y - grain.y).hypot(x - grain.x) > grain.radius + 3.0));
    let distance = (circle.y - grain.y).hypot(circle.x - grain.x);
    let squares = grain.radius.powi(2) + circle.radius.powi(2);
    let inner = ((squares - distance * distance) / (2.0 * grain.radius * circle.radius)).acos().to_degrees();
    Sessile { angle_deg: through_drop(inner, drop), max_speed: max_speed(&flow) }
}

/// From the angle through the defending fluid to that through the drop, and back.
fn through_drop(angle_deg: f64, drop: DropOf) -> f64 {
    match drop {
        DropOf::Defending => angle_deg,
        DropOf::Invading => 180.0 - angle_deg,
    }
}

/// A drop in a box, after some steps.
fn settle<T: Real>(
    solid: &Array2<bool>,
    disc: Disc,
    drop: DropOf,
    contact_angle_deg: f64,
    steps: usize,
) -> TwoPhase<T> {
    let invading = mask(solid.dim(), |y, x| disc.contains(y, x) == (drop == DropOf::Invading));
    let wettability = Wettability { contact_angle_deg, neutral_rows: 0 };
    let mut flow = TwoPhase::new(solid, &invading, BOX, wettability, LatticeFluids::default());
    advance(&mut flow, steps);
    flow
}

/// How far a wetting fluid has been drawn into a channel.
pub struct Filling {
    /// (time, length filled).
    pub positions: Vec<(f64, f64)>,
    /// Slope of ½(μ_i - μ_d)x² + μ_d L x over t, measured: Lucas and Washburn's x² over t, with what drives out
    /// the other fluid.
    pub slope: f64,
    /// Its exact value, σ w cos θ/6.
    pub exact: f64,
}

/// The invading fluid wets a channel, at this angle through itself, and is drawn in; both ends are at the same
/// pressure.
pub fn capillary_filling<T: Real>(
    width: usize,
    length: usize,
    contact_angle_deg: f64,
    steps: usize,
) -> Filling {
    let fluids = LatticeFluids {
        viscosity_invading: 0.3,
        viscosity_defending: 0.3 / 20.0,
        surface_tension: 0.02,
        ..LatticeFluids::default()
    };
    let shape = (length, width);
    let start = length / 10;
    let solid = mask(shape, |_, _| false);
    let invading = mask(shape, |y, _| y < start);
    let ends = Ends::Between { top: End::Density(0.0), bottom: End::Density(0.0) };
    let wettability = Wettability { contact_angle_deg: 180.0 - contact_angle_deg, neutral_rows: 0 };
    let mut flow = TwoPhase::<T>::new(&solid, &invading, ends, wettability, fluids);
    let mut positions = Vec::new();
    let stride = (steps / 100).max(1);
    let filled = |flow: &TwoPhase<T>| flow.invading_share().sum() / width as f64;
    for _ in 0..100 {
        advance(&mut flow, stride);
        let position = filled(&flow);
        if position > 0.9 * length as f64 {
            break;
        }
        positions.push((flow.steps() as f64, position));
    }
    let (mu_i, mu_d) = (fluids.viscosity_invading, fluids.viscosity_defending);
    let work = |x: f64| 0.5 * (mu_i - mu_d) * x * x + mu_d * length as f64 * x;
    let late = &positions[positions.len() / 4..];
    let slope = slope(late.iter().map(|&(t, x)| (t, work(x))));
    let exact = fluids.surface_tension * width as f64 * contact_angle_deg.to_radians().cos() / 6.0;
    Filling { positions, slope, exact }
}

/// Advances by some steps.
pub fn advance<T: Real>(flow: &mut TwoPhase<T>, steps: usize) {
    for _ in 0..steps {
        flow.step();
    }
}

/// Largest speed anywhere.
pub fn max_speed<T: Real>(flow: &TwoPhase<T>) -> f64 {
    let [x, y] = flow.velocity();
    x.iter().zip(&y).map(|(x, y)| x.hypot(*y)).fold(0.0, f64::max)
}

/// Least-squares slope.
pub fn slope(points: impl Iterator<Item = (f64, f64)>) -> f64 {
    let points: Vec<_> = points.collect();
    let n = points.len() as f64;
    let (mean_x, mean_y) =
        (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let covariance: f64 = points.iter().map(|p| (p.0 - mean_x) * (p.1 - mean_y)).sum();
    covariance / points.iter().map(|p| (p.0 - mean_x).powi(2)).sum::<f64>()
}

/// Points (y, x) where C crosses ½ between two pore sites, as far as wanted.
fn contour<T: Real>(flow: &TwoPhase<T>, wanted: impl Fn(f64, f64) -> bool) -> Vec<(f64, f64)> {
    let share = flow.invading_share();
    let solid = flow.solid();
    let (height, width) = share.dim();
    let mut points = Vec::new();
    for ((y, x), &a) in share.indexed_iter() {
        for (ny, nx) in [(y + 1, x), (y, x + 1)] {
            if ny >= height || nx >= width || solid[[y, x]] || solid[[ny, nx]] {
                continue;
            }
            let b = share[[ny, nx]];
            if (a - 0.5) * (b - 0.5) < 0.0 {
                let fraction = (0.5 - a) / (b - a);
                let point = (y as f64 + fraction * (ny - y) as f64, x as f64 + fraction * (nx - x) as f64);
                if wanted(point.0, point.1) {
                    points.push(point);
                }
            }
        }
    }
    points
}

/// The circle with the least squares of r² - R² (Kåsa's fit).
fn fit_circle(points: &[(f64, f64)]) -> Disc {
    let n = points.len() as f64;
    let (my, mx) = (points.iter().map(|p| p.0).sum::<f64>() / n, points.iter().map(|p| p.1).sum::<f64>() / n);
    let (mut yy, mut yx, mut xx, mut ry, mut rx) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for &(y, x) in points {
        let (y, x) = (y - my, x - mx);
        let square = y * y + x * x;
        yy += y * y;
        yx += y * x;
        xx += x * x;
        ry += 0.5 * y * square;
        rx += 0.5 * x * square;
    }
    let determinant = yy * xx - yx * yx;
    let (cy, cx) = ((ry * xx - rx * yx) / determinant, (rx * yy - ry * yx) / determinant);
    Disc { y: my + cy, x: mx + cx, radius: (cy * cy + cx * cx + (yy + xx) / n).sqrt() }
}

/// A drainage for the map of regimes.
pub struct Regime {
    pub name: &'static str,
    pub capillary_number: f64,
    pub viscosity_ratio: f64,
    pub drainage: Drainage,
    /// Intersection over union with percolation at equal saturation, the mean over the frames.
    pub agreement_with_percolation: f64,
}

/// Drains the same disc pack at these capillary numbers and viscosity ratios.
pub fn regimes(shape: (usize, usize), corners: &[(&'static str, f64, f64)]) -> Vec<Regime> {
    let pack = DiscPackConfig { porosity: 0.6, min_gap: 5.0, buffer: 2, ..DiscPackConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let domain =
        DomainConfig::DiscPack(pack).generate(shape, 35e-6, Side::Top, &mut rng).expect("a sparse pack fits");
    let drain = |&(name, capillary_number, viscosity_ratio): &(&'static str, f64, f64)| {
        let config = LatticeBoltzmannConfig {
            injection: Injection::CapillaryNumber(capillary_number),
            viscosity_ratio: Some(viscosity_ratio),
            ..LatticeBoltzmannConfig::default()
        };
        let drainage =
            simulate(&domain, Side::Top, &FluidPair::default(), &config, 7).expect("parameters are stable");
        let agreement_with_percolation = agreement_with_percolation(&drainage);
        Regime { name, capillary_number, viscosity_ratio, drainage, agreement_with_percolation }
    };
    corners.iter().map(drain).collect()
}

fn agreement_with_percolation(drainage: &Drainage) -> f64 {
    let trajectory = &drainage.trajectory;
    let (domain, inlet) = (&trajectory.domain, trajectory.inlet);
    let frames = percolation::at_saturations(domain, inlet, Sides::Walls, None, &trajectory.saturation());
    agreement(trajectory, &frames.expect("the shapes agree"))
}

/// Intersection over union with other frames, the mean over the later four fifths: the first hold a few pixels only.
pub fn agreement(trajectory: &Trajectory, frames: &[Array2<bool>]) -> f64 {
    let pairs = trajectory.phase.outer_iter().zip(frames).skip(frames.len() / 5);
    let scores: Vec<f64> = pairs.map(|(a, b)| overlap(a, b.view())).collect();
    scores.iter().sum::<f64>() / scores.len() as f64
}

/// Intersection over union.
pub fn overlap(a: ArrayView2<bool>, b: ArrayView2<bool>) -> f64 {
    let both = a.iter().zip(b).filter(|&(&a, &b)| a && b).count();
    let either = a.iter().zip(b).filter(|&(&a, &b)| a || b).count();
    both as f64 / either.max(1) as f64
}

/// Length of the border between the fluids over the invaded area, in the last frame, 1/pixel: the more and
/// thinner the fingers, the higher.
pub fn raggedness(trajectory: &Trajectory) -> f64 {
    let last = trajectory.phase.index_axis(Axis(0), trajectory.phase.dim().0 - 1);
    let (height, width) = last.dim();
    let mut border = 0;
    for ((y, x), &invading) in last.indexed_iter() {
        for (ny, nx) in [(y + 1, x), (y, x + 1)] {
            let in_pore = ny < height
                && nx < width
                && !trajectory.domain.solid[[y, x]]
                && !trajectory.domain.solid[[ny, nx]];
            border += usize::from(in_pore && last[[ny, nx]] != invading);
        }
    }
    border as f64 / last.iter().filter(|&&invading| invading).count().max(1) as f64
}
