//! One page of a TIFF file, as stored.

use std::collections::HashSet;
use std::fs::File;
use std::io::{BufReader, ErrorKind};
use std::path::Path;

use ndarray::Array3;
use porecast_base::{Error, Result};
use serde::Deserialize;
use tiff::decoder::{ChunkType, Decoder, DecodingResult, Limits};
use tiff::tags::{CompressionMethod, PhotometricInterpretation, Tag};
use tiff::{ColorType, TiffError, TiffResult, TiffUnsupportedError};

/// Largest image in bytes. A damaged header can claim any size.
const LARGEST: usize = 4 << 30;
/// Bits of NewSubfileType that mark a smaller copy of another page, and a transparency mask.
const NOT_A_PAGE: u32 = 0b101;
/// Number of slices of a volume (SGI).
const IMAGE_DEPTH: Tag = Tag::Unknown(32997);

/// A page of a TIFF file, as stored.
pub struct Page {
    /// The samples; samples of less than a byte are unpacked to one byte each.
    pub samples: DecodingResult,
    /// Colour type of a pixel.
    pub colour: ColorType,
    /// Arrangement of the samples.
    pub layout: Layout,
    /// Value of pixels without data (tag GDAL_NODATA).
    pub fill: Option<f64>,
    /// Whether 0 is stored for white (WhiteIsZero); `samples` are already inverted.
    pub is_white_zero: bool,
}

/// Arrangement of the samples in a TIFF file.
pub struct Layout {
    shape: (usize, usize),
    is_planar: bool,
}

type FileDecoder = Decoder<BufReader<File>>;

/// Number of pages of a TIFF file; thumbnails, overviews and transparency masks do not count.
///
/// # Errors
/// If the file is missing, damaged or of a kind that is not read.
pub fn count(path: &Path) -> Result<usize> {
    pages(&mut decoder(path)?).map(|pages| pages.len()).map_err(|e| unreadable(path, e))
}

/// Height and width of the only page of a TIFF file.
///
/// # Errors
/// As [`Page::read`].
pub(super) fn shape(path: &Path) -> Result<(usize, usize)> {
    let (width, height) = open(path, None)?.dimensions().map_err(|e| unreadable(path, e))?;
    Ok((height as usize, width as usize))
}

impl Page {
    /// Reads page `number`, counted from 1, or the only page.
    ///
    /// # Errors
    /// If the file is missing or damaged, has no such page, or several pages and no number is given; if it has
    /// palette or YCbCr colours or an unsupported compression, or is larger than 4 GiB.
    pub fn read(path: &Path, number: Option<usize>) -> Result<Self> {
        let mut decoder = open(path, number)?;
        let failed = |e| unreadable(path, e);
        let (width, height) = decoder.dimensions().map_err(failed)?;
        let shape = (height as usize, width as usize);
        let colour = decoder.colortype().map_err(failed)?;
        if matches!(colour, ColorType::Palette(_) | ColorType::YCbCr(_)) {
            return Err(unusable_colours(path, colour));
        }
        let is_planar = decoder.find_tag_unsigned::<u16>(Tag::PlanarConfiguration).ok().flatten() == Some(2);
        let size = decoder.image_buffer_layout().map_err(failed)?.complete_len;
        if size > LARGEST {
            let what = format!("is a TIFF image of {size} bytes, more than {LARGEST}; cut it into tiles");
            return Err(Error::input(path, what));
        }
        let is_reversed = decoder.find_tag_unsigned::<u16>(Tag::FillOrder).ok().flatten() == Some(2);
        if is_reversed && colour.bit_depth() < 8 {
            let what =
                "is a TIFF image with the bits of each byte in reverse (FillOrder 2); save it with 8 bits";
            return Err(Error::input(path, what));
        }
        let mut samples = DecodingResult::U8(Vec::new());
        if is_planar && decoder.get_chunk_type() == ChunkType::Tile {
            read_planar_tiles(&mut decoder, shape, &mut samples).map_err(failed)?;
        } else {
            decoder.read_image_to_buffer(&mut samples).map_err(failed)?;
        }
        if let (DecodingResult::U8(packed), ColorType::Gray(bits @ (1 | 2 | 4))) = (&samples, colour) {
            samples = DecodingResult::U8(unpack(packed, bits, shape));
        }
        let fill = decoder.get_tag_ascii_string(Tag::GdalNodata).ok();
        let fill = fill.and_then(|text| text.trim_matches(['\0', ' ', '\n']).parse().ok());
        let photometric = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).ok().flatten();
        let is_white_zero = photometric == Some(0);
        Ok(Self { samples, colour, layout: Layout { shape, is_planar }, fill, is_white_zero })
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
    let colours = match colour {
        ColorType::Palette(_) => "a colour palette".to_owned(),
        ColorType::YCbCr(_) => "YCbCr colours".to_owned(),
        ColorType::CMYK(_) | ColorType::CMYKA(_) => "CMYK colours".to_owned(),
        ColorType::Lab(_) => "Lab colours".to_owned(),
        ColorType::Multiband { num_samples, .. } => format!("{num_samples} bands"),
        _ => "unknown colours".to_owned(),
    };
    Error::input(path, format!("is a TIFF image with {colours}; save it as grey or RGB"))
}

fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = LARGEST;
    limits.intermediate_buffer_size = LARGEST;
    limits
}

fn decoder(path: &Path) -> Result<FileDecoder> {
    let file = File::open(path).map_err(|e| Error::input(path, format!("cannot be opened: {e}")))?;
    Decoder::new(BufReader::new(file)).map(|d| d.with_limits(limits())).map_err(|e| unreadable(path, e))
}

/// Opens a file at a page; see [`Page::read`].
fn open(path: &Path, number: Option<usize>) -> Result<FileDecoder> {
    let mut decoder = decoder(path)?;
    let failed = |e| unreadable(path, e);
    let pages = pages(&mut decoder).map_err(failed)?;
    let count = pages.len();
    let page = match number {
        None if count > 1 => {
            let what = format!("has {count} pages, expected one; save the page as a file of its own");
            return Err(Error::input(path, what));
        }
        None => pages[0],
        Some(number) => *number.checked_sub(1).and_then(|index| pages.get(index)).ok_or_else(|| {
            let what = format!("has no page {number}; its pages count from 1 to {count}");
            Error::input(path, what)
        })?,
    };
    decoder.seek_to_image(page).map_err(failed)?;
    let slices = if count == 1 { slices(&mut decoder).map_err(failed)? } else { 1 };
    if slices > 1 {
        let what = format!(
            "holds {slices} slices in one page, as ImageJ and tifffile store large stacks; save the slice as a file \
             of its own"
        );
        return Err(Error::input(path, what));
    }
    Ok(decoder)
}

/// Indices of the directories that are pages.
fn pages(decoder: &mut FileDecoder) -> TiffResult<Vec<usize>> {
    let mut pages = Vec::new();
    let mut seen = HashSet::new();
    let mut next = decoder.ifd_pointer();
    while let Some(pointer) = next.filter(|pointer| seen.insert(pointer.0)) {
        let directory = decoder.read_directory(pointer)?;
        let kind: Option<u32> =
            decoder.read_directory_tags(&directory).find_tag_unsigned(Tag::NewSubfileType)?;
        if kind.unwrap_or(0) & NOT_A_PAGE == 0 {
            pages.push(seen.len() - 1);
        }
        next = directory.next();
    }
    if pages.is_empty() {
        pages.push(0);
    }
    Ok(pages)
}

/// Number of slices that the description of a file with one page claims.
fn slices(decoder: &mut FileDecoder) -> TiffResult<usize> {
    /// What tifffile writes about an array.
    #[derive(Deserialize)]
    struct Description {
        shape: Vec<usize>,
    }
    if let Some(depth) = decoder.find_tag_unsigned::<u32>(IMAGE_DEPTH)? {
        return Ok(depth as usize);
    }
    let Ok(text) = decoder.get_tag_ascii_string(Tag::ImageDescription) else { return Ok(1) };
    if text.starts_with("ImageJ=") {
        let count = text.lines().find_map(|line| line.strip_prefix("images=")?.trim().parse().ok());
        return Ok(count.unwrap_or(1));
    }
    let Ok(Description { shape }) = serde_json::from_str(text.trim_end_matches('\0')) else { return Ok(1) };
    let (width, height) = decoder.dimensions()?;
    let samples: usize = decoder.find_tag_unsigned(Tag::SamplesPerPixel)?.unwrap_or(1);
    let page = (width as usize).saturating_mul(height as usize).saturating_mul(samples);
    Ok(shape.into_iter().fold(1, usize::saturating_mul).checked_div(page).unwrap_or(1))
}

