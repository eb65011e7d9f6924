//! The figures of the validation page.

use std::path::Path;

use ndarray::{Array2, Axis};
use plotters::prelude::*;
use plotters::style::register_font;
use porecast_simulations::Trajectory;

use super::Result;

const INK: RGBColor = RGBColor(0x24, 0x29, 0x2F);
const FAINT: RGBColor = RGBColor(0x8C, 0x95, 0x9F);
const GRID: RGBColor = RGBColor(0xE4, 0xE7, 0xEB);
/// Okabe and Ito's colours.
const COLOURS: [RGBColor; 5] = [
    RGBColor(0x00, 0x72, 0xB2),
    RGBColor(0xD5, 0x5E, 0x00),
    RGBColor(0x00, 0x9E, 0x73),
    RGBColor(0xCC, 0x79, 0xA7),
    RGBColor(0xE6, 0x9F, 0x00),
];

/// One line of a chart.
pub struct Line {
    label: String,
    points: Vec<(f64, f64)>,
    is_exact: bool,
}

impl Line {
    /// What the law says: a grey line.
    pub fn exact(label: &str, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), points, is_exact: true }
    }

    /// What was measured: marks.
    pub fn marks(label: &str, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), points, is_exact: false }
    }
}

/// Writes a chart as `<folder>/<name>.png`.
pub fn chart(folder: &Path, name: &str, x: &str, y: &str, lines: &[Line]) -> Result {
    register_fonts()?;
    let path = folder.join(format!("{name}.png"));
    let area = BitMapBackend::new(&path, (1200, 760)).into_drawing_area();
    area.fill(&WHITE)?;
    let all = || lines.iter().flat_map(|line| line.points.iter().copied());
    let range = |values: Vec<f64>| {
        let (low, high) =
            values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), &v| (l.min(v), h.max(v)));
        let margin = 0.05 * (high - low).max(1e-9);
        low - margin..high + margin
    };
    let mut context = ChartBuilder::on(&area)
        .margin(24)
        .x_label_area_size(70)
        .y_label_area_size(100)
        .build_cartesian_2d(range(all().map(|p| p.0).collect()), range(all().map(|p| p.1).collect()))?;
    context
        .configure_mesh()
        .light_line_style(WHITE)
        .bold_line_style(GRID)
        .axis_style(FAINT)
        .label_style(("sans-serif", 26).into_font().color(&INK))
        .x_desc(x)
        .y_desc(y)
        .draw()?;
    let mut colours = COLOURS.iter().cycle();
    for line in lines {
        let colour = if line.is_exact { FAINT } else { *colours.next().unwrap_or(&INK) };
        let drawn = if line.is_exact {
            context.draw_series(LineSeries::new(line.points.clone(), colour.stroke_width(3)))?
        } else {
            context.draw_series(line.points.iter().map(|&point| Circle::new(point, 6, colour.filled())))?
        };
        if !line.label.is_empty() {
            drawn
                .label(line.label.as_str())
                .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 22, y + 5)], colour.filled()));
        }
    }
    let ends = lines.first().and_then(|line| Some((line.points.first()?.1, line.points.last()?.1)));
    let corner = match ends {
        Some((first, last)) if first > last => SeriesLabelPosition::UpperRight,
        _ => SeriesLabelPosition::UpperLeft,
    };
    context
        .configure_series_labels()
        .position(corner)
        .background_style(WHITE.mix(0.8))
        .label_font(("sans-serif", 26).into_font().color(&INK))
        .draw()?;
    area.present()?;
    Ok(())
}

/// A picture of where the fluids are.
pub struct Cell {
    pub title: String,
    pub solid: Array2<bool>,
    pub invaded: Array2<bool>,
}

impl Cell {
    /// The last frame of a sequence.
    pub fn last(title: String, trajectory: &Trajectory) -> Self {
        let last = trajectory.phase.index_axis(Axis(0), trajectory.phase.dim().0 - 1);
        Self { title, solid: trajectory.domain.solid.clone(), invaded: last.to_owned() }
    }
}

/// Writes pictures of one size side by side as `<folder>/<name>.png`, with `scale` dots for a pixel.
pub fn mosaic(folder: &Path, name: &str, cells: &[Cell], columns: usize, scale: i32) -> Result {
    register_fonts()?;
    const TITLE: i32 = 36;
    let (height, width) = cells.first().map_or((1, 1), |cell| cell.solid.dim());
    let size = (width as i32 * scale + 12, height as i32 * scale + TITLE + 12);
    let rows = cells.len().div_ceil(columns);
    let path = folder.join(format!("{name}.png"));
    let area = BitMapBackend::new(&path, (size.0 as u32 * columns as u32, size.1 as u32 * rows as u32))
        .into_drawing_area();
    area.fill(&WHITE)?;
    for (index, cell) in cells.iter().enumerate() {
        let (left, top) = ((index % columns) as i32 * size.0 + 6, (index / columns) as i32 * size.1);
        let style = ("sans-serif", 24).into_font().color(&INK);
        area.draw(&Text::new(cell.title.clone(), (left, top + 8), style))?;
        for ((y, x), &solid) in cell.solid.indexed_iter() {
            let colour = if solid {
                INK
            } else if cell.invaded[[y, x]] {
                COLOURS[0]
            } else {
                GRID
            };
            let corner = (left + x as i32 * scale, top + TITLE + y as i32 * scale);
            let opposite = (corner.0 + scale, corner.1 + scale);
            area.draw(&Rectangle::new([corner, opposite], colour.filled()))?;
        }
    }
    area.present()?;
    Ok(())
}

/// The font that the program's own figures are drawn with.
fn register_fonts() -> Result {
    let font = include_bytes!("../../../crates/store/src/fonts/DejaVuSans-subset.ttf");
    register_font("sans-serif", FontStyle::Normal, font).map_err(|_| "the bundled font is not valid")?;
    Ok(())
}
