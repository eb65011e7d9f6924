//! Writes a dataset, or a part of an unfinished one.

use std::path::Path;

use ndarray::Array1;

use super::shard::ParameterRow;
use super::{Common, FORMAT, Origin, VERSION};
use crate::dynamics::{DynamicsWriter, Recorded};
use crate::h5::{Axes, H5Writer};
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result};

/// Writes sequences with their identifiers to `path` atomically, with one in memory at a time.
///
/// # Errors
/// The first error of the iterator, no sequence at all, sequences that do not fit together, or an
/// output error naming `path`.
pub fn write<S: Into<Recorded>>(
    path: &Path,
    origin: &Origin,
    sequences: impl Iterator<Item = Result<(String, S)>>,
) -> Result<()> {
    let sequences = sequences.map(|sequence| sequence.map(|(id, sequence)| (id, sequence.into())));
    atomic::write_with(path, |temporary| fill(H5Writer::create(temporary, path)?, path, origin, sequences))
}

/// Writes a finished domain of an unfinished campaign to `path` atomically.
///
/// Parts are not compressed: the merge reads each part once, compresses its domain anyway and
/// removes the part. The merge cannot copy compressed chunks, because the HDF5 library would place
/// them in another order and the same content must give the same file.
///
/// # Errors
/// An output error naming `path`.
pub fn write_part(path: &Path, origin: &Origin, id: String, sequence: Recorded) -> Result<()> {
    let sequences = std::iter::once(Ok((id, sequence)));
    atomic::write_with(path, |temporary| {
        fill(H5Writer::create(temporary, path)?.uncompressed(), path, origin, sequences)
    })
}

fn fill(
    file: H5Writer,
    path: &Path,
    origin: &Origin,
    sequences: impl Iterator<Item = Result<(String, Recorded)>>,
) -> Result<()> {
    let mut sequences = sequences.peekable();
    let common = match sequences.peek() {
        Some(Ok((_, first))) => Common::of(first),
        Some(Err(_)) => return Err(sequences.next().and_then(|s| s.err()).expect("an error was peeked")),
        None => return Err(Error::output(path, "there is no sequence to write")),
    };
    let (frames, height, width) = common.shape;
    file.text("format", FORMAT)?;
    file.number("version", VERSION)?;
    file.text("simulator", &origin.simulator)?;
    file.text("campaign", &origin.campaign)?;
    file.number("voxel_size_m", common.voxel_size_m)?;
    file.text("axes", "domain,time,y,x")?;
    file.text("created_with", concat!("porecast ", env!("CARGO_PKG_VERSION")))?;
    file.keyword("time_unit", common.time_unit)?;
    file.keyword("inlet", common.inlet)?;
    let mut solid = file.growing::<u8>("solid", &[height, width], &[1, height, width])?;
    let mut phase = file.growing::<u8>("phase", &[frames, height, width], &[1, 1, height, width])?;
    let mut time = file.growing::<f64>("time", &[frames], &[64, frames])?;
    let mut extras = DynamicsWriter::new(&file, common.extent, common.shape)?;
    let mut ids = Vec::new();
    let mut parameters: Vec<ParameterRow> = Vec::new();
    for sequence in sequences {
        let (id, recorded) = sequence?;
        let found = Common::of(&recorded);
        let Recorded { trajectory: sequence, dynamics, flow } = recorded;
        if found != common || sequence.times.len() != frames || sequence.domain.solid.dim() != (height, width)
        {
            return Err(Error::new(
                ErrorKind::Mismatch,
                path.display().to_string(),
                format!(
                    "domain {id:?} has {}, the domains before it have {}",
                    found.describe(),
                    common.describe()
                ),
            ));
        }
        solid.push(sequence.domain.solid.mapv(u8::from).view())?;
        phase.push(sequence.phase.mapv(u8::from).view())?;
        time.push(Array1::from(sequence.times).view())?;
        parameters.push(sequence.parameters.into());
        extras.push(dynamics.as_ref(), flow.as_ref())?;
        ids.push(id);
    }
    file.texts("domain_id", &ids)?;
    file.column("parameters", &parameters)?;
    drop((solid, phase, time));
    file.grid(common.shape, common.voxel_size_m)?;
    let mut axes: Vec<Axes> = vec![
        ("solid", &["domain_id", "y", "x"]),
        ("phase", &["domain_id", "frame", "y", "x"]),
        ("time", &["domain_id", "frame"]),
        ("parameters", &["domain_id"]),
    ];
    axes.extend(extras.finish(&file)?);
    file.name_axes(&axes)?;
    file.finish()
}
