//! Simulates one domain of a campaign.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::time::Instant;

use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::domain::{Crop, Polarity};
use porecast_simulations::lattice_boltzmann::{self, LatticeBoltzmannConfig, Underway};
use porecast_simulations::{Domain, FluidPair, percolation};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use porecast_base::progress::Progress;
use porecast_base::{Error, ErrorKind, Result, atomic, interrupt};
use porecast_store::Recorded;
use porecast_store::config::simulate::{ImageSource, Simulator};

use super::Campaign;

/// Largest number of crops drawn from an image to find one that percolates.
const MAX_CROPS: usize = 50;

/// Why a domain was not simulated.
pub(super) enum Failure {
    /// The domain cannot be simulated; the campaign continues without it.
    Domain(Error),
    /// The campaign must stop.
    Campaign(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl Campaign {
    /// Simulates a domain, which depends only on the configuration and `index`. A lattice Boltzmann simulation
    /// continues from the state file `state` and updates it, and tells `progress` how far it is.
    pub(super) fn simulate(
        &self,
        index: usize,
        state: &Path,
        progress: &Progress,
    ) -> std::result::Result<Recorded, Failure> {
        let seed = domain_seed(self.config.seed, index);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draws = 1;
        loop {
            let mut watch =
                |underway: &Underway| progress.note(&format!("domain {index}: {}", underway.progress()));
            match self.draw(&mut rng, seed, state, &mut watch) {
                Err(Failure::Domain(error)) if draws < self.config.draws && is_refused(&error) => draws += 1,
                other => return other,
            }
        }
    }

    /// Draws a domain and its fluids, and simulates them.
    fn draw(
        &self,
        rng: &mut ChaCha8Rng,
        seed: u64,
        state: &Path,
        tell: &mut dyn FnMut(&Underway),
    ) -> std::result::Result<Recorded, Failure> {
        let config = &self.config;
        let kind = config.draw_kind(rng);
        let shape = (config.height, config.width);
        let domain = match (kind.draw_generator(rng), &kind.image) {
            (Some(generator), _) => generator.generate(shape, config.voxel_size_m, config.inlet, rng)?,
            (None, Some(source)) => self.crop(source, rng)?,
            (None, None) => unreachable!("a validated kind of domain has a generator or an image"),
        };
        let (fluids, settings) = config.draw_physics(rng);
        match config.simulator {
            Simulator::Percolation => {
                let sequence =
                    percolation::simulate(&domain, config.inlet, &fluids, &config.percolation, seed)?;
                Ok(sequence.into())
            }
            Simulator::LatticeBoltzmann => self.drain(&domain, &fluids, &settings, seed, state, tell),
        }
    }

    /// Simulates dynamic drainage, from the saved state if a usable one exists.
    fn drain(
        &self,
        domain: &Domain,
        fluids: &FluidPair,
        settings: &LatticeBoltzmannConfig,
        seed: u64,
        state: &Path,
        tell: &mut dyn FnMut(&Underway),
    ) -> std::result::Result<Recorded, Failure> {
        let saved = fs::read(state).ok();
        let mut last_save = Instant::now();
        let mut failed = None;
        let mut watch = |underway: &Underway| {
            tell(underway);
            let is_stopping = interrupt::is_requested();
            if !is_stopping && last_save.elapsed() < self.save_interval {
                return ControlFlow::Continue(());
            }
            failed = atomic::write(state, &underway.state()).err();
            last_save = Instant::now();
            if is_stopping || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let inlet = self.config.inlet;
        let mut run = |saved| {
            lattice_boltzmann::simulate_resumable(domain, inlet, fluids, settings, seed, saved, &mut watch)
        };
        let drainage = match run(saved.as_deref()) {
            // A disk can lose confirmed writes: start again.
            Err(error) if error.kind() == ErrorKind::SavedState => run(None),
            other => other,
        };
        match drainage {
            Err(error) if error.kind() == ErrorKind::Interrupted => {
                Err(Failure::Campaign(failed.unwrap_or_else(interrupted)))
            }
            other => Ok(other?.into()),
        }
    }

    /// Draws crops of an image until one percolates.
    fn crop(&self, source: &ImageSource, rng: &mut ChaCha8Rng) -> Result<Domain> {
        let grey = self.images.get(source);
        let (config, side) = (&self.config, source.segmentation.downscale);
        let mut porosities = Vec::new();
        for _ in 0..MAX_CROPS {
            let crop = Crop::random(grey.dim(), (config.height * side, config.width * side), rng)?;
            let mut domain = source.segmentation.domain(crop.of(grey.view())?, config.voxel_size_m)?;
            // The configured voxel size already applies to the downscaled image.
            domain.voxel_size_m = config.voxel_size_m;
            if percolates(&domain, config.inlet) {
                return Ok(domain);
            }
            porosities.push(domain.porosity());
        }
        let low = porosities.iter().copied().fold(1.0, f64::min);
        let high = porosities.iter().copied().fold(0.0, f64::max);
        let pores = match source.segmentation.polarity {
            Polarity::PoreBright => "bright",
            Polarity::PoreDark => "dark",
        };
        Err(Error::simulation(format!(
            "{MAX_CROPS} crops of {} have no path from the {} edge to the {} edge: {pores} pixels are pore, porosity {low:.2} \
             to {high:.2}; check segmentation.polarity and segmentation.threshold",
            source.path.display(),
            config.inlet,
            config.inlet.opposite()
        )))
    }
}

/// Whether a domain was refused before its first time step.
fn is_refused(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Config | ErrorKind::Simulation)
}

/// Seed of a domain: a stream of its own for each index of the campaign's generator.
fn domain_seed(campaign_seed: u64, index: usize) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(campaign_seed);
    rng.set_stream(index as u64);
    rng.next_u64()
}

/// Error for a campaign that the user stopped.
pub(super) fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "stopped",
        "what is finished is kept; run the same command again to go on",
    )
}
