//! Reads TIFF and PNG files as numeric channels.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use ndarray::Array3;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

use super::{folder, photograph};
use porecast_base::{Error, Result};

/// Largest image in bytes. A damaged header can claim any size.
const LARGEST: usize = 4 << 30;

/// Stored values `[channel, y, x]`, and the range of their type (`None` for floating point).
pub(super) struct Raster {
    pub(super) values: Array3<f32>,
    pub(super) type_range: Option<(f32, f32)>,
}

/// Height and width, read from the header only.
pub(super) fn shape(path: &Path) -> Result<(usize, usize)> {
    if folder::extension(path) == "png" {
        return photograph::shape(path);
    }
    let (width, height) = open(path)?.dimensions().map_err(|e| damaged(path, e))?;
    Ok((height as usize, width as usize))
}

/// Reads the first page of a TIFF file, or a PNG image.
pub(super) fn read(path: &Path) -> Result<Raster> {
    match folder::extension(path).as_str() {
        "png" => read_png(path),
        _ => read_tiff(path),
    }
}

fn open(path: &Path) -> Result<Decoder<BufReader<File>>> {
    let file = File::open(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = LARGEST;
    limits.intermediate_buffer_size = LARGEST;
    Decoder::new(BufReader::new(file)).map(|d| d.with_limits(limits)).map_err(|e| damaged(path, e))
}

fn damaged(path: &Path, error: tiff::TiffError) -> Error {
    Error::input(path, format!("is a damaged TIFF image: {error}"))
}

/// The first page of a TIFF file, as stored.
pub struct Page {
    /// The samples; samples of less than a byte are unpacked to one byte each.
    pub samples: DecodingResult,
    /// Colour type of a pixel.
    pub colour: ColorType,
    /// Arrangement of the samples.
    pub layout: Layout,
}

/// Arrangement of the samples in a TIFF file.
pub struct Layout {
    shape: (usize, usize),
    is_planar: bool,
}

impl Page {
    /// Reads the first page of a TIFF file.
    ///
    /// # Errors
    /// If the file is missing or damaged, has palette or YCbCr colours, or is larger than 4 GiB.
    pub fn read(path: &Path) -> Result<Self> {
        let mut decoder = open(path)?;
        let (width, height) = decoder.dimensions().map_err(|e| damaged(path, e))?;
        let shape = (height as usize, width as usize);
        let colour = decoder.colortype().map_err(|e| damaged(path, e))?;
        if matches!(colour, ColorType::Palette(_) | ColorType::YCbCr(_)) {
            return Err(unusable_colours(path, colour));
        }
        let is_planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).ok().flatten() == Some(2);
        let mut samples = DecodingResult::U8(Vec::new());
        let layout = decoder.read_image_to_buffer(&mut samples).map_err(|e| damaged(path, e))?;
        if samples.as_buffer(0).byte_len() < layout.complete_len {
            let what = format!(
                "is a TIFF image of {} bytes, more than {LARGEST}; cut it into tiles",
                layout.complete_len
            );
            return Err(Error::input(path, what));
        }
        if let (DecodingResult::U8(packed), ColorType::Gray(bits @ (1 | 2 | 4))) = (&samples, colour) {
            samples = DecodingResult::U8(unpack(packed, bits, shape));
        }
        Ok(Self { samples, colour, layout: Layout { shape, is_planar } })
    }

    /// Largest grey value of samples stored with less than a byte; `None` for other samples.
    pub fn largest_of_packed(&self) -> Option<f32> {
        match self.colour {
            ColorType::Gray(bits @ (1 | 2 | 4)) => Some(f32::from((1_u8 << bits) - 1)),
            _ => None,
        }
    }
}

impl Layout {
    /// Arranges values, computed from the samples in the same order, as `[channel, y, x]`.
    ///
    /// # Errors
    /// If the values do not fill the image.
    pub fn channels(&self, values: Vec<f32>, path: &Path) -> Result<Array3<f32>> {
        let (height, width) = self.shape;
        let area = height * width;
        if area == 0 || values.is_empty() || !values.len().is_multiple_of(area) {
            let what = "is a TIFF image whose pixels do not fill its width and height";
            return Err(Error::input(path, what));
        }
        let channels = values.len() / area;
        let values = if self.is_planar {
            Array3::from_shape_vec((channels, height, width), values)
        } else {
            Array3::from_shape_vec((height, width, channels), values)
                .map(|values| values.permuted_axes([2, 0, 1]))
        };
        Ok(values.expect("channels x height x width numbers").as_standard_layout().into_owned())
    }
}

/// The error for colours other than grey and RGB.
pub fn unusable_colours(path: &Path, colour: ColorType) -> Error {
    Error::input(path, format!("is a TIFF image with colours {colour:?}; save it as grey or RGB"))
}

fn read_tiff(path: &Path) -> Result<Raster> {
    let page = Page::read(path)?;
    let largest = page.largest_of_packed();
    let (values, type_range) = numbers(page.samples);
    let type_range = largest.map_or(type_range, |largest| Some((0.0, largest)));
    Ok(Raster { values: page.layout.channels(values, path)?, type_range })
}

