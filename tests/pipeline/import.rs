//! `porecast import`: both published file layouts, faulty files and warnings.

use std::fs;
use std::path::Path;
use std::process::Command;

use ndarray::{Array2, Array3, Array4, s};
use ndarray_npy::NpzWriter;
use porecast::base::testing;
use porecast::simulations::{Side, TimeUnit};
use porecast::store::InvasionDataset;

use crate::support::{Exits, Workshop, fails, text};

fn import(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = folder.porecast(["import"]);
    command.args(arguments);
    command
}

fn refused(folder: &Path, arguments: &[&str], wanted: &[&str]) {
    fails(&mut import(folder, arguments), 2, wanted);
}

/// Writes a domain in the layout of the benchmark: one grain in the middle, water recedes from the left.
fn write_benchmark(path: &Path, frames: usize, change: impl FnOnce(&mut Array2<u8>, &mut Array3<f32>)) {
    let mut img =
        Array2::from_shape_fn((6, 8), |(y, x)| u8::from(!((2..4).contains(&y) && (3..5).contains(&x))));
    let mut water =
        Array3::from_shape_fn((frames, 6, 8), |(t, y, x)| if img[(y, x)] == 1 && x >= t { 1.0 } else { 0.0 });
    change(&mut img, &mut water);
    let file = hdf5::File::create(path).unwrap();
    file.new_dataset_builder().with_data(&img).create("img").unwrap();
    file.new_dataset_builder().with_data(&water).create("alpha_water").unwrap();
    file.new_dataset_builder().with_data(&Array4::<f32>::zeros((1, 1, 1, 1))).create("Ux").unwrap();
}

#[test]
fn a_folder_of_the_benchmark_becomes_a_dataset() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("sequences")).unwrap();
    for name in ["b", "a"] {
        write_benchmark(&folder.path().join(format!("sequences/{name}.h5")), 5, |_, _| ());
    }
    folder.path().assert_done("import sequences -o d.h5 --inlet left --voxel-size 35e-6");
    let dataset = InvasionDataset::open(&folder.path().join("d.h5")).unwrap();
    assert_eq!(dataset.domain_ids(), ["a", "b"]);
    assert_eq!((dataset.shape(), dataset.inlet()), ((5, 6, 8), Side::Left));
    assert_eq!((dataset.time_unit(), dataset.voxel_size_m()), (TimeUnit::Frame, 35e-6));
    let sequence = dataset.sequence(0).unwrap();
    assert_eq!(sequence.times, [0.0, 1.0, 2.0, 3.0, 4.0]);
    assert!(sequence.parameters.capillary_number.is_nan());
    for ((t, y, x), &invaded) in sequence.phase.indexed_iter() {
        assert_eq!(invaded, x < t && !sequence.domain.solid[(y, x)], "solid also holds no water");
    }
    // The published layout also opens without an import.
    let direct = InvasionDataset::open(&folder.path().join("sequences")).unwrap();
    assert_eq!(direct.sequence(1).unwrap().phase, sequence.phase);
    assert!(folder.path().join("d.h5.card.md").exists());
}

#[test]
fn files_that_do_not_fit_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    write_benchmark(&path("a.h5"), 5, |_, _| ());
    write_benchmark(&path("longer.h5"), 6, |_, _| ());
    refused(
        folder.path(),
        &["a.h5", "longer.h5", "-o", "d.h5"],
        &["longer.h5: has 6 frames", "a.h5 has 5 frames"],
    );
    write_benchmark(&path("nan.h5"), 5, |_, water| water[(2, 0, 1)] = f32::NAN);
    refused(
        folder.path(),
        &["nan.h5", "-o", "d.h5"],
        &["nan.h5", "/alpha_water holds NaN at (time, y, x) = (2, 0, 1)"],
    );
    write_benchmark(&path("three.h5"), 5, |img, _| img[(1, 1)] = 3);
    refused(folder.path(), &["three.h5", "-o", "d.h5"], &["three.h5", "/img holds 3 at (y, x) = (1, 1)"]);
    write_benchmark(&path("narrow.h5"), 5, |img, _| *img = Array2::ones((6, 7)));
    refused(
        folder.path(),
        &["narrow.h5", "-o", "d.h5"],
        &["narrow.h5", "/img has shape [6, 7], expected [6, 8]"],
    );
    let whole = fs::read(path("a.h5")).unwrap();
    fs::write(path("cut.h5"), &whole[..whole.len() / 2]).unwrap();
    refused(folder.path(), &["cut.h5", "-o", "d.h5"], &["cut.h5", "truncated"]);
    refused(folder.path(), &["absent.h5", "-o", "d.h5"], &["absent.h5", "cannot be opened"]);
    refused(folder.path(), &["a.h5", "a.h5", "-o", "d.h5"], &["a.h5", "has the same name"]);
    refused(folder.path(), &["a.h5", "-o", "d.h5", "--voxel-size", "0"], &["--voxel-size 0"]);
    fs::create_dir(path("empty")).unwrap();
    refused(folder.path(), &["empty", "-o", "d.h5"], &["empty", "has no .h5, .hdf5, .npz or .tif file"]);
    assert!(!path("d.h5").exists() && !path("d.h5.card.md").exists());
    fs::write(path("d.h5"), "a diary").unwrap();
    refused(folder.path(), &["a.h5", "-o", "d.h5"], &["d.h5", "exists already", "--force"]);
    folder.path().assert_done("import a.h5 -o d.h5 --force -q");
}

/// Writes an npz archive with an array `labels`.
fn label_stack(path: &Path, labels: &Array3<u8>) {
    let mut writer = NpzWriter::new_compressed(fs::File::create(path).unwrap());
    writer.add_array("labels", labels).unwrap();
    writer.finish().unwrap();
}

