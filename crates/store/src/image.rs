//! Reads PNG, TIFF and headerless raw files as grey levels; writes PNG and animated GIF.

use std::fs::File;
use std::io::{BufWriter, Cursor, Read, Seek, SeekFrom, Write};
use std::path::Path;

use image::codecs::gif::{GifEncoder, Repeat};
use image::{Delay, DynamicImage, Frame, ImageFormat, ImageReader, RgbImage};
use ndarray::{Array2, ArrayView1, Axis};
use tiff::ColorType;
use tiff::decoder::DecodingResult;

use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_imaging::format::tiff_raster::{self, Page};

/// Reads a PNG or TIFF image as grey levels from 0 (black) to 1 (white). The content, not the file
/// name, decides the format.
///
/// Colours become luminance (Rec. 709) and transparent pixels white. Integers are scaled from the
/// range of their type; floating-point images with values outside 0 to 1 are stretched to it.
///
/// # Errors
/// The file is missing, damaged, neither PNG nor TIFF, or holds values that are not finite.
pub fn read_grey(path: &Path) -> Result<Array2<f32>> {
    let mut magic = [0; 4];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut magic))
        .map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    match &magic {
        b"\x89PNG" => read_png(path),
        b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" => read_tiff(path),
        _ => Err(Error::input(path, "is neither a PNG nor a TIFF image; convert it to one of them")),
    }
}

fn read_png(path: &Path) -> Result<Array2<f32>> {
    let damaged = |e: &dyn std::fmt::Display| Error::input(path, format!("is a damaged PNG image: {e}"));
    let mut reader = ImageReader::open(path).map_err(|e| damaged(&e))?;
    reader.set_format(ImageFormat::Png);
    // Large geometries are legitimate, and the header bounds the allocation.
    reader.no_limits();
    let image = reader.decode().map_err(|e| damaged(&e))?;
    let shape = (image.height() as usize, image.width() as usize);
    let grey: Vec<f32> = match image {
        DynamicImage::ImageLuma8(image) => image.iter().map(|&v| f32::from(v) / 255.0).collect(),
        DynamicImage::ImageLuma16(image) => image.iter().map(|&v| f32::from(v) / 65535.0).collect(),
        other => other
            .into_rgba16()
            .pixels()
            .map(|pixel| grey_level(pixel.0.map(|v| f32::from(v) / 65535.0)))
            .collect(),
    };
    Ok(Array2::from_shape_vec(shape, grey).expect("an image has width x height pixels"))
}

/// Luminance of a colour laid over white.
fn grey_level([red, green, blue, alpha]: [f32; 4]) -> f32 {
    let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    (1.0 - alpha + alpha * luminance).clamp(0.0, 1.0)
}

fn read_tiff(path: &Path) -> Result<Array2<f32>> {
    let page = Page::read(path)?;
    let largest = page.largest_of_packed();
    let values = match (page.samples, largest) {
        (DecodingResult::U8(values), Some(largest)) => {
            Some(values.into_iter().map(|value| f32::from(value) / largest).collect())
        }
        (samples, _) => unit_samples(samples),
    };
    let values = values.ok_or_else(|| Error::input(path, "holds values that are not numbers"))?;
    let (samples, grey): (usize, fn(ArrayView1<f32>) -> f32) = match page.colour {
        ColorType::Gray(_) => (1, |s| s[0]),
        // Grey with alpha arrives as two bands.
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => {
            (2, |s| grey_level([s[0], s[0], s[0], s[1]]))
        }
        ColorType::RGB(_) => (3, |s| grey_level([s[0], s[1], s[2], 1.0])),
        ColorType::RGBA(_) => (4, |s| grey_level([s[0], s[1], s[2], s[3]])),
        other => return Err(tiff_raster::unusable_colours(path, other)),
    };
    let channels = page.layout.channels(values, path)?;
    if channels.len_of(Axis(0)) != samples {
        return Err(Error::input(path, "is a TIFF image whose pixels do not fill its width and height"));
    }
    Ok(channels.map_axis(Axis(0), grey))
}

