//! Atomic writes of files and folders: written under a temporary name, synced, then renamed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// Prefix of temporary file names.
const PREFIX: &str = ".porecast-";

/// Whether a file name is that of a temporary file. A killed write leaves its temporary file behind.
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

/// Calls `write` with a temporary file in the same folder. On success the file replaces `path` atomically; on
/// failure nothing is left behind.
///
/// # Errors
/// The error of `write`, or an output error naming `path`.
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

/// Renames a folder, or a written and synced file, to `path`. The rename survives a power failure.
///
/// # Errors
/// An output error naming `path`.
pub fn rename(from: &Path, path: &Path) -> Result<()> {
    fs::rename(from, path).map_err(|e| Error::output(path, e))?;
    sync(parent_of(path))
}

/// A folder that is filled under a temporary name and renamed when complete. If it is dropped before, the old
/// content of the path is unchanged.
pub struct Folder {
    temporary: tempfile::TempDir,
    path: PathBuf,
}

impl Folder {
    /// An empty temporary folder that will become `path`.
    ///
    /// # Errors
    /// An output error naming `path`.
    pub fn new(path: &Path) -> Result<Self> {
        let parent = parent_of(path);
        fs::create_dir_all(parent).map_err(|e| Error::output(parent, e))?;
        let temporary = builder(0o777).tempdir_in(parent).map_err(|e| Error::output(path, e))?;
        Ok(Self { temporary, path: path.to_owned() })
    }

    /// The temporary path to write to.
    pub fn path(&self) -> &Path {
        self.temporary.path()
    }

    /// Renames the folder to its final path and removes what was there before.
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

/// Creates the folder `path`; `fill` fills it under a temporary name.
///
/// # Errors
/// If `path` already exists; or the error of `fill`.
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

/// Syncs a folder, so that renames in it survive a power failure.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e: io::Error| Error::output(folder, e))
}

/// Temporary files are private by default; give these the permissions of ordinary files under the umask.
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
