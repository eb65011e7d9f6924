//! File locks between processes. The operating system releases a lock whenever its process ends.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::{Error, ErrorKind, Result, atomic};

/// Time to wait for a process that is about to end, or that only removes temporary files.
const PATIENCE: Duration = Duration::from_secs(1);

/// Opens a file for reading and writing and locks it until it is dropped. Waits while another process holds
/// the lock. Creates the file if it does not exist.
///
/// # Errors
/// An output error naming `path`.
pub fn wait_for(path: &Path) -> Result<File> {
    let file = open(path).map_err(|e| Error::output(path, e))?;
    file.lock().map_err(|e| unlockable(path, &e))?;
    Ok(file)
}

/// Like [`wait_for`], but returns `None` immediately if another process holds the lock.
///
/// # Errors
/// An output error naming `path`.
pub fn try_hold(path: &Path) -> Result<Option<File>> {
    let file = open(path).map_err(|e| Error::output(path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(unlockable(path, &e)),
    }
}

/// The right to write an output, until it is dropped.
#[derive(Debug)]
pub struct Held {
    file: File,
    /// The file that is locked, `.porecast-<name>.lock` beside the output.
    path: PathBuf,
    /// The folder of the output, if it was made for the lock.
    made: Option<PathBuf>,
}

/// Holds a file or folder that a command writes, and removes the temporary files that a killed process has left of
/// it.
///
/// # Errors
/// Another process holds or shares it, or its folder cannot be written.
pub fn hold(output: &Path) -> Result<Held> {
    let held = held(output, File::try_lock)?;
    atomic::remove_leftovers(output)?;
    Ok(held)
}

/// Shares a folder with other processes that write into it, against one that replaces it. `None` where nobody can write.
///
/// # Errors
/// Another process holds it.
pub fn share(folder: &Path) -> Result<Option<Held>> {
    match held(folder, File::try_lock_shared) {
        Ok(held) => Ok(Some(held)),
        Err(error) if error.kind() == ErrorKind::Output => Ok(None),
        Err(error) => Err(error),
    }
}

fn held(output: &Path, lock: fn(&File) -> std::result::Result<(), TryLockError>) -> Result<Held> {
    let target = atomic::follow(output);
    let folder = atomic::parent_of(&target);
    let made = (!folder.exists()).then(|| folder.to_owned());
    fs::create_dir_all(folder).map_err(|e| Error::output(output, e))?;
    let began = Instant::now();
    loop {
        let mut path = atomic::beside(&target, "lock");
        let file = match open(&path) {
            // A folder can be writable where the one around it is not.
            Err(e)
                if target.is_dir() && [Io::PermissionDenied, Io::ReadOnlyFilesystem].contains(&e.kind()) =>
            {
                path = atomic::beside(&target.join("folder"), "lock");
                open(&path)
            }
            opened => opened,
        };
        let file = file.map_err(|e| Error::output(output, e))?;
        match lock(&file) {
            Ok(()) if is_at(&file, &path) => return Ok(Held { file, path, made }),
            // The process that held it removed the file meanwhile.
            Ok(()) => {}
            Err(TryLockError::WouldBlock) if began.elapsed() < PATIENCE => std::thread::sleep(PATIENCE / 50),
            Err(TryLockError::WouldBlock) => return Err(Error::in_use(output)),
            Err(TryLockError::Error(e)) => return Err(unlockable(output, &e)),
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // Others may share the lock: only the last one removes its file.
        if self.file.try_lock().is_ok() {
            let _ = fs::remove_file(&self.path);
        }
        if let Some(made) = &self.made {
            // Only removes an empty folder.
            let _ = fs::remove_dir(made);
        }
    }
}

/// Whether a file that was opened is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let identity = |data: io::Result<fs::Metadata>| data.map(|data| (data.dev(), data.ino())).ok();
    identity(file.metadata()).is_some_and(|opened| Some(opened) == identity(fs::metadata(path)))
}

/// Whether a file that was opened is still the one at `path`; elsewhere, open files cannot be removed.
#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    options.open(path)
}

fn unlockable(path: &Path, error: &io::Error) -> Error {
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

    #[test]
    fn an_output_has_one_holder_or_several_that_share_it_and_the_last_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("runs/run");
        let held = hold(&path).unwrap();
        let refused = hold(&path).unwrap_err();
        assert!(refused.exit_code() == 2 && refused.to_string().contains("another porecast"), "{refused}");
        assert!(share(&path).is_err());
        drop(held);
        let shared = [share(&path).unwrap(), share(&path).unwrap()];
        assert!(hold(&path).is_err());
        let [one, other] = shared;
        drop(one);
        assert!(hold(&path).is_err(), "it is still shared");
        drop(other);
        drop(hold(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path().join("runs")).unwrap().count(), 0);
        drop(hold(&folder.path().join("other/run")).unwrap());
        assert!(!folder.path().join("other").exists());
    }

    #[test]
    fn what_a_killed_process_left_of_an_output_goes_and_what_is_of_others_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("out/.porecast-out-AbC123")).unwrap();
        for name in
            ["out/predictions.h5", ".porecast-out-ABCDEF", ".porecast-out-2-ABCDEF", ".porecast-out.lock"]
        {
            fs::write(path(name), "x").unwrap();
        }
        drop(hold(&path("out")).unwrap());
        let left = |folder: &Path| {
            let names = fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
            let mut names: Vec<_> = names.collect();
            names.sort();
            names
        };
        assert_eq!(left(folder.path()), [".porecast-out-2-ABCDEF", "out"]);
        assert_eq!(left(&path("out")), ["predictions.h5"]);
    }
}