/// Samples of any type scaled to 0 to 1; `None` if one is not finite.
fn unit_samples(pixels: DecodingResult) -> Option<Vec<f32>> {
    fn integers<T: Copy + Into<f64>>(values: &[T], smallest: f64, largest: f64) -> Vec<f32> {
        values.iter().map(|&v| ((v.into() - smallest) / (largest - smallest)) as f32).collect()
    }
    fn floats(values: impl Iterator<Item = f64> + Clone) -> Option<Vec<f32>> {
        let (low, high) = values.clone().fold((0.0_f64, 1.0_f64), |(low, high), v| (low.min(v), high.max(v)));
        values.map(|v| v.is_finite().then_some(((v - low) / (high - low)) as f32)).collect()
    }
    Some(match pixels {
        DecodingResult::U8(v) => integers(&v, 0.0, 255.0),
        DecodingResult::U16(v) => integers(&v, 0.0, 65535.0),
        DecodingResult::U32(v) => integers(&v, 0.0, f64::from(u32::MAX)),
        DecodingResult::I8(v) => integers(&v, -128.0, 127.0),
        DecodingResult::I16(v) => integers(&v, -32768.0, 32767.0),
        DecodingResult::I32(v) => integers(&v, f64::from(i32::MIN), f64::from(i32::MAX)),
        DecodingResult::U64(v) => v.iter().map(|&v| (v as f64 / u64::MAX as f64) as f32).collect(),
        DecodingResult::I64(v) => v.iter().map(|&v| (v as f64 / u64::MAX as f64 + 0.5) as f32).collect(),
        DecodingResult::F16(v) => return floats(v.iter().map(|v| v.to_f64())),
        DecodingResult::F32(v) => return floats(v.iter().map(|&v| f64::from(v))),
        DecodingResult::F64(v) => return floats(v.iter().copied()),
    })
}

/// Reads slice `slice` of a headerless file of bytes as grey levels; each slice has `height` x
/// `width` bytes.
///
/// # Errors
/// The file is missing, its size is not a multiple of a slice, or it has no such slice.
pub fn read_raw(path: &Path, height: usize, width: usize, slice: usize) -> Result<Array2<f32>> {
    let unreadable = |e: std::io::Error| Error::input(path, format!("cannot be read: {e}"));
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let area = height as u64 * width as u64;
    let slices = length.checked_div(area).unwrap_or(0);
    if slices == 0 || length != slices * area {
        return Err(Error::input(
            path,
            format!("has {length} bytes, expected a multiple of {height} x {width} (height x width)"),
        ));
    }
    if slice as u64 >= slices {
        return Err(Error::input(path, format!("has {slices} slices, there is no slice {slice}")));
    }
    let mut bytes = vec![0; height * width];
    file.seek(SeekFrom::Start(slice as u64 * area)).map_err(unreadable)?;
    file.read_exact(&mut bytes).map_err(unreadable)?;
    let grey = bytes.into_iter().map(|v| f32::from(v) / 255.0).collect();
    Ok(Array2::from_shape_vec((height, width), grey).expect("a slice has height x width bytes"))
}

/// Writes a PNG image atomically.
///
/// # Errors
/// An output error naming `path`.
pub fn write_png(path: &Path, image: &RgbImage) -> Result<()> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).map_err(|e| Error::output(path, e))?;
    atomic::write(path, bytes.get_ref())
}

/// Writes an endlessly repeating GIF animation atomically; each frame shows for `delay_ms`.
///
/// # Errors
/// An output error naming `path`.
pub fn write_gif(path: &Path, frames: impl Iterator<Item = RgbImage>, delay_ms: u32) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let file = File::create(temporary).map_err(|e| Error::output(path, e))?;
        let mut writer = BufWriter::new(file);
        let mut encoder = GifEncoder::new_with_speed(&mut writer, 10);
        encoder.set_repeat(Repeat::Infinite).map_err(|e| Error::output(path, e))?;
        for frame in frames {
            let picture = DynamicImage::ImageRgb8(frame).into_rgba8();
            let frame = Frame::from_parts(picture, 0, 0, Delay::from_numer_denom_ms(delay_ms, 1));
            encoder.encode_frame(frame).map_err(|e| Error::output(path, e))?;
        }
        drop(encoder);
        writer.flush().map_err(|e| Error::output(path, e))
    })
}

