//! Copies an npz archive without outliers, shared masks and repeated images.

use std::path::Path;

use porecast_imaging::Warning;
use porecast_imaging::format::cleaning::{self, CleaningConfig};
use porecast_imaging::format::{Format, NpzStack};

use porecast_base::{Error, Result};
use porecast_store::config::segmentation::SourceConfig;

/// Writes the source without outliers, shared masks and repeated images to `to`; returns warnings that name
/// the removed samples, and the kept samples with only background.
///
/// # Errors
/// The source is not an npz archive or cannot be read, no sample would remain, or `to` cannot be written.
pub fn clean(source: &SourceConfig, to: &Path) -> Result<Vec<Warning>> {
    let Format::NpzStack(options) = &source.format else {
        return Err(Error::config("--clean", "cleans an npz archive only; set source.format.npz-stack"));
    };
    let stack = NpzStack::open(&source.path, options.clone())?;
    let findings = cleaning::look_through(&stack, &CleaningConfig::default());
    stack.write_without(&findings.removals(), to)?;

    let listed = |indices: &[usize]| {
        let names: Vec<String> = indices.iter().map(usize::to_string).collect();
        names.join(", ")
    };
    let mut warnings = Vec::new();
    let mut warn = |what: String| warnings.push(Warning::new(&source.path, what));
    for group in &findings.same_mask {
        warn(format!("training samples {} share one mask; removed", listed(group)));
    }
    for group in &findings.same_image {
        warn(format!("training samples {} share one image; removed but the first", listed(group)));
    }
    for outlier in &findings.outliers {
        warn(format!("training sample {}: {}; removed", outlier.index, outlier.reason));
    }
    if !findings.all_background.is_empty() {
        let indices = listed(&findings.all_background);
        warn(format!("training samples {indices} are background throughout; kept"));
    }
    Ok(warnings)
}
