//! Decodes JPEG and PNG files to RGB.

use std::fs::File;
use std::io::{BufRead, BufReader, Cursor, ErrorKind, Seek};
use std::path::Path;

use image::{DynamicImage, ImageDecoder, ImageError, ImageReader};
use ndarray::{Array3, s};

use porecast_base::{Error, Result};

/// Largest decoded image in bytes: 700 megapixels with three channels.
const LARGEST: u64 = 2 << 30;

/// Height and width in display orientation, read from the header only.
pub fn shape(path: &Path) -> Result<(usize, usize)> {
    shape_of(open(path)?).map_err(|e| unreadable(path, &e))
}

/// Height and width of an image in memory; `path` is the file that contains it.
pub fn shape_in(bytes: &[u8], path: &Path) -> Result<(usize, usize)> {
    shape_of(Cursor::new(bytes)).map_err(|e| unreadable(path, &e))
}

/// RGB values `[channel, y, x]` in [0, 1]; grey images have three equal channels.
pub fn read(path: &Path) -> Result<Array3<f32>> {
    decoded(path).map(colours)
}

/// As [`read`], but a grey image has one channel if one is wanted.
pub fn read_with(path: &Path, channels: usize) -> Result<Array3<f32>> {
    let image = decoded(path)?;
    let is_grey = !image.color().has_color();
    let image = colours(image);
    Ok(if is_grey && channels == 1 { image.slice_move(s![..1, .., ..]) } else { image })
}

/// RGB values of an image in memory; `path` is the file that contains it.
pub fn read_in(bytes: &[u8], path: &Path) -> Result<Array3<f32>> {
    decoded_in(bytes, path).map(colours)
}

/// An image in its own colours and depth, in display orientation.
pub fn decoded(path: &Path) -> Result<DynamicImage> {
    let bytes = std::fs::read(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    decoded_in(&bytes, path)
}

fn decoded_in(bytes: &[u8], path: &Path) -> Result<DynamicImage> {
    if bytes.starts_with(&[0xff, 0xd8]) && !has_end_of_jpeg(bytes) {
        return Err(Error::input(path, "is a damaged image: it ends before its last line"));
    }
    decode(Cursor::new(bytes)).map_err(|e| unreadable(path, &e))
}

/// The grey levels of a PNG in memory: height, width and one byte per pixel.
pub fn grey_in(bytes: &[u8], path: &Path) -> Result<image::GrayImage> {
    decode(Cursor::new(bytes)).map(DynamicImage::into_luma8).map_err(|e| unreadable(path, &e))
}

/// Whether the first image of a JPEG file has its end-of-image marker (FF D9); the decoder would fill the rest
/// with grey. Walks from marker to marker (ITU-T T.81, B.1): thumbnails inside segments, and whatever follows the
/// image, like the video of a camera, do not count.
fn has_end_of_jpeg(bytes: &[u8]) -> bool {
    let mut at = 2;
    while let Some(&[first, marker]) = bytes.get(at..at + 2) {
        let is_scan_data = first != 0xff || matches!(marker, 0x00 | 0x01 | 0xd0..=0xd7);
        match marker {
            _ if is_scan_data => at += 1,
            0xff => at += 1,
            0xd9 => return true,
            // Every other marker begins a segment that tells its length.
            _ => match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => at += 2 + usize::from(u16::from_be_bytes([high, low])),
                _ => return false,
            },
        }
    }
    false
}

fn open(path: &Path) -> Result<BufReader<File>> {
    File::open(path).map(BufReader::new).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))
}

/// Says whether an image is damaged, not supported or too large.
fn unreadable(path: &Path, error: &image::ImageError) -> Error {
    let what = match error {
        ImageError::Unsupported(_) => {
            "is an image of a kind that is not read here; save it as PNG or JPEG".into()
        }
        ImageError::Limits(_) => format!("is an image of more than {LARGEST} bytes, or a damaged one"),
        ImageError::IoError(e) if e.kind() == ErrorKind::PermissionDenied => format!("cannot be read: {e}"),
        error => format!("is a damaged image: {error}"),
    };
    Error::input(path, what)
}

fn decoder<'a>(from: impl BufRead + Seek + 'a) -> image::ImageResult<impl ImageDecoder + 'a> {
    let mut reader = ImageReader::new(from).with_guessed_format()?;
    // A damaged header can claim any size.
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

/// Decodes and applies the camera orientation, as the annotation program does.
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

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

    #[test]
    fn a_jpeg_that_was_cut_off_is_refused() {
        let pixels: Vec<u8> = (0..64 * 48 * 3).map(|i| (i * 7 % 251) as u8).collect();
        let mut bytes = Vec::new();
        JpegEncoder::new(&mut bytes).write_image(&pixels, 64, 48, ExtendedColorType::Rgb8).unwrap();
        let path = Path::new("slide.jpg");
        assert_eq!(read_in(&bytes, path).unwrap().dim(), (3, 48, 64));
        for keep in [bytes.len() - 1, bytes.len() * 2 / 3] {
            let error = read_in(&bytes[..keep], path).unwrap_err().to_string();
            assert!(error.contains("slide.jpg") && error.contains("damaged"), "{error}");
        }
        let mut with_more = bytes;
        // A video, in which the bytes of a JPEG marker occur.
        with_more.extend_from_slice(b"a film \xff\xd8\xff\xda and more");
        assert!(read_in(&with_more, path).is_ok());
    }
}
