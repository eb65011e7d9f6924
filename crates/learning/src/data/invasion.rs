//! Invasion sequences in memory, and batches of them.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use ndarray::{Array3, ArrayView2, Axis};
use porecast_simulations::{Domain, Side};
use rayon::prelude::*;

use super::Samples;
use super::channels::channels;
use super::order::Pick;
use super::packed::{Mirror, PackedMask};
use crate::rescale::{carried_over, rescaled};
use crate::sample::HostBatch;
use porecast_base::{Error, Result};
use porecast_store::config::train::Channel;
use porecast_store::invasion::Fingerprint;
use porecast_store::{InvasionDataset, Physics, Quantity, QuantityScale};

/// The sequences of a dataset; frames take one bit per pixel.
#[derive(Debug, Clone)]
pub struct InvasionData {
    inlet: Side,
    channel_count: usize,
    domains: Vec<Sequence>,
    fingerprint: String,
}

#[derive(Debug, Clone)]
struct Sequence {
    id: String,
    /// Height and width.
    size: (usize, usize),
    input: Vec<f32>,
    pore: PackedMask,
    frames: Vec<PackedMask>,
    times: Vec<f64>,
    physics: Physics,
    porosity: f64,
    /// See [`Domain::mean_chord_length`].
    chord_length: Option<f64>,
    /// See [`Trajectory::lag`](porecast_simulations::Trajectory::lag).
    lag: f64,
}

/// The values at some shares of a list, in ascending order of the list; it is not empty.
fn percentiles<const N: usize>(mut values: Vec<f64>, shares: [f64; N]) -> [f64; N] {
    values.sort_by(f64::total_cmp);
    shares.map(|share| values[(share * (values.len() - 1) as f64).round() as usize])
}

impl Sequence {
    /// See [`InvasionData::rescale`].
    fn rescaled(&self, scale: f64, inlet: Side, list: &[Channel]) -> Self {
        // No channel depends on the size of a pixel.
        let domain = Domain { solid: self.pore.image(self.size.0).mapv(|pore| !pore), voxel_size_m: 1.0 };
        let other = rescaled(&domain, scale);
        let (height, width) = other.shape();
        let mut frames = Vec::new();
        for frame in &self.frames {
            frame.append_to(&mut frames, self.size.0, Mirror::None);
        }
        let frames = Array3::from_shape_vec((self.frames.len(), self.size.0, self.size.1), frames)
            .expect("each frame has the size of the domain");
        let frames = carried_over(frames.view(), &domain, &other);
        let packed =
            |frame: ArrayView2<'_, f32>| PackedMask::new(frame.iter().map(|&share| share > 0.5), width);
        Self {
            id: format!("{} rescaled by {scale}", self.id),
            size: (height, width),
            input: channels(&other, inlet, list).into_raw_vec_and_offset().0,
            pore: PackedMask::new(other.solid.iter().map(|solid| !solid), width),
            frames: frames.outer_iter().map(packed).collect(),
            times: self.times.clone(),
            physics: self.physics,
            porosity: other.porosity(),
            chord_length: other.mean_chord_length(),
            lag: self.lag,
        }
    }
}

impl InvasionData {
    /// Reads a whole dataset and computes the channels of its domains.
    ///
    /// # Errors
    /// A sequence cannot be read.
    pub fn load(dataset: &InvasionDataset, list: &[Channel]) -> Result<Self> {
        let inlet = dataset.inlet();
        let mut fingerprint = Fingerprint::default();
        let mut geometries = Vec::new();
        let mut domains = (0..dataset.len())
            .map(|index| {
                let trajectory = dataset.sequence(index)?;
                fingerprint.add(&dataset.domain_ids()[index], &trajectory);
                let size = trajectory.domain.shape();
                let width = size.1;
                let porosity = trajectory.domain.porosity();
                let chord_length = trajectory.domain.mean_chord_length();
                let lag = trajectory.lag();
                let sequence = Sequence {
                    id: dataset.domain_ids()[index].clone(),
                    size,
                    input: Vec::new(),
                    pore: PackedMask::new(trajectory.domain.solid.iter().map(|solid| !solid), width),
                    frames: trajectory
                        .phase
                        .axis_iter(Axis(0))
                        .map(|frame| PackedMask::new(frame.iter().copied(), width))
                        .collect(),
                    times: trajectory.times,
                    physics: Physics::from(&trajectory.parameters),
                    porosity,
                    chord_length,
                    lag,
                };
                geometries.push(trajectory.domain);
                Ok(sequence)
            })
            .collect::<Result<Vec<_>>>()?;
        domains.par_iter_mut().zip(geometries).for_each(|(sequence, domain)| {
            sequence.input = channels(&domain, inlet, list).into_raw_vec_and_offset().0;
        });
        let fingerprint = fingerprint.finish();
        Ok(Self { inlet, channel_count: list.len(), domains, fingerprint })
    }

    /// Appends the sequences of another dataset, at `path`, which has the same number of frames, time unit, inlet and pixel
    /// size. Returns their identifiers.
    ///
    /// # Errors
    /// An identifier occurs in both.
    pub fn append(&mut self, other: Self, path: &Path) -> Result<Vec<String>> {
        let ids: Vec<String> = other.domains.iter().map(|domain| domain.id.clone()).collect();
        let own: HashSet<&str> = self.domains.iter().map(|domain| domain.id.as_str()).collect();
        if let Some(id) = ids.iter().find(|id| own.contains(id.as_str())) {
            return Err(Error::input(
                path,
                format!("has domain {id:?}, which is in another dataset of the training"),
            ));
        }
        self.domains.extend(other.domains);
        Ok(ids)
    }

