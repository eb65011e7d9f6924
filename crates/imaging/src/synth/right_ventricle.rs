//! Short-axis images of hearts, as DICOM slices with contours in text files.
//!
//! The left ventricle is a bright disc in a dark ring, the right one a bright crescent beside it with a thin
//! wall. Vessels are as bright as both, so the right ventricle can be identified only by its position.

use std::fs;
use std::path::Path;

use ndarray::Array2;
use rand::Rng;
use serde::{Deserialize, Serialize};

use super::GoOn;
use super::dicom_slice::{self, SliceHeader};
use super::noise::{between, normal, smooth_field};
use crate::polygon::{self, Point};
use porecast_base::atomic;
use porecast_base::seed::generator;
use porecast_base::{Error, Result};

/// Layout of folders and file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// Like the right ventricle challenge: 256 x 216, unsigned, 0.70 mm, contours at two phases only.
    #[default]
    Rvsc,
    /// Like the Sunnybrook data: 256 x 256, signed, 1.37 mm, only slices with contours, outer contours at one
    /// phase.
    Sunnybrook,
}

/// Size of the data set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RightVentricleConfig {
    /// Layout of folders and file names.
    pub layout: Layout,
    /// Number of patients.
    pub patients: usize,
    /// Number of slices from base to apex.
    pub slices: usize,
    /// Number of phases per heartbeat. The first phase and the one at two fifths have contours.
    pub phases: usize,
}

impl Default for RightVentricleConfig {
    fn default() -> Self {
        Self { layout: Layout::default(), patients: 8, slices: 6, phases: 5 }
    }
}

/// One slice at one phase.
struct Slice {
    pixels: Array2<u16>,
    inner: Vec<Point>,
    outer: Vec<Point>,
}

/// Writes a data set into the new folder `path`.
///
/// # Errors
/// If the folder already exists or cannot be written, or `go_on` returns an error.
pub(super) fn write(path: &Path, config: &RightVentricleConfig, seed: u64, go_on: GoOn) -> Result<()> {
    atomic::new_folder(path, |folder| {
        let mut table = "patient_id,original_id\n".to_owned();
        for patient in 1..=config.patients {
            go_on()?;
            let heart = Heart::new(config.layout, &mut generator(seed, "right ventricle", patient as u64));
            let write_slice = |instance: usize| -> (usize, bool, Slice) {
                let (slice, phase) = (instance / config.phases, instance % config.phases);
                let depth = slice as f64 / config.slices as f64;
                let beat = phase as f64 / config.phases as f64;
                let rng =
                    &mut generator(seed, "right ventricle slice", (patient * 100_000 + instance) as u64);
                (phase, phase == 0 || phase == config.phases * 2 / 5, heart.slice(depth, beat, rng))
            };
            let instances = (0..config.slices * config.phases).map(|i| (i, write_slice(i)));
            match config.layout {
                Layout::Rvsc => write_rvsc(folder, patient, instances)?,
                Layout::Sunnybrook => {
                    table += &format!("SCD{patient:05}01,SC-HF-I-{patient}\n");
                    write_sunnybrook(folder, patient, instances)?;
                }
            }
        }
        match config.layout {
            Layout::Rvsc => Ok(()),
            Layout::Sunnybrook => write_text(&folder.join("link.csv"), &table),
        }
    })
}

type Instance = (usize, (usize, bool, Slice));

fn write_rvsc(folder: &Path, patient: usize, instances: impl Iterator<Item = Instance>) -> Result<()> {
    let name = format!("P{patient:02}");
    let folder = folder.join(format!("patient{patient:02}"));
    let slices = folder.join(format!("{name}dicom"));
    let contours = folder.join(format!("{name}contours-manual"));
    make(&slices)?;
    make(&contours)?;
    let mut list = String::new();
    for (instance, (_, is_drawn, slice)) in instances {
        let header = SliceHeader {
            patient: &name,
            instance: instance + 1,
            spacing_mm: (0.701_402_805_611_22, 0.701_402_805_611_22),
            is_signed: false,
        };
        dicom_slice::write(&slices.join(format!("{name}-{instance:04}.dcm")), &slice.pixels, &header)?;
        if is_drawn {
            for (kind, points) in [("icontour", &slice.inner), ("ocontour", &slice.outer)] {
                let file = format!("{name}-{instance:04}-{kind}-manual.txt");
                write_text(&contours.join(&file), &contour_text(points, 6))?;
                list += &format!(".\\patient{patient:02}\\{name}contours-manual\\{file}\r\n");
            }
        }
    }
    write_text(&folder.join(format!("{name}list.txt")), &list)
}

