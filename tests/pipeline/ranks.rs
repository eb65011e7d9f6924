//! Training on several processes: MPI's, in a build with the feature `mpi` (`make test-mpi`).

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use porecast::base::testing;

use crate::support::{Exits, Project, Workshop, assert_same_outcome, fails, text};

/// All that could depend on which process computes a batch: batch norm, dropout, averaged weights, clipping, flips, and a last
/// step of an epoch with fewer batches than there are processes.
const TRAINING: &str = "
[model]
dropout = 0.1
[loss]
cross_entropy = 1.0
dice = 0.5
[optimizer]
ema = 0.9
clip_norm = 1.0
[training]
epochs = 2
batch_size = 2
accumulation = 4
samples_per_epoch = 22
lateral_flip = true
checkpoint_seconds = 0
";

fn is_missing() -> bool {
    if !cfg!(feature = "mpi") {
        testing::skip("mpi", "it needs `make test-mpi`");
    }
    !cfg!(feature = "mpi")
}

/// The same command on several processes.
fn on_ranks(count: usize, command: &Command) -> Command {
    let mut mpirun = Command::new("mpirun");
    mpirun.args(["--oversubscribe", "--allow-run-as-root", "--bind-to", "none", "-n", &count.to_string()]);
    mpirun.arg(command.get_program()).args(command.get_args());
    // Containers may forbid the calls by which processes read one another's memory.
    mpirun.env("OMPI_MCA_btl_vader_single_copy_mechanism", "none");
    mpirun.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    if let Some(folder) = command.get_current_dir() {
        mpirun.current_dir(folder);
    }
    mpirun
}

fn begun(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("mpirun is installed")
}

/// The processes that `mpirun` has started.
fn ranks_of(mpirun: &Child) -> Vec<String> {
    let output = Command::new("pgrep").args(["-P", &mpirun.id().to_string(), "porecast"]).output();
    text(&output.expect("pgrep runs").stdout).split_whitespace().map(str::to_owned).collect()
}

fn signal(name: &str, process: &str) {
    assert!(Command::new("kill").args([name, process]).status().expect("kill runs").success());
}

