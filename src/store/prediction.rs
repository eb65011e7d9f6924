//! Predicted sequences: `predictions.h5`.
//!
//! ```text
//! attrs  format="porecast-predictions" version=1 source time_unit inlet voxel_size_m
//! /domain_id    (N)           string
//! /solid        (N, H, W)     u8
//! /time         (N, T)        f64
//! /probability  (N, T, H, W)  f32   probability that the invading phase is there; 0 in solid
//! ```

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3};
use porecast_simulations::{Side, TimeUnit};

use crate::error::Result;

/// A predicted sequence of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Identifier of the domain.
    pub domain_id: String,
    /// Solid mask `[y, x]`.
    pub solid: Array2<bool>,
    /// Time of each frame.
    pub times: Vec<f64>,
    /// Probability of the invading phase `[time, y, x]`; 0 in solid.
    pub probability: Array3<f32>,
}

/// What all predictions of a file share.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionHeader {
    /// Who predicted: the name of a run, a baseline or another program.
    pub source: String,
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    pub voxel_size_m: f64,
}

/// Writes `predictions` (all of one shape `[T, H, W]`) to `path` atomically, holding one at a time.
///
/// # Errors
/// The first error of the iterator, shapes that differ, or an output error naming `path`.
pub fn write(
    _path: &Path,
    _header: &PredictionHeader,
    _predictions: impl Iterator<Item = Result<Prediction>>,
) -> Result<()> {
    todo!()
}

/// A predictions file opened for reading.
#[derive(Debug, Clone)]
pub struct PredictionFile {
    path: PathBuf,
}

impl PredictionFile {
    /// Opens a predictions file.
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

    /// What all predictions share.
    pub fn header(&self) -> &PredictionHeader {
        todo!()
    }

    /// Identifiers of the domains, in stored order.
    pub fn domain_ids(&self) -> &[String] {
        todo!()
    }

    /// Reads prediction `index`.
    pub fn prediction(&self, _index: usize) -> Result<Prediction> {
        todo!()
    }
}
