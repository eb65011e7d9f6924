//! Invasion datasets, HDF5 schema version 1: one file, or a folder of shards.

use std::path::{Path, PathBuf};

use porecast_simulations::{Parameters, Side, TimeUnit, Trajectory};

use crate::error::Result;

/// A dataset opened for reading. Sequences are read one at a time.
#[derive(Debug, Clone)]
pub struct InvasionDataset {
    path: PathBuf,
}

impl InvasionDataset {
    /// Opens a dataset: a file, or a folder of shards.
    ///
    /// # Errors
    /// The file is missing, truncated, of another format or version, or its parts do not fit together.
    pub fn open(path: &Path) -> Result<Self> {
        Ok(Self { path: path.to_owned() })
    }

    /// Where it was opened.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Identifiers of the domains, in stored order.
    pub fn domain_ids(&self) -> &[String] {
        todo!()
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.domain_ids().len()
    }

    /// Whether there is no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames, height and width of every sequence.
    pub fn shape(&self) -> (usize, usize, usize) {
        todo!()
    }

    /// Edge where the invading fluid enters.
    pub fn inlet(&self) -> Side {
        todo!()
    }

    /// Unit of the times.
    pub fn time_unit(&self) -> TimeUnit {
        todo!()
    }

    /// Edge length of a pixel in metres.
    pub fn voxel_size_m(&self) -> f64 {
        todo!()
    }

    /// What sequence `index` was made with, read without its frames.
    pub fn parameters(&self, _index: usize) -> Result<Parameters> {
        todo!()
    }

    /// Reads sequence `index`.
    ///
    /// # Errors
    /// The file cannot be read or holds values outside 0 and 1.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn sequence(&self, _index: usize) -> Result<Trajectory> {
        todo!()
    }

    /// Hexadecimal SHA-256 of everything a network can learn from: identifiers, geometry, times and frames.
    pub fn fingerprint(&self) -> Result<String> {
        todo!()
    }
}
