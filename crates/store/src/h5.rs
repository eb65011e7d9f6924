//! HDF5 files. Errors name the file, the place in it, and the expected and actual content.

mod scales;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use hdf5::filters::Filter;
use hdf5::types::{FixedAscii, FixedUnicode, TypeDescriptor, VarLenAscii, VarLenUnicode};
use hdf5::{Container, H5Type, Hyperslab, MinorErrorCode, SliceOrIndex};
use ndarray::{Array, ArrayView, Dimension};
use serde::Serialize;
use serde::de::{DeserializeOwned, IntoDeserializer, value::StrDeserializer};

use crate::{digest, examine};
use porecast_base::{Error, Result};
pub(crate) use scales::Axes;

/// Longest text of fixed length that is read, in bytes.
const LONGEST_TEXT: usize = 1024;
/// Deflate level of growing datasets: on masks, 1 compresses about as well as 9, many times faster.
const DEFLATE: u8 = 1;

/// Version of the HDF5 library, such as `1.14.5`.
pub fn hdf5_version() -> String {
    let (major, minor, patch) = hdf5::library_version();
    format!("{major}.{minor}.{patch}")
}

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
        examine::approve(path)?;
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
        let texts =
            texts_in(&attribute).map_err(|_| self.error("/", format!("attribute {name:?} is not a text")))?;
        match texts.as_slice() {
            [text] => Ok(text.clone()),
            _ => {
                Err(self.error("/", format!("attribute {name:?} holds {} texts, expected one", texts.len())))
            }
        }
    }

    /// A text that another program may leave out.
    pub(crate) fn text_or(&self, name: &str, otherwise: &str) -> Result<String> {
        if self.file.attr(name).is_ok() { self.text(name) } else { Ok(otherwise.to_owned()) }
    }

    pub(crate) fn number(&self, name: &str) -> Result<f64> {
        let numbers = self.attribute(name)?.read_raw::<f64>();
        match numbers.as_deref() {
            Ok([number]) => Ok(*number),
            Ok(numbers) => {
                Err(self
                    .error("/", format!("attribute {name:?} holds {} numbers, expected one", numbers.len())))
            }
            Err(_) => Err(self.error("/", format!("attribute {name:?} is not a number"))),
        }
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
        if let Some(filter) = dataset.filters().iter().find(|filter| !filter.is_available()) {
            let what = format!(
                "is compressed with {}, which this HDF5 library cannot read; write the file again with gzip or without \
                 compression",
                filter_name(filter)
            );
            return Err(self.error(name, what));
        }
        Ok(dataset)
    }

    /// A dataset of numbers of any type, which are converted when they are read.
    pub(crate) fn numbers(&self, name: &str, dims: &[Option<usize>]) -> Result<hdf5::Dataset> {
        use TypeDescriptor::{Boolean, Float, Integer, Unsigned};
        let dataset = self.dataset(name, dims)?;
        match dataset.dtype().and_then(|kind| kind.to_descriptor()).map_err(|e| self.error(name, e))? {
            Integer(_) | Unsigned(_) | Float(_) | Boolean => Ok(dataset),
            found => Err(self.error(name, format!("holds {found}, expected numbers"))),
        }
    }

    /// Row `row` of a mask of 0 and 1, stored as numbers of any type. `axes` names the axes of the row in errors.
    pub(crate) fn mask<D: Dimension>(&self, name: &str, axes: &str, row: usize) -> Result<Array<bool, D>> {
        let dataset = self.numbers(name, &vec![None; D::NDIM.map_or(0, |ndim| ndim + 1)])?;
        if dataset.dtype().is_ok_and(|kind| kind.is::<u8>()) {
            self.zeros_and_ones::<u8, D>(&dataset, axes, row)
        } else {
            self.zeros_and_ones::<f32, D>(&dataset, axes, row)
        }
    }

    fn zeros_and_ones<T, D: Dimension>(
        &self,
        dataset: &hdf5::Dataset,
        axes: &str,
        row: usize,
    ) -> Result<Array<bool, D>>
    where
        T: H5Type + From<bool> + PartialEq + Display + Copy,
    {
        let (zero, one) = (T::from(false), T::from(true));
        let values = self.row::<T, D>(dataset, row)?;
        match values.indexed_iter().find(|(_, value)| **value != zero && **value != one) {
            Some((at, value)) => Err(self.error(
                &format!("{}[{row}]", dataset.name()),
                format!("holds {value}, expected 0 or 1, at ({axes}) = {at:?}"),
            )),
            None => Ok(values.mapv(|value| value == one)),
        }
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
        texts_in(&dataset).map_err(|what| self.error(name, what))
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

/// The texts in a dataset or an attribute, of variable or fixed length.
fn texts_in(place: &Container) -> std::result::Result<Vec<String>, String> {
    fn read<T: H5Type + ToString>(place: &Container) -> std::result::Result<Vec<String>, String> {
        let texts = place.read_raw::<T>().map_err(|e| last_cause(&e))?;
        Ok(texts.iter().map(|text| text.to_string().trim_end_matches(' ').to_owned()).collect())
    }
    match place.dtype().and_then(|kind| kind.to_descriptor()).map_err(|e| last_cause(&e))? {
        TypeDescriptor::VarLenUnicode => read::<VarLenUnicode>(place),
        TypeDescriptor::VarLenAscii => read::<VarLenAscii>(place),
        TypeDescriptor::FixedUnicode(length) if length <= LONGEST_TEXT => {
            read::<FixedUnicode<LONGEST_TEXT>>(place)
        }
        TypeDescriptor::FixedAscii(length) if length <= LONGEST_TEXT => {
            read::<FixedAscii<LONGEST_TEXT>>(place)
        }
        found => Err(format!("holds {found}, expected texts")),
    }
}

/// A filter of HDF5 in the words of the programs that write it.
fn filter_name(filter: &Filter) -> String {
    let name = match filter.id() {
        4 => "szip",
        32000 => "lzf",
        32001 => "blosc",
        32004 => "lz4",
        32008 => "bitshuffle",
        32013 => "zfp",
        32015 => "zstd",
        32026 => "blosc2",
        id => return format!("HDF5 filter {id}"),
    };
    format!("{name} (HDF5 filter {})", filter.id())
}

pub(crate) struct H5Writer {
    path: PathBuf,
    /// Where the file is until it is complete.
    temporary: PathBuf,
    file: hdf5::File,
    is_compressed: bool,
}

impl H5Writer {
    /// Creates `temporary`; errors name `path`, the final place of the file.
    pub(crate) fn create(temporary: &Path, path: &Path) -> Result<Self> {
        // HDF5 2 stores the time of creation in the root group; the same content must give the same bytes.
        let created =
            hdf5::File::with_options().with_fcpl(|list| list.obj_track_times(false)).create(temporary);
        let file = created.map_err(|e| Error::output(path, last_cause(&e)))?;
        Ok(Self { path: path.to_owned(), temporary: temporary.to_owned(), file, is_compressed: true })
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
        self.text(name, &word(value, &self.path)?)
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

    /// Closes the file and appends its [digest](crate::digest); only then is it complete. Drop all datasets before: dropping
    /// them writes to the file.
    pub(crate) fn finish(self) -> Result<()> {
        self.check(self.file.flush())?;
        let Self { path, temporary, file, .. } = self;
        file.close().map_err(|e| Error::output(&path, last_cause(&e)))?;
        digest::append(&temporary).map_err(|e| Error::output(&path, e))
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

/// The word of a closed set, as files have it; errors name the file `path`.
pub(crate) fn word<T: Serialize>(value: T, path: &Path) -> Result<String> {
    let word = serde_json::to_value(value).map_err(|e| Error::output(path, e))?;
    Ok(word.as_str().expect("closed sets are serialised as words").to_owned())
}
