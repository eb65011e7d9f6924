//! Synthetic data sets in the on-disk formats of the studies: same names, sizes, types and folders.
//!
//! The target follows from brightness, texture and surroundings together, so that a network can learn it but
//! a threshold cannot find it. The same seed gives the same bytes.

mod dicom_slice;
pub mod mars;
mod noise;
pub mod right_ventricle;
pub mod sea_ice;
pub mod stas;
mod validate;

use std::path::Path;

use serde::{Deserialize, Serialize};

use porecast_base::{Error, Result};

pub use mars::MarsConfig;
pub use right_ventricle::RightVentricleConfig;
pub use sea_ice::SeaIceConfig;
pub use stas::StasConfig;

/// Called before each image; an error stops the writing.
type GoOn<'a> = &'a dyn Fn() -> Result<()>;

/// A study whose format is written, and the size of the data set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Study {
    /// DICOM slices with contours in text files.
    RightVentricle(RightVentricleConfig),
    /// JPEG images with labelme JSON files.
    Stas(StasConfig),
    /// A NumPy archive.
    Mars(MarsConfig),
    /// TIFF triples.
    SeaIce(SeaIceConfig),
}

impl Study {
    /// Writes a data set into the new folder `path`, which appears only when it is complete.
    ///
    /// # Errors
    /// If the folder already exists or cannot be written.
    pub fn write(&self, path: &Path, seed: u64) -> Result<()> {
        self.write_until(path, seed, &|| false)
    }

    /// Like [`write`](Self::write), but stops if `is_stopped` returns true between two images, and then
    /// leaves nothing behind.
    ///
    /// # Errors
    /// Those of [`write`](Self::write), or writing was stopped.
    pub fn write_until(&self, path: &Path, seed: u64, is_stopped: &dyn Fn() -> bool) -> Result<()> {
        let go_on = || match is_stopped() {
            true => Err(Error::stopped(path)),
            false => Ok(()),
        };
        match self {
            Self::RightVentricle(config) => right_ventricle::write(path, config, seed, &go_on),
            Self::Stas(config) => stas::write(path, config, seed, &go_on),
            Self::Mars(config) => mars::write(path, config, seed, &go_on),
            Self::SeaIce(config) => sea_ice::write(path, config, seed, &go_on),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use porecast_base::ErrorKind;

    /// Content of each file below a folder.
    fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let mut contents = BTreeMap::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                contents.extend(self::contents(&path).into_iter().map(|(k, v)| (format!("{name}/{k}"), v)));
            } else {
                contents.insert(name, fs::read(&path).unwrap());
            }
        }
        contents
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let studies = [
            Study::RightVentricle(RightVentricleConfig { patients: 1, slices: 1, ..Default::default() }),
            Study::Stas(StasConfig { training: 2, public: 1, shape: (64, 96) }),
            Study::Mars(MarsConfig { training: 3, test: 2, outliers: 1 }),
            Study::SeaIce(SeaIceConfig { training: 1, test: 1 }),
        ];
        for study in studies {
            let folder = tempfile::tempdir().unwrap();
            let written = |name: &str, seed| {
                let path = folder.path().join(name);
                study.write(&path, seed).unwrap();
                contents(&path)
            };
            let (first, again, other) = (written("a", 1), written("b", 1), written("c", 2));
            assert!(first == again, "{study:?}");
            let images = |files: &BTreeMap<String, Vec<u8>>| -> Vec<Vec<u8>> {
                let is_image = |name: &str| !name.ends_with("txt") && !name.ends_with("json");
                files.iter().filter(|(name, _)| is_image(name)).map(|(_, bytes)| bytes.clone()).collect()
            };
            assert!(images(&first).iter().zip(&images(&other)).all(|(a, b)| a != b), "{study:?}");
            assert!(study.write(&folder.path().join("a"), 1).is_err(), "{study:?}");
            let stopped = study.write_until(&folder.path().join("d"), 1, &|| true).unwrap_err();
            assert!(stopped.kind() == ErrorKind::Interrupted, "{stopped}");
            assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3, "{study:?}");
        }
    }
}
