//! Draws the masks of every format over their images, to look at: `overlays DATA OUT`, where DATA holds data sets as
//! their authors have them (those absent are passed over). Synthetic data sets are written to OUT and drawn as well.

use std::path::Path;

use image::{Rgb, RgbImage, imageops};
use porecast_base::{Error, Result};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::format::dicom_contours::{self, Orientation, Structure};
use porecast_imaging::format::{Format, labelme, npz_stack, tiff_triples};
use porecast_imaging::synth::{MarsConfig, RightVentricleConfig, SeaIceConfig, StasConfig, Study};

const COLOURS: [[u8; 3]; 5] = [[0, 0, 0], [255, 60, 60], [60, 200, 255], [255, 220, 40], [200, 80, 255]];

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [data, out] = &arguments[..] else { return Err("usage: overlays DATA OUT".into()) };
    let (data, out) = (Path::new(data), Path::new(out));
    std::fs::create_dir_all(out)?;
    let heart = |orientation| {
        let structure = Structure::CavityAndWall;
        Format::DicomContours(dicom_contours::Options { structure, orientation, ..Default::default() })
    };
    let cavity = Format::DicomContours(dicom_contours::Options::default());
    let labelme_of = |classes: &[&str]| {
        let classes = classes.iter().map(|&c| c.to_owned()).collect();
        Format::Labelme(labelme::Options { classes, ..Default::default() })
    };
    let npz = Format::NpzStack(npz_stack::Options::default());
    let modis = Format::TiffTriples(tiff_triples::Options {
        bands: vec!["modis".into()],
        mask: "mask".into(),
        ..Default::default()
    });
    let real = [
        ("rvsc", "right_ventricle/rvsc_patient09", heart(Orientation::AsStored)),
        ("rvsc-landscape", "right_ventricle/rvsc_patient09", heart(Orientation::Landscape)),
        ("sunnybrook", "right_ventricle/sunnybrook_excerpt", cavity),
        ("labelme", "stas/labelme_examples/semantic_segmentation", labelme_of(&[])),
        ("labelme-classes", "stas/labelme_examples/video_annotation", labelme_of(&["track", "car"])),
        ("mars", "mars/mars_rendered_10.npz", npz.clone()),
        ("sea-ice", "sea_ice", modis),
    ];
    for (name, place, format) in &real {
        let place = data.join(place);
        if place.exists() {
            draw(name, &place, format, out)?;
        } else {
            println!("{name}: {} is not there, passed over", place.display());
        }
    }
    let synthetic = [
        (
            "synth-hearts",
            "",
            Study::RightVentricle(RightVentricleConfig::default()),
            heart(Orientation::AsStored),
        ),
        ("synth-stas", "", Study::Stas(StasConfig { training: 4, ..Default::default() }), labelme_of(&[])),
        ("synth-mars", "mars_for_students.npz", Study::Mars(MarsConfig::default()), npz),
        (
            "synth-sea-ice",
            "",
            Study::SeaIce(SeaIceConfig { training: 4, test: 1 }),
            Format::TiffTriples(tiff_triples::Options::default()),
        ),
    ];
    for (name, file, study, format) in &synthetic {
        let place = out.join(name);
        if !place.exists() {
            study.write(&place, 1)?;
        }
        draw(name, &place.join(file), format, out)?;
    }
    Ok(())
}

/// Up to eight samples, evenly spread, each as it is beside the same with its mask's outline.
fn draw(name: &str, place: &Path, format: &Format, out: &Path) -> Result<()> {
    let source = format.open(place)?;
    let count = source.len().min(8);
    println!("{name}: {} samples, {} drawn", source.len(), count);
    source.warnings().iter().for_each(|warning| println!("  {warning}"));
    let mut tiles = Vec::new();
    for i in 0..count {
        let sample = source.sample(i * source.len() / count)?;
        println!("  {} of {:?}, target {:?}", sample.id, sample.shape(), sample.target_ratio());
        tiles.push(tile(&sample));
    }
    let (width, height) = tiles.iter().fold((0, 0), |(w, h), t| (w.max(t.width()), h.max(t.height())));
    let columns = if width > 900 { 1 } else { 2 };
    let rows = (count as u32).div_ceil(columns);
    let mut sheet = RgbImage::from_pixel(columns * (width + 6), rows * (height + 6), Rgb([40, 40, 40]));
    for (i, tile) in (0..).zip(&tiles) {
        let (x, y) = (i % columns * (width + 6), i / columns * (height + 6));
        imageops::replace(&mut sheet, tile, i64::from(x), i64::from(y));
    }
    let path = out.join(format!("{name}.png"));
    sheet.save(&path).map_err(|e| Error::output(&path, std::io::Error::other(e)))
}

fn tile(sample: &AnnotatedImage) -> RgbImage {
    let (height, width) = sample.shape();
    let channels = sample.image.dim().0;
    let plain = RgbImage::from_fn(width as u32, height as u32, |x, y| {
        let level = |c: usize| (sample.image[[c, y as usize, x as usize]] * 255.0).round() as u8;
        Rgb(if channels >= 3 { [level(0), level(1), level(2)] } else { [level(0); 3] })
    });
    let scale = (420 / width.max(1)).clamp(1, 4) as u32;
    let enlarged = imageops::resize(
        &plain,
        plain.width() * scale,
        plain.height() * scale,
        imageops::FilterType::Nearest,
    );
    let mut outlined = enlarged.clone();
    if let Some(mask) = &sample.mask {
        let class = |x: i64, y: i64| {
            let scale = i64::from(scale);
            mask.get(((y.max(0) / scale) as usize, (x.max(0) / scale) as usize)).copied()
        };
        // Thick enough to be seen when a large photograph is shown small.
        let reach = (width as i64 / 500).max(1);
        for (x, y, pixel) in outlined.enumerate_pixels_mut() {
            let (x, y) = (i64::from(x), i64::from(y));
            let here = class(x, y);
            let is_edge = [(reach, 0), (-reach, 0), (0, reach), (0, -reach)]
                .into_iter()
                .any(|(dx, dy)| class(x + dx, y + dy).is_some_and(|other| Some(other) != here));
            if let (true, Some(here)) = (is_edge, here) {
                *pixel = Rgb(COLOURS[usize::from(here) % COLOURS.len()]);
            }
        }
    }
    let mut both = RgbImage::new(enlarged.width() * 2 + 2, enlarged.height());
    imageops::replace(&mut both, &enlarged, 0, 0);
    imageops::replace(&mut both, &outlined, i64::from(enlarged.width()) + 2, 0);
    // Large photographs as they would be seen on a screen.
    if both.width() > 1800 {
        let height = both.height() * 1800 / both.width();
        both = imageops::resize(&both, 1800, height, imageops::FilterType::Triangle);
    }
    both
}
