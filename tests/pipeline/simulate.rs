//! `porecast simulate`: content of the dataset, interruptions, refused input.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hdf5::types::{FixedAscii, TypeDescriptor, VarLenUnicode};
use porecast::store::invasion::parts_folder;
use porecast::store::{InvasionDataset, LatticeRecord};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::support::{Exits, Workshop, failed, fails, interrupt, kill_points, on_a_full_disk, text};

const CAMPAIGN: &str = r#"
domains = 30
seed = 7
height = 48
width = 32
voxel_size_m = 35e-6
percolation = { frames = 6 }
[[domain]]
vary = { porosity = [0.6, 0.75] }
generator = { kind = "disc-pack", grain_radius = 3.0, grain_radius_std = 0.5, min_gap = 2.0 }
[[domain]]
generator = { kind = "random-field", porosity = 0.7, correlation_length = 2.0 }
"#;

struct Workplace {
    folder: tempfile::TempDir,
}

impl Workshop for Workplace {
    fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Workplace {
    fn new(campaign: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("campaign.toml"), campaign).unwrap();
        Self { folder }
    }

    fn command(&self, output: &str, more: &[&str]) -> Command {
        let mut command = self.porecast(["simulate", "campaign.toml", "-o", output]);
        command.args(more);
        command
    }

    fn run_well(&self, output: &str, more: &[&str]) -> PathBuf {
        self.command(output, more).succeeds();
        self.path(output)
    }

