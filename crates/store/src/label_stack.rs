//! Sequences as TIFF stacks of labels, as `porecast export` writes them.

use std::path::Path;

use ndarray::Array3;
use porecast_base::{Error, Result};

use crate::grey_image::{self, GreyImage, number};

/// Reads a TIFF with a page for each frame of a sequence: labels `[time, y, x]` 0 solid, 1 defending, 2 invading.
///
/// # Errors
/// The file is missing or damaged, its pages differ in size, or it holds other values.
pub fn read(path: &Path) -> Result<Array3<u8>> {
    let pages = grey_image::pages(path)?;
    let mut labels = Vec::new();
    let mut size = None;
    for page in 1..=pages {
        let image = GreyImage::read(path, Some(page))?;
        if *size.get_or_insert(image.grey.dim()) != image.grey.dim() {
            return Err(Error::input(path, format!("has page {page} of another size than the first")));
        }
        for ((y, x), &level) in image.grey.indexed_iter() {
            let value = image.stored(level.into());
            let label = value.round();
            if (value - label).abs() > 1e-3 || !(0.0..=2.0).contains(&label) {
                let what = format!("holds {} at (page, y, x) = ({page}, {y}, {x})", number(value));
                return Err(Error::input(
                    path,
                    format!("{what}, expected the labels 0 solid, 1 defending, 2 invading"),
                ));
            }
            labels.push(label as u8);
        }
    }
    let (height, width) = size.unwrap_or_default();
    Ok(Array3::from_shape_vec((pages, height, width), labels).expect("each page has its size"))
}