fn write_sunnybrook(folder: &Path, patient: usize, instances: impl Iterator<Item = Instance>) -> Result<()> {
    let name = format!("SCD{patient:05}01");
    let slices = folder.join("dicoms").join(&name);
    let contours = folder.join("contourfiles").join(format!("SC-HF-I-{patient}"));
    make(&slices)?;
    for kind in ["i-contours", "o-contours"] {
        make(&contours.join(kind))?;
    }
    for (instance, (phase, is_drawn, slice)) in instances {
        if !is_drawn {
            continue;
        }
        let instance = instance + 1;
        let spacing_mm = (1.367_188, 1.367_188);
        let header = SliceHeader { patient: &name, instance, spacing_mm, is_signed: true };
        dicom_slice::write(&slices.join(format!("{instance}.dcm")), &slice.pixels, &header)?;
        for (kind, points) in [("i", &slice.inner), ("o", &slice.outer)] {
            if kind == "i" || phase == 0 {
                let file = format!("IM-0001-{instance:04}-{kind}contour-manual.txt");
                let path = contours.join(format!("{kind}-contours")).join(file);
                write_text(&path, &contour_text(points, 2))?;
            }
        }
    }
    Ok(())
}

fn make(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).map_err(|e| Error::output(folder, e))
}

fn write_text(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).map_err(|e| Error::output(path, e))
}

/// One `x y` per line, in pixel coordinates that start at one.
fn contour_text(points: &[Point], decimals: usize) -> String {
    points.iter().map(|[x, y]| format!("{x:.decimals$} {y:.decimals$}\n")).collect()
}

/// Properties common to all slices of a patient; lengths in pixels.
struct Heart {
    shape: (usize, usize),
    centre: Point,
    radius: f64,
    wall: f64,
    /// Direction from the left ventricle to the right one.
    direction: f64,
    vessels: Vec<(Point, f64)>,
    blood: f64,
    muscle: f64,
}

impl Heart {
    fn new(layout: Layout, rng: &mut impl Rng) -> Self {
        let (shape, scale) = match layout {
            Layout::Rvsc => ((256, 216), 1.0),
            Layout::Sunnybrook => ((256, 256), 0.6),
        };
        let centre = [
            shape.1 as f64 * between(0.52, 0.62, rng) + 1.0,
            shape.0 as f64 * between(0.45, 0.55, rng) + 1.0,
        ];
        let radius = scale * between(24.0, 32.0, rng);
        let vessels = (0..6)
            .map(|_| {
                let (angle, away) =
                    (between(0.0, std::f64::consts::TAU, rng), radius * between(3.6, 4.4, rng));
                (
                    [centre[0] + away * angle.cos(), centre[1] + away * angle.sin()],
                    radius * between(0.25, 0.6, rng),
                )
            })
            .collect();
        Self {
            shape,
            centre,
            radius,
            wall: radius * between(0.3, 0.4, rng),
            direction: std::f64::consts::PI * between(0.85, 1.15, rng),
            vessels,
            blood: between(260.0, 340.0, rng),
            muscle: between(70.0, 110.0, rng),
        }
    }

