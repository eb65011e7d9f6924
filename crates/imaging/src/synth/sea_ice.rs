//! Ice floes on dark water: TIFF files of a camera, a radar and a mask.
//!
//! Haze hides parts of the camera image (240 x 240, 8 bit, RGB). The radar image (720 x 720, 16 bit) shows
//! them, but has speckle, and wind makes water bright in it. Neither image is sufficient alone.

use std::fs::{self, File};
use std::io::BufWriter;
use std::path::Path;

use ndarray::{Array2, s};
use rand::{Rng, RngExt};
use serde::{Deserialize, Serialize};
use tiff::encoder::{TiffEncoder, colortype};

use super::GoOn;
use super::noise::{between, normal, smooth_field};
use porecast_base::atomic;
use porecast_base::seed::generator;
use porecast_base::{Error, Result};

const CAMERA: usize = 240;
const RADAR: usize = 720;

/// Size of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeaIceConfig {
    /// Scenes with a mask; 1407 in the study.
    pub training: usize,
    /// Scenes without a mask; 352 in the study.
    pub test: usize,
}

impl Default for SeaIceConfig {
    fn default() -> Self {
        Self { training: 24, test: 6 }
    }
}

struct Scene {
    /// RGB values, interleaved.
    camera: Vec<u8>,
    radar: Vec<u16>,
    ice: Array2<u8>,
}

/// Writes a data set into the new folder `path`.
///
/// # Errors
/// If the folder already exists or cannot be written, or `go_on` returns an error.
pub(super) fn write(path: &Path, config: &SeaIceConfig, seed: u64, go_on: GoOn) -> Result<()> {
    atomic::new_folder(path, |folder| {
        for (part, count) in [("train", config.training), ("test", config.test)] {
            let folder = folder.join(part);
            fs::create_dir_all(&folder).map_err(|e| Error::output(&folder, e))?;
            for index in 0..count {
                go_on()?;
                let scene = scene(&mut generator(seed, &format!("sea ice {part}"), index as u64));
                let file = |sensor: &str| folder.join(format!("{index:05}_{sensor}.tif"));
                write_tiff::<colortype::RGB8>(&file("VIS"), CAMERA, &scene.camera)?;
                write_tiff::<colortype::Gray16>(&file("SAR"), RADAR, &scene.radar)?;
                if part == "train" {
                    let black_and_white: Vec<u8> = scene.ice.iter().map(|&class| class * 255).collect();
                    write_tiff::<colortype::Gray8>(&file("REF"), CAMERA, &black_and_white)?;
                }
            }
        }
        Ok(())
    })
}

fn write_tiff<C: colortype::ColorType>(path: &Path, side: usize, pixels: &[C::Inner]) -> Result<()>
where
    [C::Inner]: tiff::encoder::TiffValue,
{
    let output = |e| Error::output(path, e);
    let failed = |e: tiff::TiffError| output(std::io::Error::other(e));
    let file = BufWriter::new(File::create(path).map_err(output)?);
    let mut encoder = TiffEncoder::new(file).map_err(failed)?;
    encoder.write_image::<C>(side as u32, side as u32, pixels).map_err(failed)
}

