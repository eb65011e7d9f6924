//! Parallel coordinates: an upright axis for each quantity, a line for each case.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{DrawResult, Figure, bold_text, palette, text, text_width};

/// An upright axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it shows.
    pub name: String,
    /// Places from 0 (bottom) to 1 and what is written there.
    pub ticks: Vec<(f64, String)>,
}

/// A case.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// Place on each axis, from 0 (bottom) to 1.
    pub places: Vec<f64>,
    /// From 0 (faint) to 1 (strong).
    pub strength: f64,
}

/// Cases as lines over upright axes; the strongest is drawn last, in a colour of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Parallel {
    /// What is shown.
    pub title: String,
    /// The axes, from left to right.
    pub axes: Vec<Axis>,
    /// The cases.
    pub lines: Vec<Line>,
}

const LABEL: f64 = 13.0;
const TITLE: f64 = 17.0;
const HEAD: u32 = 78;
const HEIGHT: u32 = 300;
const NARROWEST_GAP: u32 = 120;
const MARGIN: u32 = 30;

impl Parallel {
    /// Distance between two axes: room for names and ticks.
    fn gap(&self) -> u32 {
        let ticks = self.axes.iter().flat_map(|axis| axis.ticks.iter().map(|(_, label)| label));
        let names = self.axes.iter().map(|axis| &axis.name);
        let widest = names.chain(ticks).map(|label| text_width(label, LABEL) + 24).max();
        widest.unwrap_or(0).max(NARROWEST_GAP)
    }
}

impl Figure for Parallel {
    fn size(&self) -> (u32, u32) {
        let width = 2 * MARGIN + self.gap() * self.axes.len() as u32;
        (width.max(text_width(&self.title, TITLE * 1.1) + 20), HEAD + HEIGHT + MARGIN)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult {
        let px = |units: f64| (units * scale).round() as i32;
        let write = |words: &str, x: f64, y: f64, style: TextStyle| {
            area.draw(&Text::new(words.to_owned(), (px(x), px(y)), style)).map_err(|e| e.to_string())
        };
        let gap = f64::from(self.gap());
        let x = |axis: usize| f64::from(MARGIN) + gap * (axis as f64 + 0.5);
        let y = |place: f64| f64::from(HEAD) + f64::from(HEIGHT) * (1.0 - place);
        write(&self.title, 8.0, 6.0, bold_text(TITLE * scale))?;

        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by(|a, b| a.strength.total_cmp(&b.strength));
        for (index, line) in lines.iter().enumerate() {
            let is_strongest = index + 1 == lines.len();
            let points = line.places.iter().enumerate().map(|(axis, &place)| (px(x(axis)), px(y(place))));
            let style = if is_strongest {
                palette::INK.stroke_width(px(3.0).max(1) as u32)
            } else {
                palette::class(0).mix(0.12 + 0.7 * line.strength).stroke_width(px(1.3).max(1) as u32)
            };
            area.draw(&PathElement::new(points.collect::<Vec<_>>(), style)).map_err(|e| e.to_string())?;
        }

        let centred = Pos::new(HPos::Center, VPos::Center);
        let left = Pos::new(HPos::Left, VPos::Center);
        for (index, axis) in self.axes.iter().enumerate() {
            let ends = vec![(px(x(index)), px(y(0.0))), (px(x(index)), px(y(1.0)))];
            let style = palette::BASELINE.stroke_width(px(1.0).max(1) as u32);
            area.draw(&PathElement::new(ends, style)).map_err(|e| e.to_string())?;
            let name = text(LABEL * scale, palette::INK).pos(centred);
            write(&axis.name, x(index), f64::from(HEAD) - 28.0, name)?;
            for (place, label) in &axis.ticks {
                // Lines stay between the ends, so there is room beyond them.
                let (right, down, anchor) = match *place {
                    0.0 => (0.0, 11.0, centred),
                    1.0 => (0.0, -9.0, centred),
                    _ => (6.0, 0.0, left),
                };
                let style = text(LABEL * scale, palette::FAINT_INK).pos(anchor);
                write(label, x(index) + right, y(*place) + down, style)?;
            }
        }
        Ok(())
    }
}
