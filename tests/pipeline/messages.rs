//! What the program says: messages name the reason and what to type next, progress tells the time that is left.

use std::fs;
use std::process::Command;

use image::{GrayImage, Luma};

use crate::support::{Exits, Project, Workshop, fails, on_a_terminal, text};

const CAMPAIGN: &str =
    "domains = 2\nheight = 32\nwidth = 32\nvoxel_size_m = 1e-5\npercolation = { frames = 4 }\n[[domain]]\n";
const GENERATOR: &str = "generator = { kind = 'random-field', porosity = 0.75 }\n";

/// A project with the configurations of a training, `train.toml`, and of a campaign, `campaign.toml`.
fn project() -> Project {
    let project = Project::new();
    project.config("[loss]\ncross_entropy = 1.0\n[training]\nepochs = 1\nsamples_per_epoch = 8");
    fs::write(project.path("campaign.toml"), format!("{CAMPAIGN}{GENERATOR}")).unwrap();
    project
}

#[test]
fn a_configuration_of_another_kind_is_named_with_its_command() {
    let project = project();
    let campaign = ["campaign.toml", "is the configuration of a campaign", "`porecast simulate`"];
    let training = ["train.toml", "is the configuration of a training on invasions", "`porecast train`"];
    project.assert_refused("train campaign.toml -o run", &campaign);
    project.assert_refused("search campaign.toml", &campaign);
    project.assert_refused("prepare campaign.toml", &campaign);
    project.assert_refused("simulate train.toml -o d.h5", &training);
    let search = "name = 'a'\ntraining = 'train.toml'\ntrials = 3\n[[parameter]]\nkey = 'seed'\nvalues = { choice = [1] }\n";
    fs::write(project.path("search.toml"), search).unwrap();
    project.assert_refused("train search.toml", &["is the configuration of a search", "`porecast search`"]);
}

#[test]
fn a_key_at_the_wrong_place_is_named_with_the_right_one() {
    let project = project();
    let refused = |set: &str, wanted: &[&str]| {
        project.assert_refused(&format!("train train.toml -o run --set {set}"), wanted);
    };
    refused("epochs=3", &["epochs: there is no such key; did you mean `training.epochs`?"]);
    refused("learning_rate=1e-3", &["did you mean `optimizer.learning_rate`?"]);
    project.assert_refused(
        "simulate campaign.toml -o d.h5 --set porosity=0.5",
        &["porosity: there is no such key; did you mean `domain.0.generator.porosity`?"],
    );
}

#[test]
fn messages_have_no_names_of_rust() {
    let project = project();
    for (set, wanted) in [
        ("physics=['porosity','porosity']", "[\"porosity\",\"porosity\"]"),
        ("inputs=['wall-distance','wall-distance']", "[\"wall-distance\",\"wall-distance\"]"),
        ("training.epochs=many", "expected a whole number"),
        ("optimizer.learning_rate=fast", "expected a number"),
        ("model=3", "expected a table"),
        ("inputs=3", "expected a list"),
        ("head=deep", "unknown word `deep`, expected `regression` or `multi-class`"),
    ] {
        let mut train = project.train(&project.path("train.toml"), "run");
        let said = fails(train.args(["--set", set]), 2, &[wanted]);
        for name in ["usize", "f64", "struct", "enum", "variant", "Porosity", "WallDistance", "Config"] {
            assert!(!said.contains(name), "{said}");
        }
    }
}

#[test]
fn crops_without_a_path_are_named_with_what_was_tried() {
    let project = project();
    // Bright stripes across the flow.
    GrayImage::from_fn(64, 64, |_, y| Luma([if y % 8 < 4 { 0 } else { 255 }]))
        .save(project.path("stripes.png"))
        .unwrap();
    let image =
        "image = { path = 'stripes.png', segmentation = { polarity = 'pore-bright', threshold = 0.5 } }\n";
    fs::write(project.path("crops.toml"), format!("{CAMPAIGN}{image}")).unwrap();
    let wanted = [
        "50 crops of",
        "stripes.png",
        "bright pixels are pore",
        "porosity 0.50 to 0.50",
        "segmentation.polarity",
    ];
    fails(&mut project.porecast(["simulate", "crops.toml", "-o", "d.h5"]), 1, &wanted);
}

#[test]
fn progress_tells_the_time_left_within_the_width_of_the_terminal() {
    let project = project();
    let width = 50;
    let train = "train train.toml -o run --set training.epochs=2 --set training.samples_per_epoch=64";
    let Some(said) = on_a_terminal(&project.porecast(train.split_whitespace()), width) else { return };
    let bars: Vec<&str> = said.lines().filter(|line| line.contains('█')).collect();
    assert!(bars.iter().any(|line| line.contains(" left")), "{said}");
    assert!(bars.iter().all(|line| line.chars().count() <= width), "{said}");
}