fn scene(rng: &mut impl Rng) -> Scene {
    let fine = (RADAR, RADAR);
    let coverage = between(-0.35, 0.35, rng) as f32;
    // Floes: a smooth field with ragged edges, cut by narrow leads.
    let shape = smooth_field(fine, 150.0, rng) + smooth_field(fine, 30.0, rng) * 0.25 + coverage;
    let leads = smooth_field(fine, 110.0, rng);
    let ice = Array2::from_shape_fn(fine, |at| u8::from(shape[at] > 0.0 && leads[at].abs() > 0.05));
    let wind = smooth_field(fine, 200.0, rng);
    let roughness = smooth_field(fine, 18.0, rng);
    let radar = Array2::from_shape_fn(fine, |at| {
        let backscatter = match ice[at] {
            1 => 0.30 + 0.10 * roughness[at],
            _ => 0.08 + 0.22 * wind[at].max(0.0),
        };
        // Speckle of four looks: the mean of four exponentially distributed numbers.
        let speckle = (0..4).map(|_| -(1.0 - rng.random::<f64>()).ln()).sum::<f64>() / 4.0;
        (backscatter.max(0.01) * speckle as f32 * 30_000.0).clamp(0.0, 65_535.0) as u16
    });
    // The centre of each block of 3 x 3 radar pixels.
    let coarse = |field: &Array2<f32>| field.slice(s![1..;3, 1..;3]).to_owned();
    let ice = ice.slice(s![1..;3, 1..;3]).to_owned();
    let haze = (coarse(&smooth_field(fine, 260.0, rng)) + 0.1).mapv(|v| (1.6 * v).clamp(0.0, 0.93));
    let tone = coarse(&smooth_field(fine, 60.0, rng));
    let mut camera = Vec::with_capacity(CAMERA * CAMERA * 3);
    for (at, &class) in ice.indexed_iter() {
        let (colours, brightness) = match class {
            1 => ([205.0, 215.0, 222.0], 1.0 + 0.12 * tone[at]),
            _ => ([28.0, 48.0, 70.0], 1.0 + 0.2 * tone[at]),
        };
        for colour in colours {
            let seen = colour * brightness * (1.0 - haze[at]) + 225.0 * haze[at] + 4.0 * normal(rng);
            camera.push(seen.clamp(0.0, 255.0) as u8);
        }
    }
    Scene { camera, radar: radar.into_iter().collect(), ice }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Unlabelled;
    use crate::format::tiff_triples::{Options, TiffTriples};

    #[test]
    fn what_was_written_is_read_back_and_stacked() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ice");
        write(&path, &SeaIceConfig { training: 1, test: 1 }, 5, &|| Ok(())).unwrap();
        let scene = scene(&mut generator(5, "sea ice train", 0));
        let options = Options { unlabelled: Unlabelled::Keep, ..Options::default() };
        let source = TiffTriples::open(&path, options).unwrap();
        let ids: Vec<String> = (0..2).map(|i| source.sample(i).unwrap().id).collect();
        assert_eq!(ids, ["test/00000", "train/00000"]);
        assert_eq!(source.sample(0).unwrap().mask, None);
        let sample = source.sample(1).unwrap();
        assert_eq!(sample.image.dim(), (4, CAMERA, CAMERA));
        assert_eq!(sample.mask.unwrap(), scene.ice);
        for (i, &byte) in scene.camera.iter().enumerate() {
            let read = sample.image[[i % 3, i / 3 / CAMERA, i / 3 % CAMERA]];
            assert!((read - f32::from(byte) / 255.0).abs() < 1e-6);
        }
        // The radar pixels are unchanged if no band has to be resized.
        let radar_only =
            Options { bands: vec!["SAR".into()], unlabelled: Unlabelled::Keep, ..Options::default() };
        let source = TiffTriples::open(&path, radar_only).unwrap();
        let read = source.sample(1).unwrap().image;
        assert!(read.iter().zip(&scene.radar).all(|(r, &w)| (r - f32::from(w) / 65535.0).abs() < 1e-6));
    }

    #[test]
    fn the_study_s_size_is_384_and_masks_stay_black_and_white() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ice");
        write(&path, &SeaIceConfig { training: 1, test: 0 }, 5, &|| Ok(())).unwrap();
        let options = Options { shape: Some((384, 384)), ..Options::default() };
        let sample = TiffTriples::open(&path, options).unwrap().sample(0).unwrap();
        assert_eq!((sample.image.dim(), sample.original_shape), ((4, 384, 384), (240, 240)));
        let mask = sample.mask.unwrap();
        assert!(mask.iter().all(|&class| class <= 1) && mask.iter().any(|&class| class == 1));
    }
}
