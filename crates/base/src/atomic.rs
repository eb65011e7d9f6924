//! Atomic writes of files and folders: written under a temporary name, synced, then renamed. Old files go when the new
//! ones are complete. Symbolic links stay: what they lead to is replaced.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, ErrorKind, Result};

/// Prefix of temporary file names.
const PREFIX: &str = ".porecast-";
/// Random characters at the end of a temporary file name.
const RANDOM: usize = 6;
/// Largest length of the part of a temporary name that is the name of its output.
const LONGEST_LABEL: usize = 160;
/// Most symbolic links that are followed, one to the next.
const MOST_LINKS: usize = 40;

/// Whether a file name is that of a temporary file. A killed write leaves its temporary file behind.
pub fn is_temporary(name: &OsStr) -> bool {
    name.to_string_lossy().starts_with(PREFIX)
}

/// Where the symbolic links at `path` lead to, whether there is something or not; `path` itself if it is none.
pub fn follow(path: &Path) -> PathBuf {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = parent_of(&path).join(target),
            Err(_) => break,
        }
    }
    match path.file_name() {
        Some(_) => path,
        None => path.canonicalize().unwrap_or(path),
    }
}

/// A hidden name beside `path`, with an extension: for a lock, or for what will replace `path`.
pub fn beside(path: &Path, extension: &str) -> PathBuf {
    parent_of(path).join(format!("{PREFIX}{}.{extension}", label(path)))
}

/// Removes the temporary files that killed writes of `path` have left beside it and, if it is a folder, in it. Only for
/// the one process that [holds](crate::lock::hold) `path`.
///
/// # Errors
/// A file cannot be removed.
pub fn remove_leftovers(path: &Path) -> Result<()> {
    let path = follow(path);
    let prefix = format!("{PREFIX}{}-", label(&path));
    for folder in [parent_of(&path), &path] {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            let random = name.strip_prefix(&prefix).unwrap_or_default();
            if random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
                remove(&entry.path())?;
            }
        }
    }
    Ok(())
}

/// Removes a file, or a folder with its content.
///
/// # Errors
/// An output error naming `path`.
pub fn remove(path: &Path) -> Result<()> {
    let removed =
        if path.is_dir() && !path.is_symlink() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|e| Error::output(path, e))
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
    let target = follow(path);
    let folder = parent_of(&target);
    fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
    let unwritable = |e| Error::output(path, e);
    let temporary = builder(0o666, &temporary_prefix(&target)).tempfile_in(folder).map_err(unwritable)?;
    let temporary = temporary.into_temp_path();
    write(&temporary)?;
    File::open(&temporary).and_then(|file| file.sync_all()).map_err(unwritable)?;
    temporary.persist(&target).map_err(|e| unwritable(e.error))?;
    sync(folder)
}

/// Calls `write` with a path of the same name in a temporary folder. Everything that it writes there then moves beside
/// `path`, and `path` itself last: if it is there, so are the files that belong to it.
///
/// # Errors
/// The error of `write`, or an output error naming `path`.
pub fn write_together<T>(path: &Path, write: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let target = follow(path);
    let folder = parent_of(&target);
    fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))?;
    let temporary = builder(0o777, &temporary_prefix(&target)).tempdir_in(folder);
    let temporary = temporary.map_err(|e| Error::output(path, e))?;
    let name = target.file_name().unwrap_or_default();
    let inside = temporary.path().join(name);
    let outside = |e: Error| e.relocated(&inside, path).relocated(temporary.path(), folder);
    let written = write(&inside).map_err(outside)?;
    let mut names = names_in(temporary.path())?;
    names.sort_by_key(|other| other == name);
    names.iter().try_for_each(|name| replace(temporary.path(), folder, name))?;
    sync(folder)?;
    Ok(written)
}

/// Calls `fill` with a temporary folder. On success it becomes `path`; if that is there already, each file and folder
/// of it replaces the one of its name, and others stay. On failure everything is as it was.
///
/// # Errors
/// The error of `fill`, or an output error naming `path`.
pub fn fill_folder<T>(path: &Path, fill: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let target = follow(path);
    let parent = if target.is_dir() { &target } else { parent_of(&target) };
    let unwritable = |e| Error::output(path, e);
    fs::create_dir_all(parent).map_err(unwritable)?;
    let temporary = builder(0o777, &temporary_prefix(&target)).tempdir_in(parent).map_err(unwritable)?;
    let filled = fill(temporary.path()).map_err(|e| e.relocated(temporary.path(), path))?;
    if target.is_dir() {
        names_in(temporary.path())?.iter().try_for_each(|name| replace(temporary.path(), &target, name))?;
        sync(&target)?;
    } else {
        rename(temporary.path(), &target)?;
        drop(temporary.keep()); // it has another name now
    }
    Ok(filled)
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
    fill_folder(path, fill)
}

/// Renames a folder, or a written and synced file, to `path`. The rename survives a power failure.
///
/// # Errors
/// An output error naming `path`.
pub fn rename(from: &Path, path: &Path) -> Result<()> {
    fs::rename(from, path).map_err(|e| Error::output(path, e))?;
    sync(parent_of(path))
}

