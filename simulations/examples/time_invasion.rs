//! Times one invasion with trapping for every line on standard input; the Rust half of
//! `benches/against_porespy.py`.
//!
//!     time_invasion IMAGE.npy SEQUENCE.npy
//!
//! The image is (height, width) uint8, 1 = solid, with the inlet at the top. The sequence is written once before
//! any timing, int32: rank from 1, -1 never invaded, 0 solid.

use std::io::{BufRead, Write};
use std::time::Instant;

use ndarray::{Array2, Zip};
use porecast_simulations::{Domain, Side, percolation};

fn sequence(domain: &Domain) -> Array2<Option<u32>> {
    percolation::invade(domain, Side::Top)
        .with_trapping(Side::Bottom)
        .invasion_sequence()
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, image, output] = arguments.as_slice() else {
        return Err("usage: time_invasion IMAGE.npy SEQUENCE.npy".into());
    };
    let image: Array2<u8> = ndarray_npy::read_npy(image)?;
    let domain = Domain {
        solid: image.map(|&grey| grey == 1),
        voxel_size_m: 1e-6,
    };
    let ranks = Zip::from(&sequence(&domain))
        .and(&domain.solid)
        .map_collect(|&rank, &solid| match rank {
            Some(rank) => rank as i32,
            None if solid => 0,
            None => -1,
        });
    ndarray_npy::write_npy(output, &ranks)?;
    println!("ready");
    for line in std::io::stdin().lock().lines() {
        line?;
        let start = Instant::now();
        std::hint::black_box(sequence(std::hint::black_box(&domain)));
        println!("{}", start.elapsed().as_secs_f64());
        std::io::stdout().flush()?;
    }
    Ok(())
}
