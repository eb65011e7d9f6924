//! `porecast synth` and `porecast prepare`: from files to dataset, card and split.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use porecast::base::testing;
use porecast::imaging::{resize_image, resize_mask};
use porecast::store::config;
use porecast::store::config::segmentation::SegmentationConfig;
use porecast::store::image_split::split_of;
use porecast::store::mask_prediction::{self, MaskPrediction};
use porecast::store::{SegmentationDataset, npz};

use crate::support::{Exits, Workshop, fails, text};

/// Name on the command line, name of the configuration, and settings for a small data set.
const STUDIES: [(&str, &str, &[&str]); 4] = [
    ("right-ventricle", "right_ventricle", &["patients=5", "slices=2", "phases=3"]),
    ("stas", "stas", &["training=8", "public=1", "shape=[96,128]"]),
    ("mars", "mars", &["training=24", "test=2", "outliers=2"]),
    ("sea-ice", "sea_ice", &["training=4", "test=1"]),
];

fn done(folder: &Path, arguments: &[&str]) -> (String, String) {
    let output = folder.porecast(arguments).succeeds();
    (text(&output.stdout), text(&output.stderr))
}

/// Asserts that the command fails with exit code 2 and prints all of `wanted`.
fn refused(folder: &Path, arguments: &[&str], wanted: &[&str]) {
    fails(&mut folder.porecast(arguments), 2, wanted);
}

fn configuration(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("configs/segmentation/{name}.toml"))
}

