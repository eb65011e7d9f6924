//! The folder of a run: new, replacing another run, or resumed.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Member;
use super::init::Init;
use crate::train::{IfExists, TrainOptions};
use porecast_base::lock::{self, Held};
use porecast_base::{Error, ErrorKind, Result, atomic};
use porecast_store::RunFolder;
use porecast_store::config::{self, Validate};
use porecast_store::run::{Card, TrainedOn};

/// The folder of a run, held against other processes. A run that replaces another one is trained in a hidden folder
/// beside it and takes its place at the end, so that the old run stays until the new one is complete.
pub(super) struct Place {
    /// The folder that is written to.
    pub(super) folder: RunFolder,
    /// The configuration with all defaults filled in.
    pub(super) resolved: String,
    /// The run whose weights the training begins with.
    pub(super) init: Option<Init>,
    /// The folder as the user named it.
    asked: PathBuf,
    /// The folder of the run, symbolic links followed.
    target: PathBuf,
    /// `None` on ranks other than the first, which holds the folder for all.
    _held: Option<Held>,
}

/// What the first rank tells the others about a run that it has begun.
#[derive(Serialize, Deserialize)]
pub(super) struct Lead {
    folder: PathBuf,
    init: Option<PathBuf>,
    /// Configuration, data and split in words.
    basis: String,
}

/// A run folder that a training may write to.
pub(super) struct Begun {
    place: Place,
    is_resumed: bool,
    is_followed: bool,
}

/// Claims the folder of a run, or, on ranks other than the first, follows their `lead`.
///
/// # Errors
/// Another process writes the folder, it holds a run and neither `--resume` nor `--force` is given, or the run to
/// resume has another configuration.
pub(super) fn begin<C>(args: &TrainOptions, name: &str, config: &C, lead: Option<&Lead>) -> Result<Begun>
where
    C: PartialEq + Serialize + DeserializeOwned + Validate,
{
    let asked = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(name));
    let (resolved, mut init) = (config::to_toml(config)?, args.init.clone());
    if let Some(Lead { folder, init, .. }) = lead {
        let init = init.as_deref().map(Init::open).transpose()?;
        let (folder, target) = (RunFolder::new(folder), folder.clone());
        let place = Place { folder, resolved, init, asked, target, _held: None };
        return Ok(Begun { place, is_resumed: false, is_followed: true });
    }
    let held = Some(lock::hold(&asked)?);
    let target = atomic::follow(&asked);
    let mut place =
        Place { folder: RunFolder::new(&target), resolved, init: None, asked, target, _held: held };
    place.end_replacement()?;
    let replacement = RunFolder::new(place.replacement());
    // A run begins with its configuration file; without one, a killed run starts anew.
    let is_begun = |run: &RunFolder| run.config_path().exists();
    let mut is_resumed = false;
    match args.if_exists {
        IfExists::Resume if is_begun(&replacement) => (place.folder, is_resumed) = (replacement, true),
        IfExists::Resume if is_begun(&place.folder) => is_resumed = true,
        _ if place.folder.is_vacant() => {}
        IfExists::Replace => {
            place.folder.members()?; // fails if the folder is not a run
            place.folder = replacement;
        }
        IfExists::Refuse | IfExists::Resume => {
            return Err(Error::new(
                ErrorKind::Exists,
                place.asked.display().to_string(),
                "exists already; pass --resume to go on with it or --force to replace it",
            ));
        }
    }
    if is_resumed {
        let path = place.folder.config_path();
        let before: C = config::load(&path, &[])?;
        if !is_continued(&config::to_toml(&before)?, &place.resolved) {
            return Err(Error::mismatch(
                &path,
                "differs from the configuration given; resume with the same one (only training.epochs may grow, and \
                 training.patience change), or train anew with --force",
            ));
        }
        let began_with = place.folder.origin()?.1.map(|init| init.run);
        if init.is_some() && init != began_with {
            let what =
                "began with other weights than --init names; leave --init out, or train anew with --force";
            return Err(Error::mismatch(place.folder.path(), what));
        }
        init = began_with;
    }
    place.init = init.map(|run| Init::open(&run)).transpose()?;
    Ok(Begun { place, is_resumed, is_followed: false })
}

/// Whether a training with the configuration `before` can be continued with that of `now`: equal, or trained for longer.
fn is_continued(before: &str, now: &str) -> bool {
    let [Ok(mut before), Ok(now)] = [before, now].map(str::parse::<toml::Table>) else { return false };
    let training = |table: &toml::Table, key: &str| table.get("training")?.get(key).cloned();
    let epochs = |table: &toml::Table| training(table, "epochs").and_then(|value| value.as_integer());
    if epochs(&now) < epochs(&before) {
        return false;
    }
    for key in ["epochs", "patience"] {
        let table = before.get_mut("training").and_then(toml::Value::as_table_mut);
        if let (Some(table), Some(value)) = (table, training(&now, key)) {
            table.insert(key.to_owned(), value);
        }
    }
    before == now
}

