//! The networks of a run, ready to predict.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use ndarray::{Array3, ArrayView3, s};

use super::Predicted;
use super::tiles::{Tiles, blend};
use crate::model::Network;
use crate::model::ops::Kernels;
use porecast_base::{Error, Result};
use porecast_store::RunFolder;
use porecast_store::config;
use porecast_store::run::{Card, MemberCard, TrainedOn};

/// The networks of a run with everything they were trained to expect.
pub struct Predictor<B: Kernels, D: Predicted> {
    /// The run's configuration.
    pub(super) config: D::Config,
    /// The run's card.
    pub(super) card: Card<D::Card>,
    /// The best weights of every member.
    pub(super) networks: Vec<(MemberCard, Network<B>)>,
    /// Where they are.
    pub(super) device: B::Device,
    /// Largest edge that is predicted at once, in pixels.
    tile: usize,
}

/// Card and configuration of a run that has a network.
///
/// # Errors
/// The folder is not a run with a trained network.
pub(super) fn read<D: Predicted>(run: &RunFolder) -> Result<(Card<D::Card>, D::Config)> {
    let card: Card<D::Card> = run.card_of()?;
    let config = config::load(&run.config_path(), &[])?;
    if card.members.is_empty() {
        let what = "has no trained network yet; finish it with `porecast train --resume`";
        return Err(Error::input(run.path(), what));
    }
    Ok((card, config))
}

/// Whether the weights of every network of a run are there.
pub(super) fn has_weights<C: TrainedOn>(run: &RunFolder, card: &Card<C>) -> bool {
    card.members.iter().all(|member| run.member(&member.folder).best_path().exists())
}

impl<B: Kernels, D: Predicted> Predictor<B, D> {
    /// Loads the best weights of every member of a run; what is larger than `tile` pixels is predicted in tiles.
    ///
    /// # Errors
    /// The folder is not a run with a trained network, or its weights do not fit its configuration.
    pub fn load(run: &RunFolder, tile: usize, device: &B::Device) -> Result<Self> {
        let (card, config) = read::<D>(run)?;
        let load = |member: &MemberCard| {
            let network = D::network::<B>(&config, &card, member, device);
            Ok((member.clone(), network.load(&run.member(&member.folder).best_path())?))
        };
        let networks = card.members.iter().map(load).collect::<Result<_>>()?;
        Ok(Self { config, card, networks, device: device.clone(), tile })
    }

    /// Puts together planes `[plane, y, x]` of what is predicted of the tiles of an image: `predict` is given each tile
    /// `[1, channel, y, x]`, and gives some planes at a time.
    pub(super) fn tile_by_tile(
        &self,
        image: ArrayView3<'_, f32>,
        planes: usize,
        mut predict: impl FnMut(Tensor<B, 4>, &mut dyn FnMut(Range<usize>, ArrayView3<'_, f32>)),
    ) -> Array3<f32> {
        let (channels, height, width) = image.dim();
        let (rows, columns) = (Tiles::cover(height, self.tile), Tiles::cover(width, self.tile));
        let mut whole = Array3::<f32>::zeros((planes, height, width));
        for (y, &top) in rows.starts.iter().enumerate() {
            for (x, &left) in columns.starts.iter().enumerate() {
                let tile = image.slice(s![.., top..top + rows.edge, left..left + columns.edge]);
                let values = tile.iter().copied().collect::<Vec<_>>();
                let data = TensorData::new(values, [1, channels, rows.edge, columns.edge]);
                predict(Tensor::from_data(data, &self.device), &mut |range, found| {
                    blend(&mut whole.slice_mut(s![range, .., ..]), found, &rows, y, &columns, x);
                });
            }
        }
        whole
    }
}
