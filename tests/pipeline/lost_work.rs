//! Results and running work survive what happens around them: a second process, a kill, a full disk, a closed terminal.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use image::{GrayImage, Luma};
use porecast::InvasionDataset;

use crate::support::{
    Exits, Project, Workshop, assert_same_outcome, dataset, fails, interrupt, on_a_full_disk, outcome, text,
};

const SHORT: &str = "[loss]\ncross_entropy = 1.0\n[training]\nepochs = 2\nsamples_per_epoch = 8";
const CAMPAIGN: &str = r#"
domains = 6
height = 32
width = 32
voxel_size_m = 35e-6
percolation = { frames = 5 }
[[domain]]
generator = { kind = "random-field", porosity = 0.75, correlation_length = 2.0 }
"#;
const IMAGES: &str = "
task = 'segmentation'
name = 'terrain'
dataset = 'terrain.h5'
classes = ['not scored', 'soil', 'bedrock', 'sand', 'big rock']
source = { path = 'terrain/mars_for_students.npz', format = { npz-stack = { classes = 5 } }, resize = [32, 64] }
split.method = { hold-out = { validation = 0.2, test = 0.2 } }
loss.cross_entropy = 1.0
";

/// A project with a trained run, a campaign and the files of a study.
fn project() -> Project {
    let project = Project::new();
    project.trained("", "run");
    fs::write(project.path("campaign.toml"), CAMPAIGN).unwrap();
    fs::write(project.path("terrain.toml"), IMAGES).unwrap();
    project.assert_done("synth mars -o terrain --set training=20 --set test=2 --set outliers=0");
    project
}

/// Every file below a folder with its content.
fn contents(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            files.insert(path.clone(), fs::read(&path).unwrap());
        }
    }
    files
}

/// Temporary files, locks and unfinished replacements below a folder.
fn leftovers(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.file_name().unwrap().to_string_lossy().starts_with(".porecast-") {
            found.push(path);
        } else if path.is_dir() {
            found.extend(leftovers(&path));
        }
    }
    found
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(120), "{what} does not happen");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn quietly(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

#[test]
fn a_dataset_is_replaced_when_the_new_one_is_complete_and_not_before() {
    let project = project();
    let simulate = |more: &[&str]| {
        let mut command = project.porecast(["simulate", "campaign.toml", "-q", "-o", "c.h5"]);
        command.args(more);
        command
    };
    simulate(&[]).succeeds();
    let before = fs::read(project.path("c.h5")).unwrap();
    let other = ["--set", "seed=8", "--set", "domains=60", "--force"];
    fails(&mut on_a_full_disk(&simulate(&other), 4), 1, &["cannot be written"]);
    assert!(fs::read(project.path("c.h5")).unwrap() == before);
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);

    let child = quietly(&mut simulate(&other));
    let parts = project.path(".porecast-c.h5.new.parts/000003.h5");
    wait_until("a finished domain", || parts.exists());
    kill(child);
    assert!(fs::read(project.path("c.h5")).unwrap() == before);
    assert_eq!(InvasionDataset::open(&project.path("c.h5")).unwrap().len(), 6);

    simulate(&other).succeeds();
    project.assert_done("simulate campaign.toml -o fresh.h5 --set seed=8 --set domains=60");
    assert!(fs::read(project.path("c.h5")).unwrap() == fs::read(project.path("fresh.h5")).unwrap());
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}

