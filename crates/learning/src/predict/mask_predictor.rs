//! Predicts the probability of each class in images with the networks of a run.

use std::path::Path;

use ndarray::{Array2, Array3, ArrayView3, Axis, s};
use porecast_base::{Error, Result};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::fit::Fit;
use porecast_imaging::morphology::postprocess;
use porecast_store::RunFolder;
use porecast_store::config::segmentation::{Combine, SegmentationConfig};
use porecast_store::mask_prediction::most_probable;
use porecast_store::run::{MemberCard, SegmentationRunCard};

use super::TILE;
use super::predictor::config_of;
use super::tiles::Tiles;
use super::trained::{self, Trained};
use super::views::View;
use crate::data::normalize;
use crate::device::Device;
use crate::model::Ends;

/// The networks of a segmentation run, ready to segment images in memory.
///
/// ```no_run
/// use porecast_learning::MaskPredictor;
///
/// let predictor = MaskPredictor::open("runs/stas".as_ref())?;
/// let image = ndarray::Array3::from_elem((3, 256, 320), 0.5);
/// let probability = predictor.probability(&image)?;
/// assert_eq!(predictor.mask(&image)?.dim(), (256, 320));
/// # Ok::<(), porecast_base::Error>(())
/// ```
#[derive(Debug)]
pub struct MaskPredictor {
    pub(super) config: SegmentationConfig,
    card: SegmentationRunCard,
    /// Each with its validation fold.
    networks: Vec<(Option<usize>, Box<dyn Trained>)>,
    /// Largest tile edge in pixels.
    tile: usize,
}

impl MaskPredictor {
    /// Loads the networks of a run onto the CPU, each with the weights of its best epoch.
    ///
    /// # Errors
    /// The folder is not a segmentation run with a trained network, or its weights do not fit its
    /// configuration.
    pub fn open(run: &Path) -> Result<Self> {
        Self::on(run, Device::Flex)
    }

