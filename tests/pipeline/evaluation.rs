//! `porecast evaluate`, `compare` and `report` on small made-up invasion runs.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use ndarray::{Array2, Axis};
use porecast::simulations::{Domain, FluidPair, Side, TimeUnit, Trajectory, percolation};
use porecast::store::prediction::{self, PredictionHeader};
use porecast::store::run::{DatasetCard, MemberCard, RunCard, SplitLists};
use porecast::store::{InvasionDataset, Prediction, PredictionFile, RunFolder, invasion};

use crate::support::{Workshop, fails};

const FRAMES: usize = 5;
const ALL: [usize; FRAMES] = [0, 1, 2, 3, 4];

/// Percolation on a lattice of grains shifted by `seed`.
fn sequence(seed: usize) -> Trajectory {
    let is_grain = |y: usize, x: usize| (y + seed) % 6 < 2 && (x + seed * 5 + y / 6 * 3) % 5 < 2;
    let solid = Array2::from_shape_fn((24, 16), |(y, x)| is_grain(y, x));
    let domain = Domain { solid, voxel_size_m: 1e-5 };
    let config = percolation::PercolationConfig { frames: FRAMES, ..Default::default() };
    percolation::simulate(&domain, Side::Top, &FluidPair::default(), &config, seed as u64).unwrap()
}

fn write_dataset(path: &Path, simulator: &str, sequences: impl Iterator<Item = (usize, Trajectory)>) {
    let origin = invasion::Origin { simulator: simulator.into(), campaign: String::new() };
    invasion::write(path, &origin, sequences.map(|(seed, s)| Ok((format!("d{seed:02}"), s)))).unwrap();
}

fn write_percolation(path: &Path, seeds: std::ops::Range<usize>) {
    write_dataset(path, "percolation", seeds.map(|seed| (seed, sequence(seed))));
}

/// Writes a run that predicts the true frames `frames`, multiplied by `damping`.
fn write_run(folder: &Path, dataset: &Path, frames: &[usize], test: &[usize], damping: f32) {
    let run = RunFolder::new(folder);
    fs::create_dir_all(folder.join("predictions")).unwrap();
    let dataset = InvasionDataset::open(dataset).unwrap();
    let ids = |numbers: &[usize]| numbers.iter().map(|n| dataset.domain_ids()[*n].clone()).collect();
    let split = SplitLists { train: ids(&[0, 1, 2]), validation: ids(&[3]), test: ids(test) };
    let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
    let header = PredictionHeader {
        source: name.clone(),
        time_unit: dataset.time_unit(),
        inlet: dataset.inlet(),
        voxel_size_m: dataset.voxel_size_m(),
    };
    for (part, ids) in split.parts() {
        let predictions = ids.iter().map(|id| {
            let truth = dataset.sequence(dataset.domain_ids().iter().position(|d| d == id).unwrap())?;
            let probability = truth.phase.select(Axis(0), frames).mapv(|p| if p { damping } else { 0.0 });
            let times = frames.iter().map(|&frame| truth.times[frame]).collect();
            Ok(Prediction { domain_id: id.clone(), solid: truth.domain.solid, times, probability })
        });
        prediction::write(&run.predictions_path(part), &header, predictions).unwrap();
    }
    let history = "epoch,learning_rate,train_loss,validation_loss,validation_error,gradient_norm,samples_seen,wall_seconds\n\
                   1,1e-3,0.3,0.4,0.2,1.0,15,0.7\n2,1e-3,0.2,0.3,0.1,1.0,30,1.5\n";
    fs::write(folder.join("metrics.csv"), history).unwrap();
    fs::write(run.config_path(), "name = \"<demo> & more\"\n").unwrap();
    let member = MemberCard {
        folder: ".".into(),
        frame: (frames.len() == 1).then(|| frames[0]),
        fold: None,
        parameters: 1234,
        epochs: 2,
        best_epoch: 2,
        best_validation_loss: 0.1,
        samples_seen: 30,
        wall_seconds: 1.5,
        is_finished: true,
    };
    let trained_on = DatasetCard {
        physics: Vec::new(),
        porosity: None,
        path: dataset.path().to_owned(),
        fingerprint: dataset.fingerprint().unwrap(),
        shape: dataset.shape(),
        time_unit: dataset.time_unit(),
        inlet: dataset.inlet(),
        voxel_size_m: dataset.voxel_size_m(),
        time_scale: 1.0,
        mean_times: Vec::new(),
        also: Vec::new(),
        also_rescaled_by: vec![],
        chord_length: None,
        lag: None,
    };
    let card = RunCard { members: vec![member], ..RunCard::new(&name, 1, "flex", trained_on, split) };
    run.write_card(&card).unwrap();
}

struct Runs {
    folder: tempfile::TempDir,
}

