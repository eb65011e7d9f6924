//! Odd files from the field are read right or refused with the reason; `tests/cases` holds small ones.

use std::fs;
use std::path::{Path, PathBuf};

use hdf5::types::{FixedAscii, FixedUnicode};
use porecast::store::{GreyImage, InvasionDataset, PredictionFile};

use crate::support::{Exits, Project, Workshop, fails, text};

/// A file of `tests/cases`.
fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// A trained run, and the domains of `tests/cases`.
fn project() -> Project {
    let project = Project::new();
    project.trained("", "run");
    for file in fs::read_dir(case("domains")).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), project.path(&file.file_name().to_string_lossy())).unwrap();
    }
    project
}

fn solid(project: &Project, output: &str) -> ndarray::Array2<bool> {
    PredictionFile::open(&project.path(output).join("predictions.h5")).unwrap().prediction(0).unwrap().solid
}

#[test]
fn one_geometry_in_every_type_of_file_is_one_domain() {
    let project = project();
    project.predict("run", "grey8.png", "png").succeeds();
    let expected = solid(&project, "png");
    let porosity = expected.iter().filter(|&&solid| !solid).count() as f64 / expected.len() as f64;
    let porosity = format!("porosity {porosity:.3}");
    for (name, kind) in [
        ("grey8.png", "uint8 with grey values 0 to 255; pores have >= 127.5 (threshold 0.5)"),
        ("i16_0_255.tif", "int16 with grey values 0 to 255; pores have >= 127.5 (threshold 0.5)"),
        ("i32_labels01.tif", "int32 with grey values 0 to 1; pores have >= 0.5 (threshold 0.5)"),
        (
            "rgb_planar.tif",
            "uint8 colours, as luminance, with grey values 0 to 255; pores have >= 127.5 (threshold 0.5)",
        ),
        ("grey8.jpg", "uint8 with grey values 0 to"),
    ] {
        let said = project.predict("run", name, name.split('.').next().unwrap()).arg("--force").succeeds();
        assert_eq!(solid(&project, name.split('.').next().unwrap()), expected, "{name}");
        let said = text(&said.stderr);
        for wanted in [&format!("{name}: 48 x 64 pixels"), kind, &porosity, "inlet top"] {
            assert!(said.contains(wanted), "{wanted} is not in: {said}");
        }
        let shown = project.assert_done(&format!("inspect {name}"));
        assert!(shown.contains(&porosity) && shown.contains("48 x 64 pixels"), "{shown}");
        let campaign = format!(
            "domains = 1\nheight = 48\nwidth = 64\nvoxel_size_m = 1e-5\npercolation = {{ frames = 4 }}\n[[domain]]\n\
             image = {{ path = {name:?}, segmentation = {{ polarity = 'pore-bright', threshold = 0.5 }} }}\n"
        );
        fs::write(project.path("campaign.toml"), campaign).unwrap();
        let said = project.porecast(["simulate", "campaign.toml", "-o", "crops.h5", "--force"]).succeeds();
        assert!(text(&said.stderr).contains(&porosity), "{}", text(&said.stderr));
        let crop = InvasionDataset::open(&project.path("crops.h5")).unwrap().sequence(0).unwrap();
        assert_eq!(crop.domain.solid, expected, "{name}");
        fs::remove_file(project.path("crops.h5")).unwrap();
    }
}

#[test]
fn predict_simulate_and_inspect_agree_about_pixels_at_the_threshold() {
    let project = project();
    project.predict("run", "tie_f32.tif", "out").succeeds();
    let solid = solid(&project, "out");
    let image = GreyImage::read(&project.path("tie_f32.tif"), None).unwrap();
    let ties = image.grey.iter().filter(|&&grey| grey == 0.5).count();
    assert!(ties > 0 && image.grey.iter().zip(&solid).all(|(&grey, &solid)| solid == (grey < 0.5)));
    let porosity = solid.iter().filter(|&&solid| !solid).count() as f64 / solid.len() as f64;
    let shown = project.assert_done("inspect tie_f32.tif");
    assert!(shown.contains(&format!("porosity {porosity:.3}")), "{shown}");
}

