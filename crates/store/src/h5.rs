//! HDF5 files. Errors name the file, the place in it, and the expected and actual content.

mod scales;

use std::path::{Path, PathBuf};

use hdf5::types::{TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{H5Type, Hyperslab, MinorErrorCode, SliceOrIndex};
use ndarray::{Array, ArrayView, Dimension};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};

use porecast_base::{Error, Result};
pub(crate) use scales::Axes;

/// Deflate level of growing datasets: on masks, 1 compresses about as well as 9, many times faster.
const DEFLATE: u8 = 1;

pub(crate) struct H5Reader {
    path: PathBuf,
    file: hdf5::File,
}

impl H5Reader {
    pub(crate) fn open(path: &Path) -> Result<Self> {
        // The HDF5 library's own messages for these cases are several lines about file drivers.
        let metadata = std::fs::metadata(path)
            .map_err(|e| Error::input(path, format!("cannot be opened: {e}; check the path")))?;
        if metadata.is_dir() {
            return Err(Error::input(path, "is a folder, expected an HDF5 file"));
        }
        let file = hdf5::File::open(path).map_err(|e| {
            let cause = last_cause(&e);
            Error::input(
                path,
                if e.contains_minor(MinorErrorCode::NotHdf5) {
                    "is not an HDF5 file".to_owned()
                } else if cause.contains("unable to lock") {
                    "is being written by another program; wait until that has ended".to_owned()
                } else {
                    format!("is truncated or damaged ({cause}); copy or make it again")
                },
            )
        })?;
        Ok(Self { path: path.to_owned(), file })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The HDF5 file itself, to list its content.
    pub(crate) fn file(&self) -> &hdf5::File {
        &self.file
    }

    /// An error at an HDF5 path of this file.
    pub(crate) fn error(&self, place: &str, what: impl std::fmt::Display) -> Error {
        Error::input(&self.path, format!("{place} {what}"))
    }

    /// Checks the attributes `format` and `version`.
    pub(crate) fn expect_format(&self, format: &str, version: u32) -> Result<()> {
        let found = self.text("format").map_err(|_| {
            Error::input(&self.path, format!("has no attribute \"format\", expected {format:?}"))
        })?;
        if found != format {
            return Err(Error::input(&self.path, format!("has format {found:?}, expected {format:?}")));
        }
        let found = self.number("version")?;
        if found != f64::from(version) {
            return Err(Error::input(
                &self.path,
                format!("has {format} version {found}, this program reads version {version}"),
            ));
        }
        Ok(())
    }

    fn attribute(&self, name: &str) -> Result<hdf5::Attribute> {
        self.file.attr(name).map_err(|_| self.error("/", format!("has no attribute {name:?}")))
    }

    pub(crate) fn text(&self, name: &str) -> Result<String> {
        let attribute = self.attribute(name)?;
        let unicode = attribute.read_scalar::<VarLenUnicode>().map(|text| text.as_str().to_owned());
        unicode
            .or_else(|_| attribute.read_scalar::<VarLenAscii>().map(|text| text.as_str().to_owned()))
            .map_err(|_| self.error("/", format!("attribute {name:?} is not a text")))
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        let attribute = self.attribute(name)?;
        attribute
            .read_scalar::<f64>()
            .map_err(|_| self.error("/", format!("attribute {name:?} is not a number")))
    }

    /// Reads an attribute that holds one word of a closed set.
    pub(crate) fn keyword<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let text = self.text(name)?;
        let word: StrDeserializer<'_, serde::de::value::Error> = text.as_str().into_deserializer();
        T::deserialize(word).map_err(|e| self.error("/", format!("attribute {name:?}: {e}")))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.file.link_exists(name)
    }

