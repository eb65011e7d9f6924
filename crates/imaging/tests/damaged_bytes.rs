//! Files with bytes that are wrong: whatever they are, reading ends with a sample, a warning or an error, not a panic.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use porecast_imaging::format::{Format, Unlabelled, dicom_contours, labelme, npz_stack, tiff_triples};
use porecast_imaging::synth::{MarsConfig, RightVentricleConfig, StasConfig, Study, mars};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tempfile::TempDir;
use tiff::encoder::{TiffEncoder, colortype};

struct Set {
    folder: TempDir,
    /// What is opened, below the folder.
    place: PathBuf,
    format: Format,
    /// Files that are damaged in turn.
    files: Vec<PathBuf>,
}

impl Set {
    fn new(write: impl FnOnce(&Path), place: &str, format: Format) -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(&folder.path().join("set"));
        let mut files = Vec::new();
        let mut pending = vec![folder.path().to_path_buf()];
        while let Some(folder) = pending.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { pending.push(path) } else { files.push(path) }
            }
        }
        files.sort();
        Self { place: Path::new("set").join(place), folder, format, files }
    }

    /// Reads all with one file damaged.
    fn read_damaged(&self, pick: usize, changes: &[(f64, u8)], keep: f64) {
        let file = &self.files[pick % self.files.len()];
        let whole = fs::read(file).unwrap();
        let mut bytes = whole.clone();
        for (at, value) in changes {
            // More often near the beginning, where headers are.
            let at = (at.powi(3) * bytes.len() as f64) as usize;
            bytes[at] = *value;
        }
        bytes.truncate((keep * whole.len() as f64) as usize);
        fs::write(file, bytes).unwrap();
        let _repair = Repair { file, whole };
        let outcome = self.format.open(&self.folder.path().join(&self.place)).and_then(|source| {
            source.read(|sample| {
                assert!(sample.image.iter().all(|v| (0.0..=1.0).contains(v)), "{}", sample.id);
                Ok(())
            })
        });
        let messages = match outcome {
            Ok(warnings) => warnings.iter().map(ToString::to_string).collect(),
            Err(error) => vec![error.to_string()],
        };
        let folder = self.folder.path().to_string_lossy();
        assert!(messages.iter().all(|message| message.starts_with(&*folder)), "{messages:?}");
    }
}

/// Writes the whole file again, also when reading the damaged one panics.
struct Repair<'a> {
    file: &'a Path,
    whole: Vec<u8>,
}

impl Drop for Repair<'_> {
    fn drop(&mut self) {
        fs::write(self.file, &self.whole).expect("the file was written before");
    }
}

fn sets() -> [Set; 4] {
    let hearts = Study::RightVentricle(RightVentricleConfig { patients: 1, slices: 1, ..Default::default() });
    let tissue = Study::Stas(StasConfig { training: 2, public: 1, shape: (64, 80) });
    let terrain = Study::Mars(MarsConfig { training: 2, test: 1, outliers: 0 });
    let unlabelled = Unlabelled::Keep;
    [
        Set::new(
            |path| hearts.write(path, 1).unwrap(),
            "",
            Format::DicomContours(dicom_contours::Options { unlabelled, ..Default::default() }),
        ),
        Set::new(
            |path| tissue.write(path, 1).unwrap(),
            "",
            Format::Labelme(labelme::Options { unlabelled, ..Default::default() }),
        ),
        Set::new(
            |path| terrain.write(path, 1).unwrap(),
            mars::FILE,
            Format::NpzStack(npz_stack::Options { unlabelled, ..Default::default() }),
        ),
        Set::new(
            write_small_scenes,
            "",
            Format::TiffTriples(tiff_triples::Options { unlabelled, ..Default::default() }),
        ),
    ]
}

fn write_small_scenes(path: &Path) {
    fs::create_dir(path).unwrap();
    for scene in 0..2 {
        let encoder = |name: &str| {
            TiffEncoder::new(File::create(path.join(format!("{scene}_{name}.tif"))).unwrap()).unwrap()
        };
        encoder("VIS").write_image::<colortype::RGB8>(4, 4, &[9; 48]).unwrap();
        encoder("SAR").write_image::<colortype::Gray32Float>(8, 8, &[0.5; 64]).unwrap();
        encoder("REF").write_image::<colortype::Gray8>(4, 4, &[255; 16]).unwrap();
    }
}

#[test]
fn damaged_files_end_in_samples_warnings_or_errors() {
    let sets = sets();
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 100;
    }
    let damage = (
        any::<usize>(),
        proptest::collection::vec((0.0..1.0_f64, any::<u8>()), 0..6),
        prop_oneof![3 => Just(1.0), 1 => 0.0..1.0_f64],
    );
    let outcome = TestRunner::new(config).run(&damage, |(pick, changes, keep)| {
        sets.iter().for_each(|set| set.read_damaged(pick, &changes, keep));
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}
