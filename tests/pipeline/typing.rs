//! What one types: configurations, completions, manual pages, JSON, longer and fine-tuned trainings, physical models.

use std::path::Path;

use image::{GrayImage, Luma};
use porecast::simulations::percolation::{self, PercolationConfig};
use porecast::simulations::{Domain, FluidPair, Side};
use porecast::{PredictionFile, RunFolder};
use serde_json::Value;

use crate::support::{Exits, Project, Workshop, assert_same_outcome, fails, metric, outcome, porecast, text};

const TRAINING: &str = "[loss]\ncross_entropy = 1.0\n[training]\nepochs = 2\nsamples_per_epoch = 8\n[schedule]\nshape = 'constant'";

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("JSON")
}

#[test]
fn a_starting_configuration_trains_as_it_is_written() {
    let project = Project::new();
    let text = project.assert_done("config invasion");
    std::fs::write(project.path("my.toml"), text).expect("written");
    let small = ["dataset=data.h5", "model.unet={base_channels=4,levels=2}", "training.epochs=1"];
    let mut train = project.porecast(["train", "my.toml"]);
    for set in small {
        train.args(["--set", set]);
    }
    train.succeeds();
    assert!(RunFolder::new(project.path("runs/my-run")).card().expect("a run").members[0].is_finished);
}

#[test]
fn config_explains_lists_and_gives_a_schema() {
    let project = Project::new();
    let told = project.assert_done("config explain optimizer.learning_rate");
    assert!(told.contains("above 0, at most 10") && told.contains("default  0.001"), "{told}");
    project.assert_refused("config explain learning_rat", &["no such key", "learning_rate"]);
    let all = project.assert_done("config list");
    assert!(all.contains("training.epochs") && all.contains("augment.noise.sigma"), "{all}");
    let schema = json(project.assert_done("config schema train").as_bytes());
    let epochs = &schema["else"]["properties"]["training"]["properties"]["epochs"];
    assert_eq!((epochs["minimum"].as_u64(), epochs["default"].as_u64()), (Some(1), Some(20)));
    assert_eq!(schema["then"]["additionalProperties"], false);
}

#[test]
fn completions_and_manual_pages_name_every_command() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let script = folder.path().assert_done(&format!("completions {shell}"));
        assert!(["train", "predict", "runs"].iter().all(|command| script.contains(command)), "{script}");
    }
    folder.path().assert_done("man pages");
    for page in ["porecast.1", "porecast-train.1", "porecast-config-explain.1"] {
        assert!(folder.path().join("pages").join(page).is_file(), "{page}");
    }
}

#[test]
fn the_version_names_what_the_program_was_built_with() {
    let long = text(&porecast().arg("--version").succeeds().stdout);
    for word in ["porecast 0.", "\ncommit ", "\nfeatures ", "\nHDF5 ", "\nCPU "] {
        assert!(long.contains(word), "{long}");
    }
    assert_eq!(text(&porecast().arg("-V").succeeds().stdout).lines().count(), 1);
}

#[test]
fn a_dry_run_says_what_a_training_would_do_and_does_nothing() {
    let project = Project::new();
    let config = project.config(TRAINING);
    let said = text(&project.train(&config, "run").arg("--dry-run").succeeds().stdout);
    for word in [
        "epochs = 2",
        "parameters  ",
        "memory ",
        "8 in an epoch",
        "2 in an epoch, 4 in 2 epochs",
        "time ",
        "first step  done after ",
        "(new)",
        "cpu",
    ] {
        assert!(said.contains(word), "{word:?} is not in {said}");
    }
    assert!(!project.path("run").exists());
    project.train(&config, "run").succeeds();
    let parameters = RunFolder::new(project.path("run")).card().expect("a run").members[0].parameters;
    assert!(said.replace(' ', "").contains(&format!("parameters{parameters}\n")), "{said}");
}

#[test]
fn a_finished_run_that_is_trained_longer_equals_one_trained_at_once() {
    let project = Project::new();
    let config = project.config(TRAINING);
    let longer = ["--set", "training.epochs=4"];
    project.train(&config, "at-once").args(longer).succeeds();
    project.train(&config, "run").succeeds();
    project.train(&config, "run").arg("--resume").args(longer).succeeds();
    assert_eq!(metric(&project.path("run"), "epoch"), [1.0, 2.0, 3.0, 4.0]);
    assert_same_outcome(&project.path("run"), &project.path("at-once"));
    fails(
        project.train(&config, "run").arg("--resume"),
        2,
        &["config.toml", "only training.epochs may grow"],
    );
}

