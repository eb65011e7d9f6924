//! `porecast simulate`: a campaign of domains, simulated on all cores into a dataset.
//!
//! Every finished domain is at once a small file of its own, `<dataset>.parts/<index>.h5`, written atomically. When
//! all are there they are merged into the dataset, which takes its place in one step, and the parts are removed.
//! So a campaign can be killed at any moment: the next run simulates what is missing. A domain depends on the
//! campaign's seed and its own index alone, so the result is the same however often it was interrupted. Long
//! simulations also save their state, `<dataset>.parts/<identifier>.state`, and go on from it bit for bit.

use std::collections::HashSet;
use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use ndarray::Array2;
use porecast_simulations::domain::Crop;
use porecast_simulations::domain::connectivity::{no_path, percolates};
use porecast_simulations::lattice_boltzmann::{self, LatticeBoltzmannConfig, Underway};
use porecast_simulations::{Domain, percolation};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use porecast_base::Verbosity;
use porecast_base::atomic;
use porecast_base::interrupt;
use porecast_base::progress::{Progress, say};
use porecast_base::{Error, ErrorKind, Result, hex};
use porecast_store::config::simulate::{ImageSource, SimulateConfig, Simulator};
use porecast_store::config::{self, parse};
use porecast_store::invasion::{self, InvasionDataset, Origin, parts_folder};
use porecast_store::{Recorded, card, image};

/// Domains that failed of which the card tells the reason.
const MAX_REASONS: usize = 20;
/// How often a crop of an image that does not percolate is drawn anew.
const MAX_CROPS: usize = 50;

/// What `porecast simulate` is asked.
#[derive(Debug, Clone)]
pub struct SimulateOptions {
    /// Campaign configuration (TOML).
    pub config: PathBuf,
    /// Dataset to write; an unfinished or smaller one of the same campaign is continued.
    pub output: PathBuf,
    /// Simulate only every n-th domain, beginning with the i-th: `i/n`; the output is then a folder of shards.
    pub shard: Option<String>,
    /// Seconds between two saved states of a long lattice Boltzmann simulation.
    pub checkpoint_seconds: u64,
    /// Change a configuration value; may be repeated.
    pub set: Vec<String>,
    /// Replace an existing dataset of another campaign.
    pub force: bool,
}

/// Runs `porecast simulate`.
///
/// # Errors
/// The configuration or an image cannot be used, another campaign's dataset is at the output, a file cannot be
/// written, the run was interrupted, or some domains could not be simulated (the others are in the dataset).
pub fn run(args: &SimulateOptions, verbosity: Verbosity) -> Result<()> {
    let config: SimulateConfig = config::load(&args.config, &args.set)?;
    let shard = args.shard.as_deref().map(parse_shard).transpose()?;
    let (target, shard) = match shard {
        Some((index, count)) => (args.output.join(invasion::shard_name(index, count)), (index, count)),
        None => (args.output.clone(), (0, 1)),
    };
    refuse_wrong_kind(&args.output, args.shard.is_some())?;
    let images = Images::load(&config, &args.config)?;
    let save_interval = Duration::from_secs(args.checkpoint_seconds);
    let campaign = Campaign::new(config, images, save_interval)?;

    let parts = parts_folder(&target);
    fs::create_dir_all(&parts).map_err(|e| Error::output(&parts, e))?;
    let lock = lock(&parts, &target)?;
    let outcome = campaign.fill(&target, &parts, shard, args.force, verbosity);
    // Without a part or a state there is nothing to go on from, and an empty folder would only puzzle.
    if outcome.is_ok() || !(has_parts(&parts) || has_states(&parts)) {
        let removed = fs::remove_dir_all(&parts).map_err(|e| Error::output(&parts, e));
        drop(lock);
        return outcome.and_then(|outcome| removed.and(outcome.into_result(&target)));
    }
    outcome.map(drop)
}

/// What became of a campaign that ran to its end.
struct Outcome {
    stored: usize,
    failures: Vec<(usize, Error)>,
}

impl Outcome {
    /// Domains that could not be simulated make the command fail, after all others have been stored.
    fn into_result(self, target: &Path) -> Result<()> {
        let Some((index, reason)) = self.failures.first() else { return Ok(()) };
        let kept = if self.stored == 0 { "none is left to store" } else { "the others are stored" };
        Err(Error::new(
            ErrorKind::Diverged,
            target.display().to_string(),
            format!(
                "{} domains could not be simulated, {kept}; the first is domain {index}: {reason}",
                self.failures.len()
            ),
        ))
    }
}

struct Campaign {
    config: SimulateConfig,
    images: Images,
    /// The resolved configuration.
    text: String,
    /// Eight hexadecimal digits that tell this campaign from others; identifiers begin with them.
    name: String,
    /// Time between two states that a long simulation saves.
    save_interval: Duration,
}

