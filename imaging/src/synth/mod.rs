//! Synthetic data sets in the on-disk formats of the studies: the same names, sizes, types and folders.
//!
//! What is to be found follows from the image, by brightness, texture and surroundings together, so that a network can
//! learn it and a threshold cannot. The same seed gives the same bytes.

mod dicom_slice;
pub mod mars;
mod noise;
pub mod right_ventricle;
pub mod sea_ice;
pub mod stas;

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::Result;

pub use mars::MarsConfig;
pub use right_ventricle::RightVentricleConfig;
pub use sea_ice::SeaIceConfig;
pub use stas::StasConfig;

/// A study whose format is written, and how much of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Study {
    /// DICOM slices with contours in text files.
    RightVentricle(RightVentricleConfig),
    /// JPEG images with labelme's JSON files.
    Stas(StasConfig),
    /// A NumPy archive.
    Mars(MarsConfig),
    /// TIFF triples.
    SeaIce(SeaIceConfig),
}

impl Study {
    /// Writes a data set into the new folder `path`, which appears when it is whole.
    ///
    /// # Errors
    /// The folder exists already, or cannot be written.
    pub fn write(&self, path: &Path, seed: u64) -> Result<()> {
        match self {
            Self::RightVentricle(config) => right_ventricle::write(path, config, seed),
            Self::Stas(config) => stas::write(path, config, seed),
            Self::Mars(config) => mars::write(path, config, seed),
            Self::SeaIce(config) => sea_ice::write(path, config, seed),
        }
    }
}
