//! Studies run stage after stage or as Slurm jobs, go on where they were stopped, and share files between processes.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use porecast::InvasionDataset;
use porecast::search::Study;
use porecast::store::config::search::{Parameter, SearchConfig, Values};
use porecast::store::journal::Outcome;

use crate::support::{Exits, Project, Workshop, assert_same_outcome, fails, outcome, text};

const CAMPAIGN: &str = r#"
domains = 32
height = 48
width = 48
voxel_size_m = 35e-6
percolation = { frames = 5 }
domain = [{ generator = { kind = "disc-pack", porosity = 0.7, grain_radius = 2.5, min_gap = 1.0 } }]
"#;

const STUDY: &str = r#"
name = "seeds"
axes = { shard = 2, seed = [1, 2] }
slurm = { cpus = 1, setup = ["export FROM_SETUP=yes"] }
[[stage]]
name = "simulate"
each = ["shard"]
command = "simulate campaign.toml -o data/{name} --shard {shard}/{shard.count}"
[[stage]]
name = "train"
needs = ["simulate"]
each = ["seed"]
command = "train train.toml -o runs/{name}/{seed} --resume --set dataset=data/{name} --set name='seed-{seed}' --set seed={seed}"
[[stage]]
name = "evaluate"
needs = ["train"]
each = ["seed"]
command = "evaluate runs/{name}/{seed} --force"
[[stage]]
name = "compare"
needs = ["evaluate"]
command = "compare runs/{name}/{seed} -o runs/{name}/comparison --force"
"#;

/// A folder with the study, its campaign and a training of a few seconds.
fn project() -> Project {
    let project = Project::new();
    fs::write(project.path("campaign.toml"), CAMPAIGN.replace("32\nheight", "12\nheight")).unwrap();
    fs::write(project.path("study.toml"), STUDY).unwrap();
    project.config(
        "[loss]\ncross_entropy = 1.0\n[training]\nepochs = 3\nsamples_per_epoch = 24\nbatch_size = 2",
    );
    project
}

/// When each file below the runs was written.
fn written(folder: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => files.extend(written(&path)),
            false => drop(files.insert(path.clone(), path.metadata().unwrap().modified().unwrap())),
        }
    }
    files
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

