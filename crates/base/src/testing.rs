//! Support for tests that need resources not every machine has: published data, a GPU.

use std::fmt::Display;
use std::path::{Path, PathBuf};

/// Reports that a test is skipped because the machine lacks `what` (`data`, `gpu`).
///
/// # Panics
/// If `PORECAST_REQUIRE` lists `what` or is `all`: the test must then run.
pub fn skip(what: &str, reason: impl Display) {
    let required = std::env::var("PORECAST_REQUIRE").unwrap_or_default();
    let is_required = required.split(',').any(|word| word == what || word == "all");
    assert!(!is_required, "PORECAST_REQUIRE={required} asks for this test, but {reason}");
    println!("skipped: {reason}");
}

/// Path of `place` in the real data for tests; calls [`skip`] and returns `None` if it is missing. The data
/// folder is given by `PORECAST_DATA`, by default `shared/data` beside the project.
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
