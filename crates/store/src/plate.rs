//! Pictures for people: enlarged, each with a caption, above a legend and a scale bar.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, ScaleFont, point};
use image::{Rgb, RgbImage, imageops};
use porecast_simulations::TimeUnit;

use super::picture::{self, DEFENDING, INVADING, PAPER, SOLID};

/// The font of pictures and figures: DejaVu Sans, the characters that occur in them.
pub const FONT: &[u8] = include_bytes!("fonts/DejaVuSans-subset.ttf");

/// What the colours of a sequence mean.
pub const FLUIDS: [(&str, Rgb<u8>); 3] = [("invading", INVADING), ("defending", DEFENDING), ("solid", SOLID)];

const INK: Rgb<u8> = Rgb([36, 41, 47]);
/// Height of a line of text in pixels.
const LINE: u32 = 20;
/// Size of letters in pixels.
const LETTER: f32 = 15.0;
/// Shades between ink and paper: an animation has 256 colours.
const SHADES: f32 = 8.0;
const MARGIN: u32 = 10;
/// Least width of a plate: room for a title and a legend.
const LEAST_WIDTH: u32 = 330;
/// Least length of the longer edge of a single picture.
const EDGE: usize = 512;

static LETTERS: LazyLock<FontRef<'static>> =
    LazyLock::new(|| FontRef::try_from_slice(FONT).expect("the bundled font is valid"));

/// Pictures in rows, with a title, captions, a legend and a scale bar.
#[derive(Debug, Clone, Default)]
pub struct Plate {
    /// What is shown; no line when empty.
    pub title: String,
    /// The rows: a heading, and pictures with their captions. Empty words need no room.
    pub rows: Vec<(String, Vec<(String, RgbImage)>)>,
    /// What the colours mean.
    pub legend: Vec<(String, Rgb<u8>)>,
    /// Scale bar: its length in pixels, and what it says.
    pub scale: Option<(u32, String)>,
}

impl Plate {
    /// A frame of a sequence: enlarged to at least 512 pixels, with its time, the legend of fluids and a scale bar.
    ///
    /// # Units
    /// `voxel_size_m` is the edge length of a pixel of `frame`; anything but a positive number means that it is not known.
    pub fn of_frame(frame: &RgbImage, time: &str, voxel_size_m: f64) -> Self {
        let factor = factor(frame, EDGE);
        Self {
            title: time.to_owned(),
            rows: vec![(String::new(), vec![(String::new(), picture::enlarge(frame, factor))])],
            legend: legend(&FLUIDS),
            scale: Some(scale_bar(frame.width(), factor, voxel_size_m)),
        }
    }