    /// A dataset of any type whose shape fits `dims`; `None` fits any length.
    pub(crate) fn dataset(&self, name: &str, dims: &[Option<usize>]) -> Result<hdf5::Dataset> {
        if !self.has(name) {
            return Err(self.error(name, "is missing"));
        }
        let dataset = self.file.dataset(name).map_err(|e| self.error(name, last_cause(&e)))?;
        let shape = dataset.shape();
        let fits = shape.len() == dims.len()
            && shape.iter().zip(dims).all(|(&length, wanted)| wanted.is_none_or(|wanted| wanted == length));
        if !fits {
            let wanted: Vec<String> =
                dims.iter().map(|d| d.map_or_else(|| "any".to_owned(), |d| d.to_string())).collect();
            return Err(self.error(name, format!("has shape {shape:?}, expected [{}]", wanted.join(", "))));
        }
        Ok(dataset)
    }

    /// A dataset of type `T` whose shape fits `dims`.
    pub(crate) fn dataset_of<T: H5Type>(&self, name: &str, dims: &[Option<usize>]) -> Result<hdf5::Dataset> {
        let dataset = self.dataset(name, dims)?;
        let found = dataset.dtype().and_then(|t| t.to_descriptor()).map_err(|e| self.error(name, e))?;
        let wanted = T::type_descriptor();
        if found.to_packed_repr() != wanted.to_packed_repr() {
            return Err(self.error(name, format!("holds {found}, expected {wanted}")));
        }
        Ok(dataset)
    }

    pub(crate) fn texts(&self, name: &str) -> Result<Vec<String>> {
        let dataset = self.dataset(name, &[None])?;
        let found = dataset.dtype().and_then(|t| t.to_descriptor()).map_err(|e| self.error(name, e))?;
        let texts: hdf5::Result<Vec<String>> = match found {
            TypeDescriptor::VarLenUnicode => dataset
                .read_raw::<VarLenUnicode>()
                .map(|texts| texts.iter().map(|text| text.as_str().to_owned()).collect()),
            TypeDescriptor::VarLenAscii => dataset
                .read_raw::<VarLenAscii>()
                .map(|texts| texts.iter().map(|text| text.as_str().to_owned()).collect()),
            _ => return Err(self.error(name, format!("holds {found}, expected texts"))),
        };
        texts.map_err(|e| self.error(name, last_cause(&e)))
    }

    /// Row `row` of a dataset, without its first axis.
    pub(crate) fn row<T: H5Type, D: Dimension>(
        &self,
        dataset: &hdf5::Dataset,
        row: usize,
    ) -> Result<Array<T, D>> {
        dataset
            .read_slice(part_of(&[row], dataset.ndim()))
            .map_err(|e| self.error(&format!("{}[{row}]", dataset.name()), last_cause(&e)))
    }
}

pub(crate) struct H5Writer {
    path: PathBuf,
    file: hdf5::File,
    is_compressed: bool,
}

impl H5Writer {
    /// Creates `temporary`; errors name `path`, the final place of the file.
    pub(crate) fn create(temporary: &Path, path: &Path) -> Result<Self> {
        let file = hdf5::File::create(temporary).map_err(|e| Error::output(path, last_cause(&e)))?;
        Ok(Self { path: path.to_owned(), file, is_compressed: true })
    }

    /// Turns off the compression of growing datasets.
    pub(crate) fn uncompressed(self) -> Self {
        Self { is_compressed: false, ..self }
    }

    fn check<T>(&self, result: hdf5::Result<T>) -> Result<T> {
        result.map_err(|e| Error::output(&self.path, last_cause(&e)))
    }

    pub(crate) fn text(&self, name: &str, value: &str) -> Result<()> {
        let value = self.check(unicode(value))?;
        let attribute = self.check(self.file.new_attr::<VarLenUnicode>().create(name))?;
        self.check(attribute.write_scalar(&value))
    }

    pub(crate) fn number<T: H5Type>(&self, name: &str, value: T) -> Result<()> {
        let attribute = self.check(self.file.new_attr::<T>().create(name))?;
        self.check(attribute.write_scalar(&value))
    }

    /// Writes one word of a closed set.
    pub(crate) fn keyword<T: Serialize>(&self, name: &str, value: T) -> Result<()> {
        let word = serde_json::to_value(value).map_err(|e| Error::output(&self.path, e))?;
        self.text(name, word.as_str().expect("closed sets are serialised as words"))
    }

