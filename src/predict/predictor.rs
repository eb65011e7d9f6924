//! A run's networks, ready to predict.

use burn::tensor::{Tensor, TensorData};
use ndarray::{Array2, Array3, ArrayView2, ArrayView3, s};
use porecast_simulations::{Domain, Side};

use super::orientation::Orientation;
use super::tiles::{Tiles, blend};
use crate::config;
use crate::config::train::TrainConfig;
use crate::data::channels::channels;
use crate::error::{Error, ErrorKind, Result};
use crate::model::Network;
use crate::model::ops::Kernels;
use crate::store::RunFolder;
use crate::store::run::RunCard;
use crate::task::invading_probability;

/// Pixels times frames that are decoded at once.
const DECODED_AT_ONCE: usize = 512 * 512;
/// Pixels times frames of a domain that are held at once (512 MiB): more are predicted in groups of frames.
const HELD_AT_ONCE: usize = 8 * 4096 * 4096;

/// The networks of a run with everything they were trained to expect.
pub struct Predictor<B: Kernels> {
    config: TrainConfig,
    card: RunCard,
    networks: Vec<(Option<usize>, Network<B>)>,
    device: B::Device,
    tile: usize,
}

/// A moment to predict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Time, in the unit of the dataset.
    pub time: f64,
    /// The frame of that time, where a network of a single frame is asked.
    pub frame: usize,
}

impl<B: Kernels> Predictor<B> {
    /// Loads the best weights of every member of a run; domains larger than `tile` pixels are predicted in tiles.
    ///
    /// # Errors
    /// The folder is not a finished run, or its weights do not fit its configuration.
    pub fn load(run: &RunFolder, tile: usize, device: &B::Device) -> Result<Self> {
        let card = run.card()?;
        let config: TrainConfig = config::load(&run.config_path(), &[])?;
        if card.members.is_empty() {
            return Err(Error::input(
                run.path(),
                "has no trained network yet; finish it with `porecast train --resume`",
            ));
        }
        let networks = card
            .members
            .iter()
            .map(|member| {
                let network = Network::<B>::init(
                    &config.model,
                    config.inputs.len(),
                    config.head.channels(),
                    member.frame.is_none(),
                    device,
                );
                Ok((member.frame, network.load(&run.member_path(member).join(crate::train::BEST))?))
            })
            .collect::<Result<_>>()?;
        Ok(Self { config, card, networks, device: device.clone(), tile })
    }

    /// The run's card.
    pub fn card(&self) -> &RunCard {
        &self.card
    }

    /// The moments of a sequence that this run can predict: all of them, or those of its single-frame networks.
    pub fn moments(&self, times: &[f64]) -> Vec<Moment> {
        let all = times.iter().enumerate().map(|(frame, &time)| Moment { time, frame });
        all.filter(|moment| self.networks.iter().any(|(frame, _)| frame.is_none_or(|f| f == moment.frame)))
            .collect()
    }

    /// Probability of the invading phase in a domain, 0 in solid, for each moment in turn. The domain is turned so that
    /// its inlet lies as in the training data, and the prediction turned back.
    ///
    /// # Shapes
    /// `take` is given frames `[y, x]`.
    ///
    /// # Errors
    /// A moment that no network of the run can predict, or an error of `take`.
    pub fn predict(
        &self,
        domain: &Domain,
        inlet: Side,
        moments: &[Moment],
        mut take: impl FnMut(ArrayView2<'_, f32>) -> Result<()>,
    ) -> Result<()> {
        let learnt = self.card.dataset.inlet;
        let turn = Orientation::between(inlet, learnt);
        let turned = Domain { solid: turn.turn(domain.solid.clone()), voxel_size_m: domain.voxel_size_m };
        let input = channels(&turned, learnt, &self.config.inputs);
        let (_, height, width) = input.dim();
        for group in moments.chunks((HELD_AT_ONCE / (height * width).max(1)).max(1)) {
            for frame in self.predict_group(input.view(), group)?.outer_iter() {
                let mut frame = turn.back(frame.to_owned());
                keep_pore_space(&mut frame, domain);
                take(frame.view())?;
            }
        }
        Ok(())
    }

    /// The probability `[moment, y, x]` everywhere, tile by tile.
    fn predict_group(&self, input: ArrayView3<'_, f32>, moments: &[Moment]) -> Result<Array3<f32>> {
        let (_, height, width) = input.dim();
        let (rows, columns) = (Tiles::cover(height, self.tile), Tiles::cover(width, self.tile));
        let mut probability = Array3::<f32>::zeros((moments.len(), height, width));
        for (y, &top) in rows.starts.iter().enumerate() {
            for (x, &left) in columns.starts.iter().enumerate() {
                let tile = input.slice(s![.., top..top + rows.edge, left..left + columns.edge]);
                self.predict_tile(tile, moments, |range, frames| {
                    let mut whole = probability.slice_mut(s![range, .., ..]);
                    blend(&mut whole, frames, &rows, y, &columns, x);
                })?;
            }
        }
        Ok(probability)
    }

    /// Predicts a tile some frames at a time; what the network knows without the time is computed once.
    fn predict_tile(
        &self,
        tile: ArrayView3<'_, f32>,
        moments: &[Moment],
        mut take: impl FnMut(std::ops::Range<usize>, ArrayView3<'_, f32>),
    ) -> Result<()> {
        let (channels, height, width) = tile.dim();
        let data = TensorData::new(tile.iter().copied().collect::<Vec<_>>(), [1, channels, height, width]);
        let input = Tensor::<B, 4>::from_data(data, &self.device);
        let mut decode = |network: &Network<B>, features, range: std::ops::Range<usize>| {
            let times: Vec<f32> = moments[range.clone()]
                .iter()
                .map(|moment| (moment.time / self.card.dataset.time_scale) as f32)
                .collect();
            let times = Tensor::<B, 1>::from_data(TensorData::from(times.as_slice()), &self.device);
            let p = invading_probability(self.config.head, network.decode(features, times)).into_data();
            let p: Vec<f32> = p.iter::<f32>().collect();
            let frames = ArrayView3::from_shape((range.len(), height, width), &p)
                .expect("a network keeps height and width");
            take(range, frames);
        };
        if let Some((None, network)) = self.networks.first() {
            let features = network.encode(input);
            let chunk = (DECODED_AT_ONCE / (height * width)).max(1);
            for start in (0..moments.len()).step_by(chunk) {
                decode(network, features.clone(), start..(start + chunk).min(moments.len()));
            }
            return Ok(());
        }
        for (i, moment) in moments.iter().enumerate() {
            let network =
                self.networks.iter().find(|(frame, _)| *frame == Some(moment.frame)).ok_or_else(|| {
                    let frames: Vec<_> = self.networks.iter().filter_map(|(frame, _)| *frame).collect();
                    Error::new(
                        ErrorKind::Mismatch,
                        self.card.name.clone(),
                        format!(
                            "has networks for the frames {frames:?} only, frame {} was asked for",
                            moment.frame
                        ),
                    )
                })?;
            decode(&network.1, network.1.encode(input.clone()), i..i + 1);
        }
        Ok(())
    }
}

/// Nothing is ever in solid.
fn keep_pore_space(frame: &mut Array2<f32>, domain: &Domain) {
    frame.zip_mut_with(&domain.solid, |p, &solid| {
        if solid {
            *p = 0.0;
        }
    });
}
