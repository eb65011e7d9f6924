//! Folder contents, in an order that does not depend on the file system.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use porecast_base::{Error, Result};

/// All files below `folder`, sorted by path, without hidden files and folders. Links to folders are followed,
/// unless the folder has been read already or contains `folder`: such a link could form a cycle.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |folder: &Path, e| Error::input(folder, format!("cannot be read: {e}"));
    let place = |path: &Path| fs::canonicalize(path).map_err(|e| unreadable(path, e));
    let root = place(folder)?;
    let mut files = Vec::new();
    let mut read = BTreeSet::new();
    let mut pending = vec![folder.to_path_buf()];
    let mut links = BTreeSet::new();
    while let Some(folder) = pending.pop().or_else(|| links.pop_first()) {
        let real = place(&folder)?;
        if (real != root && root.starts_with(&real)) || !read.insert(real) {
            continue;
        }
        for entry in fs::read_dir(&folder).map_err(|e| unreadable(&folder, e))? {
            let entry = entry.map_err(|e| unreadable(&folder, e))?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            if entry.file_type().map_err(|e| unreadable(&folder, e))?.is_dir() {
                pending.push(path);
            } else if path.is_dir() {
                links.insert(path);
            } else if path.is_file() {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Name of a file without its folder; empty if there is none.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Name of a file without folder and extension.
pub fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

/// Extension in lower case; empty if there is none.
pub fn extension(path: &Path) -> String {
    path.extension().unwrap_or_default().to_string_lossy().to_lowercase()
}

/// The last part of a path written on any system: both `/` and `\` are separators.
pub fn last_part(written: &str) -> &str {
    written.trim().rsplit(['/', '\\']).next().unwrap_or_default()
}

/// The first few of many names, for a message.
pub fn some_of(names: &[String]) -> String {
    let shown = names.iter().take(4).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(4) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
