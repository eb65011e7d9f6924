//! What a crate of the workspace may depend on. An arrow never runs up, and only learning and kernels know Burn.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Each crate with those of the workspace that it may name, from the bottom to the top.
const ALLOWED: [(&str, &[&str]); 9] = [
    ("base", &[]),
    ("simulations", &["base"]),
    ("imaging", &["base"]),
    ("kernels", &["base"]),
    ("store", &["base", "simulations", "imaging"]),
    ("datasets", &["base", "simulations", "imaging", "store"]),
    ("learning", &["base", "simulations", "imaging", "kernels", "store"]),
    ("scoring", &["base", "simulations", "imaging", "store"]),
    ("", &["base", "simulations", "imaging", "store", "datasets", "learning", "scoring"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn folder(name: &str) -> PathBuf {
    match name {
        "" => root(),
        "simulations" => root().join(name),
        _ => root().join("crates").join(name),
    }
}

/// Every crate that a manifest names, in any table of dependencies.
fn named(manifest: &toml::Table) -> BTreeSet<String> {
    let tables = manifest.iter().filter(|(key, _)| key.ends_with("dependencies"));
    tables.flat_map(|(_, table)| table.as_table().expect("a table").keys().cloned()).collect()
}

fn manifest(name: &str) -> toml::Table {
    let path = folder(name).join("Cargo.toml");
    std::fs::read_to_string(&path).expect("a manifest").parse().expect("TOML")
}

#[test]
fn no_arrow_runs_up() {
    for (name, allowed) in ALLOWED {
        for named in named(&manifest(name)) {
            if let Some(other) = named.strip_prefix("porecast-") {
                assert!(allowed.contains(&other), "porecast-{name} must not depend on {named}");
            }
        }
    }
}

#[test]
fn every_crate_has_its_place() {
    let crates = std::fs::read_dir(root().join("crates")).expect("a folder").count();
    assert_eq!(
        crates + 2,
        ALLOWED.len(),
        "a crate is missing in this test, beside the program and simulations"
    );
}

/// What cargo says.
fn cargo(arguments: &[&str]) -> String {
    let output =
        Command::new(env!("CARGO")).current_dir(root()).args(arguments).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn burn_and_clap_stay_where_they_belong() {
    for (name, _) in ALLOWED.iter().filter(|(name, _)| !name.is_empty()) {
        let package = format!("porecast-{name}");
        let tree = cargo(&["tree", "--edges", "normal", "--prefix", "none", "--package", &package]);
        let uses = |wanted: &str| tree.lines().any(|line| line.split(' ').next() == Some(wanted));
        assert!(!uses("clap"), "{package} depends on clap");
        let may_use_burn = ["kernels", "learning"].contains(name);
        assert_eq!(uses("burn"), may_use_burn, "whether {package} depends on Burn");
    }
}

/// The packages that are compiled for a crate, each with its features.
fn compiled(package: &str) -> BTreeSet<String> {
    let tree = cargo(&[
        "tree",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p} {f}",
        "--package",
        package,
    ]);
    tree.lines().map(|line| line.trim_end_matches(" (*)").to_owned()).collect()
}

#[test]
fn the_python_package_shares_the_compiled_dependencies_of_the_program() {
    let (program, wheel) = (compiled("porecast"), compiled("porecast-python"));
    let different: Vec<_> = program.difference(&wheel).collect();
    assert!(different.is_empty(), "the wheel compiles other features of {different:#?}");
}

#[test]
fn no_dependency_needs_a_newer_rust_than_this_project() {
    let version = |text: &str| -> Vec<u64> {
        let mut numbers: Vec<u64> = text.split('.').map(|part| part.parse().expect("a number")).collect();
        numbers.resize(3, 0);
        numbers
    };
    let ours = version(manifest("")["workspace"]["package"]["rust-version"].as_str().expect("a version"));
    let metadata: serde_json::Value =
        serde_json::from_str(&cargo(&["metadata", "--format-version", "1"])).expect("JSON");
    for package in metadata["packages"].as_array().expect("a list") {
        if let Some(needed) = package["rust_version"].as_str() {
            assert!(version(needed) <= ours, "{} needs Rust {needed}", package["name"]);
        }
    }
}
