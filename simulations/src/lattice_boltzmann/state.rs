//! Serialised state of a simulation, to stop and resume it with a bitwise identical result.
//!
//! Little-endian layout: the magic bytes `PCLB`, a version, the number of bytes per floating-point number,
//! the digest (64-bit FNV-1a) of everything that follows, then the fields in order, each preceded by its
//! length. Geometry and settings are not stored: the state must be read into a simulation that was set up in
//! the same way.

use super::real::Real;
use crate::{Error, ErrorKind, Result};

const MARK: &[u8; 4] = b"PCLB";
const VERSION: u32 = 1;
const HEADER: usize = 20;

/// Writes the fields of a state.
pub(super) struct Writer(Vec<u8>);

impl Writer {
    pub fn new<T: Real>() -> Self {
        let mut bytes = MARK.to_vec();
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&(T::BYTES as u32).to_le_bytes());
        bytes.extend_from_slice(&[0; 8]);
        Self(bytes)
    }

    pub fn number(&mut self, number: u64) {
        self.0.extend_from_slice(&number.to_le_bytes());
    }

    pub fn field<T: Real>(&mut self, field: &[T]) {
        self.number(field.len() as u64);
        field.iter().for_each(|value| value.write(&mut self.0));
    }

    pub fn finish(mut self) -> Vec<u8> {
        let digest = digest(&self.0[HEADER..]);
        self.0[HEADER - 8..HEADER].copy_from_slice(&digest.to_le_bytes());
        self.0
    }
}

/// Reads the fields of a state.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub fn new<T: Real>(bytes: &'a [u8]) -> Result<Self> {
        let mut header = Self(bytes);
        if header.take(4)? != MARK {
            return Err(unusable("it is not the state of a simulation"));
        }
        let version = header.word()?;
        if version != VERSION {
            return Err(unusable(&format!("it has version {version}, this program reads {VERSION}")));
        }
        if header.word()? as usize != T::BYTES {
            return Err(unusable("it was made in another precision"));
        }
        if header.number()? != digest(header.0) {
            return Err(unusable("it is damaged: its digest does not match"));
        }
        Ok(header)
    }

    pub fn number(&mut self) -> Result<u64> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().expect("eight bytes were taken")))
    }

    /// Reads the number of items that follow; each item has at least four bytes.
    pub fn count(&mut self) -> Result<usize> {
        let count = self.number()?;
        if count > self.0.len() as u64 / 4 {
            return Err(unusable("it ends too early"));
        }
        Ok(count as usize)
    }

    /// Reads a field into a slice of the same length.
    pub fn field<T: Real>(&mut self, field: &mut [T]) -> Result<()> {
        if self.number()? != field.len() as u64 {
            return Err(unusable("it belongs to another domain or other settings"));
        }
        for value in field {
            *value = T::read(self.take(T::BYTES)?).expect("as many bytes were taken");
        }
        Ok(())
    }

    pub fn finish(self) -> Result<()> {
        if self.0.is_empty() { Ok(()) } else { Err(unusable("it is longer than expected")) }
    }

    fn word(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().expect("four bytes were taken")))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or_else(|| unusable("it ends too early"))?;
        self.0 = rest;
        Ok(taken)
    }
}

pub(super) fn unusable(why: &str) -> Error {
    Error::new(ErrorKind::SavedState, "", format!("the saved state cannot be used: {why}"))
}

fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}
