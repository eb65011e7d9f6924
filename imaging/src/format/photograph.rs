//! JPEG and PNG files as colours.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageReader};
use ndarray::Array3;

use crate::error::{Error, Result};

/// Largest image in bytes: 700 megapixels of three colours.
const LARGEST: u64 = 2 << 30;

/// Height and width as a viewer shows it, from the header alone.
pub fn shape(path: &Path) -> Result<(usize, usize)> {
    shape_of(open(path)?).map_err(|e| damaged(path, &e))
}

/// Height and width of an image in memory; `path` is the file that it came in.
pub fn shape_in(bytes: &[u8], path: &Path) -> Result<(usize, usize)> {
    shape_of(Cursor::new(bytes)).map_err(|e| damaged(path, &e))
}

/// Colours `[red green blue, y, x]` in [0, 1]; grey images have three equal channels.
pub fn read(path: &Path) -> Result<Array3<f32>> {
    decode(open(path)?).map(colours).map_err(|e| damaged(path, &e))
}

/// Colours of an image in memory; `path` is the file that it came in.
pub fn read_in(bytes: &[u8], path: &Path) -> Result<Array3<f32>> {
    decode(Cursor::new(bytes)).map(colours).map_err(|e| damaged(path, &e))
}

/// The grey levels of a PNG in memory: height, width and one byte per pixel.
pub fn grey_in(bytes: &[u8], path: &Path) -> Result<image::GrayImage> {
    decode(Cursor::new(bytes)).map(DynamicImage::into_luma8).map_err(|e| damaged(path, &e))
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))
}

fn damaged(path: &Path, error: &image::ImageError) -> Error {
    Error::input(path, format!("is a damaged image: {error}"))
}

fn decoder<'a>(from: impl BufRead + Seek + 'a) -> image::ImageResult<impl ImageDecoder + 'a> {
    let mut reader = ImageReader::new(from).with_guessed_format()?;
    // A damaged header can ask for any size.
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(LARGEST);
    reader.limits(limits);
    reader.into_decoder()
}

fn shape_of(from: impl BufRead + Seek) -> image::ImageResult<(usize, usize)> {
    use image::metadata::Orientation::{Rotate90, Rotate90FlipH, Rotate270, Rotate270FlipH};
    let mut decoder = decoder(from)?;
    let (width, height) = decoder.dimensions();
    let (width, height) = (width as usize, height as usize);
    Ok(match decoder.orientation()? {
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH => (width, height),
        _ => (height, width),
    })
}

/// Turned upright where the camera wrote down how it was held, as the annotation program shows it.
fn decode(from: impl BufRead + Seek) -> image::ImageResult<DynamicImage> {
    let mut decoder = decoder(from)?;
    let orientation = decoder.orientation()?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(image)
}

fn colours(image: DynamicImage) -> Array3<f32> {
    let (height, width) = (image.height() as usize, image.width() as usize);
    let pixels = match image {
        DynamicImage::ImageLuma16(_) | DynamicImage::ImageRgb16(_) | DynamicImage::ImageRgba16(_) => {
            image.into_rgb16().into_raw().into_iter().map(|v| f32::from(v) / 65535.0).collect()
        }
        _ => image.into_rgb8().into_raw().into_iter().map(|v| f32::from(v) / 255.0).collect(),
    };
    let interleaved: Array3<f32> = Array3::from_shape_vec((height, width, 3), pixels)
        .expect("an image has height x width pixels of three colours");
    interleaved.permuted_axes([2, 0, 1]).as_standard_layout().into_owned()
}
