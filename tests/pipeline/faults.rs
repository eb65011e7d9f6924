//! Faulty input of `train` and `predict` gives a clear error and loses no data.

use std::fs;
use std::path::Path;

use image::{GrayImage, Luma};

use crate::support::{
    Exits, Project, Workshop, assert_same_outcome, dataset, fails, on_a_full_disk, outcome, porecast, text,
};

const SHORT: &str = "[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 8";

fn image(path: &Path, (height, width): (u32, u32), is_solid: impl Fn(u32, u32) -> bool) {
    let grey = |x, y| Luma([if is_solid(y, x) { 0 } else { 255 }]);
    GrayImage::from_fn(width, height, grey).save(path).expect("written");
}

#[test]
fn a_missing_or_truncated_dataset_is_named() {
    let project = Project::new();
    let config = project.config(SHORT);
    let data = project.path("data.h5");
    let bytes = fs::read(&data).expect("read");
    for length in [0, 7, 600, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&data, &bytes[..length]).expect("written");
        fails(&mut project.train(&config, "run"), 2, &["data.h5"]);
    }
    fs::remove_file(&data).expect("removed");
    fails(&mut project.train(&config, "run"), 2, &["data.h5"]);
    assert!(!project.path("run").exists(), "a run that cannot begin leaves no folder");
}

#[test]
fn all_unknown_keys_are_named_at_once() {
    let project = Project::new();
    let config =
        project.config("epoch = 3\n[loss]\ncross_entropy = 1.0\nentropy = 2.0\n[trainin]\nepochs = 2");
    fails(
        &mut project.train(&config, "run"),
        2,
        &["train.toml", "3 problems", "epoch", "loss.entropy", "trainin"],
    );
}

#[test]
fn all_values_outside_their_range_are_named_at_once() {
    let project = Project::new();
    let config = project.config(
        "[loss]\ncross_entropy = -1.0\n[split]\ntest = 1.5\n[optimizer]\nlearning_rate = 0\nclip_norm = nan\n\
         [training]\nbatch_size = 0\n[model]\ndropout = 1.0",
    );
    let keys = [
        "loss.cross_entropy: -1",
        "split.test: 1.5",
        "optimizer.learning_rate: 0",
        "optimizer.clip_norm: NaN",
        "training.batch_size: 0",
        "model.dropout: 1",
    ];
    fails(&mut project.train(&config, "run"), 2, &keys);
    let config = project.config(SHORT);
    fails(
        project.train(&config, "run").args(["--set", "training.epochs=0"]),
        2,
        &["training.epochs", "at least 1"],
    );
    fails(project.train(&config, "run").args(["--set", "training.epochs"]), 2, &["--set", "key.path=value"]);
    fails(
        project.train(&config, "run").args(["--set", "conditioning={single-frame=[9]}"]),
        2,
        &["9", "0 to 4"],
    );
    fails(project.train(&config, "run").args(["--set", "split.validation=0.0"]), 2, &["split.validation"]);
    assert!(!project.path("run").exists());
}

#[test]
fn a_configuration_that_is_missing_or_no_toml_is_named() {
    let project = Project::new();
    fails(&mut project.train(&project.path("absent.toml"), "run"), 2, &["absent.toml", "cannot be read"]);
    let config = project.path("broken.toml");
    fs::write(&config, "name = 'x'\nloss = [\n").expect("written");
    fails(&mut project.train(&config, "run"), 2, &["broken.toml", "is not TOML", "line"]);
    fs::write(&config, [0xff, 0xfe, 0]).expect("written");
    fails(&mut project.train(&config, "run"), 2, &["broken.toml"]);
}

#[test]
fn an_existing_run_is_kept_without_force() {
    let project = Project::new();
    project.trained("", "run");
    let before = outcome(&project.path("run"));
    let config = project.config(SHORT);
    fails(&mut project.train(&config, "run"), 2, &["run", "--resume", "--force"]);
    assert!(before == outcome(&project.path("run")));
    project.train(&config, "run").arg("--force").succeeds();

    // --force never removes a folder that is not a run.
    fs::create_dir(project.path("photos")).expect("made");
    fs::write(project.path("photos/cat.png"), "x").expect("written");
    fails(project.train(&config, "photos").arg("--force"), 2, &["photos", "is not a run folder"]);
    fails(project.train(&config, "photos").arg("--resume"), 2, &["photos"]);
    assert!(project.path("photos/cat.png").exists());
}

