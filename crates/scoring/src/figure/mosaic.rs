//! Pictures in rows and columns with headings, for panels and maps.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{DrawResult, Figure, PNG_SCALE, bold_text, escape, palette, png, raster, svg, text, text_width};
use porecast_base::atomic;
use porecast_base::{Error, Result};

/// Pictures of one size in rows and columns.
#[derive(Debug, Clone)]
pub struct Mosaic {
    /// What is shown.
    pub title: String,
    /// Group and heading of each column; a group is written over the first of its columns.
    pub columns: Vec<(String, String)>,
    /// Heading and pictures of each row; a place may stay empty.
    pub rows: Vec<(String, Vec<Option<RgbImage>>)>,
    /// What the colours mean.
    pub legend: Vec<(String, Rgb<u8>)>,
}

/// Height of title, legend and column headings.
const HEAD: u32 = 104;
const GAP: u32 = 10;
/// Between groups of columns.
const GROUP_GAP: u32 = 18;
const ROW_LABEL: f64 = 13.0;
const GROUP_LABEL: f64 = 14.0;

impl Mosaic {
    /// Width and height of a picture on the page.
    fn cell(&self) -> (u32, u32) {
        let (width, height) = self
            .rows
            .iter()
            .flat_map(|(_, pictures)| pictures.iter().flatten())
            .map(RgbImage::dimensions)
            .next()
            .unwrap_or((1, 1));
        let columns = self.columns.len().max(1) as f64;
        let scale = (1080.0 / columns / f64::from(width)).min(220.0 / f64::from(height)).min(3.0);
        let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
        (scaled(width), scaled(height))
    }

    fn left(&self) -> u32 {
        self.rows.iter().map(|(label, _)| text_width(label, ROW_LABEL)).max().unwrap_or(0) + 20
    }

    /// Distance from one column to the next: a picture, or its heading if that is wider.
    fn pitch(&self) -> u32 {
        let heading = self.columns.iter().map(|(_, label)| text_width(label, ROW_LABEL)).max().unwrap_or(0);
        // A group of one column is no wider than that.
        let is_single =
            |c: usize| self.begins_group(c) && (c + 1 == self.columns.len() || self.begins_group(c + 1));
        let single = (0..self.columns.len()).filter(|&c| is_single(c));
        let group = single.map(|c| text_width(&self.columns[c].0, GROUP_LABEL * 1.1)).max().unwrap_or(0);
        self.cell().0.max(heading).max(group) + GAP
    }

    fn begins_group(&self, column: usize) -> bool {
        column == 0 || self.columns[column].0 != self.columns[column - 1].0
    }

    fn column_x(&self, column: usize) -> u32 {
        let groups = (1..=column).filter(|&c| c < self.columns.len() && self.begins_group(c)).count() as u32;
        self.left() + self.pitch() * column as u32 + GROUP_GAP * groups
    }

    fn row_y(&self, row: usize) -> u32 {
        HEAD + (self.cell().1 + GAP) * row as u32
    }

    /// The pictures as HTML for a page, column by column: as many beside each other as the page is wide.
    pub fn html(&self) -> String {
        let mut html = format!("<h3>{}</h3>\n<p class=\"legend\">", escape(&self.title));
        for (label, Rgb([r, g, b])) in &self.legend {
            html += &format!("<span><i style=\"--c:rgb({r},{g},{b})\"></i>{}</span>", escape(label));
        }
        html += "</p>\n<div class=\"mosaic\">\n";
        let width = self.cell().0;
        for (column, (group, label)) in self.columns.iter().enumerate() {
            html += &format!("<div><b>{}</b><small>{}</small>\n", escape(group), escape(label));
            for (row, pictures) in &self.rows {
                let Some(Some(picture)) = pictures.get(column) else { continue };
                let height = width * picture.height() / picture.width();
                html += &format!(
                    "<figure><img alt=\"\" src=\"data:image/png;base64,{}\"><small>{}</small></figure>\n",
                    BASE64.encode(png(&shrunk(picture, 2 * width, 2 * height))),
                    escape(row)
                );
            }
            html += "</div>\n";
        }
        html + "</div>\n"
    }

    /// Position, size and content of every picture.
    fn places(&self) -> impl Iterator<Item = (u32, u32, u32, u32, &RgbImage)> {
        let (width, height) = self.cell();
        self.rows.iter().enumerate().flat_map(move |(row, (_, pictures))| {
            pictures.iter().take(self.columns.len()).enumerate().filter_map(move |(column, picture)| {
                Some((self.column_x(column), self.row_y(row), width, height, picture.as_ref()?))
            })
        })
    }
}

/// The picture, averaged down when it has more pixels than are shown.
fn shrunk(picture: &RgbImage, width: u32, height: u32) -> RgbImage {
    match picture.width() > width {
        true => imageops::resize(picture, width, height, FilterType::Triangle),
        false => picture.clone(),
    }
}