fn synth(folder: &Path, (study, _, small): (&str, &str, &[&str])) {
    let path = format!("data/{study}");
    let sets = small.iter().flat_map(|set| ["--set", set]);
    done(folder, &["synth", study, "-o", &path, "--seed", "3"].into_iter().chain(sets).collect::<Vec<_>>());
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn every_study_goes_from_its_files_to_a_dataset() {
    for study in STUDIES {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        synth(folder, study);
        let toml = configuration(study.1);
        let toml = toml.to_str().unwrap();
        // The configuration reads the synthetic files unchanged.
        let (said, _) = done(folder, &["prepare", toml]);
        let path = format!("data/{}.h5", study.0);
        assert!(said.starts_with(&path), "{said}");
        let dataset = SegmentationDataset::open(&folder.join(&path)).unwrap();
        let config: SegmentationConfig = config::load(Path::new(toml), &[]).unwrap();
        let source = config.source.format.open(&folder.join(&config.source.path)).unwrap();
        assert_eq!(dataset.ids().len(), source.len());
        assert!(dataset.has_mask().iter().all(|&has| has));
        let (mut steps, mut found_classes) = (0, BTreeSet::new());
        for index in 0..source.len() {
            let (found, expected) = (dataset.sample(index).unwrap(), source.sample(index).unwrap());
            let (_, height, width) = dataset.shape();
            assert_eq!((&found.id, &found.group), (&expected.id, &expected.group));
            assert_eq!(found.original_shape, expected.original_shape);
            assert_eq!(found.spacing_mm, expected.spacing_mm);
            let mask = found.mask.unwrap();
            assert_eq!(mask, resize_mask(&expected.mask.unwrap(), (height, width)), "{} {index}", study.0);
            found_classes.extend(mask.iter().copied());
            let image = resize_image(&expected.image, (height, width));
            let step = 0.6 / dataset.depth().levels() as f32;
            let near = found.image.iter().zip(&image).filter(|(a, b)| (*a - *b).abs() <= step).count();
            steps += usize::from(near == image.len());
        }
        // Only stain normalisation changes the image values.
        assert_eq!(steps, if config.source.stain.is_some() { 0 } else { source.len() });
        assert_eq!(found_classes.len(), config.classes.len(), "{}", study.0);

        let split = split_of(&dataset, &config.split).unwrap();
        let parts = split.train.len() + split.test.len() + split.folds.iter().map(Vec::len).sum::<usize>();
        assert_eq!(parts, source.len());
        let groups = |ids: &[String]| -> BTreeSet<String> {
            let is_in = |id: &String| ids.contains(id);
            dataset
                .ids()
                .iter()
                .zip(dataset.groups())
                .filter(|(id, _)| is_in(id))
                .map(|(_, g)| g.clone())
                .collect()
        };
        assert!(groups(&split.test).is_disjoint(&groups(&split.training(0))));
        let card = fs::read_to_string(folder.join(format!("{path}.card.md"))).unwrap();
        assert!(card.contains(&format!("| images | {} |", source.len())), "{card}");
        for wanted in source.warnings().iter().map(|warning| &warning.message).chain(&config.classes) {
            assert!(card.contains(wanted), "{card} does not say {wanted:?}");
        }

        // A second output has the same images, masks and split.
        done(folder, &["prepare", toml, "-o", "again.h5", "-q"]);
        let again = SegmentationDataset::open(&folder.join("again.h5")).unwrap();
        assert_eq!(again.fingerprint().unwrap(), dataset.fingerprint().unwrap());
        assert_eq!(split_of(&again, &config.split).unwrap(), split);
        assert_eq!(names(folder), ["again.h5", "again.h5.card.md", "again.h5.split.toml", "data"]);

        let (shown, _) = done(folder, &["inspect", &path, "--png", "images.png"]);
        assert!(shown.contains("segmentation dataset") && shown.contains(&config.classes[1]), "{shown}");
        done(folder, &["inspect", &path, "--augment", toml, "--png", "augmented.png"]);
        for name in ["images.png", "augmented.png"] {
            let picture = image::open(folder.join(name)).unwrap();
            assert!(picture.width() > 640 && picture.height() > 320, "{}", study.0);
        }
    }
}

#[test]
fn existing_outputs_and_another_split_are_refused_unless_forced() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synth(folder, STUDIES[2]);
    refused(folder, &["synth", "mars", "-o", "data/mars"], &["data/mars: exists already", "remove it first"]);
    let toml = configuration("mars");
    let prepare = ["prepare", toml.to_str().unwrap(), "-o", "d.h5", "-q"];
    let with = |more: &[&'static str]| -> Vec<&str> { prepare.iter().chain(more).copied().collect() };
    done(folder, &prepare);
    refused(folder, &prepare, &["d.h5: exists already", "--force"]);
    // An existing split is kept byte for byte if it matches the configuration, and refused otherwise.
    let written = fs::read(folder.join("d.h5.split.toml")).unwrap();
    fs::remove_file(folder.join("d.h5")).unwrap();
    done(folder, &prepare);
    assert_eq!(fs::read(folder.join("d.h5.split.toml")).unwrap(), written);
    fs::remove_file(folder.join("d.h5")).unwrap();
    refused(folder, &with(&["--set", "split.seed=5"]), &["d.h5.split.toml", "delete this file", "--force"]);
    let left = ["d.h5.card.md", "d.h5.split.toml", "data"];
    assert_eq!(names(folder), left);
    done(folder, &with(&["--set", "split.seed=5", "--force"]));
    assert_ne!(fs::read(folder.join("d.h5.split.toml")).unwrap(), written);
}

#[test]
fn what_cannot_be_prepared_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    fs::create_dir(folder.join("empty")).unwrap();
    fs::write(folder.join("text.npz"), "no archive").unwrap();
    for (_, name, _) in STUDIES {
        let toml = configuration(name);
        let prepare = |source: &'static str| {
            ["prepare", toml.to_str().unwrap(), "--source", source, "-o", "d.h5"].map(String::from)
        };
        let run = |source, wanted: &[&str]| {
            let arguments = prepare(source);
            refused(folder, &arguments.iter().map(String::as_str).collect::<Vec<_>>(), wanted);
        };
        run("absent", &["absent: cannot be"]);
        run("empty", &["empty"]);
        run("text.npz", &["text.npz"]);
    }
    let mars = configuration("mars");
    let mars = mars.to_str().unwrap();
    refused(folder, &["prepare", mars, "--set", "source.resize=[0,3]"], &["source.resize: [0, 3]: expected"]);
    refused(folder, &["prepare", "absent.toml"], &["absent.toml: cannot be read"]);
    refused(folder, &["synth", "mars", "-o", "m", "--set", "trainin=3"], &["did you mean `training`?"]);
    refused(folder, &["synth", "moon", "-o", "m"], &["invalid value 'moon'", "sea-ice"]);
    // Too few images for the split.
    done(folder, &["synth", "mars", "-o", "m", "--set", "training=2", "--set", "outliers=0"]);
    let archive = "m/mars_for_students.npz";
    refused(folder, &["prepare", mars, "--source", archive, "-o", "d.h5"], &["has 2 groups, too few"]);
    let ice = configuration("sea_ice");
    let ice = ice.to_str().unwrap();
    refused(
        folder,
        &["prepare", ice, "--source", "m", "--clean", "c.npz", "-o", "d.h5"],
        &["--clean: cleans an npz"],
    );
    assert_eq!(names(folder), ["empty", "m", "text.npz"]);
}

