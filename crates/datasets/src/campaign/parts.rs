//! The folder of an unfinished campaign: one file per finished domain, and saved states of simulations in
//! progress.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use porecast_base::{Error, ErrorKind, Result, lock};
use porecast_store::InvasionDataset;
use porecast_store::invasion::parts_folder;

/// Extension of the finished domains.
const DOMAIN: &str = "h5";
/// Extension of the saved states.
const STATE: &str = "state";

/// The parts of one dataset, locked by this process.
pub(super) struct Parts {
    folder: PathBuf,
    _lock: File,
}

impl Parts {
    /// Creates the folder if it is absent; locks it and the dataset `target` against other processes.
    pub(super) fn hold(target: &Path) -> Result<Self> {
        let folder = parts_folder(target);
        fs::create_dir_all(&folder).map_err(|e| Error::output(&folder, e))?;
        let lock = lock::try_hold(&folder.join("lock"))?.ok_or_else(|| {
            Error::new(
                ErrorKind::Exists,
                target.display().to_string(),
                "is being written by another porecast; wait for it or choose another output",
            )
        })?;
        Ok(Self { folder, _lock: lock })
    }

    /// The file of finished domain `index`.
    pub(super) fn domain(&self, index: usize) -> PathBuf {
        self.folder.join(format!("{index:06}.{DOMAIN}"))
    }

    /// The saved state of a domain. It is named by the identifier, so that no other campaign uses it.
    pub(super) fn state(&self, id: &str) -> PathBuf {
        self.folder.join(format!("{id}.{STATE}"))
    }

    /// The merged dataset before it is renamed.
    pub(super) fn merged(&self) -> PathBuf {
        self.folder.join("merged")
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
        let unreadable = |e| Error::output(&self.folder, e);
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|e| e == extension) {
                files.push(path);
            }
        }
        Ok(files)
    }
}

/// Removes a file that may be absent.
pub(super) fn remove_if_there(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::output(path, e)),
        _ => Ok(()),
    }
}
