//! Sequences frame by frame, small enough for the player of a page.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use ndarray::{ArrayView2, ArrayView3, s};
use porecast_simulations::{Side, TimeUnit};
use porecast_store::Physics;
use porecast_store::plate::length_text as length;
use serde::{Deserialize, Serialize};

use super::Colour;

/// Shades of a probability: the eye sees no more, and they need few bytes.
const SHADES: f32 = 15.0;
/// Frames of a domain, at most: evenly chosen when there are more.
const FRAMES: usize = 64;
/// Pixels of a frame, at most, of few domains and of many.
const PIXELS: [usize; 2] = [1 << 18, 1 << 16];
/// More domains than these are many.
const FEW_DOMAINS: usize = 4;
/// Length of the text of a film, about: a page has to open on a phone.
const LENGTH: usize = 8 << 20;

/// Sequences of some domains of one shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Film {
    /// Height and width of a frame.
    pub shape: (usize, usize),
    /// Edge of a pixel of a frame in pixels of the domain.
    pub step: usize,
    /// Edge length of a pixel of the domain in metres, if known.
    pub voxel_size_m: Option<f64>,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Number of domains there are, shown or not.
    pub total: usize,
    /// The domains.
    pub domains: Vec<FilmedDomain>,
}

/// A domain of a film.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilmedDomain {
    /// Its identifier.
    pub id: String,
    /// What is known about it: names and values.
    pub facts: Vec<(String, String)>,
    /// Numbers of the frames.
    pub frames: Vec<usize>,
    /// Times of the frames.
    pub times: Vec<f64>,
    /// The solid, as one frame.
    pub solid: String,
    /// Truth, predictions and baselines.
    pub sequences: Vec<FilmedSequence>,
}

/// One sequence of a domain.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FilmedSequence {
    /// Its name.
    pub name: String,
    /// What it is.
    pub colour: Colour,
    /// For each frame of the domain, the frame of this sequence; empty if they are the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at: Vec<Option<usize>>,
    /// The frames, see [`Film::packed`].
    pub frames: String,
    /// Saturation of each frame.
    pub saturation: Vec<f64>,
    /// Mean squared error in the pore space of each frame; empty without a truth.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mse: Vec<f64>,
}

impl Film {
    /// A film of `total` domains with `shape` height and width, without any yet.
    pub fn new(
        total: usize,
        (height, width): (usize, usize),
        voxel_size_m: f64,
        inlet: Side,
        time_unit: TimeUnit,
    ) -> Self {
        let pixels = PIXELS[usize::from(total > FEW_DOMAINS)];
        let is_small = |step: &usize| height.div_ceil(*step) * width.div_ceil(*step) <= pixels;
        let step = (1..).find(is_small).expect("one pixel is small");
        Self {
            shape: (height.div_ceil(step), width.div_ceil(step)),
            step,
            voxel_size_m: (voxel_size_m.is_finite() && voxel_size_m > 0.0).then_some(voxel_size_m),
            inlet,
            time_unit,
            total,
            domains: Vec::new(),
        }
    }

    /// Positions of the frames that are shown, of `count`.
    pub fn chosen(count: usize) -> Vec<usize> {
        match count {
            0..=FRAMES => (0..count).collect(),
            _ => (0..FRAMES).map(|i| i * (count - 1) / (FRAMES - 1)).collect(),
        }
    }

    /// Whether more domains would make the page too large.
    pub fn is_full(&self) -> bool {
        self.length() > LENGTH
    }

    /// Leaves out the last domains until the page is not too large.
    pub fn shorten(&mut self) {
        while self.is_full() && self.domains.len() > 1 {
            self.domains.pop();
        }
    }

    /// Length of the frames as text.
    fn length(&self) -> usize {
        let of_domain = |domain: &FilmedDomain| {
            domain.solid.len() + domain.sequences.iter().map(|one| one.frames.len()).sum::<usize>()
        };
        self.domains.iter().map(of_domain).sum()
    }

    /// The solid in few bytes.
    pub fn packed_solid(&self, solid: ArrayView2<'_, bool>) -> String {
        let solid = solid.slice(s![..;self.step, ..;self.step]);
        compressed(solid.iter().map(|&solid| u8::from(solid)))
    }

    /// Frames in few bytes: for each pixel a shade from 0 to 15, combined with the frame before by exclusive or, as zlib in
    /// base 64.
    ///
    /// # Shapes
    /// `[time, y, x]`, probabilities from 0 to 1.
    pub fn packed(&self, frames: ArrayView3<'_, f32>) -> String {
        let shown = frames.slice(s![.., ..;self.step, ..;self.step]);
        let shade = |p: &f32| (p.clamp(0.0, 1.0) * SHADES).round() as u8;
        let mut before = vec![0; self.shape.0 * self.shape.1];
        let mut bytes = Vec::with_capacity(shown.len());
        for frame in shown.outer_iter() {
            let shades: Vec<u8> = frame.iter().map(shade).collect();
            bytes.extend(shades.iter().zip(&before).map(|(now, before)| now ^ before));
            before = shades;
        }
        compressed(bytes.into_iter())
    }