#[test]
fn a_damaged_image_is_named_and_the_rest_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synth(folder, STUDIES[1]);
    let images = folder.join("data/stas/Train_Images");
    let cut = |name: &str| {
        let bytes = fs::read(images.join(name)).unwrap();
        fs::write(images.join(name), &bytes[..20]).unwrap();
    };
    cut("00000003.jpg");
    // A slide of bare glass has no stains to normalise.
    // Its content, not its name, tells that it is a PNG file.
    let glass = image::RgbImage::from_pixel(128, 96, image::Rgb([255; 3]));
    glass.save_with_format(images.join("00000004.jpg"), image::ImageFormat::Png).unwrap();
    let toml = configuration("stas");
    let toml = toml.to_str().unwrap();
    let (_, said) = done(folder, &["prepare", toml, "--set", "split.method.folds.count=2"]);
    assert!(said.contains("00000003.jpg") && said.contains("left out"), "{said}");
    assert!(said.contains("\"00000004\" is kept in its own colours"), "{said}");
    let dataset = SegmentationDataset::open(&folder.join("data/stas.h5")).unwrap();
    assert_eq!(dataset.ids().len(), 7);
    assert!(!dataset.ids().iter().any(|id| id == "00000003"));
    let glass = dataset.ids().iter().position(|id| id == "00000004").unwrap();
    assert!(dataset.sample(glass).unwrap().image.iter().all(|&value| value == 1.0));

    for name in names(&images).iter().filter(|name| name.ends_with(".jpg")) {
        cut(name);
    }
    // Remove what is still readable: the image that its JSON file holds and the public images.
    fs::remove_file(folder.join("data/stas/Train_Annotations/00000000.json")).unwrap();
    fs::remove_dir_all(folder.join("data/stas/Public_Image")).unwrap();
    refused(folder, &["prepare", toml, "-o", "none.h5"], &["data/stas", "00000001.jpg"]);
    assert_eq!(names(folder), ["data"]);
}

#[test]
fn more_than_ten_warnings_are_in_the_card() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synth(folder, ("mars", "mars", &["training=60", "test=1", "outliers=0"]));
    let toml = configuration("mars");
    // With four classes, each mask that contains class 4 (big rock) gives a warning.
    let sets =
        ["source.format.npz-stack.classes=4", "classes=['a','b','c','d']", "augment.copy_paste.class=3"];
    let mut arguments = vec!["prepare", toml.to_str().unwrap(), "-o", "d.h5"];
    arguments.extend(sets.iter().flat_map(|set| ["--set", set]));
    let (_, said) = done(folder, &arguments);
    let card = fs::read_to_string(folder.join("d.h5.card.md")).unwrap();
    let all = card.lines().filter(|line| line.starts_with("- ")).count();
    let shown = said.lines().filter(|line| line.starts_with("warning: ")).count();
    assert_eq!(shown, 10);
    assert!(
        all > 1 && all + SegmentationDataset::open(&folder.join("d.h5")).unwrap().ids().len() == 61,
        "{card}"
    );
    assert!(said.contains(&format!("and {} more warnings: see d.h5.card.md", all - 10)), "{said}");
}

