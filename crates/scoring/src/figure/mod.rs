//! Figures: line charts, rows of dots, heat maps and mosaics of pictures, each as SVG and PNG.
//!
//! Colours are safe for colour-blind readers, baselines are grey and broken, and lines are labelled where they end.
//! In the SVG, ink and paper are the fixed colours [`palette::INK`] and [`palette::PAPER`], so that a page can
//! exchange them for its own in the dark.

pub mod chart;
pub mod difference;
pub mod dots;
pub mod film;
pub mod heat_map;
pub mod mosaic;
pub mod overlay;
pub mod palette;
pub mod parallel;

use std::path::Path;
use std::sync::Once;

use image::{ImageFormat, RgbImage};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::register_font;

pub use chart::{Chart, Charts, Series, Stroke};
pub use dots::{DotRow, Dots, Span};
pub use heat_map::HeatMap;
pub use mosaic::Mosaic;
pub use palette::Colour;

use serde::{Deserialize, Serialize};

use porecast_base::atomic;
use porecast_base::{Error, Result};

/// A figure that a page draws by itself, at the width that the reader has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Drawing {
    /// Line charts.
    Charts(Charts),
    /// Rows of dots, some side by side.
    Dots(Vec<Dots>),
    /// Shares in rows and columns.
    HeatMap(HeatMap),
}

/// Pixels of a PNG for one unit of the figure.
const PNG_SCALE: u32 = 2;

/// What went wrong on a drawing area, as text: the backends have different error types.
pub(crate) type DrawResult = std::result::Result<(), String>;

/// Something that can be drawn on any backend.
pub(crate) trait Figure: Sized {
    /// Width and height in units (pixels of the SVG).
    fn size(&self) -> (u32, u32);

    /// Draws on `area`, whose size is `scale` times [`size`](Self::size).
    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>, scale: f64) -> DrawResult;

    /// Writes `<folder>/<stem>.svg` and `<folder>/<stem>.png`.
    fn save(&self, folder: &Path, stem: &str) -> Result<()> {
        let path = folder.join(format!("{stem}.svg"));
        let text = svg(self).map_err(|e| Error::output(&path, e))?;
        atomic::write(&path, text.as_bytes())?;
        let path = folder.join(format!("{stem}.png"));
        let image = raster(self).map_err(|e| Error::output(&path, e))?;
        atomic::write(&path, &png(&image))
    }
}

/// The figure as SVG text.
fn svg(figure: &impl Figure) -> std::result::Result<String, String> {
    register_fonts();
    let mut text = String::new();
    {
        let area = SVGBackend::with_string(&mut text, figure.size()).into_drawing_area();
        area.fill(&palette::PAPER).map_err(|e| e.to_string())?;
        figure.draw(&area, 1.0)?;
        area.present().map_err(|e| e.to_string())?;
    }
    Ok(text)
}

/// The figure as an image.
fn raster(figure: &impl Figure) -> std::result::Result<RgbImage, String> {
    register_fonts();
    let (width, height) = figure.size();
    let size = (width * PNG_SCALE, height * PNG_SCALE);
    let mut pixels = vec![0; (size.0 * size.1 * 3) as usize];
    {
        let area = BitMapBackend::with_buffer(&mut pixels, size).into_drawing_area();
        area.fill(&palette::PAPER).map_err(|e| e.to_string())?;
        figure.draw(&area, f64::from(PNG_SCALE))?;
        area.present().map_err(|e| e.to_string())?;
    }
    Ok(RgbImage::from_raw(size.0, size.1, pixels).expect("the buffer has three bytes a pixel"))
}

/// `image` as PNG bytes.
pub fn png(image: &RgbImage) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, ImageFormat::Png).expect("an RGB image in memory encodes");
    bytes.into_inner()
}

/// Registers the bundled fonts, once. The name is the generic one, so that an SVG is shown in the reader's own font.
fn register_fonts() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let regular = porecast_store::plate::FONT;
        let bold = include_bytes!("fonts/DejaVuSans-Bold-subset.ttf");
        for (style, bytes) in [(FontStyle::Normal, regular), (FontStyle::Bold, bold as &[u8])] {
            assert!(register_font(FONT, style, bytes).is_ok(), "the bundled font is valid");
        }
    });
}

const FONT: &str = "sans-serif";

/// A text style of the figures.
fn text(size: f64, colour: RGBColor) -> TextStyle<'static> {
    (FONT, size).into_font().color(&colour)
}

/// A text style for titles.
fn bold_text(size: f64) -> TextStyle<'static> {
    // `FontDesc::style` would keep the glyphs of the regular font.
    FontDesc::new(FontFamily::SansSerif, size, FontStyle::Bold).color(&palette::INK)
}

/// Width of `label` in units at font size `size`.
fn text_width(label: &str, size: f64) -> u32 {
    register_fonts();
    // Without glyphs there is no width to know; half an em a letter is the usual estimate.
    (FONT, size)
        .into_font()
        .box_size(label)
        .map_or_else(|_| (label.chars().count() as f64 * size / 2.0) as u32, |(width, _)| width)
}
/// Escapes text for HTML.
pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