#[test]
fn a_run_does_not_go_on_with_another_configuration_or_dataset() {
    let project = Project::new();
    project.trained("", "run");
    let config = project.config(SHORT);
    let before = outcome(&project.path("run"));
    fails(
        project.train(&config, "run").args(["--resume", "--set", "seed=3"]),
        2,
        &["config.toml", "differs", "--force"],
    );
    let data = project.path("data.h5");
    fs::remove_file(&data).expect("removed");
    dataset(&data, 9, (32, 32), 5);
    fails(project.train(&config, "run").arg("--resume"), 2, &["data.h5", "no longer the dataset", "--force"]);
    assert!(before == outcome(&project.path("run")));
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let project = Project::new();
    project.trained("", "run");
    let config = project.config(SHORT);
    let checkpoint = project.path("run/checkpoint");
    let whole = fs::read(&checkpoint).expect("a checkpoint");
    for at in [0, 30, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&checkpoint, bytes).expect("written");
        fails(project.train(&config, "run").arg("--resume"), 2, &["checkpoint", "--force"]);
        fs::write(&checkpoint, &whole[..at]).expect("written");
        fails(project.train(&config, "run").arg("--resume"), 2, &["checkpoint", "--force"]);
    }
    fs::write(&checkpoint, &whole).expect("written");
    let (mut state, blobs) =
        porecast_store::checkpoint::read::<serde_json::Value>(&checkpoint).expect("a checkpoint");
    state["batch"] = 1000.into();
    porecast_store::checkpoint::write(&checkpoint, &state, &blobs).expect("written");
    fails(project.train(&config, "run").arg("--resume"), 2, &["checkpoint", "batches", "--force"]);
    fs::write(&checkpoint, &whole).expect("written");
    project.train(&config, "run").arg("--resume").succeeds();
}

#[test]
fn a_checkpoint_and_weights_of_another_architecture_are_refused() {
    let project = Project::new();
    project.trained("", "run");
    let others = [
        ("wide", "model.unet.base_channels=8"),
        ("deep", "model.unet.levels=3"),
        ("flat", "model.unet.levels=1"),
        ("group", "model.unet.norm='group'"),
        ("attentive", "model.unet.attention.enabled=true"),
        ("vit", "model.architecture='vit'"),
    ];
    image(&project.path("open.png"), (32, 32), |_, _| false);
    let config = project.config(SHORT);
    let whole = fs::read(project.path("run/checkpoint")).expect("a checkpoint");
    let weights = fs::read(project.path("run/best.safetensors")).expect("weights");
    for (name, change) in others {
        project.train(&config, name).args(["--set", change]).succeeds();
        fs::copy(project.path(name).join("best.safetensors"), project.path("run/best.safetensors"))
            .expect("copied");
        fails(&mut project.predict("run", "open.png", "out"), 2, &["best.safetensors", "network"]);
        fs::copy(project.path(name).join("checkpoint"), project.path("run/checkpoint")).expect("copied");
        fails(project.train(&config, "run").arg("--resume"), 2, &["checkpoint", "--force"]);
    }
    fs::write(project.path("run/checkpoint"), whole).expect("written");
    for broken in [&weights[..0], &weights[..weights.len() / 2], b"not weights at all"] {
        fs::write(project.path("run/best.safetensors"), broken).expect("written");
        fails(&mut project.predict("run", "open.png", "out"), 2, &["best.safetensors"]);
    }
    assert!(!project.path("out").exists());
}