#[test]
fn a_cleaned_archive_lacks_what_was_listed() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synth(folder, STUDIES[2]);
    let toml = configuration("mars");
    let clean = ["prepare", toml.to_str().unwrap(), "-o", "d.h5", "--clean", "clean.npz"];
    let (_, said) = done(folder, &clean);
    assert!(said.contains("share one mask; removed"), "{said}");
    let dataset = SegmentationDataset::open(&folder.join("d.h5")).unwrap();
    assert_eq!(dataset.ids().len(), 22);
    let shape = |path: &str| {
        let entries = npz::entries(&folder.join(path)).unwrap();
        entries.into_iter().find(|entry| entry.name.starts_with("training_set")).unwrap().shape
    };
    assert_eq!(shape("clean.npz"), [22, 2, 64, 128]);
    refused(folder, &clean, &["d.h5: exists already"]);
    fs::remove_file(folder.join("d.h5")).unwrap();
    refused(folder, &clean, &["clean.npz: exists already"]);
    let itself =
        ["prepare", toml.to_str().unwrap(), "--source", "clean.npz", "--clean", "clean.npz", "--force"];
    refused(folder, &itself, &["--clean: names the source itself"]);
}

#[test]
fn images_without_masks_are_kept_on_request_and_are_in_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    synth(folder, STUDIES[2]);
    let toml = configuration("mars");
    let keep = ["prepare", toml.to_str().unwrap(), "--set", "source.format.npz-stack.unlabelled=keep"];
    done(folder, &keep);
    let dataset = SegmentationDataset::open(&folder.join("data/mars.h5")).unwrap();
    assert_eq!(dataset.has_mask().iter().filter(|&&has| !has).count(), 2);
    let config: SegmentationConfig = config::load(&toml, &[]).unwrap();
    let split = split_of(&dataset, &config.split).unwrap();
    assert_eq!(split.training(0).len() + split.folds[0].len() + split.test.len(), 24);
}

#[test]
fn predicted_masks_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let classes = ["rest", "target"].map(String::from);
    mask_prediction::write(&folder.join("p.h5"), "unet", &classes, (1, 8, 8), |writer| {
        (0..3).try_for_each(|index| {
            writer.push(&MaskPrediction {
                id: format!("image-{index}"),
                probability: ndarray::Array3::from_shape_fn(
                    (1, 8, 8),
                    |(_, y, _)| if y < 4 { 1.0 } else { 0.0 },
                ),
                mask: ndarray::Array2::from_shape_fn((8, 8), |(y, _)| u8::from(y < 4)),
            })
        })
    })
    .unwrap();
    let (said, _) = done(folder, &["inspect", "p.h5", "--png", "p.png"]);
    for wanted in
        ["predicted masks", "unet", "1 target: 0.5000 of the pixels, in 3 images", "image-2  0.5000  0.5000"]
    {
        assert!(said.contains(wanted), "{said}");
    }
    let toml = configuration("stas");
    let augment = ["inspect", "p.h5", "--augment", toml.to_str().unwrap(), "--png", "a.png"];
    refused(folder, &augment, &["porecast-masks", "expected \"porecast-segmentation\""]);
}

#[test]
fn the_real_slices_are_prepared() {
    let Some(source) = testing::data("right_ventricle/sunnybrook_excerpt") else { return };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let toml = configuration("right_ventricle");
    let (_, said) = done(
        folder,
        &["prepare", toml.to_str().unwrap(), "--source", source.to_str().unwrap(), "-o", "d.h5"],
    );
    assert!(said.contains("warning: "), "one patient's files are missing: {said}");
    let dataset = SegmentationDataset::open(&folder.join("d.h5")).unwrap();
    assert_eq!(dataset.shape(), (1, 216, 216));
    let groups: BTreeSet<&String> = dataset.groups().iter().collect();
    assert_eq!(groups.len(), 4);
    for index in 0..dataset.ids().len() {
        let sample = dataset.sample(index).unwrap();
        let ratio = sample.target_ratio().unwrap();
        assert!(ratio > 0.0 && ratio < 0.2 && sample.spacing_mm.is_some(), "{}: {ratio}", sample.id);
    }
}
