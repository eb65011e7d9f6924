//! Capillary number, viscosity ratio and contact angle, from the data to the scores.

use std::path::Path;

use image::{GrayImage, Luma};
use porecast::RunFolder;
use porecast::store::{InvasionDataset, Physics, PredictionFile, invasion};

use crate::support::{Exits, Project, Workshop, fails, text};

/// A copy of a dataset with another contact angle.
fn with_contact_angle(from: &Path, to: &Path, degrees: f64) {
    let dataset = InvasionDataset::open(from).unwrap();
    let sequences = (0..dataset.len()).map(|index| {
        let mut sequence = dataset.sequence(index)?;
        sequence.parameters.contact_angle_deg = degrees;
        Ok((dataset.domain_ids()[index].clone(), sequence))
    });
    invasion::write(to, dataset.origin(), sequences).unwrap();
}

fn image(path: &Path, height: u32, width: u32) {
    let is_solid = |x: u32, y: u32| (3 * y + x) % 17 < 3 && (y + 2 * x) % 13 < 6;
    GrayImage::from_fn(width, height, |x, y| Luma([if is_solid(x, y) { 0 } else { 255 }]))
        .save(path)
        .unwrap();
}

#[test]
fn predictions_say_what_they_were_made_for_and_are_scored_on_nothing_else() {
    let project = Project::new();
    with_contact_angle(&project.path("data.h5"), &project.path("sixty.h5"), 60.0);
    project.trained("physics = ['contact-angle']", "run");
    image(&project.path("a.png"), 32, 32);
    project.predict("run", "a.png", "image").args(["--contact-angle", "45"]).succeeds();
    project.predict("run", "data.h5", "data").succeeds();
    for output in ["image", "data"] {
        let file = PredictionFile::open(&project.path(output).join("predictions.h5")).unwrap();
        let expected = Physics { contact_angle_deg: Some(45.0), ..file.physics(0).unwrap() };
        assert_eq!(file.physics(0).unwrap(), expected, "{output}");
    }
    let shown = project.assert_done("inspect image/predictions.h5");
    assert!(shown.lines().any(|line| line.split_whitespace().eq(["contact", "angle", "45"])), "{shown}");
    project.assert_done("evaluate data/predictions.h5 --dataset data.h5 -o scores");
    project.assert_refused(
        "evaluate data/predictions.h5 --dataset sixty.h5 -o other",
        &["predictions.h5", "was predicted for contact angle 45", "sixty.h5 has 60"],
    );
}

#[test]
fn options_that_a_dataset_or_a_run_does_not_follow_are_refused() {
    let project = Project::new();
    project.trained("physics = ['contact-angle']", "told");
    project.trained("", "untold");
    let mut told = project.predict("told", "data.h5", "out");
    fails(
        told.args(["--contact-angle", "60"]),
        2,
        &["--contact-angle", "60 is not", "data.h5", "which is 45"],
    );
    project.predict("told", "data.h5", "out").args(["--contact-angle", "45"]).succeeds();
    for option in [&["--threshold", "0.4"][..], &["--invert"]] {
        fails(
            project.predict("told", "data.h5", "no").args(option),
            2,
            &["--threshold, --invert", "a dataset"],
        );
    }
    image(&project.path("a.png"), 32, 32);
    let mut untold = project.predict("untold", "a.png", "no");
    fails(untold.args(["--capillary-number", "1e-3"]), 2, &["--capillary-number", "was not told"]);
}

#[test]
fn a_fine_tuned_network_is_told_physics_in_the_same_numbers() {
    let project = Project::new();
    with_contact_angle(&project.path("data.h5"), &project.path("sixty.h5"), 60.0);
    project.trained("physics = ['contact-angle']", "run");
    let scale = |run: &str| RunFolder::new(project.path(run)).card().expect("a run").dataset.physics[0];
    let mut tune = project.train(&project.path("train.toml"), "tuned");
    tune.arg("--init")
        .arg(project.path("run"))
        .arg("--set")
        .arg(format!("dataset={:?}", project.path("sixty.h5")));
    tune.succeeds();
    let (run, tuned) = (scale("run"), scale("tuned"));
    assert_eq!((tuned.mean, tuned.standard_deviation), (run.mean, run.standard_deviation));
    assert_eq!((tuned.least, tuned.most), (45.0, 60.0));
}

#[test]
fn tiles_that_change_the_prediction_are_warned_about() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("a.png"), 64, 48);
    let said = |run: &str, tile: &str| {
        let mut predict = project.predict(run, "a.png", "out");
        text(&predict.args(["--force", "--rescale", "1", "--tile", tile]).succeeds().stderr)
    };
    let warned = said("run", "16");
    let wanted = "warning: tiles of 16 pixels are smaller than the training domains (32 x 32 pixels)";
    assert!(warned.contains(wanted) && warned.contains("--tile 64"), "{warned}");
    assert!(!said("run", "48").contains("tiles of"), "larger than what it learnt");
    project.trained("model.architecture = 'vit'\nmodel.vit = { width = 16, depth = 1, heads = 2 }", "vit");
    let warned = said("vit", "48");
    assert!(
        warned.contains("the domain (64 x 48 pixels), which this network should see as a whole"),
        "{warned}"
    );
    assert!(!said("vit", "64").contains("tiles of"), "a single tile");
    let config = project.config(
        "conditioning = { recurrent = { knots = 3 } }\n[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\n\
         samples_per_epoch = 8",
    );
    project.train(&config, "recurrent").args(["--set", "model.unet.levels=4"]).succeeds();
    assert!(said("recurrent", "48").contains("which this network should see as a whole"));
    image(&project.path("long.png"), 600, 32);
    let whole = project.predict("recurrent", "long.png", "whole").succeeds();
    assert!(!text(&whole.stderr).contains("tiles of"), "a recurrent network takes it as a whole");
}
