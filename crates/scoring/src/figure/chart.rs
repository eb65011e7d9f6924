//! Line charts, alone or as small multiples.

use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use serde::{Deserialize, Serialize};

use super::palette::Colour;
use super::{DrawResult, Figure, bold_text, palette, text, text_width};
use porecast_base::Result;

/// How a line is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stroke {
    /// Unbroken.
    Solid,
    /// Unbroken, with a mark at each point: for few points, so that the line does not suggest more of them.
    Marked,
    /// Dashes.
    Dashed,
    /// Dots.
    Dotted,
    /// Long dashes.
    LongDashed,
}

/// One line of a chart.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// Written where the line ends; no label when empty.
    pub label: String,
    /// Colour of line and label.
    pub colour: Colour,
    /// How the line is drawn.
    pub stroke: Stroke,
    /// Points `(x, y)`, ascending in x; points that are not finite are left out.
    pub points: Vec<(f64, f64)>,
    /// Interval `(x, low, high)` shaded behind the line; may be empty.
    pub band: Vec<(f64, f64, f64)>,
}

impl Series {
    /// A line without a band.
    pub fn line(label: &str, colour: Colour, stroke: Stroke, points: Vec<(f64, f64)>) -> Self {
        Self { label: label.to_owned(), colour, stroke, points, band: Vec::new() }
    }
}

/// Axes with lines. The vertical axis begins at 0.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Chart {
    /// What is shown.
    pub title: String,
    /// Name and unit of the horizontal axis.
    pub x_label: String,
    /// Name and unit of the vertical axis.
    pub y_label: String,
    /// The lines, drawn in order.
    pub series: Vec<Series>,
}

