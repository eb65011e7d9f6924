//! The training of one network.

use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use burn::backend::{Autodiff, Flex};
use burn::module::{AutodiffModule, Module};
use burn::optim::GradientsParams;
use burn::record::{BinBytesRecorder, FullPrecisionSettings, Recorder, RecorderError};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as _;
use serde::{Deserialize, Serialize};

use super::optimizer::{self, Optimizer};
use super::ranks::Ranks;
use super::summation::{RunningStatistics, Summation, fingerprint};
use super::{Member, Setting, average, schedule};
use crate::data::order::{self, Pick};
use crate::data::{Mirror, evenly_spread};
use crate::device;
use crate::loss::Terms;
use crate::model::ops::{Kernels, TrainBackend};
use crate::model::{Network, checkpointing};
use crate::sample::{Batch, HostBatch};
use crate::workers::on_worker;
use porecast_base::progress::{self, Progress};
use porecast_base::{Error, ErrorKind, Result};
use porecast_base::{interrupt, seed};
use porecast_kernels::{Precision, with_precision};
use porecast_store::config;
use porecast_store::config::loss::Term;
use porecast_store::config::model::Architecture;
use porecast_store::config::optimizer::ScheduleShape;
use porecast_store::run::{MemberCard, MemberFolder};
use porecast_store::{checkpoint, table, weights};

/// Batches prepared in advance.
const BATCHES_AHEAD: usize = 2;
/// Steps of a training that is only tried out.
const TRIED_STEPS: usize = 4;

/// Progress of a training; together with the weights and the optimiser's history it determines what
/// follows.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct State {
    /// [`Member::architecture`] of the weights.
    architecture: String,
    /// Finished epochs.
    epoch: usize,
    /// Finished batches of the current epoch.
    batch: usize,
    steps: u64,
    samples_seen: u64,
    wall_seconds: f64,
    /// Sums over the current epoch.
    running: Running,
    rows: Vec<Row>,
    best: Option<(usize, f64)>,
    /// Epochs since the validation loss last fell.
    stale: usize,
    /// The same, reset after each drop of the plateau schedule.
    stale_since_drop: usize,
    drops: u32,
    is_finished: bool,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Running {
    loss: f64,
    samples: u64,
    gradient_norm: f64,
    steps: u64,
    learning_rate: f64,
    waiting_seconds: f64,
}

/// One epoch, a row of `metrics.csv`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Row {
    epoch: usize,
    learning_rate: f64,
    train_loss: f64,
    validation_loss: f64,
    validation_error: f64,
    gradient_norm: f64,
    samples_seen: u64,
    wall_seconds: f64,
    waiting_seconds: f64,
}

/// What a few steps show of a training.
pub(super) struct TriedOut {
    pub(super) parameters: usize,
    /// Samples in an epoch.
    pub(super) samples: usize,
    /// Optimiser steps of the whole training.
    pub(super) total_steps: u64,
    pub(super) seconds_per_step: f64,
    /// When the first step was done.
    pub(super) first_step: Instant,
    /// Steps that were timed.
    pub(super) timed: usize,
}

/// The loss of a batch, which the device may still be computing.
struct Computed<B: TrainBackend> {
    weights: Vec<(Term, f64)>,
    /// Values of the terms `[terms]`.
    values: Tensor<B::InnerBackend, 1>,
    /// Names of the samples.
    names: Vec<String>,
}

/// Validation result of some samples.
#[derive(Serialize, Deserialize)]
struct Scored {
    loss: f64,
    /// See [`Objective::counts`](crate::loss::Objective::counts).
    counts: Vec<f64>,
    samples: f64,
}

/// The training of one network.
pub(super) struct Trainer<'a, B: TrainBackend> {
    setting: &'a Setting,
    member: &'a Member,
    ranks: &'a Ranks,
    files: MemberFolder,
    device: &'a B::Device,
    network: Network<B>,
    average: Option<Network<B::InnerBackend>>,
    optimizer: Optimizer<B>,
    state: State,
}