    /// As [`open`](Self::open), on a device.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn on(run: &Path, device: Device) -> Result<Self> {
        let run = RunFolder::new(run);
        let card: SegmentationRunCard = run.card_of()?;
        let config: SegmentationConfig = config_of(&run, &card.members)?;
        let ends = Ends::new(card.dataset.shape.0, config.outputs());
        let load = |member: &MemberCard| {
            Ok((
                member.fold,
                trained::load(&run.member(&member.folder).best_path(), &config.model, ends, device)?,
            ))
        };
        let networks = card.members.iter().map(load).collect::<Result<_>>()?;
        Ok(Self { config, card, networks, tile: TILE })
    }

    /// Sets the largest tile edge, 512 pixels for `None`; larger images are predicted in
    /// overlapping tiles.
    pub fn with_tile(self, edge: Option<usize>) -> Self {
        Self { tile: edge.unwrap_or(TILE), ..self }
    }

    /// What the run was trained on.
    pub fn card(&self) -> &SegmentationRunCard {
        &self.card
    }

    /// Names of the classes, the background first.
    pub fn classes(&self) -> &[String] {
        &self.config.classes
    }

    /// Probability of each class (of two classes, only the foreground) by all networks of the run.
    /// The image is converted to the colours and size in the run's configuration; the result has
    /// the size of `image`.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`, values in [0, 1]; result `[class, y, x]`.
    ///
    /// # Errors
    /// The image has no pixels, or another number of channels than the training images; the memory of the device is full.
    pub fn probability(&self, image: &Array3<f32>) -> Result<Array3<f32>> {
        let (channels, height, width) = image.dim();
        self.expect_channels(channels, Path::new("image"))?;
        if height == 0 || width == 0 {
            return Err(Error::config("image", format!("is empty ({height} x {width} pixels)")));
        }
        let (fitted, _) = self.config.source.fit(AnnotatedImage {
            id: String::new(),
            group: String::new(),
            image: image.clone(),
            mask: None,
            original_shape: (height, width),
            spacing_mm: None,
        });
        let fit = Fit::resized((height, width), fitted.shape());
        Ok(fit.undo(self.probability_of_fitted(fitted.image, None)?.view()))
    }

    /// An image as the networks take it: a grey one as often as they have channels, without an alpha channel, and with its
    /// grey values scaled as the format of the run's source scales photographs.
    ///
    /// # Shapes
    /// `[channel, y, x]`, values in [0, 1].
    pub fn photograph(&self, image: Array3<f32>) -> Array3<f32> {
        let (channels, height, width) = image.dim();
        let mut image = match (channels, self.card.dataset.shape.0) {
            (1, learnt) => {
                let equal = image.broadcast((learnt, height, width));
                equal.expect("one channel can be repeated").to_owned()
            }
            (4, 3) => image.slice_move(s![..3, .., ..]).as_standard_layout().into_owned(),
            _ => image,
        };
        self.config.source.format.scale_photograph(&mut image);
        image
    }

    /// Class of each pixel of an image, after the post-processing in the run's configuration.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`, values in [0, 1]; result `[y, x]`.
    ///
    /// # Errors
    /// As [`probability`](Self::probability).
    pub fn mask(&self, image: &Array3<f32>) -> Result<Array2<u8>> {
        Ok(self.mask_of(&self.probability(image)?))
    }

    /// Converts probabilities `[class, y, x]` to classes.
    pub(super) fn mask_of(&self, probability: &Array3<f32>) -> Array2<u8> {
        if probability.dim().0 == 1 {
            let foreground = probability.index_axis(Axis(0), 0);
            postprocess(foreground, &self.config.prediction.postprocess).mapv(u8::from)
        } else {
            most_probable(probability)
        }
    }

    /// Refuses images with another number of channels than the training images; `place` names them
    /// in the error.
    pub(super) fn expect_channels(&self, found: usize, place: &Path) -> Result<()> {
        let learnt = self.card.dataset.shape.0;
        if found == learnt {
            return Ok(());
        }
        Err(Error::mismatch(place, format!("has {found} channels, the run learnt {learnt}")))
    }

    /// Probability of each class in an image as stored in the dataset, by the networks of `fold`,
    /// or by all if there is none.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`; result `[class, y, x]`.
    ///
    /// # Errors
    /// The device has failed, most often because its memory is full.
    pub(super) fn probability_of_fitted(
        &self,
        mut image: Array3<f32>,
        fold: Option<usize>,
    ) -> Result<Array3<f32>> {
        normalize(&mut image, self.config.normalization);
        let (_, height, width) = image.dim();
        let views = View::of(self.config.prediction.views);
        let mut sum = Array3::<f32>::zeros((self.config.outputs(), height, width));
        let mut count = 0.0;
        for (_, network) in self.networks.iter().filter(|(own, _)| fold.is_none() || *own == fold) {
            let mut mean = Array3::<f32>::zeros(sum.raw_dim());
            for view in &views {
                let seen = self.probability_of_view(network.as_ref(), view.turn(image.view()).view())?;
                mean += &view.back(seen.view());
            }
            mean /= views.len() as f32;
            sum += &match self.config.prediction.combine {
                Combine::Mean => mean,
                Combine::Vote => vote(&mean),
            };
            count += 1.0;
        }
        Ok(sum / f32::max(count, 1.0))
    }

    /// Probability of each class by one network, tile by tile.
    fn probability_of_view(&self, network: &dyn Trained, image: ArrayView3<'_, f32>) -> Result<Array3<f32>> {
        let (_, height, width) = image.dim();
        let outputs = self.config.outputs();
        let mut whole = Array3::zeros((outputs, height, width));
        for tile in Tiles::cover((height, width), self.tile).iter() {
            let mut probability = network.encode(tile.of(image), &[]).classes()?;
            if outputs == 1 {
                let background = self.config.loss.background;
                probability.mapv_inplace(|grey| background.foreground(grey));
            }
            tile.blend(whole.view_mut(), probability.view());
        }
        Ok(whole)
    }
}

/// 1 for the most probable class, 0 for the others.
fn vote(probability: &Array3<f32>) -> Array3<f32> {
    let first = if probability.dim().0 == 1 { 1 } else { 0 };
    let class = most_probable(probability);
    let mut votes = Array3::zeros(probability.raw_dim());
    for (index, mut plane) in votes.axis_iter_mut(Axis(0)).enumerate() {
        plane.assign(&class.mapv(|class| f32::from(u8::from(usize::from(class) == index + first))));
    }
    votes
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn each_pixel_has_one_vote() {
        assert_eq!(vote(&array![[[0.4, 0.6]]]), array![[[0.0, 1.0]]]);
        let three = array![[[0.2, 0.5]], [[0.5, 0.3]], [[0.3, 0.2]]];
        assert_eq!(vote(&three), array![[[0.0, 1.0]], [[1.0, 0.0]], [[0.0, 0.0]]]);
    }
}
