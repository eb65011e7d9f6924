//! Creates datasets. [`campaign`] simulates random domains, [`import`] reads published sequences, and
//! [`prepare`] reads the files of a segmentation study ([`synth`] writes synthetic files of these studies).
//! [`inspect`] shows the content of every file that porecast reads or writes.
//!
//! Simulate a campaign of two domains and open its dataset:
//!
//! ```
//! use porecast_base::Verbosity;
//! use porecast_datasets::campaign::{self, SimulateOptions};
//! use porecast_store::InvasionDataset;
//!
//! let folder = tempfile::tempdir()?;
//! let options = SimulateOptions {
//!     config: folder.path().join("campaign.toml"),
//!     output: folder.path().join("dataset.h5"),
//!     shard: None,
//!     checkpoint_seconds: 30,
//!     set: vec!["seed=7".to_owned()],
//!     force: false,
//! };
//! std::fs::write(
//!     &options.config,
//!     r#"
//!     domains = 2
//!     height = 32
//!     width = 24
//!     voxel_size_m = 35e-6
//!     percolation = { frames = 6 }
//!     [[domain]]
//!     generator = { kind = "random-field", porosity = 0.75 }
//!     "#,
//! )?;
//! campaign::run(&options, Verbosity::default())?;
//! let dataset = InvasionDataset::open(&options.output)?;
//! assert_eq!((dataset.len(), dataset.shape()), (2, (6, 32, 24)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod campaign;
pub mod import;
pub mod inspect;
pub mod prepare;
pub mod synth;
