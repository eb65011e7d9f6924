//! Shares in rows and columns, such as a confusion matrix.

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use serde::{Deserialize, Serialize};

use super::{DrawResult, Figure, bold_text, palette, text, text_width};

/// Shares from 0 to 1, shaded and written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HeatMap {
    /// What is shown.
    pub title: String,
    /// What the rows are.
    pub row_axis: String,
    /// What the columns are.
    pub column_axis: String,
    /// Name of each row.
    pub rows: Vec<String>,
    /// Name of each column.
    pub columns: Vec<String>,
    /// Share `[row][column]`; `None` in a row without pixels.
    pub shares: Vec<Vec<Option<f64>>>,
}

const LABEL: f64 = 14.0;
const TITLE: f64 = 17.0;
/// Height of the title and the names of the columns.
const HEAD: u32 = 92;
const CELL_HEIGHT: u32 = 46;
const NARROWEST_CELL: u32 = 84;

impl HeatMap {
    fn left(&self) -> u32 {
        let names = self.rows.iter().chain([&self.row_axis]).map(|name| text_width(name, LABEL));
        names.max().unwrap_or(0) + 24
    }

    fn cell_width(&self) -> u32 {
        let names = self.columns.iter().map(|name| text_width(name, LABEL) + 16);
        names.max().unwrap_or(0).max(NARROWEST_CELL)
    }
}

impl Figure for HeatMap {
    fn size(&self) -> (u32, u32) {
        let width = self.left() + self.cell_width() * self.columns.len() as u32 + 12;
        let title = text_width(&self.title, TITLE * 1.1) + 20;
        (width.max(title), HEAD + CELL_HEIGHT * self.rows.len() as u32 + 12)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult {
        let px = |units: u32| (f64::from(units) * scale).round() as i32;
        let write = |words: &str, x: i32, y: i32, style: TextStyle| {
            area.draw(&Text::new(words.to_owned(), (x, y), style)).map_err(|e| e.to_string())
        };
        let (left, width) = (self.left(), self.cell_width());
        let faint = text(LABEL * scale, palette::FAINT_INK);
        let centred = |style: &TextStyle<'static>| style.pos(Pos::new(HPos::Center, VPos::Center));
        write(&self.title, px(8), px(6), bold_text(TITLE * scale))?;
        write(&self.column_axis, px(left), px(38), faint.clone())?;
        write(&self.row_axis, px(8), px(66), faint.clone())?;
        for (column, name) in (0..).zip(&self.columns) {
            let x = px(left + width * column + width / 2);
            write(name, x, px(HEAD - 16), centred(&text(LABEL * scale, palette::INK)))?;
        }
        for (row, (name, shares)) in (0..).zip(self.rows.iter().zip(&self.shares)) {
            let y = HEAD + CELL_HEIGHT * row;
            let middle = Pos::new(HPos::Left, VPos::Center);
            write(name, px(8), px(y + CELL_HEIGHT / 2), text(LABEL * scale, palette::INK).pos(middle))?;
            for (column, share) in (0..).zip(shares) {
                let x = left + width * column;
                let corners = [(px(x + 1), px(y + 1)), (px(x + width - 1), px(y + CELL_HEIGHT - 1))];
                area.draw(&Rectangle::new(corners, shade(share.unwrap_or(0.0)).filled()))
                    .map_err(|e| e.to_string())?;
                // Not `INK`: a page replaces it in dark mode, while the cells keep their shades.
                let ink =
                    if share.unwrap_or(0.0) > 0.5 { RGBColor(254, 254, 254) } else { RGBColor(1, 1, 1) };
                let words = share.map_or_else(|| "-".into(), written);
                let at = (px(x + width / 2), px(y + CELL_HEIGHT / 2));
                write(&words, at.0, at.1, centred(&text(LABEL * scale, ink)))?;
            }
        }
        Ok(())
    }
}

/// From pale at 0 to the first line colour at 1.
fn shade(share: f64) -> RGBColor {
    let (RGBColor(r0, g0, b0), RGBColor(r1, g1, b1)) =
        (RGBColor(0xF1, 0xF5, 0xF9), palette::Colour::Run(0).on_paper());
    let mixed = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share.clamp(0.0, 1.0)) as u8;
    RGBColor(mixed(r0, r1), mixed(g0, g1), mixed(b0, b1))
}

/// In per cent; a share above 0 is not rounded to 0 %, and a share below 1 not to 100 %.
fn written(share: f64) -> String {
    match share {
        0.0 => "0 %".into(),
        s if s < 5e-4 => "< 0.1 %".into(),
        s if s < 1.0 && s > 0.9995 => "> 99.9 %".into(),
        s => format!("{:.1} %", 100.0 * s),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn almost_nothing_and_almost_all_are_not_rounded_away() {
        assert_eq!(
            [0.0, 1e-6, 0.25, 0.99999, 1.0].map(written),
            ["0 %", "< 0.1 %", "25.0 %", "> 99.9 %", "100.0 %"]
        );
    }

    #[test]
    fn a_map_names_its_rows_and_columns() {
        let map = HeatMap {
            title: "Confusion".into(),
            row_axis: "true".into(),
            column_axis: "predicted".into(),
            rows: vec!["sky".into(), "rock".into()],
            columns: vec!["sky".into(), "sand".into()],
            shares: vec![vec![Some(0.75), Some(0.25)], vec![None, None]],
        };
        let svg = super::super::svg(&map).unwrap();
        for words in ["Confusion", "rock", "sand", "75.0 %"] {
            assert!(svg.contains(words), "{words}");
        }
    }
}