#[cfg(test)]
mod tests {
    use image::{Rgba, RgbaImage};
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;
    use crate::picture;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn transparent_pixels_of_a_png_read_as_white() {
        let folder = folder();
        let path = folder.path().join("a.png");
        let image = RgbaImage::from_fn(3, 1, |x, _| {
            [Rgba([0, 0, 0, 255]), Rgba([0, 0, 0, 0]), Rgba([255, 255, 255, 255])][x as usize]
        });
        image.save(&path).unwrap();
        let grey = read_grey(&path).unwrap();
        assert_eq!(grey.mapv(|v| v.round()), ndarray::array![[0.0, 1.0, 1.0]]);
    }

    #[test]
    fn tiffs_of_every_depth_read_as_the_same_grey() {
        let folder = folder();
        let path = folder.path().join("a.tif");
        let encode = |write: &dyn Fn(&mut TiffEncoder<File>)| {
            write(&mut TiffEncoder::new(File::create(&path).unwrap()).unwrap());
            read_grey(&path).unwrap()
        };
        let wanted = ndarray::array![[0.0, 0.2], [0.6, 1.0]];
        let near = |grey: Array2<f32>| grey.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(near(encode(&|t| t.write_image::<colortype::Gray8>(2, 2, &[0, 51, 153, 255]).unwrap())));
        assert!(near(encode(&|t| {
            t.write_image::<colortype::Gray16>(2, 2, &[0, 13107, 39321, 65535]).unwrap();
        })));
        assert!(near(encode(&|t| {
            t.write_image::<colortype::Gray32Float>(2, 2, &[0.0, 0.2, 0.6, 1.0]).unwrap();
        })));
        assert!(near(encode(&|t| {
            let rgb = [0, 0, 0, 51, 51, 51, 153, 153, 153, 255, 255, 255];
            t.write_image::<colortype::RGB8>(2, 2, &rgb).unwrap();
        })));
    }

    #[test]
    fn a_float_tiff_beyond_one_is_stretched_and_one_with_a_nan_refused() {
        let folder = folder();
        let path = folder.path().join("a.tif");
        let write = |values: [f32; 2]| {
            let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
            encoder.write_image::<colortype::Gray32Float>(2, 1, &values).unwrap();
        };
        write([0.0, 200.0]);
        assert_eq!(read_grey(&path).unwrap(), ndarray::array![[0.0, 1.0]]);
        write([0.0, f32::NAN]);
        assert!(read_grey(&path).unwrap_err().to_string().contains("not numbers"));
    }

    #[test]
    fn a_raw_file_gives_the_slice_asked_for() {
        let folder = folder();
        let path = folder.path().join("a.raw");
        std::fs::write(&path, [0, 0, 0, 0, 0, 0, 0, 255, 0, 51, 0, 0]).unwrap();
        assert_eq!(read_raw(&path, 2, 3, 1).unwrap(), ndarray::array![[0.0, 1.0, 0.0], [0.2, 0.0, 0.0]]);
        assert!(read_raw(&path, 2, 3, 2).unwrap_err().to_string().contains("there is no slice 2"));
        assert!(read_raw(&path, 5, 3, 0).unwrap_err().to_string().contains("has 12 bytes"));
    }

    #[test]
    fn damaged_and_foreign_images_are_told_apart() {
        let folder = folder();
        let path = folder.path().join("a.png");
        write_png(&path, &RgbImage::from_pixel(9, 9, picture::SOLID)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(read_grey(&path).unwrap_err().to_string().contains("damaged PNG"));
        std::fs::write(&path, b"II*\0garbage").unwrap();
        assert!(read_grey(&path).unwrap_err().to_string().contains("damaged TIFF"));
        std::fs::write(&path, "hello").unwrap();
        assert!(read_grey(&path).unwrap_err().to_string().contains("neither a PNG nor a TIFF"));
    }

    #[test]
    fn an_animation_keeps_the_palette_exactly() {
        let folder = folder();
        let path = folder.path().join("a.gif");
        let colours: Vec<_> = (0..100).map(|p| picture::probability_colour(p as f32 / 100.0)).collect();
        let frame = RgbImage::from_fn(100, 2, |x, _| colours[x as usize]);
        write_gif(&path, [frame.clone(), frame.clone()].into_iter(), 100).unwrap();
        let read = image::open(&path).unwrap().into_rgb8();
        assert_eq!(read, frame);
    }
}
