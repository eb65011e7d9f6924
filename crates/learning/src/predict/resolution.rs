//! A domain in one of the resolutions in which it is predicted.

use ndarray::{Array3, Axis, s};
use porecast_base::Result;
use porecast_simulations::Domain;

use super::encodings::Encodings;
use super::predictor::{Moment, Predictor, open_pores};
use super::volume::Volume;
use crate::data::channels::channels;
use crate::rescale::carried_over;

/// A domain in one resolution, turned as the networks learnt it, and what they encode of it.
pub(super) struct Resolution<'a> {
    seen: Domain,
    encodings: Encodings<'a>,
    /// Kept from group to group of frames, where predictions are held back to the injected volume.
    volume: Option<Volume>,
    is_held_back: bool,
}

impl<'a> Resolution<'a> {
    /// Of the domain `seen`; the networks are told `told` of its physics.
    pub(super) fn new(predictor: &'a Predictor, seen: Domain, told: &'a [f32]) -> Self {
        let input = channels(&seen, predictor.card().dataset.inlet, &predictor.config().inputs);
        let encodings = Encodings::new(predictor, input, told);
        Self { seen, encodings, volume: None, is_held_back: predictor.keeps_to_the_volume() }
    }

    /// Frames `[time, y, x]` on the pores of `domain`, which is the same in another resolution.
    pub(super) fn frames(&mut self, moments: &[Moment], domain: &Domain) -> Result<Array3<f32>> {
        let frames =
            if self.is_held_back { self.within_volume(moments)? } else { self.encodings.frames(moments)? };
        if self.seen.shape() == domain.shape() {
            return Ok(frames);
        }
        Ok(carried_over(frames.view(), &self.seen, domain))
    }

    /// Frames at earlier times where more would be invaded than was injected.
    fn within_volume(&mut self, moments: &[Moment]) -> Result<Array3<f32>> {
        let frames = if self.volume.is_some() {
            self.encodings.frames(moments)?
        } else {
            let first = Moment { time: 0.0, networks: moments[0].networks };
            let all: Vec<_> = std::iter::once(first).chain(moments.iter().copied()).collect();
            let frames = self.encodings.frames(&all)?;
            let (open, pores) = (open_pores(&self.seen), self.seen.pore_count());
            self.volume = Some(Volume::new(open, pores, frames.index_axis(Axis(0), 0)));
            frames.slice_move(s![1.., .., ..])
        };
        let times: Vec<f64> = moments.iter().map(|moment| moment.time).collect();
        let within = self.volume.as_mut().expect("begun above").within(&times, &frames);
        if within == times {
            return Ok(frames);
        }
        let earlier = moments.iter().zip(within).map(|(moment, time)| Moment { time, ..*moment });
        self.encodings.frames(&earlier.collect::<Vec<_>>())
    }
}