#[test]
fn a_run_is_replaced_when_the_new_one_is_trained_and_not_before() {
    let project = project();
    let before = contents(&project.path("run"));
    let config = project.config(&SHORT.replace("epochs = 2", "epochs = 60\ncheckpoint_seconds = 0"));
    let train = |more: &[&str]| {
        let mut command = project.train(&config, "run");
        command.args(more);
        command
    };
    let is_kept = || assert!(contents(&project.path("run")) == before, "the old run changed");
    let message = fails(&mut on_a_full_disk(&train(&["--force"]), 8), 1, &["cannot be written"]);
    assert!(!message.contains(".porecast"), "{message}");
    is_kept();
    fails(train(&["--force", "--set", "dataset='absent.h5'"]).arg("-q"), 2, &["absent.h5"]);
    is_kept();

    let replacement = project.path(".porecast-run.new");
    let child = quietly(&mut train(&["--force", "--set", "training.epochs=400"]));
    wait_until("an epoch", || replacement.join("metrics.csv").exists());
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    is_kept();
    fails(&mut train(&["--resume"]), 2, &["config.toml", "differs"]);

    fs::remove_dir_all(&replacement).unwrap();
    let child = quietly(&mut train(&["--force"]));
    wait_until("a checkpoint", || replacement.join("checkpoint").exists());
    kill(child);
    is_kept();
    project.train(&config, "fresh").succeeds();
    train(&["--resume"]).succeeds();
    assert_same_outcome(&project.path("fresh"), &project.path("run"));
    train(&["--force"]).succeeds();
    assert_same_outcome(&project.path("fresh"), &project.path("run"));
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);

    // Killed between the two renames at the end: the old run is put back.
    fs::rename(project.path("run"), project.path(".porecast-run.old")).unwrap();
    fails(&mut train(&[]), 2, &["run", "exists already"]);
    assert_same_outcome(&project.path("fresh"), &project.path("run"));
}

