//! Invasion datasets, HDF5 schema version 1: one file, or a folder of shards.
//!
//! ```text
//! attrs  format="porecast-invasion" version=1 simulator campaign voxel_size_m axes created_with time_unit inlet
//! /solid        (N, H, W)     u8        1 = solid
//! /phase        (N, T, H, W)  u8        1 = invading phase; 0 elsewhere, solid included
//! /time         (N, T)        f64       ascending
//! /domain_id    (N)           string    stable; splits use its hash
//! /parameters   (N)           compound  parameters of the simulation; NaN where a quantity does not apply
//! /frame (T)  /y (H)  /x (W)            numbers of the frames, centres of the pixels in metres
//! ```
//! `/domain_id`, `/frame`, `/y` and `/x` are the dimension scales of the others; files before them read as well.
//! A chunk is one mask: one domain of `/solid`, one frame of `/phase`. [`super::dynamics`]
//! describes what a dynamic simulator adds.
//!
//! The published layout of the CO2-water benchmark (one file per domain) opens as well, see
//! [`super::benchmark`].

mod files;
mod shard;
mod write;

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use porecast_simulations::lattice_boltzmann::Flow;
use porecast_simulations::percolation::Sides;
use porecast_simulations::{Parameters, Side, TimeUnit, Trajectory};
use sha2::{Digest, Sha256};

use super::benchmark;
use super::dynamics::{self, Dynamics, Extent, Recorded};
use super::h5::H5Reader;
use porecast_base::{Error, ErrorKind, Result, hex};

use files::{dataset_files, expect_all_shards};
pub use files::{parts_folder, shard_name};
pub(super) use shard::{Layout, Shard};
pub use write::{write, write_part};

/// The attribute `format` of a dataset.
pub const FORMAT: &str = "porecast-invasion";
/// Version of the schema that this program reads and writes.
pub const VERSION: u32 = 1;

/// Simulator and configuration that made a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct Origin {
    /// Name of the simulator, or of the publication.
    pub simulator: String,
    /// The resolved configuration of the campaign as TOML; empty for imported sequences.
    pub campaign: String,
}

/// Properties shared by all sequences of a dataset.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Common {
    /// Frames, height, width.
    pub(super) shape: (usize, usize, usize),
    pub(super) inlet: Side,
    pub(super) time_unit: TimeUnit,
    pub(super) voxel_size_m: f64,
    pub(super) extent: Extent,
}

impl Common {
    fn of(recorded: &Recorded) -> Self {
        let sequence = &recorded.trajectory;
        Self {
            shape: sequence.phase.dim(),
            inlet: sequence.inlet,
            time_unit: sequence.time_unit,
            voxel_size_m: sequence.domain.voxel_size_m,
            extent: Extent::of(recorded),
        }
    }

    /// Description for errors.
    fn describe(&self) -> String {
        let (frames, height, width) = self.shape;
        format!(
            "{frames} frames of {height}x{width} pixels of {} m, inlet {}, time in {}{}",
            self.voxel_size_m,
            self.inlet,
            self.time_unit.name(),
            self.extent.describe()
        )
    }
}

/// A dataset opened for reading. Sequences are read one at a time.
///
/// ```no_run
/// let dataset = porecast_store::InvasionDataset::open("data/demo.h5".as_ref())?;
/// let (frames, height, width) = dataset.shape();
/// let sequence = dataset.sequence(0)?;
/// assert_eq!(sequence.phase.dim(), (frames, height, width));
/// # Ok::<(), porecast_base::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct InvasionDataset {
    path: PathBuf,
    shards: Vec<Shard>,
    ids: Vec<String>,
    /// Shard and row of each sequence.
    rows: Vec<(usize, usize)>,
}

