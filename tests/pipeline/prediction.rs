//! `porecast predict` and `Predictor`: any image size, inlet edge and times.

use std::path::Path;

use image::{GrayImage, Luma};
use ndarray::{Array2, Axis, s};
use porecast::simulations::{Domain, Side};
use porecast::store::{Dataset, InvasionDataset, Prediction, PredictionFile, RunFolder, invasion};
use porecast::{Physics, Predictor};

use crate::support::{Exits, Project, Workshop, dataset, fails, text};

/// Grains on a slanted lattice without symmetry, so that a wrong rotation changes the result.
fn is_solid(y: u32, x: u32) -> bool {
    (3 * y + x) % 17 < 3 && (y + 2 * x) % 13 < 6
}

fn image(path: &Path, height: u32, width: u32, is_solid: impl Fn(u32, u32) -> bool) {
    let grey = |x, y| Luma([if is_solid(y, x) { 0 } else { 255 }]);
    GrayImage::from_fn(width, height, grey).save(path).expect("written");
}

/// Checks that the output files of `predict` agree and reads the predictions.
fn output(folder: &Path) -> (PredictionFile, Prediction) {
    let file = PredictionFile::open(&folder.join("predictions.h5")).expect("predictions");
    let prediction = file.prediction(0).expect("a prediction");
    let (frames, height, width) = prediction.probability.dim();
    for frame in 0..frames {
        let picture = image::open(folder.join(format!("frames/frame-{frame:03}.png"))).expect("a frame");
        let factor = 512u32.div_ceil(height.max(width) as u32);
        let (high, wide) = (factor * height as u32, factor * width as u32);
        assert!(
            picture.height() > high && picture.width() > wide,
            "a frame is enlarged, with words around it"
        );
    }
    assert!(!folder.join(format!("frames/frame-{frames:03}.png")).exists());
    let page = std::fs::read_to_string(folder.join("report.html")).expect("a page");
    assert!(page.contains("<a href=\"./frames/frame-000.png\">") && page.contains(&prediction.domain_id));
    let animation = std::fs::read(folder.join("animation.gif")).expect("an animation");
    assert!(animation.starts_with(b"GIF89a"));

    let table = std::fs::read_to_string(folder.join("saturation.csv")).expect("a table");
    let mut rows = table.lines();
    let columns = "domain_id,time,saturation,saturation_low,saturation_high";
    assert_eq!(rows.next(), Some(columns));
    let pores = prediction.solid.iter().filter(|&&solid| !solid).count() as f64;
    for (frame, row) in prediction.probability.axis_iter(Axis(0)).zip(rows.by_ref()) {
        let saturation: f64 = row.split(',').nth(2).expect("a column").parse().expect("a number");
        let expected = frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pores;
        assert!((saturation - expected).abs() < 1e-9, "{saturation} against {expected}");
    }
    assert_eq!(rows.count(), (file.domain_ids().len() - 1) * frames);
    for frame in prediction.probability.axis_iter(Axis(0)) {
        assert!(frame.iter().zip(&prediction.solid).all(|(&p, &solid)| !solid || p == 0.0));
    }
    (file, prediction)
}

/// Largest absolute difference between two predictions.
fn difference(a: &Prediction, b: &Prediction) -> f32 {
    assert_eq!(a.probability.dim(), b.probability.dim());
    (&a.probability - &b.probability).iter().fold(0.0, |largest, d| d.abs().max(largest))
}

#[test]
fn images_of_any_size_are_predicted_at_the_training_times() {
    let project = Project::new();
    project.trained("", "run");
    for (height, width) in [(32, 32), (50, 21), (17, 90)] {
        let name = format!("{height}x{width}");
        image(&project.path(&format!("{name}.png")), height, width, is_solid);
        project.predict("run", &format!("{name}.png"), &name).succeeds();
        let (file, prediction) = output(&project.path(&name));
        assert_eq!(file.shape(), (5, height as usize, width as usize));
        assert_eq!(prediction.domain_id, name);
        assert!(prediction.solid.indexed_iter().all(|((y, x), &s)| s == is_solid(y as u32, x as u32)));
    }
}

