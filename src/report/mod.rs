//! One self-contained page for a run or a comparison.

use crate::cli::{ReportArgs, Verbosity};
use crate::error::Result;

/// Runs `porecast report`.
pub fn run(_args: &ReportArgs, _verbosity: Verbosity) -> Result<()> {
    Ok(())
}