#[test]
fn predictions_and_scores_are_replaced_when_the_new_ones_are_complete_and_not_before() {
    let project = project();
    project.predict("run", "data.h5", "out").succeeds();
    fs::write(project.path("out/notes.txt"), "mine").unwrap();
    project.assert_done("evaluate run");
    let before = contents(project.folder());
    let mut commands = [project.predict("run", "data.h5", "out"), project.porecast(["evaluate", "run"])];
    for command in &mut commands {
        fails(&mut on_a_full_disk(command.args(["--force", "-q"]), 8), 1, &["cannot be written"]);
    }
    let after = contents(project.folder());
    assert_eq!(before.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    assert!(before == after, "an old result changed");
    project.predict("run", "data.h5", "out").arg("--force").succeeds();
    assert_eq!(fs::read(project.path("out/notes.txt")).unwrap(), b"mine");
    assert!(before == contents(project.folder()), "the same prediction has other bytes");
}

#[test]
fn a_second_process_that_would_write_the_same_output_is_refused() {
    let project = project();
    project.assert_done("evaluate run -q");
    project.assert_done("prepare terrain.toml -q");
    let hold = |name: &str| {
        let file = File::create(project.path(name)).unwrap();
        file.lock().unwrap();
        file
    };
    let busy = |lock: &str, arguments: &str, output: &str| {
        let _lock = hold(lock);
        let words = [output, "is being written by another porecast"];
        fails(&mut project.porecast(arguments.split(' ')), 2, &words);
    };
    let config = project.config(SHORT);
    let train = format!("train {} -o run", config.display());
    busy(".porecast-run.lock", &format!("{train} --resume"), "run");
    busy(".porecast-run.lock", &format!("{train} --force"), "run");
    busy(".porecast-new.lock", &format!("train {} -o new", config.display()), "new");
    busy(".porecast-run.lock", "evaluate run --force", "run");
    busy("run/.porecast-evaluation.lock", "evaluate run --force", "run/evaluation");
    busy("run/predictions/.porecast-test.h5.lock", "evaluate run --force", "test.h5");
    busy(".porecast-both.lock", "compare run -o both", "both");
    busy(".porecast-page.html.lock", "report run -o page.html", "page.html");
    busy(".porecast-out.lock", "predict --run run data.h5 -o out", "out");
    busy(".porecast-terrain.h5.lock", "prepare terrain.toml --force", "terrain.h5");
    busy(".porecast-d.h5.lock", "import sequences.npz -o d.h5", "d.h5");
    busy(".porecast-c.h5.lock", "simulate campaign.toml -o c.h5", "c.h5");
    busy(".porecast-mars.lock", "synth mars -o mars", "mars");
    busy(".porecast-p.png.lock", "inspect data.h5 --png p.png", "p.png");
    for output in ["new", "both", "page.html", "out", "d.h5", "c.h5", "mars", "p.png"] {
        assert!(!project.path(output).exists(), "{output}");
    }
}

#[test]
fn two_trainings_do_not_share_a_folder() {
    let project = Project::new();
    let config = project.config(SHORT);
    let mut first = project.train(&config, "run");
    let first = quietly(first.args(["--set", "training.epochs=400"]));
    wait_until("a run", || project.path("run/config.toml").exists());
    for more in ["--resume", "--force", "--quiet"] {
        fails(project.train(&config, "run").arg(more), 2, &["run", "another porecast"]);
    }
    assert!(fs::read_to_string(project.path("run/config.toml")).unwrap().contains("epochs = 400"));
    kill(first);
    project.train(&config, "run").arg("--force").succeeds();
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}

#[test]
fn a_search_whose_trials_could_not_be_compared_does_not_go_on() {
    let project = Project::new();
    let config = project.config(SHORT);
    let search = "name = 'rates'\ntraining = 'train.toml'\ntrials = 1\nstartup = 1\n\
                  [[parameter]]\nkey = 'optimizer.learning_rate'\nvalues.real = { low = 1e-4, high = 1e-1, scale = 'log' }\n";
    fs::write(project.path("search.toml"), search).unwrap();
    let begin =
        |trials: &str| project.porecast(["search", "search.toml", "-q", "-o", "search", "--set", trials]);
    begin("trials=1").succeeds();
    begin("trials=2").succeeds();
    let before = fs::read(&config).unwrap();
    project.config(&SHORT.replace("epochs = 2", "epochs = 1"));
    let said = fails(&mut begin("trials=3"), 2, &["journal.jsonl", "training.epochs", "another folder"]);
    assert!(!said.contains("--resume"), "search has no such option: {said}");
    fs::write(&config, before).unwrap();
    fs::remove_file(project.path("data.h5")).unwrap();
    dataset(&project.path("data.h5"), 9, (32, 32), 5);
    fails(&mut begin("trials=3"), 2, &["journal.jsonl", "the dataset changed"]);
    assert!(!project.path("search/trial-002").exists());
}

#[cfg(unix)]
#[test]
fn a_training_goes_on_when_nobody_reads_its_messages_and_the_terminal_closes() {
    let project = Project::new();
    let config = project.config(SHORT);
    project.train(&config, "whole").succeeds();
    let mut unread =
        project.train(&config, "unread").stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    drop((unread.stderr.take(), unread.stdout.take()));
    let closed = quietly(&mut project.train(&config, "closed"));
    wait_until("a run", || project.path("closed/config.toml").exists());
    let hangup = Command::new("kill").args(["-HUP", &closed.id().to_string()]).status().unwrap();
    assert!(hangup.success());
    for (mut child, run) in [(unread, "unread"), (closed, "closed")] {
        assert_eq!(child.wait().unwrap().code(), Some(0), "{run}");
        assert_same_outcome(&project.path("whole"), &project.path(run));
    }
}

#[cfg(unix)]
#[test]
fn a_closed_pipe_ends_no_command_with_a_panic_and_a_full_one_is_an_error() {
    let project = project();
    let keys: String = (0..20_000).map(|key| format!("key-{key} = {key}\n")).collect();
    fs::write(project.path("long.toml"), keys).unwrap();
    for arguments in ["inspect long.toml -v", "inspect data.h5", "evaluate run", "prepare terrain.toml"] {
        let mut command = project.porecast(arguments.split(' '));
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).contains("panicked")),
            (Some(0), false),
            "{arguments}"
        );
    }
    if let Ok(full) = File::options().write(true).open("/dev/full") {
        let mut command = project.porecast(["inspect", "data.h5"]);
        fails(command.stdout(full), 1, &["standard output", "cannot be written"]);
    }
}

