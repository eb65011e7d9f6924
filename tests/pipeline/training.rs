//! `porecast train`: losses, early stopping, and every network variant of the study.

use std::path::Path;

use ndarray::Array2;
use porecast::RunFolder;
use porecast::base::testing;
use porecast::learning::Predictor;
use porecast::simulations::{Domain, Side};
use porecast::store::{Physics, PredictionFile};

use crate::support::{Exits, Project, Workshop, assert_same_outcome, dataset, dataset_of, fails, metric};

#[test]
fn training_lowers_the_loss() {
    let project = Project::new();
    let config = project
        .config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 6\n[optimizer]\nlearning_rate = 1e-2");
    project.train(&config, "run").succeeds();
    let loss = metric(&project.path("run"), "train_loss");
    assert_eq!(loss.len(), 6);
    assert!(loss[5] < 0.7 * loss[0], "{loss:?}");
    assert!(metric(&project.path("run"), "validation_loss").iter().all(|loss| loss.is_finite()));
}

#[test]
fn domains_of_another_size_are_trained_on_as_well() {
    let project = Project::new();
    dataset_of("large", &project.path("large.h5"), 2, (64, 48), 5);
    let config = |also: &str| {
        let paths = also.split(' ').map(|name| format!("{:?}", project.path(name))).collect::<Vec<_>>();
        let also = paths.join(", ");
        project.config(&format!(
            "also_train_on = [{also}]\n[loss]\ncross_entropy = 1.0\n[training]\nepochs = 2\nbatch_size = 10\n\
             frames_per_domain = 5\n[schedule]\nshape = 'constant'"
        ))
    };
    let both = config("large.h5");
    project.train(&both, "run").succeeds();
    let card = RunFolder::new(project.path("run")).card().expect("a run");
    assert_eq!(card.dataset.also[0].domains, ["large-0000", "large-0001"]);
    let domains = card.split.train.len() + 2;
    assert_eq!(metric(&project.path("run"), "samples_seen"), [5.0 * domains as f64, 10.0 * domains as f64]);
    project.train(&both, "parts").args(["--set", "training.epochs=1"]).succeeds();
    project.train(&both, "parts").arg("--resume").succeeds();
    assert_same_outcome(&project.path("parts"), &project.path("run"));
    // Scored are the domains of `dataset`; the others are known as seen.
    project.assert_done("evaluate run");
    let said = project.assert_done("evaluate run --dataset large.h5 -o large");
    assert!(said.contains("2 of the 2 domains are in the data of the run"), "{said}");
    assert!(project.assert_done("inspect run").contains("2 of 64 x 48 pixels"));

    dataset_of("large", &project.path("large.h5"), 3, (64, 48), 5);
    fails(project.train(&both, "run").arg("--resume"), 2, &["large.h5", "is no longer the dataset"]);
    dataset_of("long", &project.path("long.h5"), 1, (64, 48), 7);
    fails(&mut project.train(&config("long.h5"), "no"), 2, &["long.h5", "has frames: 7", "has 5"]);
    dataset(&project.path("same.h5"), 1, (64, 48), 5);
    fails(&mut project.train(&config("same.h5"), "no"), 2, &["same.h5", "domain-0000", "another dataset"]);
    fails(&mut project.train(&config("large.h5 large.h5"), "no"), 2, &["also_train_on", "each dataset once"]);
}

#[test]
fn domains_are_trained_on_in_other_resolutions_as_well() {
    let project = Project::new();
    dataset_of("large", &project.path("large.h5"), 2, (64, 48), 5);
    let large = project.path("large.h5");
    let config = |scales: &str| {
        project.config(&format!(
            "also_train_on = [{large:?}]\nalso_rescaled_by = {scales}\n[loss]\ncross_entropy = 1.0\n[training]\n\
             epochs = 2\nbatch_size = 10\nframes_per_domain = 5\n[schedule]\nshape = 'constant'"
        ))
    };
    let three = config("[0.5, 1.5]");
    project.train(&three, "run").succeeds();
    let card = RunFolder::new(project.path("run")).card().expect("a run");
    let samples = 3.0 * 5.0 * (card.split.train.len() + 2) as f64;
    assert_eq!(metric(&project.path("run"), "samples_seen"), [samples, 2.0 * samples]);
    let sizes: Vec<_> = card.dataset.sizes().collect();
    assert_eq!(sizes, [(32, 32), (16, 16), (48, 48), (64, 48), (32, 24), (96, 72)]);
    let [finest, coarsest] = card.dataset.chord_length.expect("domains with pores");
    assert!(coarsest > 2.9 * finest, "{finest} to {coarsest}");
    project.train(&three, "parts").args(["--set", "training.epochs=1"]).succeeds();
    project.train(&three, "parts").arg("--resume").succeeds();
    assert_same_outcome(&project.path("parts"), &project.path("run"));
    fails(&mut project.train(&config("[0.1]"), "no"), 2, &["also_rescaled_by", "numbers from 0.25 to 4"]);
}