/// Three frames of 10 x 10 pixels: solid at (5, 0), a front that stays in the first rows and retreats in one pixel.
fn labels() -> Array3<u8> {
    let mut labels = Array3::from_shape_fn((3, 10, 10), |(t, y, _)| if y < 1 + t { 2_u8 } else { 1 });
    labels.slice_mut(s![.., 5, 0]).fill(0);
    labels[[1, 0, 3]] = 1;
    labels
}

#[test]
fn retreat_conflicts_and_a_wrong_inlet_are_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut labels = labels();
    labels[[2, 7, 7]] = 0;
    label_stack(&folder.path().join("stack.npz"), &labels);
    let out = import(folder.path(), &["stack.npz", "-o", "d.h5", "--inlet", "bottom"]).succeeds();
    let said = text(&out.stdout);
    assert!(said.contains("| stack | 0.990 | 0.101 to 0.303 | 1 | 1 |"), "{said}");
    assert!(text(&out.stderr).contains("no invading fluid is at the inlet edge"));
}

#[test]
fn a_stack_with_another_encoding_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    // Invading and solid exchanged: the front flickers in what is taken for the solid.
    let permuted = labels().mapv(|label| 2 - label);
    label_stack(&folder.path().join("stack.npz"), &permuted);
    let wanted = ["stack.npz", "of its labels at odds with the solid", "0 solid, 1 defending, 2 invading"];
    refused(folder.path(), &["stack.npz", "-o", "d.h5"], &wanted);
}

#[test]
fn imported_frames_can_have_a_physical_clock() {
    let folder = tempfile::tempdir().unwrap();
    label_stack(&folder.path().join("stack.npz"), &labels());
    let times = |name: &str, args: &[&str]| {
        import(folder.path(), &[&["stack.npz", "-o", name][..], args].concat()).succeeds();
        let dataset = InvasionDataset::open(&folder.path().join(name)).unwrap();
        (dataset.time_unit(), dataset.sequence(0).unwrap().times)
    };
    assert_eq!(times("step.h5", &["--time-step", "2.5"]), (TimeUnit::Seconds, vec![0.0, 2.5, 5.0]));
    assert_eq!(times("times.h5", &["--times", "1,2,7"]), (TimeUnit::Seconds, vec![1.0, 2.0, 7.0]));
    let saturation = vec![10.0 / 99.0, 19.0 / 99.0, 30.0 / 99.0];
    assert_eq!(times("volumes.h5", &["--pore-volumes"]), (TimeUnit::PoreVolumes, saturation));
    refused(
        folder.path(),
        &["stack.npz", "-o", "x.h5", "--times", "1,2"],
        &["has 3 frames, --times names 2"],
    );
    refused(
        folder.path(),
        &["stack.npz", "-o", "x.h5", "--times", "1,3,2"],
        &["do not ascend: 3 at frame 1"],
    );
    refused(folder.path(), &["stack.npz", "-o", "x.h5", "--time-step", "0"], &["0 is no time in seconds"]);
}

#[test]
fn imported_sequences_have_the_physics_and_volumes_that_were_measured() {
    let folder = tempfile::tempdir().unwrap();
    label_stack(&folder.path().join("stack.npz"), &labels());
    let physics = ["--capillary-number", "1e-4", "--viscosity-ratio", "0.2", "--contact-angle", "35"];
    let volumes = ["--pore-volumes", "--times", "0.1,0.2,0.5"];
    import(folder.path(), &[&["stack.npz", "-o", "d.h5"][..], &physics, &volumes].concat()).succeeds();
    let dataset = InvasionDataset::open(&folder.path().join("d.h5")).unwrap();
    let sequence = dataset.sequence(0).unwrap();
    assert_eq!((dataset.time_unit(), sequence.times), (TimeUnit::PoreVolumes, vec![0.1, 0.2, 0.5]));
    let found = sequence.parameters;
    assert_eq!((found.capillary_number, found.viscosity_ratio, found.contact_angle_deg), (1e-4, 0.2, 35.0));
    let bad = ["stack.npz", "-o", "x.h5", "--contact-angle", "-5"];
    refused(folder.path(), &bad, &["--contact-angle", "-5 is no contact angle"]);
}

#[test]
fn a_filter_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let lzf = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/hdf5/lzf.h5");
    let wanted = ["lzf.h5", "/alpha_water is compressed with lzf (HDF5 filter 32000)", "gzip"];
    refused(folder.path(), &[lzf.to_str().unwrap(), "-o", "d.h5"], &wanted);
}

#[test]
fn hidden_files_of_a_folder_are_passed_over_and_capitals_are_read() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("mac")).unwrap();
    label_stack(&folder.path().join("mac/stack.NPZ"), &labels());
    fs::write(folder.path().join("mac/._stack.npz"), "resource fork").unwrap();
    import(folder.path(), &["mac", "-o", "d.h5"]).succeeds();
}

#[test]
fn the_published_label_stack_imports() {
    let Some(stack) = testing::data("invasion_sequences/multiphaseFlowLowCa_labels.npz") else { return };
    let folder = tempfile::tempdir().unwrap();
    import(folder.path(), &[stack.to_str().unwrap(), "-o", "d.h5", "--inlet", "top"]).succeeds();
    let sequence = InvasionDataset::open(&folder.path().join("d.h5")).unwrap().sequence(0).unwrap();
    assert_eq!(sequence.phase.dim(), (7, 698, 659));
    assert!(sequence.saturation().windows(2).all(|pair| pair[0] < pair[1]));
}