impl Figure for Mosaic {
    fn size(&self) -> (u32, u32) {
        let legend: u32 = self.legend.iter().map(|(label, _)| text_width(label, ROW_LABEL) + 40).sum();
        let pictures = self.column_x(self.columns.len().saturating_sub(1)) + self.pitch() + GAP;
        let width = pictures.max(text_width(&self.title, 19.0) + 40).max(legend + 20);
        (width, self.row_y(self.rows.len()) + GAP)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult {
        let px = |units: u32| (f64::from(units) * scale).round() as i32;
        let write = |label: &str, x: i32, y: i32, style: TextStyle| {
            area.draw(&Text::new(label.to_owned(), (x, y), style)).map_err(|e| e.to_string())
        };
        let faint = text(ROW_LABEL * scale, palette::FAINT_INK);
        write(&self.title, px(10), px(10), bold_text(19.0 * scale))?;
        let mut x = 10;
        for (label, Rgb([r, g, b])) in &self.legend {
            let corners = [(px(x), px(38)), (px(x + 12), px(50))];
            area.draw(&Rectangle::new(corners, RGBColor(*r, *g, *b).filled())).map_err(|e| e.to_string())?;
            area.draw(&Rectangle::new(corners, palette::BASELINE.stroke_width(1)))
                .map_err(|e| e.to_string())?;
            let middle = faint.clone().pos(Pos::new(HPos::Left, VPos::Center));
            write(label, px(x + 18), px(44), middle)?;
            x += text_width(label, ROW_LABEL) + 40;
        }
        for (column, (group, label)) in self.columns.iter().enumerate() {
            if self.begins_group(column) {
                write(group, px(self.column_x(column)), px(66), bold_text(GROUP_LABEL * scale))?;
            }
            write(label, px(self.column_x(column)), px(86), faint.clone())?;
        }
        for (row, (label, _)) in self.rows.iter().enumerate() {
            let y = self.row_y(row) + self.cell().1 / 2;
            write(label, px(10), px(y), faint.clone().pos(Pos::new(HPos::Left, VPos::Center)))?;
        }
        Ok(())
    }

    /// As of any figure, with the pictures in their own pixels.
    fn save(&self, folder: &Path, stem: &str) -> Result<()> {
        let path = folder.join(format!("{stem}.svg"));
        let mut text = svg(self).map_err(|e| Error::output(&path, e))?;
        text.truncate(text.rfind("</svg>").unwrap_or(text.len()));
        for (x, y, width, height, picture) in self.places() {
            text += &format!(
                "<image x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\" style=\"image-rendering:pixelated\" \
                 preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n",
                BASE64.encode(png(&shrunk(picture, 2 * width, 2 * height)))
            );
        }
        text += "</svg>\n";
        atomic::write(&path, text.as_bytes())?;

        let path = folder.join(format!("{stem}.png"));
        let mut image = raster(self).map_err(|e| Error::output(&path, e))?;
        for (x, y, width, height, picture) in self.places() {
            let (width, height) = (width * PNG_SCALE, height * PNG_SCALE);
            let scaled =
                imageops::resize(&shrunk(picture, width, height), width, height, FilterType::Nearest);
            imageops::replace(&mut image, &scaled, i64::from(x * PNG_SCALE), i64::from(y * PNG_SCALE));
        }
        atomic::write(&path, &png(&image))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_lie_inside_the_figure_and_apart() {
        let picture = Some(RgbImage::new(64, 128));
        let column = |group: &str| (group.to_owned(), "frame 25".to_owned());
        let mosaic = Mosaic {
            title: "Panel".into(),
            columns: vec![column("True"), column("True"), column("Predicted")],
            rows: vec![("a".into(), vec![picture.clone(); 3]), ("b".into(), vec![picture; 3])],
            legend: vec![("solid".into(), porecast_store::picture::SOLID)],
        };
        let (width, height) = mosaic.size();
        let places: Vec<_> = mosaic.places().collect();
        assert_eq!(places.len(), 6);
        assert!(places.iter().all(|p| p.0 + p.2 < width && p.1 + p.3 < height));
        assert!(places[0].0 + places[0].2 < places[1].0 && places[0].1 + places[0].3 < places[3].1);
    }

    #[test]
    fn a_page_has_every_picture_and_letter_of_a_mosaic() {
        let column = |name: &str| (name.to_owned(), "Dice 0.5".to_owned());
        let mosaic = Mosaic {
            title: "The best".into(),
            columns: vec![column("a<b"), column("c")],
            rows: vec![("image".into(), vec![Some(RgbImage::new(8, 4)), None])],
            legend: vec![("right".into(), Rgb([1, 2, 3]))],
        };
        let html = mosaic.html();
        assert_eq!(html.matches("<img").count(), 1);
        assert!(html.contains("a&lt;b") && html.contains("rgb(1,2,3)") && html.contains("image"), "{html}");
    }
}
