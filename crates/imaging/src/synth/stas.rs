//! Stained lung tissue with tumour cells in its air spaces (STAS): JPEG images with labelme's JSON files.
//!
//! Walls of tissue, pink from eosin, enclose white air spaces. The targets are clusters in the air spaces
//! that are full of dark nuclei (haematoxylin). Pale clusters and nuclei in the walls are not targets.

use std::fs;
use std::io::Cursor;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::RgbImage;
use image::codecs::jpeg::JpegEncoder;
use ndarray::Array2;
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::GoOn;
use super::noise::{between, normal, smooth_field};
use crate::polygon::{self, Point};
use porecast_base::atomic;
use porecast_base::seed::generator;
use porecast_base::{Error, Result};

/// Size of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StasConfig {
    /// Images with annotations; 1053 in the study.
    pub training: usize,
    /// Number of images without annotations.
    pub public: usize,
    /// Height and width.
    pub shape: (usize, usize),
}

impl Default for StasConfig {
    fn default() -> Self {
        Self { training: 24, public: 4, shape: (942, 1716) }
    }
}

/// Optical density of the stains in red, green and blue (Ruifrok and Johnston, Anal. Quant. Cytol. Histol.
/// 23, 2001).
const HAEMATOXYLIN: [f32; 3] = [0.650, 0.704, 0.286];
const EOSIN: [f32; 3] = [0.072, 0.990, 0.105];

struct Tissue {
    pixels: RgbImage,
    polygons: Vec<Vec<Point>>,
}

/// Writes a data set into the new folder `path`.
///
/// # Errors
/// If the images are smaller than 64 x 64, the folder already exists or cannot be written, or `go_on` returns
/// an error.
pub(super) fn write(path: &Path, config: &StasConfig, seed: u64, go_on: GoOn) -> Result<()> {
    let (height, width) = config.shape;
    if height < 64 || width < 64 {
        let what =
            format!("images of {height} x {width} cannot hold tissue; the shape must be 64 x 64 or more");
        return Err(Error::input(path, what));
    }
    atomic::new_folder(path, |folder| {
        let part = |name: &str| {
            let folder = folder.join(name);
            fs::create_dir_all(&folder).map_err(|e| Error::output(&folder, e)).map(|()| folder)
        };
        let (images, annotations, public) =
            (part("Train_Images")?, part("Train_Annotations")?, part("Public_Image")?);
        for index in 0..config.training {
            go_on()?;
            let tissue = tissue(config.shape, &mut generator(seed, "stas training", index as u64));
            let jpeg = write_jpeg(&images.join(format!("{index:08}.jpg")), &tissue.pixels)?;
            let json = annotation(index, &tissue, &jpeg);
            let path = annotations.join(format!("{index:08}.json"));
            fs::write(&path, json.to_string()).map_err(|e| Error::output(&path, e))?;
        }
        for index in 0..config.public {
            go_on()?;
            let tissue = tissue(config.shape, &mut generator(seed, "stas public", index as u64));
            write_jpeg(&public.join(format!("Public_{index:08}.jpg")), &tissue.pixels)?;
        }
        Ok(())
    })
}

fn write_jpeg(path: &Path, pixels: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = Cursor::new(Vec::new());
    let encoder = JpegEncoder::new_with_quality(&mut bytes, 92);
    let failed = |e| Error::output(path, e);
    pixels.write_with_encoder(encoder).map_err(|e| failed(std::io::Error::other(e)))?;
    fs::write(path, bytes.get_ref()).map_err(failed)?;
    Ok(bytes.into_inner())
}

/// A labelme file of one of four versions; some embed the image, some come from another operating system.
fn annotation(index: usize, tissue: &Tissue, jpeg: &[u8]) -> Value {
    let version = ["3.16.7", "4.5.5", "4.5.6", "5.2.1"][index % 4];
    let is_old = version.starts_with('3');
    let shapes: Vec<Value> = tissue
        .polygons
        .iter()
        .map(|points| match is_old {
            true => json!({
                "label": "STAS", "line_color": null, "fill_color": null, "points": points,
                "shape_type": "polygon", "flags": {}
            }),
            false => json!({
                "label": "STAS", "points": points, "group_id": null, "shape_type": "polygon", "flags": {}
            }),
        })
        .collect();
    let folder = if index % 3 == 1 { "..\\Train_Images\\" } else { "" };
    let mut json = json!({
        "version": version,
        "flags": {},
        "shapes": shapes,
        "imagePath": format!("{folder}{index:08}.jpg"),
        "imageData": if is_old { json!(STANDARD.encode(jpeg)) } else { Value::Null },
        "imageHeight": tissue.pixels.height(),
        "imageWidth": tissue.pixels.width(),
    });
    if is_old {
        json["lineColor"] = json!([0, 255, 0, 128]);
        json["fillColor"] = json!([255, 0, 0, 128]);
    }
    json
}