impl<'a, B: TrainBackend> Trainer<'a, B> {
    /// A training from its last checkpoint, or from the beginning: fresh weights, or those in
    /// `start`.
    pub(super) fn new(
        setting: &'a Setting,
        member: &'a Member,
        start: Option<&Path>,
        device: &'a B::Device,
        ranks: &'a Ranks,
    ) -> Result<Self> {
        let model = &setting.model;
        let files = setting.place.folder.member(&member.folder);
        // The CPU draws the weights, so that a seed gives the same ones on every device.
        let cpu = Default::default();
        Flex::seed(&cpu, seed::derive(setting.seed, "weights", member.seed_index));
        let drawn = Network::<Autodiff<Flex>>::init(model, member.ends, &cpu);
        let network = Network::<B>::undrawn(model, member.ends, device);
        let mut network = optimizer::network_to_bytes(&drawn)
            .and_then(|bytes| optimizer::network_from_bytes(network, bytes, device))
            .expect("a network takes its own weights");
        let is_resumed = files.checkpoint_path().exists();
        network = match (start, &model.unet.encoder.weights) {
            _ if is_resumed => network,
            (Some(path), _) => network.started_from(weights::read_network(path)?, path).map_err(|error| {
                match &setting.place.init {
                    Some(init) => init.explained(error, &setting.place.resolved),
                    None => error,
                }
            })?,
            (None, Some(path)) if model.architecture == Architecture::Unet => {
                network.with_encoder_weights(weights::read(path)?, path)?
            }
            (None, _) => network,
        };
        let mut trainer = Self {
            average: (setting.optimizer.ema > 0.0).then(|| network.valid()),
            optimizer: Optimizer::new(&setting.optimizer),
            files,
            state: State { architecture: member.architecture.clone(), ..State::default() },
            setting,
            member,
            ranks,
            device,
            network,
        };
        if is_resumed {
            trainer.restore()?;
        }
        Ok(trainer)
    }

    /// Trains to the end, on all ranks, and returns the member's card.
    pub(super) fn run(mut self) -> Result<MemberCard> {
        interrupt::listen();
        self.require_equal_ranks()?;
        while !self.state.is_finished {
            self.train_epoch()?;
            self.validate()?;
            if self.is_stale() {
                self.say(&format!(
                    "{}stopped: the validation loss has not fallen for {} epochs",
                    self.member.label, self.state.stale
                ));
            }
            self.state.is_finished = self.is_done();
            if self.state.is_finished && self.ranks.is_first() {
                write_weights(&self.scored_network(), &self.files.last_path())?;
            }
            self.save()?;
        }
        let (best_epoch, best_validation_loss) =
            self.state.best.expect("a finished training has a best epoch");
        Ok(MemberCard {
            folder: self.member.folder.clone(),
            frame: self.member.frame,
            fold: self.member.fold,
            parameters: self.network.parameter_count(),
            epochs: self.state.epoch,
            best_epoch,
            best_validation_loss,
            samples_seen: self.state.samples_seen,
            wall_seconds: self.state.wall_seconds,
            is_finished: true,
        })
    }

    /// Whether the validation loss has not fallen for too long.
    fn is_stale(&self) -> bool {
        let patience = self.setting.training.patience;
        patience > 0 && self.state.stale >= patience
    }

    /// Whether nothing is left to train.
    fn is_done(&self) -> bool {
        self.is_stale() || self.state.epoch >= self.setting.training.epochs
    }

    /// The batches of the current epoch, and the optimiser steps of the whole training.
    fn batches(&self) -> (Vec<Vec<Pick>>, u64) {
        let (setting, member) = (self.setting, self.member);
        let config = &setting.training;
        let batches = order::epoch(
            seed::derive(setting.seed, "member", member.seed_index),
            self.state.epoch,
            &member.train,
            &member.frames,
            config,
            member.data.mirror(),
            |domain| member.data.size(domain),
        );
        let total_steps = (batches.len().div_ceil(config.accumulation) * config.epochs) as u64;
        (batches, total_steps)
    }

