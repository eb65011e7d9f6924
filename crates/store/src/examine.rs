//! Keeps damaged HDF5 files from libhdf5, which can crash on them or never return.
//!
//! Files of porecast have a digest. Others are read in a process of their own first.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{LazyLock, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use crate::digest::{self, Content};
use crate::{
    InvasionDataset, MaskFile, PredictionFile, Predictions, SegmentationDataset, listing, mask_prediction,
    prediction, segmentation,
};
use porecast_base::{Error, ErrorKind, Result, processor_time};

/// The environment variable that names the file to examine.
const FILE: &str = "PORECAST_EXAMINE";
/// Line that the process prints before it opens the file.
const BEGUN: &str = "examines";
/// Beginning of the line in which that process refuses the file.
const REFUSED: &str = "refused: ";
/// Seconds of processor time for a small file.
const PATIENCE: u64 = 10;
/// Slowest rate at which a file is read, in bytes a second of processor time.
const SLOWEST: u64 = 20 << 20;
/// Largest ratio of elapsed time to processor time: other processes may occupy the processors.
const WAITING: u32 = 30;
/// Size of a file in bytes from which only the first and the last sample are read.
const LARGE: u64 = 256 << 20;

/// The command that examines files.
static COMMAND: OnceLock<Vec<OsString>> = OnceLock::new();

/// Lets `command`, a program that calls [`serve`] and its arguments, examine files from now on. Without this, files are
/// opened without being examined.
pub fn by(command: Vec<OsString>) {
    // A process that examines a file reads it itself.
    if std::env::var_os(FILE).is_none() {
        let _ = COMMAND.set(command);
    }
}

/// Call this first in a program. In a process that was started to examine a file, it examines the file and returns `true`;
/// the process must then end.
pub fn serve() -> bool {
    let Some(path) = std::env::var_os(FILE) else { return false };
    let say = |line: String| drop(std::io::stdout().write_all(line.as_bytes()));
    processor_time::limit(patience(path.as_ref()));
    say(format!("\n{BEGUN}\n"));
    if let Err(error) = read_everything(path.as_ref()) {
        say(format!("\n{REFUSED}{error}\n"));
    }
    true
}

/// Refuses a file that libhdf5 must not open: one that differs from its digest, and one without a digest that libhdf5 does
/// not survive. A file is checked once as long as it does not change.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn approve(path: &Path) -> Result<()> {
    static APPROVED: LazyLock<Mutex<HashMap<PathBuf, (u64, SystemTime)>>> = LazyLock::new(Mutex::default);
    let unreadable = |e| Error::input(path, format!("cannot be opened: {e}; check the path"));
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    let stamp = (metadata.len(), metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    let approved = || APPROVED.lock().unwrap_or_else(PoisonError::into_inner);
    if approved().get(path) == Some(&stamp) {
        return Ok(());
    }
    match digest::check(path).map_err(unreadable)? {
        Content::Whole => {}
        Content::Damaged => return Err(damaged(path, "its digest does not match")),
        Content::Unknown => examine(path)?,
    }
    approved().insert(path.to_owned(), stamp);
    Ok(())
}

fn damaged(path: &Path, why: &str) -> Error {
    Error::input(path, format!("is truncated or damaged ({why}); copy or make it again"))
}

/// Seconds of processor time for a file.
fn patience(path: &Path) -> u64 {
    PATIENCE + std::fs::metadata(path).map_or(0, |metadata| metadata.len()) / SLOWEST
}

/// Reads a file in a process of its own. A file that this process refuses is not opened here either: that libhdf5 survives
/// damage can be chance.
fn examine(path: &Path) -> Result<()> {
    let Some(command) = COMMAND.get() else { return Ok(()) };
    let hangs = || damaged(path, "the HDF5 library hangs on it");
    let patience = WAITING * Duration::from_secs(patience(path));
    let (status, said) = end_of(command, path, patience).ok_or_else(hangs)?;
    if processor_time::is_spent(status) {
        return Err(hangs());
    }
    // If the program did not begin, the file is opened as it is.
    if !said.lines().any(|line| line == BEGUN) {
        return Ok(());
    }
    if !status.success() {
        return Err(damaged(path, "the HDF5 library crashes on it"));
    }
    match said.lines().find_map(|line| line.strip_prefix(REFUSED)) {
        Some(error) => Err(Error::new(ErrorKind::Input, "", error)),
        None => Ok(()),
    }
}

/// How the examination of a file ended, and what it printed; `None` if it did not end within a time.
fn end_of(command: &[OsString], path: &Path, patience: Duration) -> Option<(ExitStatus, String)> {
    let [program, arguments @ ..] = command else { return Some(Default::default()) };
    let mut command = Command::new(program);
    command.args(arguments).env(FILE, path).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    // Memory that was never written or was freed does not look valid by chance (glibc).
    command.env("MALLOC_PERTURB_", "165");
    let began = Instant::now();
    let Ok(mut child) = command.spawn() else { return Some(Default::default()) };
    while began.elapsed() < patience {
        match child.try_wait() {
            Ok(None) => std::thread::sleep(Duration::from_millis(2)),
            Ok(Some(status)) => {
                let mut said = String::new();
                let _ = child.stdout.take().map(|mut output| output.read_to_string(&mut said));
                return Some((status, said));
            }
            Err(_) => return Some(Default::default()),
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
    let is_benchmark = listing::hdf5(path)?.iter().any(|entry| entry.name == "/alpha_water");
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
        None if !is_benchmark => Ok(()),
        _ => {
            let dataset = InvasionDataset::open(path)?;
            each(dataset.len(), &|index| dataset.recorded(index).map(drop))
        }
    }
}