impl InvasionDataset {
    /// Opens a dataset: a file, or a folder of shards. The finished domains of an unfinished
    /// campaign (`<file>.parts`) belong to it.
    ///
    /// # Errors
    /// The file is missing, truncated, of another format or version, or its parts do not fit together.
    pub fn open(path: &Path) -> Result<Self> {
        let mut files = Vec::new();
        if path.is_dir() {
            files = dataset_files(path)?;
            if files.is_empty() {
                return Err(Error::input(path, "is a folder without a dataset: no .h5 file is in it"));
            }
            expect_all_shards(path, &files)?;
        } else {
            if path.exists() {
                files.push(path.to_owned());
            }
            let parts = parts_folder(path);
            if parts.is_dir() {
                files.extend(dataset_files(&parts)?);
            }
            if files.is_empty() {
                files.push(path.to_owned());
            }
        }
        let shards = files.iter().map(|file| Shard::open(file)).collect::<Result<Vec<_>>>()?;
        Self::assemble(path, shards)
    }

    fn assemble(path: &Path, shards: Vec<Shard>) -> Result<Self> {
        let first = &shards[0];
        let mut seen = HashSet::new();
        let mut entries = Vec::new();
        for (s, shard) in shards.iter().enumerate() {
            if shard.common != first.common {
                return Err(Error::new(
                    ErrorKind::Mismatch,
                    shard.path.display().to_string(),
                    format!(
                        "does not belong together with {}: it has {}, expected {}",
                        first.path.display(),
                        shard.common.describe(),
                        first.common.describe()
                    ),
                ));
            }
            // An interrupted merge leaves domains in the dataset and in its parts: count them once.
            let is_part = shard.path.parent() == Some(&parts_folder(path));
            for (row, id) in shard.ids.iter().enumerate() {
                if seen.insert(id) {
                    entries.push((id.clone(), (s, row)));
                } else if !is_part {
                    return Err(Error::input(
                        &shard.path,
                        format!(
                            "/domain_id {id:?} occurs twice; every domain needs an identifier of its own"
                        ),
                    ));
                }
            }
        }
        if path.is_dir() {
            // Shards hold every n-th domain; sorting restores the order of the campaign.
            entries.sort();
        }
        let (ids, rows) = entries.into_iter().unzip();
        Ok(Self { path: path.to_owned(), shards, ids, rows })
    }

    /// Path of the dataset.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Identifiers of the domains, in stored order.
    pub fn domain_ids(&self) -> &[String] {
        &self.ids
    }

    /// Whether these are the finished domains of a campaign that has not ended.
    pub fn is_unfinished(&self) -> bool {
        let parts = parts_folder(&self.path);
        self.shards.iter().any(|shard| shard.path.parent() == Some(&parts))
    }

    /// Number of sequences.
    pub fn len(&self) -> usize {
        self.domain_ids().len()
    }