#[test]
fn any_ascending_times_can_be_asked_for() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("domain.png"), 32, 32, is_solid);
    project.predict("run", "domain.png", "many").succeeds();
    let times = "0,0.05,0.123,0.2";
    project.predict("run", "domain.png", "many").args(["--force", "--times", times]).succeeds();
    let (_, many) = output(&project.path("many"));
    assert_eq!(many.times, [0.0, 0.05, 0.123, 0.2]);
    project.predict("run", "domain.png", "one").args(["--times", "0.123"]).succeeds();
    let (_, one) = output(&project.path("one"));
    let frame = many.probability.index_axis(Axis(0), 2);
    assert!((&one.probability.index_axis(Axis(0), 0) - &frame).iter().all(|d| d.abs() < 1e-6));
}

#[test]
fn an_inlet_on_another_side_turns_the_prediction_with_the_domain() {
    let project = Project::new();
    project.trained("", "run");
    let (height, width) = (40, 24);
    image(&project.path("top.png"), height, width, is_solid);
    project.predict("run", "top.png", "top").succeeds();
    let (_, top) = output(&project.path("top"));
    image(&project.path("bottom.png"), height, width, |y, x| is_solid(height - 1 - y, x));
    image(&project.path("left.png"), width, height, |y, x| is_solid(x, y));
    image(&project.path("right.png"), width, height, |y, x| is_solid(height - 1 - x, y));
    for (name, side) in [("bottom", Side::Bottom), ("left", Side::Left), ("right", Side::Right)] {
        project.predict("run", &format!("{name}.png"), name).args(["--inlet", name]).succeeds();
        let (file, mut turned) = output(&project.path(name));
        assert_eq!(file.header().inlet, side);
        if side == Side::Bottom || side == Side::Right {
            turned.probability.invert_axis(Axis(if side == Side::Bottom { 1 } else { 2 }));
        }
        if side != Side::Bottom {
            turned.probability.swap_axes(1, 2);
        }
        assert_eq!(difference(&top, &turned), 0.0, "{name}");
    }
}

#[test]
fn a_domain_in_tiles_is_covered_and_differs_little() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("domain.png"), 96, 64, is_solid);
    project.predict("run", "domain.png", "whole").succeeds();
    project.predict("run", "domain.png", "large").args(["--tile", "96"]).succeeds();
    project.predict("run", "domain.png", "tiles").args(["--tile", "48"]).succeeds();
    let (whole, large, tiles) = (
        output(&project.path("whole")).1,
        output(&project.path("large")).1,
        output(&project.path("tiles")).1,
    );
    assert_eq!(difference(&whole, &large), 0.0);
    let mean = (&whole.probability - &tiles.probability).mapv(f32::abs).mean().expect("pixels");
    assert!(mean < 0.02, "{mean}");
    // A network never predicts exactly zero, so every pore pixel belongs to a tile.
    let frame = tiles.probability.index_axis(Axis(0), 2);
    assert!(frame.iter().zip(&tiles.solid).all(|(&p, &solid)| solid || p > 0.0));
}

