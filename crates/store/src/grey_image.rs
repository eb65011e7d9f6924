//! Grey images of domains, and what their files say about them.
//!
//! A grey level is a number from 0 (black) to 1 (white). Which stored values are black and white depends on their
//! type:
//!
//! | stored as | black | white |
//! |---|---|---|
//! | bits, unsigned integers of at most 16 bits | 0 | the largest value of the type |
//! | signed integers, integers of more than 16 bits, floating-point numbers | 0, or the lowest value if it is below 0 | 1, or the highest value if it is above 1 |
//!
//! [`Polarity::is_solid`] is the one rule that divides grey levels into solid and pore space.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use image::{DynamicImage, ImageError, ImageFormat, ImageReader};
use ndarray::{Array2, ArrayView1, Axis, Ix2};
use porecast_base::{Error, Result};
use porecast_imaging::format::tiff_page::{self, Page};
use porecast_imaging::format::{npz, read_photograph};
use porecast_simulations::domain::Polarity;
use tiff::ColorType;
use tiff::decoder::DecodingResult;

/// The formats of images of domains, for messages.
pub const FORMATS: &str = "PNG, TIFF, JPEG or npy";

/// A grey image and what its file says about it.
#[derive(Debug, Clone, PartialEq)]
pub struct GreyImage {
    /// Grey levels from 0 (black) to 1 (white), `[y, x]`.
    pub grey: Array2<f32>,
    /// The file.
    pub path: PathBuf,
    /// Which of the images in the file this is; empty if there is one.
    pub part: String,
    /// Type of a stored value, for example `uint8`.
    pub kind: String,
    /// Lowest and highest stored grey value.
    pub range: (f64, f64),
    /// Stored values that are black and white.
    pub scale: (f64, f64),
}

/// Whether a file is an image: by its content, or by its name if the content tells nothing.
pub fn is_image(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    let is_named_so = ["png", "tif", "tiff", "jpg", "jpeg", "npy"].contains(&extension.as_str());
    match magic(path) {
        Ok(magic) => Format::of(&magic).is_some() || (is_named_so && !is_hdf5(path)),
        Err(_) => is_named_so,
    }
}

/// Whether a file is HDF5 by its content.
pub fn is_hdf5(path: &Path) -> bool {
    magic(path).is_ok_and(|magic| magic.starts_with(b"\x89HDF"))
}

/// Number of pages of an image file; a headerless file counts as one.
///
/// # Errors
/// The file is missing or a damaged TIFF.
pub fn pages(path: &Path) -> Result<usize> {
    match Format::of(&magic(path)?) {
        Some(Format::Tiff) => tiff_page::count(path),
        _ => Ok(1),
    }
}

/// Formats by content.
#[derive(Clone, Copy)]
enum Format {
    Png,
    Tiff,
    Jpeg,
    Npy,
}

impl Format {
    fn of(magic: &[u8]) -> Option<Self> {
        match magic.get(..4)? {
            b"\x89PNG" => Some(Self::Png),
            b"II*\0" | b"MM\0*" | b"II+\0" | b"MM\0+" => Some(Self::Tiff),
            b"\x93NUM" => Some(Self::Npy),
            [0xff, 0xd8, 0xff, _] => Some(Self::Jpeg),
            _ => None,
        }
    }
}

/// The first bytes of a file.
fn magic(path: &Path) -> Result<Vec<u8>> {
    let mut magic = Vec::new();
    File::open(path)
        .and_then(|file| file.take(8).read_to_end(&mut magic))
        .map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    if magic.is_empty() {
        return Err(Error::input(path, "cannot be read: the file is empty"));
    }
    Ok(magic)
}

impl GreyImage {
    /// Reads an image. The content, not the file name, decides the format. Colours become luminance (Rec. 709) and
    /// transparent pixels white. `page` counts from 1; it is needed if the file has several pages.
    ///
    /// # Errors
    /// The file is missing, damaged or of another format, has several pages or no page of that number, or has pixels
    /// without data or with values that are not finite.
    pub fn read(path: &Path, page: Option<usize>) -> Result<Self> {
        let format = Format::of(&magic(path)?);
        if let (Some(page), Some(Format::Png | Format::Jpeg | Format::Npy)) = (page, format)
            && page != 1
        {
            return Err(Error::input(path, format!("has one page, there is no page {page}")));
        }
        let image = match format {
            Some(Format::Png) => read_png(path),
            Some(Format::Tiff) => read_tiff(path, page),
            Some(Format::Jpeg) => {
                let colours = read_photograph(path)?;
                let grey = colours.map_axis(Axis(0), |s| grey_level([s[0], s[1], s[2], 1.0]));
                Ok(Self::of_colours(path, grey, "uint8", (0.0, 255.0)))
            }
            Some(Format::Npy) => read_npy(path),
            None => Err(Error::input(
                path,
                "is neither a PNG nor a TIFF, JPEG or npy image; convert it to one of them",
            )),
        }?;
        match image.grey.is_empty() {
            true => Err(Error::input(path, "has no pixel")),
            false => Ok(image),
        }
    }