    /// Trains a few steps without saving anything.
    pub(super) fn try_out(mut self) -> Result<TriedOut> {
        let (batches, total_steps) = self.batches();
        let samples = batches.iter().flatten().map(|pick| pick.frames.len()).sum();
        let mut times = Vec::new();
        let mut first_step = None;
        for together in batches.chunks(self.setting.training.accumulation).take(TRIED_STEPS) {
            let began = Instant::now();
            let host = together.iter().map(|picks| self.member.data.batch(picks)).collect::<Result<_>>()?;
            self.step(together, host, total_steps)?;
            times.push(began.elapsed().as_secs_f64());
            first_step.get_or_insert_with(Instant::now);
        }
        // The first step also prepares the device.
        let timed = if times.len() > 1 { &times[1..] } else { &times };
        Ok(TriedOut {
            parameters: self.network.parameter_count(),
            samples,
            total_steps,
            seconds_per_step: timed.iter().sum::<f64>() / timed.len().max(1) as f64,
            timed: timed.len(),
            first_step: first_step.unwrap_or_else(Instant::now),
        })
    }

    fn train_epoch(&mut self) -> Result<()> {
        let (setting, member) = (self.setting, self.member);
        let config = &setting.training;
        let (batches, total_steps) = self.batches();
        let label = format!("{}epoch {}/{}", member.label, self.state.epoch + 1, config.epochs);
        let progress = Progress::new(label, batches.len(), self.state.batch, setting.verbosity);
        let steps = batches[self.state.batch..].chunks(config.accumulation);
        let own: Vec<_> = steps.flat_map(|step| self.ranks.own(step)).collect();
        // A thread prepares batches while the network trains on earlier ones.
        let trained = std::thread::scope(|scope| {
            let (send, receive) = mpsc::sync_channel(BATCHES_AHEAD);
            scope.spawn(move || {
                // Sending fails once the training has stopped.
                own.into_iter().all(|picks| send.send(member.data.batch(picks)).is_ok())
            });
            self.train_batches(receive, &batches, total_steps, &progress)
        });
        progress.finish();
        trained
    }

    fn train_batches(
        &mut self,
        own: mpsc::Receiver<Result<HostBatch>>,
        batches: &[Vec<Pick>],
        total_steps: u64,
        progress: &Progress,
    ) -> Result<()> {
        let config = &self.setting.training;
        let count = batches.len();
        let every = Duration::from_secs(config.checkpoint_seconds);
        let mut began = Instant::now();
        let mut saved = Instant::now();
        while self.state.batch < count {
            let end = (self.state.batch + config.accumulation).min(count);
            let together = &batches[self.state.batch..end];
            let host = own.iter().take(self.ranks.own(together).count()).collect::<Result<Vec<_>>>()?;
            self.state.running.waiting_seconds += began.elapsed().as_secs_f64();
            let loss = self.step(together, host, total_steps)?;
            let pieces = end - self.state.batch;
            self.state.batch = end;
            self.state.wall_seconds += began.elapsed().as_secs_f64();
            progress.advance_within(pieces, &format!("loss {loss:.4}"), self.time_left(count));
            began = Instant::now();
            // A signal to any rank stops all; the first decides when to save.
            let wishes = self.ranks.gather((interrupt::is_requested(), saved.elapsed() >= every))?;
            if wishes.iter().any(|(is_stopped, _)| *is_stopped) {
                self.save()?;
                return Err(Error::new(
                    ErrorKind::Interrupted,
                    self.setting.place.folder.path().display().to_string(),
                    format!(
                        "stopped in epoch {} after {} steps; go on with the same command with --resume and without --force",
                        self.state.epoch + 1,
                        self.state.steps
                    ),
                ));
            }
            if wishes[0].1 && end < count {
                self.save()?;
                saved = Instant::now();
                began = saved;
            }
        }
        Ok(())
    }

    /// Time that the rest of the training takes, with epochs of `batches` batches: of this network and those after it.
    fn time_left(&self, batches: usize) -> Duration {
        let members = &self.setting.members;
        let after = members.iter().rev().take_while(|member| member.folder != self.member.folder).count();
        let done = self.state.epoch * batches + self.state.batch;
        rest_of(self.state.wall_seconds, done, (1 + after) * self.setting.training.epochs * batches)
    }

