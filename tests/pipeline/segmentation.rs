//! A whole segmentation study: from files to masks, scores and a search.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::support::{Exits, Workshop, assert_same_outcome, fails, metric, text};

/// A folder with prepared synthetic terrain and the configuration of a network that trains in a second.
struct Study {
    folder: TempDir,
}

const CONFIG: &str = "
task = 'segmentation'
name = 'terrain'
dataset = 'terrain.h5'
classes = ['not scored', 'soil', 'bedrock', 'sand', 'big rock']
normalization = 'image'
source = { path = 'terrain/mars_for_students.npz', format = { npz-stack = { classes = 5 } }, resize = [32, 64] }
augment.geometry = { flip_horizontal = 0.5 }
optimizer.learning_rate = 1e-2
training = { epochs = 3, batch_size = 4 }
";

impl Workshop for Study {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Study {
    /// `more` configures the split and the loss.
    fn new(more: &str) -> Self {
        let study = Self { folder: tempfile::tempdir().expect("a folder") };
        let network = "[model.unet]\nbase_channels = 4\nlevels = 2\n";
        std::fs::write(study.path("terrain.toml"), format!("{CONFIG}{more}\n{network}")).expect("written");
        let few = ["--set", "training=20", "--set", "test=2", "--set", "outliers=0"];
        study.porecast(["synth", "mars", "-o", "terrain"]).args(few).succeeds();
        study.porecast(["prepare", "terrain.toml"]).succeeds();
        study
    }

    fn train(&self, run: &str) -> Command {
        self.porecast(["train", "terrain.toml", "-o", run])
    }
}

const HOLD_OUT: &str =
    "split.method = { hold-out = { validation = 0.2, test = 0.2 } }\nloss.cross_entropy = 1.0";
const FOLDS: &str = "split.method = { folds = { count = 2, test = 0.2 } }\nloss.cross_entropy = 1.0";

/// The mean in the row of the summary that begins with `cells`.
fn summary(run: &Path, cells: &str) -> f64 {
    let text = std::fs::read_to_string(run.join("evaluation/summary.csv")).expect("a summary");
    let row =
        text.lines().find(|line| line.starts_with(cells)).unwrap_or_else(|| panic!("{cells} in {text}"));
    row.split(',').nth(5).expect("the mean").parse().expect("a number")
}

#[test]
fn a_study_goes_from_files_to_scores() {
    let study = Study::new(HOLD_OUT);
    study.train("run").args(["--set", "training.epochs=8"]).succeeds();
    let loss = metric(&study.path("run"), "train_loss");
    assert!(loss[7] < 0.8 * loss[0], "{loss:?}");
    assert!(metric(&study.path("run"), "validation_error").iter().all(|error| (0.0..=1.0).contains(error)));
    study.porecast(["evaluate", "run"]).succeeds();
    let scored = |source: &str| summary(&study.path("run"), &format!("train,{source},dice,set"));
    assert!(scored("network") > 0.2 + scored("all background"), "{}", scored("network"));
    study.porecast(["report", "run"]).succeeds();
    assert!(study.path("run/report.html").exists());

    study.porecast(["predict", "--run", "run", "terrain.h5", "--part", "test", "-o", "out"]).succeeds();
    let count = |folder: &str, extension: &str| {
        let entries = std::fs::read_dir(study.path(folder)).expect("a folder").flatten();
        entries.filter(|entry| entry.path().extension().is_some_and(|found| found == extension)).count()
    };
    let sheet = image::open(study.path("out/sheet.png")).expect("a sheet");
    assert!(sheet.width() > 512, "{}", sheet.width());
    assert_eq!([count("out/masks", "png"), count("out/masks", "json"), count("out/overlays", "png")], [4; 3]);
    // Files of the study, with and without masks. Predicted masks have the original size of their images.
    let archive = "terrain/mars_for_students.npz";
    study.porecast(["predict", "--run", "run", archive, "-o", "files"]).succeeds();
    assert_eq!(count("files/masks", "png"), 22);
    let mask = std::fs::read_dir(study.path("files/masks")).expect("a folder").flatten();
    let png = mask.map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "png"));
    let mask = image::open(png.expect("a mask")).expect("an image");
    assert_eq!((mask.width(), mask.height()), (128, 64));
    // Both have a page: of a dataset with its predictions, of files with the outlines on the images.
    assert!(study.path("out/report.html").exists());
    let page = std::fs::read_to_string(study.path("files/report.html")).expect("a page");
    assert_eq!((page.matches("<img").count(), page.matches("href=\"./masks/").count()), (22, 22));
    assert!(page.contains("Outlines of the masks") && page.contains("href=\"./sheet.png\""), "{page}");
}

