//! The folder of a run: new, replacing another run, or resumed.

use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::train::{IfExists, TrainOptions};
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::RunFolder;
use porecast_store::config::{self, Validate};
use porecast_store::run::{Card, TrainedOn};

/// A run folder that a training may write to.
pub(super) struct Begun {
    folder: RunFolder,
    /// The configuration with all defaults filled in.
    resolved: String,
    is_resumed: bool,
}

/// Claims the folder of a run.
///
/// # Errors
/// The folder holds a run and neither `--resume` nor `--force` is given, or the run to resume has
/// another configuration.
pub(super) fn begin<C>(args: &TrainOptions, name: &str, config: &C) -> Result<Begun>
where
    C: PartialEq + Serialize + DeserializeOwned + Validate,
{
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let folder = RunFolder::new(&path);
    // A run begins with its configuration file; without one, a killed run starts anew.
    let is_resumed = args.if_exists == IfExists::Resume && folder.config_path().exists();
    if is_resumed {
        let before: C = config::load(&folder.config_path(), &[])?;
        if &before != config {
            return Err(Error::mismatch(
                &folder.config_path(),
                "differs from the given configuration; resume with the same configuration, \
                 or train again with --force",
            ));
        }
    } else if !folder.is_vacant() {
        if args.if_exists != IfExists::Replace {
            return Err(Error::new(
                ErrorKind::Exists,
                path.display().to_string(),
                "exists already; pass --resume to go on with it or --force to replace it",
            ));
        }
        folder.members()?; // fails if the folder is not a run
        std::fs::remove_dir_all(&path).map_err(|e| Error::output(&path, e))?;
    }
    Ok(Begun { folder, resolved: config::to_toml(config)?, is_resumed })
}

impl Begun {
    /// Writes card and configuration; a resumed run keeps its finished members. `split` names the
    /// source of the split in errors.
    ///
    /// # Errors
    /// Dataset or split have changed since the run began, or the folder cannot be written.
    pub(super) fn write<D: TrainedOn>(self, card: &mut Card<D>, split: &Path) -> Result<RunFolder> {
        let Self { folder, resolved, is_resumed } = self;
        if is_resumed {
            let before = folder.card_of::<D>()?;
            let other = |place: &Path, what: &str| {
                let what = format!("{what}; restore it, or train again with --force");
                Error::mismatch(place, what)
            };
            if before.dataset.fingerprint() != card.dataset.fingerprint() {
                return Err(other(card.dataset.path(), "is no longer the dataset this run began with"));
            }
            if before.split != card.split {
                return Err(other(split, "no longer splits the data as when this run began"));
            }
            // An earlier part of the run may have finished some members.
            card.members = before.members;
            folder.remove_temporaries()?;
        }
        folder.write_card(card)?;
        atomic::write(&folder.config_path(), resolved.as_bytes())?;
        Ok(folder)
    }
}