#[test]
fn a_gpu_trains_to_the_loss_of_the_cpu() {
    if !cfg!(feature = "cuda") || !Path::new("/dev/nvidia0").exists() {
        return testing::skip("gpu", "it needs `--features cuda` and an NVIDIA GPU");
    }
    trains_as_the_cpu("cuda");
}

#[test]
fn any_gpu_trains_to_the_loss_of_the_cpu() {
    if !cfg!(feature = "wgpu") {
        return testing::skip("wgpu", "it needs `make test-wgpu`");
    }
    trains_as_the_cpu("wgpu");
}

/// Trains on a device, continues there, and predicts with the same weights as the CPU.
fn trains_as_the_cpu(device: &str) {
    let project = Project::new();
    let config = project.config(
        "[loss]\ncross_entropy = 1.0\n[optimizer]\nema = 0.5\nclip_norm = 1.0\n[training]\nsamples_per_epoch = 8",
    );
    for on in ["flex", device] {
        let train = |epochs: &str| {
            let mut command = project.train(&config, on);
            command.args(["--device", on, "--set", epochs]);
            command
        };
        train("training.epochs=1").succeeds();
        train("training.epochs=2").arg("--resume").succeeds();
        project.predict("flex", "data.h5", &format!("by-{on}")).args(["--device", on]).succeeds();
    }
    let probabilities = |on| {
        let file = PredictionFile::open(&project.path(&format!("by-{on}")).join("predictions.h5"));
        file.and_then(|file| file.prediction(0)).expect("a prediction").probability
    };
    let difference = probabilities("flex") - probabilities(device);
    assert!(difference.iter().all(|value| value.abs() < 1e-3), "the predictions differ");
    let losses = |device| metric(&project.path(device), "train_loss");
    for (cpu, gpu) in losses("flex").into_iter().zip(losses(device)) {
        assert!((gpu / cpu - 1.0).abs() < 0.01, "{gpu} on the GPU, {cpu} on the CPU");
    }
}

#[test]
fn fewer_bits_in_convolutions_change_the_losses_a_little() {
    let project = Project::new();
    let config = project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 2\nsamples_per_epoch = 8");
    let losses = ["float32", "tf32", "bfloat16"].map(|precision| {
        let precise = format!("training.precision={precision}");
        project.train(&config, precision).args(["--set", &precise]).succeeds();
        metric(&project.path(precision), "train_loss")
    });
    let [full, tf32, bfloat16] = losses.map(|losses| losses[1]);
    let difference = |loss: f64| (loss / full - 1.0).abs();
    assert!(difference(tf32) > 0.0 && difference(tf32) < difference(bfloat16), "{full} {tf32} {bfloat16}");
    assert!(difference(bfloat16) < 0.02, "{full} {tf32} {bfloat16}");
    let mut vit = project.train(&config, "vit");
    vit.args(["--set", "training.precision=tf32", "--set", "model.architecture=vit"]);
    fails(&mut vit, 2, &["training.precision", "float32", "model.architecture"]);
}

#[test]
fn training_stops_when_the_validation_loss_stays() {
    let project = Project::new();
    // The learning rate is too small to change the weights. Group norm has no running statistics that would
    // change the loss.
    let config = project.config(
        "[loss]\ncross_entropy = 1.0\n[optimizer]\nlearning_rate = 1e-30\nweight_decay = 0.0\n\
         [training]\nepochs = 9\npatience = 2\nsamples_per_epoch = 4",
    );
    project.train(&config, "run").args(["--set", "model.unet.norm=group"]).succeeds();
    assert_eq!(metric(&project.path("run"), "validation_loss").len(), 3);
}