fn await_that(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn several_ranks_train_to_the_bytes_of_one_process() {
    if is_missing() {
        return;
    }
    let project = Project::new();
    let config = project.config(TRAINING);
    for (name, is_checkpointed) in [("plain", false), ("blocks", true)] {
        let train = |run: &str| {
            let mut command = project.train(&config, run);
            command.args(["--set", &format!("training.gradient_checkpointing={is_checkpointed}")]);
            command
        };
        train(name).succeeds();
        for count in [1, 2, 3, 4] {
            let run = format!("{name}-{count}");
            let output = on_ranks(count, &train(&run)).succeeds();
            let said = text(&output.stderr);
            assert_eq!(said.matches("trained: ").count(), 1, "{said}");
            assert_same_outcome(&project.path(name), &project.path(&run));
        }
    }
}

#[test]
fn networks_for_frames_start_from_their_neighbour_on_several_ranks() {
    if is_missing() {
        return;
    }
    let project = Project::new();
    let config = project.config(&TRAINING.replace("epochs = 2", "epochs = 1\nstart = 'neighbour'"));
    let train = |run: &str| {
        let mut command = project.train(&config, run);
        command.args(["--set", "conditioning={single-frame=[1,3]}"]);
        command
    };
    train("alone").succeeds();
    on_ranks(2, &train("two")).succeeds();
    assert_same_outcome(&project.path("alone"), &project.path("two"));
}

#[test]
fn a_killed_rank_ends_all_and_the_run_goes_on_with_another_number() {
    if is_missing() {
        return;
    }
    let project = Project::new();
    let config = project.config(TRAINING);
    project.train(&config, "whole").succeeds();
    let run = project.path("killed");
    let child = begun(&mut on_ranks(2, &project.train(&config, "killed")));
    await_that("a checkpoint", || run.join("checkpoint").exists());
    let ranks = ranks_of(&child);
    assert_eq!(ranks.len(), 2, "the training ended before it could be killed");
    signal("-KILL", &ranks[1]);
    let output = child.wait_with_output().expect("ended");
    assert!(!output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("signal 9"), "{}", text(&output.stderr));
    await_that("the end of the other rank", || fs::read_link(format!("/proc/{}/exe", ranks[0])).is_err());

    // Killed again, now on four, and finished by one.
    let child = begun(on_ranks(4, &project.train(&config, "killed")).arg("--resume"));
    await_that("an epoch", || run.join("metrics.csv").exists());
    if let Some(first) = ranks_of(&child).first() {
        signal("-KILL", first);
    }
    child.wait_with_output().expect("ended");
    project.train(&config, "killed").arg("--resume").succeeds();
    assert_same_outcome(&project.path("whole"), &run);
}

#[test]
fn a_signal_to_one_rank_stops_all_and_the_run_goes_on() {
    if is_missing() {
        return;
    }
    let project = Project::new();
    let config = project.config(&TRAINING.replace("checkpoint_seconds = 0", "checkpoint_seconds = 1000"));
    let longer = ["--set", "training.epochs=12"];
    project.train(&config, "whole").args(longer).succeeds();
    let child = begun(on_ranks(3, &project.train(&config, "stopped")).args(longer));
    await_that("a checkpoint", || project.path("stopped/checkpoint").exists());
    signal("-TERM", ranks_of(&child).last().expect("the training ended before it could be stopped"));
    let output = child.wait_with_output().expect("ended");
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert_eq!(said.matches("stopped in epoch").count(), 1, "{said}");
    on_ranks(2, &project.train(&config, "stopped")).args(longer).arg("--resume").succeeds();
    assert_same_outcome(&project.path("whole"), &project.path("stopped"));
}

#[test]
fn one_rank_says_what_is_wrong_and_ends_all() {
    if is_missing() {
        return;
    }
    let project = Project::new();
    let config = project.config(TRAINING);
    let mut few = on_ranks(2, &project.train(&config, "few"));
    let output = few.args(["--set", "training.accumulation=1"]).exits(2);
    let said = text(&output.stderr);
    assert_eq!(said.matches("training.accumulation: 1 is too few for 2 processes").count(), 1, "{said}");
    assert!(!project.path("few").exists());
    let mut other = on_ranks(1, &project.train(&config, "other"));
    let elsewhere = project.train(&config, "other");
    other
        .args([":", "-n", "1"])
        .arg(elsewhere.get_program())
        .args(elsewhere.get_args())
        .args(["--set", "seed=7"]);
    let said = text(&other.exits(2).stderr);
    assert!(said.contains("rank 1: ") && said.contains("differ from those of rank 0"), "{said}");
    // The second rank sees no run folder, as on a machine that does not share it, and would begin anew.
    project.assert_done("train train.toml -o done");
    let resume = project.porecast(["train", "train.toml", "-o", "done", "--resume"]);
    let elsewhere = tempfile::tempdir().expect("a folder");
    fs::copy(&config, elsewhere.path().join("train.toml")).expect("copied");
    let mut apart = on_ranks(1, &resume);
    apart.args([":", "-n", "1", "-wdir"]).arg(elsewhere.path());
    let said = text(&apart.arg(resume.get_program()).args(resume.get_args()).exits(1).stderr);
    assert!(said.contains("the weights of rank 1 differ"), "{said}");
    let steep = "[loss]\nmse = 1.0\n[optimizer]\nalgorithm = 'sgd'\nclip_norm = 0.0\nweight_decay = 0.99\n\
                 learning_rate = 10.0\n[training]\nepochs = 60\naccumulation = 2";
    let output = on_ranks(2, &project.train(&project.config(steep), "steep")).exits(1);
    assert!(text(&output.stderr).contains("lower optimizer.learning_rate"), "{}", text(&output.stderr));
}

#[test]
fn several_processes_need_a_build_with_mpi() {
    if cfg!(feature = "mpi") {
        return;
    }
    let project = Project::new();
    let mut train = project.train(&project.config(TRAINING), "run");
    train.envs([("OMPI_COMM_WORLD_RANK", "0"), ("OMPI_COMM_WORLD_SIZE", "2")]);
    fails(&mut train, 2, &["mpirun", "2 processes", "--features mpi"]);
    train.env("OMPI_COMM_WORLD_SIZE", "1").succeeds();
}
