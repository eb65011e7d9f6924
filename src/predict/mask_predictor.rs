//! The networks of a segmentation run, ready to predict.

use burn::tensor::activation::sigmoid;
use burn::tensor::{Tensor, TensorData};
use ndarray::{Array3, ArrayView3, Axis, s};
use porecast_kernels::log_softmax_channels;

use super::tiles::{Tiles, blend};
use super::views::View;
use crate::config;
use crate::config::segmentation::{Combine, SegmentationConfig};
use crate::error::{Error, Result};
use crate::model::Network;
use crate::model::ops::Kernels;
use crate::store::RunFolder;
use crate::store::mask_prediction::most_probable;
use crate::store::run::{SegmentationCard, SegmentationRunCard};

/// The networks of a run with everything they were trained to expect.
pub struct MaskPredictor<B: Kernels> {
    config: SegmentationConfig,
    card: SegmentationRunCard,
    networks: Vec<(Option<usize>, Network<B>)>,
    device: B::Device,
    tile: usize,
}

impl<B: Kernels> MaskPredictor<B> {
    /// Loads the best weights of every member of a run; images larger than `tile` pixels are predicted in tiles.
    ///
    /// # Errors
    /// The folder is not a run with a trained network, or its weights do not fit its configuration.
    pub fn load(run: &RunFolder, tile: usize, device: &B::Device) -> Result<Self> {
        let card = run.card_of::<SegmentationCard>()?;
        let config: SegmentationConfig = config::load(&run.config_path(), &[])?;
        if card.members.is_empty() {
            return Err(Error::input(
                run.path(),
                "has no trained network yet; finish it with `porecast train --resume`",
            ));
        }
        let load = |member: &crate::store::run::MemberCard| {
            let inputs = card.dataset.shape.0;
            let network = Network::<B>::init(&config.model, inputs, config.outputs(), false, device);
            Ok((member.fold, network.load(&run.member_path(member).join(crate::train::BEST))?))
        };
        let networks = card.members.iter().map(load).collect::<Result<_>>()?;
        Ok(Self { config, card, networks, device: device.clone(), tile })
    }

    /// The run's configuration.
    pub fn config(&self) -> &SegmentationConfig {
        &self.config
    }

    /// The run's card.
    pub fn card(&self) -> &SegmentationRunCard {
        &self.card
    }

    /// Probability of each class, of the foreground alone where there are two; by the networks of one fold where
    /// `fold` is given, otherwise by all.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`, normalised; result `[class, y, x]`.
    pub fn predict(&self, image: ArrayView3<'_, f32>, fold: Option<usize>) -> Array3<f32> {
        let (_, height, width) = image.dim();
        let mut sum = Array3::<f32>::zeros((self.config.outputs(), height, width));
        let mut count = 0.0;
        for (_, network) in self.networks.iter().filter(|(of, _)| fold.is_none() || *of == fold) {
            let views = View::of(self.config.prediction.views);
            let mut mean = Array3::<f32>::zeros(sum.raw_dim());
            for view in &views {
                let seen = self.predict_tiles(network, view.turn(image).view());
                mean += &view.back(seen.view());
            }
            mean /= views.len() as f32;
            sum += &match self.config.prediction.combine {
                Combine::Mean => mean,
                Combine::Vote => vote(&mean),
            };
            count += 1.0;
        }
        sum / f32::max(count, 1.0)
    }

    fn predict_tiles(&self, network: &Network<B>, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let (_, height, width) = image.dim();
        let (rows, columns) = (Tiles::cover(height, self.tile), Tiles::cover(width, self.tile));
        let mut probability = Array3::<f32>::zeros((self.config.outputs(), height, width));
        for (y, &top) in rows.starts.iter().enumerate() {
            for (x, &left) in columns.starts.iter().enumerate() {
                let tile = image.slice(s![.., top..top + rows.edge, left..left + columns.edge]);
                let found = self.predict_tile(network, tile);
                blend(&mut probability.view_mut(), found.view(), &rows, y, &columns, x);
            }
        }
        probability
    }

    fn predict_tile(&self, network: &Network<B>, tile: ArrayView3<'_, f32>) -> Array3<f32> {
        let (channels, height, width) = tile.dim();
        let data = TensorData::new(tile.iter().copied().collect::<Vec<_>>(), [1, channels, height, width]);
        let input = Tensor::<B, 4>::from_data(data, &self.device);
        let logits = network.forward(input, Tensor::zeros([1], &self.device));
        let outputs = self.config.outputs();
        let p: Vec<f32> = if outputs == 1 {
            let background = self.config.loss.background;
            sigmoid(logits).into_data().iter::<f32>().map(|grey| background.foreground(grey)).collect()
        } else {
            log_softmax_channels(logits).exp().into_data().iter::<f32>().collect()
        };
        Array3::from_shape_vec((outputs, height, width), p).expect("a network keeps height and width")
    }
}

/// 1 for the class that is most probable and 0 for the others.
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
