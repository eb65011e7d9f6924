//! NumPy npz archives with arrays of any number type.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use ndarray::{ArrayD, IxDyn, OwnedRepr};
use ndarray_npy::{NpzReader, ReadNpyError, ReadNpyExt, ReadNpzError, ReadableElement};
use porecast_base::{Error, Result};

/// An open npz archive.
pub struct Archive {
    path: PathBuf,
    reader: NpzReader<BufReader<File>>,
}

/// Values of an array and the name of their stored type.
pub struct Numbers {
    /// `bool`, or the Rust name of a number type.
    pub kind: &'static str,
    /// The values; booleans become 0 or 1.
    pub values: ArrayD<f64>,
}

impl Archive {
    /// Opens an archive.
    ///
    /// # Errors
    /// If the file is missing or damaged.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
        let reader = NpzReader::new(BufReader::new(file)).map_err(|e| damaged(path, e))?;
        Ok(Self { path: path.to_owned(), reader })
    }

    /// Names of the arrays.
    ///
    /// # Errors
    /// If the file is damaged.
    pub fn names(&mut self) -> Result<Vec<String>> {
        self.reader.names().map_err(|e| damaged(&self.path, e))
    }

    /// An array of booleans or numbers; `None` for any other type.
    ///
    /// # Errors
    /// If the file is damaged or has no such array.
    pub fn numbers(&mut self, name: &str) -> Result<Option<Numbers>> {
        if let Some(array) = self.read_as::<bool>(name)? {
            return Ok(Some(Numbers { kind: "bool", values: array.mapv(f64::from) }));
        }
        macro_rules! first_that_fits {
            ($($kind:ident)*) => {
                $(if let Some(array) = self.read_as::<$kind>(name)? {
                    let values = array.mapv(|value| value as f64);
                    return Ok(Some(Numbers { kind: stringify!($kind), values }));
                })*
            };
        }
        first_that_fits!(u8 i64 i32 u16 i16 i8 u32 u64 f32 f64);
        Ok(None)
    }

    /// An array of integers from 0 to 255, stored as any type; `None` if it has other values.
    ///
    /// # Errors
    /// If the file is damaged or has no such array.
    pub fn bytes(&mut self, name: &str) -> Result<Option<ArrayD<u8>>> {
        if let Some(array) = self.read_as::<u8>(name)? {
            return Ok(Some(array));
        }
        let is_byte = |value: &f64| (0.0..=255.0).contains(value) && value.fract() == 0.0;
        let numbers = self.numbers(name)?.filter(|numbers| numbers.kind != "bool");
        let whole = numbers.filter(|numbers| numbers.values.iter().all(is_byte));
        Ok(whole.map(|numbers| numbers.values.mapv(|value| value as u8)))
    }

    /// An array with elements of type `T`; `None` if it has another type.
    fn read_as<T: ReadableElement>(&mut self, name: &str) -> Result<Option<ArrayD<T>>> {
        match self.reader.by_name::<OwnedRepr<T>, IxDyn>(name) {
            Ok(array) => Ok(Some(array)),
            Err(ReadNpzError::Npy(ReadNpyError::WrongDescriptor(_))) => Ok(None),
            Err(error) => Err(damaged(&self.path, error)),
        }
    }
}

/// An array of booleans or numbers in a npy file.
///
/// # Errors
/// If the file is missing, damaged or holds elements of another type.
pub fn read_npy(path: &Path) -> Result<Numbers> {
    let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    if let Some(array) = npy_as::<bool>(&bytes, path)? {
        return Ok(Numbers { kind: "bool", values: array.mapv(f64::from) });
    }
    macro_rules! first_that_fits {
        ($($kind:ident)*) => {
            $(if let Some(array) = npy_as::<$kind>(&bytes, path)? {
                return Ok(Numbers { kind: stringify!($kind), values: array.mapv(|value| value as f64) });
            })*
        };
    }
    first_that_fits!(u8 i64 i32 u16 i16 i8 u32 u64 f32 f64);
    Err(Error::input(path, "holds elements that are neither booleans nor real numbers"))
}

/// The array of a npy file with elements of type `T`; `None` if it has another type.
fn npy_as<T: ReadableElement>(bytes: &[u8], path: &Path) -> Result<Option<ArrayD<T>>> {
    match ArrayD::<T>::read_npy(bytes) {
        Ok(array) => Ok(Some(array)),
        Err(ReadNpyError::WrongDescriptor(_)) => Ok(None),
        Err(error) => Err(Error::input(path, format!("is a damaged npy file: {error}"))),
    }
}

fn damaged(path: &Path, error: ReadNpzError) -> Error {
    Error::input(path, format!("is not a readable npz archive: {error}"))
}