    /// The slice at `depth` (0 base, 1 apex) and `beat` (0 filled, 0.4 emptied, 1 filled).
    fn slice(&self, depth: f64, beat: f64, rng: &mut impl Rng) -> Slice {
        let emptied =
            (1.0 - (std::f64::consts::TAU * beat / 0.8).cos()).clamp(0.0, 2.0) / 2.0 * f64::from(beat < 0.8);
        let size = (1.0 - 0.45 * depth) * (1.0 - 0.3 * emptied);
        let (left, wall) = (self.radius * size, self.wall * (1.0 + 0.3 * emptied));
        let (inner, outer) = self.crescent(left + wall, size);
        let disc = |radius: f64, centre: Point| -> Vec<Point> {
            (0..90)
                .map(|i| {
                    let angle = f64::from(i) * std::f64::consts::TAU / 90.0;
                    [centre[0] + radius * angle.cos(), centre[1] + radius * angle.sin()]
                })
                .collect()
        };
        // Tissues; later ones cover earlier ones. Contour coordinates count pixels from one.
        let mut tissue = Array2::<u8>::zeros(self.shape);
        let mut paint = |points: &[Point], class: u8| polygon::fill(&mut tissue, points, 1.0, class);
        paint(&disc(self.radius * 5.0, self.centre), 1);
        for (centre, radius) in &self.vessels {
            paint(&disc(*radius, *centre), 3);
        }
        paint(&outer, 2);
        paint(&inner, 3);
        paint(&disc(left + wall, self.centre), 2);
        paint(&disc(left, self.centre), 3);
        let coil = smooth_field(self.shape, 90.0, rng);
        let texture = smooth_field(self.shape, 9.0, rng);
        let grey = Array2::from_shape_fn(self.shape, |at| {
            let level = match tissue[at] {
                0 => 8.0,
                1 => 45.0 + 30.0 * texture[at],
                2 => self.muscle as f32 + 12.0 * texture[at],
                _ => self.blood as f32 + 18.0 * texture[at],
            };
            level * (1.0 + 0.15 * coil[at])
        });
        let pixels = blurred(&grey).mapv(|v| (v + 6.0 * normal(rng)).clamp(0.0, 32_767.0) as u16);
        Slice { pixels, inner, outer }
    }

    /// The contours of the right ventricle: an ellipse, cut off by the disc of radius `disc` of the left
    /// ventricle.
    fn crescent(&self, disc: f64, size: f64) -> (Vec<Point>, Vec<Point>) {
        let thin_wall = 0.12 * self.radius;
        let away = disc + thin_wall + 0.35 * self.radius * size;
        let (sine, cosine) = self.direction.sin_cos();
        let middle = [self.centre[0] + away * cosine, self.centre[1] + away * sine];
        let (along, across) = (0.85 * self.radius * size, 1.6 * self.radius * size);
        let ring = |margin: f64, shrink: f64| -> Vec<Point> {
            (0..160)
                .map(|i| {
                    let angle = f64::from(i) * std::f64::consts::TAU / 160.0;
                    // In the coordinate system whose first axis points away from the left ventricle.
                    let (u, v) = (angle.cos(), angle.sin());
                    let to_ellipse = 1.0 / ((u / along).powi(2) + (v / across).powi(2)).sqrt() + margin;
                    // Distance from the middle, (away, 0), along (u, v) to the disc around (0, 0).
                    let reach = disc + shrink;
                    let (b, c) = (away * u, away * away - reach * reach);
                    let discriminant = b * b - c;
                    let to_disc =
                        if discriminant > 0.0 && b < 0.0 { -b - discriminant.sqrt() } else { f64::INFINITY };
                    let length = to_ellipse.min(to_disc.max(0.5));
                    let (u, v) = (length * u, length * v);
                    let (x, y) = (middle[0] + u * cosine - v * sine, middle[1] + u * sine + v * cosine);
                    // Rounded like the numbers in the files, so that the image matches the written contour.
                    [(x * 100.0).round() / 100.0, (y * 100.0).round() / 100.0]
                })
                .collect()
        };
        (ring(0.0, thin_wall), ring(thin_wall, 0.0))
    }
}

