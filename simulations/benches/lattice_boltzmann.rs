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
use porecast_simulations::lattice_boltzmann::{End, Ends, LatticeFluids, Real, TwoPhase, Wettability};
use porecast_simulations::{DomainConfig, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Numbers that one update of one site has to move at the least: nine populations read and written, and C.
const VALUES_PER_UPDATE: f64 = 20.0;
/// Arithmetic operations of one update of one site, counted roughly in the source: collision 175, recolouring 80,
/// gradients and normal 75. The curvature, about 50, is left out: it is computed at the interface only.
const OPERATIONS_PER_UPDATE: f64 = 330.0;

fn main() {
    let seconds = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(3.0);
    let bandwidth = memory_bandwidth();
    let peak = arithmetic_peak();
    println!("machine, one core: copy {bandwidth:.1} GB/s, f32 multiply and add {peak:.1} GFLOP/s");
    println!(
        "height x width | precision | threads | pore MLUPS | MLUPS of all sites | share of bandwidth | \
         share of arithmetic"
    );
    for shape in [(256, 64), (512, 128), (512, 512)] {
        for threads in [1, 2] {
            report::<f32>(shape, threads, seconds, bandwidth, peak);
        }
        report::<f64>(shape, 1, seconds, bandwidth, f64::NAN);
    }
}

fn report<T: Real>(shape: (usize, usize), threads: usize, seconds: f64, bandwidth: f64, peak: f64) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads can be started");
    let (pores, updates) = pool.install(|| throughput::<T>(shape, threads, seconds));
    let all = updates * (shape.0 * shape.1) as f64 / pores;
    let bytes = updates * VALUES_PER_UPDATE * T::BYTES as f64 / 1e9 / bandwidth / threads as f64;
    let operations = updates * OPERATIONS_PER_UPDATE / 1e9 / peak / threads as f64;
    println!(
        "{} x {} | f{} | {threads} | {:.1} | {:.1} | {bytes:.2} | {operations:.2}",
        shape.0,
        shape.1,
        8 * T::BYTES,
        updates / 1e6,
        all / 1e6,
    );
}

/// Pore sites, and updates of pore sites per second, in a disc pack of porosity 0.6 a third of which is invaded.
fn throughput<T: Real>(shape: (usize, usize), threads: usize, seconds: f64) -> (f64, f64) {
    let pack = DiscPackConfig { porosity: 0.6, min_gap: 4.0, ..DiscPackConfig::default() };
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let domain =
        DomainConfig::DiscPack(pack).generate(shape, 35e-6, Side::Top, &mut rng).expect("the pack fits");
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

/// Bytes read and written per second when copying arrays that do not fit the caches near the core, in GB/s.
fn memory_bandwidth() -> f64 {
    let from = vec![1.0_f32; 1 << 24];
    let mut to = vec![0.0_f32; 1 << 24];
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        to.copy_from_slice(black_box(&from));
        black_box(&mut to);
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * 4.0 * from.len() as f64 / best / 1e9
}

/// Multiplications and additions, one after the other as the solver does them, on values that stay in registers,
/// in GFLOP/s.
fn arithmetic_peak() -> f64 {
    struct Peak;
    impl pulp::WithSimd for Peak {
        type Output = [f32; 256];
        #[inline(always)]
        fn with_simd<S: pulp::Simd>(self, _: S) -> [f32; 256] {
            let mut values = [1.0_f32; 256];
            let (factor, term) = (black_box(0.999_f32), black_box(1e-3_f32));
            for _ in 0..100_000 {
                for value in &mut values {
                    *value = *value * factor + term;
                }
            }
            values
        }
    }
    let mut best = f64::INFINITY;
    for _ in 0..20 {
        let start = Instant::now();
        black_box(pulp::Arch::new().dispatch(Peak));
        best = best.min(start.elapsed().as_secs_f64());
    }
    2.0 * 256.0 * 100_000.0 / best / 1e9
}
