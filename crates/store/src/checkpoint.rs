//! Checkpoints: the complete state of a training in one file, written atomically.
//!
//! ```text
//! "porecast-checkpoint 1\n"  length of the state as u64  state (JSON)
//! then each blob: length as u64, bytes;  last 32 bytes: SHA-256 of all before
//! ```

use std::path::Path;

use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};

use porecast_base::atomic;
use porecast_base::{Error, Result};

const MAGIC: &[u8] = b"porecast-checkpoint 1\n";

/// Writes a checkpoint atomically.
///
/// # Errors
/// The file cannot be written.
pub fn write<S: Serialize>(path: &Path, state: &S, blobs: &[Vec<u8>]) -> Result<()> {
    let state = serde_json::to_vec(state).map_err(|e| Error::output(path, e))?;
    let mut bytes = MAGIC.to_vec();
    for part in std::iter::once(&state).chain(blobs) {
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(part);
    }
    let digest = Sha256::digest(&bytes);
    bytes.extend_from_slice(&digest);
    atomic::write(path, &bytes)
}

/// Reads a checkpoint.
///
/// # Errors
/// The file is missing, broken, or of another version.
pub fn read<S: DeserializeOwned>(path: &Path) -> Result<(S, Vec<Vec<u8>>)> {
    let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    let broken = || Error::input(path, "is not a whole checkpoint of this version; train again with --force");
    let (body, digest) = bytes.split_last_chunk::<32>().ok_or_else(broken)?;
    if Sha256::digest(body).as_slice() != digest {
        return Err(broken());
    }
    let mut rest = body.strip_prefix(MAGIC).ok_or_else(broken)?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (length, tail) = rest.split_first_chunk::<8>().ok_or_else(broken)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| broken())?;
        let (part, tail) = tail.split_at_checked(length).ok_or_else(broken)?;
        parts.push(part.to_vec());
        rest = tail;
    }
    if parts.is_empty() {
        return Err(broken());
    }
    let state = serde_json::from_slice(&parts.remove(0)).map_err(|_| broken())?;
    Ok((state, parts))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_reads_back_and_a_damaged_one_is_refused() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("checkpoint");
        write(&path, &(7, 0.1f64), &[vec![1, 2, 3], vec![]]).expect("written");
        assert_eq!(read::<(i32, f64)>(&path).expect("read"), ((7, 0.1), vec![vec![1, 2, 3], vec![]]));
        let mut bytes = std::fs::read(&path).expect("there");
        for damage in [bytes.len() - 1, bytes.len() / 2, 3] {
            bytes[damage] ^= 1;
            std::fs::write(&path, &bytes).expect("written");
            assert!(read::<(i32, f64)>(&path).is_err());
            bytes[damage] ^= 1;
        }
        std::fs::write(&path, &bytes[..40]).expect("written");
        assert!(read::<(i32, f64)>(&path).is_err());
    }
}
