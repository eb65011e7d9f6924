//! Images from which domains are cropped.

use std::path::Path;

use ndarray::Array2;
use porecast_base::progress::say;
use porecast_base::{Error, Result, Verbosity};
use porecast_store::GreyImage;
use porecast_store::config::simulate::{ImageSource, SimulateConfig};

/// The images of a campaign with their sources, each read once.
pub(super) struct Images(Vec<(ImageSource, Array2<f32>)>);

impl Images {
    /// Reads the images of a configuration, whose paths are relative to its file, and says what they hold.
    ///
    /// # Errors
    /// An image cannot be read, is too small, or is not divided by its threshold.
    pub(super) fn load(config: &SimulateConfig, config_path: &Path, verbosity: Verbosity) -> Result<Self> {
        let folder = config_path.parent().unwrap_or(Path::new(""));
        let mut images = Vec::new();
        for (index, kind) in config.domain.iter().enumerate() {
            let Some(source) = &kind.image else { continue };
            let path = folder.join(&source.path);
            let image = match source.raw {
                Some(raw) => GreyImage::read_raw(&path, raw.height, raw.width, raw.slice)?,
                None => GreyImage::read(&path, source.page)?,
            };
            let segmentation = source.segmentation;
            let side = segmentation.downscale;
            let (height, width) = image.grey.dim();
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
            image.solid(segmentation.polarity, segmentation.threshold, "segmentation.threshold =")?;
            let about = image.describe(segmentation.polarity, segmentation.threshold);
            say(verbosity, &format!("{about}, inlet {}", config.inlet));
            images.push((source.clone(), image.grey));
        }
        Ok(Self(images))
    }

    /// The image of a source.
    pub(super) fn get(&self, source: &ImageSource) -> &Array2<f32> {
        let found = self.0.iter().find(|(read, _)| read == source);
        &found.expect("every image of the configuration was read").1
    }
}