impl Workshop for Runs {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Runs {
    /// A dataset of eight domains and two runs: `time` predicts all frames, `frame` predicts frame 3.
    fn new() -> Self {
        let workshop = Self { folder: tempfile::tempdir().unwrap() };
        write_percolation(&workshop.path("data.h5"), 0..8);
        workshop.write_run("time", "data.h5", &ALL, &[4, 5, 6]);
        write_run(&workshop.path("frame"), &workshop.path("data.h5"), &[3], &[4, 5, 6], 0.8);
        workshop
    }

    fn write_run(&self, name: &str, dataset: &str, frames: &[usize], test: &[usize]) {
        write_run(&self.path(name), &self.path(dataset), frames, test, 0.9);
    }
}

/// Rows of a CSV file as maps from heading to cell.
fn rows(path: &Path) -> Vec<HashMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(|row| row.unwrap()).collect()
}

#[test]
fn an_evaluated_run_has_scores_tables_and_figures() {
    let workshop = Runs::new();
    let stdout = workshop.assert_done("evaluate time");
    for name in ["nothing moves", "mean frame", "percolation", "final test", "the simulator itself"] {
        assert!(stdout.contains(name), "{stdout}");
    }
    let folder = workshop.path("time/evaluation");
    for file in ["scores.json", "per_time_step.csv", "summary.csv", "samples/film.json"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
    for figure in ["mse", "saturation", "panel", "errors", "training"] {
        for extension in ["svg", "png"] {
            assert!(folder.join(format!("{figure}.{extension}")).is_file(), "{figure}.{extension}");
        }
    }
    let steps = rows(&folder.join("per_time_step.csv"));
    assert_eq!(steps.len(), 3 * 4 * FRAMES, "three parts, four sources");
    for row in steps.iter().filter(|row| row["source"] == "time") {
        // p = 0.9 where the truth is 1: the MSE is 0.01 and the error of the saturation 0.1 times the saturation; the
        // mask above one half is exact.
        let [mse, saturation_error] =
            ["mse", "saturation_error"].map(|name| row[name].parse::<f64>().unwrap());
        assert!(mse <= 0.0101 && (saturation_error - 10.0 * mse).abs() < 1e-6, "{mse} {saturation_error}");
        assert_eq!(row["iou"].as_str(), "1");
    }
    let summary = rows(&folder.join("summary.csv"));
    let wanted = [("part", "test"), ("measure", "mse"), ("over", "time steps")];
    let error = |source: &str| -> f64 {
        let row =
            summary.iter().find(|row| row["source"] == source && wanted.iter().all(|(k, v)| row[*k] == *v));
        row.unwrap()["mean"].parse().unwrap()
    };
    assert!(error("time") < error("mean frame") && error("mean frame") < error("nothing moves"));
    assert!(error("percolation") < 0.05, "the simulator of the dataset: {}", error("percolation"));
}

#[test]
fn scores_are_the_same_every_time() {
    let workshop = Runs::new();
    workshop.assert_done("evaluate time --dataset data.h5 -q");
    let first = fs::read(workshop.path("time/evaluation/scores.json")).unwrap();
    fs::remove_dir_all(workshop.path("time/evaluation")).unwrap();
    workshop.assert_done("evaluate time --dataset data.h5 -q");
    assert!(first == fs::read(workshop.path("time/evaluation/scores.json")).unwrap());
}

#[test]
fn existing_outputs_are_kept_without_force() {
    let workshop = Runs::new();
    assert_eq!(workshop.assert_done("evaluate time --quiet"), "");
    workshop.assert_refused("evaluate time", &["time/evaluation", "--force"]);
    workshop.assert_done("report time");
    workshop.assert_refused("report time", &["report.html", "--force"]);
    workshop.assert_done("compare time frame -o both");
    workshop.assert_refused("compare time frame -o both", &["both", "--force"]);
    workshop.assert_done("compare time frame -o both --force");
}

#[test]
fn predictions_of_any_program_are_scored_without_a_run() {
    let workshop = Runs::new();
    let stdout = workshop.assert_done("evaluate time/predictions/test.h5 --dataset data.h5 -o scores");
    assert!(stdout.contains("nothing moves") && !stdout.contains("mean frame"), "{stdout}");
    let scores = fs::read_to_string(workshop.path("scores/scores.json")).unwrap();
    assert!(scores.contains("mean frame: left out"));
    workshop.assert_refused("evaluate time/predictions/test.h5 -o scores2", &["--dataset"]);
    workshop.assert_refused("evaluate time/predictions/test.h5 --dataset data.h5", &["--output"]);
}

#[test]
fn missing_files_are_named_with_a_remedy() {
    let workshop = Runs::new();
    workshop.assert_refused("evaluate nowhere", &["nowhere"]);
    workshop.assert_refused("report .", &["neither a run folder nor a comparison"]);
    workshop.assert_refused("report time", &["scores.json", "porecast evaluate"]);
    fs::remove_file(workshop.path("time/predictions/validation.h5")).unwrap();
    // The missing file has to be predicted, but the run has no network.
    workshop.assert_refused("evaluate time --dataset data.h5", &["time/config.toml"]);
    fs::rename(workshop.path("data.h5"), workshop.path("moved.h5")).unwrap();
    workshop.assert_refused("evaluate frame", &["data.h5", "--dataset"]);
    workshop.assert_refused("compare frame time -o both", &["data.h5", "`porecast evaluate --dataset`"]);
    workshop.assert_done("evaluate frame --dataset moved.h5");
}

#[test]
fn another_dataset_is_not_scored_with_these_predictions() {
    let workshop = Runs::new();
    write_percolation(&workshop.path("other.h5"), 10..14);
    workshop.assert_refused("evaluate time --dataset other.h5", &["time/config.toml"]);
    workshop.assert_refused(
        "evaluate time/predictions/test.h5 --dataset other.h5 -o scores",
        &["other.h5", "has no domain", "\"d04\""],
    );
    write_percolation(&workshop.path("data.h5"), 1..9);
    workshop.assert_refused("evaluate time", &["data.h5", "fingerprint"]);
}

#[test]
fn predictions_at_other_times_are_a_mismatch() {
    let workshop = Runs::new();
    let path = workshop.path("time/predictions/test.h5");
    let file = PredictionFile::open(&path).unwrap();
    let shifted: Vec<_> = (0..3)
        .map(|index| {
            let mut prediction = file.prediction(index)?;
            prediction.times.iter_mut().for_each(|time| *time += 0.001);
            Ok(prediction)
        })
        .collect();
    prediction::write(&path, file.header(), shifted.into_iter()).unwrap();
    workshop.assert_refused("evaluate time", &["test.h5", "d0", "0.001", "not a time of the dataset"]);
    assert!(!workshop.path("time/evaluation/scores.json").exists());
}

#[test]
fn runs_with_some_frames_are_compared_at_those() {
    let workshop = Runs::new();
    let stdout = workshop.assert_done("compare time frame -o both");
    assert!(stdout.contains("frame 3:") && stdout.contains("frames 0 to 4:"), "{stdout}");
    let table = rows(&workshop.path("both/comparison.csv"));
    let has = |run: &str, frames: &str| table.iter().any(|row| row["run"] == run && row["frames"] == frames);
    assert!(has("time", "frame 3") && has("frame", "frame 3") && has("mean frame", "frame 3"));
    assert!(has("time", "frames 0 to 4") && !has("frame", "frames 0 to 4"));
    let costs = rows(&workshop.path("both/runs.csv"));
    assert_eq!((costs[0]["parameters"].as_str(), costs[0]["samples_seen"].as_str()), ("1234", "30"));
    for file in ["comparison.json", "comparison.md", "mse.svg", "mse.png"] {
        assert!(workshop.path("both").join(file).is_file(), "{file}");
    }
    let text = std::fs::read_to_string(workshop.path("both/comparison.md")).unwrap();
    let line =
        |start: &str| text.lines().find(|line| line.starts_with(start)).unwrap_or_else(|| panic!("{start}"));
    let cells = |start: &str| line(start).split('|').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(cells("| frame | time |")[2..4], ["time", "frame"]);
    let (second, third) = (cells("| 2 |"), cells("| 3 |"));
    assert_eq!(second[3], "-", "the single-frame run knows frame 3 only");
    let [time, frame] = [2, 3].map(|column| third[column].parse::<f64>().unwrap());
    let difference: f64 = cells("| frame | +")[2].parse().unwrap();
    assert!(difference > 0.0 && (difference - (frame - time)).abs() < 1e-4, "{difference} {frame} {time}");
}

#[test]
fn runs_on_different_domains_or_datasets_are_not_compared() {
    let workshop = Runs::new();
    workshop.write_run("split", "data.h5", &ALL, &[4, 5, 7]);
    workshop.assert_refused("compare time split -o both", &["time and split", "test domains", "d06", "d07"]);
    write_percolation(&workshop.path("other.h5"), 1..9);
    workshop.write_run("else", "other.h5", &ALL, &[4, 5, 6]);
    workshop
        .assert_refused("compare time else -o both", &["time and else", "different datasets", "other.h5"]);
    workshop.write_run("one", "data.h5", &[1], &[4, 5, 6]);
    workshop.assert_refused("compare frame one -o both", &["frame and one", "no frame in common"]);
    assert!(!workshop.path("both").exists());
}

#[test]
fn a_run_trained_further_has_to_be_evaluated_again() {
    let workshop = Runs::new();
    workshop.assert_done("evaluate time -q");
    assert!(workshop.assert_done("runs time").contains("mse "));
    let run = RunFolder::new(workshop.path("time"));
    let mut card = run.card().unwrap();
    card.members[0].epochs += 1;
    run.write_card(&card).unwrap();
    workshop.assert_refused("compare time frame -o both", &["time", "evaluate --force"]);
    workshop.assert_refused("report time", &["time", "evaluate --force"]);
    assert!(workshop.assert_done("runs time").contains("not evaluated"));
}

#[test]
fn a_report_stands_alone() {
    let workshop = Runs::new();
    workshop.assert_done("compare time frame -o both -q");
    workshop.assert_done("report time");
    workshop.assert_done("report both -o both.html");
    for (page, words) in
        [("time/report.html", "Predicted − true"), ("both.html", "Size and cost of training")]
    {
        let html = fs::read_to_string(workshop.path(page)).unwrap();
        assert!(html.contains(words), "{page}");
        assert!(
            html.contains("&lt;demo&gt; &amp; more") && !html.contains("<demo>"),
            "configuration is text"
        );
        // The only address in the page is the SVG namespace, which is not fetched.
        let html = html.replace("http://www.w3.org/2000/svg", "");
        for fetch in ["http://", "https://", "src=", "<link", "@import", "fetch("] {
            assert!(!html.contains(fetch), "{page} contains {fetch}");
        }
        for reference in html.split("href=\"").skip(1) {
            assert!(reference.starts_with("data:"), "{page} refers to {:.40}", reference);
        }
        assert!(html.len() < 5_000_000);
    }
}

#[test]
fn a_report_begins_with_the_answer_and_folds_its_tables() {
    let workshop = Runs::new();
    workshop.assert_done("compare time frame -o both -q");
    workshop.assert_done("report time");
    workshop.assert_done("report both");
    for (page, answer) in [
        ("time/report.html", "The best baseline, percolation, has mean squared error in the pore space"),
        ("both/report.html", "time has mean squared error in the pore space"),
    ] {
        let html = fs::read_to_string(workshop.path(page)).unwrap();
        let text = html.split("<p class=\"answer\">").nth(1).and_then(|rest| rest.split('<').next()).unwrap();
        assert!(text.contains("3 test domains") && text.contains("too few to tell"), "{page}: {text}");
        assert!(text.starts_with(answer) || page.starts_with("time"), "{page}: {text}");
        let place = |what: &str| html.find(what).unwrap_or_else(|| panic!("{page} has no {what}"));
        assert!(
            place("class=\"answer\"") < place("id=\"player\"") && place("id=\"player\"") < place("<details>")
        );
        assert!(place("<details>") < place("<table>"), "{page}: tables are folded");
        assert!(html.contains("time (pore volumes injected)"), "{page}: axes have units");
        for id in ["d04", "d05", "d06"] {
            assert!(html.contains(&format!("{{\"id\":\"{id}\"")), "{page}: {id} can be chosen");
        }
    }
}

#[test]
fn a_dataset_and_a_file_of_predictions_have_a_page() {
    let workshop = Runs::new();
    workshop.assert_done("report data.h5");
    workshop.assert_done("report time/predictions/test.h5 -o test.html");
    for (page, words) in [("data.html", "Dataset data"), ("test.html", "Invasion predicted by time")] {
        let html = fs::read_to_string(workshop.path(page)).unwrap();
        for wanted in [words, "\"porosity\"", "At ", "id=\"film\""] {
            assert!(html.contains(wanted), "{page} lacks {wanted}");
        }
    }
    workshop.assert_refused("report data.h5", &["data.html", "--force"]);
    workshop.assert_refused("report nowhere.h5", &["nowhere.h5"]);
}

#[test]
fn an_output_that_cannot_be_written_is_a_failure_and_not_bad_input() {
    let workshop = Runs::new();
    fs::write(workshop.path("file"), "in the way").unwrap();
    fails(&mut workshop.porecast(["evaluate", "time", "-o", "file/scores"]), 1, &["cannot be written"]);
}

#[test]
fn without_a_clock_percolation_takes_the_training_saturations() {
    let workshop = Runs { folder: tempfile::tempdir().unwrap() };
    let without_clock = (0..8).map(|seed| {
        let times = (0..FRAMES).map(|frame| frame as f64).collect();
        (seed, Trajectory { time_unit: TimeUnit::Frame, times, ..sequence(seed) })
    });
    write_dataset(&workshop.path("data.h5"), "published", without_clock);
    workshop.write_run("time", "data.h5", &ALL, &[4, 5, 6]);
    let stdout = workshop.assert_done("evaluate time");
    assert!(stdout.contains("percolation") && !stdout.contains("the simulator itself"), "{stdout}");
    let stdout = workshop.assert_done("evaluate time/predictions/test.h5 --dataset data.h5 -o scores");
    assert!(!stdout.contains("percolation"), "{stdout}");
}