#[test]
fn unknown_devices_are_refused() {
    let project = Project::new();
    let config = project.config(SHORT);
    for (gpu, is_built) in [("cuda", cfg!(feature = "cuda")), ("wgpu", cfg!(feature = "wgpu"))] {
        let (named, feature) = (format!("{gpu}:x"), format!("--features {gpu}"));
        let said: &[&str] = if is_built { &[&named] } else { &[&feature, "use cpu"] };
        fails(project.train(&config, "run").args(["--device", &named]), 2, said);
    }
    fails(project.train(&config, "run").args(["--device", "tpu"]), 2, &["tpu", "cpu, cuda"]);
    fails(project.train(&config, "run").args(["--device", ""]), 2, &["cpu, cuda"]);
}

#[cfg(all(feature = "wgpu", target_os = "linux"))]
#[test]
fn a_gpu_that_does_not_answer_is_refused() {
    let project = Project::new();
    let config = project.config(SHORT);
    let mut command = project.train(&config, "run");
    command
        .args(["--device", "wgpu"])
        .env("VK_ICD_FILENAMES", "/no/driver")
        .env("VK_DRIVER_FILES", "/no/driver");
    fails(&mut command, 2, &["\"wgpu\" does not answer", "use cpu"]);
}

#[cfg(feature = "wgpu")]
#[test]
fn a_batch_too_large_for_a_gpu_is_refused_with_one_that_fits() {
    let project = Project::new();
    let config = project.config(SHORT);
    let train = |batch: usize| {
        let mut command = project.train(&config, "run");
        command.args(["--device", "wgpu", "--dry-run", "--set", "model.unet.base_channels=16"]);
        command.args(["--set", &format!("training.batch_size={batch}")]);
        command
    };
    // 128 KiB for the largest tensor of a sample of 32 x 32 pixels; a buffer of llvmpipe has 128 MiB.
    let words =
        ["training.batch_size", "a buffer there has 128 MiB", "training.batch_size = 1024 should fit"];
    fails(&mut train(1100), 2, &words);
    // Attention is not in that estimate: 1 MiB for a sample, the products of 256 pixels in four heads.
    let mut attention = train(160);
    attention.args(["--set", "model.unet.attention={enabled=true}", "--set", "model.unet.levels=1"]);
    attention.args(["--set", "model.unet.base_channels=4", "--set", "training.samples_per_epoch=160"]);
    fails(&mut attention, 2, &["memory of the GPU is full", "training.batch_size = 128 should fit"]);
}

#[test]
fn images_that_cannot_be_a_domain_are_refused() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("wall.png"), (32, 32), |y, _| y == 16);
    fails(
        &mut project.predict("run", "wall.png", "out"),
        2,
        &["wall.png", "no path from the top", "--threshold"],
    );
    project.predict("run", "wall.png", "sideways").args(["--inlet", "left"]).succeeds();
    image(&project.path("solid.png"), (32, 32), |_, _| true);
    fails(&mut project.predict("run", "solid.png", "out"), 2, &["solid.png", "0 % of the image", "--invert"]);
    fails(&mut project.predict("run", "absent.png", "out"), 2, &["absent.png", "cannot be read"]);
    fs::write(project.path("words.png"), "no image").expect("written");
    fails(&mut project.predict("run", "words.png", "out"), 2, &["words.png", "neither a PNG nor a TIFF"]);
    fs::write(project.path("empty.tif"), "").expect("written");
    fails(&mut project.predict("run", "empty.tif", "out"), 2, &["empty.tif", "cannot be read"]);
    let whole = fs::read(project.path("wall.png")).expect("read");
    fs::write(project.path("half.png"), &whole[..whole.len() / 2]).expect("written");
    fails(&mut project.predict("run", "half.png", "out"), 2, &["half.png", "damaged"]);
    fs::write(project.path("domain.jpg"), &whole).expect("written");
    fails(&mut project.predict("run", "domain.jpg", "out"), 2, &["domain.jpg"]);
    assert!(!project.path("out").exists());
}