#[test]
fn one_page_of_a_stack_is_predicted_cropped_and_shown() {
    let project = project();
    fails(
        &mut project.predict("run", "stack3.tif", "out"),
        2,
        &["stack3.tif", "has 3 pages", "--page 1 to 3"],
    );
    let said = project.predict("run", "stack3.tif", "out").args(["--page", "2"]).succeeds();
    assert!(text(&said.stderr).contains("stack3.tif: page 2 of 3, 48 x 64"), "{}", text(&said.stderr));
    let second = GreyImage::read(&project.path("stack3.tif"), Some(2)).unwrap();
    assert_eq!(solid(&project, "out"), second.grey.mapv(|grey| grey < 0.5));
    fails(project.predict("run", "stack3.tif", "no").args(["--page", "4"]), 2, &["no page 4", "from 1 to 3"]);
    fails(project.predict("run", "grey8.png", "no").args(["--page", "2"]), 2, &["no page 2"]);
    fails(project.predict("run", "data.h5", "no").args(["--page", "1"]), 2, &["--page", "dataset"]);
    project.assert_refused("inspect data.h5 --page 1", &["--page", "data.h5"]);
    let shown = project.assert_done("inspect stack3.tif");
    assert!(shown.contains("page 1 of 3 (--page shows another)"), "{shown}");
    assert!(project.assert_done("inspect stack3.tif --page 3").contains("page 3 of 3"));
    let campaign = "domains = 1\nheight = 16\nwidth = 16\nvoxel_size_m = 1e-5\npercolation = { frames = 4 }\n[[domain]]\n\
                    image = { path = 'stack3.tif', segmentation = { polarity = 'pore-bright', threshold = 0.5 } }\n";
    fs::write(project.path("campaign.toml"), campaign).unwrap();
    let mut simulate = project.porecast(["simulate", "campaign.toml", "-o", "crops.h5"]);
    fails(&mut simulate, 2, &["stack3.tif", "has 3 pages", "page = 1 to 3"]);
    fs::write(project.path("campaign.toml"), campaign.replace("'stack3.tif',", "'stack3.tif', page = 2,"))
        .unwrap();
    let said = project.porecast(["simulate", "campaign.toml", "-o", "crops.h5"]).succeeds();
    assert!(text(&said.stderr).contains("page 2 of 3"));
}

#[test]
fn grey_values_that_the_threshold_does_not_divide_are_named_with_one_that_does() {
    let project = project();
    for (name, range, threshold) in [
        ("zero_one.png", "from 0 to 1 (uint8", "0.00196078"),
        ("grey12in16.png", "from 0 to 4095 (uint16", "0.0312428"),
    ] {
        for invert in [&[][..], &["--invert"]] {
            let mut predict = project.predict("run", name, "no");
            fails(predict.args(invert), 2, &[name, range, &format!("--threshold {threshold} divides")]);
        }
        project.predict("run", name, "out").args(["--force", "--threshold", threshold]).succeeds();
        assert!(
            project.assert_done(&format!("inspect {name}")).contains(&format!("--threshold {threshold}"))
        );
        let campaign = format!(
            "domains = 1\nheight = 16\nwidth = 16\nvoxel_size_m = 1e-5\n[[domain]]\n\
             image = {{ path = {name:?}, segmentation = {{ polarity = 'pore-dark', threshold = 0.5 }} }}\n"
        );
        fs::write(project.path("campaign.toml"), campaign).unwrap();
        let mut simulate = project.porecast(["simulate", "campaign.toml", "-o", "crops.h5"]);
        fails(&mut simulate, 2, &[name, range, &format!("segmentation.threshold = {threshold} divides")]);
    }
}