    fn start(&self, output: &str) -> Child {
        self.command(output, &["-q"]).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Asserts that the command fails with `code` and prints all of `wanted`.
    fn refused(&self, output: &str, more: &[&str], code: i32, wanted: &[&str]) {
        fails(&mut self.command(output, more), code, wanted);
    }
}

/// A row of `/parameters` in the dataset schema.
#[derive(Debug, hdf5::H5Type)]
#[repr(C)]
#[allow(dead_code, reason = "compared through Debug")]
struct ParameterRow {
    seed: u64,
    porosity: f64,
    contact_angle_deg: f64,
    surface_tension: f64,
    viscosity_invading: f64,
    viscosity_defending: f64,
    capillary_number: f64,
    viscosity_ratio: f64,
}

/// Type, shape and values of every dataset and attribute in an HDF5 file, by name.
fn content(path: &Path) -> BTreeMap<String, String> {
    fn describe(container: &hdf5::Container) -> String {
        let descriptor = container.dtype().unwrap().to_descriptor().unwrap();
        let is_lattice = container.name() == "/lattice";
        let values = match &descriptor {
            TypeDescriptor::Compound(_) if is_lattice => {
                format!("{:?}", container.read_raw::<LatticeRecord>().unwrap())
            }
            TypeDescriptor::VarLenUnicode => format!("{:?}", container.read_raw::<VarLenUnicode>().unwrap()),
            TypeDescriptor::FixedAscii(_) => format!("{:?}", container.read_raw::<FixedAscii<16>>().unwrap()),
            // References of dimension scales are addresses in the file.
            TypeDescriptor::VarLenArray(_) => String::new(),
            TypeDescriptor::Compound(row) if row.fields[0].name == "dataset" => String::new(),
            TypeDescriptor::Compound(_) => format!("{:?}", container.read_raw::<ParameterRow>().unwrap()),
            _ => format!("{:?}", container.read_raw::<f64>().unwrap()),
        };
        format!("{descriptor} {:?} {values}", container.shape())
    }
    let file = hdf5::File::open(path).unwrap();
    let mut content = BTreeMap::new();
    for name in file.attr_names().unwrap() {
        content.insert(format!("@{name}"), describe(&file.attr(&name).unwrap()));
    }
    for name in file.member_names().unwrap() {
        let dataset = file.dataset(&name).unwrap();
        for attribute in dataset.attr_names().unwrap() {
            content.insert(format!("{name}@{attribute}"), describe(&dataset.attr(&attribute).unwrap()));
        }
        content.insert(name, describe(&dataset));
    }
    content
}

fn assert_same_content(a: &Path, b: &Path) {
    let (a, b) = (content(a), content(b));
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    assert_eq!(a.len(), 35, "eight datasets, nine attributes, and those of the scales: {:?}", a.keys());
    for (name, value) in &a {
        assert!(*value == b[name], "{name} differs");
    }
}

#[test]
fn a_campaign_gives_percolating_sequences_and_a_card() {
    let place = Workplace::new(CAMPAIGN);
    let path = place.run_well("d.h5", &[]);
    let dataset = InvasionDataset::open(&path).unwrap();
    assert_eq!((dataset.len(), dataset.shape()), (30, (6, 48, 32)));
    for index in 0..dataset.len() {
        let sequence = dataset.sequence(index).unwrap();
        let saturation = sequence.saturation();
        assert_eq!(saturation[0], 0.0);
        assert!(saturation.windows(2).all(|pair| pair[0] <= pair[1]) && saturation[5] > 0.1);
        assert!(sequence.breakthrough_time().is_some());
    }
    let card = fs::read_to_string(place.path("d.h5.card.md")).unwrap();
    assert!(card.contains("| domains | 30 |") && card.contains("seed = 7"), "{card}");
    assert_eq!(
        fs::read_dir(place.folder.path()).unwrap().count(),
        3,
        "configuration, dataset and card alone"
    );
}

#[test]
fn a_raised_number_of_domains_extends_a_dataset_to_what_one_run_gives() {
    let place = Workplace::new(CAMPAIGN);
    let grown = place.run_well("grown.h5", &["--set", "domains=11"]);
    assert_eq!(InvasionDataset::open(&grown).unwrap().len(), 11);
    place.run_well("grown.h5", &[]);
    assert_same_content(&grown, &place.run_well("whole.h5", &[]));
    assert_eq!(
        fs::read_to_string(place.path("grown.h5.card.md")).unwrap().replace("grown.h5", "whole.h5"),
        fs::read_to_string(place.path("whole.h5.card.md")).unwrap()
    );
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let place = Workplace::new(CAMPAIGN);
    place.command("one.h5", &[]).env("RAYON_NUM_THREADS", "1").succeeds();
    assert_same_content(&place.path("one.h5"), &place.run_well("many.h5", &[]));
}

#[test]
fn shards_together_hold_what_one_run_gives() {
    let place = Workplace::new(CAMPAIGN);
    let whole = InvasionDataset::open(&place.run_well("whole.h5", &[])).unwrap();
    place.run_well("shards", &["--shard", "0/3"]);
    place.run_well("shards", &["--shard", "2/3"]);
    let incomplete = InvasionDataset::open(&place.path("shards")).unwrap_err().to_string();
    assert!(incomplete.contains("shard-1-of-3.h5 missing"), "{incomplete}");
    place.run_well("shards", &["--shard", "1/3"]);
    let shards = InvasionDataset::open(&place.path("shards")).unwrap();
    assert_eq!(shards.domain_ids(), whole.domain_ids());
    assert_eq!(shards.fingerprint().unwrap(), whole.fingerprint().unwrap());
}

#[test]
fn crops_of_an_image_become_domains() {
    let place = Workplace::new(
        r#"
        domains = 6
        height = 24
        width = 16
        voxel_size_m = 30e-6
        [[domain]]
        [domain.image]
        path = "medium.png"
        segmentation = { polarity = "pore-dark", threshold = 0.5, downscale = 2 }
        "#,
    );
    let medium = image::GrayImage::from_fn(120, 100, |x, y| {
        let (dx, dy) = (x % 20, y % 20);
        image::Luma([if (4..12).contains(&dx) && (4..12).contains(&dy) { 250 } else { 20 }])
    });
    place.refused("d.h5", &[], 2, &["medium.png", "cannot be read"]);
    medium.save(place.path("medium.png")).unwrap();
    let dataset = InvasionDataset::open(&place.run_well("d.h5", &[])).unwrap();
    assert_eq!((dataset.len(), dataset.voxel_size_m()), (6, 30e-6));
    let porosity = dataset.parameters(0).unwrap().porosity;
    assert!((0.75..0.95).contains(&porosity), "{porosity}");
    place.refused("e.h5", &["--set", "height=90"], 2, &["medium.png", "needs at least 180 x 32"]);
}

/// Kills the campaign at random moments, half of them during the merge, then lets it finish.
#[test]
fn killed_at_any_moment_nothing_finished_is_lost_and_the_result_is_the_same() {
    let points = kill_points(6);
    let place = Workplace::new(CAMPAIGN);
    let begun = Instant::now();
    let whole = place.run_well("whole.h5", &[]);
    let duration = begun.elapsed();
    let ids: Vec<String> = InvasionDataset::open(&whole).unwrap().domain_ids().to_vec();
    let mut rng = ChaCha8Rng::seed_from_u64(points as u64);
    let mut hits = 0;
    for point in 0..points {
        let name = format!("killed-{point}.h5");
        let path = place.path(&name);
        let parts = parts_folder(&path);
        let kills = rng.random_range(1..=3);
        for kill in 0..kills {
            let mut child = place.start(&name);
            if (point + kill) % 2 == 0 {
                std::thread::sleep(duration.mul_f64(rng.random_range(0.0..0.9)));
            } else {
                let begun = Instant::now();
                while !is_merging(&parts) && begun.elapsed() < 10 * duration {
                    std::thread::sleep(Duration::from_micros(200));
                }
                std::thread::sleep(Duration::from_micros(rng.random_range(0..20_000)));
            }
            let finished = count_parts(&parts);
            hits += usize::from(child.try_wait().unwrap().is_none());
            child.kill().unwrap();
            child.wait().unwrap();
            if finished > 0 || path.exists() {
                let dataset = InvasionDataset::open(&path).unwrap();
                assert!(dataset.len() >= finished, "{} of {finished} finished are left", dataset.len());
                assert!(dataset.domain_ids().iter().all(|id| ids.contains(id)));
                dataset.fingerprint().unwrap();
            }
        }
        place.run_well(&name, &[]);
        assert_same_content(&path, &whole);
        assert!(!parts.exists() && place.path(&format!("{name}.card.md")).exists());
        fs::remove_file(&path).unwrap();
    }
    println!("{points} campaigns, {hits} kills of a running process, all equal in the end");
    assert!(hits > 0);
}

fn count_parts(parts: &Path) -> usize {
    let Ok(entries) = fs::read_dir(parts) else { return 0 };
    entries
        .filter(|entry| entry.as_ref().is_ok_and(|e| e.path().extension().is_some_and(|e| e == "h5")))
        .count()
}

/// Whether all domains are finished and the merge is running.
fn is_merging(parts: &Path) -> bool {
    count_parts(parts) == 30
}

#[cfg(unix)]
#[test]
fn a_full_disk_is_a_clear_error_and_loses_nothing() {
    let place = Workplace::new(CAMPAIGN);
    let whole = place.run_well("whole.h5", &[]);
    let limited = |kilobytes| on_a_full_disk(&place.command("d.h5", &[]), kilobytes);
    // Too small for a single domain.
    fails(&mut limited(2), 1, &[".h5", "cannot be written"]);
    assert!(!place.path("d.h5").exists());
    // Enough for each domain, too small for the merged dataset.
    fails(&mut limited(40), 1, &["cannot be written"]);
    let kept = InvasionDataset::open(&place.path("d.h5")).unwrap();
    assert_eq!(kept.len(), 30, "all finished domains are kept");
    assert_same_content(&place.run_well("d.h5", &[]), &whole);
}

#[test]
fn a_domain_that_does_not_percolate_is_reported_and_the_others_are_stored() {
    let place = Workplace::new(&CAMPAIGN.replace("porosity = 0.7,", "porosity = 0.12,"));
    let said = text(&place.command("d.h5", &[]).succeeds().stderr);
    for words in ["note: ", "could not be simulated", "the others are stored", "no path from", "`draws`"] {
        assert!(said.contains(words), "{said}");
    }
    let stored = InvasionDataset::open(&place.path("d.h5")).unwrap().len();
    assert!((5..25).contains(&stored), "{stored}");
    let none = ["--set", "domain.0.weight=1e-9"];
    place.refused("none.h5", &none, 1, &["none could be stored"]);
    assert!(!place.path("none.h5").exists());
}

#[test]
fn unknown_keys_and_bad_values_are_all_reported_at_once() {
    let place = Workplace::new(
        &CAMPAIGN.replace("seed = 7", "sede = 7\nheigth = 3").replace("frames = 6", "frames = 0"),
    );
    let wanted = [
        "campaign.toml: 4 problems",
        "sede: there is no such key; did you mean `seed`?",
        "heigth: there is no such key; did you mean `height`?",
        "percolation.frames: 0 is outside",
        "voxel_size_m: -1 is outside (0, inf)",
    ];
    place.refused("d.h5", &["--set", "voxel_size_m=-1"], 2, &wanted);
    assert!(!place.path("d.h5.parts").exists());
}

#[test]
fn arguments_that_make_no_sense_are_refused_with_exit_code_2() {
    let place = Workplace::new(CAMPAIGN);
    place.refused("d", &["--shard", "3/3"], 2, &["'3/3' for '--shard", "expected i/n"]);
    place.refused("d", &["--set", "domains"], 2, &["--set domains", "expected key.path=value"]);
    place.refused(".", &[], 2, &["is a folder"]);
    place.assert_refused("simulate absent.toml -o d.h5", &["absent.toml", "cannot be read"]);
}

#[test]
fn an_existing_output_of_something_else_is_kept_without_force() {
    let place = Workplace::new(CAMPAIGN);
    let path = place.run_well("d.h5", &["--set", "domains=3"]);
    let other = ["--set", "domains=3", "--set", "seed=8"];
    let before = fs::read(&path).unwrap();
    place.refused("d.h5", &other, 2, &["d.h5", "holds another campaign (seed differs)", "--force"]);
    assert_eq!(fs::read(&path).unwrap(), before);
    place.run_well("d.h5", &[&other[..], &["--force"]].concat());
    assert_ne!(fs::read(&path).unwrap(), before);

    fs::write(&path, "a diary").unwrap();
    place.refused("d.h5", &[], 2, &["d.h5", "is not an HDF5 file", "--force"]);
    assert_eq!(fs::read(&path).unwrap(), b"a diary");

    let whole = fs::read(place.run_well("d.h5", &["--set", "domains=3", "--force"])).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    place.refused("d.h5", &["--set", "domains=3"], 2, &["truncated", "--force"]);
}

#[test]
fn a_finished_campaign_runs_again_without_doing_anything() {
    let place = Workplace::new(CAMPAIGN);
    let path = place.run_well("d.h5", &[]);
    let before = fs::metadata(&path).unwrap().modified().unwrap();
    let said = text(&place.command("d.h5", &[]).succeeds().stderr);
    assert!(said.contains("30 domains are there, 0 to go"), "{said}");
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), before);
    assert!(place.command("d.h5", &["-q"]).succeeds().stderr.is_empty(), "quiet means quiet");
}

