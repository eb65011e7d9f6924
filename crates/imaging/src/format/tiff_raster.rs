//! Reads TIFF and PNG files as numeric channels.

use std::path::Path;

use ndarray::Array3;
use porecast_base::Result;
use tiff::decoder::DecodingResult;

use super::tiff_page::{self, Page};
use super::{folder, photograph};

/// Stored values of an image.
pub(super) struct Raster {
    /// `[channel, y, x]`.
    pub(super) values: Array3<f32>,
    /// Range of unsigned integers of at most 16 bits. Images rarely use the range of the other types.
    pub(super) type_range: Option<(f32, f32)>,
    /// Value of pixels without data, if the file names one.
    pub(super) fill: Option<f32>,
    /// Whether 0 is stored for white; the values are already inverted.
    pub(super) is_white_zero: bool,
}

/// Height and width, read from the header only.
pub(super) fn shape(path: &Path) -> Result<(usize, usize)> {
    if folder::extension(path) == "png" {
        return photograph::shape(path);
    }
    tiff_page::shape(path)
}

/// Reads the only page of a TIFF file, or a PNG image.
pub(super) fn read(path: &Path) -> Result<Raster> {
    match folder::extension(path).as_str() {
        "png" => read_png(path),
        _ => read_tiff(path),
    }
}

fn read_tiff(path: &Path) -> Result<Raster> {
    let page = Page::read(path, None)?;
    let largest = match (&page.samples, page.largest_of_packed()) {
        (_, Some(largest)) => Some(largest),
        (DecodingResult::U8(_), None) => Some(255.0),
        (DecodingResult::U16(_), None) => Some(65535.0),
        _ => None,
    };
    let values = page.layout.channels(numbers(page.samples), path)?;
    let fill = page.fill.map(|fill| fill as f32);
    let type_range = largest.map(|largest| (0.0, largest));
    Ok(Raster { values, type_range, fill, is_white_zero: page.is_white_zero })
}

fn numbers(samples: DecodingResult) -> Vec<f32> {
    macro_rules! as_floats {
        ($values:ident) => {
            $values.into_iter().map(|v| v as f32).collect()
        };
    }
    match samples {
        DecodingResult::U8(v) => as_floats!(v),
        DecodingResult::U16(v) => as_floats!(v),
        DecodingResult::U32(v) => as_floats!(v),
        DecodingResult::U64(v) => as_floats!(v),
        DecodingResult::I8(v) => as_floats!(v),
        DecodingResult::I16(v) => as_floats!(v),
        DecodingResult::I32(v) => as_floats!(v),
        DecodingResult::I64(v) => as_floats!(v),
        DecodingResult::F16(v) => v.into_iter().map(|v| v.to_f32()).collect(),
        DecodingResult::F32(v) => v,
        DecodingResult::F64(v) => as_floats!(v),
    }
}

/// Reads a PNG with its own number of channels, because a mask is grey.
fn read_png(path: &Path) -> Result<Raster> {
    let image = photograph::decoded(path)?;
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
    let largest = if is_deep { 65535.0 } else { 255.0 };
    Ok(Raster { values, type_range: Some((0.0, largest)), fill: None, is_white_zero: false })
}

#[cfg(test)]
mod tests {
    use std::fs::File;

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
        assert_eq!((raster.values, raster.type_range), (array![[[-3.0, 300.0]]], None));
        let raster = written(|t| t.write_image::<colortype::Gray32Float>(2, 1, &[-0.5, 1.5]).unwrap());
        assert_eq!((raster.values, raster.type_range), (array![[[-0.5, 1.5]]], None));
        let raster = written(|t| t.write_image::<colortype::RGB8>(2, 1, &[1, 2, 3, 4, 5, 6]).unwrap());
        assert_eq!(raster.values, array![[[1.0, 4.0]], [[2.0, 5.0]], [[3.0, 6.0]]]);
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
