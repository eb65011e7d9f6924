//! Damages one small file of each kind in many ways and opens it as porecast does: it is read or refused, but never
//! panics, crashes or hangs. `PORECAST_FUZZ=10000` sets the number of damages of each kind, `PORECAST_FUZZ_KIND=HDF5` picks
//! kinds, and `PORECAST_FUZZ_UNEXAMINED=1` leaves HDF5 files without digest to libhdf5 at once, to see what it does.
//!
//! Each kind runs in a child process, this test started again, which appends one byte to a file for each damage that
//! it survives; of HDF5 files without digest, each damaged file has a process of its own. The parent notes a child that
//! ends or stands still, and starts another one behind that damage.

use std::fs::{self, File};
use std::io::Write;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ndarray::{Array2, Array3};
use porecast_base::{Error, ErrorKind, Result};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::format::{Format, Unlabelled, labelme, tiff_triples};
use porecast_imaging::split::{Member, Method, Split, SplitConfig};
use porecast_imaging::synth::{RightVentricleConfig, StasConfig, Study};
use porecast_simulations::lattice_boltzmann::{self, Injection, LatticeBoltzmannConfig, Underway};
use porecast_simulations::percolation::Until;
use porecast_simulations::{Domain, FluidPair, Side, TimeUnit};
use porecast_store::config::segmentation::Depth;
use porecast_store::config::train::TrainConfig;
use porecast_store::invasion::Origin;
use porecast_store::prediction::PredictionHeader;
use porecast_store::{
    GreyImage, InvasionDataset, MaskFile, MaskPrediction, Prediction, PredictionFile, Predictions, RunFolder,
    SegmentationDataset, benchmark, checkpoint, config, examine, invasion, listing, mask_prediction, npz,
    prediction, segmentation, table, weights,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Damages of each kind when `PORECAST_FUZZ` does not say otherwise, and of those that need a process each.
const DAMAGES: [usize; 2] = [100, 10];
/// Time that one damaged file may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// Memory of a child in KiB.
const MEMORY_KIB: usize = 8 << 20;
/// The order for a child: kind, file, first damage and number of damages.
const ORDER: &str = "PORECAST_FUZZ_ORDER";

/// Name of the file to which a child appends its outcomes, and of the folder of the whole file beside it.
const JOURNAL: &str = "journal";
const WHOLE: &str = "whole";

/// A kind of file.
struct Kind {
    name: &'static str,
    /// Writes a small one into a folder; returns its path.
    write: fn(&Path) -> PathBuf,
    /// Opens it and reads everything in it.
    open: fn(&Path) -> Result<()>,
    /// Whether files of unknown origin are examined in a process of their own first, as the program does.
    is_examined: bool,
}

const fn kind(name: &'static str, write: fn(&Path) -> PathBuf, open: fn(&Path) -> Result<()>) -> Kind {
    Kind { name, write, open, is_examined: false }
}

const fn examined(name: &'static str, write: fn(&Path) -> PathBuf, open: fn(&Path) -> Result<()>) -> Kind {
    Kind { name, write, open, is_examined: true }
}

const KINDS: &[Kind] = &[
    kind("HDF5 dataset", write_dataset, open_dataset),
    kind("HDF5 predictions", write_predictions, open_predictions),
    kind("HDF5 masks", write_masks, open_masks),
    kind("HDF5 images", write_images, open_images),
    examined("HDF5 dataset without digest", |folder| bare(write_dataset(folder)), open_dataset),
    examined("HDF5 predictions without digest", |folder| bare(write_predictions(folder)), open_predictions),
    examined("HDF5 of the benchmark", write_benchmark, open_benchmark),
    kind("simulation state", write_state, open_state),
    kind("checkpoint", write_checkpoint, |path| checkpoint::read::<(u64, f64)>(path).map(drop)),
    kind("run.json", |folder| model(folder, "run.json"), open_run),
    kind("config.toml", |folder| model(folder, "config.toml"), open_config),
    kind("any JSON", |folder| model(folder, "run.json"), |path| listing::json(path).map(drop)),
    kind("any TOML", |folder| model(folder, "config.toml"), |path| listing::toml(path).map(drop)),
    kind("split", write_split, |path| Split::read(path, &members()).map(drop)),
    kind("CSV", write_csv, |path| table::read_csv(path).map(drop)),
    kind("safetensors", |folder| weight_file(folder, "small.safetensors"), open_weights),
    kind(
        "safetensors, listed",
        |folder| weight_file(folder, "small.safetensors"),
        |path| listing::safetensors(path).map(drop),
    ),
    kind("PyTorch archive", |folder| weight_file(folder, "small-checkpoint.pth"), open_weights),
    kind("PyTorch pickles", |folder| weight_file(folder, "small-legacy.pth"), open_weights),
    kind("PNG", write_png, open_image),
    kind("JPEG", |folder| photograph(folder, "jpg"), open_image),
    kind("TIFF", write_tiff, open_image),
    kind("npy", write_npy, open_image),
    kind("npz", write_npz, |path| npz::read_labels(path).map(drop).and(npz::entries(path).map(drop))),
    kind("DICOM", write_dicom, |path| open_set(&Format::DicomContours(Default::default()), path)),
    kind(
        "labelme JSON",
        |folder| photograph(folder, "json"),
        |path| {
            let options = labelme::Options { unlabelled: Unlabelled::Keep, ..Default::default() };
            open_set(&Format::Labelme(options), path)
        },
    ),
    kind("TIFF triple", write_triple, |path| {
        let options = tiff_triples::Options { unlabelled: Unlabelled::Keep, ..Default::default() };
        open_set(&Format::TiffTriples(options), path)
    }),
];

#[test]
fn damaged_files_are_read_or_refused() {
    if std::env::var_os("PORECAST_EXAMINE").is_some() {
        assert!(examine::serve());
        return;
    }
    if let Ok(order) = std::env::var(ORDER) {
        return work(&order);
    }
    let asked: Option<usize> = std::env::var("PORECAST_FUZZ").ok().and_then(|text| text.parse().ok());
    let only = std::env::var("PORECAST_FUZZ_KIND").unwrap_or_default();
    let mut failures = Vec::new();
    println!("{:32}  bytes     read  refused panicked  crashed     hung", "");
    for (index, kind) in KINDS.iter().enumerate().filter(|(_, kind)| kind.name.contains(&only)) {
        let folder = tempfile::tempdir().unwrap();
        let whole = folder.path().join(WHOLE);
        fs::create_dir(&whole).unwrap();
        let file = (kind.write)(&whole);
        (kind.open)(&file).unwrap_or_else(|e| panic!("{}: the whole file is refused: {e}", kind.name));
        let damages = asked.unwrap_or(DAMAGES[usize::from(kind.is_examined)]);
        let outcomes = outcomes(index, folder.path(), &file, damages);
        let count = |wanted: u8| outcomes.iter().filter(|outcome| **outcome == wanted).count();
        let [read, refused, panicked, crashed, hung] = [b'r', b'e', b'p', b'c', b'h'].map(count);
        let bytes = fs::metadata(&file).unwrap().len();
        println!("{:32} {bytes:6} {read:8} {refused:8} {panicked:8} {crashed:8} {hung:8}", kind.name);
        if panicked + crashed + hung > 0 {
            let of = |kind: u8| outcomes.iter().enumerate().filter(move |(_, outcome)| **outcome == kind);
            for (damage, outcome) in b"pch".iter().flat_map(|kind| of(*kind).take(4)) {
                print!("    {}{damage}", char::from(*outcome));
            }
            println!();
            failures.push(kind.name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}

/// What became of each damaged file: r read, e refused with an error, p panicked, c crashed, h hung.
fn outcomes(kind: usize, folder: &Path, file: &Path, damages: usize) -> Vec<u8> {
    let journal = folder.join(JOURNAL);
    let mut outcomes = Vec::new();
    while outcomes.len() < damages {
        fs::write(&journal, []).unwrap();
        // After hundreds of damaged files libhdf5 crashes on some that it survives at first; a program opens a few.
        let (until, patience) = match KINDS[kind].is_examined {
            true => (outcomes.len() + 1, 15 * PATIENCE),
            false => (damages, PATIENCE),
        };
        let order = format!("{kind}\n{}\n{}\n{until}", file.display(), outcomes.len());
        let limits = format!("ulimit -v {MEMORY_KIB}; ulimit -c 0; exec \"$0\" damaged_files");
        let mut child = Command::new("sh")
            .args(["-c", &limits])
            .arg(std::env::current_exe().unwrap())
            .env(ORDER, order)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (mut done, mut since) = (0, Instant::now());
        let end = loop {
            let has_ended = child.try_wait().unwrap().is_some();
            let now = fs::metadata(&journal).unwrap().len();
            if now > done {
                (done, since) = (now, Instant::now());
            }
            if has_ended {
                break b'c';
            }
            if since.elapsed() > patience {
                child.kill().unwrap();
                child.wait().unwrap();
                break b'h';
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        outcomes.extend(fs::read(&journal).unwrap());
        if outcomes.len() < until {
            outcomes.push(end);
        }
    }
    outcomes
}

/// What a child does.
fn work(order: &str) {
    let [kind, file, from, to] = order.split('\n').collect::<Vec<_>>()[..] else { panic!("{order}") };
    let (kind, file) = (&KINDS[kind.parse::<usize>().unwrap()], PathBuf::from(file));
    let damages = from.parse().unwrap()..to.parse().unwrap();
    let whole = fs::read(&file).unwrap();
    if kind.is_examined && std::env::var_os("PORECAST_FUZZ_UNEXAMINED").is_none() {
        examine::by(vec![std::env::current_exe().unwrap().into()]);
    }
    let folder = file.ancestors().find(|folder| folder.join(JOURNAL).exists()).unwrap();
    let mut journal = File::options().append(true).open(folder.join(JOURNAL)).unwrap();
    for seed in damages {
        // In a copy of the folder, which may hold files that belong to this one.
        let copy = folder.join(format!("damaged-{seed}"));
        copy_folder(&folder.join(WHOLE), &copy);
        let damaged = copy.join(file.strip_prefix(folder.join(WHOLE)).unwrap());
        fs::write(&damaged, damage(&whole, seed)).unwrap();
        let outcome = match catch_unwind(AssertUnwindSafe(|| (kind.open)(&damaged))) {
            Ok(Ok(())) => b'r',
            Ok(Err(_)) => b'e',
            Err(_) => b'p',
        };
        journal.write_all(&[outcome]).unwrap();
        fs::remove_dir_all(&copy).unwrap();
    }
}

/// A damaged copy: bits turned, the end cut off, or a run of bytes zeroed, filled or overwritten.
fn damage(whole: &[u8], seed: u64) -> Vec<u8> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = |n: usize| (random.next_u64() % n.max(1) as u64) as usize;
    let mut bytes = whole.to_vec();
    let length = bytes.len();
    let kind = below(6);
    // Headers are near the beginning.
    let reach = if below(3) == 0 { length.min(1024) } else { length };
    let longest = [0, 0, 512, 8, 64, 8][kind];
    let start = below(reach);
    let run = start..(start + 1 + below(longest)).min(length);
    match kind {
        0 => (0..=below(8)).for_each(|_| bytes[below(reach)] ^= 1 << below(8)),
        1 => bytes.truncate(below(length)),
        2 => bytes[run].fill(0),
        3 => bytes[run].fill(255),
        _ => bytes[run].iter_mut().for_each(|byte| *byte = below(256) as u8),
    }
    bytes
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for path in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        let copy = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_folder(&path, &copy);
        } else {
            fs::copy(&path, &copy).unwrap();
        }
    }
}

fn solid() -> Array2<bool> {
    Array2::from_shape_fn((20, 16), |(y, x)| (8..12).contains(&y) && x < 4)
}

/// A short drainage, continued from a saved state; `watch` is called after each time step.
fn drain(
    saved: Option<&[u8]>,
    watch: &mut dyn FnMut(&Underway) -> ControlFlow<()>,
) -> Result<lattice_boltzmann::Drainage> {
    let config = LatticeBoltzmannConfig {
        injection: Injection::CapillaryNumber(0.08),
        frames: 3,
        until: Until::PoreVolumes(0.2),
        keep_flow: true,
        ..Default::default()
    };
    let domain = Domain { solid: solid(), voxel_size_m: 1e-5 };
    lattice_boltzmann::simulate_resumable(
        &domain,
        Side::Left,
        &FluidPair::default(),
        &config,
        1,
        saved,
        watch,
    )
}

fn write_dataset(folder: &Path) -> PathBuf {
    let path = folder.join("d.h5");
    let origin = Origin { simulator: "test".into(), campaign: "name = 'test'".into() };
    let one = |index| Ok((format!("d{index}"), drain(None, &mut |_| ControlFlow::Continue(()))?));
    invasion::write(&path, &origin, (0..2).map(one)).unwrap();
    path
}

fn open_dataset(path: &Path) -> Result<()> {
    listing::hdf5(path)?;
    let dataset = InvasionDataset::open(path)?;
    dataset.fingerprint()?;
    (0..dataset.len()).try_for_each(|index| dataset.recorded(index).map(drop))
}

fn write_predictions(folder: &Path) -> PathBuf {
    let path = folder.join("p.h5");
    let header = PredictionHeader {
        source: "test".into(),
        time_unit: TimeUnit::PoreVolumes,
        inlet: Side::Left,
        voxel_size_m: 1e-5,
    };
    let one = |id: &str| {
        Ok(Prediction {
            domain_id: id.into(),
            solid: solid(),
            times: vec![0.0, 0.5],
            probability: Array3::from_shape_fn((2, 20, 16), |(_, y, x)| (y + x) as f32 / 40.0),
        })
    };
    prediction::write(&path, &header, ["a", "b"].into_iter().map(one)).unwrap();
    path
}

fn open_predictions(path: &Path) -> Result<()> {
    listing::hdf5(path)?;
    let file = PredictionFile::open(path)?;
    (0..file.domain_ids().len()).try_for_each(|index| file.prediction(index).map(drop))
}

fn classes() -> [String; 2] {
    ["background".to_owned(), "ice".to_owned()]
}

fn write_masks(folder: &Path) -> PathBuf {
    let path = folder.join("m.h5");
    let probability = Array3::from_elem((1, 20, 16), 0.5);
    let one = MaskPrediction { id: "a".into(), probability, mask: Array2::zeros((20, 16)) };
    mask_prediction::write(&path, "test", &classes(), (1, 20, 16), |writer| writer.push(&one)).unwrap();
    path
}

fn open_masks(path: &Path) -> Result<()> {
    let file = <MaskFile as Predictions>::open(path)?;
    (0..file.ids().len()).try_for_each(|index| file.prediction(index).map(drop))
}

fn write_images(folder: &Path) -> PathBuf {
    let path = folder.join("s.h5");
    let one = |id: &str| AnnotatedImage {
        id: id.into(),
        group: id.into(),
        image: Array3::from_shape_fn((3, 20, 16), |(c, y, x)| (c + y + x) as f32 / 40.0),
        mask: Some(Array2::zeros((20, 16))),
        original_shape: (20, 16),
        spacing_mm: None,
    };
    let fill = |writer: &mut segmentation::SegmentationWriter| {
        ["a", "b"].into_iter().try_for_each(|id| writer.push(&one(id)))
    };
    segmentation::write(&path, &classes(), "", Depth::Eight, fill).unwrap();
    path
}

fn open_images(path: &Path) -> Result<()> {
    let dataset = SegmentationDataset::open(path)?;
    dataset.fingerprint()?;
    (0..dataset.ids().len()).try_for_each(|index| dataset.sample(index).map(drop))
}

/// The same HDF5 file without its digest, as another program writes it.
fn bare(path: PathBuf) -> PathBuf {
    hdf5::File::open_rw(&path).unwrap().close().unwrap();
    path
}

fn write_benchmark(folder: &Path) -> PathBuf {
    let path = folder.join("b.h5");
    let file = hdf5::File::create(&path).unwrap();
    let image = solid().mapv(|solid| f64::from(u8::from(!solid)));
    let water = Array3::from_shape_fn((3, 20, 16), |(t, _, x)| if x < 4 * t { 0.0_f32 } else { 1.0 });
    file.new_dataset_builder().with_data(&image).create("img").unwrap();
    file.new_dataset_builder().with_data(&water).chunk((1, 20, 16)).deflate(4).create("alpha_water").unwrap();
    file.close().unwrap();
    path
}

fn open_benchmark(path: &Path) -> Result<()> {
    listing::hdf5(path)?;
    benchmark::read_file(path).map(drop)
}

fn write_state(folder: &Path) -> PathBuf {
    let mut state = Vec::new();
    let mut stop = |underway: &Underway| {
        state = underway.state();
        ControlFlow::Break(())
    };
    assert!(drain(None, &mut stop).is_err());
    put(folder, "a.state", &state)
}

fn open_state(path: &Path) -> Result<()> {
    let bytes = fs::read(path).map_err(|e| Error::unreadable(path, e))?;
    match drain(Some(&bytes), &mut |_| ControlFlow::Break(())) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()),
        other => other.map(drop),
    }
}

fn write_checkpoint(folder: &Path) -> PathBuf {
    let path = folder.join("checkpoint");
    checkpoint::write(&path, &(7_u64, 0.5), &[vec![1; 300], vec![2; 100]]).unwrap();
    path
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// A copy of a file of this repository.
fn stored(folder: &Path, place: &str, name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(place).join(name);
    put(folder, name, &fs::read(path).unwrap())
}

fn model(folder: &Path, name: &str) -> PathBuf {
    stored(folder, "models/drainage", name)
}

fn open_run(path: &Path) -> Result<()> {
    RunFolder::new(path.parent().expect("a folder")).card().map(drop)
}

fn open_config(path: &Path) -> Result<()> {
    config::load::<TrainConfig>(path, &[]).map(drop)
}

fn weight_file(folder: &Path, name: &str) -> PathBuf {
    stored(folder, "tests/fixtures/encoders", name)
}

fn open_weights(path: &Path) -> Result<()> {
    weights::read(path).map(drop)
}

fn members() -> Vec<Member> {
    let member =
        |index| Member { id: format!("m{index}"), group: format!("g{index}"), target_ratio: Some(0.1) };
    (0..10).map(member).collect()
}

fn write_split(folder: &Path) -> PathBuf {
    let path = folder.join("split.toml");
    let config = SplitConfig { method: Method::HoldOut { validation: 0.2, test: 0.1 }, bins: 1, seed: 1 };
    Split::new(&members(), &config, &path).unwrap().write(&path, &members()).unwrap();
    path
}

fn write_csv(folder: &Path) -> PathBuf {
    put(folder, "t.csv", b"epoch,loss\n1,0.5\n2,\"0.25\"\n3,1e-3\n")
}

/// Grey values of an image of 20 x 16 pixels.
fn grey() -> Vec<u8> {
    (0..20 * 16).map(|index| (index % 7 * 40) as u8).collect()
}

fn write_png(folder: &Path) -> PathBuf {
    let path = folder.join("a.png");
    image::save_buffer(&path, &grey(), 16, 20, image::ExtendedColorType::L8).unwrap();
    path
}

fn write_tiff(folder: &Path) -> PathBuf {
    let path = folder.join("a.tif");
    let mut encoder = tiff::encoder::TiffEncoder::new(File::create(&path).unwrap()).unwrap();
    encoder.write_image::<tiff::encoder::colortype::Gray8>(16, 20, &grey()).unwrap();
    path
}

fn write_npy(folder: &Path) -> PathBuf {
    let path = folder.join("a.npy");
    ndarray_npy::write_npy(&path, &Array2::from_shape_vec((20, 16), grey()).unwrap()).unwrap();
    path
}

fn write_npz(folder: &Path) -> PathBuf {
    let path = folder.join("a.npz");
    let mut writer = ndarray_npy::NpzWriter::new_compressed(File::create(&path).unwrap());
    let labels = Array3::from_shape_fn((3, 8, 8), |(t, y, x)| ((t + y + x) % 3) as u8);
    writer.add_array("labels", &labels).unwrap();
    writer.finish().unwrap();
    path
}

fn open_image(path: &Path) -> Result<()> {
    GreyImage::read(path, None).map(drop)
}

/// The first file with an extension in a folder and those below.
fn first(folder: &Path, extension: &str) -> PathBuf {
    let mut pending = vec![folder.to_path_buf()];
    let mut found = Vec::new();
    while let Some(folder) = pending.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|own| own == extension) {
                found.push(path);
            }
        }
    }
    found.into_iter().min().unwrap()
}