    /// Draws the plate on white paper.
    pub fn draw(&self) -> RgbImage {
        let caption_height = |cells: &[(String, RgbImage)]| {
            if cells.iter().all(|(caption, _)| caption.is_empty()) { 0 } else { LINE }
        };
        let cell_width = |(caption, picture): &(String, RgbImage)| picture.width().max(text_width(caption));
        let row_width = |cells: &[(String, RgbImage)]| {
            cells.iter().map(|cell| cell_width(cell) + MARGIN).sum::<u32>() + MARGIN
        };
        let widest =
            self.rows.iter().map(|(heading, cells)| row_width(cells).max(text_width(heading) + 2 * MARGIN));
        let width = widest.chain([LEAST_WIDTH, text_width(&self.title) + 2 * MARGIN]).max().unwrap_or(0);
        let row_height = |(heading, cells): &(String, Vec<(String, RgbImage)>)| {
            let tallest = cells.iter().map(|(_, picture)| picture.height()).max().unwrap_or(0);
            let heading = if heading.is_empty() { 0 } else { LINE };
            heading + caption_height(cells) + tallest + MARGIN
        };
        let title = if self.title.is_empty() { 0 } else { LINE };
        let pictures: u32 = self.rows.iter().map(row_height).sum();
        let places = self.legend_places(width);
        let foot = places.last().map_or(0, |(_, y)| y + LINE) + self.scale.as_ref().map_or(0, |_| LINE);
        let mut paper = RgbImage::from_pixel(width, MARGIN + title + pictures + foot + MARGIN / 2, PAPER);

        write(&mut paper, (MARGIN, MARGIN), &self.title);
        let mut top = MARGIN + title;
        for row in &self.rows {
            let (heading, cells) = row;
            write(&mut paper, (MARGIN, top), heading);
            let below = top + if heading.is_empty() { 0 } else { LINE };
            let mut left = MARGIN;
            for cell in cells {
                let (caption, picture) = cell;
                write(&mut paper, (left, below), caption);
                imageops::replace(&mut paper, picture, left.into(), (below + caption_height(cells)).into());
                left += cell_width(cell) + MARGIN;
            }
            top += row_height(row);
        }
        if let Some((length, words)) = &self.scale {
            fill(&mut paper, (MARGIN, top + LINE / 2 - 2), (*length, 4), INK);
            write(&mut paper, (MARGIN + length + 8, top), words);
            top += LINE;
        }
        for ((words, colour), (x, y)) in self.legend.iter().zip(places) {
            fill(&mut paper, (x, top + y + 3), (13, 13), INK);
            fill(&mut paper, (x + 1, top + y + 4), (11, 11), *colour);
            write(&mut paper, (x + 19, top + y), words);
        }
        paper
    }

    /// Where each entry of the legend begins, line by line.
    fn legend_places(&self, width: u32) -> Vec<(u32, u32)> {
        let (mut x, mut y) = (MARGIN, 0);
        let mut places = Vec::new();
        for (words, _) in &self.legend {
            let length = 19 + text_width(words) + 14;
            if x > MARGIN && x + length > width {
                (x, y) = (MARGIN, y + LINE);
            }
            places.push((x, y));
            x += length;
        }
        places
    }
}

/// The whole factor by which a picture is enlarged until its longer edge has at least `edge` pixels.
pub fn factor(picture: &RgbImage, edge: usize) -> u32 {
    let longer = picture.width().max(picture.height()).max(1) as usize;
    edge.div_ceil(longer).max(1) as u32
}

/// Entries of a legend.
pub fn legend(entries: &[(&str, Rgb<u8>)]) -> Vec<(String, Rgb<u8>)> {
    entries.iter().map(|(words, colour)| ((*words).to_owned(), *colour)).collect()
}

/// Length in pixels of a scale bar, and what it says: 1, 2 or 5 times a power of ten, at most half of `width` pixels of
/// `voxel_size_m` metres, each enlarged by `factor`. In pixels if their size is not known.
pub fn scale_bar(width: u32, factor: u32, voxel_size_m: f64) -> (u32, String) {
    let is_known = voxel_size_m.is_finite() && voxel_size_m > 0.0;
    let pixel = if is_known { voxel_size_m } else { 1.0 };
    let half = f64::from(width.max(2)) * pixel / 2.0;
    let power = 10f64.powf(half.log10().floor());
    let length = [5.0, 2.0, 1.0]
        .map(|n| n * power)
        .into_iter()
        .find(|length| *length <= half * (1.0 + 1e-9))
        .unwrap_or(power);
    let words = match is_known {
        true => length_text(length),
        false => format!("{length:.0} pixels"),
    };
    ((length / pixel * f64::from(factor)).round() as u32, words)
}

/// A length in metres in a unit for readers, with three significant digits.
pub fn length_text(metres: f64) -> String {
    let units = [(1.0, "m"), (1e-2, "cm"), (1e-3, "mm"), (1e-6, "µm"), (1e-9, "nm")];
    let (size, unit) = units.into_iter().find(|(size, _)| metres >= size * 0.999).unwrap_or((1e-9, "nm"));
    let value = metres / size;
    format!("{} {unit}", format!("{value:.2e}").parse::<f64>().unwrap_or(value))
}