    /// One optimiser step over some batches, of which `own` are to be computed by this rank; returns their mean loss.
    fn step(&mut self, batches: &[Vec<Pick>], own: Vec<HostBatch>, total_steps: u64) -> Result<f64> {
        let (setting, ranks) = (self.setting, self.ranks);
        let objective = &self.member.objective;
        let count = batches.len() as f64;
        let samples_of = |picks: &Vec<Pick>| picks.iter().map(|pick| pick.frames.len() as u64).sum::<u64>();
        let mut sum = Summation::new(ranks);
        let mut computed = Vec::new();
        let mut samples_before = self.state.samples_seen;
        let mut own = own.into_iter();
        for (round, together) in batches.chunks(ranks.count()).enumerate() {
            let statistics = RunningStatistics::set_aside(ranks, &self.network);
            let gradients = match own.next() {
                Some(host) => {
                    let index = round * ranks.count() + ranks.number();
                    let earlier: u64 = together.iter().take(ranks.number()).map(samples_of).sum();
                    let (gradients, loss) = self.gradients(host, index, samples_before + earlier, count)?;
                    computed.push(loss);
                    Some(gradients)
                }
                // The last round of a step may have fewer batches than there are ranks.
                None => None,
            };
            if let Some(statistics) = statistics {
                statistics.take_up(ranks, &self.network, together.len());
            }
            sum.add(&self.network, gradients, together.len());
            samples_before += together.iter().map(samples_of).sum::<u64>();
        }
        let mut accumulator = sum.finish(&self.network);
        if let Some(penalty) = objective.penalty(&self.network) {
            let gradients = GradientsParams::from_grads(penalty.backward(), &self.network);
            accumulator.accumulate(&self.network, gradients);
        }
        let mut gradients = accumulator.grads();
        let squared_norm = optimizer::squared_norm(&self.network, &gradients);
        let (losses, norm) = self.read(&computed, squared_norm)?;
        let mut losses: Vec<_> = ranks.gather(losses)?.into_iter().map(Vec::into_iter).collect();
        let mut mean_loss = 0.0;
        for (batch, picks) in batches.iter().enumerate() {
            let loss = losses[batch % ranks.count()].next().expect("the loss of each batch");
            let samples = samples_of(picks);
            self.state.running.loss += loss * samples as f64;
            self.state.running.samples += samples;
            self.state.samples_seen += samples;
            mean_loss += loss / count;
        }
        if !norm.is_finite() {
            let seen: Vec<_> = computed.into_iter().flat_map(|batch| batch.names).collect();
            let seen = ranks.gather(seen)?.concat();
            let error = self.diverged(&format!("the gradient's norm is {norm}"), &seen);
            return Err(ranks.found_by_all(error));
        }
        let clip = setting.optimizer.clip_norm;
        if clip > 0.0 && norm > clip {
            gradients = optimizer::scale(&self.network, gradients, clip / norm);
        }
        let factor = schedule::factor(
            &setting.schedule,
            self.state.steps,
            total_steps,
            self.state.epoch,
            self.state.drops,
        );
        let rate = setting.optimizer.learning_rate * factor;
        let (optimizer, network, average) = (&mut self.optimizer, self.network.clone(), self.average.take());
        (self.network, self.average) = on_worker::<B, _>(|| {
            let network = optimizer.step(rate, network, gradients);
            let update = |average| average::update(average, &network.valid(), setting.optimizer.ema);
            let average = average.map(update);
            (network, average)
        });
        self.state.steps += 1;
        self.state.running.steps += 1;
        self.state.running.gradient_norm += norm;
        self.state.running.learning_rate = rate;
        Ok(mean_loss)
    }

    /// The losses of some batches, and the norm of the gradient: all in one transfer, because each waits for a GPU.
    fn read(
        &self,
        computed: &[Computed<B>],
        squared_norm: Option<Tensor<B::InnerBackend, 1>>,
    ) -> Result<(Vec<f64>, f64)> {
        let of_batches = computed.iter().map(|batch| batch.values.clone());
        let values = Tensor::cat(of_batches.chain(squared_norm).collect(), 0);
        let values = device::read(values, |full| self.setting.memory.advice_for_full(full))?;
        let mut values = values.iter::<f32>().map(f64::from);
        let losses = computed.iter().map(|batch| self.check(batch, &mut values)).collect::<Result<_>>()?;
        Ok((losses, values.next().map_or(0.0, f64::sqrt)))
    }

