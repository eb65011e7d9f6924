//! Names and folders of the files of a dataset.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use porecast_base::{Error, Result, atomic};

/// The folder beside a dataset that holds the finished domains of an unfinished campaign.
pub fn parts_folder(dataset: &Path) -> PathBuf {
    let dataset = atomic::follow(dataset);
    let mut name = dataset.file_name().unwrap_or_default().to_owned();
    name.push(".parts");
    dataset.with_file_name(name)
}

/// Name of a shard's file.
pub fn shard_name(index: usize, count: usize) -> String {
    format!("shard-{index}-of-{count}.h5")
}

fn parse_shard_name(path: &Path) -> Option<(usize, usize)> {
    let name = path.file_name()?.to_str()?;
    let (index, count) = name.strip_prefix("shard-")?.strip_suffix(".h5")?.split_once("-of-")?;
    Some((index.parse().ok()?, count.parse().ok()?))
}

/// Refuses a folder that lacks a shard; training would take it for the whole dataset.
pub(super) fn expect_all_shards(folder: &Path, files: &[PathBuf]) -> Result<()> {
    let present: HashSet<(usize, usize)> = files.iter().filter_map(|file| parse_shard_name(file)).collect();
    let Some(count) = present.iter().map(|&(_, count)| count).max() else { return Ok(()) };
    let absent: Vec<String> = (0..count)
        .filter(|&index| !present.contains(&(index, count)))
        .map(|index| shard_name(index, count))
        .collect();
    if absent.is_empty() {
        return Ok(());
    }
    Err(Error::input(
        folder,
        format!("is not complete: {} missing; run `porecast simulate` with that --shard", absent.join(", ")),
    ))
}

/// The HDF5 files of a folder, sorted by name.
pub(super) fn dataset_files(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |e| Error::input(folder, format!("cannot be listed: {e}"));
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let is_hdf5 = path.extension().is_some_and(|e| e == "h5" || e == "hdf5");
        let is_temporary = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if is_hdf5 && !is_temporary && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