#[test]
fn a_run_is_scored_on_images_that_were_prepared_for_nothing_else() {
    let study = Study::new(HOLD_OUT);
    let few = ["--set", "training=3", "--set", "test=1", "--set", "outliers=0"];
    study.porecast(["synth", "mars", "-o", "new", "--seed", "9"]).args(few).succeeds();
    let new = ["--set", "split.method=test-only", "--set", "dataset=new.h5"];
    let archive = ["prepare", "terrain.toml", "--source", "new/mars_for_students.npz", "-o", "new.h5"];
    let prepared = study.porecast(archive).args(new).succeeds();
    let said = text(&prepared.stdout);
    assert!(said.contains("(channels x height x width); test 3"), "{said}");
    fails(study.train("run").args(new), 2, &["split.method", "nothing to train on"]);
    study.train("run").args(["--set", "training.epochs=1"]).succeeds();
    study.porecast(["evaluate", "run", "--dataset", "new.h5", "-o", "new/evaluation"]).succeeds();
    assert!((0.0..=1.0).contains(&summary(&study.path("new"), "all,network,dice,set")));
    // The mean-mask baseline needs the training images.
    let mean = "all,mean mask,dice,set";
    assert!((0.0..=1.0).contains(&summary(&study.path("new"), mean)));
    std::fs::remove_file(study.path("terrain.h5")).expect("the training images");
    study.porecast(["evaluate", "run", "--dataset", "new.h5", "-o", "new/evaluation", "--force"]).succeeds();
    let scores = std::fs::read_to_string(study.path("new/evaluation/summary.csv")).expect("scores");
    assert!(!scores.contains(mean) && scores.contains("all,network,dice,set"), "{scores}");
}

#[test]
fn every_fold_is_validated_on_by_the_network_that_has_not_seen_it() {
    let study = Study::new(FOLDS);
    study.train("run").args(["--fold", "1"]).succeeds();
    assert!(!study.path("run/fold-00").exists() && study.path("run/fold-01/best.safetensors").exists());
    study.train("run").arg("--resume").succeeds();
    assert!(study.path("run/fold-00/best.safetensors").exists());
    study.train("whole").succeeds();
    assert_same_outcome(&study.path("run"), &study.path("whole"));
    study.porecast(["evaluate", "run"]).succeeds();
    let shown = study.porecast(["inspect", "run", "--png", "run.png"]).succeeds();
    let shown = text(&shown.stdout);
    for wanted in ["fold 0", "fold 1", "big rock", "channels of 32 x 64 pixels", "test "] {
        assert!(shown.contains(wanted), "{wanted:?} is not in {shown}");
    }
    assert!(study.path("run.png").exists());
    let scored = summary(&study.path("run"), "validation,network,dice,images");
    assert!((0.0..=1.0).contains(&scored));
    let images = std::fs::read_to_string(study.path("run/evaluation/per_image.csv")).expect("scores");
    let validated = images.lines().filter(|line| line.starts_with("validation,network,")).count();
    assert_eq!(validated, 16);
    fails(study.train("other").args(["--fold", "2"]), 2, &["--fold", "outside 0 to 1"]);
}

#[test]
fn bags_are_combined_by_mean_and_by_vote() {
    let study = Study::new(HOLD_OUT);
    let bags = ["--set", "ensemble.bags=2", "--set", "training.epochs=1"];
    study.train("mean").args(bags).succeeds();
    study.train("vote").args(bags).args(["--set", "prediction.combine=vote"]).succeeds();
    let weights =
        |run: &str, bag: &str| std::fs::read(study.path(run).join(bag).join("best.safetensors")).unwrap();
    assert!(weights("mean", "bag-00") != weights("mean", "bag-01"));
    assert!(weights("mean", "bag-00") == weights("vote", "bag-00"));
    let views = ["--set", "prediction.views=flips-and-turns"];
    study.train("turned").args(bags).args(views).succeeds();
    for run in ["mean", "vote", "turned"] {
        study.porecast(["evaluate", run]).succeeds();
    }
    study.porecast(["compare", "mean", "vote", "turned", "-o", "comparison"]).succeeds();
    assert!(study.path("comparison/comparison.md").exists());
}

