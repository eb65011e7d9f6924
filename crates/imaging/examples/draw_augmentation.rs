//! Draws a sheet of augmented pictures, or what stain normalisation makes of a slide.
//!
//! ```text
//! draw_augmentation sheet IMAGE.png MASK.png OUT.png
//! draw_augmentation stain SLIDE.png OUT.png
//! ```

use image::{Rgb, RgbImage, imageops};
use ndarray::{Array2, Array3};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::augment::{
    AugmentConfig, AutoAugmentConfig, ColorConfig, CopyPasteConfig, CutoutConfig, ElasticConfig,
    GeometryConfig, Moment, NoiseConfig, Outside, Policy, patches, sheet,
};
use porecast_imaging::stain::{Chosen, MacenkoConfig, Stains, normalise};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["sheet", picture, mask, out] => draw_sheet(picture, mask, out),
        ["stain", slide, out] => draw_stain(slide, out),
        _ => Err("usage: draw_augmentation sheet IMAGE MASK OUT | stain SLIDE OUT".into()),
    }
}

fn draw_sheet(picture: &str, mask: &str, out: &str) -> Result<(), Failure> {
    let image = read(picture)?;
    let mask = image::open(mask)?.into_luma8();
    let mask = Array2::from_shape_vec((mask.height() as usize, mask.width() as usize), mask.into_raw())?;
    let (_, height, width) = image.dim();
    let sample = AnnotatedImage {
        id: picture.to_owned(),
        group: picture.to_owned(),
        image,
        mask: Some(mask),
        original_shape: (height, width),
        spacing_mm: None,
    };
    let config = AugmentConfig {
        outside: Outside::Reflect,
        copy_paste: CopyPasteConfig { probability: 0.3, class: 1, ..Default::default() },
        geometry: GeometryConfig {
            flip_horizontal: 0.5,
            flip_vertical: 0.5,
            probability: 0.5,
            rotation_deg: 20.0,
            zoom: [0.8, 1.3],
            shift: 0.1,
            shear_deg: 8.0,
            ..Default::default()
        },
        elastic: ElasticConfig {
            probability: 0.3,
            grid_px: width as f64 / 6.0,
            displacement_px: width as f64 / 40.0,
        },
        auto: AutoAugmentConfig { probability: 0.6, policy: Policy::Every, ..Default::default() },
        color: ColorConfig { probability: 0.3, brightness: 0.2, contrast: 0.2, saturation: 0.2, gamma: 0.2 },
        noise: NoiseConfig { probability: 0.2, sigma: 0.05 },
        cutout: CutoutConfig { probability: 0.2, ..Default::default() },
    };
    let moment = Moment { seed: 1, epoch: 0, epochs: 100, index: 0 };
    let cut = patches(&sample, &config.copy_paste);
    sheet(&config, &cut, &sample, moment, 19).save(out)?;
    Ok(())
}

fn draw_stain(slide: &str, out: &str) -> Result<(), Failure> {
    let image = read(slide)?;
    let config = MacenkoConfig::default();
    println!("{:?}", Stains::find(image.view(), &config)?);
    let both = normalise(image.view(), &Stains::REFERENCE, Chosen::Both, &config)?;
    let haematoxylin = normalise(image.view(), &Stains::REFERENCE, Chosen::Haematoxylin, &config)?;
    let (_, height, width) = image.dim();
    let mut paper = RgbImage::new(width as u32, 3 * height as u32);
    for (row, image) in (0..).zip([image, both, haematoxylin]) {
        let picture = RgbImage::from_fn(width as u32, height as u32, |x, y| {
            Rgb([0, 1, 2].map(|c| (image[[c, y as usize, x as usize]] * 255.0 + 0.5) as u8))
        });
        imageops::replace(&mut paper, &picture, 0, row * height as i64);
    }
    paper.save(out)?;
    Ok(())
}

fn read(path: &str) -> Result<Array3<f32>, Failure> {
    let picture = image::open(path)?.into_rgb8();
    let shape = (picture.height() as usize, picture.width() as usize, 3);
    let pixels = Array3::from_shape_vec(shape, picture.into_raw())?;
    Ok(pixels.permuted_axes([2, 0, 1]).mapv(|v| f32::from(v) / 255.0).as_standard_layout().into_owned())
}
