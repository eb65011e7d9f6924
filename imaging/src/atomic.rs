//! Files and folders that appear whole or not at all.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use crate::error::{Error, Result};

const PREFIX: &str = ".porecast-";

/// Writes `path` through `write`, which fills a temporary file beside it; on failure nothing is left behind.
///
/// # Errors
/// An output error naming `path`.
pub fn write_file(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> Result<()> {
    let whole = || {
        let parent = parent_of(path);
        fs::create_dir_all(parent)?;
        let mut temporary = builder(0o666).tempfile_in(parent)?;
        write(temporary.as_file_mut())?;
        temporary.as_file().sync_all()?;
        temporary.persist(path).map_err(|e| e.error)?;
        Ok(())
    };
    whole().map_err(|e| Error::output(path, e))
}

/// Makes the folder `path`, filled by `fill` under a temporary name.
///
/// # Errors
/// There is something at `path` already, or whatever `fill` returns.
pub fn new_folder(path: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let output = |e| Error::output(path, e);
    if path.exists() {
        return Err(output(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "it exists already; name a new folder, or remove it first",
        )));
    }
    let parent = parent_of(path);
    fs::create_dir_all(parent).map_err(output)?;
    let temporary = builder(0o777).tempdir_in(parent).map_err(output)?;
    fill(temporary.path())?;
    fs::rename(temporary.path(), path).map_err(output)?;
    // It has another name now, and must not be removed.
    let _ = temporary.keep();
    Ok(())
}

fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Temporary files are private unless told otherwise; these are to be ordinary ones, as umask wants it.
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
    use std::io::Write;

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
        assert!(new_folder(&path, |_| Ok(())).unwrap_err().to_string().contains("it exists already"));
        assert_eq!(names(&path), ["whole"]);
    }

    #[test]
    fn a_file_that_fails_half_way_leaves_the_old_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_file(&path, |file| file.write_all(b"old")).unwrap();
        let failed = write_file(&path, |file| file.write_all(b"ne").and(Err(io::Error::other("full"))));
        assert!(failed.unwrap_err().to_string().contains("a: cannot be written: full"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(folder.path()), ["a"]);
    }
}
