//! Folder contents, in an order that does not depend on the file system.

use std::fs;
use std::path::{Path, PathBuf};

use porecast_base::{Error, Result};

/// All files below `folder`, sorted by path, without hidden files and folders.
pub fn files_below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut pending = vec![folder.to_path_buf()];
    while let Some(folder) = pending.pop() {
        let unreadable = |e: std::io::Error| Error::input(&folder, format!("cannot be read: {e}"));
        for entry in fs::read_dir(&folder).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            if entry.file_name().to_string_lossy().starts_with('.') {
                continue;
            }
            let path = entry.path();
            // Links to files are followed; links to folders are not, because they could form a cycle.
            if entry.file_type().map_err(unreadable)?.is_dir() {
                pending.push(path);
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