    /// Gradients and loss of a batch: the one at `index` of the step, before which the training has seen `samples_before`
    /// samples. The gradients are divided by the number of batches of the step.
    fn gradients(
        &self,
        host: HostBatch,
        index: usize,
        samples_before: u64,
        batches: f64,
    ) -> Result<(GradientsParams, Computed<B>)> {
        let (setting, objective) = (self.setting, &self.member.objective);
        // Dropout's generator restarts at each batch, so that a resumed run and any rank draw the same values.
        let step_seed = seed::derive(setting.seed, "dropout", self.state.steps);
        let batch_seed = if index == 0 { step_seed } else { seed::derive(step_seed, "batch", index as u64) };
        let (network, device) = (&self.network, self.device);
        let names = host.names.clone();
        let (gradients, terms) = on_worker::<B, Result<_>>(|| {
            B::seed(device, batch_seed);
            let Batch { input, physics, times, target, scored } = host.to_device::<B>(device);
            let mut terms = None;
            let evaluate = |levels| {
                let found = objective.evaluate(levels, target, scored);
                let total = found.total.clone() / batches;
                terms = Some(found);
                Ok(total)
            };
            let gradients = with_precision(precision(setting.training.precision), || {
                if setting.training.gradient_checkpointing {
                    let seed = seed::derive(setting.seed, "checkpointing", samples_before);
                    return checkpointing::gradients(network, input, physics, times, seed, evaluate);
                }
                let features = network.encode(input, physics);
                let levels = network.decode_levels(features, times);
                Ok(GradientsParams::from_grads(evaluate(levels)?.backward(), network))
            })?;
            Ok((gradients, terms.expect("the loss was evaluated")))
        })?;
        let Terms { weights, values, .. } = terms;
        Ok((gradients, Computed { weights, values: values.inner(), names }))
    }

    /// The total loss of a batch, of which `values` gives the terms; an error if one is outside its bounds.
    fn check(&self, batch: &Computed<B>, values: &mut impl Iterator<Item = f64>) -> Result<f64> {
        let mut total = 0.0;
        for (term, weight) in &batch.weights {
            let value = values.next().expect("a value for each term");
            let bound = self.member.objective.upper_bound(*term);
            if !(-1e-4..=bound).contains(&value) {
                let what = format!("loss.{} is {value}, outside 0 to {bound}", term.name());
                return Err(self.diverged(&what, &batch.names));
            }
            total += weight * value;
        }
        Ok(total)
    }

    fn diverged(&self, what: &str, names: &[String]) -> Error {
        const SHOWN: usize = 8;
        let more = names.len().saturating_sub(SHOWN);
        let list = names.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let and_more = if more > 0 { format!(" and {more} more") } else { String::new() };
        Error::new(
            ErrorKind::Diverged,
            self.files.path().display().to_string(),
            format!(
                "{what} in epoch {} at step {}, samples {list}{and_more}; the last good checkpoint is kept. Train again \
                 with a lower optimizer.learning_rate or with optimizer.clip_norm",
                self.state.epoch + 1,
                self.state.steps + 1
            ),
        )
    }

    /// The network to validate and save: the averaged weights if an average is kept.
    fn scored_network(&self) -> Network<B::InnerBackend> {
        self.average.clone().unwrap_or_else(|| self.network.valid())
    }