/// Unpacks samples of less than a byte; each row starts at a byte.
fn unpack(packed: &[u8], bits: u8, (height, width): (usize, usize)) -> Vec<u8> {
    let bits = usize::from(bits);
    let mut values = Vec::with_capacity(height * width);
    for row in packed.chunks((width * bits).div_ceil(8).max(1)).take(height) {
        for x in 0..width {
            let byte = row.get(x * bits / 8).copied().unwrap_or(0);
            values.push((byte >> (8 - bits - x * bits % 8)) & ((1 << bits) - 1));
        }
    }
    values
}

fn numbers(pixels: DecodingResult) -> (Vec<f32>, Option<(f32, f32)>) {
    macro_rules! integers {
        ($values:ident, $type:ty) => {
            (
                $values.into_iter().map(|v| v as f32).collect(),
                Some((<$type>::MIN as f32, <$type>::MAX as f32)),
            )
        };
    }
    match pixels {
        DecodingResult::U8(v) => integers!(v, u8),
        DecodingResult::U16(v) => integers!(v, u16),
        DecodingResult::U32(v) => integers!(v, u32),
        DecodingResult::U64(v) => integers!(v, u64),
        DecodingResult::I8(v) => integers!(v, i8),
        DecodingResult::I16(v) => integers!(v, i16),
        DecodingResult::I32(v) => integers!(v, i32),
        DecodingResult::I64(v) => integers!(v, i64),
        DecodingResult::F16(v) => (v.into_iter().map(|v| v.to_f32()).collect(), None),
        DecodingResult::F32(v) => (v, None),
        DecodingResult::F64(v) => (v.into_iter().map(|v| v as f32).collect(), None),
    }
}

/// Reads a PNG with its own number of channels, because a mask is grey.
fn read_png(path: &Path) -> Result<Raster> {
    let image = image::open(path).map_err(|e| Error::input(path, format!("is a damaged image: {e}")))?;
    let (height, width) = (image.height() as usize, image.width() as usize);
    let colour = image.color();
    let is_deep = colour.bytes_per_pixel() / colour.channel_count() > 1;
    let numbers = |values: Vec<u8>| values.into_iter().map(f32::from).collect();
    let deep_numbers = |values: Vec<u16>| values.into_iter().map(f32::from).collect();
    let (values, channels): (Vec<f32>, _) = match (colour.has_color(), is_deep) {
        (false, false) => (numbers(image.into_luma8().into_raw()), 1),
        (false, true) => (deep_numbers(image.into_luma16().into_raw()), 1),
        (true, false) => (numbers(image.into_rgb8().into_raw()), 3),
        (true, true) => (deep_numbers(image.into_rgb16().into_raw()), 3),
    };
    let values = Array3::from_shape_vec((height, width, channels), values)
        .expect("height x width pixels")
        .permuted_axes([2, 0, 1])
        .as_standard_layout()
        .into_owned();
    Ok(Raster { values, type_range: Some((0.0, if is_deep { 65535.0 } else { 255.0 })) })
}

#[cfg(test)]
mod tests {
    use ndarray::array;
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;

    fn written(write: impl FnOnce(&mut TiffEncoder<File>)) -> Raster {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        write(&mut TiffEncoder::new(File::create(&path).unwrap()).unwrap());
        assert_eq!(shape(&path).unwrap(), (1, 2));
        read(&path).unwrap()
    }

    #[test]
    fn every_depth_gives_its_numbers_and_range() {
        let raster = written(|t| t.write_image::<colortype::Gray8>(2, 1, &[3, 250]).unwrap());
        assert_eq!((raster.values, raster.type_range), (array![[[3.0, 250.0]]], Some((0.0, 255.0))));
        let raster = written(|t| t.write_image::<colortype::Gray16>(2, 1, &[3, 65000]).unwrap());
        assert_eq!((raster.values, raster.type_range), (array![[[3.0, 65000.0]]], Some((0.0, 65535.0))));
        let raster = written(|t| t.write_image::<colortype::GrayI16>(2, 1, &[-3, 300]).unwrap());
        assert_eq!((raster.values, raster.type_range), (array![[[-3.0, 300.0]]], Some((-32768.0, 32767.0))));
        let raster = written(|t| t.write_image::<colortype::Gray32Float>(2, 1, &[-0.5, 1.5]).unwrap());
        assert_eq!((raster.values, raster.type_range), (array![[[-0.5, 1.5]]], None));
        let raster = written(|t| t.write_image::<colortype::RGB8>(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!(raster.values, array![[[1.0, 4.0]], [[2.0, 5.0]], [[3.0, 6.0]]]);
    }

    #[test]
    fn bits_unpack_from_rows_that_begin_at_a_byte() {
        assert_eq!(unpack(&[0b1010_0000, 0b0100_0000], 1, (2, 3)), [1, 0, 1, 0, 1, 0]);
        assert_eq!(unpack(&[0xF1], 4, (1, 2)), [15, 1]);
    }

    #[test]
    fn a_damaged_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.tif");
        std::fs::write(&path, b"II*\0garbage").unwrap();
        let error = read(&path).err().unwrap().to_string();
        assert!(error.contains("broken.tif") && error.contains("damaged TIFF"), "{error}");
    }
}