/// Reads the tiles of a planar image one by one; the decoder's own loop takes the lowest tiles of every plane but
/// the first to be inside the image.
fn read_planar_tiles(
    decoder: &mut FileDecoder,
    (height, width): (usize, usize),
    samples: &mut DecodingResult,
) -> TiffResult<()> {
    let layout = decoder.image_buffer_layout()?;
    samples.resize_to(&layout, &limits())?;
    let row = layout.row_stride.map_or(0, |stride| stride.get());
    let plane = layout.plane_stride.map_or(0, |stride| stride.get());
    let bytes = row.checked_div(width).unwrap_or(0);
    let (tile_width, tile_height) = decoder.chunk_dimensions();
    let (tile_width, tile_height) = (tile_width as usize, tile_height as usize);
    if bytes == 0 || row != bytes * width || tile_width == 0 || tile_height == 0 {
        return Err(TiffUnsupportedError::MisalignedTileBoundaries.into());
    }
    let (across, down) = (width.div_ceil(tile_width), height.div_ceil(tile_height));
    let mut buffer = samples.as_buffer(0);
    let image = buffer.as_bytes_mut();
    for index in 0..layout.planes * across * down {
        let (in_plane, x) = (index % (across * down), index % across);
        let (left, top) = (x * tile_width, in_plane / across * tile_height);
        let start = index / (across * down) * plane + top * row + left * bytes;
        let index = u32::try_from(index)?;
        let size = decoder.image_chunk_buffer_layout(index)?.len;
        if size > LARGEST {
            return Err(TiffError::LimitsExceeded);
        }
        let mut tile = vec![0; size];
        decoder.read_chunk_bytes(index, &mut tile)?;
        let line = bytes * decoder.chunk_data_dimensions(index).0 as usize;
        for (y, from) in tile.chunks_exact(line).take(height - top).enumerate() {
            image[start + y * row..][..line].copy_from_slice(from);
        }
    }
    Ok(())
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

/// Says whether a file is damaged, not supported or not accessible.
fn unreadable(path: &Path, error: TiffError) -> Error {
    let what = match error {
        TiffError::UnsupportedError(unsupported) => return unsupported_kind(path, unsupported),
        TiffError::LimitsExceeded | TiffError::IntSizeError => {
            format!("is a TIFF image of more than {LARGEST} bytes, or a damaged one; cut it into tiles")
        }
        TiffError::IoError(e) if e.kind() == ErrorKind::PermissionDenied => format!("cannot be read: {e}"),
        error => format!("is a damaged TIFF image: {error}"),
    };
    Error::input(path, what)
}

fn unsupported_kind(path: &Path, unsupported: TiffUnsupportedError) -> Error {
    use TiffUnsupportedError as Not;
    let compression = |name: &str| {
        let advice = "save it uncompressed, or with LZW or Deflate compression";
        Error::input(
            path,
            format!("is a TIFF image with {name} compression, which is not read here; {advice}"),
        )
    };
    let colours =
        |name: &str| Error::input(path, format!("is a TIFF image with {name}; save it as grey or RGB"));
    match unsupported {
        Not::UnsupportedCompressionMethod(method) => compression(compression_name(method).as_str()),
        Not::UnknownCompressionMethod => compression("unknown"),
        Not::UnsupportedColorType(colour) => unusable_colours(path, colour),
        Not::InterpretationWithBits(PhotometricInterpretation::RGBPalette, _) => colours("a colour palette"),
        Not::InterpretationWithBits(_, bits) => {
            let bits: Vec<String> = bits.iter().map(u8::to_string).collect();
            colours(&format!("colours of {} bits", bits.join(", ")))
        }
        Not::UnsupportedInterpretation(_) | Not::UnknownInterpretation => {
            colours("signed values for which 0 is white, or other unusual colours")
        }
        Not::ChromaSubsampling => colours("YCbCr colours"),
        Not::UnsupportedSampleDepth(bits) | Not::UnsupportedBitsPerChannel(bits) => {
            colours(&format!("values of {bits} bits"))
        }
        Not::UnsupportedSampleFormat(_) => colours("complex or undefined values"),
        Not::InconsistentBitsPerSample(_) => colours("channels of different depths"),
        Not::FloatingPointPredictor(_) | Not::HorizontalPredictor(_) => {
            compression("an unusual predictor with")
        }
        _ => Error::input(path, "is a TIFF image of a kind that is not read here; save it as grey or RGB"),
    }
}

fn compression_name(method: CompressionMethod) -> String {
    let name = match method.to_u16() {
        33003 | 33005 | 34712 => "JPEG 2000",
        34887 => "LERC",
        34925 => "LZMA",
        50000 => "Zstandard (zstd)",
        50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        number => return format!("unknown (number {number})"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use ndarray::Axis;
    use tiff::encoder::{TiffEncoder, colortype};

    use super::*;

    #[test]
    fn bits_unpack_from_rows_that_begin_at_a_byte() {
        assert_eq!(unpack(&[0b1010_0000, 0b0100_0000], 1, (2, 3)), [1, 0, 1, 0, 1, 0]);
        assert_eq!(unpack(&[0xF1], 4, (1, 2)), [15, 1]);
    }

    #[test]
    fn one_page_of_several_must_be_named_and_overviews_are_no_pages() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        let write = |kinds: &[u32]| {
            let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
            for (value, &kind) in (1..).zip(kinds) {
                let mut image = encoder.new_image::<colortype::Gray8>(2, 1).unwrap();
                image.encoder().write_tag(Tag::NewSubfileType, kind).unwrap();
                image.write_data(&[value, value]).unwrap();
            }
        };
        let first = |number| match Page::read(&path, number).unwrap().samples {
            DecodingResult::U8(values) => values[0],
            _ => panic!("not bytes"),
        };
        write(&[1, 0, 1]);
        assert_eq!((count(&path).unwrap(), first(None), shape(&path).unwrap()), (1, 2, (1, 2)));
        write(&[0, 1, 2]);
        assert_eq!((count(&path).unwrap(), first(Some(1)), first(Some(2))), (2, 1, 3));
        let refused = |number| Page::read(&path, number).err().unwrap().to_string();
        assert!(refused(None).contains("has 2 pages"), "{}", refused(None));
        assert!(shape(&path).unwrap_err().to_string().contains("has 2 pages"));
        assert!(refused(Some(3)).contains("has no page 3") && refused(Some(0)).contains("has no page 0"));
    }

    #[test]
    fn a_stack_in_a_single_page_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tif");
        for (description, is_stack) in [
            ("ImageJ=1.53t\nimages=7\nslices=7\n", true),
            ("{\"shape\": [7, 1, 2]}", true),
            ("{\"shape\": [1, 2]}", false),
            ("ImageJ=1.53t\nunit=um\n", false),
        ] {
            let mut encoder = TiffEncoder::new(File::create(&path).unwrap()).unwrap();
            let mut image = encoder.new_image::<colortype::Gray8>(2, 1).unwrap();
            image.encoder().write_tag(Tag::ImageDescription, description).unwrap();
            image.write_data(&[3, 4]).unwrap();
            let refused = Page::read(&path, None).err().map(|error| error.to_string());
            assert_eq!(refused.is_some(), is_stack, "{refused:?}");
            assert!(refused.is_none_or(|what| what.contains("7 slices in one page")));
        }
    }

    /// The file has tiles of 32 x 32, 48 rows and three planes.
    #[test]
    fn planar_tiles_that_reach_below_the_image_are_read() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases/triples/planar_VIS.tif");
        let page = Page::read(&path, None).unwrap();
        let DecodingResult::U8(values) = page.samples else { panic!("not bytes") };
        let channels = page.layout.channels(values.into_iter().map(f32::from).collect(), &path).unwrap();
        assert_eq!(channels.dim(), (3, 48, 64));
        let sums: Vec<f32> = channels.axis_iter(Axis(0)).map(|plane| plane.sum()).collect();
        assert_eq!(sums, PLANE_SUMS);
    }

    const PLANE_SUMS: [f32; 3] = [332_803.0, 335_119.0, 333_536.0];
}
