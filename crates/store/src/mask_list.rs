//! `masks.json`: what is in a folder of masks that `porecast predict` wrote.

use serde::{Deserialize, Serialize};

use crate::document::Document;

/// The masks of a folder, and what predicted them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskList {
    /// Name of the format.
    pub format: String,
    /// Version of the format.
    pub version: u32,
    /// Name of the run.
    pub source: String,
    /// Names of the classes; a mask holds their index, of two classes 0 and 255.
    pub classes: Vec<String>,
    /// Names of the files in `masks` and `overlays`, without the ending.
    pub images: Vec<String>,
}

impl MaskList {
    /// The list of the masks of a run.
    pub fn new(source: String, classes: Vec<String>, images: Vec<String>) -> Self {
        Self { format: Self::FORMAT.into(), version: Self::VERSION, source, classes, images }
    }
}

impl Document for MaskList {
    const FORMAT: &'static str = "porecast-masks";
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast predict";
}