impl Begun {
    /// The run whose weights the training begins with.
    pub(super) fn init(&self) -> Option<&Init> {
        self.place.init.as_ref()
    }

    /// Writes card and configuration; a resumed run keeps its finished members. `split` names the
    /// source of the split in errors.
    ///
    /// # Errors
    /// Dataset or split have changed since the run began, or the folder cannot be written.
    pub(super) fn write<D: TrainedOn>(self, card: &mut Card<D>, split: &Path) -> Result<Place> {
        let Self { place, is_resumed, is_followed } = self;
        if is_followed {
            return Ok(place);
        }
        let folder = &place.folder;
        card.init = place.init.as_ref().map(Init::card);
        if is_resumed {
            let before = folder.card_of::<D>()?;
            let other = |place: &Path, what: &str| {
                let what = format!("{what}; restore it, or train again with --force");
                Error::mismatch(place, what)
            };
            let is_changed = "is no longer the dataset this run began with";
            if before.dataset.fingerprint() != card.dataset.fingerprint() {
                return Err(other(card.dataset.path(), is_changed));
            }
            // The configurations are equal, so the lists of datasets are.
            for (before, now) in before.dataset.also().iter().zip(card.dataset.also()) {
                if before.fingerprint != now.fingerprint {
                    return Err(other(&now.path, is_changed));
                }
            }
            if before.split != card.split {
                return Err(other(split, "no longer splits the data as when this run began"));
            }
            // An earlier part of the run may have finished some members.
            card.members = before.members;
            if folder.config_text() != place.resolved && folder.predictions_folder().exists() {
                // These predictions were made with weights that further training changes.
                atomic::remove(&folder.predictions_folder())?;
            }
        } else if place.replacement().exists() {
            // Left over from a training with --force that was stopped and not resumed.
            atomic::remove(&place.replacement())?;
        }
        if folder.path().exists() {
            folder.remove_temporaries()?;
        }
        folder.write_card(card).map_err(|e| place.named(e))?;
        atomic::write(&folder.config_path(), place.resolved.as_bytes()).map_err(|e| place.named(e))?;
        Ok(place)
    }
}

impl Place {
    /// Removes configuration and card if `member` has no checkpoint yet, so that the folder can be used again. Called when
    /// the weights to start from do not fit.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(super) fn withdraw(&self, member: &Member) -> Result<()> {
        if self.folder.member(&member.folder).checkpoint_path().exists() {
            return Ok(());
        }
        atomic::remove(&self.folder.config_path())?;
        atomic::remove(&self.folder.card_path())
    }

    /// What the first rank sends to the others.
    ///
    /// # Errors
    /// The split cannot be written as JSON.
    pub(super) fn lead<D: TrainedOn>(&self, card: &Card<D>) -> Result<Lead> {
        let split = serde_json::to_string(&card.split).map_err(|e| Error::output(&self.asked, e))?;
        let data = &card.dataset;
        let fingerprints = std::iter::once(data.fingerprint())
            .chain(data.also().iter().map(|also| also.fingerprint.as_str()))
            .collect::<Vec<_>>()
            .join(" ");
        Ok(Lead {
            folder: self.folder.path().to_owned(),
            init: self.init.as_ref().map(|init| init.card().run),
            basis: format!("{} {fingerprints} {split}", self.resolved),
        })
    }

    /// Compares what this rank has read with what the first has.
    ///
    /// # Errors
    /// Configuration, dataset or split differ.
    pub(super) fn require_lead<D: TrainedOn>(&self, lead: &Lead, card: &Card<D>) -> Result<()> {
        if self.lead(card)?.basis == lead.basis {
            return Ok(());
        }
        let what =
            "configuration, dataset or split differ from those of rank 0; all ranks must read the same files";
        Err(Error::mismatch(card.dataset.path(), what))
    }

    /// Puts a run that replaces another one in its place; returns the folder as the user named it.
    ///
    /// # Errors
    /// A folder cannot be renamed or removed.
    pub(super) fn finish(&self) -> Result<&Path> {
        if self.folder.path() != self.target {
            if self.target.exists() {
                atomic::rename(&self.target, &self.old())?;
            }
            atomic::rename(self.folder.path(), &self.target)?;
            self.end_replacement()?;
        }
        Ok(&self.asked)
    }

    /// The same error in terms of the folder that the user named.
    pub(super) fn named(&self, error: Error) -> Error {
        error.relocated(self.folder.path(), &self.asked)
    }

    /// Removes an old run that has been replaced, or puts it back if the new one did not get in its place.
    fn end_replacement(&self) -> Result<()> {
        let old = self.old();
        match (old.exists(), self.target.exists()) {
            (true, true) => atomic::remove(&old),
            (true, false) => atomic::rename(&old, &self.target),
            (false, _) => Ok(()),
        }
    }

    /// The folder in which the new run is trained until it replaces the old one.
    fn replacement(&self) -> PathBuf {
        atomic::beside(&self.target, "new")
    }

    /// The folder of the old run while it is being replaced.
    fn old(&self) -> PathBuf {
        atomic::beside(&self.target, "old")
    }
}