    /// Ends the epoch: validates, saves the best weights, writes `metrics.csv` and updates the
    /// plateau schedule.
    fn validate(&mut self) -> Result<()> {
        let began = Instant::now();
        let network = self.scored_network();
        let frames = evenly_spread(&self.member.frames, self.setting.training.validation_frames);
        let score = |&domain: &usize| {
            let pick = Pick { domain, frames: frames.clone(), mirror: Mirror::None, epoch: None };
            self.score(&network, self.member.data.batch(&[pick])?)
        };
        let own = self.ranks.own(&self.member.validation).map(score).collect::<Result<Vec<_>>>()?;
        let mut of_ranks: Vec<_> = self.ranks.gather(own)?.into_iter().map(Vec::into_iter).collect();
        let (mut loss, mut samples) = (0.0, 0.0);
        let mut counts: Vec<f64> = Vec::new();
        // In the order of the domains, so that the sums do not depend on the number of ranks.
        for index in 0..self.member.validation.len() {
            for scored in of_ranks[index % self.ranks.count()].next().expect("each rank scores its own") {
                loss += scored.loss * scored.samples;
                samples += scored.samples;
                counts.resize(scored.counts.len(), 0.0);
                counts.iter_mut().zip(&scored.counts).for_each(|(sum, count)| *sum += count);
            }
        }
        let (loss, error) = (loss / samples, self.member.objective.error(&counts));
        let running = std::mem::take(&mut self.state.running);
        self.state.epoch += 1;
        self.state.batch = 0;
        self.state.wall_seconds += began.elapsed().as_secs_f64();

        let is_best = self.state.best.is_none_or(|(_, best)| loss < best);
        if is_best {
            self.state.best = Some((self.state.epoch, loss));
            if self.ranks.is_first() {
                write_weights(&network, &self.files.best_path())?;
            }
        }
        self.state.stale = if is_best { 0 } else { self.state.stale + 1 };
        self.state.stale_since_drop = if is_best { 0 } else { self.state.stale_since_drop + 1 };
        let schedule = &self.setting.schedule;
        if schedule.shape == ScheduleShape::Plateau && self.state.stale_since_drop > schedule.patience {
            self.state.drops += 1;
            self.state.stale_since_drop = 0;
        }

        let row = Row {
            epoch: self.state.epoch,
            learning_rate: running.learning_rate,
            train_loss: running.loss / running.samples.max(1) as f64,
            validation_loss: loss,
            validation_error: error,
            gradient_norm: running.gradient_norm / running.steps.max(1) as f64,
            samples_seen: self.state.samples_seen,
            wall_seconds: self.state.wall_seconds,
            waiting_seconds: running.waiting_seconds,
        };
        self.say(&format!(
            "{}epoch {:>3}/{}  train {:.4}  validation {:.4}  error {:.4}  rate {:.1e}  {:.0} s{}",
            self.member.label,
            row.epoch,
            self.setting.training.epochs,
            row.train_loss,
            row.validation_loss,
            row.validation_error,
            row.learning_rate,
            row.wall_seconds,
            if is_best { "  best" } else { "" },
        ));
        self.state.rows.push(row);
        if !self.ranks.is_first() {
            return Ok(());
        }
        table::write_csv(&self.files.metrics_path(), &self.state.rows)
    }

    /// Scores a batch of one domain in parts of `batch_size` samples.
    fn score(&self, network: &Network<B::InnerBackend>, host: HostBatch) -> Result<Vec<Scored>> {
        let (objective, device, memory) = (&self.member.objective, self.device, self.setting.memory);
        let names = host.names.clone();
        let chunk = self.setting.training.batch_size;
        let scores = on_worker::<B, Result<Vec<_>>>(|| {
            let batch = host.to_device::<B::InnerBackend>(device);
            let features = network.encode(batch.input, batch.physics);
            let parts = (0..names.len()).step_by(chunk).map(|start| {
                let count = chunk.min(names.len() - start);
                let logits = network.decode(features.clone(), batch.times.clone().narrow(0, start, count));
                let target = batch.target.clone().narrow(0, start, count);
                let scored = batch.scored.clone().narrow(0, start, count);
                let counts = objective.counts(logits.clone(), target.clone(), scored.clone());
                let total = objective.evaluate(vec![logits], target, scored).total;
                let values = Tensor::cat(vec![total, counts], 0);
                let values = device::read(values, |full| memory.advice_for_full(full))?;
                let mut values = values.iter::<f64>();
                let loss = values.next().expect("a loss before the counts");
                Ok(Scored { loss, counts: values.collect(), samples: count as f64 })
            });
            parts.collect()
        })?;
        match scores.iter().zip(names.chunks(chunk)).find(|(scored, _)| !scored.loss.is_finite()) {
            Some((_, names)) => Err(self.diverged("the validation loss is not finite", names)),
            None => Ok(scores),
        }
    }

    fn say(&self, text: &str) {
        progress::say(self.setting.verbosity, text);
    }

