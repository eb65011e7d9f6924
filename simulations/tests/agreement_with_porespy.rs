//! Pixel by pixel the invasion sequences of PoreSpy 3.2.0 (`simulations.qbip`).
//!
//! `invade` corresponds to `qbip(im, inlets)` and `with_trapping` to `qbip(im, inlets, outlets)`, both with
//! `conn='min'`, `min_size=0` and the default pc = 2/dt. The files are written by `fixtures/make_porespy_fixtures.py`.

use std::{fs::File, path::Path};

use ndarray::{Array2, Zip};
use ndarray_npy::NpzReader;
use porecast_simulations::{Domain, Side, percolation};

fn compare(name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/porespy_{name}.npz"));
    let mut file = NpzReader::new(File::open(&path).unwrap()).unwrap();
    let free: Array2<i16> = file.by_name("free").unwrap();
    let domain = Domain { solid: free.map(|&rank| rank == 0), voxel_size_m: 1e-6 };
    let invasion = percolation::invade(&domain, Side::Top);
    let trapping = invasion.clone().with_trapping(Side::Bottom);
    for (array, invasion) in [("free", invasion), ("trapped", trapping)] {
        let expected: Array2<i16> = file.by_name(array).unwrap();
        let sequence = invasion.invasion_sequence();
        let differing = Zip::from(&expected).and(&sequence).fold(0, |count, &expected, &rank| {
            count + usize::from(rank != u32::try_from(expected).ok().filter(|&rank| rank > 0))
        });
        assert_eq!(differing, 0, "{name}, {array}: pixels that differ");
        assert_eq!(
            invasion.steps() as i16,
            expected.iter().copied().max().unwrap(),
            "{name}, {array}: steps"
        );
    }
}

#[test]
fn sequence_of_blobs_equals_porespy() {
    compare("blobs");
}

#[test]
fn sequence_of_fine_blobs_equals_porespy() {
    compare("fine_blobs");
}

#[test]
fn sequence_of_overlapping_discs_equals_porespy() {
    compare("overlapping_discs");
}

#[test]
fn sequence_of_random_discs_equals_porespy() {
    compare("random_discs");
}

#[test]
fn sequence_of_an_almost_empty_image_equals_porespy() {
    compare("sparse");
}

#[test]
fn sequence_of_single_pixel_noise_equals_porespy() {
    compare("noise");
}