#[test]
fn the_same_domain_in_thrice_the_resolution_is_predicted_alike() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("coarse.png"), 32, 32, is_solid);
    image(&project.path("fine.png"), 96, 96, |y, x| is_solid(y / 3, x / 3));
    project.predict("run", "coarse.png", "coarse").args(["--rescale", "1"]).succeeds();
    let said = project.predict("run", "fine.png", "fine").output().expect("a prediction");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("times its resolution: the mean chord of its pores has"), "{said}");
    let predicted = |factor: &str, name: &str| {
        project.predict("run", "fine.png", name).args(["--rescale", factor]).succeeds();
        output(&project.path(name)).1
    };
    let (coarse, same) = (output(&project.path("coarse")).1, predicted("0.3333", "same"));
    assert_eq!(same.probability.dim().1, 96);
    let centres = same.probability.slice(s![.., 1..;3, 1..;3]);
    assert!(
        (&centres - &coarse.probability).iter().all(|d| d.abs() < 1e-6),
        "the centre of a pixel is the pixel"
    );
    let own =
        (&predicted("1", "own").probability.slice(s![.., 1..;3, 1..;3]) - &coarse.probability).mapv(f32::abs);
    assert!(own.mean().expect("pixels") > 1e-4, "a network knows only the resolution of its training");

    assert!(output(&project.path("own")).0.header().voxel_size_m.is_nan(), "an image does not tell it");
    project.predict("run", "fine.png", "sized").args(["--voxel-size", "1e-5"]).succeeds();
    assert_eq!(output(&project.path("sized")).0.header().voxel_size_m, 1e-5);
    fails(
        project.predict("run", "data.h5", "no").args(["--voxel-size", "1e-5"]),
        2,
        &["--voxel-size", "a dataset has its own"],
    );

    let refused = |more: &[&str], words: &[&str]| {
        fails(project.porecast(["predict", "-o", "no"]).arg(project.path("fine.png")).args(more), 2, words);
    };
    refused(&["--rescale", "9"], &["--rescale", "9 is outside 0.0625 to 4"]);
    refused(&["--rescale", "2", "--model", "percolation"], &["--rescale", "is for networks"]);
}

#[test]
fn bright_solid_and_other_thresholds_give_the_same_domain() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("dark.png"), 32, 32, is_solid);
    image(&project.path("bright.png"), 32, 32, |y, x| !is_solid(y, x));
    GrayImage::from_fn(32, 32, |x, y| Luma([if is_solid(y, x) { 20 } else { 60 }]))
        .save(project.path("dim.png"))
        .expect("written");
    project.predict("run", "dark.png", "dark").succeeds();
    project.predict("run", "bright.png", "bright").arg("--invert").succeeds();
    project.predict("run", "dim.png", "dim").args(["--threshold", "0.15"]).succeeds();
    let dark = output(&project.path("dark")).1;
    for other in ["bright", "dim"] {
        assert_eq!(difference(&dark, &output(&project.path(other)).1), 0.0, "{other}");
    }
}

#[test]
fn the_domains_of_a_part_are_predicted_at_their_own_times() {
    let project = Project::new();
    project.trained("", "run");
    let run = RunFolder::new(project.path("run")).card().expect("a run");
    for (part, ids) in run.split.parts() {
        project.predict("run", "data.h5", part).args(["--part", part]).succeeds();
        let (file, _) = output(&project.path(part));
        assert_eq!(file.domain_ids(), ids);
    }
    dataset(&project.path("other.h5"), 2, (48, 40), 3);
    project.predict("run", "other.h5", "other").succeeds();
    assert_eq!(output(&project.path("other")).0.shape(), (3, 48, 40));
}

#[test]
fn single_frame_networks_predict_their_frames() {
    let project = Project::new();
    project.trained("conditioning = { single-frame = [1, 4] }", "run");
    image(&project.path("domain.png"), 32, 32, is_solid);
    project.predict("run", "domain.png", "image").succeeds();
    let (_, prediction) = output(&project.path("image"));
    let run = RunFolder::new(project.path("run")).card().expect("a run");
    assert_eq!(prediction.times, [run.dataset.mean_times[1], run.dataset.mean_times[4]]);
    fails(
        project.predict("run", "domain.png", "out").args(["--times", "0.1"]),
        2,
        &["--times", "single-frame"],
    );
    project.predict("run", "data.h5", "data").succeeds();
    assert_eq!(output(&project.path("data")).0.shape(), (2, 32, 32));
}

#[test]
fn a_run_is_scored_on_a_dataset_that_it_has_never_seen() {
    let project = Project::new();
    project.trained("", "run");
    dataset(&project.path("other.h5"), 3, (32, 32), 5);
    let evaluate = |dataset: &str| {
        project.porecast(["evaluate", "run", "--dataset", dataset, "--quiet"]).succeeds();
    };
    evaluate("other.h5");
    let predictions =
        PredictionFile::open(&project.path("run/predictions/dataset-other.h5")).expect("predictions");
    assert_eq!(predictions.domain_ids().len(), 3);
    let summary =
        |folder: &str| std::fs::read_to_string(project.path(folder).join("summary.csv")).expect("scores");
    assert!(summary("run/evaluation-other").contains("all,mean frame,"));
    // The mean-frame baseline also applies to a dataset with fewer frames, but not to domains of another size.
    dataset(&project.path("fewer.h5"), 3, (32, 32), 4);
    evaluate("fewer.h5");
    assert!(summary("run/evaluation-fewer").contains("all,mean frame,"));
    dataset(&project.path("larger.h5"), 2, (48, 40), 5);
    evaluate("larger.h5");
    let larger = summary("run/evaluation-larger");
    assert!(!larger.contains("mean frame") && larger.contains("all,percolation,"), "{larger}");
}

