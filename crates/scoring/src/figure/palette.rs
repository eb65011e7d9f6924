//! Colours of the figures.
//!
//! Lines follow Okabe & Ito, Color Universal Design (2008), without its yellow, which is lost on white; each of
//! them is legible on white and on black paper.

use plotters::style::RGBColor;

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

const LINES: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
    RGBColor(0x56, 0xB4, 0xE9),
];

/// The colour of line `index`; they repeat after six.
pub fn line(index: usize) -> RGBColor {
    LINES[index % LINES.len()]
}