/// Mean of 3 x 3 pixels, weighted 1 2 1 along both axes.
fn blurred(grey: &Array2<f32>) -> Array2<f32> {
    let (height, width) = grey.dim();
    let at = |y: isize, x: isize| {
        grey[[y.clamp(0, height as isize - 1) as usize, x.clamp(0, width as isize - 1) as usize]]
    };
    Array2::from_shape_fn(grey.dim(), |(y, x)| {
        let (y, x) = (y as isize, x as isize);
        let row = |y| at(y, x - 1) + 2.0 * at(y, x) + at(y, x + 1);
        (row(y - 1) + 2.0 * row(y) + row(y + 1)) / 16.0
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::dicom_contours::{DicomContours, Options, Structure};

    /// The mask, computed by counting for each pixel how often a ray from its centre crosses the contour.
    fn slow_fill(shape: (usize, usize), points: &[Point]) -> Array2<u8> {
        Array2::from_shape_fn(shape, |(row, column)| {
            let (x, y) = (column as f64 + 1.0, row as f64 + 1.0);
            let crossed = (0..points.len()).filter(|&i| {
                let ([x0, y0], [x1, y1]) = (points[i], points[(i + 1) % points.len()]);
                (y0 <= y) != (y1 <= y) && x0 + (y - y0) / (y1 - y0) * (x1 - x0) <= x
            });
            (crossed.count() % 2) as u8
        })
    }

    #[test]
    fn what_was_written_is_read_back_in_both_layouts() {
        for layout in [Layout::Rvsc, Layout::Sunnybrook] {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("hearts");
            let config = RightVentricleConfig { layout, patients: 2, slices: 2, phases: 5 };
            write(&path, &config, 7, &|| Ok(())).unwrap();
            let source = DicomContours::open(&path, Options::default()).unwrap();
            // Two patients, two slices, two phases.
            assert_eq!(source.len(), 8);
            assert!(source.warnings().iter().all(|w| w.message.contains("slices have no icontour")));
            let heart = Heart::new(layout, &mut generator(7, "right ventricle", 1));
            // The second sample is the first slice at two fifths of the beat.
            let rng = &mut generator(7, "right ventricle slice", 100_000 + 2);
            let slice = heart.slice(0.0, 0.4, rng);
            let sample = source.sample(1).unwrap();
            assert_eq!(sample.mask.as_ref().unwrap(), slow_fill(heart.shape, &slice.inner));
            let (low, high) =
                slice.pixels.iter().fold((u16::MAX, 0), |(low, high), &v| (low.min(v), high.max(v)));
            for (read, &written) in sample.image.iter().zip(&slice.pixels) {
                let wanted = f32::from(written - low) / f32::from(high - low);
                assert!((read - wanted).abs() < 1e-6);
            }
            let millimetres = [0.701_402_805_611_22, 1.367_188][layout as usize];
            assert_eq!(sample.spacing_mm, Some((millimetres, millimetres)));
            assert!((0.005..0.2).contains(&sample.target_ratio().unwrap()));
            let groups: std::collections::BTreeSet<_> =
                (0..8).map(|i| source.sample(i).unwrap().group).collect();
            assert_eq!(groups.len(), 2);
        }
    }

    #[test]
    fn cavity_and_wall_are_two_classes_that_together_are_the_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hearts");
        let config = RightVentricleConfig { patients: 1, slices: 1, phases: 5, ..Default::default() };
        write(&path, &config, 7, &|| Ok(())).unwrap();
        let mask = |structure| {
            let source = DicomContours::open(&path, Options { structure, ..Options::default() }).unwrap();
            source.sample(0).unwrap().mask.unwrap()
        };
        let (cavity, whole, both) =
            (mask(Structure::Cavity), mask(Structure::Whole), mask(Structure::CavityAndWall));
        assert_eq!(both.mapv(|c| u8::from(c == 1)), cavity);
        assert_eq!(both.mapv(|c| u8::from(c > 0)), whole);
        assert!(both.iter().any(|&c| c == 2));
    }

    #[test]
    fn brightness_alone_does_not_tell_the_ventricle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hearts");
        write(
            &path,
            &RightVentricleConfig { patients: 1, slices: 1, phases: 5, ..Default::default() },
            7,
            &|| Ok(()),
        )
        .unwrap();
        let sample = DicomContours::open(&path, Options::default()).unwrap().sample(0).unwrap();
        let mask = sample.mask.unwrap();
        // Less than half of the pixels as bright as the ventricle are in it.
        let bright = sample.image.iter().zip(&mask).filter(|(v, _)| **v > 0.6);
        let (inside, all) = bright.fold((0, 0), |(inside, all), (_, &m)| (inside + usize::from(m), all + 1));
        assert!(inside * 2 < all && inside * 10 > all, "{inside} of {all}");
    }
}
