//! Training that is interrupted at any moment resumes and ends with the same bytes.

use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::support::{
    Exits, Project, Workshop, assert_same_outcome, fails, interrupt, kill_points, outcome, porecast,
};

/// All settings with state between steps: averaged weights, dropout, accumulation, flips, plateau schedule.
const STATEFUL: &str = "
[model]
dropout = 0.1
[loss]
cross_entropy = 1.0
dice = 0.5
[optimizer]
ema = 0.9
[schedule]
shape = 'plateau'
patience = 0
warmup_steps = 3
[training]
epochs = 4
batch_size = 2
accumulation = 2
lateral_flip = true
checkpoint_seconds = 0
";

const SINGLE_FRAMES: &str = "
conditioning = { single-frame = [1, 3, 4] }
[model]
dropout = 0.1
[loss]
cross_entropy = 1.0
[optimizer]
algorithm = 'sgd'
ema = 0.5
[training]
epochs = 2
batch_size = 1
start = 'neighbour'
checkpoint_seconds = 0
";

fn start(config: &Path, run: &Path, more: &[&str]) -> Child {
    porecast()
        .arg("train")
        .arg(config)
        .arg("-o")
        .arg(run)
        .args(more)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("started")
}

/// Waits for a training to end; returns its exit status and standard error.
fn end(child: Child) -> (std::process::ExitStatus, String) {
    let output = child.wait_with_output().expect("ended");
    (output.status, String::from_utf8_lossy(&output.stderr).into_owned())
}

fn survives_sigkill(more: &str, seed: u64) {
    let project = Project::new();
    let config = project.config(more);
    let began = Instant::now();
    project.train(&config, "whole").succeeds();
    let whole = began.elapsed();
    let mut generator = ChaCha8Rng::seed_from_u64(seed);
    let (mut killed, mut runs) = (0, 0);
    while killed < kill_points(12) {
        let run = project.path(&format!("killed-{runs}"));
        runs += 1;
        loop {
            let mut child = start(&config, &run, &["--resume", "--quiet"]);
            std::thread::sleep(whole.mul_f64(generator.random_range(0.0..0.7)));
            let is_over = child.try_wait().expect("asked").is_some();
            child.kill().ok();
            let (status, message) = end(child);
            if is_over {
                assert!(status.success(), "after {killed} kills: {message}");
                break;
            }
            killed += 1;
        }
        assert_same_outcome(&project.path("whole"), &run);
        let left = std::fs::read_dir(&run).expect("a run").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with(".porecast-")).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
    }
    println!("{killed} kills over {runs} runs of {:.2} s: all equal", whole.as_secs_f64());
}

#[test]
fn a_time_embedded_training_survives_sigkill_at_any_moment() {
    survives_sigkill(STATEFUL, 1);
}

#[test]
fn single_frame_trainings_from_their_neighbours_survive_sigkill_at_any_moment() {
    survives_sigkill(SINGLE_FRAMES, 2);
}

#[test]
fn ctrl_c_keeps_the_training_and_resume_ends_equal() {
    let project = Project::new();
    let config = project.config(&STATEFUL.replace("checkpoint_seconds = 0", "checkpoint_seconds = 1000"));
    project.train(&config, "whole").succeeds();
    let run = project.path("stopped");
    let child = start(&config, &run, &["--set", "training.epochs=400"]);
    wait_for(&run.join("checkpoint"));
    interrupt(&child);
    let (status, message) = end(child);
    assert_eq!(status.code(), Some(130), "{message}");
    assert!(message.contains("stopped in epoch") && message.contains("--resume"), "{message}");
    let before = std::fs::read(run.join("checkpoint")).expect("a checkpoint");

    fails(project.train(&config, "stopped").arg("--resume"), 2, &["config.toml", "differs", "--force"]);
    assert_eq!(std::fs::read(run.join("checkpoint")).expect("a checkpoint"), before);

    // Interrupt a training with the configuration of the whole run, so that it can be resumed.
    let run = (0..)
        .map(|attempt| format!("stopped-{attempt}"))
        .find(|name| {
            let child = start(&config, &project.path(name), &[]);
            wait_for(&project.path(name).join("metrics.csv"));
            interrupt(&child);
            let (status, message) = end(child);
            assert!(status.success() || status.code() == Some(130), "{message}");
            !status.success() // interrupted before the end
        })
        .expect("attempts do not end");
    project.train(&config, &run).arg("--resume").succeeds();
    let run = project.path(&run);
    assert_same_outcome(&project.path("whole"), &run);
}

fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(60), "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_any_number_of_threads() {
    let project = Project::new();
    let config = project.config(STATEFUL);
    for (run, threads) in [("one", "1"), ("two", "2"), ("again", "2"), ("many", "5")] {
        project.train(&config, run).env("RAYON_NUM_THREADS", threads).succeeds();
    }
    for run in ["two", "again", "many"] {
        assert_same_outcome(&project.path("one"), &project.path(run));
    }
}

#[test]
fn another_seed_gives_other_weights() {
    let project = Project::new();
    let config = project.config(SINGLE_FRAMES);
    project.train(&config, "one").succeeds();
    project.train(&config, "other").args(["--set", "seed=1"]).succeeds();
    let read =
        |run: &str| std::fs::read(project.path(run).join("frame-03/last.safetensors")).expect("weights");
    assert_ne!(read("one"), read("other"));
}

#[test]
fn a_finished_run_resumes_to_itself() {
    let project = Project::new();
    let config = project.config(SINGLE_FRAMES);
    project.train(&config, "run").succeeds();
    let before = outcome(&project.path("run"));
    project.train(&config, "run").arg("--resume").succeeds();
    assert!(before == outcome(&project.path("run")));
}