#[test]
fn booleans_with_0_for_white_say_so() {
    let project = project();
    let mut predict = project.predict("run", "bool.tif", "no");
    let said = fails(&mut predict, 2, &["bool.tif", "no path", "--invert", "the other polarity has one"]);
    let stderr = text(&predict.output().unwrap().stderr);
    assert!(
        stderr.contains("1 bit, inverted (0 is stored for white) with grey values 0 to 1"),
        "{said}{stderr}"
    );
    project.predict("run", "bool.tif", "bool").arg("--invert").succeeds();
    project.predict("run", "grey8.png", "grey").succeeds();
    assert_eq!(solid(&project, "bool"), solid(&project, "grey"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_name_that_is_not_utf_8_is_no_damage() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let name = std::ffi::OsStr::from_bytes(b"gr\xffn.png");
    fs::copy(case("domains/grey8.png"), folder.path().join(name)).unwrap();
    let mut predict =
        folder.path().porecast(["predict", "--model", "percolation", "--frames", "3", "-o", "out"]);
    predict.arg(name).succeeds();
    assert!(folder.path().join("out/predictions.h5").exists());
}

#[test]
fn what_cannot_be_a_domain_is_refused_with_what_can() {
    let project = project();
    fails(
        &mut project.predict("run", "c_zstd.tif", "no"),
        2,
        &["c_zstd.tif", "zstd", "not read here", "LZW"],
    );
    fs::write(project.path("scan.raw"), [0; 64]).unwrap();
    fails(
        &mut project.predict("run", "scan.raw", "no"),
        2,
        &["scan.raw", "headerless", "PNG, TIFF, JPEG or npy"],
    );
    fs::write(project.path("scan.bmp"), b"BM and more").unwrap();
    fails(&mut project.predict("run", "scan.bmp", "no"), 2, &["scan.bmp", "HDF5", "PNG, TIFF, JPEG or npy"]);
}

/// Texts of fixed length, as Fortran, MATLAB and h5py write them.
fn fixed(text: &str) -> FixedAscii<40> {
    FixedAscii::from_ascii(text.as_bytes()).unwrap()
}

/// Attributes as other programs write them: fixed lengths, arrays of one element, numbers as floats.
fn foreign_header(file: &hdf5::File, format: &str) {
    for (name, value) in [("format", format), ("time_unit", "pore-volumes"), ("inlet", "top")] {
        file.new_attr_builder().with_data(&[fixed(value)]).create(name).unwrap();
    }
    file.new_attr::<f64>().create("version").unwrap().write_scalar(&1.0).unwrap();
    file.new_attr_builder().with_data(&[35e-6]).create("voxel_size_m").unwrap();
}

#[test]
fn datasets_and_predictions_of_other_programs_are_read() {
    let project = Project::new();
    let own = InvasionDataset::open(&project.path("data.h5")).unwrap();
    let sequence = own.sequence(0).unwrap();
    let phase = sequence.phase.mapv(|invaded| f64::from(u8::from(invaded))).insert_axis(ndarray::Axis(0));
    let solid = sequence.domain.solid.mapv(i64::from).insert_axis(ndarray::Axis(0));
    let times = ndarray::Array1::from(sequence.times.iter().map(|time| *time as f32).collect::<Vec<_>>());
    let times = times.insert_axis(ndarray::Axis(0));
    let write = |name: &str, format: &str, frames: &str| {
        let file = hdf5::File::create(project.path(name)).unwrap();
        foreign_header(&file, format);
        let id: FixedUnicode<24> = own.domain_ids()[0].parse().unwrap();
        file.new_dataset_builder().with_data(&[id]).create("domain_id").unwrap();
        file.new_dataset_builder().with_data(&phase).create(frames).unwrap();
        file.new_dataset_builder().with_data(&solid).create("solid").unwrap();
        file.new_dataset_builder().with_data(&times).create("time").unwrap();
    };
    write("foreign.h5", "porecast-invasion", "phase");
    let foreign = InvasionDataset::open(&project.path("foreign.h5")).unwrap();
    let read = foreign.sequence(0).unwrap();
    assert_eq!((&read.phase, &read.domain.solid), (&sequence.phase, &sequence.domain.solid));
    assert!(read.parameters.contact_angle_deg.is_nan() && foreign.origin().simulator == "unknown");
    write("predicted.h5", "porecast-predictions", "probability");
    let said = project.assert_done("evaluate predicted.h5 --dataset data.h5 -o scores");
    assert!(said.contains("unknown"), "{said}");

    // What is needed and missing is named, and values that are no mask are refused, not rounded.
    let change = |change: &dyn Fn(&hdf5::File)| {
        write("changed.h5", "porecast-invasion", "phase");
        change(&hdf5::File::open_rw(project.path("changed.h5")).unwrap());
    };
    change(&|file| file.delete_attr("inlet").unwrap());
    project.assert_refused("inspect changed.h5", &["changed.h5", "has no attribute \"inlet\""]);
    change(&|file| {
        let half = ndarray::Array4::from_elem((1, 1, 1, 1), 0.5);
        file.dataset("phase").unwrap().write_slice(&half, ndarray::s![0..1, 2..3, 3..4, 4..5]).unwrap();
    });
    project.assert_refused("inspect changed.h5", &["/phase[0] holds 0.5, expected 0 or 1", "(2, 3, 4)"]);
    change(&|file| {
        let minus = ndarray::Array3::from_elem((1, 1, 1), -1);
        file.dataset("solid").unwrap().write_slice(&minus, ndarray::s![0..1, 1..2, 2..3]).unwrap();
    });
    project.assert_refused("inspect changed.h5", &["/solid[0] holds -1, expected 0 or 1", "(1, 2)"]);
}

#[test]
fn damaged_hdf5_files_are_refused_before_the_library_can_crash_or_hang() {
    let project = Project::new();
    for (name, wanted) in [("hangs.h5", "hangs on it"), ("crashes.h5", "crashes on it")] {
        fs::copy(case("hdf5").join(name), project.path(name)).unwrap();
        project.assert_refused(&format!("inspect {name}"), &[name, "damaged", wanted]);
    }
    let mut bytes = fs::read(project.path("data.h5")).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(project.path("data.h5"), bytes).unwrap();
    project.assert_refused("inspect data.h5", &["data.h5", "damaged", "its digest does not match"]);
}

#[cfg(unix)]
#[test]
fn a_name_that_is_not_utf_8_is_a_name() {
    use std::os::unix::ffi::OsStringExt;
    let project = project();
    let name = std::ffi::OsString::from_vec(b"dom\xff.png".to_vec());
    fs::copy(project.path("grey8.png"), project.folder().join(&name)).unwrap();
    let mut predict = project.porecast(["predict", "--run", "run", "-o", "out"]);
    predict.arg(&name).succeeds();
    project.porecast(["inspect"]).arg(&name).succeeds();
}

/// Photographs of 80 x 60 pixels with a bright square that is drawn as a rectangle of four points.
fn photographs(folder: &Path, names: &[&str]) {
    fs::create_dir_all(folder).unwrap();
    for name in names {
        let inside = |v: u32| (20..40).contains(&v);
        let photograph = image::RgbImage::from_fn(80, 60, |x, y| {
            image::Rgb([if inside(x) && inside(y) { 220 } else { 40 }; 3])
        });
        photograph.save(folder.join(format!("{name}.png"))).unwrap();
        let json = format!(
            r#"{{"version": "5.4.1", "imagePath": "{name}.png", "imageData": null, "imageHeight": 60, "imageWidth": 80,
            "shapes": [{{"label": "cell", "shape_type": "rectangle", "points": [[20, 20], [40, 20], [40, 40], [20, 40]]}}]}}"#
        );
        fs::write(folder.join(format!("{name}.json")), json).unwrap();
    }
}

