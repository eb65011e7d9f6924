//! Files that appear whole or not at all: temporary file, fsync, rename.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Beginning of the names of temporary files.
const PREFIX: &str = ".porecast-";

/// Whether a file of this name is a temporary one; a write that was killed leaves it behind.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}

/// Writes `path` through `write`, which fills a temporary file in the same folder; on success the file
/// replaces `path` in one step, on failure nothing is left behind.
///
/// # Errors
/// Whatever `write` returns, or an output error naming `path`.
pub fn write_with(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX);
    // Temporary files are private unless told otherwise; this one is to be an ordinary file, as umask wants it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder).map_err(|e| Error::output(path, e))?.into_temp_path();
    write(&temporary)?;
    let file = File::open(&temporary).map_err(|e| Error::output(path, e))?;
    file.sync_all().map_err(|e| Error::output(path, e))?;
    temporary.persist(path).map_err(|e| Error::output(path, e.error))?;
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e| Error::output(folder, e))
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
        let parent = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        fs::create_dir_all(parent).map_err(|e| Error::output(parent, e))?;
        let mut builder = tempfile::Builder::new();
        builder.prefix(PREFIX);
        // As for files: an ordinary folder, as umask wants it.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let temporary = builder.tempdir_in(parent).map_err(|e| Error::output(path, e))?;
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
        let unwritable = |e| Error::output(&self.path, e);
        if self.path.exists() {
            fs::remove_dir_all(&self.path).map_err(unwritable)?;
        }
        fs::rename(self.temporary.keep(), &self.path).map_err(unwritable)
    }
}

/// Writes `bytes` to `path` atomically.
///
/// # Errors
/// An output error naming `path`.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |temporary| {
        File::create(temporary).and_then(|mut file| file.write_all(bytes)).map_err(|e| Error::output(path, e))
    })
}
