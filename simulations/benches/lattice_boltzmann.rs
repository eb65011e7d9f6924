//! Throughput of the two-phase lattice Boltzmann solver, in million lattice updates per second (MLUPS), against
//! what the machine can do.
//!
//!     cargo bench -p porecast-simulations --bench lattice_boltzmann [-- seconds-per-case]
//!
//! Each figure is the best of many short runs, so that other work on the machine disturbs it little.

use std::hint::black_box;
use std::time::Instant;

use ndarray::Array2;
use porecast_simulations::domain::DiscPackConfig;
use porecast_simulations::lattice_boltzmann::{
    End, Ends, Injection, LatticeBoltzmannConfig, LatticeFluids, Precision, Real, TwoPhase, Wettability,
    simulate,
};
use porecast_simulations::{Domain, DomainConfig, FluidPair, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Numbers that one update of one site has to move at the least: nine populations read and written, and C.
const VALUES_PER_UPDATE: f64 = 20.0;
/// Arithmetic operations of one update of one site, counted roughly in the source: collision 175, recolouring 80,
/// gradients and normal 75. The curvature, about 50, is left out: it is computed at the interface only.
const OPERATIONS_PER_UPDATE: f64 = 330.0;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3.0);
    println!("| threads | triad a = b + s c, GB/s | fused multiply-add f32, GFLOP/s |\n|---|---|---|");
    let limits = [1, 2].map(|threads| {
        let limits = Limits { bytes: triad(threads), operations: fused_peak(threads) };
        println!("| {threads} | {:.1} | {:.0} |", limits.bytes / 1e9, limits.operations / 1e9);
        limits
    });
    println!(
        "\n| height x width | type | threads | million pore sites/s | million sites/s | share of the triad | share of \
         the arithmetic |\n|---|---|---|---|---|---|---|"
    );
    for shape in [(256, 64), (512, 128), (512, 512)] {
        for (threads, limits) in [1, 2].into_iter().zip(limits) {
            report::<f32>(shape, threads, seconds, limits);
        }
        // Half as many lanes fit a vector.
        let double = Limits { operations: 0.5 * limits[0].operations, ..limits[0] };
        report::<f64>(shape, 1, seconds, double);
    }
    accuracy();
}

/// What single precision costs: one drainage in both.
fn accuracy() {
    let domain = disc_pack((128, 64), 5.5);
    let fluids = FluidPair::default();
    let drain = |precision| {
        let config = LatticeBoltzmannConfig {
            injection: Injection::CapillaryNumber(0.01),
            viscosity_ratio: Some(0.1),
            precision,
            ..LatticeBoltzmannConfig::default()
        };
        simulate(&domain, Side::Top, &fluids, &config, 7).expect("the case is stable")
    };
    let (single, double) = (drain(Precision::Single), drain(Precision::Double));
    let frames = single.trajectory.phase.outer_iter().zip(double.trajectory.phase.outer_iter()).skip(1);
    let overlap = |a: ndarray::ArrayView2<bool>, b: ndarray::ArrayView2<bool>| {
        let count = |is: fn(bool, bool) -> bool| a.iter().zip(b).filter(|&(&a, &b)| is(a, b)).count() as f64;
        count(|a, b| a && b) / count(|a, b| a || b).max(1.0)
    };
    let worst = frames.map(|(a, b)| overlap(a, b)).fold(1.0, f64::min);
    let saturations = single.trajectory.saturation().into_iter().zip(double.trajectory.saturation());
    println!(
        "\nf32 against f64, 128 x 64, Ca = 0.01, M = 0.1, until breakthrough ({} and {} steps): intersection over union \
         at least {worst:.4} at every frame, saturation within {:.4}; mass drift {:.1e} and {:.1e}",
        single.steps,
        double.steps,
        saturations.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max),
        single.mass_drift,
        double.mass_drift
    );
}

