//! What the networks of a run encode of a domain, and the frames that they decode from it.

use ndarray::{Array3, Axis, s};
use porecast_base::Result;
use porecast_simulations::Side;

use super::predictor::{Moment, Predictor};
use super::tiles::Tiles;
use super::trained::Encoded;

/// A domain, and its mirror image if the configuration asks for the mean over both.
pub(super) struct Encodings<'a> {
    predictor: &'a Predictor,
    /// What the networks are told of the physics.
    told: &'a [f32],
    domain: Encoding<'a>,
    mirrored: Option<Encoding<'a>>,
    /// The axis that the mirror turns around.
    across: Axis,
}

/// An input `[channel, y, x]`.
struct Encoding<'a> {
    input: Array3<f32>,
    /// What recurrent networks know of the whole domain: they are asked twice where they run ahead of the injected volume.
    known: Option<Vec<Box<dyn Encoded + 'a>>>,
}

impl<'a> Encodings<'a> {
    /// Of the channels `[channel, y, x]` of a domain that lies as the networks learnt it.
    pub(super) fn new(predictor: &'a Predictor, input: Array3<f32>, told: &'a [f32]) -> Self {
        let across = match predictor.card().dataset.inlet {
            Side::Top | Side::Bottom => Axis(2),
            Side::Left | Side::Right => Axis(1),
        };
        let mirrored = predictor.config().mirrored_prediction.then(|| {
            let mut mirrored = input.clone();
            mirrored.invert_axis(across);
            Encoding { input: mirrored.as_standard_layout().into_owned(), known: None }
        });
        Self { predictor, told, domain: Encoding { input, known: None }, mirrored, across }
    }

    /// Frames `[time, y, x]`: the mean over the domain and its mirror image.
    pub(super) fn frames(&mut self, moments: &[Moment]) -> Result<Array3<f32>> {
        let frames = self.domain.frames(self.predictor, self.told, moments)?;
        let Some(mirrored) = &mut self.mirrored else { return Ok(frames) };
        let mut other = mirrored.frames(self.predictor, self.told, moments)?;
        other.invert_axis(self.across);
        Ok((frames + other) / 2.0)
    }
}

impl<'a> Encoding<'a> {
    /// Frames `[time, y, x]`, tile by tile. What a network knows of a tile without the time is computed once.
    fn frames(&mut self, predictor: &'a Predictor, told: &[f32], moments: &[Moment]) -> Result<Array3<f32>> {
        let Self { input, known } = self;
        let (_, height, width) = input.dim();
        let (head, time_scale) = (predictor.config().head, predictor.card().dataset.time_scale);
        let mut whole = Array3::zeros((moments.len(), height, width));
        let tiles = Tiles::cover((height, width), predictor.tile((height, width)));
        let is_kept = predictor.config().conditioning.is_recurrent() && tiles.iter().count() == 1;
        for tile in tiles.iter() {
            let (height, width) = tile.shape();
            let mut start = 0;
            for moments in moments.chunk_by(|a, b| a.networks == b.networks) {
                let networks = predictor.networks(moments[0]);
                let at_once = (networks[0].decoded_at_once() / (height * width)).max(1);
                let encode =
                    || networks.iter().map(|network| network.encode(tile.of(input.view()), told)).collect();
                let mut of_this_tile = None;
                let encoded: &Vec<_> =
                    if is_kept { &mut *known } else { &mut of_this_tile }.get_or_insert_with(encode);
                for moments in moments.chunks(at_once) {
                    let times: Vec<f32> =
                        moments.iter().map(|moment| (moment.time / time_scale) as f32).collect();
                    let mut frames = encoded[0].invading(head, &times)?;
                    for other in &encoded[1..] {
                        frames += &other.invading(head, &times)?;
                    }
                    frames /= networks.len() as f32;
                    tile.blend(whole.slice_mut(s![start..start + times.len(), .., ..]), frames.view());
                    start += times.len();
                }
            }
        }
        Ok(whole)
    }
}
