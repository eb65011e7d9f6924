//! `porecast simulate`: simulates a campaign of domains on all cores and writes a dataset.
//!
//! Each finished domain is written atomically to its own file, `<dataset>.parts/<index>.h5`. When all
//! domains are finished, they are merged into a new file that replaces the dataset atomically, and the
//! parts are removed. A campaign can therefore be killed at any moment: the next run simulates the missing
//! domains. With `--force`, the dataset of another campaign stays until the merged one replaces it. Each domain
//! depends only on the configuration and its index, so interruptions do not change the result. Lattice
//! Boltzmann simulations also save their state to `<dataset>.parts/<identifier>.state` and continue from it bit for
//! bit.

mod domain;
mod images;
mod merge;
mod parts;
mod stored;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rayon::prelude::*;
use sha2::{Digest, Sha256};

use porecast_base::progress::{Progress, say};
use porecast_base::{Error, ErrorKind, Result, Verbosity, atomic, hex, interrupt, memory};
use porecast_store::config::simulate::{SimulateConfig, Simulator};
use porecast_store::invasion::{self, Origin};
use porecast_store::{card, config};

use domain::{Failure, interrupted};
use images::Images;
use parts::{Parts, remove_if_there};

/// Options of `porecast simulate`.
#[derive(Debug, Clone)]
pub struct SimulateOptions {
    /// Campaign configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; an unfinished or smaller dataset of the same campaign is continued.
    pub output: PathBuf,
    /// Simulate only these domains; the output is then a folder of shards.
    pub shard: Option<Shard>,
    /// Seconds between two saved states of a lattice Boltzmann simulation.
    pub checkpoint_seconds: u64,
    /// Changes of configuration values, each `key=value`.
    pub set: Vec<String>,
    /// Replace an existing file that is not a dataset of this campaign.
    pub force: bool,
}

/// Every `count`-th domain of a campaign, starting at domain `index`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    /// The first domain, below `count`.
    pub index: usize,
    /// Number of shards of the campaign.
    pub count: usize,
}

/// Runs `porecast simulate`.
///
/// # Errors
/// The configuration or an image cannot be used, the output exists and is not of this campaign, another
/// process is writing it, a file cannot be written, the run was interrupted, or no domain could be
/// simulated.
pub fn run(options: &SimulateOptions, verbosity: Verbosity) -> Result<()> {
    let config: SimulateConfig = config::load(&options.config, &options.set)?;
    let (target, shard) = match options.shard {
        Some(shard) => (options.output.join(invasion::shard_name(shard.index, shard.count)), shard),
        None => (options.output.clone(), Shard { index: 0, count: 1 }),
    };
    refuse_wrong_kind(&options.output, options.shard.is_some())?;
    let frames = match config.simulator {
        Simulator::Percolation => config.percolation.frames,
        Simulator::LatticeBoltzmann => config.lattice_boltzmann.unwrap_or_default().frames,
    };
    let needed = frames as f64 * (config.height * config.width) as f64;
    memory::require(needed, "frames", "simulate fewer frames or smaller domains")?;
    let images = Images::load(&config, &options.config, verbosity)?;
    let save_interval = Duration::from_secs(options.checkpoint_seconds);
    let campaign = Campaign::new(config, images, save_interval)?;

    let parts = Parts::hold(&target)?;
    if !options.force || campaign.stored_ids(&target, &parts).is_ok() {
        return campaign.complete(&target, &target, parts, shard, verbosity)?.into_result(&target, verbosity);
    }
    // The old dataset stays until the new one is complete; until then the new one has parts of its own.
    let draft = atomic::beside(&target, "new");
    let outcome = campaign.complete(&draft, &target, Parts::hold(&draft)?, shard, verbosity);
    if outcome.as_ref().is_ok_and(|outcome| outcome.stored > 0) || !parts.is_useful() {
        parts.remove()?;
    }
    outcome?.into_result(&target, verbosity)
}

/// Refuses a file as the output of a shard and a folder as the output of a whole campaign.
fn refuse_wrong_kind(output: &Path, is_sharded: bool) -> Result<()> {
    let what = match (is_sharded, output.is_dir(), output.exists()) {
        (true, false, true) => "is a file; with --shard the output is a folder",
        (false, true, _) => "is a folder; without --shard the output is a file",
        _ => return Ok(()),
    };
    Err(Error::config(output.display().to_string(), what))
}

/// Result of a completed campaign.
struct Outcome {
    stored: usize,
    failures: Vec<(usize, Error)>,
}

impl Outcome {
    /// Says which domains failed.
    ///
    /// # Errors
    /// All of them failed.
    fn into_result(self, target: &Path, verbosity: Verbosity) -> Result<()> {
        let Some((index, reason)) = self.failures.first() else { return Ok(()) };
        let failed = format!("{} domains could not be simulated", self.failures.len());
        let first = format!("the first is domain {index}: {reason}");
        if self.stored == 0 {
            let what = format!("{failed}, none could be stored; {first}");
            return Err(Error::new(ErrorKind::Diverged, target.display().to_string(), what));
        }
        say(
            verbosity,
            &format!("note: {failed}, the others are stored; {first}. Raise `draws` to redraw failed ones"),
        );
        Ok(())
    }
}

