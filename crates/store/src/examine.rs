//! Keeps damaged HDF5 files from libhdf5, which can crash on them or never return.
//!
//! Files of porecast have a [digest]. Others are read in a process of their own first.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::digest::{self, Content};
use crate::{
    InvasionDataset, MaskFile, PredictionFile, Predictions, SegmentationDataset, listing, mask_prediction,
    prediction, segmentation,
};
use porecast_base::{Error, Result};

/// The environment variable that names the file to examine.
const FILE: &str = "PORECAST_EXAMINE";
/// Time for a small file.
const PATIENCE: Duration = Duration::from_secs(10);
/// Slowest rate at which a file is read, in bytes a second.
const SLOWEST: u64 = 20 << 20;
/// Size of a file in bytes from which only the first and the last sample are read.
const LARGE: u64 = 256 << 20;

/// The program that examines files.
static PROGRAM: OnceLock<PathBuf> = OnceLock::new();

/// Call this first in `main`. Without it, files are opened without being examined. Returns `true` in a process that was
/// started to examine a file, which then has done so and only has to end.
pub fn serve() -> bool {
    if let Some(path) = std::env::var_os(FILE) {
        // What can be said of the file is said by the process that uses it.
        let _ = read_everything(path.as_ref());
        return true;
    }
    if let Ok(program) = std::env::current_exe() {
        let _ = PROGRAM.set(program);
    }
    false
}

/// Refuses a file that libhdf5 must not open: one that differs from its digest, and one without a digest that libhdf5 does
/// not survive. A file is checked once as long as it does not change.
///
/// # Errors
/// The file cannot be read or is damaged.
pub(crate) fn approve(path: &Path) -> Result<()> {
    static APPROVED: LazyLock<Mutex<HashMap<PathBuf, (u64, SystemTime)>>> = LazyLock::new(Mutex::default);
    let unreadable = |e| Error::input(path, format!("cannot be opened: {e}; check the path"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    let stamp = (metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    let approved = || APPROVED.lock().unwrap_or_else(PoisonError::into_inner);
    if approved().get(path) == Some(&stamp) {
        return Ok(());
    }
    let why = match digest::check(path).map_err(unreadable)? {
        Content::Whole => None,
        Content::Damaged => Some("its digest does not match"),
        Content::Unknown => examine(path, metadata.len()),
    };
    if let Some(why) = why {
        return Err(Error::input(path, format!("is truncated or damaged ({why}); copy or make it again")));
    }
    approved().insert(path.to_owned(), stamp);
    Ok(())
}

/// Reads a file of `size` bytes in a process of its own; says what is wrong if that does not end well.
fn examine(path: &Path, size: u64) -> Option<&'static str> {
    let program = PROGRAM.get()?;
    match end_of(program, path, PATIENCE + Duration::from_secs(size / SLOWEST)) {
        Some(status) if status.success() => None,
        Some(_) => Some("the HDF5 library crashes on it"),
        None => Some("the HDF5 library does not come to an end with it"),
    }
}

/// How the examination of a file ended; `None` if it did not within a time.
fn end_of(program: &Path, path: &Path, patience: Duration) -> Option<ExitStatus> {
    let mut command = Command::new(program);
    command.env(FILE, path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    // If the program cannot be started again, the file is opened as it is.
    let Ok(mut child) = command.spawn() else { return Some(ExitStatus::default()) };
    while began.elapsed() < patience {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Ok(Some(status)) => return Some(status),
            Err(_) => return Some(ExitStatus::default()),
        }
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

fn read_everything(path: &Path) -> Result<()> {
    let size = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let each = |count: usize, read: &dyn Fn(usize) -> Result<()>| match count {
        0 => Ok(()),
        _ if size >= LARGE => read(0).and(read(count - 1)),
        _ => (0..count).try_for_each(read),
    };
    listing::hdf5(path)?;
    match listing::hdf5_format(path)?.as_deref() {
        Some(prediction::FORMAT) => {
            let file = PredictionFile::open(path)?;
            each(file.domain_ids().len(), &|index| file.prediction(index).map(drop))
        }
        Some(segmentation::FORMAT) => {
            let dataset = SegmentationDataset::open(path)?;
            each(dataset.ids().len(), &|index| dataset.sample(index).map(drop))
        }
        Some(mask_prediction::FORMAT) => {
            let file = <MaskFile as Predictions>::open(path)?;
            each(file.ids().len(), &|index| file.prediction(index).map(drop))
        }
        _ => {
            let dataset = InvasionDataset::open(path)?;
            each(dataset.len(), &|index| dataset.recorded(index).map(drop))
        }
    }
}