/// Kills a command at moments from its start to its end. After each kill, `is_whole` checks what is there.
fn killed_anywhere(command: &dyn Fn() -> Command, output: &Path, is_whole: impl Fn()) {
    let began = Instant::now();
    command().succeeds();
    let whole = began.elapsed();
    for step in 0..12 {
        if output.is_dir() { fs::remove_dir_all(output) } else { fs::remove_file(output) }.unwrap();
        let child = quietly(&mut command());
        std::thread::sleep(whole.mul_f64(f64::from(step + 1) / 12.0));
        kill(child);
        if !output.exists() {
            command().succeeds();
        }
        is_whole();
    }
}

#[test]
fn a_killed_prediction_leaves_no_folder_that_looks_finished() {
    let project = project();
    let whole = project.path("whole");
    project.predict("run", "data.h5", "whole").succeeds();
    let names = |folder: &Path| {
        let relative = |path: &PathBuf| path.strip_prefix(folder).unwrap().to_owned();
        contents(folder).keys().map(relative).collect::<Vec<_>>()
    };
    let out = project.path("out");
    killed_anywhere(&|| project.predict("run", "data.h5", "out"), &out, || {
        assert_eq!(names(&out), names(&whole));
    });
    project.predict("run", "data.h5", "out").arg("--force").succeeds();
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}

#[test]
fn a_killed_prepare_leaves_no_dataset_without_split_and_card() {
    let project = project();
    killed_anywhere(&|| project.porecast(["prepare", "terrain.toml"]), &project.path("terrain.h5"), || {
        for file in ["terrain.h5.split.toml", "terrain.h5.card.md"] {
            assert!(project.path(file).exists(), "{file}");
        }
    });
    project.assert_done("prepare terrain.toml --force");
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}

#[test]
fn what_killed_commands_leave_is_removed_at_the_next_start_unless_it_is_in_use() {
    let project = project();
    let left = [".porecast-c.h5-AbCdEf", ".porecast-out-AbCdEf", ".porecast-other-AbCdEf"];
    for name in left {
        fs::write(project.path(name), "x").unwrap();
    }
    let lock = File::create(project.path(".porecast-out.lock")).unwrap();
    lock.lock().unwrap();
    fails(&mut project.predict("run", "data.h5", "out"), 2, &["another porecast"]);
    project.assert_done("simulate campaign.toml -o c.h5");
    assert_eq!(left.map(|name| project.path(name).exists()), [false, true, true]);
    drop(lock);
    project.predict("run", "data.h5", "out").succeeds();
    assert_eq!(leftovers(project.folder()), [project.path(".porecast-other-AbCdEf")]);
}

#[cfg(unix)]
#[test]
fn outputs_that_are_symbolic_links_are_followed() {
    let project = project();
    fs::create_dir(project.path("disk")).unwrap();
    let config = project.config(SHORT);
    let train = format!("train {} -o", config.display());
    for (arguments, output, file) in [
        ("simulate campaign.toml -o", "c.h5", ""),
        ("prepare terrain.toml -o", "t.h5", ""),
        (&train, "linked", "config.toml"),
        ("predict --run run data.h5 -o", "out", "predictions.h5"),
        ("evaluate run -o", "scores", "scores.json"),
        ("report run -o", "page.html", ""),
    ] {
        if output == "page.html" {
            project.assert_done("evaluate run");
        }
        let link = project.path(output);
        std::os::unix::fs::symlink(Path::new("disk").join(output), &link).unwrap();
        for more in ["", "--force"] {
            project.assert_done(&format!("{arguments} {output} {more}"));
            assert!(link.is_symlink(), "{arguments}");
            assert!(project.path("disk").join(output).join(file).exists() || file.is_empty(), "{arguments}");
            assert!(project.path("disk").join(output).exists(), "{arguments}");
        }
    }
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}