#[test]
fn a_library_predicts_arrays_as_the_command_predicts_images() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("domain.png"), 40, 24, is_solid);
    project.predict("run", "domain.png", "out").args(["--inlet", "left"]).succeeds();
    let (_, written) = output(&project.path("out"));
    let domain = Domain { solid: written.solid.clone(), voxel_size_m: 1e-5 };
    let predictor = Predictor::open(&project.path("run")).expect("a run");
    assert_eq!(predictor.times(), written.times);
    let frames =
        predictor.frames(&domain, Side::Left, &Physics::default(), &predictor.times()).expect("frames");
    assert_eq!(frames, written.probability);

    let error =
        predictor.frames(&domain, Side::Left, &Physics::default(), &[0.1, f64::NAN]).unwrap_err().to_string();
    assert!(error.contains("NaN is not a time"), "{error}");
    let empty = Domain { solid: Array2::from_elem((0, 4), false), voxel_size_m: 1e-5 };
    assert!(predictor.frames(&empty, Side::Top, &Physics::default(), &[0.1]).is_err());

    project.trained("conditioning = { single-frame = [1, 4] }", "frames");
    let predictor = Predictor::open(&project.path("frames")).expect("a run");
    let times = predictor.times();
    assert_eq!(times, [written.times[1], written.times[4]]);
    let both = predictor.frames(&domain, Side::Top, &Physics::default(), &times).expect("frames");
    let last = predictor.frames(&domain, Side::Top, &Physics::default(), &times[1..]).expect("a frame");
    assert_eq!(both.index_axis(Axis(0), 1), last.index_axis(Axis(0), 0));
    let error = predictor.frames(&domain, Side::Top, &Physics::default(), &[0.0123]).unwrap_err().to_string();
    assert!(error.contains("single-frame networks know the times"), "{error}");
}

#[test]
fn a_sequence_run_is_told_the_physics() {
    let project = Project::new();
    let told = "physics = ['contact-angle', 'porosity']\nconditioning = { sequence = { knots = 5 } }";
    project.trained(told, "run");
    image(&project.path("domain.png"), 40, 24, is_solid);
    let missing = ["--contact-angle", "is missing: the run was trained with the contact angle"];
    fails(&mut project.predict("run", "domain.png", "out"), 2, &missing);
    project.predict("run", "domain.png", "out").args(["--contact-angle", "45"]).succeeds();
    let (file, five) = output(&project.path("out"));
    assert_eq!(five.probability.dim(), (5, 40, 24));
    assert_eq!(file.physics(0).expect("recorded").contact_angle_deg, Some(45.0));
    let page = std::fs::read_to_string(project.path("out/report.html")).expect("a page");
    assert!(page.contains("45° through the defending fluid"), "the page says what the run was told");

    // Between two knots the logits are their mean.
    let between = 0.5 * (five.times[1] + five.times[2]);
    let args = ["--contact-angle", "45", "--times", &between.to_string()];
    project.predict("run", "domain.png", "between").args(args).succeeds();
    let (_, one) = output(&project.path("between"));
    assert_eq!(one.probability.dim(), (1, 40, 24));

    let output = project.predict("run", "domain.png", "far").args(["--contact-angle", "80"]).succeeds();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("warning: contact angle 80 has no effect: all training domains have 45"), "{said}");

    let late = ["--contact-angle", "45", "--times", "99"];
    let wanted = ["--times", "99 is after", "--extrapolate"];
    fails(project.predict("run", "domain.png", "late").args(late), 2, &wanted);
    project.predict("run", "domain.png", "late").args(late).arg("--extrapolate").succeeds();

    let config = project.config("physics = ['capillary-number']\nloss.mse = 1.0");
    fails(&mut project.train(&config, "other"), 2, &["has no capillary number, which `physics` asks for"]);
}

