//! The digest at the end of every HDF5 file that porecast writes: libhdf5 can crash on damaged bytes, or never return.
//!
//! The last 80 bytes are `porecast-sha256:` and the SHA-256 of all bytes before, in hexadecimal. HDF5 ignores what is
//! behind its end-of-file address. It drops it when a file is opened for writing, so a changed file has no digest.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use porecast_base::hex;
use sha2::{Digest, Sha256};

const LABEL: &[u8] = b"porecast-sha256:";
/// Length of the label and the digest in bytes.
const LENGTH: u64 = 16 + 64;

/// What the digest says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Content {
    /// As it was written.
    Whole,
    /// Not as it was written.
    Damaged,
    /// The file has no digest: another program wrote it.
    Unknown,
}

/// Appends the digest to a finished HDF5 file.
///
/// # Errors
/// The file cannot be read or written.
pub(crate) fn append(path: &Path) -> io::Result<()> {
    let mut file = File::options().read(true).append(true).open(path)?;
    let digest = digest_of(&mut file, u64::MAX)?;
    file.write_all(LABEL)?;
    file.write_all(digest.as_bytes())
}

/// Compares a file with its digest.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn check(path: &Path) -> io::Result<Content> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let Some(body) = length.checked_sub(LENGTH) else { return Ok(Content::Unknown) };
    let mut end = [0; LENGTH as usize];
    file.seek(SeekFrom::Start(body))?;
    file.read_exact(&mut end)?;
    file.rewind()?;
    if let Some(digest) = end.strip_prefix(LABEL) {
        let is_whole = digest_of(&mut file, body)?.as_bytes() == digest;
        return Ok(if is_whole { Content::Whole } else { Content::Damaged });
    }
    // No digest, but up to as many bytes follow the end of the HDF5 data: a digest was there and is damaged.
    let behind = end_of_hdf5(&mut file)?.and_then(|end| length.checked_sub(end));
    Ok(if behind.is_some_and(|behind| (1..=LENGTH).contains(&behind)) {
        Content::Damaged
    } else {
        Content::Unknown
    })
}

/// The end-of-file address in the superblock of an HDF5 file with 8-byte addresses; `None` of anything else.
fn end_of_hdf5(file: &mut File) -> io::Result<Option<u64>> {
    let mut superblock = Vec::new();
    file.take(64).read_to_end(&mut superblock)?;
    let at = match superblock.get(..9) {
        Some(b"\x89HDF\r\n\x1a\n\0") => 40,
        Some(b"\x89HDF\r\n\x1a\n\x01") => 44,
        Some(b"\x89HDF\r\n\x1a\n\x02" | b"\x89HDF\r\n\x1a\n\x03") => 28,
        _ => return Ok(None),
    };
    Ok(superblock.get(at..).and_then(|bytes| bytes.first_chunk()).map(|bytes| u64::from_le_bytes(*bytes)))
}

/// SHA-256 of the first `length` bytes of a file, in hexadecimal.
fn digest_of(file: &mut File, length: u64) -> io::Result<String> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = file.take(length);
    loop {
        match bytes.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            count => hash.update(&buffer[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn written(folder: &Path) -> PathBuf {
        let path = folder.join("a.h5");
        let file = hdf5::File::create(&path).unwrap();
        file.new_dataset_builder().with_data(&[1, 2, 3]).create("a").unwrap();
        file.close().unwrap();
        append(&path).unwrap();
        path
    }

    #[test]
    fn every_damaged_byte_is_noticed_or_leaves_the_content_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        assert_eq!(check(&path).unwrap(), Content::Whole);
        let whole = std::fs::read(&path).unwrap();
        let found = |bytes: &[u8]| {
            let path = folder.path().join("b.h5");
            std::fs::write(&path, bytes).unwrap();
            check(&path).unwrap()
        };
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 16;
            assert_eq!(found(&bytes), Content::Damaged, "byte {at}");
        }
        for cut in 1..80 {
            assert_eq!(found(&whole[..whole.len() - cut]), Content::Damaged, "{cut} bytes cut off");
        }
        assert_eq!(found(&whole[..whole.len() - 80]), Content::Unknown);
        assert_eq!(found(b"short"), Content::Unknown);
    }

    #[test]
    fn hdf5_reads_a_file_with_digest_and_drops_the_digest_when_it_writes() {
        let folder = tempfile::tempdir().unwrap();
        let path = written(folder.path());
        let values = |file: &hdf5::File| file.dataset("a").unwrap().read_raw::<i32>().unwrap();
        assert_eq!(values(&hdf5::File::open(&path).unwrap()), [1, 2, 3]);
        assert_eq!(check(&path).unwrap(), Content::Whole);
        let file = hdf5::File::open_rw(&path).unwrap();
        file.new_dataset_builder().with_data(&[4, 5]).create("b").unwrap();
        file.close().unwrap();
        assert_eq!(check(&path).unwrap(), Content::Unknown);
        assert_eq!(values(&hdf5::File::open(&path).unwrap()), [1, 2, 3]);
        hdf5::File::open_rw(written(folder.path())).unwrap().close().unwrap();
        assert_eq!(check(&path).unwrap(), Content::Unknown);
    }
}
