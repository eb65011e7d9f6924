//! What several tests need: small datasets and the program.
#![allow(dead_code, reason = "each test binary uses a part")]

use std::path::Path;

use assert_cmd::Command;
use porecast::store::invasion::{self, Origin};
use porecast_simulations::percolation::{self, PercolationConfig};
use porecast_simulations::{DomainConfig, FluidPair, Side};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// The program under test.
pub fn porecast() -> Command {
    Command::cargo_bin("porecast").expect("the program is built")
}

/// Writes a percolation dataset of disc packs.
pub fn dataset(path: &Path, domains: u64, shape: (usize, usize), frames: usize) {
    let config: DomainConfig =
        toml::from_str("kind='disc-pack'\nporosity=0.7\ngrain_radius=3.0\ngrain_radius_std=0.5")
            .expect("a valid generator");
    let origin = Origin { simulator: "percolation".into(), campaign: String::new() };
    let sequences = (0..domains).map(|index| {
        let mut generator = ChaCha8Rng::seed_from_u64(index);
        let domain = config.generate(shape, 1e-5, Side::Top, &mut generator).expect("a domain");
        let percolation = PercolationConfig { frames, ..PercolationConfig::default() };
        let trajectory =
            percolation::simulate(&domain, Side::Top, &FluidPair::default(), &percolation, index)
                .expect("simulated");
        Ok((format!("domain-{index:04}"), trajectory))
    });
    invasion::write(path, &origin, sequences).expect("written");
}