#[test]
fn an_evaluated_run_predicts_intervals() {
    let project = Project::new();
    let data = InvasionDataset::open(&project.path("data.h5")).expect("a dataset");
    let twice = (0..14).map(|index| Ok((format!("d{index:02}"), data.sequence(index % 8)?)));
    invasion::write(&project.path("twice.h5"), data.origin(), twice).expect("written");
    let few = "[training]\nepochs = 1\nsamples_per_epoch = 8";
    let config =
        project.config(&format!("loss.cross_entropy = 1.0\n[split]\nvalidation = 0.65\ntest = 0.2\n{few}"));
    let twice = format!("dataset={:?}", project.path("twice.h5"));
    project.train(&config, "run").args(["--set", &twice]).succeeds();
    image(&project.path("domain.png"), 40, 24, is_solid);
    let saturations = |output: &str| -> Vec<[Option<f64>; 3]> {
        let table = std::fs::read_to_string(project.path(output).join("saturation.csv")).expect("a table");
        let row = |row: &str| {
            let numbers: Vec<_> = row.split(',').map(|cell| cell.parse().ok()).collect();
            [numbers[3], numbers[2], numbers[4]]
        };
        table.lines().skip(1).map(row).collect()
    };
    project.predict("run", "data.h5", "before").succeeds();
    assert!(saturations("before").iter().all(|[low, _, high]| low.is_none() && high.is_none()));

    project.assert_done("evaluate run");
    let said = text(&project.predict("run", "domain.png", "unlike").succeeds().stderr);
    assert!(said.contains(": saturation ") && said.contains("(no intervals: "), "{said}");
    assert!(saturations("unlike").iter().all(|[low, _, high]| low.is_none() && high.is_none()));
    project.predict("run", "data.h5", "after").succeeds();
    for [low, value, high] in saturations("after") {
        let (low, value, high) =
            (low.expect("a low end"), value.expect("a value"), high.expect("a high end"));
        assert!((0.0..=value).contains(&low) && (value..=1.0).contains(&high), "{low} {value} {high}");
    }
    std::fs::write(project.path("run/intervals.json"), "{}").expect("written");
    fails(&mut project.predict("run", "domain.png", "no"), 2, &["intervals.json", "evaluate --force"]);
    project.assert_done("evaluate run --force");
    project.predict("run", "domain.png", "again").succeeds();
}

#[test]
fn a_folder_of_other_files_is_not_replaced() {
    let project = Project::new();
    project.trained("", "run");
    let note = project.path("thesis/frames/note.txt");
    std::fs::create_dir_all(note.parent().expect("a folder")).expect("made");
    std::fs::write(&note, "two years").expect("written");
    fails(
        project.predict("run", "data.h5", "thesis").arg("--force"),
        2,
        &["thesis", "folder of other files"],
    );
    project.assert_refused(
        "evaluate run --dataset data.h5 -o thesis --force",
        &["thesis", "folder of other files, not of scores"],
    );
    assert_eq!(std::fs::read_to_string(note).expect("still there"), "two years");
}

#[test]
fn what_was_said_of_a_prediction_stays_with_it() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("domain.png"), 200, 24, is_solid);
    let said = text(&project.predict("run", "domain.png", "out").succeeds().stderr);
    let notes = std::fs::read_to_string(project.path("out/notes.txt")).expect("notes");
    assert!(notes.lines().all(|note| said.contains(note)), "{notes}");
    let warning = notes.lines().find_map(|note| note.strip_prefix("warning: length 200 pixels"));
    let page = std::fs::read_to_string(project.path("out/report.html")).expect("a page");
    let warning = warning.expect("the domain is long");
    assert!(page.contains(&format!("Note: length 200 pixels{warning}")), "{warning}");
    assert!(page.contains("notes.txt"));
}

