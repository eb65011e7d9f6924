//! Training as a user runs it: from a dataset to weights, interrupted and resumed.

mod support;

use std::path::Path;

use support::{Exits, dataset, porecast};

fn config(folder: &Path, more: &str) -> std::path::PathBuf {
    let path = folder.join("train.toml");
    let text = format!(
        "name = 'small'\ndataset = {:?}\n{more}\n[model.unet]\nbase_channels = 4\nlevels = 2\n",
        folder.join("data.h5")
    );
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn training_lowers_the_loss() {
    let folder = tempfile::tempdir().expect("a folder");
    dataset(&folder.path().join("data.h5"), 10, (32, 32), 6);
    let config = config(folder.path(), "[loss]\ncross_entropy = 1.0\n[training]\nepochs = 4\n");
    porecast().arg("train").arg(config).arg("-o").arg(folder.path().join("run")).succeeds();
}
