//! Colours of the figures: one meaning for each.
//!
//! Lines differ in lightness as well, so that they are told apart in grey print; each of them is legible on paper. The style
//! of a page gives the same roles lighter colours in the dark.

use plotters::style::RGBColor;
use serde::{Deserialize, Serialize};

/// Text, axes and true curves.
pub const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
/// Background.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);
/// Secondary text and tick labels.
pub const FAINT_INK: RGBColor = RGBColor(0x6E, 0x77, 0x81);
/// Grid lines.
pub const GRID: RGBColor = RGBColor(0xE4, 0xE7, 0xEB);
/// Baselines.
pub const BASELINE: RGBColor = RGBColor(0x8C, 0x95, 0x9F);

/// Runs. Blue belongs to the invading fluid, orange and violet to errors.
const RUNS: [RGBColor; 6] = [
    RGBColor(0x00, 0x73, 0x5C),
    RGBColor(0xCC, 0x6B, 0xA0),
    RGBColor(0x8C, 0x4F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
    RGBColor(0x7F, 0xA8, 0x00),
    RGBColor(0x5C, 0x3B, 0x2E),
];

/// Classes of a mask: Okabe & Ito, Color Universal Design (2008), without its yellow, which is lost on white.
const CLASSES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// What a line or a dot stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colour {
    /// The truth.
    Truth,
    /// Run `n` of those that are shown.
    Run(usize),
    /// Predicted without a network.
    Baseline,
    /// Shown for comparison only, such as the training part.
    Faint,
}

impl Colour {
    /// The colour on paper; those of runs repeat after six.
    pub fn on_paper(self) -> RGBColor {
        match self {
            Self::Truth => INK,
            Self::Run(index) => RUNS[index % RUNS.len()],
            Self::Baseline => BASELINE,
            Self::Faint => FAINT_INK,
        }
    }
}

/// The colour of class `index` of those that are no background; they repeat after six.
pub fn class(index: usize) -> RGBColor {
    CLASSES[index % CLASSES.len()]
}
