//! What the networks of a run predict of a domain: frames.

use std::ops::Range;

use burn::tensor::{Tensor, TensorData};
use ndarray::{Array2, ArrayView2, ArrayView3};
use porecast_simulations::{Domain, Side};

use super::orientation::Orientation;
use super::predictor::Predictor;
use crate::data::channels::channels;
use crate::model::Network;
use crate::model::ops::Kernels;
use crate::task::invading_probability;
use porecast_base::{Error, ErrorKind, Result};
use porecast_store::InvasionDataset;
use porecast_store::run::MemberCard;

/// Pixels times frames that are decoded at once.
const DECODED_AT_ONCE: usize = 512 * 512;
/// Pixels times frames of a domain that are held at once (512 MiB): more are predicted in groups of frames.
const HELD_AT_ONCE: usize = 8 * 4096 * 4096;

/// A moment to predict.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// Time, in the unit of the dataset.
    pub time: f64,
    /// The frame of that time, where a network of a single frame is asked.
    pub frame: usize,
}

impl<B: Kernels> Predictor<B, InvasionDataset> {
    /// The moments of a sequence that this run can predict: all of them, or those of its single-frame networks.
    pub fn moments(&self, times: &[f64]) -> Vec<Moment> {
        let all = times.iter().enumerate().map(|(frame, &time)| Moment { time, frame });
        let members = self.networks.iter().map(|(member, _)| member.frame);
        all.filter(|moment| members.clone().any(|frame| frame.is_none_or(|f| f == moment.frame))).collect()
    }

    /// Probability of the invading phase in a domain, 0 in solid, for each moment in turn. The domain is turned so that
    /// its inlet lies as in the training data, and the prediction turned back.
    ///
    /// # Shapes
    /// `take` is given frames `[y, x]`.
    ///
    /// # Errors
    /// A moment that no network of the run can predict, or an error of `take`.
    pub fn frames(
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
            let group = group.iter().map(|moment| Ok((moment.time, self.network_of(moment)?)));
            let group = group.collect::<Result<Vec<_>>>()?;
            let predict =
                |tile, take: &mut dyn FnMut(_, ArrayView3<'_, f32>)| self.predict_tile(tile, &group, take);
            for frame in self.tile_by_tile(input.view(), group.len(), predict).outer_iter() {
                let mut frame = turn.back(frame.to_owned());
                keep_pore_space(&mut frame, domain);
                take(frame.view())?;
            }
        }
        Ok(())
    }

    fn network_of(&self, moment: &Moment) -> Result<&Network<B>> {
        let knows = |member: &MemberCard| member.frame.is_none_or(|frame| frame == moment.frame);
        let found = self.networks.iter().find(|(member, _)| knows(member));
        found.map(|(_, network)| network).ok_or_else(|| {
            let frames: Vec<_> = self.networks.iter().filter_map(|(member, _)| member.frame).collect();
            let what =
                format!("has networks for the frames {frames:?} only, frame {} was asked for", moment.frame);
            Error::new(ErrorKind::Mismatch, self.card.name.clone(), what)
        })
    }

    /// Predicts a tile some frames at a time; what a network knows without the time is computed once.
    fn predict_tile(
        &self,
        tile: Tensor<B, 4>,
        moments: &[(f64, &Network<B>)],
        take: &mut dyn FnMut(Range<usize>, ArrayView3<'_, f32>),
    ) {
        let [_, _, height, width] = tile.dims();
        let at_once = (DECODED_AT_ONCE / (height * width)).max(1);
        let mut start = 0;
        for moments in moments.chunk_by(|a, b| std::ptr::eq(a.1, b.1)) {
            let network = moments[0].1;
            let features = network.encode(tile.clone());
            for moments in moments.chunks(at_once) {
                let scaled = |(time, _): &(f64, _)| (time / self.card.dataset.time_scale) as f32;
                let times: Vec<f32> = moments.iter().map(scaled).collect();
                let times = Tensor::<B, 1>::from_data(TensorData::from(times.as_slice()), &self.device);
                let logits = network.decode(features.clone(), times);
                let p = invading_probability(self.config.head, logits).into_data();
                let p: Vec<f32> = p.iter::<f32>().collect();
                let frames = ArrayView3::from_shape((moments.len(), height, width), &p)
                    .expect("a network keeps height and width");
                take(start..start + moments.len(), frames);
                start += moments.len();
            }
        }
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