fn disc_pack(shape: (usize, usize), min_gap: f64) -> Domain {
    let pack = DiscPackConfig { porosity: 0.62, min_gap, grain_radius_std: 1.5, ..DiscPackConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    DomainConfig::DiscPack(pack).generate(shape, 35e-6, Side::Top, &mut rng).expect("the pack fits")
}

/// What the machine can do at most, per second.
#[derive(Clone, Copy)]
struct Limits {
    bytes: f64,
    operations: f64,
}

fn report<T: Real>(shape: (usize, usize), threads: usize, seconds: f64, limits: Limits) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let (pores, updates) = pool.install(|| throughput::<T>(shape, threads, seconds));
    let all = updates * (shape.0 * shape.1) as f64 / pores;
    let bytes = updates * VALUES_PER_UPDATE * T::BYTES as f64 / limits.bytes;
    let operations = updates * OPERATIONS_PER_UPDATE / limits.operations;
    println!(
        "| {} x {} | f{} | {threads} | {:.1} | {:.1} | {bytes:.2} | {operations:.2} |",
        shape.0,
        shape.1,
        8 * T::BYTES,
        updates / 1e6,
        all / 1e6,
    );
}

/// Pore sites, and updates of pore sites per second, in a disc pack of porosity 0.62 a third of which is invaded.
fn throughput<T: Real>(shape: (usize, usize), threads: usize, seconds: f64) -> (f64, f64) {
    let domain = disc_pack(shape, 4.0);
    let invading = Array2::from_shape_fn(shape, |(y, _)| y < shape.0 / 3);
    let ends = Ends::Between { top: End::Velocity(1e-3), bottom: End::Density(0.0) };
    let wettability = Wettability { contact_angle_deg: 45.0, neutral_rows: 0 };
    let fluids = LatticeFluids { viscosity_invading: 1.0 / 60.0, ..LatticeFluids::default() };
    let mut flow =
        TwoPhase::<T>::new(&domain.solid, &invading, ends, wettability, fluids).with_threads(threads);
    let pores = domain.pore_count() as f64;
    let steps = (4e5 / pores).ceil() as usize;
    let mut best = f64::INFINITY;
    let start = Instant::now();
    while start.elapsed().as_secs_f64() < seconds {
        let start = Instant::now();
        (0..steps).for_each(|_| flow.step());
        best = best.min(start.elapsed().as_secs_f64());
    }
    flow.check().expect("the case is stable");
    (pores, pores * steps as f64 / best)
}

/// Bytes per second of the triad a = b + s c on arrays that do not fit the caches, counted as two read and one written.
fn triad(threads: usize) -> f64 {
    const LENGTH: usize = 1 << 24;
    let (mut a, b, c) = (vec![0.0_f32; LENGTH], vec![1.0_f32; LENGTH], vec![2.0_f32; LENGTH]);
    let factor = black_box(3.0_f32);
    let part = LENGTH / threads;
    let seconds = best_of(12, || {
        std::thread::scope(|scope| {
            for ((a, b), c) in a.chunks_mut(part).zip(b.chunks(part)).zip(c.chunks(part)) {
                scope.spawn(move || {
                    for ((a, b), c) in a.iter_mut().zip(b).zip(c) {
                        *a = b + factor * c;
                    }
                });
            }
        });
        black_box(&mut a);
    });
    3.0 * 4.0 * LENGTH as f64 / seconds
}

/// Arithmetic operations per second of fused multiplications and additions on values that stay in registers, with
/// the widest vectors.
fn fused_peak(threads: usize) -> f64 {
    struct Fused;
    impl pulp::WithSimd for Fused {
        type Output = f32;
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, simd: S) -> f32 {
            let (factor, term) = (simd.splat_f32s(black_box(0.999)), simd.splat_f32s(black_box(1e-3)));
            // Enough independent chains to hide how long one operation takes.
            let mut values: [S::f32s; CHAINS] = std::array::from_fn(|k| simd.splat_f32s(k as f32));
            for _ in 0..ROUNDS {
                for value in &mut values {
                    *value = simd.mul_add_f32s(*value, factor, term);
                }
            }
            values.into_iter().map(|value| simd.reduce_sum_f32s(value)).sum()
        }
    }
    struct Lanes;
    impl pulp::WithSimd for Lanes {
        type Output = usize;
        fn with_simd<S: pulp::Simd>(self, _: S) -> usize {
            S::F32_LANES
        }
    }
    const CHAINS: usize = 12;
    const ROUNDS: usize = 1_000_000;
    let seconds = best_of(12, || {
        std::thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| black_box(pulp::Arch::new().dispatch(Fused)));
            }
        });
    });
    2.0 * (threads * CHAINS * ROUNDS * pulp::Arch::new().dispatch(Lanes)) as f64 / seconds
}

fn best_of(times: usize, mut work: impl FnMut()) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..times {
        let start = Instant::now();
        work();
        best = best.min(start.elapsed().as_secs_f64());
    }
    best
}
