//! Lattice Boltzmann against percolation on ten domains as the capillary number falls, and both against a published
//! volume-of-fluid sequence. Writes pages with figures.
//!
//!     cargo run --release -p porecast-simulations --example cross_checks [-- FOLDER [LABELS.npz]]
//!
//! The folder is `docs/validation` unless given. `LABELS.npz` holds the published sequence as `labels` `[time, y, x]`:
//! 0 solid, 1 defending, 2 invading fluid, inlet on top; without it the page about it is not written. It takes some
//! minutes for each page.

#[path = "../validation/cases.rs"]
#[allow(dead_code, reason = "the validation draws more")]
mod cases;
#[path = "../validation/figures.rs"]
#[allow(dead_code, reason = "the validation draws more")]
mod figures;
mod published;
mod ten_domains;

use std::path::PathBuf;

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../docs/validation");
    let folder = std::env::args().nth(1).map_or(root, PathBuf::from);
    std::fs::create_dir_all(&folder)?;
    match std::env::args().nth(2) {
        Some(labels) => published::compare(&folder, labels.as_ref()),
        None => ten_domains::compare(&folder),
    }
}
