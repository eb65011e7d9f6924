//! File locks between processes. The operating system releases a lock whenever its process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use crate::{Error, Result};

/// Opens a file for reading and writing and locks it until it is dropped. Waits while another process holds
/// the lock. Creates the file if it does not exist.
///
/// # Errors
/// An output error naming `path`.
pub fn wait_for(path: &Path) -> Result<File> {
    let file = open(path)?;
    file.lock().map_err(|e| unlockable(path, &e))?;
    Ok(file)
}

/// Like [`wait_for`], but returns `None` immediately if another process holds the lock.
///
/// # Errors
/// An output error naming `path`.
pub fn try_hold(path: &Path) -> Result<Option<File>> {
    let file = open(path)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(unlockable(path, &e)),
    }
}

fn open(path: &Path) -> Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(|e| Error::output(path, e))
}

fn unlockable(path: &Path, error: &std::io::Error) -> Error {
    Error::output(path, format!("cannot be locked: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_held_until_it_is_dropped_and_keeps_its_content() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "kept").unwrap();
        let held = wait_for(&path).unwrap();
        assert!(try_hold(&path).unwrap().is_none());
        drop(held);
        assert!(try_hold(&path).unwrap().is_some());
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
