//! Values in named rows: dots, a line for their common value, and an interval.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use serde::{Deserialize, Serialize};

use super::palette::Colour;
use super::{DrawResult, Figure, bold_text, palette, text, text_width};

/// A row of dots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DotRow {
    /// Name of the row.
    pub label: String,
    /// Colour of everything in the row.
    pub colour: Colour,
    /// Values, pale.
    pub dots: Vec<f64>,
    /// The value of the row, drawn as a line and written as a number.
    pub value: f64,
    /// Interval of that value.
    pub interval: Option<(f64, f64)>,
}

/// What the axis of [`Dots`] spans.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Span {
    /// From 0 to 1.
    Unit,
    /// From 0 to the largest value.
    FromZero,
    /// All values and 0, which is marked: for differences.
    AroundZero,
}

/// Rows of dots over one axis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Dots {
    /// What is shown.
    pub title: String,
    /// Name of the axis.
    pub x_label: String,
    /// What the axis spans.
    pub span: Span,
    /// The rows, from above.
    pub rows: Vec<DotRow>,
}

const LABEL: f64 = 14.0;
const TITLE: f64 = 17.0;
const HEAD: u32 = 40;
const FOOT: u32 = 56;
const ROW: u32 = 26;
const AXIS: u32 = 560;
/// Room for the numbers on the right.
const NUMBERS: u32 = 64;

impl Dots {
    /// Ends of the axis.
    fn limits(&self) -> (f64, f64) {
        let ends = |row: &DotRow| {
            let (low, high) = row.interval.unwrap_or((row.value, row.value));
            row.dots.iter().copied().chain([row.value, low, high]).collect::<Vec<_>>()
        };
        let values: Vec<f64> = self.rows.iter().flat_map(ends).filter(|value| value.is_finite()).collect();
        let low = values.iter().copied().fold(0.0, f64::min);
        let high = values.iter().copied().fold(0.0, f64::max);
        let margin = if high > low { 0.05 * (high - low) } else { 1.0 };
        match self.span {
            Span::Unit => (0.0, 1.0),
            Span::FromZero => (0.0, high + margin),
            Span::AroundZero => (low - margin, high + margin),
        }
    }

    fn left(&self) -> u32 {
        self.rows.iter().map(|row| text_width(&row.label, LABEL)).max().unwrap_or(0) + 24
    }
}

impl Figure for Dots {
    fn size(&self) -> (u32, u32) {
        let width = self.left() + AXIS + NUMBERS;
        let title = text_width(&self.title, TITLE * 1.1) + 20;
        (width.max(title), HEAD + ROW * self.rows.len() as u32 + FOOT)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult {
        let px = |units: f64| (units * scale).round() as i32;
        let left = f64::from(self.left());
        let (low, high) = self.limits();
        let share = |value: f64| ((value - low) / (high - low)).clamp(0.0, 1.0);
        let x = |value: f64| px(left + share(value) * f64::from(AXIS));
        let y = |row: f64| px(f64::from(HEAD) + row * f64::from(ROW));
        let failed = |e: DrawingAreaErrorKind<B::ErrorType>| e.to_string();
        let faint = text(LABEL * scale, palette::FAINT_INK);
        let write = |words: String, at: (i32, i32), style: TextStyle| {
            area.draw(&Text::new(words, at, style)).map_err(failed)
        };
        write(self.title.clone(), (px(8.0), px(6.0)), bold_text(TITLE * scale))?;
        let bottom = y(self.rows.len() as f64);
        for tick in 0..=5 {
            let value = low + (high - low) * f64::from(tick) / 5.0;
            let line = [(x(value), y(0.0)), (x(value), bottom)];
            area.draw(&PathElement::new(line.to_vec(), palette::GRID.stroke_width(px(1.0) as u32)))
                .map_err(failed)?;
            let centred = faint.pos(Pos::new(HPos::Center, VPos::Top));
            write(short(value, high - low), (x(value), bottom + px(6.0)), centred)?;
        }
        if self.span == Span::AroundZero {
            let line = vec![(x(0.0), y(0.0)), (x(0.0), bottom)];
            let style = palette::FAINT_INK.stroke_width(px(1.5) as u32);
            area.draw(&PathElement::new(line, style)).map_err(failed)?;
        }
        write(self.x_label.clone(), (x(low), bottom + px(28.0)), faint.clone())?;
        for (number, row) in self.rows.iter().enumerate() {
            let middle = y(number as f64 + 0.5);
            let is_baseline = row.colour == Colour::Baseline;
            let colour = row.colour.on_paper();
            let ink = text(LABEL * scale, if is_baseline { palette::FAINT_INK } else { palette::INK });
            let centre = |side| ink.pos(Pos::new(side, VPos::Center));
            write(row.label.clone(), (px(8.0), middle), centre(HPos::Left))?;
            for &dot in row.dots.iter().filter(|dot| dot.is_finite()) {
                area.draw(&Circle::new((x(dot), middle), px(3.5), colour.mix(0.4).filled()))
                    .map_err(failed)?;
            }
            if let Some((low, high)) = row.interval {
                let line = vec![(x(low), middle), (x(high), middle)];
                area.draw(&PathElement::new(line, colour.stroke_width(px(2.0) as u32))).map_err(failed)?;
                area.draw(&Circle::new((x(row.value), middle), px(4.5), colour.filled())).map_err(failed)?;
            } else {
                let line = vec![(x(row.value), middle - px(9.0)), (x(row.value), middle + px(9.0))];
                area.draw(&PathElement::new(line, colour.stroke_width(px(2.5) as u32))).map_err(failed)?;
            }
            let place = (px(left + f64::from(AXIS) + 14.0), middle);
            write(short(row.value, (high - low) / 100.0), place, centre(HPos::Left))?;
        }
        Ok(())
    }
}

/// A number with as many digits after the point as `range` has to show: one for a range of 1.
fn short(value: f64, range: f64) -> String {
    let digits = (1.0 - range.abs().log10().floor()).clamp(0.0, 8.0) as usize;
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_named_and_numbered() {
        let row = |label: &str, value: f64, interval| DotRow {
            label: label.into(),
            colour: Colour::Run(0),
            dots: vec![0.2, 0.9],
            value,
            interval,
        };
        let dots = Dots {
            title: "Dice".into(),
            x_label: "Dice".into(),
            span: Span::Unit,
            rows: vec![row("patient 3", 0.8125, None), row("patient 1", 0.5, Some((0.4, 0.6)))],
        };
        let svg = super::super::svg(&dots).unwrap();
        for words in ["patient 3", "0.812", "patient 1", "0.500"] {
            assert!(svg.contains(words), "{words}");
        }
    }
}
