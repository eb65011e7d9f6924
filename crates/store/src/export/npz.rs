//! A NumPy archive: a zip file with an npy file for each array.
//!
//! `ndarray-npy` needs the whole array in memory and cannot write texts. This module writes one domain after another.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use porecast_base::{Error, Result};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::{Channels, Frames, Source};
use crate::h5;

/// Writes `temporary`; errors name `path`.
pub(super) fn write(
    source: &Source,
    temporary: &Path,
    path: &Path,
    channels: Option<Channels<'_>>,
) -> Result<()> {
    let failed = |e: std::io::Error| Error::output(path, e);
    let file = BufWriter::new(File::create(temporary).map_err(failed)?);
    let mut archive = Archive { zip: ZipWriter::new(file), path };
    let count = source.ids().len();
    let (frames, height, width) = source.shape();

    archive.texts("domain_id", &[count], source.ids().iter().map(String::as_str))?;
    for (name, word) in
        [("time_unit", h5::word(source.time_unit(), path)?), ("inlet", h5::word(source.inlet(), path)?)]
    {
        archive.texts(name, &[], [word.as_str()].into_iter())?;
    }
    archive.begin("voxel_size_m", "<f8", &[])?;
    archive.put(source.voxel_size_m().to_le_bytes())?;
    archive.begin("solid", "|b1", &[count, height, width])?;
    for sequence in source.sequences() {
        archive.put(sequence?.domain.solid.iter().map(|&solid| u8::from(solid)))?;
    }
    archive.begin("time", "<f8", &[count, frames])?;
    for sequence in source.sequences() {
        archive.put(sequence?.times.into_iter().flat_map(f64::to_le_bytes))?;
    }
    let kind = if matches!(source, Source::Dataset(_)) { "|b1" } else { "<f4" };
    archive.begin(source.name(), kind, &[count, frames, height, width])?;
    for sequence in source.sequences() {
        match sequence?.frames {
            Frames::Phase(phase) => archive.put(phase.iter().map(|&invading| u8::from(invading)))?,
            Frames::Probability(probability) => {
                archive.put(probability.iter().flat_map(|value| value.to_le_bytes()))?;
            }
        }
    }
    if let Source::Dataset(dataset) = source {
        let parameters = (0..count).map(|index| dataset.parameters(index)).collect::<Result<Vec<_>>>()?;
        for (name, values) in [
            ("porosity", parameters.iter().map(|p| p.porosity).collect::<Vec<_>>()),
            ("capillary_number", parameters.iter().map(|p| p.capillary_number).collect()),
            ("viscosity_ratio", parameters.iter().map(|p| p.viscosity_ratio).collect()),
            ("contact_angle_deg", parameters.iter().map(|p| p.contact_angle_deg).collect()),
        ] {
            archive.begin(name, "<f8", &[count])?;
            archive.put(values.into_iter().flat_map(f64::to_le_bytes))?;
        }
    }
    if let Some(channels) = channels {
        for (index, sequence) in source.sequences().enumerate() {
            let computed = channels(&sequence?.domain, source.inlet());
            if index == 0 {
                let (channel, height, width) = computed.dim();
                archive.begin("channels", "<f4", &[count, channel, height, width])?;
            }
            archive.put(computed.iter().flat_map(|value| value.to_le_bytes()))?;
        }
    }
    let mut file = archive.zip.finish().map_err(|e| Error::output(path, e))?;
    file.flush().map_err(failed)
}

struct Archive<'a> {
    zip: ZipWriter<BufWriter<File>>,
    path: &'a Path,
}

impl Archive<'_> {
    /// Begins an array of NumPy's type `kind`; its values follow.
    fn begin(&mut self, name: &str, kind: &str, shape: &[usize]) -> Result<()> {
        let options =
            SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).large_file(true);
        self.zip.start_file(format!("{name}.npy"), options).map_err(|e| Error::output(self.path, e))?;
        let shape: String = shape.iter().map(|length| format!("{length}, ")).collect();
        let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': ({shape}), }}");
        // Magic number, length and header end at a multiple of 64 bytes.
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        header = format!("{header:<width$}\n", width = length - 1);
        let bytes = [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], header.as_bytes()].concat();
        self.put(bytes)
    }

    /// An array of texts. NumPy's have one length and 4 bytes for each character.
    fn texts<'t>(
        &mut self,
        name: &str,
        shape: &[usize],
        texts: impl Iterator<Item = &'t str> + Clone,
    ) -> Result<()> {
        let longest = texts.clone().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        self.begin(name, &format!("<U{longest}"), shape)?;
        for text in texts {
            let letters = text.chars().map(u32::from).chain(std::iter::repeat(0)).take(longest);
            self.put(letters.flat_map(u32::to_le_bytes))?;
        }
        Ok(())
    }

    fn put(&mut self, bytes: impl IntoIterator<Item = u8>) -> Result<()> {
        let bytes: Vec<u8> = bytes.into_iter().collect();
        self.zip.write_all(&bytes).map_err(|e| Error::output(self.path, e))
    }
}
