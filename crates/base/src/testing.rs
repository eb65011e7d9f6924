//! Tests that need what not every machine has: files of other authors, a GPU.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Says that a test is skipped because the machine lacks `what` (`data`, `gpu`).
///
/// # Panics
/// If `PORECAST_REQUIRE` lists `what`, or is `all`: then the test must run.
pub fn skip(what: &str, reason: impl Display) {
    let required = std::env::var("PORECAST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word == what || word == "all");
    assert!(!is_required, "PORECAST_REQUIRE={required} asks for this test, but {reason}");
    println!("skipped: {reason}");
}

/// A place among the real data that tests read, or none after [`skip`]. `PORECAST_DATA` names its folder, otherwise
/// it is `shared/data` beside the project.
pub fn data(place: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("PORECAST_DATA").map_or_else(beside, PathBuf::from).join(place);
    match path.canonicalize() {
        Ok(path) => Some(path),
        Err(_) => {
            skip("data", format_args!("{} is absent; set PORECAST_DATA", path.display()));
            None
        }
    }
}