#[test]
fn a_run_is_scored_on_its_domains_after_its_campaign_was_extended() {
    let project = project();
    project.assert_done("simulate campaign.toml -o data.h5 --force");
    let config = project.config(SHORT);
    project.train(&config, "before").succeeds();
    let scored = |more: &[&str]| {
        let said = project.porecast(["evaluate", "before"]).args(more).succeeds();
        let scores = fs::read_to_string(project.path("before/evaluation/summary.csv")).unwrap();
        (text(&said.stdout), scores)
    };
    let (_, alone) = scored(&[]);
    let output =
        project.porecast(["simulate", "campaign.toml", "-o", "data.h5", "--set", "domains=9"]).succeeds();
    let said = text(&output.stderr);
    assert!(said.contains("grows from 6 to 9 domains") && said.contains("cannot be resumed"), "{said}");
    let (said, extended) = scored(&["--force"]);
    assert!(said.contains("has grown from 6 to 9 domains"), "{said}");
    assert_eq!(alone, extended);
    // Comparable with a run that was scored before.
    project.assert_done("compare before before -o both");
    // A domain that changed is another dataset.
    project
        .assert_done("simulate campaign.toml -o data.h5 --set domains=9 --set percolation.frames=4 --force");
    fails(
        project.porecast(["evaluate", "before"]).arg("--force"),
        2,
        &["data.h5", "is no longer the dataset"],
    );
    assert!(!outcome(&project.path("before")).is_empty());
}

#[cfg(unix)]
#[test]
fn a_comparison_is_replaced_when_the_new_one_stands_and_not_before() {
    let project = project();
    project.assert_done("evaluate run -q");
    project.assert_done("compare run -o both -q");
    fs::write(project.path("both/comparison.md"), "old").unwrap();
    let before = contents(&project.path("both"));
    let compare = project.porecast(["compare", "run", "run", "-o", "both", "--force"]);
    fails(&mut on_a_full_disk(&compare, 4), 1, &["cannot be written"]);
    assert!(contents(&project.path("both")) == before);
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
    project.assert_done("compare run run -o both --force -q");
    let tables = fs::read_to_string(project.path("both/comparison.md")).unwrap();
    assert!(tables.contains("run") && tables != "old", "{tables}");
}

#[test]
fn ctrl_c_stops_a_prediction_with_exit_code_130_and_leaves_nothing() {
    let project = project();
    project.assert_done("simulate campaign.toml -o data.h5 --force --set domains=200");
    let mut child = quietly(&mut project.predict("run", "data.h5", "out"));
    wait_until("a picture", || !leftovers(project.folder()).iter().all(|path| path.extension().is_some()));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(!project.path("out").exists() && leftovers(project.folder()).is_empty());
}

#[test]
fn ctrl_c_keeps_the_images_of_a_folder_that_are_predicted() {
    let project = project();
    let images = project.path("images");
    fs::create_dir(&images).unwrap();
    let is_grain = |x, y| x / 8 % 2 == 1 && y / 8 % 2 == 1;
    let domain = GrayImage::from_fn(48, 64, |x, y| Luma([if is_grain(x, y) { 0 } else { 255 }]));
    domain.save(images.join("0.png")).unwrap();
    for index in 1..300 {
        fs::hard_link(images.join("0.png"), images.join(format!("{index}.png"))).unwrap();
    }
    let predict = ["predict", "images", "--model", "percolation", "-o", "out"];
    let mut child = quietly(&mut project.porecast(predict));
    let begun = |folder: &PathBuf| fs::read_dir(folder).map_or(0, Iterator::count);
    wait_until("three images", || leftovers(project.folder()).iter().any(|path| begun(path) > 2));
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let kept: Vec<PathBuf> =
        fs::read_dir(project.path("out")).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!((2..300).contains(&kept.len()), "{} folders", kept.len());
    assert!(kept.iter().all(|folder| folder.join("predictions.h5").exists()));
    assert_eq!(leftovers(project.folder()), [] as [PathBuf; 0]);
}