#[test]
fn a_training_can_begin_with_the_weights_of_another_run() {
    let project = Project::new();
    let config = project.config(TRAINING);
    project.train(&config, "first").succeeds();
    let init = |run: &str, sets: &[&str]| {
        let mut train = project.train(&config, run);
        train.arg("--init").arg(project.path("first")).args(["--set", "optimizer.learning_rate=1e-30"]);
        train.args([
            "--set",
            "optimizer.weight_decay=0",
            "--set",
            "model.unet.norm=batch",
            "--set",
            "training.epochs=1",
        ]);
        for set in sets {
            train.args(["--set", set]);
        }
        train
    };
    init("tuned", &[]).succeeds();
    let card = RunFolder::new(project.path("tuned")).card().expect("a run");
    assert_eq!(card.init.expect("an origin").name, "small");
    // Without a learning rate, only the running statistics of batch norm change.
    let (first, tuned) =
        (metric(&project.path("first"), "train_loss"), metric(&project.path("tuned"), "train_loss"));
    assert!(tuned[0] < first[0], "{tuned:?} begins where {first:?} ended");
    assert_ne!(outcome(&project.path("tuned")), outcome(&project.path("first")));
    fails(
        &mut init("other", &["model.unet.base_channels=8"]),
        2,
        &["does not hold the weights", "model.unet.base_channels = 8 (there 4)"],
    );
    // Nothing has begun in its folder.
    init("other", &[]).succeeds();
    fails(project.train(&config, "none").args(["--init", "nowhere"]), 2, &["nowhere", "is not a run folder"]);
    // A recurrent network takes what it shares with one of whole sequences.
    let network = |run: &str, conditioning: &str| {
        let text = format!("conditioning = {{ {conditioning} = {{ knots = 4 }} }}\n{TRAINING}");
        let mut train = project.train(&project.config(&text), run);
        train.args(["--set", "model.unet.levels=4"]);
        train
    };
    network("sequence", "sequence").succeeds();
    network("recurrent", "recurrent").arg("--init").arg(project.path("sequence")).succeeds();
    // So does one that is told more.
    let mut told = network("told", "sequence");
    told.args(["--set", "physics=['contact-angle']"]).arg("--init").arg(project.path("sequence")).succeeds();
    fails(
        network("timed", "recurrent").arg("--init").arg(project.path("first")),
        2,
        &["does not hold the weights", "conditioning"],
    );
}

#[test]
fn runs_are_listed_with_their_scores() {
    let project = Project::new();
    project.trained("", "runs/a");
    project.trained("", "runs/deeper/b");
    project.assert_done("evaluate runs/a");
    let table = project.assert_done("runs");
    assert!(table.contains("runs/a ") && table.contains("mse 0."), "{table}");
    assert!(table.contains("runs/deeper/b ") && table.contains("not evaluated"), "{table}");
    let listed = json(project.assert_done("runs --json").as_bytes());
    assert_eq!(listed[0]["run"]["epochs"], 1);
    assert_eq!(listed[0]["score"]["measure"], "mse");
    assert_eq!(listed[1]["score"], Value::Null);
    project.assert_refused("runs nowhere", &["nowhere", "cannot be read"]);
}

#[test]
fn inspect_evaluate_and_compare_print_json() {
    let project = Project::new();
    project.trained("", "a");
    let data = json(project.assert_done("inspect data.h5 --json").as_bytes());
    assert_eq!(
        (&data["kind"], &data["domains"], &data["width"]),
        (&"invasion-dataset".into(), &8.into(), &32.into())
    );
    let scores = json(project.assert_done("evaluate a --json").as_bytes());
    assert_eq!(scores["format"], "porecast-scores");
    assert_eq!(json(project.assert_done("inspect a --json").as_bytes())["card"]["name"], "small");
    let compared = json(project.assert_done("compare a -o both --json").as_bytes());
    assert_eq!(compared["runs"][0]["name"], "small");
    let file = json(project.assert_done("inspect a/predictions/test.h5 --json").as_bytes());
    assert_eq!(file["kind"], "predictions");
}

#[test]
fn the_number_of_threads_does_not_change_a_training() {
    let project = Project::new();
    let config = project.config(TRAINING);
    project.train(&config, "one").args(["--threads", "1", "--device", "cpu"]).succeeds();
    project.train(&config, "two").args(["--threads", "2", "--device", "flex"]).succeeds();
    assert_same_outcome(&project.path("one"), &project.path("two"));
    fails(project.train(&config, "none").args(["--threads", "0"]), 2, &["--threads"]);
}

