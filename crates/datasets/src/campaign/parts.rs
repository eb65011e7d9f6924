//! The folder of an unfinished campaign: one file per finished domain, and saved states of simulations in
//! progress.

use std::fs;
use std::path::{Path, PathBuf};

use porecast_base::lock::{self, Held};
use porecast_base::{Error, Result, atomic};
use porecast_store::InvasionDataset;
use porecast_store::invasion::parts_folder;

/// Extension of the finished domains.
const DOMAIN: &str = "h5";
/// Extension of the saved states.
const STATE: &str = "state";

/// The parts of one dataset, locked by this process.
pub(super) struct Parts {
    folder: PathBuf,
    _held: Held,
}

impl Parts {
    /// Creates the folder if it is absent; locks it and the dataset `target` against other processes.
    pub(super) fn hold(target: &Path) -> Result<Self> {
        let held = lock::hold(target)?;
        let parts = Self { folder: parts_folder(target), _held: held };
        fs::create_dir_all(&parts.folder).map_err(|e| Error::output(&parts.folder, e))?;
        for path in parts.entries()? {
            if path.file_name().is_some_and(atomic::is_temporary) {
                atomic::remove(&path)?;
            }
        }
        Ok(parts)
    }

    /// The file of finished domain `index`.
    pub(super) fn domain(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index:06}.{DOMAIN}"))
    }

    /// The saved state of a domain. It is named by the identifier, so that no other campaign uses it.
    pub(super) fn state(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{STATE}"))
    }

    /// Whether there are finished domains.
    pub(super) fn has_domains(&self) -> bool {
        self.files(DOMAIN).is_ok_and(|files| !files.is_empty())
    }

    /// Whether a later run can continue from the folder.
    pub(super) fn is_useful(&self) -> bool {
        self.has_domains() || self.files(STATE).is_ok_and(|files| !files.is_empty())
    }

    /// Removes unreadable domains (a disk can lose confirmed writes), so that they are simulated again.
    pub(super) fn remove_unreadable(&self) -> Result<()> {
        for path in self.files(DOMAIN)? {
            if InvasionDataset::open(&path).and_then(|part| part.sequence(0)).is_err() {
                remove_if_there(&path)?;
            }
        }
        Ok(())
    }

    /// Removes all domains and states.
    pub(super) fn clear(&self) -> Result<()> {
        let files = [self.files(DOMAIN)?, self.files(STATE)?];
        files.iter().flatten().try_for_each(|path| remove_if_there(path))
    }

    /// Removes the folder; the lock is released after that.
    pub(super) fn remove(self) -> Result<()> {
        fs::remove_dir_all(&self.folder).map_err(|e| Error::output(&self.folder, e))
    }

    fn files(&self, extension: &str) -> Result<Vec<PathBuf>> {
        let mut files = self.entries()?;
        files.retain(|path| path.extension().is_some_and(|e| e == extension));
        Ok(files)
    }

    fn entries(&self) -> Result<Vec<PathBuf>> {
        let entries =
            fs::read_dir(&self.folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
        Ok(entries.map_err(|e| Error::output(&self.folder, e))?.iter().map(fs::DirEntry::path).collect())
    }
}

/// Removes a file that may be absent.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::output(path, e)),
        _ => Ok(()),
    }
}