fn photograph(folder: &Path, extension: &str) -> PathBuf {
    let study = StasConfig { training: 1, public: 1, shape: (64, 64) };
    Study::Stas(study).write(&folder.join("set"), 1).unwrap();
    first(folder, extension)
}

fn write_dicom(folder: &Path) -> PathBuf {
    let study = RightVentricleConfig { patients: 1, slices: 1, phases: 3, ..Default::default() };
    Study::RightVentricle(study).write(&folder.join("set"), 1).unwrap();
    first(folder, "dcm")
}

fn write_triple(folder: &Path) -> PathBuf {
    let set = folder.join("set");
    fs::create_dir(&set).unwrap();
    let encoder =
        |name: &str| tiff::encoder::TiffEncoder::new(File::create(set.join(name)).unwrap()).unwrap();
    encoder("s_VIS.tif").write_image::<tiff::encoder::colortype::RGB8>(4, 4, &[9; 48]).unwrap();
    encoder("s_SAR.tif").write_image::<tiff::encoder::colortype::Gray32Float>(8, 8, &[0.5; 64]).unwrap();
    encoder("s_REF.tif").write_image::<tiff::encoder::colortype::Gray8>(4, 4, &[255; 16]).unwrap();
    set.join("s_SAR.tif")
}

/// Reads the set of annotated images that a file belongs to.
fn open_set(format: &Format, file: &Path) -> Result<()> {
    let set = file.ancestors().find(|folder| folder.ends_with("set")).expect("the file is in a set");
    format.open(set)?.read(|_| Ok(())).map(drop)
}