    /// Whether the dataset has no sequence.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Frames, height and width of every sequence.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shards[0].common.shape
    }

    /// Edge where the invading fluid enters.
    pub fn inlet(&self) -> Side {
        self.shards[0].common.inlet
    }

    /// Unit of the times.
    pub fn time_unit(&self) -> TimeUnit {
        self.shards[0].common.time_unit
    }

    /// Edge length of a pixel in metres.
    pub fn voxel_size_m(&self) -> f64 {
        self.shards[0].common.voxel_size_m
    }

    /// Origin of the dataset.
    pub fn origin(&self) -> &Origin {
        &self.shards[0].origin
    }

    /// Origin of each file of the dataset.
    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.shards.iter().map(|shard| &shard.origin)
    }

    /// Parameters of sequence `index`; in schema version 1, read without its frames.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn parameters(&self, index: usize) -> Result<Parameters> {
        let (shard, row) = self.locate(index);
        match shard.layout {
            Layout::Stacked => shard.parameters(&H5Reader::open(&shard.path)?, row),
            Layout::Benchmark => Ok(benchmark::read(shard)?.parameters),
        }
    }

    /// Reads sequence `index`.
    ///
    /// # Errors
    /// The file cannot be read or holds values other than 0 and 1, a domain without pores, the invading phase inside solid,
    /// or times that are negative or do not ascend.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn sequence(&self, index: usize) -> Result<Trajectory> {
        let (shard, row) = self.locate(index);
        match shard.layout {
            Layout::Stacked => shard.sequence(row),
            Layout::Benchmark => benchmark::read(shard),
        }
    }

    /// Whether [`dynamics`](Self::dynamics) are stored.
    pub fn has_dynamics(&self) -> bool {
        self.shards[0].common.extent.has_dynamics
    }

    /// Boundary condition beside the flow: porecast's dynamic simulator has walls there.
    pub fn sides(&self) -> Sides {
        if self.has_dynamics() { Sides::Walls } else { Sides::Open }
    }

    /// Whether [`flow`](Self::flow) is stored.
    pub fn has_flow(&self) -> bool {
        self.shards[0].common.extent.has_flow
    }

    /// Dynamics of sequence `index`; `None` unless porecast's dynamic simulator made it.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn dynamics(&self, index: usize) -> Result<Option<Dynamics>> {
        let (shard, row) = self.locate(index);
        let read = || dynamics::read_dynamics(&H5Reader::open(&shard.path)?, row);
        shard.common.extent.has_dynamics.then(read).transpose()
    }

    /// Pressure and velocity of sequence `index`, if stored.
    ///
    /// # Errors
    /// The file cannot be read or holds values that are not finite.
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn flow(&self, index: usize) -> Result<Option<Flow>> {
        let (shard, row) = self.locate(index);
        let read = || dynamics::read_flow(&H5Reader::open(&shard.path)?, row);
        shard.common.extent.has_flow.then(read).transpose()
    }

    /// Sequence `index` with its dynamics and flow.
    ///
    /// # Errors
    /// Those of [`sequence`](Self::sequence), [`dynamics`](Self::dynamics) and [`flow`](Self::flow).
    ///
    /// # Panics
    /// `index` is not below [`len`](Self::len).
    pub fn recorded(&self, index: usize) -> Result<Recorded> {
        Ok(Recorded {
            trajectory: self.sequence(index)?,
            dynamics: self.dynamics(index)?,
            flow: self.flow(index)?,
        })
    }

    /// The [`Fingerprint`] of all sequences; reads the whole dataset.
    ///
    /// # Errors
    /// A sequence cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        self.fingerprint_of(|_| true)
    }

    /// The fingerprint of a dataset of the domains that `is_in` chooses.
    ///
    /// # Errors
    /// A sequence cannot be read.
    pub fn fingerprint_of(&self, is_in: impl Fn(&String) -> bool) -> Result<String> {
        let mut fingerprint = Fingerprint::default();
        for (index, id) in self.ids.iter().enumerate().filter(|(_, id)| is_in(id)) {
            fingerprint.add(id, &self.sequence(index)?);
        }
        Ok(fingerprint.finish())
    }

    /// File of sequence `index`, its row there, and the number of rows; `None` in the layout of the benchmark.
    pub(super) fn place_in_file(&self, index: usize) -> Option<(&Path, usize, usize)> {
        let (shard, row) = self.locate(index);
        (shard.layout == Layout::Stacked).then_some((shard.path.as_path(), row, shard.ids.len()))
    }

    fn locate(&self, index: usize) -> (&Shard, usize) {
        let (shard, row) = self.rows[index];
        (&self.shards[shard], row)
    }
}

/// SHA-256 of everything a network can learn from: identifiers, geometry, times and frames. A
/// caller that reads all sequences anyway can compute it on the way.
#[derive(Debug, Clone, Default)]
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Adds the next sequence, in stored order.
    pub fn add(&mut self, id: &str, sequence: &Trajectory) {
        let bytes = |mask: &mut dyn Iterator<Item = &bool>| mask.map(|&m| u8::from(m)).collect::<Vec<u8>>();
        self.0.update((id.len() as u64).to_le_bytes());
        self.0.update(id.as_bytes());
        let (frames, height, width) = sequence.phase.dim();
        for length in [frames, height, width] {
            self.0.update((length as u64).to_le_bytes());
        }
        self.0.update(bytes(&mut sequence.domain.solid.iter()));
        for time in &sequence.times {
            self.0.update(time.to_le_bytes());
        }
        self.0.update(bytes(&mut sequence.phase.iter()));
    }

    /// The hexadecimal digest.
    pub fn finish(self) -> String {
        hex(&self.0.finalize())
    }
}