fn tissue((height, width): (usize, usize), rng: &mut impl Rng) -> Tissue {
    let shape = (height, width);
    let cell = height as f64 / 5.0;
    let walls = smooth_field(shape, cell, rng);
    let thickness = between(0.10, 0.18, rng) as f32;
    let solid = between(0.7, 0.95, rng) as f32;
    let is_tissue = walls.mapv(|v| v.abs() < thickness || v > solid);
    let grain = smooth_field(shape, 6.0, rng);
    let mut eosin = Array2::from_shape_fn(shape, |at| match is_tissue[at] {
        true => 0.30 + 0.12 * grain[at],
        false => 0.015,
    });
    let mut haematoxylin = is_tissue.mapv(|is_tissue| if is_tissue { 0.05_f32 } else { 0.005 });
    let nuclei_in_walls = height * width / 2500;
    for _ in 0..nuclei_in_walls {
        let centre = [between(0.0, width as f64, rng), between(0.0, height as f64, rng)];
        if is_tissue[[centre[1] as usize, centre[0] as usize]] {
            add_nucleus(&mut haematoxylin, centre, between(2.5, 4.5, rng), 0.55);
        }
    }
    let mut polygons = Vec::new();
    let mut taken = Array2::<u8>::zeros(shape);
    let clusters = 2 + (between(0.0, 6.0, rng)) as usize;
    for attempt in 0..clusters * 12 {
        let is_target = polygons.is_empty() || attempt % 2 == 0;
        if polygons.len() >= clusters && attempt > clusters * 6 {
            break;
        }
        // Sizes over two orders of magnitude.
        let radius = height as f64 * 0.012 * 12.0_f64.powf(rng.random::<f64>());
        let centre = [between(0.0, width as f64, rng), between(0.0, height as f64, rng)];
        let at = [centre[1] as usize, centre[0] as usize];
        if is_tissue[at] || walls[at].abs() < thickness + 0.12 {
            continue;
        }
        let outline = outline(centre, radius, shape, rng);
        let mut cluster = Array2::<u8>::zeros(shape);
        if polygon::fill(&mut cluster, &outline, 0.5, 1) == 0
            || cluster.iter().zip(&taken).any(|(&new, &old)| new == 1 && old == 1)
        {
            continue;
        }
        for (at, _) in cluster.indexed_iter().filter(|(_, is_in)| **is_in == 1) {
            taken[at] = 1;
            eosin[at] = 0.16 + 0.06 * grain[at];
            haematoxylin[at] = if is_target { 0.22 } else { 0.04 };
        }
        let crowding = if is_target { 55.0 } else { 400.0 };
        for _ in 0..(std::f64::consts::PI * radius * radius / crowding) as usize {
            let nucleus =
                [centre[0] + radius * between(-1.2, 1.2, rng), centre[1] + radius * between(-1.2, 1.2, rng)];
            let is_in = cluster.get((nucleus[1].max(0.0) as usize, nucleus[0].max(0.0) as usize));
            if is_in == Some(&1) {
                add_nucleus(
                    &mut haematoxylin,
                    nucleus,
                    between(3.0, 5.5, rng),
                    if is_target { 0.75 } else { 0.35 },
                );
            }
        }
        if is_target {
            polygons.push(outline);
        }
    }
    // The staining strength varies between slides.
    let strength = (between(0.8, 1.25, rng) as f32, between(0.8, 1.25, rng) as f32);
    let pixels = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let at = [y as usize, x as usize];
        let (h, e) = (strength.0 * haematoxylin[at], strength.1 * eosin[at]);
        let noise = 2.0 * normal(rng);
        image::Rgb([0, 1, 2].map(|c| {
            let light = 242.0 * 10.0_f32.powf(-(h * HAEMATOXYLIN[c] + e * EOSIN[c]) * 1.6);
            (light + noise).clamp(0.0, 255.0) as u8
        }))
    });
    Tissue { pixels, polygons }
}