    /// What is known about a domain: porosity, size, inlet and physics.
    pub fn facts(
        &self,
        (height, width): (usize, usize),
        porosity: f64,
        physics: &Physics,
    ) -> Vec<(String, String)> {
        let size = match self.voxel_size_m {
            Some(edge) => format!(
                "{height} × {width} pixels of {} (height × width), {} × {}",
                length(edge),
                length(edge * height as f64),
                length(edge * width as f64)
            ),
            None => format!("{height} × {width} pixels (height × width), pixel size unknown"),
        };
        let mut facts =
            vec![("porosity", format!("{porosity:.3}")), ("size", size), ("inlet", self.inlet.to_string())];
        let known = [
            ("capillary number Ca", physics.capillary_number.map(|value| format!("{value:.2e}"))),
            ("viscosity ratio M", physics.viscosity_ratio.map(|value| format!("{value:.3}"))),
            (
                "contact angle",
                physics.contact_angle_deg.map(|value| format!("{value:.0}° through the defending fluid")),
            ),
        ];
        facts.extend(known.into_iter().filter_map(|(name, value)| Some((name, value?))));
        facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// Name of the axis of time, with its unit.
pub fn time_axis(unit: TimeUnit) -> &'static str {
    match unit {
        TimeUnit::PoreVolumes => "time (pore volumes injected)",
        TimeUnit::Seconds => "time (s)",
        TimeUnit::Frame => "time (frames; the dataset has no clock)",
    }
}

/// A value with five significant digits: a page needs no more.
pub fn rounded(value: f64) -> f64 {
    format!("{value:.4e}").parse().unwrap_or(value)
}

fn compressed(bytes: impl Iterator<Item = u8>) -> String {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes.collect::<Vec<u8>>()).expect("memory can be written");
    BASE64.encode(encoder.finish().expect("memory can be written"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use flate2::read::ZlibDecoder;
    use ndarray::{Array3, array};

    use super::*;

    fn film(total: usize, shape: (usize, usize)) -> Film {
        Film::new(total, shape, 35e-6, Side::Top, TimeUnit::PoreVolumes)
    }

    #[test]
    fn frames_are_read_back_in_shades() {
        let frames = array![[[0.0, 1.0]], [[0.5, 1.0]], [[1.0, 0.0]]];
        let bytes = BASE64.decode(film(1, (1, 2)).packed(frames.view())).unwrap();
        let mut read = Vec::new();
        ZlibDecoder::new(bytes.as_slice()).read_to_end(&mut read).unwrap();
        assert_eq!(read, [0, 15, 8, 0, 8 ^ 15, 15]);
    }

    #[test]
    fn large_domains_are_shown_coarsely_and_more_so_in_a_crowd() {
        assert_eq!(film(1, (256, 64)).shape, (256, 64));
        assert_eq!(film(1, (1024, 1024)).shape, (512, 512));
        assert_eq!(film(99, (1024, 1024)).shape, (256, 256));
    }

    #[test]
    fn chosen_frames_keep_first_and_last() {
        assert_eq!(Film::chosen(3), [0, 1, 2]);
        let chosen = Film::chosen(1001);
        assert_eq!((chosen.len(), chosen[0], chosen[FRAMES - 1]), (FRAMES, 0, 1000));
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn a_film_that_is_too_long_loses_its_last_domains() {
        let mut film = film(3, (2, 2));
        let sequence = FilmedSequence {
            name: "true".into(),
            colour: Colour::Truth,
            at: vec![],
            frames: "x".repeat(LENGTH / 2),
            saturation: vec![],
            mse: vec![],
        };
        let domain = |id: &str| FilmedDomain {
            id: id.into(),
            facts: vec![],
            frames: vec![],
            times: vec![],
            solid: film.packed_solid(array![[true, false], [false, true]].view()),
            sequences: vec![sequence.clone()],
        };
        film.domains = ["a", "b", "c"].map(domain).to_vec();
        film.shorten();
        assert_eq!(film.domains.iter().map(|domain| domain.id.as_str()).collect::<Vec<_>>(), ["a"]);
        let still = film.packed(Array3::from_elem((500, 2, 2), 1.0).view());
        assert!(still.len() < 100, "frames in which nothing moves need next to no bytes");
    }
}
