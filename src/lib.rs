//! porecast predicts how an invading fluid fills a porous medium: geometry in, the whole invasion sequence out. It also
//! segments static images with the same networks. The program `porecast` calls this library.
//!
//! # From a solid array to frames
//!
//! A run is the output folder of a training. [`Predictor`] loads its networks and predicts arrays in
//! memory. This example simulates six small domains, trains a small network for one epoch and predicts
//! another domain:
//!
//! ```
//! use porecast::simulate::{self, SimulateOptions};
//! use porecast::train::{self, TrainOptions};
//! use porecast::{Domain, Physics, Predictor, Side, Verbosity};
//!
//! let folder = tempfile::tempdir()?;
//! let path = |name: &str| folder.path().join(name);
//! let quiet = Verbosity { quiet: true, verbose: false };
//!
//! let campaign = "
//!     domains = 6
//!     height = 32
//!     width = 32
//!     voxel_size_m = 35e-6
//!     percolation = { frames = 5 }
//!     domain = [{ generator = { kind = 'disc-pack', porosity = 0.7, grain_radius = 2.5, min_gap = 1.0 } }]
//! ";
//! std::fs::write(path("simulate.toml"), campaign)?;
//! simulate::run(
//!     &SimulateOptions {
//!         config: path("simulate.toml"),
//!         output: path("data.h5"),
//!         shard: None,
//!         checkpoint_seconds: 600,
//!         set: vec![],
//!         force: false,
//!     },
//!     quiet,
//! )?;
//!
//! let training = format!(
//!     "name = 'small'
//!     dataset = {:?}
//!     model.unet = {{ base_channels = 4, levels = 2 }}
//!     loss.cross_entropy = 1.0
//!     training = {{ epochs = 1, batch_size = 4 }}",
//!     path("data.h5")
//! );
//! std::fs::write(path("train.toml"), training)?;
//! train::run(
//!     &TrainOptions {
//!         config: path("train.toml"),
//!         output: Some(path("run")),
//!         device: "cpu".into(),
//!         set: vec![],
//!         fold: None,
//!         init: None,
//!         if_exists: porecast::train::IfExists::Refuse,
//!     },
//!     quiet,
//! )?;
//!
//! let solid = ndarray::Array2::from_shape_fn((48, 24), |(y, x)| y % 8 < 3 && (x + y / 8) % 8 < 3);
//! let domain = Domain { solid, voxel_size_m: 35e-6 };
//! let predictor = Predictor::open(&path("run"))?;
//! let times = predictor.times();
//! let frames = predictor.frames(&domain, Side::Top, &Physics::default(), &times)?; // probability of the invading phase [time, y, x]
//! assert_eq!(frames.dim(), (5, 48, 24));
//! assert!(frames.iter().all(|p| (0.0..=1.0).contains(p)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Simulate a domain and score a prediction
//!
//! ```
//! use porecast::base::seed;
//! use porecast::metric::SquaredError;
//! use porecast::simulations::percolation::{self, PercolationConfig};
//! use porecast::{DomainConfig, FluidPair, Side};
//!
//! let grains: DomainConfig = toml::from_str("kind = 'disc-pack'\nporosity = 0.7\ngrain_radius = 3.0")?;
//! let domain = grains.generate((64, 32), 35e-6, Side::Top, &mut seed::generator(1, "domain", 0))?;
//! let config = PercolationConfig { frames: 5, ..PercolationConfig::default() };
//! let sequence = percolation::simulate(&domain, Side::Top, &FluidPair::default(), &config, 1)?;
//!
//! // Prediction: a flat front that advances with the true saturation.
//! let pore = domain.pore_space();
//! for (truth, saturation) in sequence.phase.outer_iter().zip(sequence.saturation()) {
//!     let filled = |(y, x): (usize, usize)| pore[(y, x)] && (y as f64) < saturation * 64.0;
//!     let probability = ndarray::Array2::from_shape_fn((64, 32), |place| f32::from(u8::from(filled(place))));
//!     let mse = SquaredError::sum(probability.view(), truth, pore.view()).mean().expect("there is pore space");
//!     assert!((0.0..0.5).contains(&mse));
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! In the order of the pipeline; each crate is also a module here.
//!
//! | module | what it does |
//! |---|---|
//! | [`base`] | errors, checks, atomic files, seeds, progress, interruption |
//! | [`simulations`] | porous domains; percolation and lattice Boltzmann |
//! | [`imaging`] | annotated images: formats, augmentation, morphology, measures |
//! | [`store`] | configuration and every file format |
//! | [`datasets`] | [`simulate`], [`import`], [`synth`], [`prepare`] and [`inspect`] datasets |
//! | [`learning`] | [`train`] networks, [`search`] for settings, [`predict`] |
//! | [`scoring`] | [`metric`]s of arrays; [`evaluate`] and [`report`] on files |
//! | [`program`] | the command line |

mod cli;
mod commands;
pub mod program;
mod version;

pub use porecast_base as base;
pub use porecast_datasets as datasets;
pub use porecast_imaging as imaging;
pub use porecast_learning as learning;
pub use porecast_scoring as scoring;
pub use porecast_simulations as simulations;
pub use porecast_store as store;

pub use porecast_base::{Error, ErrorKind, Result, Verbosity};
pub use porecast_simulations::{Domain, DomainConfig, FluidPair, Side, TimeUnit, Trajectory};
pub use porecast_store::{InvasionDataset, Physics, PredictionFile, RunFolder, SegmentationDataset};

pub use porecast_datasets::{campaign as simulate, import, inspect, prepare, synth};
pub use porecast_learning::{Device, MaskPredictor, Predictor, predict, search, train};
pub use porecast_scoring::{evaluate, metric, report};
