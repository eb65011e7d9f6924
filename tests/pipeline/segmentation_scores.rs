//! `porecast evaluate`, `compare` and `report` on small made-up segmentations.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ndarray::{Array2, Array3, Axis, array};
use porecast::imaging::AnnotatedImage;
use porecast::imaging::split::Split;
use porecast::store::config::segmentation::Depth;
use porecast::store::run::{MemberCard, SegmentationCard, SegmentationRunCard};
use porecast::store::{MaskPrediction, RunFolder, SegmentationDataset, mask_prediction, segmentation};

use crate::support::Workshop;

fn names(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// An image of `mask`. Its pixels are 3 mm high and 0.5 mm wide; those of its original file are half as high.
fn image(id: &str, group: &str, mask: Option<Array2<u8>>, shape: (usize, usize)) -> AnnotatedImage {
    let (height, width) = shape;
    AnnotatedImage {
        id: id.into(),
        group: group.into(),
        image: Array3::from_shape_fn((1, height, width), |(_, y, x)| {
            let ramp = (y + x) as f32 / (height + width) as f32 * 0.4;
            ramp + mask.as_ref().map_or(0.0, |mask| f32::from(mask[(y, x)]) * 0.25)
        }),
        mask,
        original_shape: (2 * height, width),
        spacing_mm: Some((1.5, 0.5)),
    }
}

/// Identifier, probability of the foreground, and the mask if post-processing changes it.
type Predicted = (&'static str, Array2<f32>, Option<Array2<u8>>);

struct Masks {
    folder: tempfile::TempDir,
}

impl Workshop for Masks {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Masks {
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A dataset whose test part is two patients with two slices each, one slice without a mask, and a run
    /// `plain`.
    fn new() -> Self {
        let workshop = Self::empty();
        workshop.write_dataset("data.h5");
        workshop.write_run("plain", "data.h5", Self::predicted());
        workshop
    }

    fn write_dataset(&self, name: &str) {
        let top = || Some(array![[1, 1], [0, 0]]);
        let all = [
            image("t0", "t0", top(), (2, 2)),
            image("t1", "t1", top(), (2, 2)),
            image("v0", "v0", top(), (2, 2)),
            image("a", "p", top(), (2, 2)),
            image("b", "p", Some(array![[1, 0], [1, 0]]), (2, 2)),
            image("c", "q", Some(array![[0, 0], [0, 0]]), (2, 2)),
            image("d", "q", None, (2, 2)),
        ];
        self.write_images(name, &["background", "ventricle"], &all);
    }

    fn write_images(&self, name: &str, classes: &[&str], images: &[AnnotatedImage]) {
        segmentation::write(&self.path(name), &names(classes), "", Depth::Sixteen, |writer| {
            images.iter().try_for_each(|image| writer.push(image))
        })
        .unwrap();
    }

    /// Validation and test predictions. `a`: one of two pixels found. `b`: one of two found, one false
    /// positive. `c`: no pixels, as in truth. `v0`: post-processing removes a pixel.
    fn predicted() -> [Vec<Predicted>; 2] {
        [
            vec![("v0", array![[0.9, 0.9], [0.0, 0.0]], Some(array![[1, 0], [0, 0]]))],
            vec![
                ("a", array![[0.9, 0.2], [0.3, 0.1]], None),
                ("b", array![[0.8, 0.8], [0.1, 0.1]], None),
                ("c", array![[0.0, 0.0], [0.0, 0.0]], None),
            ],
        ]
    }

    fn write_run(&self, name: &str, dataset: &str, [validation, test]: [Vec<Predicted>; 2]) {
        let split = Split {
            train: names(&["t0", "t1"]),
            folds: vec![names(&["v0"])],
            test: names(&["a", "b", "c", "d"]),
        };
        self.write_card(name, dataset, split, &["background", "ventricle"], "dice = 1.0");
        for (part, images) in [("validation", validation), ("test", test)] {
            let full = images.into_iter().map(|(id, probability, mask)| {
                let mask = mask.unwrap_or_else(|| probability.mapv(|p| u8::from(p > 0.5)));
                MaskPrediction { id: id.into(), probability: probability.insert_axis(Axis(0)), mask }
            });
            self.write_masks(&format!("{name}/predictions/{part}.h5"), &["background", "ventricle"], full);
        }
    }

    fn write_masks(&self, path: &str, classes: &[&str], images: impl Iterator<Item = MaskPrediction>) {
        let images: Vec<_> = images.collect();
        let shape = images[0].probability.dim();
        mask_prediction::write(&self.path(path), "a network", &names(classes), shape, |writer| {
            images.iter().try_for_each(|image| writer.push(image))
        })
        .unwrap();
    }

    fn write_card(&self, name: &str, dataset: &str, split: Split, classes: &[&str], loss: &str) {
        let run = RunFolder::new(self.path(name));
        fs::create_dir_all(self.path(name)).unwrap();
        let dataset = SegmentationDataset::open(&self.path(dataset)).unwrap();
        let trained_on = SegmentationCard {
            path: dataset.path().to_owned(),
            fingerprint: dataset.fingerprint().unwrap(),
            shape: dataset.shape(),
            classes: names(classes),
        };
        let folds = split.folds.len();
        let member = |fold: usize| MemberCard {
            folder: if folds == 1 { ".".into() } else { format!("fold-{fold}").into() },
            frame: None,
            fold: (folds > 1).then_some(fold),
            parameters: 1234,
            epochs: 2,
            best_epoch: 2,
            best_validation_loss: 0.1,
            samples_seen: 30,
            wall_seconds: 1.5,
            is_finished: true,
        };
        let history = "epoch,learning_rate,train_loss,validation_loss,validation_error,gradient_norm,samples_seen,\
                       wall_seconds\n1,1e-3,0.3,0.4,0.2,1.0,15,0.7\n2,1e-3,0.2,0.3,0.1,1.0,30,1.5\n";
        let card = SegmentationRunCard {
            members: (0..folds).map(member).collect(),
            ..SegmentationRunCard::new(name, 1, "flex", trained_on, split)
        };
        for member in &card.members {
            fs::create_dir_all(run.member_path(member)).unwrap();
            fs::write(run.member_path(member).join("metrics.csv"), history).unwrap();
        }
        let config = format!(
            "# <demo> & more\ntask = 'segmentation'\nname = {name:?}\ndataset = 'data.h5'\nclasses = {classes:?}\n\
             [source]\npath = 'x'\nformat = {{ npz-stack = {{ classes = {} }} }}\n\
             [split]\nmethod = {{ hold-out = {{ validation = 0.2, test = 0.2 }} }}\n[loss]\n{loss}\n",
            classes.len()
        );
        fs::write(run.config_path(), config).unwrap();
        run.write_card(&card).unwrap();
    }

    /// The value in `column` of the only row of a CSV file that matches all of `wanted`.
    fn value(&self, file: &str, wanted: &[(&str, &str)], column: &str) -> String {
        let mut reader = csv::Reader::from_path(self.path(file)).unwrap();
        let rows: Vec<HashMap<String, String>> = reader.deserialize().map(|row| row.unwrap()).collect();
        let found: Vec<_> =
            rows.iter().filter(|row| wanted.iter().all(|(key, value)| row[*key] == *value)).collect();
        assert_eq!(found.len(), 1, "{wanted:?} in {file}");
        found[0][column].clone()
    }

    fn number(&self, file: &str, wanted: &[(&str, &str)], column: &str) -> f64 {
        self.value(file, wanted, column).parse().unwrap()
    }
}

fn assert_near(found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-12, "{found} is not {expected}");
}

#[test]
fn scores_are_those_computed_by_hand() {
    let workshop = Masks::new();
    let stdout = workshop.assert_done("evaluate plain");
    for words in ["test: network", "mean mask", "1 of 4 test images have no mask", "train.h5 is missing"] {
        assert!(stdout.contains(words), "{stdout}");
    }
    let image = |id: &str, source: &str, column: &str| {
        let wanted = [("part", "test"), ("source", source), ("id", id)];
        workshop.number("plain/evaluation/per_image.csv", &wanted, column)
    };
    assert_near(image("a", "network", "dice"), 2.0 / 3.0);
    assert_near(image("a", "network", "iou"), 0.5);
    assert_near(image("a", "network", "precision"), 1.0);
    assert_near(image("a", "network", "recall"), 0.5);
    assert_near(image("b", "network", "iou"), 1.0 / 3.0);
    assert_near(image("b", "network", "pixel_accuracy"), 0.5);
    assert_near(image("c", "network", "dice"), 1.0);
    assert_near(image("b", "all background", "dice"), 0.0);
    assert_near(image("a", "mean mask", "dice"), 1.0);
    assert_near(image("c", "mean mask", "dice"), 0.0);
    // Off by one pixel horizontally (0.5 mm) and one pixel vertically (3 mm).
    assert_near(image("a", "network", "hausdorff_mm_ventricle"), 0.5);
    assert_near(image("b", "network", "hausdorff_mm_ventricle"), 3.0);

    let class = |column: &str| {
        let wanted = [("part", "test"), ("source", "network"), ("class", "ventricle")];
        workshop.number("plain/evaluation/per_class.csv", &wanted, column)
    };
    assert_near(class("hausdorff_mm"), 1.75);
    assert_near(class("hausdorff_left_out"), 1.0);
    assert_near(class("true_pixels"), 4.0);

    let set = |source: &str, measure: &str, over: &str, column: &str| {
        let wanted = [("part", "test"), ("source", source), ("measure", measure), ("over", over)];
        workshop.number("plain/evaluation/summary.csv", &wanted, column)
    };
    // In total 2 true positives, 1 false positive, 2 false negatives.
    assert_near(set("network", "dice", "set", "mean"), 4.0 / 7.0);
    assert_near(set("network", "iou", "set", "mean"), 2.0 / 5.0);
    assert_near(set("network", "precision", "set", "mean"), 2.0 / 3.0);
    assert_near(set("network", "recall", "set", "mean"), 0.5);
    assert_near(set("network", "pixel_accuracy", "set", "mean"), 0.75);
    assert_near(set("network", "dice", "images", "mean"), (2.0 / 3.0 + 0.5 + 1.0) / 3.0);
    assert_near(set("network", "dice", "groups", "mean"), (4.0 / 7.0 + 1.0) / 2.0);
    assert_near(set("all background", "dice", "images", "mean"), 1.0 / 3.0);
    let [low, high] = ["low", "high"].map(|end| set("network", "dice", "images", end));
    assert!(0.5 <= low && low < high && high <= 1.0, "{low} {high}");

    let group = [("part", "test"), ("source", "network"), ("group", "p")];
    assert_near(workshop.number("plain/evaluation/per_group.csv", &group, "dice"), 4.0 / 7.0);
    let processed = [("part", "validation"), ("source", "post-processed"), ("id", "v0")];
    assert_near(workshop.number("plain/evaluation/per_image.csv", &processed, "dice"), 2.0 / 3.0);
    let network = [("part", "validation"), ("source", "network"), ("id", "v0")];
    assert_near(workshop.number("plain/evaluation/per_image.csv", &network, "dice"), 1.0);
}

#[test]
fn excluded_classes_are_counted_but_not_in_the_means() {
    let workshop = Masks::empty();
    let classes = ["sky", "rock", "sand"];
    let truth = || Some(array![[0, 1], [2, 2]]);
    let images = ["t", "v", "x"].map(|id| image(id, id, truth(), (2, 2)));
    workshop.write_images("data.h5", &classes, &images);
    let split = Split { train: names(&["t"]), folds: vec![names(&["v"])], test: names(&["x"]) };
    workshop.write_card("mars", "data.h5", split, &classes, "dice = 1.0\nexcluded = [2]");
    let mask: Array2<u8> = array![[0, 1], [1, 2]];
    let probability = Array3::from_shape_fn((3, 2, 2), |(c, y, x)| f32::from(usize::from(mask[(y, x)]) == c));
    let prediction = MaskPrediction { id: "x".into(), probability, mask };
    workshop.write_masks("mars/predictions/test.h5", &classes, std::iter::once(prediction));
    let stdout = workshop.assert_done("evaluate mars");
    assert!(stdout.contains("left out of the means, as of the loss: sand"), "{stdout}");
    assert!(!stdout.contains("post-processed") && !stdout.contains("threshold"), "{stdout}");
    let file = "mars/evaluation/summary.csv";
    let wanted = |measure| [("source", "network"), ("measure", measure), ("over", "set")];
    assert_near(workshop.number(file, &wanted("dice"), "mean"), 2.0 / 3.0);
    assert_near(workshop.number(file, &wanted("iou"), "mean"), 0.5);
    assert_near(workshop.number(file, &wanted("pixel_accuracy"), "mean"), 0.75);
    let class = |name| [("source", "network"), ("class", name)];
    let file = "mars/evaluation/per_class.csv";
    assert_near(workshop.number(file, &class("sand"), "recall"), 0.5);
    assert_eq!(workshop.value(file, &class("sand"), "in_means"), "no");
    assert_eq!(workshop.value(file, &class("rock"), "in_means"), "yes");
    assert!(!workshop.path("mars/evaluation/precision-recall.svg").exists());
    assert!(!workshop.path("mars/evaluation/per_group.csv").exists());
}

#[test]
fn the_mean_mask_of_a_fold_is_that_of_the_others() {
    let workshop = Masks::empty();
    let classes = ["background", "ice"];
    let images = [("f0", 1), ("f1", 0)]
        .map(|(id, class)| image(id, id, Some(Array2::from_elem((2, 2), class)), (2, 2)));
    workshop.write_images("data.h5", &classes, &images);
    let split = Split { train: Vec::new(), folds: vec![names(&["f0"]), names(&["f1"])], test: Vec::new() };
    workshop.write_card("ice", "data.h5", split, &classes, "cross_entropy = 1.0");
    let predictions = ["f1", "f0"].map(|id| MaskPrediction {
        id: id.into(),
        probability: Array3::ones((1, 2, 2)),
        mask: Array2::ones((2, 2)),
    });
    workshop.write_masks("ice/predictions/validation.h5", &classes, predictions.into_iter());
    workshop.assert_done("evaluate ice");
    let dice = |source, id| {
        let wanted = [("source", source), ("id", id)];
        workshop.number("ice/evaluation/per_image.csv", &wanted, "dice")
    };
    assert_eq!([dice("network", "f0"), dice("network", "f1")], [1.0, 0.0]);
    assert_eq!([dice("mean mask", "f0"), dice("mean mask", "f1")], [0.0, 0.0]);
    // An image of another dataset belongs to no fold, even with the same name: its mean mask uses all images.
    let (all_ice, ice) = (Array2::from_elem((2, 2), 1), Array3::ones((1, 2, 2)));
    workshop.write_images("other.h5", &classes, &[image("f1", "f1", Some(all_ice.clone()), (2, 2))]);
    let prediction = MaskPrediction { id: "f1".into(), probability: ice, mask: all_ice };
    workshop.write_masks("ice/predictions/dataset-other.h5", &classes, std::iter::once(prediction));
    workshop.assert_done("evaluate ice --dataset other.h5");
    let mean = [("source", "mean mask"), ("id", "f1")];
    assert_eq!(workshop.number("ice/evaluation-other/per_image.csv", &mean, "dice"), 0.0);
}

#[test]
fn scores_are_the_same_every_time_and_kept_without_force() {
    let workshop = Masks::new();
    assert_eq!(workshop.assert_done("evaluate plain -q"), "");
    let first = fs::read(workshop.path("plain/evaluation/scores.json")).unwrap();
    workshop.assert_refused("evaluate plain", &["plain/evaluation", "--force"]);
    workshop.assert_done("evaluate plain -q --force");
    assert!(first == fs::read(workshop.path("plain/evaluation/scores.json")).unwrap());
}

#[test]
fn masks_of_any_program_are_scored_without_a_run() {
    let workshop = Masks::new();
    let stdout = workshop.assert_done("evaluate plain/predictions/test.h5 --dataset data.h5 -o scores");
    assert!(stdout.contains("all: network") && !stdout.contains("all: mean mask"), "{stdout}");
    let wanted = [("source", "network"), ("measure", "dice"), ("over", "set")];
    assert_near(workshop.number("scores/summary.csv", &wanted, "mean"), 4.0 / 7.0);
    workshop.assert_refused("evaluate plain/predictions/test.h5 -o scores2", &["--dataset"]);
    workshop.assert_refused("evaluate plain/predictions/test.h5 --dataset data.h5", &["--output"]);
}

#[test]
fn what_does_not_belong_together_is_refused() {
    let workshop = Masks::new();
    let others = [image("z", "z", Some(array![[1, 0], [0, 0]]), (2, 2))];
    workshop.write_images("other.h5", &["background", "ventricle"], &others);
    workshop.assert_refused(
        "evaluate plain/predictions/test.h5 --dataset other.h5 -o scores",
        &["other.h5", "has no image \"a\""],
    );
    workshop.assert_refused(
        "evaluate plain --dataset other.h5",
        &["predictions/dataset-other.h5", "porecast predict"],
    );
    workshop.write_images("classes.h5", &["background", "atrium"], &others);
    workshop.assert_refused("evaluate plain --dataset classes.h5", &["classes.h5", "atrium", "ventricle"]);

    let test = workshop.path("plain/predictions/test.h5");
    let validation = workshop.path("plain/predictions/validation.h5");
    fs::copy(&validation, &test).unwrap();
    workshop.assert_refused("evaluate plain", &["test.h5", "\"v0\"", "not among the test images"]);
    workshop.write_run("plain", "data.h5", {
        let [validation, mut test] = Masks::predicted();
        test.remove(1);
        [validation, test]
    });
    workshop.assert_refused("evaluate plain", &["test.h5", "no prediction for image \"b\""]);
    let strange = MaskPrediction {
        id: "v0".into(),
        probability: Array3::zeros((1, 2, 2)),
        mask: Array2::from_elem((2, 2), 2),
    };
    let classes = ["background", "ventricle"];
    workshop.write_masks("plain/predictions/validation.h5", &classes, std::iter::once(strange));
    fs::remove_file(&test).unwrap();
    workshop.assert_refused("evaluate plain", &["validation.h5", "\"v0\"", "class 2 of 2"]);
    fs::remove_file(&validation).unwrap();
    workshop.assert_refused(
        "evaluate plain",
        &["no predicted masks of train, validation, test", "porecast predict"],
    );
    assert!(!workshop.path("plain/evaluation").exists());

    fs::rename(workshop.path("data.h5"), workshop.path("moved.h5")).unwrap();
    workshop.assert_refused("evaluate plain", &["data.h5", "--dataset"]);
    workshop.write_images("data.h5", &["background", "ventricle"], &others);
    workshop.assert_refused("evaluate plain", &["data.h5", "fingerprint"]);
}

#[test]
fn runs_are_compared_image_by_image() {
    let workshop = Masks::new();
    let [validation, mut test] = Masks::predicted();
    // The whole mask of `a` is found: its Dice rises from 2/3 to 1.
    test[0].1 = array![[0.9, 0.9], [0.3, 0.1]];
    workshop.write_run("better", "data.h5", [validation, test]);
    let stdout = workshop.assert_done("compare plain better -o both");
    assert!(stdout.contains("minus plain, post-processed") && stdout.contains("mean mask"), "{stdout}");
    let difference = |column| {
        let wanted = [("name", "better"), ("part", "test"), ("measure", "dice")];
        workshop.number("both/differences.csv", &wanted, column)
    };
    assert_near(difference("mean"), 1.0 / 9.0);
    assert_eq!((difference("images"), difference("low")), (3.0, 0.0));
    let wanted =
        [("run", "better"), ("part", "test"), ("source", "network"), ("measure", "dice"), ("over", "images")];
    assert_near(workshop.number("both/comparison.csv", &wanted, "mean"), (1.0 + 0.5 + 1.0) / 3.0);
    for file in ["comparison.json", "comparison.md", "runs.csv", "dice.svg", "dice.png"] {
        assert!(workshop.path("both").join(file).is_file(), "{file}");
    }
    workshop.assert_refused("compare plain better -o both", &["both", "--force"]);
    workshop.assert_done("compare plain better -o both --force -q");
}

#[test]
fn runs_of_other_classes_or_datasets_are_not_compared() {
    let workshop = Masks::new();
    let mut images = vec![image("t0", "t0", Some(array![[0, 0], [0, 1]]), (2, 2))];
    images.extend(["t1", "v0", "a", "b", "c", "d"].map(|id| image(id, id, images[0].mask.clone(), (2, 2))));
    workshop.write_images("other.h5", &["background", "ventricle"], &images);
    let [validation, mut test] = Masks::predicted();
    test.push(("d", array![[0.0, 0.0], [0.0, 0.0]], None));
    workshop.write_run("else", "other.h5", [validation, test]);
    workshop
        .assert_refused("compare plain else -o both", &["plain and else", "different datasets", "other.h5"]);

    let run = RunFolder::new(workshop.path("plain"));
    let mut card: SegmentationRunCard = run.card_of().unwrap();
    card.members[0].epochs += 1;
    run.write_card(&card).unwrap();
    workshop.assert_refused("compare plain else -o both", &["plain", "evaluate --force"]);

    let classes = ["background", "atrium"];
    workshop.write_images("atria.h5", &classes, &images[..3]);
    let split = Split { train: names(&["t0"]), folds: vec![names(&["t1"])], test: names(&["v0"]) };
    workshop.write_card("atria", "atria.h5", split, &classes, "dice = 1.0");
    let prediction = MaskPrediction {
        id: "v0".into(),
        probability: Array3::zeros((1, 2, 2)),
        mask: Array2::zeros((2, 2)),
    };
    workshop.write_masks("atria/predictions/test.h5", &classes, std::iter::once(prediction));
    workshop.assert_refused("compare else atria -o both", &["else and atria", "ventricle", "atrium"]);
    assert!(!workshop.path("both").exists());
}

/// Discs on slices of four patients, predicted slightly too large and displaced.
fn discs(workshop: &Masks, classes: &[&str]) {
    let disc = |y: f64, x: f64, radius: f64, class: u8| {
        move |(row, column): (usize, usize)| {
            let inside = (row as f64 - y).powi(2) + (column as f64 - x).powi(2) < radius * radius;
            if inside { class } else { 0 }
        }
    };
    let count = classes.len() as u8 - 1;
    let mask = |number: usize, off: f64| {
        let n = number as f64;
        let first = disc(24.0 + n % 5.0, 30.0 + off * (n % 4.0), 6.0 + n % 7.0 + off, 1);
        let second = disc(50.0, 40.0 + off * n / 4.0, 5.0 + n % 3.0, count);
        Array2::from_shape_fn((64, 72), |pixel| first(pixel).max(second(pixel)))
    };
    let ids: Vec<String> = (0..24).map(|number| format!("slice-{number:02}")).collect();
    let images: Vec<_> = (0..24)
        .map(|n| image(&ids[n], &format!("patient {}", n / 6), Some(mask(n, 0.0)), (64, 72)))
        .collect();
    workshop.write_images("data.h5", classes, &images);
    let split = Split {
        train: Vec::new(),
        folds: vec![ids[..3].to_vec(), ids[3..6].to_vec()],
        test: ids[6..].to_vec(),
    };
    workshop.write_card("discs", "data.h5", split, classes, "dice = 1.0");
    for (part, range) in [("validation", 0..6), ("test", 6..24)] {
        let predictions = range.map(|n| {
            let wrong = mask(n, 1.5);
            let planes = if count == 1 { 1..2 } else { 0..count + 1 };
            let planes: Vec<Array2<f32>> = planes
                .map(|class| {
                    Array2::from_shape_fn(wrong.dim(), |(y, x)| {
                        let noise = ((y * 7 + x * 13 + n * 5) % 17) as f32 / 40.0;
                        if wrong[(y, x)] == class { 1.0 - noise } else { noise }
                    })
                })
                .collect();
            let views: Vec<_> = planes.iter().map(|plane| plane.view()).collect();
            let mut mask = wrong.clone();
            mask.row_mut(24).fill(0);
            MaskPrediction { id: ids[n].clone(), probability: ndarray::stack(Axis(0), &views).unwrap(), mask }
        });
        workshop.write_masks(&format!("discs/predictions/{part}.h5"), classes, predictions);
    }
}

/// Asserts that the page at `path` contains `words` and loads nothing from the internet.
fn assert_stands_alone(path: &Path, words: &[&str]) {
    let html = fs::read_to_string(path).unwrap();
    for word in words {
        assert!(html.contains(word), "{} lacks {word:?}", path.display());
    }
    assert!(html.contains("&lt;demo&gt; &amp; more") && !html.contains("<demo>"), "configuration is text");
    // The only address in the page is the SVG namespace, which is not fetched; pictures lie in the page.
    let html = html.replace("http://www.w3.org/2000/svg", "").replace("src=\"data:", "");
    for fetch in ["http://", "https://", "src=", "<link", "@import", "fetch("] {
        assert!(!html.contains(fetch), "{} contains {fetch}", path.display());
    }
    for reference in html.split("href=\"").skip(1) {
        assert!(reference.starts_with("data:"), "{} refers to {reference:.40}", path.display());
    }
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
}

#[test]
fn a_report_stands_alone() {
    let workshop = Masks::empty();
    discs(&workshop, &["background", "ventricle"]);
    workshop.assert_refused("report discs", &["scores.json", "porecast evaluate"]);
    workshop.assert_done("compare discs -o alone -q");
    workshop.assert_done("report discs");
    workshop.assert_done("report alone");
    for figure in [
        "precision-recall",
        "confusion",
        "dice",
        "groups",
        "training",
        "overlays-best",
        "overlays-even",
        "overlays-worst",
    ] {
        for extension in ["svg", "png"] {
            let file = workshop.path("discs/evaluation").join(format!("{figure}.{extension}"));
            assert!(file.is_file(), "{figure}.{extension}");
        }
    }
    let words = [
        "The worst",
        "true outline",
        "predicted as",
        "average precision",
        "patient 3",
        "fold 1",
        "Hausdorff",
    ];
    assert_stands_alone(&workshop.path("discs/report.html"), &words);
    assert_stands_alone(
        &workshop.path("alone/report.html"),
        &["Size and cost of training", "post-processed"],
    );
}

#[test]
fn a_report_of_several_classes_names_them() {
    let workshop = Masks::empty();
    discs(&workshop, &["sky", "soil", "bedrock", "sand"]);
    workshop.assert_done("evaluate discs -q");
    workshop.assert_done("report discs");
    let words = ["mean over the classes soil, bedrock, sand", "true class", "bedrock"];
    assert_stands_alone(&workshop.path("discs/report.html"), &words);
}