struct Campaign {
    config: SimulateConfig,
    images: Images,
    /// The simulator and the resolved configuration.
    origin: Origin,
    /// First eight hexadecimal digits of the hash of the campaign, the beginning of its domain identifiers.
    name: String,
    /// Time between two saved states of a lattice Boltzmann simulation.
    save_interval: Duration,
}

impl Campaign {
    fn new(config: SimulateConfig, images: Images, save_interval: Duration) -> Result<Self> {
        let simulator = config.simulator.name().to_owned();
        let origin = Origin { simulator, campaign: config::to_toml(&config)? };
        let identity = config::to_toml(&config.identity())?;
        let name = hex(&Sha256::digest(identity.as_bytes())[..4]);
        Ok(Self { config, images, origin, name, save_interval })
    }

    fn id(&self, index: usize) -> String {
        format!("{}-{index:06}", self.name)
    }

    /// Completes the campaign; its parts remain if a later run can continue from them.
    fn complete(
        &self,
        source: &Path,
        target: &Path,
        parts: Parts,
        shard: Shard,
        verbosity: Verbosity,
    ) -> Result<Outcome> {
        let outcome = self.fill(source, target, &parts, shard, verbosity);
        if outcome.is_ok() || !parts.is_useful() {
            let removed = parts.remove();
            return outcome.and_then(|outcome| removed.map(|()| outcome));
        }
        outcome
    }

    /// Simulates the domains that are missing from `source` and its parts, then merges all into `target`. They differ
    /// while `target` holds something else that is to be replaced.
    fn fill(
        &self,
        source: &Path,
        target: &Path,
        parts: &Parts,
        shard: Shard,
        verbosity: Verbosity,
    ) -> Result<Outcome> {
        let done = match self.stored_ids(source, parts) {
            Ok(ids) => ids,
            Err(_) if source != target => {
                parts.clear()?;
                HashSet::new()
            }
            Err(error) => return Err(error),
        };
        let indices: Vec<usize> = (shard.index..self.config.domains).step_by(shard.count).collect();
        if indices.is_empty() {
            let what = format!("holds none of the {} domains", self.config.domains);
            return Err(Error::config("--shard", what));
        }
        let missing: Vec<usize> = indices.iter().copied().filter(|&i| !done.contains(&self.id(i))).collect();
        if !done.is_empty() {
            let line =
                format!("{}: {} domains are there, {} to go", target.display(), done.len(), missing.len());
            say(verbosity, &line);
        }
        if let Some(before) = self.extended_from(source) {
            let line = format!(
                "note: {} grows from {before} to {} domains. Finished runs are still scored on the domains of their \
                 split; an unfinished training on the {before} domains cannot be resumed",
                target.display(),
                self.config.domains
            );
            say(verbosity, &line);
        }
        let mut failures = self.simulate_all(&missing, parts, done.len(), verbosity)?;
        failures.sort_by_key(|(index, _)| *index);
        let stored = done.len() + missing.len() - failures.len();
        let is_merged = failures.len() == missing.len() && !parts.has_domains();
        if stored > 0 && !(is_merged && card::path(target).exists()) {
            self.merge(source, target, indices.len(), &failures)?;
        }
        if stored > 0 {
            say(verbosity, &format!("{}: {stored} sequences", target.display()));
        }
        Ok(Outcome { stored, failures })
    }

    /// Simulates domains on all cores and writes each to its own part; returns the failed domains.
    fn simulate_all(
        &self,
        indices: &[usize],
        parts: &Parts,
        done: usize,
        verbosity: Verbosity,
    ) -> Result<Vec<(usize, Error)>> {
        interrupt::listen();
        let progress = Progress::new("domains", indices.len() + done, done, verbosity);
        let failures = Mutex::new(Vec::new());
        let written = indices.par_iter().with_max_len(1).try_for_each(|&index| {
            if interrupt::is_requested() {
                return Err(interrupted());
            }
            let id = self.id(index);
            let state = parts.state(&id);
            match self.simulate(index, &state, &progress) {
                Ok(sequence) => {
                    invasion::write_part(&parts.domain(index), &self.origin, id, sequence)?;
                    remove_if_there(&state)?;
                }
                Err(Failure::Campaign(error)) => return Err(error),
                Err(Failure::Domain(reason)) => {
                    remove_if_there(&state)?;
                    let mut failures = failures.lock().unwrap_or_else(PoisonError::into_inner);
                    failures.push((index, reason));
                }
            }
            progress.advance(1, "");
            Ok(())
        });
        progress.finish();
        written?;
        Ok(failures.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}