#[cfg(unix)]
#[test]
fn an_interrupted_campaign_says_how_to_go_on() {
    let place = Workplace::new(&CAMPAIGN.replace("domains = 30", "domains = 3000"));
    let child = place.command("d.h5", &[]).stderr(Stdio::piped()).spawn().unwrap();
    while count_parts(&place.path("d.h5.parts")) == 0 {
        std::thread::sleep(Duration::from_millis(1));
    }
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    failed(&output, 130, &["what is finished is kept; run the same command again to go on"]);
    let dataset = InvasionDataset::open(&place.path("d.h5")).unwrap();
    assert!(!dataset.is_empty() && dataset.is_unfinished());
    assert!(place.assert_done("inspect d.h5").contains("so far (the campaign has not ended)"));
}

const DYNAMIC: &str = r#"
simulator = "lattice-boltzmann"
domains = 4
seed = 3
height = 40
width = 32
voxel_size_m = 35e-6
capillary_numbers = [0.02, 0.05]
lattice_boltzmann = { viscosity_ratio = 0.1, frames = 4, until = { pore_volumes = 0.3 } }
[[domain]]
generator = { kind = "jittered-lattice", spacing = 20.0, grain_radius = 5.0, jitter = 0.1, buffer = 6 }
"#;

#[test]
fn a_campaign_by_lattice_boltzmann_holds_sequences_of_the_drawn_rates() {
    let place = Workplace::new(DYNAMIC);
    let path = place.run_well("whole.h5", &[]);
    let dataset = InvasionDataset::open(&path).unwrap();
    assert_eq!((dataset.origin().simulator.as_str(), dataset.shape()), ("lattice-boltzmann", (4, 40, 32)));
    let rates: Vec<f64> = (0..4).map(|i| dataset.parameters(i).unwrap().capillary_number).collect();
    assert!(
        rates.iter().all(|rate| [0.02, 0.05].iter().any(|drawn| (rate / drawn - 1.0).abs() < 1e-6)),
        "{rates:?}"
    );
    for index in 0..4 {
        let saturation = dataset.sequence(index).unwrap().saturation();
        assert_eq!(saturation[0], 0.0);
        assert!(saturation.is_sorted() && (saturation[3] - 0.3).abs() < 0.05, "{saturation:?}");
    }
    // Extending a smaller dataset gives the same file.
    place.run_well("parts.h5", &["--set", "domains=2"]);
    let parts = place.run_well("parts.h5", &[]);
    assert_eq!(content(&path), content(&parts));
}