#[test]
fn a_mirrored_prediction_has_the_symmetry_of_its_domain() {
    let project = Project::new();
    let run = |more: &str, name: &str| {
        project.trained(more, name);
        image(&project.path("domain.png"), 40, 24, is_solid);
        image(&project.path("mirrored.png"), 40, 24, |y, x| is_solid(y, 23 - x));
        let [one, other] = ["domain", "mirrored"].map(|input| {
            let out = format!("{name}-{input}");
            project.predict(name, &format!("{input}.png"), &out).succeeds();
            output(&project.path(&out)).1.probability
        });
        let mut back = other;
        back.invert_axis(Axis(2));
        (&one - &back).iter().fold(0f32, |worst, difference| worst.max(difference.abs()))
    };
    assert!(run("", "plain") > 1e-4);
    assert!(run("mirrored_prediction = true", "run") < 1e-6);
}

#[test]
fn a_rescaled_prediction_is_the_mean_over_the_resolutions_of_the_training() {
    let project = Project::new();
    project.trained("also_rescaled_by = [0.5]\nrescaled_prediction = true", "run");
    let data = InvasionDataset::open(&project.path("data.h5")).expect("a dataset");
    let split = RunFolder::new(project.path("run")).card().expect("a run").split;
    let domains = split
        .train
        .iter()
        .map(|id| data.sequence(data.place(id).expect("a place")).expect("a sequence").domain);
    // Half as fine, the domain with the longest chords lies well within the range of the training.
    let chord = |domain: &Domain| domain.mean_chord_length().expect("pores");
    let domain = domains.max_by(|a, b| chord(a).total_cmp(&chord(b))).expect("a domain");
    image(&project.path("domain.png"), 32, 32, |y, x| domain.solid[[y as usize, x as usize]]);
    let predicted = |name: &str, options: &[&str]| {
        project.predict("run", "domain.png", name).args(options).succeeds();
        output(&project.path(name)).1.probability
    };
    let one = predicted("one", &["--rescale", "1"]);
    let mean = (&one + &predicted("half", &["--rescale", "0.5"])) / 2.0;
    let both = predicted("both", &[]);
    assert!((&both - &mean).iter().all(|difference| difference.abs() < 1e-6));
    assert!((&both - &one).iter().any(|difference| difference.abs() > 1e-4));
    let alone = project.config("rescaled_prediction = true\n[loss]\ncross_entropy = 1.0");
    fails(&mut project.train(&alone, "no"), 2, &["rescaled_prediction", "also_rescaled_by"]);
}

#[test]
fn nothing_invades_an_enclosed_pore() {
    let project = Project::new();
    project.trained("", "run");
    // A pore of 4 x 4 pixels inside a grain of 8 x 8.
    let inside =
        |y: u32, x: u32, least: u32, most: u32| (least..most).contains(&y) && (least..most).contains(&x);
    image(&project.path("domain.png"), 32, 32, |y, x| inside(y, x, 10, 18) && !inside(y, x, 12, 16));
    project.predict("run", "domain.png", "out").succeeds();
    let (_, prediction) = output(&project.path("out"));
    let last = prediction.probability.index_axis(Axis(0), 4);
    assert!(last.indexed_iter().all(|((y, x), p)| !inside(y as u32, x as u32, 10, 18) || *p == 0.0));
    assert!(last[(5, 5)] > 0.0);
}

#[test]
fn scores_of_training_domains_in_another_file_say_so() {
    let project = Project::new();
    project.trained("", "run");
    let grown = project.path("grown.h5");
    let dataset = InvasionDataset::open(&project.path("data.h5")).expect("a dataset");
    let some = (1..dataset.len()).map(|index| {
        let id = dataset.domain_ids()[index].clone();
        dataset.sequence(index).map(|sequence| (id, sequence))
    });
    invasion::write(&grown, dataset.origin(), some).expect("written");
    let said = project.porecast(["evaluate", "run", "--dataset", "grown.h5"]).succeeds();
    let said = format!("{}{}", text(&said.stdout), text(&said.stderr));
    assert!(said.contains("are in the data of the run"), "{said}");
}