    /// Reads slice `slice`, counted from 0, of a headerless file of bytes; each slice has `height` x `width` bytes.
    ///
    /// # Errors
    /// The file is missing, its size is not a multiple of a slice, or it has no such slice.
    pub fn read_raw(path: &Path, height: usize, width: usize, slice: usize) -> Result<Self> {
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
        let grey = Array2::from_shape_vec((height, width), grey).expect("a slice has height x width bytes");
        let image = Self::of_colours(path, grey, "uint8", (0.0, 255.0));
        Ok(Self { part: format!("slice {slice} of {slices} (counted from 0)"), ..image })
    }

    /// The image with the range of its grey levels.
    fn of_colours(path: &Path, grey: Array2<f32>, kind: &str, scale: (f64, f64)) -> Self {
        let image = Self {
            range: scale,
            grey,
            path: path.to_owned(),
            part: String::new(),
            kind: kind.to_owned(),
            scale,
        };
        let (low, high) = image.levels();
        Self { range: (image.stored(low), image.stored(high)), ..image }
    }

    /// Lowest and highest grey level.
    fn levels(&self) -> (f64, f64) {
        let range = self.grey.iter().fold((1.0_f32, 0.0_f32), |(low, high), &v| (low.min(v), high.max(v)));
        (range.0.into(), range.1.into())
    }

    /// The stored value of a grey level.
    pub fn stored(&self, level: f64) -> f64 {
        self.scale.0 + level * (self.scale.1 - self.scale.0)
    }

    /// Divides the image into solid (`true`) and pore space. `key` names the threshold in the error.
    ///
    /// # Errors
    /// All pixels are on the same side of the threshold.
    pub fn solid(&self, polarity: Polarity, threshold: f64, key: &str) -> Result<Array2<bool>> {
        match self.undivided(threshold, key) {
            Some(what) => Err(Error::input(&self.path, what)),
            None => Ok(self.grey.mapv(|level| polarity.is_solid(level.into(), threshold))),
        }
    }

    /// Why the threshold does not divide the image, and what to type instead; `None` if it does.
    pub fn undivided(&self, threshold: f64, key: &str) -> Option<String> {
        let (low, high) = self.levels();
        let is_below = |level: f64| Polarity::PoreBright.is_solid(level, threshold);
        let side = match (is_below(low), is_below(high)) {
            (true, true) => "below",
            (false, false) => "at or above",
            _ => return None,
        };
        let (lowest, highest) = (number(self.range.0), number(self.range.1));
        // An image that is black or white everywhere is clear: a block or an open space.
        if low == high && (low == 0.0 || low == 1.0) {
            return None;
        }
        if low == high {
            return Some(format!("has grey value {lowest} in every pixel: nothing tells solid from pore"));
        }
        let middle = (low + high) / 2.0;
        Some(format!(
            "holds grey values from {lowest} to {highest} ({} of {} to {}), all {side} the threshold {threshold}; \
             {key} {} divides them in the middle, at grey value {}",
            self.kind,
            number(self.scale.0),
            number(self.scale.1),
            number(middle),
            number(self.stored(middle)),
        ))
    }

    /// One line: file, page, size, type and range of the grey values, threshold, polarity and porosity.
    pub fn describe(&self, polarity: Polarity, threshold: f64) -> String {
        let (height, width) = self.grey.dim();
        let is_pore = |level: &&f32| !polarity.is_solid(f64::from(**level), threshold);
        let pores = self.grey.iter().filter(is_pore).count() as f64;
        let part = if self.part.is_empty() { String::new() } else { format!("{}, ", self.part) };
        let side = match polarity {
            Polarity::PoreBright => ">=",
            Polarity::PoreDark => "<",
        };
        format!(
            "{}: {part}{height} x {width} pixels (height x width), {} with grey values {} to {}; pores have {side} {} \
             (threshold {threshold}), porosity {:.3}",
            self.path.display(),
            self.kind,
            number(self.range.0),
            number(self.range.1),
            number(self.stored(threshold)),
            pores / self.grey.len().max(1) as f64,
        )
    }
}