/// Why a domain was not simulated.
enum Failure {
    /// It cannot be: the campaign goes on without it.
    Domain(Error),
    /// The campaign has to stop.
    Campaign(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Domain(error)
    }
}

impl Campaign {
    fn new(config: SimulateConfig, images: Images, save_interval: Duration) -> Result<Self> {
        let text = config::to_toml(&config)?;
        let identity = config::to_toml(&config.identity())?;
        let name = hex(&Sha256::digest(identity.as_bytes())[..4]);
        Ok(Self { config, images, text, name, save_interval })
    }

    fn id(&self, index: usize) -> String {
        format!("{}-{index:06}", self.name)
    }

    fn origin(&self) -> Origin {
        Origin { simulator: self.config.simulator.name().to_owned(), campaign: self.text.clone() }
    }

    /// Simulates what is missing from `target` and its parts, then merges them.
    fn fill(
        &self,
        target: &Path,
        parts: &Path,
        (first, step): (usize, usize),
        is_forced: bool,
        verbosity: Verbosity,
    ) -> Result<Outcome> {
        let done = match self.stored_ids(target, parts) {
            Ok(ids) => ids,
            Err(_) if is_forced => {
                clear(target, parts)?;
                HashSet::new()
            }
            Err(error) => return Err(error),
        };
        let indices: Vec<usize> = (first..self.config.domains).step_by(step).collect();
        if indices.is_empty() {
            return Err(Error::config(
                "--shard",
                format!("holds none of the {} domains", self.config.domains),
            ));
        }
        let missing: Vec<usize> = indices.iter().copied().filter(|&i| !done.contains(&self.id(i))).collect();
        if !done.is_empty() {
            let line =
                format!("{}: {} domains are there, {} to go", target.display(), done.len(), missing.len());
            say(verbosity, &line);
        }
        let mut failures = self.simulate_all(&missing, parts, done.len(), verbosity)?;
        failures.sort_by_key(|(index, _)| *index);
        let stored = done.len() + missing.len() - failures.len();
        let is_merged = failures.len() == missing.len() && !has_parts(parts);
        if stored > 0 && !(is_merged && card::path(target).exists()) {
            self.merge(target, parts, indices.len(), &failures)?;
        }
        if stored > 0 {
            say(verbosity, &format!("{}: {stored} sequences", target.display()));
        }
        Ok(Outcome { stored, failures })
    }

    /// Identifiers of the domains that are stored already, all of this campaign.
    fn stored_ids(&self, target: &Path, parts: &Path) -> Result<HashSet<String>> {
        remove_unreadable(parts)?;
        if !target.exists() && !has_parts(parts) {
            return Ok(HashSet::new());
        }
        let refuse = |what: String| {
            Error::new(
                ErrorKind::Exists,
                target.display().to_string(),
                format!("{what}; choose another output or pass --force to replace it"),
            )
        };
        let dataset =
            InvasionDataset::open(target).map_err(|e| refuse(format!("exists already, but {e}")))?;
        for origin in dataset.origins() {
            let stored: SimulateConfig = parse("", &origin.campaign, &[])
                .map_err(|_| refuse("exists already and is not of a campaign".to_owned()))?;
            if stored.identity() != self.config.identity() {
                let key = first_difference(&stored, &self.config).unwrap_or_default();
                return Err(refuse(format!("holds another campaign ({key} differs)")));
            }
        }
        Ok(dataset.domain_ids().iter().cloned().collect())
    }