/// A staircase of grains with wide throats.
fn grains(path: &Path) -> Domain {
    let is_solid = |y: u32, x: u32| (y / 8) % 2 == 1 && (x + 4 * (y / 16)) % 12 < 4;
    let grey = |x, y| Luma([if is_solid(y, x) { 0 } else { 255 }]);
    GrayImage::from_fn(24, 40, grey).save(path).expect("written");
    let solid = ndarray::Array2::from_shape_fn((40, 24), |(y, x)| is_solid(y as u32, x as u32));
    Domain { solid, voxel_size_m: 1.0 }
}

#[test]
fn a_physical_model_predicts_the_sequence_that_its_simulator_gives() {
    let project = Project::new();
    let domain = grains(&project.path("grains.png"));
    project.assert_done("predict grains.png --model percolation --frames 7 -o slow");
    let file = PredictionFile::open(&project.path("slow/predictions.h5")).expect("predictions");
    assert_eq!(file.header().source, "percolation");
    let found = file.prediction(0).expect("a prediction");
    let config = PercolationConfig { frames: 7, ..PercolationConfig::default() };
    let truth =
        percolation::simulate(&domain, Side::Top, &FluidPair::default(), &config, 0).expect("simulated");
    assert_eq!(found.times, truth.times);
    assert_eq!(found.probability, truth.phase.mapv(|invaded| f32::from(u8::from(invaded))));

    project.assert_done(
        "predict grains.png --model lattice-boltzmann --capillary-number 0.05 --frames 5 -o fast",
    );
    let fast = PredictionFile::open(&project.path("fast/predictions.h5")).expect("predictions");
    let physics = fast.physics(0).expect("readable");
    assert_eq!((physics.capillary_number, physics.contact_angle_deg), (Some(0.05), Some(45.0)));
    let fast = fast.prediction(0).expect("a prediction");
    assert_eq!(fast.times.len(), 5);
    assert!(fast.probability.iter().all(|p| *p == 0.0 || *p == 1.0));
    assert!(project.path("fast/animation.gif").is_file());
    project
        .assert_refused("predict grains.png --model percolation --times 0.1 -o x", &["--times", "--frames"]);
    project.assert_refused("predict data.h5 --model percolation -o x", &["data.h5", "dataset"]);
    project.assert_refused("predict grains.png --model percolation --contact-angle 120 -o x", &["contact"]);
}

#[test]
fn every_image_of_a_folder_is_predicted_into_a_folder_of_its_name() {
    let project = Project::new();
    std::fs::create_dir(project.path("pictures")).expect("a folder");
    grains(&project.path("pictures/a.png"));
    grains(&project.path("pictures/b.jpg"));
    grains(&project.path("pictures/b.png"));
    std::fs::write(project.path("pictures/notes.txt"), "not an image").expect("written");
    let pixels = ndarray::Array2::from_shape_fn((40, 24), |(y, _)| if y == 20 { 0u8 } else { 255 });
    ndarray_npy::write_npy(project.path("pictures/closed.npy"), &pixels).expect("written");
    let output = project.porecast("predict pictures --model percolation -o out".split(' ')).succeeds();
    let said = text(&output.stderr);
    assert!(said.contains("left out") && said.contains("closed.npy"), "{said}");
    assert!(said.contains("predicted 3 of 4 images"), "{said}");
    let mut names: Vec<_> = std::fs::read_dir(project.path("out"))
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["a", "b.jpg", "b.png"]);
    project.trained("", "run");
    project.assert_done("predict pictures/a.png --run run -o one");
    project.assert_done("predict pictures --model run -o all");
    let read = |path: &str| {
        PredictionFile::open(&project.path(path)).expect("predictions").prediction(0).expect("one")
    };
    assert_eq!(read("one/predictions.h5").probability, read("all/a/predictions.h5").probability);
    project.assert_refused("predict pictures/a.png --run run --frames 3 -o x", &["--frames", "--times"]);
}

#[test]
fn every_stage_names_the_command_that_follows() {
    let project = Project::new();
    let config = project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 8");
    let said = |command: &mut std::process::Command| text(&command.succeeds().stderr);
    let trained = said(&mut project.train(&config, "run"));
    assert!(trained.contains("next: porecast evaluate "), "{trained}");
    assert!(said(&mut project.porecast(["evaluate", "run"])).contains("next: porecast report run"));
    assert!(
        said(&mut project.porecast(["compare", "run", "-o", "both"])).contains("next: porecast report both")
    );
    assert!(!said(&mut project.porecast(["-q", "evaluate", "run", "--force"])).contains("next"));
}