#[test]
fn arguments_of_predict_outside_their_range_are_refused() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("open.png"), (32, 32), |_, _| false);
    let refuse = |arguments: &[&str], words: &[&str]| {
        fails(project.predict("run", "open.png", "out").args(arguments), 2, words);
    };
    refuse(&["--times", "0.1,NaN"], &["--times", "NaN"]);
    refuse(&["--times", "inf"], &["--times", "inf"]);
    refuse(&["--times=-0.1"], &["--times", "-0.1"]);
    refuse(&["--times", "0.2,0.1"], &["--times", "ascend"]);
    refuse(&["--times", "soon"], &["--times", "soon"]);
    refuse(&["--threshold", "NaN"], &["--threshold", "NaN"]);
    refuse(&["--threshold", "1.5"], &["--threshold", "1.5"]);
    refuse(&["--tile", "3"], &["--tile", "3"]);
    refuse(&["--inlet", "front"], &["--inlet", "front"]);
    refuse(&["--part", "test"], &["--part", "image"]);
    fails(
        project.predict("run", "data.h5", "out").args(["--part", "exam"]),
        2,
        &["--part", "exam", "validation"],
    );
    fails(
        project.predict("run", "data.h5", "out").args(["--times", "0.1"]),
        2,
        &["--times", "its own times"],
    );
    fails(project.predict("run", "data.h5", "out").args(["--inlet", "left"]), 2, &["inlet", "top"]);
    assert!(!project.path("out").exists());

    project.predict("run", "open.png", "out").succeeds();
    fails(&mut project.predict("run", "open.png", "out"), 2, &["out", "--force"]);
}

#[test]
fn only_run_folders_predict() {
    let project = Project::new();
    image(&project.path("open.png"), (32, 32), |_, _| false);
    fails(
        &mut project.predict("absent", "open.png", "out"),
        2,
        &["absent", "is not a run folder", "porecast train"],
    );
    fs::create_dir(project.path("empty")).expect("made");
    fails(&mut project.predict("empty", "open.png", "out"), 2, &["empty", "is not a run folder"]);
    fs::write(project.path("empty/run.json"), "{").expect("written");
    fails(&mut project.predict("empty", "open.png", "out"), 2, &["run.json", "is not a run card"]);

    project.trained("", "run");
    let card = fs::read_to_string(project.path("run/run.json")).expect("a card");
    fs::write(project.path("run/run.json"), card.replace("\"version\": 1", "\"version\": 7"))
        .expect("written");
    fails(&mut project.predict("run", "open.png", "out"), 2, &["run.json", "version 7", "version 1"]);
    fs::write(project.path("run/run.json"), card).expect("written");
    fs::remove_file(project.path("run/best.safetensors")).expect("removed");
    fails(&mut project.predict("run", "open.png", "out"), 2, &["best.safetensors", "cannot be read"]);
}

#[test]
fn a_full_disk_stops_a_training_and_keeps_its_checkpoint() {
    let project = Project::new();
    let config =
        project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 3\ncheckpoint_seconds = 0");
    project.train(&config, "whole").succeeds();

    let nothing = &mut on_a_full_disk(&project.train(&config, "none"), 0);
    fails(nothing, 1, &["none", "cannot be written", "File too large"]);
    project.train(&config, "none").arg("--resume").succeeds();
    assert_same_outcome(&project.path("whole"), &project.path("none"));

    // Kill the training after its first epoch and resume it on a disk without room for another checkpoint.
    let run = project.path("run");
    let mut child = porecast().args(["train", "-q", "-o"]).args([&run, &config]).spawn().expect("started");
    while !run.join("metrics.csv").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let before = fs::read(run.join("checkpoint")).expect("a checkpoint");
    fails(
        &mut on_a_full_disk(project.train(&config, "run").arg("--resume"), 24),
        1,
        &["cannot be written", "File too large"],
    );
    assert!(before == fs::read(run.join("checkpoint")).expect("a checkpoint"), "the checkpoint is as it was");
    project.train(&config, "run").arg("--resume").succeeds();
    assert_same_outcome(&project.path("whole"), &run);
}