    /// Simulates domains on all cores, each into a part of its own; returns those that could not be.
    fn simulate_all(
        &self,
        indices: &[usize],
        parts: &Path,
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
            let state = parts.join(format!("{}.state", self.id(index)));
            match self.simulate(index, &state) {
                Ok(sequence) => {
                    let part = parts.join(format!("{index:06}.h5"));
                    let one = std::iter::once(Ok((self.id(index), sequence)));
                    invasion::write(&part, &self.origin(), one)?;
                    remove_if_there(&state)?;
                }
                Err(Failure::Campaign(error)) => return Err(error),
                Err(Failure::Domain(reason)) => {
                    remove_if_there(&state)?;
                    let mut failures = failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    failures.push((index, reason));
                }
            }
            progress.advance(1, "");
            Ok(())
        });
        progress.finish();
        written?;
        Ok(failures.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// One domain, from its index alone. A long simulation goes on from `state` and keeps it up to date.
    fn simulate(&self, index: usize, state: &Path) -> std::result::Result<Recorded, Failure> {
        let seed = domain_seed(self.config.seed, index);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let config = &self.config;
        let kind = config.draw_kind(&mut rng);
        let shape = (config.height, config.width);
        let domain = match (kind.draw_generator(&mut rng), &kind.image) {
            (Some(generator), _) => generator.generate(shape, config.voxel_size_m, config.inlet, &mut rng)?,
            (None, Some(source)) => self.crop(source, &mut rng)?,
            (None, None) => unreachable!("a validated kind of domain has a generator or an image"),
        };
        match config.simulator {
            Simulator::Percolation => {
                let sequence =
                    percolation::simulate(&domain, config.inlet, &config.fluids, &config.percolation, seed)?;
                Ok(sequence.into())
            }
            Simulator::LatticeBoltzmann => {
                let settings = config.draw_lattice_boltzmann(&mut rng);
                self.drain(&domain, &settings, seed, state)
            }
        }
    }

    /// Dynamic drainage from the saved state on, if there is one that can be used.
    fn drain(
        &self,
        domain: &Domain,
        settings: &LatticeBoltzmannConfig,
        seed: u64,
        state: &Path,
    ) -> std::result::Result<Recorded, Failure> {
        let saved = fs::read(state).ok();
        let mut last_save = Instant::now();
        let mut failed = None;
        let mut watch = |underway: &Underway| {
            let is_stopping = interrupt::is_requested();
            if !is_stopping && last_save.elapsed() < self.save_interval {
                return ControlFlow::Continue(());
            }
            failed = atomic::write(state, &underway.state()).err();
            last_save = Instant::now();
            if is_stopping || failed.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let (inlet, fluids) = (self.config.inlet, &self.config.fluids);
        let mut run = |saved| {
            lattice_boltzmann::simulate_resumable(domain, inlet, fluids, settings, seed, saved, &mut watch)
        };
        let drainage = match run(saved.as_deref()) {
            // A disk can lose what it confirmed: the domain is simulated from its beginning.
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

    /// A part of an image that percolates.
    fn crop(&self, source: &ImageSource, rng: &mut ChaCha8Rng) -> Result<Domain> {
        let grey = self.images.get(source);
        let (config, side) = (&self.config, source.segmentation.downscale);
        for _ in 0..MAX_CROPS {
            let crop = Crop::random(grey.dim(), (config.height * side, config.width * side), rng)?;
            let mut domain = source.segmentation.domain(crop.of(grey.view())?, config.voxel_size_m)?;
            // The campaign states the edge of a pixel after averaging.
            domain.voxel_size_m = config.voxel_size_m;
            if percolates(&domain, config.inlet) {
                return Ok(domain);
            }
        }
        Err(no_path(config.inlet))
    }

    /// Writes all stored and finished domains, in the order of the campaign, in place of `target`.
    fn merge(&self, target: &Path, parts: &Path, asked: usize, failures: &[(usize, Error)]) -> Result<()> {
        let dataset = InvasionDataset::open(target)?;
        let mut order: Vec<usize> = (0..dataset.len()).collect();
        order.sort_by_key(|&row| &dataset.domain_ids()[row]);
        let sequences = order.into_iter().map(|row| {
            let id = dataset.domain_ids()[row].clone();
            dataset.recorded(row).map(|sequence| (id, sequence))
        });
        let merged = parts.join("merged");
        invasion::write(&merged, &self.origin(), sequences)?;
        fs::rename(&merged, target).map_err(|e| Error::output(target, e))?;
        let folder = target.parent().filter(|f| !f.as_os_str().is_empty()).unwrap_or(Path::new("."));
        File::open(folder).and_then(|f| f.sync_all()).map_err(|e| Error::output(folder, e))?;
        card::write(&InvasionDataset::open(target)?, &self.failures_text(asked, failures))
    }

    /// What the card says of domains that could not be simulated, of those asked for.
    fn failures_text(&self, asked: usize, failures: &[(usize, Error)]) -> String {
        if failures.is_empty() {
            return format!("None of the {asked} domains failed.");
        }
        let mut text = format!(
            "## Domains that failed\n\n{} of {asked} domains ({:.1} %) could not be simulated and are not in the \
             dataset.\n\n| domain | reason |\n|---|---|\n",
            failures.len(),
            100.0 * failures.len() as f64 / asked as f64
        );
        for (index, reason) in failures.iter().take(MAX_REASONS) {
            text.push_str(&format!("| {} | {reason} |\n", self.id(*index)));
        }
        if failures.len() > MAX_REASONS {
            text.push_str(&format!("| {} more | |\n", failures.len() - MAX_REASONS));
        }
        text
    }
}

fn interrupted() -> Error {
    Error::new(
        ErrorKind::Interrupted,
        "stopped",
        "what is finished is kept; run the same command again to go on",
    )
}

/// The pictures that domains are cropped from, read once.
struct Images(Vec<(ImageSource, Array2<f32>)>);

impl Images {
    fn load(config: &SimulateConfig, config_path: &Path) -> Result<Self> {
        let folder = config_path.parent().unwrap_or(Path::new(""));
        let mut images = Vec::new();
        for (index, kind) in config.domain.iter().enumerate() {
            let Some(source) = &kind.image else { continue };
            let path = folder.join(&source.path);
            let grey = match source.raw {
                Some(raw) => image::read_raw(&path, raw.height, raw.width, raw.slice)?,
                None => image::read_grey(&path)?,
            };
            let side = source.segmentation.downscale;
            let (height, width) = grey.dim();
            if height < config.height * side || width < config.width * side {
                return Err(Error::input(
                    &path,
                    format!(
                        "has {height} x {width} pixels, domain[{index}].image needs at least {} x {} (height x width)",
                        config.height * side,
                        config.width * side
                    ),
                ));
            }
            images.push((source.clone(), grey));
        }
        Ok(Self(images))
    }

    fn get(&self, source: &ImageSource) -> &Array2<f32> {
        let found = self.0.iter().find(|(read, _)| read == source);
        &found.expect("every image of the configuration was read").1
    }
}

/// Seed of a domain: a stream of its own for each index of the campaign's generator.
fn domain_seed(campaign_seed: u64, index: usize) -> u64 {
    let mut rng = ChaCha8Rng::seed_from_u64(campaign_seed);
    rng.set_stream(index as u64);
    rng.next_u64()
}

fn parse_shard(text: &str) -> Result<(usize, usize)> {
    let parsed = text.split_once('/').and_then(|(i, n)| Some((i.parse().ok()?, n.parse().ok()?)));
    match parsed {
        Some((index, count)) if index < count => Ok((index, count)),
        _ => Err(Error::config(format!("--shard {text}"), "expected i/n with i from 0 to n - 1")),
    }
}

/// A folder of shards cannot take the place of a single file, nor the other way round.
fn refuse_wrong_kind(output: &Path, is_sharded: bool) -> Result<()> {
    let what = match (is_sharded, output.is_dir(), output.exists()) {
        (true, false, true) => "is a file; with --shard the output is a folder",
        (false, true, _) => "is a folder; without --shard the output is a file",
        _ => return Ok(()),
    };
    Err(Error::config(output.display().to_string(), what))
}

/// Keeps a second process from the same dataset; the lock ends with the process, however it ends.
fn lock(parts: &Path, target: &Path) -> Result<File> {
    let path = parts.join("lock");
    let file = File::create(&path).map_err(|e| Error::output(&path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(Error::new(
            ErrorKind::Exists,
            target.display().to_string(),
            "is being written by another porecast; wait for it or choose another output",
        )),
        Err(fs::TryLockError::Error(e)) => Err(Error::output(&path, e)),
    }
}

fn has_parts(parts: &Path) -> bool {
    files_of_kind(parts, "h5").is_ok_and(|files| !files.is_empty())
}

fn has_states(parts: &Path) -> bool {
    files_of_kind(parts, "state").is_ok_and(|files| !files.is_empty())
}

/// The files of a folder with this extension.
fn files_of_kind(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|e| Error::output(folder, e))? {
        let path = entry.map_err(|e| Error::output(folder, e))?.path();
        if path.extension().is_some_and(|e| e == extension) {
            files.push(path);
        }
    }
    Ok(files)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::output(path, e)),
        _ => Ok(()),
    }
}

/// Removes parts that cannot be read (a disk can lose what it confirmed): they are simulated again.
fn remove_unreadable(parts: &Path) -> Result<()> {
    for path in files_of_kind(parts, "h5")? {
        if InvasionDataset::open(&path).and_then(|part| part.sequence(0)).is_err() {
            fs::remove_file(&path).map_err(|e| Error::output(&path, e))?;
        }
    }
    Ok(())
}

/// Removes another campaign's dataset, parts and states.
fn clear(target: &Path, parts: &Path) -> Result<()> {
    remove_if_there(target)?;
    let (domains, states) = (files_of_kind(parts, "h5")?, files_of_kind(parts, "state")?);
    domains.iter().chain(&states).try_for_each(|path| remove_if_there(path))
}

/// The first key in which two campaigns differ.
fn first_difference(a: &SimulateConfig, b: &SimulateConfig) -> Option<String> {
    let (a, b) = (toml::Table::try_from(a.identity()).ok()?, toml::Table::try_from(b.identity()).ok()?);
    a.keys().chain(b.keys()).find(|key| a.get(*key) != b.get(*key)).cloned()
}
