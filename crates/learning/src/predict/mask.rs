//! What the networks of a run predict of an image: the probability of each class.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use ndarray::{Array3, ArrayView3, Axis};
use porecast_kernels::log_softmax_channels;

use super::predictor::Predictor;
use super::views::View;
use crate::model::Network;
use crate::model::ops::Kernels;
use porecast_store::SegmentationDataset;
use porecast_store::config::segmentation::Combine;
use porecast_store::mask_prediction::most_probable;

impl<B: Kernels> Predictor<B, SegmentationDataset> {
    /// Probability of each class, of the foreground alone where there are two; by the networks of one fold where
    /// `fold` is given, otherwise by all.
    ///
    /// # Shapes
    /// `image` `[channel, y, x]`, normalised; result `[class, y, x]`.
    pub fn probability(&self, image: ArrayView3<'_, f32>, fold: Option<usize>) -> Array3<f32> {
        let (_, height, width) = image.dim();
        let mut sum = Array3::<f32>::zeros((self.config.outputs(), height, width));
        let mut count = 0.0;
        for (_, network) in self.networks.iter().filter(|(of, _)| fold.is_none() || of.fold == fold) {
            let views = View::of(self.config.prediction.views);
            let mut mean = Array3::<f32>::zeros(sum.raw_dim());
            for view in &views {
                let seen = self.predict_view(network, view.turn(image).view());
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

    fn predict_view(&self, network: &Network<B>, image: ArrayView3<'_, f32>) -> Array3<f32> {
        let outputs = self.config.outputs();
        self.tile_by_tile(image, outputs, |tile, take| {
            let [_, _, height, width] = tile.dims();
            let logits = network.forward(tile, Tensor::zeros([1], &self.device));
            let p: Vec<f32> = if outputs == 1 {
                let background = self.config.loss.background;
                sigmoid(logits).into_data().iter::<f32>().map(|grey| background.foreground(grey)).collect()
            } else {
                log_softmax_channels(logits).exp().into_data().iter::<f32>().collect()
            };
            let classes = ArrayView3::from_shape((outputs, height, width), &p)
                .expect("a network keeps height and width");
            take(0..outputs, classes);
        })
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