#[test]
fn a_full_disk_stops_a_prediction_and_leaves_no_broken_file() {
    let project = Project::new();
    project.trained("", "run");
    image(&project.path("open.png"), (96, 96), |y, x| y % 5 == 0 && x % 7 == 0);
    fails(
        &mut on_a_full_disk(&project.predict("run", "open.png", "out"), 8),
        1,
        &["out", "cannot be written"],
    );
    assert!(!project.path("out/predictions.h5").exists());
    fails(
        &mut on_a_full_disk(&project.predict("run", "data.h5", "out-data"), 24),
        1,
        &["predictions.h5", "cannot be written"],
    );
    assert!(!project.path("out-data/predictions.h5").exists());
    project.predict("run", "open.png", "out").arg("--force").succeeds();

    // A later failure keeps the existing predictions and all of their pictures.
    let kept = || {
        let pictures = fs::read_dir(project.path("out/frames")).expect("pictures");
        let mut files: Vec<_> = pictures.map(|entry| entry.expect("an entry").path()).collect();
        files.extend(["predictions.h5", "animation.gif"].map(|name| project.path("out").join(name)));
        files.sort();
        files.into_iter().map(|file| (fs::read(&file).expect("read"), file)).collect::<Vec<_>>()
    };
    let before = kept();
    assert!(before.len() > 2);
    let mut again = project.predict("run", "open.png", "out");
    fails(&mut on_a_full_disk(again.arg("--force"), 8), 1, &["cannot be written"]);
    assert!(kept() == before, "a prediction that failed changed what was there");
}

#[test]
fn an_output_below_a_file_cannot_be_written() {
    let project = Project::new();
    let config = project.config(SHORT);
    fails(&mut project.train(&config, "data.h5/run"), 1, &["data.h5/run"]);
    project.trained("", "run");
    image(&project.path("open.png"), (32, 32), |_, _| false);
    fails(&mut project.predict("run", "open.png", "data.h5/out"), 1, &["data.h5/out", "cannot be written"]);
}

#[test]
fn a_diverging_training_stops_and_names_epoch_step_samples_and_term() {
    let project = Project::new();
    let calm = "[loss]\nmse = 1.0\n[optimizer]\nalgorithm = 'sgd'\nclip_norm = 0.0\nweight_decay = 0.99\n\
                learning_rate = 10.0\n[training]\nepochs = 60\ncheckpoint_seconds = 0";
    let config = project.config(calm);
    let message = fails(
        &mut project.train(&config, "run"),
        1,
        &["in epoch", "at step", "samples domain-", "learning_rate"],
    );
    let terms = ["loss.mse is", "the gradient's norm is", "the validation loss is not finite"];
    assert!(terms.iter().any(|term| message.contains(term)), "{message}");
    // The checkpoint is intact: the resumed training diverges at the same step.
    assert!(project.path("run/checkpoint").exists());
    let again = fails(project.train(&config, "run").arg("--resume"), 1, &["in epoch"]);
    assert_eq!(
        again.split_once("in epoch").map(|(_, rest)| rest),
        message.split_once("in epoch").map(|(_, rest)| rest)
    );
}

#[test]
fn commands_without_arguments_explain_themselves() {
    porecast().exits(2);
    for command in ["simulate", "import", "inspect", "train", "predict", "evaluate", "compare", "report"] {
        let help = porecast().args([command, "--help"]).succeeds().stdout;
        let help = text(&help);
        assert!(help.contains("Examples:"), "{command}: {help}");
        porecast().arg(command).exits(2);
    }
    porecast().args(["train", "a.toml", "--resume", "--force"]).exits(2);
}

#[test]
fn what_cannot_fit_into_memory_is_refused_before_it_is_taken() {
    let project = Project::new();
    let config = project.config(SHORT);
    let large = ["--set", "model.architecture='vit'", "--set", "model.vit.width=65536"];
    let wanted = ["model", "GiB of memory", "million weights"];
    fails(project.train(&config, "run").args(large), 2, &wanted);
    assert!(!project.path("run").exists());
    let campaign = "domains = 2\nheight = 64\nwidth = 64\nvoxel_size_m = 1e-5\npercolation.frames = 1000000000000\n\
                    [[domain]]\ngenerator = { kind = 'disc-pack' }";
    fs::write(project.path("simulate.toml"), campaign).expect("written");
    let mut simulate = project.porecast(["simulate", "simulate.toml", "-o", "large.h5"]);
    fails(&mut simulate, 2, &["frames", "GiB of memory", "fewer frames"]);
}
