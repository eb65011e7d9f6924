//! `porecast inspect`: known and unknown kinds of files.

use std::fs;
use std::path::Path;

use porecast::base::testing;
use porecast::store::GreyImage;

use crate::support::{Exits, Workshop, fails, text};

fn shown(folder: &Path, arguments: &[&str], wanted: &[&str]) {
    let said = text(&folder.porecast(["inspect"]).args(arguments).succeeds().stdout);
    for wanted in wanted {
        assert!(
            said.contains(wanted),
            "{said}
does not say {wanted:?}"
        );
    }
}

fn refused(folder: &Path, arguments: &[&str], wanted: &[&str]) {
    fails(folder.porecast(["inspect"]).args(arguments), 2, wanted);
}

fn campaign(folder: &Path) {
    let text = "domains = 3\nheight = 40\nwidth = 30\nvoxel_size_m = 1e-5\npercolation = { frames = 4 }\n\
                [[domain]]\ngenerator = { kind = \"random-field\", porosity = 0.75 }\n";
    fs::write(folder.join("campaign.toml"), text).unwrap();
    folder.assert_done("simulate campaign.toml -o d.h5");
}

#[test]
fn a_dataset_is_shown_as_a_table_and_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    campaign(folder);
    shown(folder, &["d.h5", "--png", "d.png"], &["invasion dataset", "3", "40 x 30 pixels", "-000002"]);
    let picture = image::open(folder.join("d.png")).unwrap();
    // Each frame is seven times as large as in the file: its longer edge has at least 256 pixels.
    assert!(
        picture.width() > 4 * 210 && picture.height() > 3 * 280,
        "{}x{}",
        picture.width(),
        picture.height()
    );
    refused(folder, &["d.h5", "--png", "d.png"], &["d.png", "exists already", "--force"]);
    fs::create_dir(folder.join("e.h5.parts")).unwrap();
    fs::rename(folder.join("d.h5"), folder.join("e.h5.parts/000000.h5")).unwrap();
    shown(folder, &["e.h5"], &["invasion dataset", "-000002"]);
    shown(folder, &["campaign.toml"], &["configuration", "domain[0].generator.porosity", "0.75"]);
    shown(folder, &["d.png"], &["image", &format!("{} x {} pixels", picture.height(), picture.width())]);
}

#[test]
fn other_files_of_the_pipeline_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let header = r#"{"conv.weight":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}}"#;
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend(header.as_bytes());
    bytes.extend([0; 24]);
    fs::write(folder.join("w.safetensors"), bytes).unwrap();
    shown(folder, &["w.safetensors"], &["conv.weight", "F32", "[2, 3]", "parameters  6"]);
    fs::write(folder.join("metrics.csv"), "epoch,loss\n1,0.5\n2,0.25\n").unwrap();
    shown(folder, &["metrics.csv"], &["rows  2", "loss    0.5        0.25"]);
    fs::write(folder.join("scores.json"), r#"{"mse":{"mean":0.1}}"#).unwrap();
    shown(folder, &["scores.json"], &["mse.mean  0.1"]);
}

#[test]
fn what_cannot_be_shown_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    campaign(folder);
    refused(folder, &["absent.h5"], &["absent.h5", "cannot be opened"]);
    fs::write(folder.join("x.doc"), "hello").unwrap();
    refused(folder, &["x.doc"], &["x.doc", "is of no kind known here"]);
    refused(folder, &["campaign.toml", "--png", "c.png"], &["--png", "there is no picture of campaign.toml"]);
    let whole = fs::read(folder.join("d.h5")).unwrap();
    fs::write(folder.join("d.h5"), &whole[..whole.len() / 2]).unwrap();
    refused(folder, &["d.h5"], &["d.h5", "truncated"]);
    fs::create_dir(folder.join("empty")).unwrap();
    refused(folder, &["empty"], &["empty", "no .h5 file"]);
}

#[test]
fn the_real_geometries_read() {
    let Some(geometry) = testing::data("geometry") else { return };
    let tiffs = fs::read_dir(geometry)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "tif"));
    let mut count = 0;
    for tiff in tiffs {
        let grey = GreyImage::read(&tiff, None).unwrap().grey;
        let bright = grey.mean().unwrap();
        assert!((0.2..0.8).contains(&bright), "{}: {bright}", tiff.display());
        count += 1;
    }
    assert!(count >= 2);
}