/// A number with at most six significant digits.
pub fn number(value: f64) -> String {
    if value == 0.0 || !value.is_finite() {
        return value.to_string();
    }
    let digits = (5.0 - value.abs().log10().floor()).clamp(0.0, 300.0) as usize;
    let text = format!("{value:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

fn read_png(path: &Path) -> Result<GreyImage> {
    let mut reader =
        ImageReader::open(path).map_err(|e| Error::input(path, format!("cannot be read: {e}")))?;
    reader.set_format(ImageFormat::Png);
    // Large geometries are legitimate, and the header bounds the allocation.
    reader.no_limits();
    let image = reader.decode().map_err(|e| match e {
        ImageError::Unsupported(e) => Error::input(path, format!("is a PNG image of an unusual kind: {e}")),
        e => Error::input(path, format!("is a damaged PNG image: {e}")),
    })?;
    let shape = (image.height() as usize, image.width() as usize);
    let colour = image.color();
    let is_deep = colour.bytes_per_pixel() / colour.channel_count() > 1;
    let grey: Vec<f32> = match image {
        DynamicImage::ImageLuma8(image) => image.iter().map(|&v| f32::from(v) / 255.0).collect(),
        DynamicImage::ImageLuma16(image) => image.iter().map(|&v| f32::from(v) / 65535.0).collect(),
        other => other
            .into_rgba16()
            .pixels()
            .map(|pixel| grey_level(pixel.0.map(|v| f32::from(v) / 65535.0)))
            .collect(),
    };
    let grey = Array2::from_shape_vec(shape, grey).expect("an image has width x height pixels");
    let (kind, white) = if is_deep { ("uint16", 65535.0) } else { ("uint8", 255.0) };
    let kind = kind.to_owned() + bands(colour.channel_count().into());
    Ok(GreyImage::of_colours(path, grey, &kind, (0.0, white)))
}

/// Says what became grey, by the number of samples of a pixel.
fn bands(samples: usize) -> &'static str {
    match samples {
        2 => " and alpha, laid over white,",
        3 => " colours, as luminance,",
        4 => " colours and alpha, as luminance over white,",
        _ => "",
    }
}

/// Luminance of a colour laid over white.
fn grey_level([red, green, blue, alpha]: [f32; 4]) -> f32 {
    let luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    (1.0 - alpha + alpha * luminance).clamp(0.0, 1.0)
}

fn read_tiff(path: &Path, number: Option<usize>) -> Result<GreyImage> {
    let pages = tiff_page::count(path)?;
    if number.is_none() && pages > 1 {
        let what = format!(
            "has {pages} pages, expected one; name one (--page 1 to {pages}; in a campaign, page = 1 to {pages})"
        );
        return Err(Error::input(path, what));
    }
    let page = Page::read(path, number)?;
    let (samples, grey): (usize, fn(ArrayView1<f32>) -> f32) = match page.colour {
        ColorType::Gray(_) => (1, |s| s[0]),
        // Grey with alpha arrives as two bands.
        ColorType::GrayA(_) | ColorType::Multiband { num_samples: 2, .. } => {
            (2, |s| grey_level([s[0], s[0], s[0], s[1]]))
        }
        ColorType::RGB(_) => (3, |s| grey_level([s[0], s[1], s[2], 1.0])),
        ColorType::RGBA(_) => (4, |s| grey_level([s[0], s[1], s[2], s[3]])),
        other => return Err(tiff_page::unusable_colours(path, other)),
    };
    let bits = page.colour.bit_depth();
    let largest = page.largest_of_packed();
    let stored = match (page.samples, largest) {
        (DecodingResult::U8(v), Some(1.0)) => Stored::new("1 bit", (0.0, 1.0), &v, page.fill),
        (DecodingResult::U8(v), Some(largest)) => {
            Stored::new(&format!("{bits} bits"), (0.0, largest.into()), &v, page.fill)
        }
        (DecodingResult::U8(v), None) => Stored::new("uint8", (0.0, 255.0), &v, page.fill),
        (DecodingResult::U16(v), _) => Stored::new("uint16", (0.0, 65535.0), &v, page.fill),
        (DecodingResult::U32(v), _) => Stored::new("uint32", None, &v, page.fill),
        (DecodingResult::I8(v), _) => Stored::new("int8", None, &v, page.fill),
        (DecodingResult::I16(v), _) => Stored::new("int16", None, &v, page.fill),
        (DecodingResult::I32(v), _) => Stored::new("int32", None, &v, page.fill),
        (DecodingResult::F32(v), _) => Stored::new("float32", None, &v, page.fill),
        (DecodingResult::F64(v), _) => Stored::new("float64", None, &v, page.fill),
        (DecodingResult::F16(v), _) => {
            let v: Vec<f32> = v.into_iter().map(|v| v.to_f32()).collect();
            Stored::new("float16", None, &v, page.fill)
        }
        (DecodingResult::U64(v), _) => {
            let v: Vec<f64> = v.into_iter().map(|v| v as f64).collect();
            Stored::new("uint64", None, &v, page.fill)
        }
        (DecodingResult::I64(v), _) => {
            let v: Vec<f64> = v.into_iter().map(|v| v as f64).collect();
            Stored::new("int64", None, &v, page.fill)
        }
    };
    let mut stored = stored.map_err(|what| Error::input(path, what))?;
    if page.is_white_zero {
        stored.kind += ", inverted (0 is stored for white)";
    }
    stored.kind += bands(samples);
    let channels = page.layout.channels(stored.levels, path)?;
    if channels.len_of(Axis(0)) != samples {
        return Err(Error::input(path, "is a TIFF image whose pixels do not fill its width and height"));
    }
    let image = GreyImage::of_colours(path, channels.map_axis(Axis(0), grey), &stored.kind, stored.scale);
    let range = if samples == 1 { stored.range } else { image.range };
    let part = match (number, pages) {
        (_, 1) => String::new(),
        (number, pages) => format!("page {} of {pages}", number.unwrap_or(1)),
    };
    Ok(GreyImage { range, part, ..image })
}

fn read_npy(path: &Path) -> Result<GreyImage> {
    let array = npz::read_npy(path)?;
    let shape = array.values.shape().to_vec();
    let values = array.values.into_dimensionality::<Ix2>().map_err(|_| {
        let what = format!("holds an array of shape {shape:?}; save one image of it, with rows and columns");
        Error::input(path, what)
    })?;
    let (kind, scale) = match array.kind {
        "bool" => ("bool".to_owned(), Some((0.0, 1.0))),
        "u8" => ("uint8".to_owned(), Some((0.0, 255.0))),
        "u16" => ("uint16".to_owned(), Some((0.0, 65535.0))),
        other => (other.replace('u', "uint").replace('i', "int").replace('f', "float"), None),
    };
    let stored = Stored::new(&kind, scale, &values.iter().copied().collect::<Vec<f64>>(), None)
        .map_err(|what| Error::input(path, what))?;
    let grey = Array2::from_shape_vec(values.dim(), stored.levels).expect("one level for each value");
    let image = GreyImage::of_colours(path, grey, &stored.kind, stored.scale);
    Ok(GreyImage { range: stored.range, ..image })
}

/// Stored values and their grey levels.
struct Stored {
    levels: Vec<f32>,
    kind: String,
    range: (f64, f64),
    scale: (f64, f64),
}

impl Stored {
    /// Scales values to grey levels; `scale` are the values for black and white, if the type tells them.
    fn new<T: Copy + Into<f64>>(
        kind: &str,
        scale: impl Into<Option<(f64, f64)>>,
        values: &[T],
        fill: Option<f64>,
    ) -> std::result::Result<Self, String> {
        let mut range = (f64::INFINITY, f64::NEG_INFINITY);
        let (mut without_data, mut is_finite) = (0, true);
        for &value in values {
            let value: f64 = value.into();
            let is_fill =
                fill.is_some_and(|fill| value as f32 == fill as f32 || (value.is_nan() && fill.is_nan()));
            without_data += usize::from(is_fill);
            is_finite &= value.is_finite();
            range = (range.0.min(value), range.1.max(value));
        }
        if let (Some(fill), 1..) = (fill, without_data) {
            return Err(format!(
                "has {without_data} values without data ({fill}, tag GDAL_NODATA); cut them off, or fill them and \
                 remove the tag"
            ));
        }
        if !is_finite {
            return Err("holds values that are not numbers; fill them first".to_owned());
        }
        let (black, white) = scale.into().unwrap_or((range.0.min(0.0), range.1.max(1.0)));
        let levels = values.iter().map(|&v| ((v.into() - black) / (white - black)) as f32).collect();
        Ok(Self { levels, kind: kind.to_owned(), range, scale: (black, white) })
    }
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, Rgba, RgbaImage};
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn grey(path: &Path) -> Array2<f32> {
        GreyImage::read(path, None).unwrap().grey
    }

    fn refused(path: &Path) -> String {
        GreyImage::read(path, None).unwrap_err().to_string()
    }

    /// A file of `tests/cases`.
    fn case(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/domains").join(name)
    }

    #[test]
    fn transparent_pixels_of_a_png_read_as_white() {
        let folder = folder();
        let path = folder.path().join("a.png");
        let image = RgbaImage::from_fn(3, 1, |x, _| {
            [Rgba([0, 0, 0, 255]), Rgba([0, 0, 0, 0]), Rgba([255, 255, 255, 255])][x as usize]
        });
        image.save(&path).unwrap();
        assert_eq!(grey(&path).mapv(|v| v.round()), ndarray::array![[0.0, 1.0, 1.0]]);
    }

    #[test]
    fn tiffs_of_every_depth_read_as_the_same_grey() {
        let folder = folder();
        let path = folder.path().join("a.tif");
        let encode = |write: &dyn Fn(&mut TiffEncoder<File>)| {
            write(&mut TiffEncoder::new(File::create(&path).unwrap()).unwrap());
            grey(&path)
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
        // Types whose range an image hardly uses are scaled to the values that there are.
        assert!(near(encode(&|t| t.write_image::<colortype::GrayI16>(2, 2, &[0, 51, 153, 255]).unwrap())));
        assert!(near(encode(&|t| t.write_image::<colortype::GrayI16>(2, 2, &[-100, 0, 200, 400]).unwrap())));
        assert!(near(encode(&|t| t.write_image::<colortype::GrayI8>(2, 2, &[0, 20, 60, 100]).unwrap())));
        assert!(near(encode(&|t| t.write_image::<colortype::GrayI32>(2, 2, &[0, 10, 30, 50]).unwrap())));
        assert!(near(encode(&|t| t.write_image::<colortype::Gray32>(2, 2, &[0, 10, 30, 50]).unwrap())));
    }

    #[test]
    fn every_file_of_the_same_geometry_gives_it() {
        let of = |name: &str| {
            GreyImage::read(&case(name), None).unwrap().solid(Polarity::PoreBright, 0.5, "threshold").unwrap()
        };
        let solid = of("grey8.png");
        for name in ["i16_0_255.tif", "i32_labels01.tif", "rgb_planar.tif", "grey8.jpg"] {
            assert_eq!(of(name), solid, "{name}");
        }
        let image = GreyImage::read(&case("i16_0_255.tif"), None).unwrap();
        assert_eq!((image.kind.as_str(), image.range, image.stored(0.5)), ("int16", (0.0, 255.0), 127.5));
    }

    #[test]
    fn a_threshold_that_divides_nothing_is_refused_with_one_that_does() {
        for (name, range, better) in
            [("zero_one.png", "from 0 to 1 ", 0.00196078), ("grey12in16.png", "from 0 to 4095 ", 0.0312428)]
        {
            let image = GreyImage::read(&case(name), None).unwrap();
            let divide = |threshold| image.solid(Polarity::PoreDark, threshold, "--threshold");
            let what = divide(0.5).unwrap_err().to_string();
            assert!(what.contains(range) && what.contains("below the threshold 0.5"), "{what}");
            assert!(what.contains(&format!("--threshold {better}")), "{what}");
            assert_eq!(
                divide(better).unwrap(),
                image.grey.mapv(|level| level > 0.5 * image.levels().1 as f32)
            );
        }
    }

    #[test]
    fn a_grey_level_at_the_threshold_is_not_below_it() {
        let folder = folder();
        let path = folder.path().join("a.tif");
        let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
        encoder.write_image::<colortype::Gray32Float>(3, 1, &[0.2, 0.7, 0.9]).unwrap();
        let image = GreyImage::read(&path, None).unwrap();
        // As a 32-bit float, 0.7 is less than the number 0.7.
        let solid = |polarity| image.solid(polarity, 0.7, "threshold").unwrap();
        assert_eq!(solid(Polarity::PoreBright), ndarray::array![[true, false, false]]);
        assert_eq!(solid(Polarity::PoreDark), ndarray::array![[false, true, true]]);
    }

    #[test]
    fn a_float_tiff_beyond_one_is_stretched_and_one_with_gaps_refused() {
        let folder = folder();
        let path = folder.path().join("a.tif");
        let write = |values: [f32; 2], fill: &str| {
            let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
            let mut image = encoder.new_image::<colortype::Gray32Float>(2, 1).unwrap();
            if !fill.is_empty() {
                image.encoder().write_tag(tiff::tags::Tag::GdalNodata, fill).unwrap();
            }
            image.write_data(&values).unwrap();
        };
        write([0.0, 200.0], "");
        assert_eq!(grey(&path), ndarray::array![[0.0, 1.0]]);
        write([0.0, f32::NAN], "");
        assert!(refused(&path).contains("not numbers"));
        write([0.0, -9999.0], "-9999");
        assert!(refused(&path).contains("1 values without data (-9999"), "{}", refused(&path));
        write([0.0, 200.0], "-9999");
        assert_eq!(grey(&path), ndarray::array![[0.0, 1.0]]);
    }

    #[test]
    fn one_page_of_a_stack_must_be_named() {
        let path = case("stack3.tif");
        assert!(refused(&path).contains("has 3 pages") && refused(&path).contains("--page 1 to 3"));
        let page = |number| GreyImage::read(&path, Some(number));
        assert_eq!(page(2).unwrap().part, "page 2 of 3");
        assert_ne!(page(1).unwrap().grey, page(2).unwrap().grey);
        assert!(page(4).unwrap_err().to_string().contains("no page 4"));
    }

    #[test]
    fn arrays_of_numpy_are_read() {
        let folder = folder();
        let path = folder.path().join("a.npy");
        ndarray_npy::write_npy(&path, &ndarray::array![[true, false]]).unwrap();
        assert_eq!(grey(&path), ndarray::array![[1.0, 0.0]]);
        ndarray_npy::write_npy(&path, &ndarray::array![[0_i64, 50], [100, 25]]).unwrap();
        assert_eq!(grey(&path), ndarray::array![[0.0, 0.5], [1.0, 0.25]]);
        ndarray_npy::write_npy(&path, &ndarray::Array3::<u8>::zeros((2, 3, 4))).unwrap();
        assert!(refused(&path).contains("shape [2, 3, 4]"));
    }

    #[test]
    fn a_raw_file_gives_the_slice_asked_for() {
        let folder = folder();
        let path = folder.path().join("a.raw");
        std::fs::write(&path, [0, 0, 0, 0, 0, 0, 0, 255, 0, 51, 0, 0]).unwrap();
        let slice = |height, slice| GreyImage::read_raw(&path, height, 3, slice);
        assert_eq!(slice(2, 1).unwrap().grey, ndarray::array![[0.0, 1.0, 0.0], [0.2, 0.0, 0.0]]);
        assert!(slice(2, 2).unwrap_err().to_string().contains("there is no slice 2"));
        assert!(slice(5, 0).unwrap_err().to_string().contains("has 12 bytes"));
    }

    #[test]
    fn only_damaged_images_are_called_damaged() {
        let folder = folder();
        let path = folder.path().join("a.png");
        RgbImage::from_pixel(9, 9, Rgb([1, 2, 3])).save(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        assert!(refused(&path).contains("damaged PNG"));
        std::fs::write(&path, b"II*\0garbage").unwrap();
        assert!(refused(&path).contains("damaged TIFF"));
        std::fs::write(&path, "hello").unwrap();
        assert!(refused(&path).contains("neither a PNG nor a TIFF, JPEG or npy"));
        let zstd = refused(&case("c_zstd.tif"));
        assert!(zstd.contains("Zstandard (zstd) compression, which is not read here"), "{zstd}");
        // Photometric interpretation (tag 262) 3 is a palette.
        let mut bytes = std::fs::read(case("stack3.tif")).unwrap();
        let tag = bytes.windows(4).position(|tag| tag == [6, 1, 3, 0]).unwrap();
        bytes[tag + 8] = 3;
        std::fs::write(&path, bytes).unwrap();
        let palette = GreyImage::read(&path, Some(1)).unwrap_err().to_string();
        assert!(palette.contains("a colour palette; save it as grey or RGB"), "{palette}");
    }

    #[test]
    fn numbers_have_six_digits_at_most() {
        let shown = [0.0, 255.0, 127.5, 0.001960784, -1000.0, 65535.0, 1e7].map(number);
        assert_eq!(shown, ["0", "255", "127.5", "0.00196078", "-1000", "65535", "10000000"]);
    }
}
