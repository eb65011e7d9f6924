//! Times two-phase steps for `benches/against_taichi.py`.
//!
//!     time_two_phase SOLID.npy THREADS SECONDS
//!
//! The medium (u8, 1 = solid) is closed on all sides and neutrally wetted; the upper third is invaded. Says `ready`, then
//! for each line on the standard input runs for about that many seconds and says the site updates of pores per second.

use std::fs::File;
use std::io::BufRead;
use std::time::Instant;

use ndarray::Array2;
use ndarray_npy::ReadNpyExt;
use porecast_simulations::lattice_boltzmann::{End, Ends, LatticeFluids, TwoPhase, Wettability};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, path, threads, seconds] = &arguments[..] else {
        return Err("usage: time_two_phase SOLID.npy THREADS SECONDS".into());
    };
    let (threads, seconds): (usize, f64) = (threads.parse()?, seconds.parse()?);
    let solid = Array2::<u8>::read_npy(File::open(path)?)?.map(|&solid| solid == 1);
    let height = solid.nrows();
    let invading = Array2::from_shape_fn(solid.dim(), |(y, _)| y < height / 3);
    let ends = Ends::Between { top: End::Wall, bottom: End::Wall };
    let neutral = Wettability { contact_angle_deg: 90.0, neutral_rows: 0 };
    let fluids = LatticeFluids { viscosity_invading: 1.0 / 60.0, ..LatticeFluids::default() };
    let mut flow = TwoPhase::<f32>::new(&solid, &invading, ends, neutral, fluids).with_threads(threads);
    let pores = solid.iter().filter(|&&solid| !solid).count() as f64;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
    pool.install(|| (0..20).for_each(|_| flow.step()));
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line?;
        let begun = Instant::now();
        let mut steps = 0;
        pool.install(|| {
            while begun.elapsed().as_secs_f64() < seconds {
                (0..10).for_each(|_| flow.step());
                steps += 10;
            }
        });
        println!("{}", pores * f64::from(steps) / begun.elapsed().as_secs_f64());
    }
    flow.check()?;
    Ok(())
}