/// A time in words, with three significant digits.
pub fn time_text(time: f64, unit: TimeUnit) -> String {
    let short = format!("{time:.2e}").parse::<f64>().unwrap_or(time);
    match unit {
        TimeUnit::PoreVolumes => format!("{short} pore volumes"),
        TimeUnit::Seconds => format!("{short} s"),
        TimeUnit::Frame => format!("frame {time}"),
    }
}

fn text_width(words: &str) -> u32 {
    let font = LETTERS.as_scaled(PxScale::from(LETTER));
    words.chars().map(|letter| font.h_advance(font.glyph_id(letter))).sum::<f32>().ceil() as u32
}

/// Writes a line whose upper left corner is at `(x, y)`.
fn write(paper: &mut RgbImage, (x, y): (u32, u32), words: &str) {
    let font = LETTERS.as_scaled(PxScale::from(LETTER));
    let (mut left, base) = (x as f32, y as f32 + font.ascent());
    for letter in words.chars() {
        let glyph = font.glyph_id(letter);
        let placed = glyph.with_scale_and_position(PxScale::from(LETTER), point(left, base));
        if let Some(outline) = LETTERS.outline_glyph(placed) {
            let corner = outline.px_bounds().min;
            outline.draw(|dx, dy, cover| {
                let (px, py) = (corner.x as i64 + i64::from(dx), corner.y as i64 + i64::from(dy));
                let inside = (0..i64::from(paper.width())).contains(&px)
                    && (0..i64::from(paper.height())).contains(&py);
                if inside && cover > 0.0 {
                    let share = (cover * SHADES).round() / SHADES;
                    let pixel = paper.get_pixel_mut(px as u32, py as u32);
                    *pixel = Rgb(std::array::from_fn(|c| {
                        let (from, to) = (f32::from(pixel[c]), f32::from(INK[c]));
                        (from + share.min(1.0) * (to - from)).round() as u8
                    }));
                }
            });
        }
        left += font.h_advance(glyph);
    }
}

fn fill(paper: &mut RgbImage, (x, y): (u32, u32), (width, height): (u32, u32), colour: Rgb<u8>) {
    for py in y..(y + height).min(paper.height()) {
        for px in x..(x + width).min(paper.width()) {
            paper.put_pixel(px, py, colour);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_enlarged_by_a_whole_factor_and_has_words_around_it() {
        let frame = RgbImage::from_pixel(48, 96, INVADING);
        let drawn = Plate::of_frame(&frame, "time 0.1 pore volumes", 35e-6).draw();
        let blue = drawn.pixels().filter(|pixel| **pixel == INVADING).count();
        assert_eq!(blue, 48 * 96 * 36 + 11 * 11, "the picture and its place in the legend");
        assert!(drawn.height() > 576 + 2 * LINE && drawn.width() >= LEAST_WIDTH);
        assert!(drawn.pixels().filter(|pixel| **pixel == INK).count() > 100, "there is text");
    }

    #[test]
    fn a_scale_bar_has_a_round_length_and_the_unit_of_the_pixels() {
        assert_eq!(scale_bar(64, 2, 35e-6), (57, "1 mm".into()));
        assert_eq!(scale_bar(64, 1, f64::NAN), (20, "20 pixels".into()));
        assert_eq!(scale_bar(100, 3, 1e-6), (150, "50 µm".into()));
    }

    #[test]
    fn lengths_have_a_unit_for_readers() {
        assert_eq!([35e-6, 8.96e-3, 0.25].map(length_text), ["35 µm", "8.96 mm", "25 cm"]);
    }

    #[test]
    fn a_long_legend_is_broken_into_lines() {
        let legend = (0..12).map(|n| (format!("class {n}"), SOLID)).collect();
        let plate = Plate { legend, ..Plate::default() };
        let places = plate.legend_places(LEAST_WIDTH);
        assert!(places.iter().any(|(_, y)| *y > 0) && places.iter().all(|(x, _)| *x < LEAST_WIDTH));
    }
}