#[test]
fn an_interrupted_training_ends_as_if_it_had_not_been() {
    let study = Study::new(HOLD_OUT);
    let slow = ["--set", "training.epochs=6", "--set", "training.checkpoint_seconds=0"];
    let drawn = ["--set", "model.dropout=0.2", "--set", "augment.noise={probability=1.0,sigma=0.1}"];
    study.train("whole").args(slow).args(drawn).succeeds();
    for delay in [150, 400, 700] {
        let mut child = study.train("cut").args(slow).args(drawn).arg("--resume").spawn().expect("starts");
        std::thread::sleep(std::time::Duration::from_millis(delay));
        let _ = child.kill();
        child.wait().expect("ends");
    }
    study.train("cut").args(slow).args(drawn).arg("--resume").succeeds();
    assert_same_outcome(&study.path("cut"), &study.path("whole"));
}

#[test]
fn every_loss_and_network_of_the_studies_trains() {
    let study = Study::new("split.method = { hold-out = { validation = 0.2, test = 0.2 } }\nloss.iou = 1.0");
    let once = ["--set", "training.epochs=1"];
    for (run, changes) in [
        ("focal", vec!["loss.focal=1", "loss.excluded=[0]", "loss.l2=1e-4"]),
        ("checkpointed", vec!["training.gradient_checkpointing=true", "loss.dice=1", "loss.l1=1e-5"]),
        ("deep", vec!["model.unet.deep_supervision=1", "loss.levels=[1.0,0.25]"]),
        ("global", vec!["model.unet.global={enabled=true,heads=2}", "model.unet.context.kind=aspp"]),
        ("encoder", vec!["model.unet.encoder.kind=resnet18", "model.unet.levels=5"]),
        ("plateau", vec!["schedule.shape=plateau", "training.patience=1", "optimizer.algorithm=sgd"]),
    ] {
        let mut command = study.train(run);
        command.args(once);
        for change in changes {
            command.args(["--set", change]);
        }
        command.succeeds();
    }
}

#[test]
fn a_search_goes_on_where_it_was_killed() {
    let study = Study::new(HOLD_OUT);
    let search = "name = 'rates'\ntraining = 'terrain.toml'\ntrials = 4\nstartup = 2\n\
                  [[parameter]]\nkey = 'optimizer.learning_rate'\nvalues.real = { low = 1e-4, high = 1e-1, scale = 'log' }\n\
                  [[parameter]]\nkey = 'model.unet.base_channels'\nvalues.choice = [2, 4]\n";
    std::fs::write(study.path("search.toml"), search).expect("written");
    let begin = || study.porecast(["search", "search.toml", "-o", "search"]);
    let mut child = begin().spawn().expect("starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let _ = child.kill();
    child.wait().expect("ends");
    let said = text(&begin().succeeds().stdout);
    assert!(said.contains("best: trial "), "{said}");
    let trials = std::fs::read_to_string(study.path("search/trials.csv")).expect("a table");
    assert_eq!(trials.lines().count(), 5, "{trials}");
    for file in ["parallel.svg", "parallel.png", "best.toml", "trial-003/best.safetensors"] {
        assert!(study.path("search").join(file).exists(), "{file}");
    }
    study.porecast(["train", "search/best.toml", "-o", "best", "--set", "name=best"]).succeeds();
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let study = Study::new(HOLD_OUT);
    let set = |change: &str| {
        let mut command = study.train("run");
        command.args(["--set", change]);
        command
    };
    fails(&mut set("normalization=imagenet"), 2, &["normalization", "three channels"]);
    fails(&mut set("classes=['a','b','c','d','e']"), 2, &["classes", "differ from those of"]);
    fails(&mut set("split.seed=9"), 2, &["split", "delete this file"]);
    fails(&mut set("dataset=nowhere.h5"), 2, &["nowhere.h5", "check the path"]);
    fails(&mut set("loss.dice=-1"), 2, &["loss.dice"]);
    study.train("run").args(["--set", "training.epochs=1"]).succeeds();
    fails(&mut study.train("run"), 2, &["exists already", "--resume"]);
    let predict = |arguments: &[&str]| {
        let mut command = study.porecast(["predict", "--run", "run", "-o", "out"]);
        command.args(arguments);
        command
    };
    fails(&mut predict(&["terrain.h5", "--part", "all"]), 2, &["--part"]);
    fails(&mut predict(&["terrain.h5", "--times", "0.1"]), 2, &["are for runs on invasions"]);
    image::RgbImage::new(8, 8).save(study.path("photo.png")).expect("written");
    fails(&mut predict(&["photo.png"]), 2, &["photo.png", "3 channels, the run learnt 1"]);
    image::GrayImage::new(8, 8).save(study.path("grey.png")).expect("written");
    predict(&["grey.png"]).succeeds();
}