#[test]
fn images_whose_names_collide_keep_a_mask_each() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    photographs(&folder.join("photographs"), &["a", "b", "c", "d", "e", "f"]);
    let config = "
task = 'segmentation'
name = 'cells'
dataset = 'cells.h5'
classes = ['background', 'cell']
source = { path = 'photographs', format = { labelme = {} }, resize = [32, 32] }
split.method = { hold-out = { validation = 0.2, test = 0.2 } }
loss.cross_entropy = 1.0
training = { epochs = 1, batch_size = 2 }
[model.unet]
base_channels = 4
levels = 2
";
    fs::write(folder.join("cells.toml"), config).unwrap();
    folder.assert_done("prepare cells.toml");
    folder.assert_done("train cells.toml -o run");
    fs::copy(case("domains/bool.tif"), folder.join("mask.tif")).unwrap();
    folder.assert_refused("predict --run run mask.tif -o no", &["mask.tif", "PNG, JPEG", "a folder"]);
    photographs(&folder.join("new"), &["x 1", "x_1", "x(1"]);
    let said = text(&folder.porecast(["predict", "--run", "run", "new", "-o", "out"]).succeeds().stderr);
    let mut masks: Vec<String> = fs::read_dir(folder.join("out/masks"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.ends_with(".png"))
        .collect();
    masks.sort();
    assert_eq!(masks, ["x_1-2.png", "x_1-3.png", "x_1.png"]);
    assert!(said.contains("the mask of \"x(1\" is x_1-2.png"), "{said}");
    // A dataset is known by its content.
    fs::copy(folder.join("cells.h5"), folder.join("cells.hdf")).unwrap();
    let said =
        text(&folder.porecast(["predict", "--run", "run", "cells.hdf", "-o", "data"]).succeeds().stderr);
    assert!(said.contains("segmented 6 images") && folder.join("data/predictions.h5").exists(), "{said}");
    folder.assert_refused(
        "predict --run run new -o no --threshold 0.4",
        &["--threshold", "for runs on invasions"],
    );
    folder.assert_refused("predict --run run scan.raw -o no", &["scan.raw"]);
}