#[test]
fn pressure_and_velocity_are_kept_when_asked_for() {
    let place = Workplace::new(&DYNAMIC.replace("frames = 4", "frames = 4, keep_flow = true"));
    let path = place.run_well("d.h5", &["--set", "domains=2"]);
    let dataset = InvasionDataset::open(&path).unwrap();
    for index in 0..2 {
        let flow = dataset.flow(index).unwrap().unwrap();
        let dynamics = dataset.dynamics(index).unwrap().unwrap();
        let sequence = dataset.sequence(index).unwrap();
        assert_eq!((flow.pressure_pa.len(), flow.velocity_x_m_per_s[3].dim()), (4, (40, 32)));
        // The flow through a row without grains equals the injected flow.
        let parameters = sequence.parameters;
        let rate = parameters.capillary_number * parameters.surface_tension / parameters.viscosity_invading;
        let through = flow.velocity_y_m_per_s[3].row(1).sum() / 32.0;
        assert!((f64::from(through) / rate - 1.0).abs() < 0.1, "{through} m/s of {rate}");
        for (frame, volumes) in sequence.saturation().iter().zip(&dynamics.volumes) {
            let saturation = volumes[0] / sequence.domain.pore_count() as f64;
            assert!((saturation - frame).abs() < 0.03, "{saturation} {frame}");
        }
        assert!(dynamics.lattice.mass_drift.abs() < 1e-3 && dynamics.lattice.steps > 100.0);
    }
    let card = fs::read_to_string(place.path("d.h5.card.md")).unwrap();
    for wanted in
        ["/velocity", "relaxation time of the invading fluid", "mass drift", "None of the 2 domains failed"]
    {
        assert!(card.contains(wanted), "{card}\ndoes not say {wanted}");
    }
    assert!(place.assert_done("inspect d.h5").contains("/pressure (Pa), /velocity (m/s)"));
    place.refused(
        "e.h5",
        &["--set", "lattice_boltzmann.until=breakthrough"],
        2,
        &["lattice_boltzmann.keep_flow", "pore_volumes"],
    );
}