#[test]
fn a_network_for_each_frame_can_start_from_its_neighbour() {
    let project = Project::new();
    let config = project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 4");
    let each = ["--set", "conditioning={single-frame='all'}"];
    project.train(&config, "scratch").args(each).succeeds();
    project.train(&config, "neighbour").args(each).args(["--set", "training.start=neighbour"]).succeeds();
    let first_loss = |run: &str, frame: usize| {
        metric(&project.path(run).join(format!("frame-{frame:02}")), "train_loss")[0]
    };
    assert_eq!(first_loss("scratch", 0), first_loss("neighbour", 0), "the first has no neighbour");
    assert!((1..5).all(|frame| first_loss("scratch", frame) != first_loss("neighbour", frame)));
    project.predict("neighbour", "data.h5", "out").succeeds();
}

#[test]
fn networks_of_several_seeds_predict_their_average() {
    let project = Project::new();
    let config = project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 4");
    let frames = ["--set", "conditioning={single-frame=[1,3]}", "--set", "training.start=neighbour"];
    project.train(&config, "one").args(frames).succeeds();
    project.train(&config, "two").args(frames).args(["--set", "networks=2"]).succeeds();
    project.train(&config, "swapped").args(frames).args(["--set", "networks=2"]).succeeds();
    let weights = |folder: &str| project.path(folder).join("best.safetensors");
    for frame in ["frame-01", "frame-03"] {
        let [first, second] = [0, 1].map(|network| weights(&format!("two/network-{network:02}/{frame}")));
        let read = |path| std::fs::read(path).expect("weights");
        assert_eq!(
            read(weights(&format!("one/{frame}"))),
            read(first.clone()),
            "the first has the seed of the run"
        );
        assert_ne!(read(first), read(second.clone()));
        std::fs::copy(second, weights(&format!("swapped/network-00/{frame}"))).expect("copied");
    }
    let solid = Array2::from_shape_fn((24, 16), |(y, x)| y % 8 < 3 && (x + y / 2) % 8 < 3);
    let domain = Domain { solid, voxel_size_m: 1e-5 };
    let predict = |run: &str| {
        let predictor = Predictor::open(&project.path(run)).expect("a run");
        predictor.frames(&domain, Side::Top, &Physics::default(), &predictor.times()).expect("predicted")
    };
    let mean = (predict("one") + predict("swapped")) / 2.0;
    let difference = (predict("two") - mean).mapv(f32::abs).into_iter().fold(0.0, f32::max);
    assert!(difference < 1e-6, "{difference}");
    assert!(predict("one") != predict("swapped"));
}

#[test]
fn every_variant_of_the_study_trains_and_predicts() {
    let project = Project::new();
    let config = project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 4");
    let regression = ["head=regression", "loss.cross_entropy=0"];
    let variants: [&[&str]; 14] = [
        &[regression[0], regression[1], "loss.mse=1"],
        &[regression[0], regression[1], "loss.bce=1"],
        &["loss.class_weights=balanced"],
        &["loss.class_weights={given=[0.1,1,1]}", "loss.dice=1", "loss.iou=1"],
        &["loss.volume_soft=0.1", "loss.volume_hard=0.1"],
        &["model.time.enters=['encoder','bottleneck']", "model.time.mode=add"],
        &["model.time.enters=['encoder','decoder']"],
        &["model.unet.attention.enabled=true"],
        &["model.unet.attention={enabled=true,heads=2,positional='none'}"],
        &["conditioning={single-frame=[1,3]}", "model.dropout=0.15"],
        &["model.architecture=vit", "model.vit={patch=4,width=16,depth=2,heads=2}"],
        &["inputs=['pore','distance','depth','percolation']", "model.unet.upsampling=nearest"],
        &["model.unet.norm=group", "optimizer.algorithm=sgd", "schedule.shape=plateau", "model.dropout=0.3"],
        &[
            "optimizer.algorithm=adam",
            "optimizer.ema=0.9",
            "training.accumulation=2",
            "training.frames_per_domain=2",
        ],
    ];
    for (number, settings) in variants.into_iter().enumerate() {
        let run = format!("run-{number}");
        let mut train = project.train(&config, &run);
        for setting in settings {
            train.args(["--set", setting]);
        }
        train.succeeds();
        project.predict(&run, "data.h5", &format!("out-{number}")).args(["--part", "test"]).succeeds();
    }
}