fn wait_for(path: &Path) {
    let began = Instant::now();
    while !path.exists() {
        assert!(began.elapsed() < Duration::from_secs(300), "{} does not appear", path.display());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_study_gives_what_its_commands_give_and_repeats_nothing() {
    let project = project();
    project.assert_done("study study.toml");
    for shard in ["0/2", "1/2"] {
        project.assert_done(&format!("simulate campaign.toml -o data/seeds-by-hand --shard {shard}"));
    }
    let found: Vec<_> = written(&project.path("data/seeds")).into_keys().collect();
    assert!(found.len() >= 2, "{found:?}");
    for path in found {
        let twin = project.path("data/seeds-by-hand").join(path.file_name().unwrap());
        assert!(fs::read(&path).unwrap() == fs::read(twin).unwrap(), "{} differs", path.display());
    }
    project
        .assert_done("train train.toml -o by-hand --set dataset=data/seeds --set name=seed-2 --set seed=2");
    assert_same_outcome(&project.path("by-hand"), &project.path("runs/seeds/2"));

    let before = written(&project.path("runs"));
    let again = project.porecast(["study", "study.toml"]).succeeds();
    assert_eq!(text(&again.stderr).matches("finished before").count(), 7);
    assert!(before == written(&project.path("runs")));

    let more = project.assert_done("study study.toml --set axes.seed=[1,2,3] --dry-run");
    let left: Vec<&str> = more.lines().filter(|line| !line.starts_with("# finished: ")).collect();
    assert_eq!(left.len(), 3, "{more}");
    assert!(left[0].starts_with("porecast train") && left[0].ends_with("seed=3"), "{more}");
    assert_eq!(left[1], "porecast evaluate runs/seeds/3 --force");
    assert!(left[2].contains("runs/seeds/1 runs/seeds/2 runs/seeds/3"), "{more}");
    project.assert_refused(
        "study study.toml --set axes.seed=[3] --stage compare",
        &["needs evaluate 3", "run that first"],
    );
    project.assert_refused("study study.toml --stage x", &["--stage", "simulate, train, evaluate, compare"]);
    project.assert_refused("study train.toml", &["a training on invasions", "porecast train"]);
}

#[test]
fn the_studies_that_come_with_porecast_are_spelt_out() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let counts = [
        ("study-1", 13),
        ("mars", 14),
        ("stas", 10),
        ("sea-ice", 27),
        ("right-ventricle", 21),
        ("right-ventricle-grid", 73),
    ];
    for (name, count) in counts {
        let study = format!("configs/studies/{name}.toml");
        let commands = text(&root.porecast(["study", &study, "--dry-run"]).succeeds().stdout);
        assert_eq!(commands.lines().count(), count, "{commands}");
        let trainings: Vec<&str> = commands.lines().filter(|line| line.contains("porecast train")).collect();
        let distinct: std::collections::BTreeSet<_> = trainings.iter().collect();
        assert_eq!(distinct.len(), trainings.len(), "a training twice: {commands}");
    }
}

#[test]
fn a_study_that_fails_says_which_stage_and_keeps_what_is_finished() {
    let project = project();
    fails(
        &mut project.porecast(["study", "study.toml", "--set", "stage.1.command=train missing.toml"]),
        2,
        &["train 1", "failed with exit code 2", "run the same study again"],
    );
    let line = project.assert_done("study study.toml --dry-run");
    assert_eq!(line.matches("# finished: porecast simulate").count(), 2);
}

#[test]
fn sigterm_stops_a_study_and_the_same_command_ends_with_the_same_bytes() {
    let project = project();
    project.assert_done("study study.toml");
    let stopped = self::project();
    let mut attempts = 0;
    loop {
        let child = stopped.porecast(["study", "study.toml"]).stderr(Stdio::piped()).spawn().unwrap();
        if attempts == 0 {
            wait_for(&stopped.path("runs/seeds/1/metrics.csv"));
            signal(&child, "-TERM");
        }
        let output = child.wait_with_output().unwrap();
        let said = text(&output.stderr);
        if output.status.success() {
            break;
        }
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(said.contains("run the same study again to go on"), "{said}");
        attempts += 1;
    }
    assert!(attempts > 0, "the study ended before the signal");
    for seed in ["runs/seeds/1", "runs/seeds/2"] {
        assert_same_outcome(&project.path(seed), &stopped.path(seed));
    }
}

/// Writes programs that stand for those of Slurm: `sbatch` notes its arguments and prints a number, `scontrol` notes its own.
fn fake_slurm(project: &Project) -> String {
    let folder = project.path("slurm");
    fs::create_dir_all(&folder).unwrap();
    for (name, then) in [("sbatch", "wc -l < $0.log"), ("scontrol", "exit 1")] {
        let path = folder.join(name);
        fs::write(&path, format!("#!/bin/sh\necho \"$@\" >> $0.log\n{then}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", folder.display(), std::env::var("PATH").unwrap())
}

#[test]
fn slurm_jobs_wait_for_what_they_need_and_only_unfinished_ones_are_submitted() {
    let project = project();
    let path = fake_slurm(&project);
    let scripts = project.assert_done("slurm study.toml --dry-run");
    assert_eq!(scripts.matches("#!/bin/bash").count(), 4);
    assert!(!project.path("runs").exists());
    project.assert_done("study study.toml --stage simulate");
    project.porecast(["slurm", "study.toml", "--submit"]).env("PATH", &path).succeeds();
    let log = fs::read_to_string(project.path("slurm/sbatch.log")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines.len(), 3, "{log}");
    assert!(lines[0].ends_with("invalid-dep=yes runs/seeds/jobs/train.sbatch"), "{log}");
    assert!(
        lines[1].contains("--dependency=aftercorr:1 ") && lines[2].contains("--dependency=afterok:2 "),
        "{log}"
    );
    let train = fs::read_to_string(project.path("runs/seeds/jobs/train.sbatch")).unwrap();
    assert!(
        train.contains("#SBATCH --array=0,1\n") && train.contains("#SBATCH --cpus-per-task=1\n"),
        "{train}"
    );
    let nowhere = &mut project.porecast(["slurm", "study.toml", "--submit"]);
    fails(nowhere.env("PATH", "/nowhere"), 1, &["sbatch cannot be started"]);
}

#[test]
fn a_job_script_that_is_told_of_the_time_limit_queues_its_job_again_and_goes_on() {
    let project = project();
    let path = fake_slurm(&project);
    project.assert_done("study study.toml --stage simulate");
    project.assert_done("slurm study.toml --quiet");
    let job = |index: &str| {
        let mut bash = Command::new("bash");
        bash.arg("runs/seeds/jobs/train.sbatch").current_dir(project.folder()).env("PATH", &path);
        bash.env("HDF5_USE_FILE_LOCKING", "FALSE")
            .env("SLURM_ARRAY_TASK_ID", index)
            .env("SLURM_JOB_ID", "77");
        bash.stderr(Stdio::null());
        bash
    };
    let stop = |index: &str, name: &str| {
        let child = job(index).spawn().unwrap();
        wait_for(
            &project
                .path("runs/seeds")
                .join((index.parse::<u8>().unwrap() + 1).to_string())
                .join("metrics.csv"),
        );
        signal(&child, name);
        child.wait_with_output().unwrap().status.code()
    };
    let log = project.path("slurm/scontrol.log");
    assert_eq!(stop("1", "-TERM"), Some(130));
    assert!(!log.exists(), "a cancelled job is not queued again");
    assert_eq!(stop("0", "-USR1"), Some(130));
    assert_eq!(fs::read_to_string(&log).unwrap(), "requeue 77\n");
    for index in ["0", "1"] {
        job(index).succeeds();
    }
    let whole = self::project();
    whole.assert_done("study study.toml");
    for seed in ["runs/seeds/1", "runs/seeds/2"] {
        assert_same_outcome(&whole.path(seed), &project.path(seed));
    }
    assert!(!outcome(&project.path("runs/seeds/1")).is_empty());
}

#[test]
fn sixteen_processes_on_the_parts_of_a_campaign_lose_nothing() {
    let project = Project::new();
    fs::write(project.path("campaign.toml"), CAMPAIGN).unwrap();
    project.assert_done("simulate campaign.toml -o whole.h5");
    let start = |shard: usize| {
        let mut command = project.porecast(["simulate", "campaign.toml", "-o", "shards", "--shard"]);
        command.arg(format!("{shard}/16")).args(["--threads", "1"]).stderr(Stdio::null()).spawn().unwrap()
    };
    // Every part twice, from 16 processes at once each time; of two on the same part one may be turned away.
    for _ in 0..2 {
        let children: Vec<Child> = (0..16).map(start).collect();
        let codes: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
        assert!(codes.iter().all(|code| *code == Some(0)), "{codes:?}");
    }
    let twins: Vec<Child> = (0..16).map(|_| start(3)).collect();
    for mut twin in twins {
        assert!([Some(0), Some(2)].contains(&twin.wait().unwrap().code()));
    }
    let sequences = |name: &str| {
        let dataset = InvasionDataset::open(&project.path(name)).unwrap();
        let all =
            (0..dataset.len()).map(|i| (dataset.domain_ids()[i].clone(), dataset.sequence(i).unwrap().phase));
        all.collect::<BTreeMap<_, _>>()
    };
    let (whole, shards) = (sequences("whole.h5"), sequences("shards"));
    assert_eq!((whole.len(), shards.len()), (32, 32));
    assert!(whole == shards);
}

#[test]
fn sixteen_processes_on_a_search_journal_lose_nothing() {
    const JOURNAL: &str = "PORECAST_TEST_JOURNAL";
    const TRIALS: usize = 160;
    let open = |path: &Path| {
        let values = Values::Real { low: 0.0, high: 1.0, scale: Default::default() };
        let config = SearchConfig {
            name: "test".into(),
            training: "training.toml".into(),
            seed: 1,
            trials: TRIALS,
            startup: 10,
            parameters: vec![Parameter { key: "x".into(), values }],
        };
        Study::open(path, config).unwrap()
    };
    if let Some(path) = std::env::var_os(JOURNAL) {
        let study = open(Path::new(&path));
        while let Some(trial) = study.next_trial().unwrap() {
            let value = trial.point()["x"].as_f64().unwrap();
            trial.end(Outcome::Value(value)).unwrap();
        }
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal.jsonl");
    let start = || {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child
            .args(["--exact", "studies::sixteen_processes_on_a_search_journal_lose_nothing"])
            .env(JOURNAL, &path);
        child.stdout(Stdio::null()).spawn().unwrap()
    };
    let children: Vec<Child> = (0..16).map(|_| start()).collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let trials = open(&path).trials().unwrap();
    assert_eq!(trials.iter().map(|trial| trial.number).collect::<Vec<_>>(), (0..TRIALS).collect::<Vec<_>>());
    assert!(trials.iter().all(|trial| matches!(trial.outcome, Some(Outcome::Value(_)))));
    assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 1 + 2 * TRIALS);
}