    /// Appends `domains` in other resolutions, see [`rescaled`]. A new pore pixel is invaded if more than half of the pore
    /// space that it covers is invaded. Returns the new indices. `list` is that of [`load`](Self::load).
    pub fn rescale(&mut self, domains: &[usize], scales: &[f64], list: &[Channel]) -> Range<usize> {
        let first = self.domains.len();
        let each: Vec<_> =
            domains.iter().flat_map(|&index| scales.iter().map(move |&scale| (index, scale))).collect();
        let new: Vec<_> = each
            .par_iter()
            .map(|&(index, scale)| self.domains[index].rescaled(scale, self.inlet, list))
            .collect();
        self.domains.extend(new);
        first..self.domains.len()
    }

    /// [`InvasionDataset::fingerprint`] of the dataset that was loaded, computed while its sequences were read.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// Indices of the domains named by `ids`.
    ///
    /// # Errors
    /// An identifier is not in the data; `path` names the dataset in the message.
    pub fn indices(&self, ids: &[String], path: &Path) -> Result<Vec<usize>> {
        ids.iter()
            .map(|id| {
                self.domains.iter().position(|domain| &domain.id == id).ok_or_else(|| {
                    Error::input(path, format!("has no domain {id:?}; the run was split on other data"))
                })
            })
            .collect()
    }

    /// Times of the frames of a domain.
    pub fn times(&self, domain: usize) -> &[f64] {
        &self.domains[domain].times
    }

    /// First and 99th percentile, over the domains, of the mean chord length of the pores in pixels; `None` if no domain has
    /// pores.
    pub fn chord_lengths(&self, domains: &[usize]) -> Option<[f64; 2]> {
        let lengths: Vec<f64> =
            domains.iter().filter_map(|&index| self.domains[index].chord_length).collect();
        (!lengths.is_empty()).then(|| percentiles(lengths, [0.01, 0.99]))
    }

    /// 99th percentile, over the domains, of how far the saturation falls behind the injected volume before breakthrough.
    /// Times are pore volumes.
    pub fn lag(&self, domains: &[usize]) -> f64 {
        let [lag] = percentiles(domains.iter().map(|&index| self.domains[index].lag).collect(), [0.99]);
        lag
    }

    /// A physical quantity of some domains.
    ///
    /// # Errors
    /// A domain has none; `path` names the dataset in the message.
    pub fn quantity(&self, quantity: Quantity, domains: &[usize], path: &Path) -> Result<Vec<f64>> {
        let value = |&index: &usize| {
            let Sequence { id, physics, porosity, .. } = &self.domains[index];
            quantity.of(physics, *porosity).ok_or_else(|| {
                let what = format!("domain {id:?} has no {}, which `physics` asks for", quantity.name());
                Error::input(path, what)
            })
        };
        domains.iter().map(value).collect()
    }

    /// Pixels of the classes solid, defending, invading in some frames of some domains.
    pub fn class_counts(&self, domains: &[usize], frames: &[usize]) -> [u64; 3] {
        let mut counts = [0; 3];
        for &domain in domains {
            let sequence = &self.domains[domain];
            let (height, width) = sequence.size;
            let pore = sequence.pore.count() as u64;
            for &frame in frames {
                let invading = sequence.frames[frame].count() as u64;
                counts[0] += (height * width) as u64 - pore;
                counts[1] += pore - invading;
                counts[2] += invading;
            }
        }
        counts
    }

    /// A batch; times are divided by `time_scale`. All picks have the same size and number of frames.
    fn batch(&self, picks: &[Pick], time_scale: f64, physics: &[QuantityScale]) -> HostBatch {
        let (height, width) = self.domains[picks[0].domain].size;
        let mut batch = HostBatch {
            domains: picks.len(),
            input_shape: [self.channel_count, height, width],
            input: Vec::new(),
            physics: Vec::new(),
            times: Vec::new(),
            target: Vec::new(),
            scored: Vec::new(),
            names: Vec::new(),
        };
        for pick in picks {
            let sequence = &self.domains[pick.domain];
            for plane in sequence.input.chunks_exact(height * width) {
                let start = batch.input.len();
                batch.input.extend_from_slice(plane);
                pick.mirror.apply(&mut batch.input[start..], width);
            }
            batch.physics.extend(physics.iter().map(|scale| {
                let value = scale.quantity.of(&sequence.physics, sequence.porosity);
                scale.scaled(value.expect("quantities were checked when the card was made"))
            }));
            sequence.pore.append_to(&mut batch.scored, height, pick.mirror);
            for &frame in &pick.frames {
                sequence.frames[frame].append_to(&mut batch.target, height, pick.mirror);
                batch.times.push((sequence.times[frame] / time_scale) as f32);
                batch.names.push(format!("{} frame {frame}", sequence.id));
            }
        }
        batch
    }
}

/// Sequences whose times are divided by `time_scale` for the network.
#[derive(Debug, Clone)]
pub struct TimedInvasions {
    /// The sequences.
    pub data: InvasionData,
    /// Time that the network sees as 1.
    pub time_scale: f64,
    /// Physical quantities that the network is told.
    pub physics: Vec<QuantityScale>,
}

impl Samples for TimedInvasions {
    fn batch(&self, picks: &[Pick]) -> Result<HostBatch> {
        Ok(self.data.batch(picks, self.time_scale, &self.physics))
    }

    fn size(&self, index: usize) -> (usize, usize) {
        self.data.domains[index].size
    }

    /// The mirror that exchanges the two lateral sides.
    fn mirror(&self) -> Mirror {
        match self.data.inlet {
            Side::Top | Side::Bottom => Mirror::Horizontal,
            Side::Left | Side::Right => Mirror::Vertical,
        }
    }
}