/// Checks that times are finite and ascend.
pub(super) fn check_times(times: &[f64]) -> std::result::Result<(), String> {
    if let Some(t) = times.iter().position(|time| !time.is_finite()) {
        return Err(format!("holds {} for frame {t}, expected a finite time", times[t]));
    }
    if let Some(first) = times.first().filter(|first| **first < 0.0) {
        return Err(format!("begins at {first}; times are counted from the start of the injection"));
    }
    match times.windows(2).position(|pair| pair[1] <= pair[0]) {
        Some(t) => {
            Err(format!("does not ascend: frame {t} is at {}, frame {} at {}", times[t], t + 1, times[t + 1]))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use hdf5::types::VarLenUnicode;
    use proptest::prelude::*;

    use ndarray::{Array2, Array3};
    use porecast_simulations::Domain;

    use super::*;

    /// A small sequence whose content depends on `seed`.
    fn sequence(seed: u64, shape: (usize, usize, usize)) -> Trajectory {
        let (frames, height, width) = shape;
        let solid = Array2::from_shape_fn((height, width), |(y, x)| {
            (y * 7 + x * 3 + seed as usize).is_multiple_of(5)
        });
        let phase = Array3::from_shape_fn(shape, |(t, y, x)| y * frames < t * height && !solid[(y, x)]);
        let domain = Domain { solid, voxel_size_m: 1e-5 };
        let mut parameters = benchmark::unknown_parameters(domain.porosity());
        parameters.seed = seed;
        parameters.contact_angle_deg = 45.0;
        Trajectory {
            domain,
            inlet: Side::Top,
            times: (0..frames).map(|t| t as f64 * 0.1).collect(),
            time_unit: TimeUnit::PoreVolumes,
            phase,
            parameters,
        }
    }

    fn origin() -> Origin {
        Origin { simulator: "test".into(), campaign: "seed = 1\n".into() }
    }

    fn write_numbered(path: &Path, numbers: impl IntoIterator<Item = u64>) {
        let sequences = numbers.into_iter().map(|n| Ok((format!("d{n}"), sequence(n, (4, 6, 5)))));
        write(path, &origin(), sequences).unwrap();
    }

    /// The error of reading a dataset after one change to its file.
    fn damaged(change: impl FnOnce(&hdf5::File)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        write_numbered(&path, 0..3);
        let file = hdf5::File::open_rw(&path).unwrap();
        change(&file);
        file.close().unwrap();
        InvasionDataset::open(&path).and_then(|d| d.sequence(1)).unwrap_err().to_string()
    }

    fn assert_says(error: &str, wanted: &str) {
        assert!(error.contains(wanted), "{error:?} does not say {wanted:?}");
        assert!(error.contains(".h5"), "{error:?} names no file");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(16))]
        #[test]
        fn sequences_read_back_as_written(
            n in 1..4_u64, frames in 1..4_usize, height in 1..9_usize, width in 1..9_usize,
        ) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("d.h5");
            let made = |n| sequence(n, (frames, height, width));
            prop_assume!((0..n).all(|n| made(n).domain.pore_count() > 0));
            write(&path, &origin(), (0..n).map(|n| Ok((format!("d{n}"), made(n))))).unwrap();
            let dataset = InvasionDataset::open(&path).unwrap();
            prop_assert_eq!(dataset.len() as u64, n);
            prop_assert_eq!(dataset.shape(), (frames, height, width));
            prop_assert_eq!(dataset.origin(), &origin());
            for index in 0..n {
                let read = dataset.sequence(index as usize).unwrap();
                let written = made(index);
                prop_assert_eq!(&read.domain, &written.domain);
                prop_assert_eq!(&read.phase, &written.phase);
                prop_assert_eq!(&read.times, &written.times);
                prop_assert_eq!(read.parameters.seed, index);
                prop_assert!(read.parameters.capillary_number.is_nan());
                prop_assert_eq!(dataset.parameters(index as usize).unwrap().seed, index);
            }
        }
    }

    #[test]
    fn the_same_content_gives_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a.h5"), folder.path().join("b.h5"));
        write_numbered(&a, 0..3);
        std::thread::sleep(std::time::Duration::from_millis(1100));
        write_numbered(&b, 0..3);
        assert_eq!(std::fs::read(a).unwrap(), std::fs::read(b).unwrap());
    }

    #[test]
    fn the_fingerprint_changes_with_any_content_and_with_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let print = |name: &str, origin: &Origin, sequences: Vec<(String, Trajectory)>| {
            let path = folder.path().join(name);
            write(&path, origin, sequences.into_iter().map(Ok)).unwrap();
            InvasionDataset::open(&path).unwrap().fingerprint().unwrap()
        };
        let one = || ("a".to_owned(), sequence(1, (3, 4, 5)));
        let reference = print("a.h5", &origin(), vec![one()]);
        let other_origin = Origin { simulator: "other".into(), campaign: String::new() };
        assert_eq!(reference, print("b.h5", &other_origin, vec![one()]));
        let mut changed = one();
        changed.0 = "b".into();
        assert_ne!(reference, print("c.h5", &origin(), vec![changed]));
        let mut changed = one();
        changed.1.times[2] = 9.0;
        assert_ne!(reference, print("d.h5", &origin(), vec![changed]));
        let mut changed = one();
        let pore = changed.1.domain.solid.indexed_iter().find(|(_, s)| !**s).unwrap().0;
        changed.1.phase[(0, pore.0, pore.1)] ^= true;
        assert_ne!(reference, print("e.h5", &origin(), vec![changed]));
    }

    #[test]
    fn a_folder_of_shards_opens_as_one_dataset_in_campaign_order() {
        let folder = tempfile::tempdir().unwrap();
        write_numbered(&folder.path().join(shard_name(0, 2)), [0, 2]);
        let incomplete = InvasionDataset::open(folder.path()).unwrap_err().to_string();
        assert!(incomplete.contains("shard-1-of-2.h5 missing"), "{incomplete}");
        write_numbered(&folder.path().join(shard_name(1, 2)), [1, 3]);
        let dataset = InvasionDataset::open(folder.path()).unwrap();
        assert_eq!(dataset.domain_ids(), ["d0", "d1", "d2", "d3"]);
        assert_eq!(dataset.sequence(3).unwrap().parameters.seed, 3);
    }

    #[test]
    fn finished_parts_belong_to_the_dataset_and_count_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        let parts = parts_folder(&path);
        std::fs::create_dir(&parts).unwrap();
        write_numbered(&parts.join("000002.h5"), [2]);
        assert_eq!(InvasionDataset::open(&path).unwrap().domain_ids(), ["d2"]);
        write_numbered(&path, 0..3);
        assert_eq!(InvasionDataset::open(&path).unwrap().domain_ids(), ["d0", "d1", "d2"]);
    }

    #[test]
    fn shards_of_different_shape_are_refused_with_both_names() {
        let folder = tempfile::tempdir().unwrap();
        write_numbered(&folder.path().join("a.h5"), [0]);
        let other = std::iter::once(Ok(("x".to_owned(), sequence(9, (4, 6, 7)))));
        write(&folder.path().join("b.h5"), &origin(), other).unwrap();
        let error = InvasionDataset::open(folder.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        for wanted in ["a.h5", "b.h5", "6x7", "6x5"] {
            assert_says(&error.to_string(), wanted);
        }
    }

    #[test]
    fn duplicate_identifiers_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        write_numbered(&path, [1, 1]);
        let error = InvasionDataset::open(&path).unwrap_err().to_string();
        assert_says(&error, "/domain_id \"d1\" occurs twice");
    }

    #[test]
    fn missing_truncated_and_foreign_files_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("d.h5");
        assert_says(&InvasionDataset::open(&path).unwrap_err().to_string(), "cannot be opened");
        write_numbered(&path, 0..3);
        let bytes = std::fs::read(&path).unwrap();
        for length in [bytes.len() / 2, bytes.len() - 1, 100] {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert_says(&InvasionDataset::open(&path).unwrap_err().to_string(), "truncated");
        }
        std::fs::write(&path, "solid,phase\n").unwrap();
        assert_says(&InvasionDataset::open(&path).unwrap_err().to_string(), "is not an HDF5 file");
    }

    #[test]
    fn another_version_is_refused() {
        let error = damaged(|file| file.attr("version").unwrap().write_scalar(&7_u32).unwrap());
        assert_says(&error, "version 7, this program reads version 1");
    }

    #[test]
    fn a_missing_dataset_and_a_missing_attribute_are_named() {
        assert_says(&damaged(|file| file.unlink("time").unwrap()), "/time is missing");
        assert_says(&damaged(|file| file.delete_attr("inlet").unwrap()), "has no attribute \"inlet\"");
    }

    #[test]
    fn an_impossible_size_of_a_pixel_and_a_domain_without_pores_are_named() {
        for size in [f64::NAN, -1.0, 0.0] {
            let error = damaged(|file| file.attr("voxel_size_m").unwrap().write_scalar(&size).unwrap());
            assert_says(&error, "\"voxel_size_m\" is");
        }
        let error = damaged(|file| {
            let solid = ndarray::Array3::<u8>::ones((1, 6, 5));
            file.dataset("solid").unwrap().write_slice(&solid, ndarray::s![1..2, .., ..]).unwrap();
        });
        assert_says(&error, "/solid[1] has no pore space");
    }

    #[test]
    fn a_wrong_type_and_a_wrong_shape_are_named_with_what_was_expected() {
        let replace_by = |build: fn(&hdf5::File)| {
            damaged(move |file| {
                file.unlink("solid").unwrap();
                build(file);
            })
        };
        let error = replace_by(|file| {
            drop(file.new_dataset::<VarLenUnicode>().shape((3, 6, 5)).create("solid").unwrap())
        });
        assert_says(&error, "/solid holds unicode (var len), expected numbers");
        let error =
            replace_by(|file| drop(file.new_dataset::<u8>().shape((3, 6, 4)).create("solid").unwrap()));
        assert_says(&error, "/solid has shape [3, 6, 4], expected [3, 6, 5]");
    }

    #[test]
    fn values_that_are_no_phase_are_named_with_their_place() {
        let put = |at: [usize; 4], value: u8| {
            damaged(move |file| {
                let one = ndarray::Array4::from_elem((1, 1, 1, 1), value);
                let [n, t, y, x] = at;
                file.dataset("phase")
                    .unwrap()
                    .write_slice(&one, ndarray::s![n..=n, t..=t, y..=y, x..=x])
                    .unwrap();
            })
        };
        assert_says(&put([1, 2, 3, 4], 7), "/phase[1] holds 7, expected 0 or 1, at (time, y, x) = (2, 3, 4)");
        let solid = sequence(1, (4, 6, 5)).domain.solid;
        let (y, x) = solid.indexed_iter().find(|(_, solid)| **solid).unwrap().0;
        assert_says(&put([1, 0, y, x], 1), "/phase[1] has the invading phase inside solid");
    }

    #[test]
    fn times_must_be_finite_and_ascend() {
        let put = |value: f64| {
            damaged(move |file| {
                let one = Array2::from_elem((1, 1), value);
                file.dataset("time").unwrap().write_slice(&one, ndarray::s![1..2, 2..3]).unwrap();
            })
        };
        assert_says(&put(f64::NAN), "/time[1] holds NaN for frame 2");
        let negative = damaged(|file| {
            let one = Array2::from_elem((1, 1), -0.1);
            file.dataset("time").unwrap().write_slice(&one, ndarray::s![1..2, 0..1]).unwrap();
        });
        assert_says(&negative, "/time[1] begins at -0.1");
        assert_says(&put(0.05), "/time[1] does not ascend: frame 1 is at 0.1, frame 2 at 0.05");
    }
}