impl Chart {
    /// Writes the chart as `<folder>/<stem>.svg` and `.png`.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn save(self, folder: &Path, stem: &str) -> Result<()> {
        Charts::from(self).save(folder, stem)
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        let lines = self.series.iter().flat_map(|series| series.points.iter().copied());
        let bands = self.series.iter().flat_map(|series| series.band.iter().map(|&(x, _, high)| (x, high)));
        lines.chain(bands).filter(|(x, y)| x.is_finite() && y.is_finite())
    }

    fn draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
        scale: f64,
        limits: Limits,
    ) -> DrawResult {
        let px = |units: f64| (units * scale).round() as i32;
        let label_width =
            self.series.iter().map(|series| text_width(&series.label, LABEL)).max().unwrap_or(0);
        area.draw(&Text::new(self.title.clone(), (px(8.0), px(6.0)), bold_text(TITLE * scale)))
            .map_err(|e| e.to_string())?;
        area.draw(&Text::new(
            self.y_label.clone(),
            (px(8.0), px(29.0)),
            text(LABEL * scale, palette::FAINT_INK),
        ))
        .map_err(|e| e.to_string())?;

        let mut chart = ChartBuilder::on(area)
            .margin_top(px(56.0))
            .margin_right(px(f64::from(label_width) + 26.0))
            .margin_bottom(px(8.0))
            .margin_left(px(8.0))
            .x_label_area_size(px(42.0))
            .y_label_area_size(px(46.0))
            .build_cartesian_2d(limits.x.0..limits.x.1, 0.0..limits.y)
            .map_err(|e| e.to_string())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(palette::PAPER.mix(0.0))
            .bold_line_style(palette::GRID.stroke_width(px(1.0) as u32))
            .axis_style(palette::BASELINE.stroke_width(px(1.0) as u32))
            .x_labels(7)
            .y_labels(6)
            .x_label_formatter(&|x| tick(*x))
            .y_label_formatter(&|y| tick(*y))
            .label_style(text(LABEL * scale, palette::FAINT_INK))
            .x_desc(self.x_label.clone())
            .axis_desc_style(text(LABEL * scale, palette::FAINT_INK))
            .draw()
            .map_err(|e| e.to_string())?;

        for series in &self.series {
            if series.band.len() > 1 {
                let upper = series.band.iter().map(|&(x, _, high)| (x, high));
                let lower = series.band.iter().rev().map(|&(x, low, _)| (x, low));
                let outline: Vec<_> = upper.chain(lower).collect();
                chart
                    .draw_series([Polygon::new(outline, series.colour.on_paper().mix(0.14).filled())])
                    .map_err(|e| e.to_string())?;
            }
        }
        for series in &self.series {
            let points: Vec<_> =
                series.points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
            let width = if series.colour == Colour::Baseline { 1.5 } else { 2.0 };
            let colour = series.colour.on_paper();
            let style = colour.stroke_width(px(width) as u32);
            let dashes =
                |dash: f64, gap: f64| DashedLineSeries::new(points.clone(), px(dash), px(gap), style);
            match series.stroke {
                Stroke::Solid | Stroke::Marked => {
                    chart.draw_series(LineSeries::new(points.clone(), style)).map(|_| ())
                }
                Stroke::Dashed => chart.draw_series(dashes(6.0, 4.0)).map(|_| ()),
                Stroke::Dotted => chart.draw_series(dashes(2.0, 3.0)).map(|_| ()),
                Stroke::LongDashed => chart.draw_series(dashes(14.0, 4.0)).map(|_| ()),
            }
            .map_err(|e| e.to_string())?;
            if series.stroke == Stroke::Marked {
                chart
                    .draw_series(points.iter().map(|&point| Circle::new(point, px(3.5), colour.filled())))
                    .map_err(|e| e.to_string())?;
            }
        }

        let corner = area.get_base_pixel();
        let ends: Vec<(i32, i32, &Series)> = self
            .series
            .iter()
            .filter(|series| !series.label.is_empty())
            .filter_map(|series| {
                let end = series.points.iter().rev().find(|(x, y)| x.is_finite() && y.is_finite())?;
                let (x, y) = chart.backend_coord(end);
                Some((x - corner.0, y - corner.1, series))
            })
            .collect();
        let bottom = chart.backend_coord(&(limits.x.0, 0.0)).1 - corner.1 + px(LABEL / 2.0);
        let right = ends.iter().map(|end| end.0).max().unwrap_or(0);
        let heights = spread(&ends.iter().map(|end| end.1).collect::<Vec<_>>(), px(LABEL + 3.0), bottom);
        for ((_, _, series), y) in ends.iter().zip(heights) {
            let colour = match series.colour {
                Colour::Baseline => palette::FAINT_INK,
                other => other.on_paper(),
            };
            let style = text(LABEL * scale, colour).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(series.label.clone(), (right + px(12.0), y), style))
                .map_err(|e| e.to_string())?;
        }
        Ok(())
    }
}

// The backends draw letters at four fifths of the nominal size.
const TITLE: f64 = 17.0;
const LABEL: f64 = 14.0;

/// Several charts side by side, with the same axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Charts {
    /// What they show together; none when empty.
    pub title: String,
    /// The charts, row by row.
    pub charts: Vec<Chart>,
    /// Charts in a row.
    pub columns: usize,
    /// Width and height of a chart.
    pub cell: (u32, u32),
}

impl From<Chart> for Charts {
    /// The chart alone.
    fn from(chart: Chart) -> Self {
        Self { title: String::new(), charts: vec![chart], columns: 1, cell: (760, 420) }
    }
}

impl Charts {
    fn title_height(&self) -> u32 {
        if self.title.is_empty() { 0 } else { 34 }
    }

    fn limits(&self) -> Limits {
        let points = || self.charts.iter().flat_map(Chart::points);
        let low = points().map(|(x, _)| x).fold(f64::INFINITY, f64::min);
        let high = points().map(|(x, _)| x).fold(f64::NEG_INFINITY, f64::max);
        let top = points().map(|(_, y)| y).fold(0.0, f64::max);
        let x = match (low.is_finite(), high > low) {
            (true, true) => (low, high),
            (true, false) => (low - 0.5, low + 0.5),
            (false, _) => (0.0, 1.0),
        };
        Limits { x, y: if top > 0.0 { top * 1.05 } else { 1.0 } }
    }
}

