//! Images from which domains are cropped.

use std::path::Path;

use ndarray::Array2;
use porecast_base::{Error, Result};
use porecast_store::config::simulate::{ImageSource, SimulateConfig};
use porecast_store::image;

/// The images of a campaign with their sources, each read once.
pub(super) struct Images(Vec<(ImageSource, Array2<f32>)>);

impl Images {
    /// Reads the images of a configuration; their paths are relative to its file.
    pub(super) fn load(config: &SimulateConfig, config_path: &Path) -> Result<Self> {
        let folder = config_path.parent().unwrap_or(Path::new(""));
        let mut images = Vec::new();
        for (index, kind) in config.domain.iter().enumerate() {
            let Some(source) = &kind.image else { continue };
            let path = folder.join(&source.path);
            let grey = match source.raw {
                Some(raw) => image::read_raw(&path, raw.height, raw.width, raw.slice)?,
                None => image::read_grey(&path)?,
            };
            let side = source.segmentation.downscale;
            let (height, width) = grey.dim();
            let (least_height, least_width) = (config.height * side, config.width * side);
            if height < least_height || width < least_width {
                return Err(Error::input(
                    &path,
                    format!(
                        "has {height} x {width} pixels, domain[{index}].image needs at least {least_height} x \
                         {least_width} (height x width)"
                    ),
                ));
            }
            images.push((source.clone(), grey));
        }
        Ok(Self(images))
    }

    /// The image of a source.
    pub(super) fn get(&self, source: &ImageSource) -> &Array2<f32> {
        let found = self.0.iter().find(|(read, _)| read == source);
        &found.expect("every image of the configuration was read").1
    }
}