    /// Stops ranks that are no longer at the same point with the same weights.
    fn require_equal_ranks(&self) -> Result<()> {
        if self.ranks.is_alone() {
            return Ok(());
        }
        let State { epoch, batch, steps, .. } = self.state;
        let average = self.average.as_ref().map(fingerprint);
        let mine = format!("{epoch} {batch} {steps} {} {average:?}", fingerprint(&self.network.valid()));
        let all = self.ranks.gather(mine)?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(other) => Err(self.ranks.found_by_all(Error::new(
                ErrorKind::Diverged,
                self.files.path().display().to_string(),
                format!(
                    "the weights of rank {other} differ from those of rank 0 after {steps} steps; the last good checkpoint is \
                     kept. Let all ranks run on processors of one kind and share the folder of the run, and go on with \
                     --resume"
                ),
            ))),
        }
    }

    /// Saves the state; returns on all ranks when the first has written it.
    fn save(&self) -> Result<()> {
        self.require_equal_ranks()?;
        if self.ranks.is_first() {
            self.write_checkpoint()?;
        }
        self.ranks.wait();
        Ok(())
    }

    fn write_checkpoint(&self) -> Result<()> {
        let path = self.files.checkpoint_path();
        let unwritable = |e: RecorderError| Error::output(&path, e);
        let mut blobs = vec![
            optimizer::network_to_bytes(&self.network).map_err(unwritable)?,
            self.optimizer.to_bytes().map_err(unwritable)?,
        ];
        if let Some(average) = &self.average {
            let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
            let record = average.clone().into_record();
            blobs.push(Recorder::<B::InnerBackend>::record(&recorder, record, ()).map_err(unwritable)?);
        }
        checkpoint::write(&path, &self.state, &blobs)
    }

    fn restore(&mut self) -> Result<()> {
        let path = self.files.checkpoint_path();
        let (state, blobs) = checkpoint::read::<State>(&path)?;
        let other = |e: &dyn std::fmt::Display| {
            Error::input(&path, format!("belongs to another architecture ({e}); train again with --force"))
        };
        // Burn's records load weights of any shape, so compare the architecture first.
        if state.architecture != self.state.architecture {
            return Err(other(&"the model of its configuration differs"));
        }
        let other = |e: RecorderError| other(&e);
        let missing = || Error::input(&path, "is an incomplete checkpoint; train again with --force");
        let mut blobs = blobs.into_iter();
        let network = blobs.next().ok_or_else(missing)?;
        self.network =
            optimizer::network_from_bytes(self.network.clone(), network, self.device).map_err(other)?;
        let history = blobs.next().ok_or_else(missing)?;
        self.optimizer = Optimizer::new(&self.setting.optimizer).load(history, self.device).map_err(other)?;
        if self.average.is_some() {
            let bytes = blobs.next().ok_or_else(missing)?;
            let recorder = BinBytesRecorder::<FullPrecisionSettings>::default();
            let record = Recorder::<B::InnerBackend>::load(&recorder, bytes, self.device).map_err(other)?;
            self.average = Some(self.network.valid().load_record(record));
        }
        self.state = state;
        if self.state.batch > self.batches().0.len() {
            let what = "belongs to a training with more batches in an epoch; train again with --force";
            return Err(Error::input(&path, what));
        }
        // A training that was complete goes on if it is to have more epochs.
        self.state.is_finished = self.is_done();
        Ok(())
    }
}

/// The kernels' name of a precision.
fn precision(of: config::train::Precision) -> Precision {
    match of {
        config::train::Precision::Float32 => Precision::Float32,
        config::train::Precision::Tf32 => Precision::Tf32,
        config::train::Precision::Bfloat16 => Precision::Bfloat16,
    }
}

/// Time for the rest of `all` pieces, of which `done` took `seconds`.
fn rest_of(seconds: f64, done: usize, all: usize) -> Duration {
    Duration::try_from_secs_f64(seconds * (all as f64 / done as f64 - 1.0)).unwrap_or_default()
}

fn write_weights<B: Kernels>(network: &Network<B>, path: &Path) -> Result<()> {
    weights::write_network(path, &network.to_bytes(path)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_is_that_of_all_epochs() {
        // 5 of 10 batches in the first of 4 epochs took 2 s: 35 batches are left.
        assert_eq!(rest_of(2.0, 5, 4 * 10), Duration::from_secs(14));
        assert_eq!((rest_of(0.0, 0, 40), rest_of(2.0, 40, 40)), (Duration::ZERO, Duration::ZERO));
    }
}