/// Number of time steps in a saved state.
fn saved_steps(state: &Path) -> Option<u64> {
    let bytes = fs::read(state).ok()?;
    Some(u64::from_le_bytes(bytes.get(20..28)?.try_into().ok()?))
}

#[cfg(unix)]
#[test]
fn a_simulation_killed_within_a_domain_goes_on_from_its_state_to_the_same_bytes() {
    let place = Workplace::new(&DYNAMIC.replace("domains = 4", "domains = 1").replace("0.3", "1.5"));
    let bytes = fs::read(place.run_well("whole.h5", &[])).unwrap();
    let parts = parts_folder(&place.path("d.h5"));
    let state = || {
        let mut entries = fs::read_dir(&parts).ok()?;
        entries.find_map(|entry| {
            entry.ok().map(|e| e.path()).filter(|p| p.extension().is_some_and(|e| e == "state"))
        })
    };
    let steps = || state().and_then(|state| saved_steps(&state)).unwrap_or(0);
    let wait_for = |least: u64| {
        let begun = Instant::now();
        while steps() < least {
            assert!(begun.elapsed() < Duration::from_secs(60), "no state of {least} steps: {}", steps());
            std::thread::sleep(Duration::from_millis(1));
        }
    };
    // SIGKILL, with a state saved as often as possible.
    let mut child = place.command("d.h5", &["-q", "--checkpoint-seconds", "0"]).spawn().unwrap();
    wait_for(1000);
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = steps();
    assert!(killed >= 1000 && !place.path("d.h5").exists());
    // Ctrl-C after the resumed simulation has saved a later state.
    let mut command = place.command("d.h5", &["--checkpoint-seconds", "0"]);
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    let begun = Instant::now();
    while steps() == killed && begun.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_micros(200));
    }
    assert!(steps() > killed, "{} after {killed}", steps());
    interrupt(&child);
    failed(&child.wait_with_output().unwrap(), 130, &["run the same command again to go on"]);
    assert_eq!(fs::read(place.run_well("d.h5", &[])).unwrap(), bytes);
    assert!(!parts.exists());

    // A damaged state is not used.
    fs::remove_file(place.path("d.h5")).unwrap();
    let mut child = place.command("d.h5", &["-q", "--checkpoint-seconds", "0"]).spawn().unwrap();
    wait_for(50);
    child.kill().unwrap();
    child.wait().unwrap();
    fs::write(state().unwrap(), "spoilt").unwrap();
    assert_eq!(fs::read(place.run_well("d.h5", &[])).unwrap(), bytes);
}

#[test]
fn domains_too_narrow_for_the_interface_are_reported_and_not_stored() {
    let place = Workplace::new(&DYNAMIC.replace("spacing = 20.0", "spacing = 13.0"));
    let said = text(&place.command("out.h5", &[]).succeeds().stderr);
    for words in ["note: 3 domains could not be simulated", "the others are stored", "sites_per_pixel"] {
        assert!(said.contains(words), "{said}");
    }
    assert_eq!(InvasionDataset::open(&place.path("out.h5")).unwrap().len(), 1);
    let place = Workplace::new(&DYNAMIC.replace("simulator =", "#"));
    place.refused("out.h5", &[], 2, &["capillary_numbers", "lattice_boltzmann", "simulator"]);
    let place = Workplace::new(&DYNAMIC.replace("0.02", "7.0"));
    place.refused("out.h5", &[], 2, &["capillary_numbers", "7 is outside"]);
}
