//! Writes one DICOM slice in the form of a magnetic resonance scanner.

use std::path::Path;

use dicom_core::{DataElement, PrimitiveValue, VR};
use dicom_dictionary_std::{tags, uids};
use dicom_object::{FileMetaTableBuilder, InMemDicomObject};
use ndarray::Array2;
use sha2::{Digest, Sha256};

use porecast_base::{Error, Result};

/// Header fields of a slice apart from its size.
pub struct SliceHeader<'a> {
    pub patient: &'a str,
    pub instance: usize,
    /// Height and width of a pixel.
    pub spacing_mm: (f64, f64),
    /// Whether pixels are stored as signed numbers.
    pub is_signed: bool,
}

/// Writes `pixels`, which must be below 32768, uncompressed with 16 bits each.
pub fn write(path: &Path, pixels: &Array2<u16>, header: &SliceHeader<'_>) -> Result<()> {
    let failed = |e: &dyn std::fmt::Display| Error::output(path, std::io::Error::other(e.to_string()));
    let text = |tag, vr, value: String| DataElement::new(tag, vr, PrimitiveValue::from(value));
    let number = |tag, value: u16| DataElement::new(tag, VR::US, PrimitiveValue::from(value));
    let (rows, columns) = pixels.dim();
    let size = |length: usize| u16::try_from(length).map_err(|e| failed(&e));
    let object = InMemDicomObject::from_element_iter([
        text(tags::SOP_CLASS_UID, VR::UI, uids::MR_IMAGE_STORAGE.to_owned()),
        text(tags::SOP_INSTANCE_UID, VR::UI, identifier(&format!("{} {}", header.patient, header.instance))),
        text(tags::MODALITY, VR::CS, "MR".into()),
        text(tags::MANUFACTURER, VR::LO, "porecast synth".into()),
        text(tags::PATIENT_NAME, VR::PN, header.patient.to_owned()),
        text(tags::PATIENT_ID, VR::LO, header.patient.to_owned()),
        text(tags::SLICE_THICKNESS, VR::DS, "7".into()),
        text(tags::STUDY_INSTANCE_UID, VR::UI, identifier(&format!("study {}", header.patient))),
        text(tags::SERIES_INSTANCE_UID, VR::UI, identifier(&format!("series {}", header.patient))),
        text(tags::INSTANCE_NUMBER, VR::IS, header.instance.to_string()),
        number(tags::SAMPLES_PER_PIXEL, 1),
        text(tags::PHOTOMETRIC_INTERPRETATION, VR::CS, "MONOCHROME2".into()),
        number(tags::ROWS, size(rows)?),
        number(tags::COLUMNS, size(columns)?),
        text(tags::PIXEL_SPACING, VR::DS, format!("{}\\{}", header.spacing_mm.0, header.spacing_mm.1)),
        number(tags::BITS_ALLOCATED, 16),
        number(tags::BITS_STORED, 16),
        number(tags::HIGH_BIT, 15),
        number(tags::PIXEL_REPRESENTATION, u16::from(header.is_signed)),
        DataElement::new(tags::PIXEL_DATA, VR::OW, PrimitiveValue::U16(pixels.iter().copied().collect())),
    ]);
    let meta = FileMetaTableBuilder::new().transfer_syntax(uids::EXPLICIT_VR_LITTLE_ENDIAN);
    let file = object.with_meta(meta).map_err(|e| failed(&e))?;
    file.write_to_file(path).map_err(|e| failed(&e))
}

/// A unique identifier derived from a name: 2.25 and a 128-bit number (PS3.5, B.2).
fn identifier(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let bytes: [u8; 16] = digest[..16].try_into().expect("a digest has 32 bytes");
    format!("2.25.{}", u128::from_be_bytes(bytes))
}