/// A closed lobed outline inside the image, rounded to a tenth of a pixel.
fn outline(centre: Point, radius: f64, (height, width): (usize, usize), rng: &mut impl Rng) -> Vec<Point> {
    let lobes: Vec<(f64, f64, f64)> = (2..6)
        .map(|lobe| {
            let order = f64::from(lobe);
            (order, between(0.0, 0.35 / order, rng), between(0.0, std::f64::consts::TAU, rng))
        })
        .collect();
    let vertices = (8.0 + radius / 2.0).min(60.0) as usize;
    (0..vertices)
        .map(|i| {
            let angle = i as f64 * std::f64::consts::TAU / vertices as f64;
            let wobble: f64 =
                lobes.iter().map(|(order, size, phase)| size * (order * angle + phase).sin()).sum();
            let length = radius * (1.0 + wobble);
            let to_tenth = |v: f64, largest: usize| (v.clamp(0.0, largest as f64) * 10.0).round() / 10.0;
            [
                to_tenth(centre[0] + length * angle.cos(), width),
                to_tenth(centre[1] + length * angle.sin(), height),
            ]
        })
        .collect()
}

/// A dark disc with a soft edge.
fn add_nucleus(haematoxylin: &mut Array2<f32>, [x, y]: Point, radius: f64, density: f32) {
    let (height, width) = haematoxylin.dim();
    let range = |v: f64, length: usize| {
        (v - radius - 1.0).max(0.0) as usize..((v + radius + 2.0).max(0.0) as usize).min(length)
    };
    for row in range(y, height) {
        for column in range(x, width) {
            let distance = (column as f64 + 0.5 - x).hypot(row as f64 + 0.5 - y);
            let cover = (radius + 0.5 - distance).clamp(0.0, 1.0) as f32;
            let value = &mut haematoxylin[[row, column]];
            *value = value.max(density * cover);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Unlabelled;
    use crate::format::labelme::{Labelme, Options};

    const SMALL: StasConfig = StasConfig { training: 5, public: 1, shape: (140, 260) };

    #[test]
    fn what_was_written_is_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("stas");
        write(&path, &SMALL, 11, &|| Ok(())).unwrap();
        let options = Options { unlabelled: Unlabelled::Keep, ..Options::default() };
        let source = Labelme::open(&path, options).unwrap();
        assert_eq!((source.len(), source.warnings().len()), (6, 1));
        // Some drawings name their image without its folder.
        assert!(source.warnings()[0].message.contains("the only image of that name is taken"));
        assert_eq!(source.sample(5).unwrap().mask, None);
        for index in 0..5 {
            let sample = source.sample(index).unwrap();
            let tissue = tissue(SMALL.shape, &mut generator(11, "stas training", index as u64));
            assert_eq!((sample.id, sample.image.dim()), (format!("{index:08}"), (3, 140, 260)));
            let mut mask = Array2::zeros(SMALL.shape);
            for points in &tissue.polygons {
                polygon::fill(&mut mask, points, 0.5, 1);
            }
            assert_eq!(sample.mask.unwrap(), mask);
            // JPEG is lossy: the mean error is a few grey levels.
            let difference: f32 = tissue
                .pixels
                .enumerate_pixels()
                .flat_map(|(x, y, p)| {
                    p.0.into_iter().enumerate().map(move |(c, v)| ((c, y as usize, x as usize), v))
                })
                .map(|(at, v)| (sample.image[at] - f32::from(v) / 255.0).abs())
                .sum();
            assert!(
                difference / sample.image.len() as f32 <= 0.04,
                "{}",
                difference / sample.image.len() as f32
            );
        }
    }

    #[test]
    fn targets_are_darker_than_the_rest_on_average_but_dark_pixels_are_elsewhere_too() {
        let (mut target, mut rest, mut dark_elsewhere) = ((0.0, 0), (0.0, 0), 0);
        for index in 0..4 {
            let tissue = tissue((300, 500), &mut generator(2, "stas training", index as u64));
            assert!(!tissue.polygons.is_empty());
            let mut mask = Array2::zeros((300, 500));
            for points in &tissue.polygons {
                polygon::fill(&mut mask, points, 0.5, 1_u8);
            }
            for (x, y, pixel) in tissue.pixels.enumerate_pixels() {
                let red = f64::from(pixel.0[0]);
                let is_target = mask[[y as usize, x as usize]] == 1;
                let sum = if is_target { &mut target } else { &mut rest };
                *sum = (sum.0 + red, sum.1 + 1);
                dark_elsewhere += u32::from(!is_target && red < 150.0);
            }
        }
        assert!(target.0 / f64::from(target.1) + 30.0 < rest.0 / f64::from(rest.1));
        assert!(dark_elsewhere > 1000, "{dark_elsewhere}");
    }
}