    /// Creates a dataset without rows; `row` is the shape of a row and `chunk` that of a chunk.
    pub(crate) fn growing<T: H5Type>(&self, name: &str, row: &[usize], chunk: &[usize]) -> Result<Growing> {
        let mut extents = vec![hdf5::Extent::resizable(0)];
        extents.extend(row.iter().map(|&length| hdf5::Extent::fixed(length)));
        let builder = self
            .file
            .new_dataset::<T>()
            .shape(hdf5::SimpleExtents::from_vec(extents))
            .chunk(chunk)
            // Without time stamps, the same content gives the same file.
            .obj_track_times(false);
        let builder = if self.is_compressed { builder.deflate(DEFLATE) } else { builder };
        let dataset = self.check(builder.create(name))?;
        Ok(Growing { path: self.path.clone(), dataset, rows: 0 })
    }

    pub(crate) fn texts(&self, name: &str, texts: &[String]) -> Result<()> {
        let texts = self.check(texts.iter().map(|text| unicode(text)).collect::<hdf5::Result<Vec<_>>>())?;
        let builder = self.file.new_dataset_builder().with_data(&texts).obj_track_times(false);
        self.check(builder.create(name)).map(drop)
    }

    pub(crate) fn column<T: H5Type>(&self, name: &str, values: &[T]) -> Result<()> {
        let builder = self.file.new_dataset_builder().with_data(values).obj_track_times(false);
        self.check(builder.create(name)).map(drop)
    }

    /// Flushes and closes the file; only then is it complete.
    pub(crate) fn finish(self) -> Result<()> {
        self.check(self.file.flush())?;
        let path = self.path;
        self.file.close().map_err(|e| Error::output(&path, last_cause(&e)))
    }
}

/// A dataset written row by row.
pub(crate) struct Growing {
    path: PathBuf,
    dataset: hdf5::Dataset,
    rows: usize,
}

impl Growing {
    pub(crate) fn text(&self, name: &str, value: &str) -> Result<()> {
        let written = unicode(value)
            .and_then(|value| self.dataset.new_attr::<VarLenUnicode>().create(name)?.write_scalar(&value));
        written.map_err(|e| Error::output(&self.path, last_cause(&e)))
    }

    pub(crate) fn push<T: H5Type, D: Dimension>(&mut self, row: ArrayView<'_, T, D>) -> Result<()> {
        self.grow()?;
        self.write(&[], row)
    }

    /// Adds a row of zeros.
    pub(crate) fn grow(&mut self) -> Result<()> {
        let mut shape = self.dataset.shape();
        shape[0] = self.rows + 1;
        self.dataset.resize(shape).map_err(|e| Error::output(&self.path, last_cause(&e)))?;
        self.rows += 1;
        Ok(())
    }

    /// Writes the part of the last row at the leading indices `part`.
    pub(crate) fn write<T: H5Type, D: Dimension>(
        &mut self,
        part: &[usize],
        values: ArrayView<'_, T, D>,
    ) -> Result<()> {
        let indices: Vec<usize> = std::iter::once(self.rows - 1).chain(part.iter().copied()).collect();
        self.dataset
            .write_slice(values, part_of(&indices, self.dataset.ndim()))
            .map_err(|e| Error::output(&self.path, last_cause(&e)))
    }
}

/// Selects the part at the leading `indices` of a dataset of `ndim` axes.
fn part_of(indices: &[usize], ndim: usize) -> Hyperslab {
    let mut selection: Vec<_> = indices.iter().map(|&index| SliceOrIndex::Index(index)).collect();
    selection.resize(ndim, SliceOrIndex::Unlimited { start: 0, step: 1, block: 1 });
    Hyperslab::from(selection)
}

fn unicode(text: &str) -> hdf5::Result<VarLenUnicode> {
    text.parse().map_err(|_| hdf5::Error::from("a text holds a zero byte"))
}

/// The innermost message of the HDF5 error stack, which names the cause.
pub(crate) fn last_cause(error: &hdf5::Error) -> String {
    error
        .stack()
        .and_then(|stack| stack.last().map(|frame| frame.desc().to_owned()))
        .unwrap_or_else(|| error.to_string())
}