/// Moves a file or folder from one folder into another, in the place of the one of its name.
fn replace(from: &Path, to: &Path, name: &OsStr) -> Result<()> {
    let (source, target) = (from.join(name), follow(&to.join(name)));
    let failed = |e| Error::output(&to.join(name), e);
    if !target.is_dir() {
        return match fs::rename(&source, &target) {
            // A symbolic link leads to another disk.
            Err(e) if e.kind() == io::ErrorKind::CrossesDevices && source.is_file() => {
                write_with(&target, |temporary| fs::copy(&source, temporary).map(drop).map_err(failed))
            }
            renamed => renamed.map_err(failed),
        };
    }
    // A folder cannot replace another one that is not empty. The old one goes with the temporary folder.
    let old = beside(&source, "old");
    fs::rename(&target, &old).map_err(failed)?;
    fs::rename(&source, &target).map_err(|e| {
        let _ = fs::rename(&old, &target);
        failed(e)
    })
}

fn names_in(folder: &Path) -> Result<Vec<std::ffi::OsString>> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<io::Result<Vec<_>>>());
    Ok(entries.map_err(|e| Error::output(folder, e))?.iter().map(fs::DirEntry::file_name).collect())
}

/// The folder of a path.
pub(crate) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The name of an output in temporary names, which must not become too long.
fn label(path: &Path) -> String {
    let mut name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    name.truncate(name.floor_char_boundary(LONGEST_LABEL));
    name
}

fn temporary_prefix(path: &Path) -> String {
    format!("{PREFIX}{}-", label(path))
}

/// Syncs a folder, so that renames in it survive a power failure.
fn sync(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(|e: io::Error| Error::output(folder, e))
}

/// Temporary files are private by default; give these the permissions of ordinary files under the umask.
fn builder(
    #[cfg_attr(not(unix), expect(unused_variables))] mode: u32,
    prefix: &str,
) -> tempfile::Builder<'_, 'static> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(prefix).rand_bytes(RANDOM);
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

    #[test]
    fn a_folder_that_is_there_keeps_what_is_not_replaced_and_everything_on_failure() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        let fill = |inside: &Path, files: &[(&str, &str)]| -> Result<()> {
            fs::create_dir_all(inside.join("frames")).unwrap();
            files.iter().for_each(|(name, text)| fs::write(inside.join(name), text).unwrap());
            Ok(())
        };
        fill_folder(&path, |inside| fill(inside, &[("a", "1"), ("frames/0", "1"), ("frames/1", "1")]))
            .unwrap();
        fs::write(path.join("mine"), "x").unwrap();
        let failed = fill_folder(&path, |inside| {
            fill(inside, &[("a", "2")])?;
            Err::<(), _>(Error::input(&inside.join("a"), "no"))
        });
        assert_eq!(failed.unwrap_err().place(), path.join("a").display().to_string());
        assert_eq!(fs::read(path.join("a")).unwrap(), b"1");
        fill_folder(&path, |inside| fill(inside, &[("a", "2"), ("frames/0", "2")])).unwrap();
        assert_eq!(fs::read(path.join("a")).unwrap(), b"2");
        assert_eq!(names(&path.join("frames")), ["0"]);
        assert!(path.join("mine").exists() && names(&path).len() == 3);
        assert_eq!(names(folder.path()), ["out"]);
    }

    #[test]
    fn files_that_belong_together_appear_together() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        let fill = |inside: &Path, text: &str| {
            fs::write(inside, text).unwrap();
            fs::write(inside.with_file_name("d.h5.card.md"), text).unwrap();
        };
        write_together(&path, |inside| {
            fill(inside, "1");
            Ok(())
        })
        .unwrap();
        let failed = write_together(&path, |inside| {
            fill(inside, "2");
            Err::<(), _>(Error::output(inside, "full"))
        });
        assert_eq!(failed.unwrap_err().place(), path.display().to_string());
        let mut left = names(folder.path());
        left.sort();
        assert_eq!(left, ["d.h5", "d.h5.card.md"]);
        assert!(left.iter().all(|name| fs::read(folder.path().join(name)).unwrap() == b"1"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_and_stay() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("disk")).unwrap();
        std::os::unix::fs::symlink("disk/real", path("link")).unwrap();
        std::os::unix::fs::symlink("link", path("link-to-link")).unwrap();
        write(&path("link-to-link"), b"1").unwrap();
        assert_eq!(fs::read(path("disk/real")).unwrap(), b"1");
        write(&path("link"), b"2").unwrap();
        write_together(&path("link"), |inside| write(inside, b"3")).unwrap();
        assert_eq!(fs::read(path("disk/real")).unwrap(), b"3");
        std::os::unix::fs::symlink("disk/out", path("out")).unwrap();
        for text in ["1", "2"] {
            fill_folder(&path("out"), |inside| write(&inside.join("a"), text.as_bytes())).unwrap();
            assert_eq!(fs::read(path("disk/out/a")).unwrap(), text.as_bytes());
        }
        assert!(["link", "link-to-link", "out"].iter().all(|name| path(name).is_symlink()));
        assert_eq!(names(&path("disk")).len(), 2);
    }
}