#[derive(Debug, Clone, Copy)]
struct Limits {
    x: (f64, f64),
    y: f64,
}

impl Figure for Charts {
    fn size(&self) -> (u32, u32) {
        let columns = self.columns.clamp(1, self.charts.len().max(1)) as u32;
        let rows = (self.charts.len() as u32).div_ceil(columns).max(1);
        (self.cell.0 * columns, self.cell.1 * rows + self.title_height())
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult {
        let px = |units: u32| (f64::from(units) * scale).round() as u32;
        let limits = self.limits();
        if !self.title.is_empty() {
            let style = bold_text(19.0 * scale);
            area.draw(&Text::new(self.title.clone(), (px(8) as i32, px(10) as i32), style))
                .map_err(|e| e.to_string())?;
        }
        let columns = self.columns.clamp(1, self.charts.len().max(1));
        for (index, chart) in self.charts.iter().enumerate() {
            let (row, column) = ((index / columns) as u32, (index % columns) as u32);
            let (x, y) = (px(self.cell.0 * column), px(self.title_height() + self.cell.1 * row));
            let cell = area.clone().shrink((x, y), (px(self.cell.0), px(self.cell.1)));
            chart.draw(&cell, scale, limits)?;
        }
        Ok(())
    }
}

/// A number on an axis: at most three digits after the point, without trailing zeros.
fn tick(value: f64) -> String {
    if value != 0.0 && value.abs() < 1e-3 {
        return format!("{value:.0e}");
    }
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Moves labels apart until they are `gap` from each other, keeping their order and staying above `limit`.
///
/// Labels that would overlap form a cluster, placed so that its members move as little as they can in the mean.
fn spread(wanted: &[i32], gap: i32, limit: i32) -> Vec<i32> {
    struct Cluster {
        members: Vec<usize>,
        /// Sum of the positions at which each member would like the first one to be.
        starts: i32,
    }
    let start = |cluster: &Cluster| cluster.starts / cluster.members.len() as i32;
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by_key(|&i| wanted[i]);
    let mut clusters: Vec<Cluster> = Vec::new();
    for i in order {
        let mut last = Cluster { members: vec![i], starts: wanted[i] };
        while let Some(before) = clusters.pop_if(|c| start(c) + gap * c.members.len() as i32 > start(&last)) {
            let length = gap * before.members.len() as i32;
            let starts = before.starts + last.starts - length * last.members.len() as i32;
            last = Cluster { members: [before.members, last.members].concat(), starts };
        }
        clusters.push(last);
    }
    let mut placed = wanted.to_vec();
    let mut floor = limit;
    for cluster in clusters.iter().rev() {
        let top = start(cluster).min(floor - gap * cluster.members.len() as i32);
        for (position, &member) in cluster.members.iter().enumerate() {
            placed[member] = top + gap * position as i32;
        }
        floor = top;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_short() {
        assert_eq!(["0", "0.25", "5", "1e-4"].map(str::to_owned), [0.0, 0.25, 5.0, 1e-4].map(tick));
    }

    #[test]
    fn labels_that_are_apart_stay() {
        assert_eq!(spread(&[10, 100, 50], 15, 400), [10, 100, 50]);
    }

    proptest! {
        #[test]
        fn labels_keep_their_distance(wanted in prop::collection::vec(100i32..300, 0..8)) {
            let mut placed = spread(&wanted, 16, 400);
            placed.sort();
            prop_assert!(placed.windows(2).all(|pair| pair[1] - pair[0] >= 16), "{placed:?}");
        }
    }

    #[test]
    fn a_chart_without_points_is_drawn() {
        let chart =
            Chart { title: "Nothing".into(), x_label: "x".into(), y_label: "y".into(), series: vec![] };
        let charts = Charts { title: String::new(), charts: vec![chart], columns: 1, cell: (300, 200) };
        assert!(super::super::svg(&charts).unwrap().contains("Nothing"));
        assert_eq!(super::super::raster(&charts).unwrap().dimensions(), (600, 400));
    }
}
