//! One DICOM slice: header and pixels.

use std::path::Path;

use dicom_dictionary_std::tags;
use dicom_object::{DefaultDicomObject, OpenFileOptions, Tag};
use dicom_pixeldata::{
    ConvertOptions, DecodedPixelData, ModalityLutOption, PixelDecoder, PixelRepresentation,
};
use ndarray::Array2;

use porecast_base::{Error, Result};

/// Header of a slice.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Header {
    /// Height and width.
    pub shape: (usize, usize),
    /// Height and width of a pixel.
    pub spacing_mm: Option<(f64, f64)>,
    /// Whether larger values are darker (MONOCHROME1).
    pub is_inverted: bool,
}

/// Reads the header of a slice, without its pixels.
///
/// # Errors
/// The file is not DICOM, has no rows and columns, or a rescale slope that makes all pixels equal.
pub fn header(path: &Path) -> Result<Header> {
    let object =
        OpenFileOptions::new().read_until(tags::PIXEL_DATA).open_file(path).map_err(|e| damaged(path, e))?;
    let count = |tag: Tag, name: &str| {
        let value = object.get(tag).and_then(|element| element.to_int::<u16>().ok());
        match value {
            Some(value) if value > 0 => Ok(usize::from(value)),
            _ => Err(Error::input(path, format!("is a DICOM file without {name}: it holds no image"))),
        }
    };
    // The decoder does not check these values.
    let (allocated, stored) =
        (count(tags::BITS_ALLOCATED, "BitsAllocated")?, count(tags::BITS_STORED, "BitsStored")?);
    if !matches!(allocated, 8 | 16 | 32) || stored > allocated {
        let what =
            format!("is a DICOM file with {stored} of {allocated} bits per pixel, which makes no sense");
        return Err(Error::input(path, what));
    }
    let slope = object.get(tags::RESCALE_SLOPE).and_then(|element| element.to_float64().ok());
    if let Some(slope) = slope.filter(|slope| *slope == 0.0 || !slope.is_finite()) {
        let what =
            format!("has RescaleSlope {slope}, which leaves nothing of its pixels; correct the header");
        return Err(Error::input(path, what));
    }
    let shape = (count(tags::ROWS, "Rows")?, count(tags::COLUMNS, "Columns")?);
    // Row spacing, the distance between the centres of rows, comes first (PS3.3, 10.7.1.3).
    let spacing = object.get(tags::PIXEL_SPACING).and_then(|element| element.to_multi_float64().ok());
    let spacing_mm = match spacing.as_deref() {
        Some(&[height, width]) if height > 0.0 && width > 0.0 => Some((height, width)),
        _ => None,
    };
    let photometric = object.get(tags::PHOTOMETRIC_INTERPRETATION).and_then(|element| element.to_str().ok());
    let is_inverted = photometric.is_some_and(|name| name.trim() == "MONOCHROME1");
    Ok(Header { shape, spacing_mm, is_inverted })
}

/// Reads the pixels of a slice in the modality's units; padding (PixelPaddingValue) becomes NaN.
///
/// # Errors
/// The file is not DICOM, is compressed in a way that is not supported, or holds colours or several frames.
pub fn pixels(path: &Path) -> Result<Array2<f32>> {
    let object: DefaultDicomObject = dicom_object::open_file(path).map_err(|e| damaged(path, e))?;
    let decoded = object.decode_pixel_data().map_err(|e| damaged(path, e))?;
    if decoded.samples_per_pixel() != 1 || decoded.number_of_frames() != 1 {
        let what = format!(
            "holds {} frames with {} values per pixel; export each slice as a grey image of its own",
            decoded.number_of_frames(),
            decoded.samples_per_pixel()
        );
        return Err(Error::input(path, what));
    }
    let mut values: Vec<f32> = decoded.to_vec().map_err(|e| damaged(path, e))?;
    if let Some((low, high)) = padding(&object, &decoded) {
        // Padding is a stored value, from before the rescaling (PS3.3, C.7.5.1.1.2).
        let as_stored = ConvertOptions::new().with_modality_lut(ModalityLutOption::None);
        let stored: Vec<f32> = decoded.to_vec_with_options(&as_stored).map_err(|e| damaged(path, e))?;
        for (value, stored) in values.iter_mut().zip(stored) {
            if (low..=high).contains(&stored) {
                *value = f32::NAN;
            }
        }
    }
    let shape = (decoded.rows() as usize, decoded.columns() as usize);
    Array2::from_shape_vec(shape, values)
        .map_err(|_| Error::input(path, "is a DICOM file whose pixels do not fill its rows and columns"))
}

/// Lowest and highest stored value of padding.
fn padding(object: &DefaultDicomObject, decoded: &DecodedPixelData) -> Option<(f32, f32)> {
    let bits = u32::from(decoded.bits_allocated());
    let is_signed = decoded.pixel_representation() == PixelRepresentation::Signed;
    let value = |tag: Tag| {
        let value = object.get(tag)?.to_int::<i64>().ok()?;
        // Many programs write the value of signed pixels as unsigned.
        Some(if is_signed && value >= 1 << (bits - 1) { value - (1 << bits) } else { value } as f32)
    };
    let first = value(tags::PIXEL_PADDING_VALUE)?;
    let last = value(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(first);
    Some((first.min(last), first.max(last)))
}

fn damaged(path: &Path, error: impl std::error::Error) -> Error {
    let mut message = format!("is not a readable DICOM file: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        message += &format!(": {cause}");
        source = cause.source();
    }
    Error::input(path, message)
}