#[test]
fn a_simulation_by_lattice_boltzmann_tells_how_far_it_is() {
    let project = project();
    let text = "domains = 1\nheight = 40\nwidth = 32\nvoxel_size_m = 1e-5\nsimulator = 'lattice-boltzmann'\n\
        lattice_boltzmann = { viscosity_ratio = 0.1, frames = 4, until = { pore_volumes = 0.3 } }\n\
        capillary_numbers = [0.05]\n[[domain]]\n\
        generator = { kind = 'jittered-lattice', spacing = 20.0, grain_radius = 5.0, jitter = 0.1, buffer = 6 }\n";
    fs::write(project.path("drainage.toml"), text).unwrap();
    let simulate = project.porecast(["simulate", "drainage.toml", "-o", "d.h5"]);
    let Some(said) = on_a_terminal(&simulate, 100) else { return };
    assert!(said.contains("0/1, domain 0: ") && said.contains(" %"), "{said}");
}

#[test]
fn a_folder_of_runs_is_listed() {
    let project = project();
    fs::create_dir(project.path("runs")).unwrap();
    for (name, epochs) in [("b", 2), ("a", 1)] {
        project.assert_done(&format!(
            "train train.toml -q -o runs/{name} --set training.epochs={epochs} --set name={name}"
        ));
    }
    fs::create_dir(project.path("runs/c")).unwrap();
    fs::write(project.path("runs/c/run.json"), "{}").unwrap();
    let said = project.assert_done("inspect runs");
    let rows: Vec<Vec<&str>> = said.lines().map(|line| line.split_whitespace().collect()).collect();
    assert!(rows.contains(&vec!["runs", "3"]), "{said}");
    assert!(rows.iter().any(|row| row.starts_with(&["a", "a", "invasion", "1", "1"])), "{said}");
    assert!(rows.iter().any(|row| row.starts_with(&["b", "b", "invasion", "1", "2"])), "{said}");
    assert!(said.contains("cannot be read"), "{said}");
}

#[test]
fn one_frame_is_one_frame() {
    let project = project();
    project.assert_done("train train.toml -q -o run");
    GrayImage::from_pixel(32, 32, Luma([255])).save(project.path("a.png")).unwrap();
    // An image of one grey has no threshold that divides it.
    GrayImage::from_fn(32, 32, |x, y| Luma([if x == 9 && y == 9 { 0 } else { 255 }]))
        .save(project.path("a.png"))
        .unwrap();
    let said = project.predict("run", "a.png", "one").args(["--times", "0.1"]).succeeds();
    assert!(text(&said.stderr).contains("predicted 1 frame:"), "{}", text(&said.stderr));
}

/// `command` as a user without privileges; `None`, with a line that says so, if this user cannot have another one run it.
#[cfg(unix)]
fn unprivileged(command: &Command) -> Option<Command> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.starts_with(b"0\n"));
    let changed = |arguments: &mut dyn Iterator<Item = &std::ffi::OsStr>| {
        let mut changed = Command::new(if is_root { "setpriv" } else { "env" });
        if is_root {
            changed.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        changed.arg(command.get_program()).args(arguments);
        changed
    };
    if !changed(&mut ["--version".as_ref()].into_iter()).output().is_ok_and(|output| output.status.success())
    {
        println!("skipped: the program cannot be run by an unprivileged user here");
        return None;
    }
    let mut changed = changed(&mut command.get_args());
    changed.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    changed.current_dir(command.get_current_dir()?);
    Some(changed)
}

#[cfg(unix)]
#[test]
fn what_may_not_be_read_or_written_is_named_as_that() {
    use std::os::unix::fs::PermissionsExt;
    let project = project();
    project.assert_done("train train.toml -q -o run");
    GrayImage::from_fn(32, 32, |x, _| Luma([if x % 8 < 3 { 0 } else { 255 }]))
        .save(project.path("a.png"))
        .unwrap();
    let permit = |name: &str, mode| {
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    };
    fs::create_dir(project.path("closed")).unwrap();
    fs::create_dir(project.path("open")).unwrap();
    permit("", 0o755);
    permit("open", 0o777);
    for file in ["a.png", "data.h5", "train.toml"] {
        permit(file, 0o000);
    }
    permit("run/best.safetensors", 0o000);
    for (arguments, code, wanted) in [
        ("inspect data.h5", 2, ["data.h5", "Permission denied"]),
        ("inspect a.png", 2, ["a.png", "Permission denied"]),
        ("train train.toml -o open/run", 2, ["train.toml", "Permission denied"]),
        ("simulate campaign.toml -o closed/d.h5", 1, ["closed", "Permission denied"]),
        ("predict --run run a.png -o closed/out", 1, ["closed", "Permission denied"]),
        ("predict --run run a.png -o open/out", 2, ["best.safetensors", "Permission denied"]),
    ] {
        let command = project.porecast(arguments.split_whitespace());
        let Some(mut command) = unprivileged(&command) else { return };
        let said = fails(&mut command, code, &wanted);
        assert!(!said.contains("damaged"), "{said}");
    }
    for folder in ["open", "closed"] {
        assert_eq!(
            fs::read_dir(project.path(folder)).unwrap().count(),
            0,
            "nothing is left behind in {folder}"
        );
    }
}
