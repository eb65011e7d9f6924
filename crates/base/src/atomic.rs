//! Files and folders that appear whole or not at all: written under a temporary name, synced, renamed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// Beginning of the names of temporary files.
const PREFIX: &str = ".porecast-";

/// Whether a file of this name is a temporary one; a write that was killed leaves it behind.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}

/// Writes `bytes` to `path`.
///
/// # Errors
/// An output error naming `path`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |temporary| {
        File::create(temporary).and_then(|mut file| file.write_all(bytes)).map_err(|e| Error::output(path, e))
    })
}

/// Writes `path` through `write`, which fills a temporary file in the same folder; on success the file
/// replaces `path` in one step, on failure nothing is left behind.
///
/// # Errors
/// Whatever `write` returns, or an output error naming `path`.
pub fn write_with(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = parent_of(path);
    fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
    let unwritable = |e| Error::output(path, e);
    let temporary = builder(0o666).tempfile_in(folder).map_err(unwritable)?.into_temp_path();
    write(&temporary)?;
    File::open(&temporary).and_then(|file| file.sync_all()).map_err(unwritable)?;
    temporary.persist(path).map_err(|e| unwritable(e.error))?;
    sync(folder)
}

/// Renames a file that was written and synced, or a folder, to `path`; the rename outlasts a power failure.
///
/// # Errors
/// An output error naming `path`.
pub fn rename(from: &Path, path: &Path) -> Result<()> {
    fs::rename(from, path).map_err(|e| Error::output(path, e))?;
    sync(parent_of(path))
}

/// A folder that is filled under a temporary name and takes its place when it is whole; dropped before, it leaves
/// what was there.
pub struct Folder {
    temporary: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    /// An empty folder that is to be `path`.
    ///
    /// # Errors
    /// An output error naming `path`.
    pub fn new(path: &Path) -> Result<Self> {
        let parent = parent_of(path);
        fs::create_dir_all(parent).map_err(|e| Error::output(parent, e))?;
        let temporary = builder(0o777).tempdir_in(parent).map_err(|e| Error::output(path, e))?;
        Ok(Self { temporary, path: path.to_owned() })
    }

    /// Where it is filled.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Puts it in its place; what was there is removed.
    ///
    /// # Errors
    /// An output error naming the path.
    pub fn finish(self) -> Result<()> {
        if self.path.exists() {
            fs::remove_dir_all(&self.path).map_err(|e| Error::output(&self.path, e))?;
        }
        rename(&self.temporary.keep(), &self.path)
    }
}

/// Makes the folder `path`, filled by `fill` under a temporary name.
///
/// # Errors
/// There is something at `path` already, or whatever `fill` returns.
pub fn new_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.exists() {
        let what = "exists already; name a new folder, or remove it first";
        return Err(Error::new(ErrorKind::Exists, path.display().to_string(), what));
    }
    let folder = Folder::new(path)?;
    fill(folder.path())?;
    folder.finish()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes what was renamed in a folder outlast a power failure.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e: io::Error| Error::output(folder, e))
}

/// Temporary files are private by default; these get the permissions that umask gives ordinary files.
fn builder(
    #[cfg_attr(not(unix), expect(unused_variables))] mode: u32,
) -> tempfile::Builder<'static, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(mode));
    builder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_folder_that_fails_half_way_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data");
        let failed = new_folder(&path, |inside| {
            fs::write(inside.join("half"), "x").unwrap();
            Err(Error::input(&path, "no"))
        });
        assert!(failed.is_err() && names(folder.path()).is_empty());
        new_folder(&path, |inside| {
            fs::write(inside.join("whole"), "x").map_err(|e| Error::output(inside, e))
        })
        .unwrap();
        assert_eq!(names(folder.path()), ["data"]);
        assert_eq!(names(&path), ["whole"]);
        assert!(new_folder(&path, |_| Ok(())).unwrap_err().to_string().contains("exists already"));
        assert_eq!(names(&path), ["whole"]);
    }

    #[test]
    fn a_file_that_fails_half_way_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |temporary| {
            fs::write(temporary, "ne").unwrap();
            Err(Error::output(&path, "full"))
        });
        assert!(failed.unwrap_err().to_string().contains("a: cannot be written: full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }
}
