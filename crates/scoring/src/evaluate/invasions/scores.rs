//! What follows from the scores of sequences: means over domains, at each time step and over time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use porecast_simulations::{Side, TimeUnit};
use porecast_store::document::Document;
use porecast_store::run::RunCard;
use porecast_store::{Dataset, InvasionDataset};
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::measure::Measure;
use super::score::{DomainScore, FrameScore};
use crate::evaluate::intervals::{mean, mean_difference, resamples};
use crate::metric::bootstrap::Resamples;
use crate::metric::{Interval, Reliability};

/// What `scores.json` holds of invasions.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scores {
    /// [`Dataset::SCORES`].
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// Who predicted.
    pub source: String,
    /// The run that predicted, as it was when scored.
    pub run: Option<RunCard>,
    /// The dataset that was scored on.
    pub dataset: ScoredDataset,
    /// What each baseline is here.
    pub baselines: Vec<String>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Scores of each part of the split that was predicted.
    pub parts: Vec<PartScores>,
}

/// The dataset that was scored on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ScoredDataset {
    /// Where it was.
    pub path: PathBuf,
    /// [`InvasionDataset::fingerprint`].
    pub fingerprint: String,
    /// Who simulated or published it.
    pub simulator: String,
    /// Frames, height and width.
    pub shape: (usize, usize, usize),
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
}

/// Scores of one part of the split.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartScores {
    /// `train`, `validation`, `test`, or `all` for domains without a split.
    pub part: String,
    /// The prediction first, then the baselines.
    pub sources: Vec<SequenceScores>,
}

/// Scores of one predictor on one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SequenceScores {
    /// Name of the run, or of the baseline.
    pub source: String,
    /// Whether it is a baseline.
    pub is_baseline: bool,
    /// Scores of each domain.
    pub domains: Vec<DomainScore>,
}

/// Means over domains at one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TimeStep {
    /// Number of the frame.
    pub frame: usize,
    /// Its time, mean over domains.
    pub time: f64,
    /// Mean and interval of each measure.
    pub measures: BTreeMap<Measure, Interval>,
}

/// Means over domains of a whole sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct Summary {
    /// Domains averaged over.
    pub domains: usize,
    /// Frames averaged over.
    pub frames: Vec<usize>,
    /// Mean over the time steps of each domain, then over domains.
    pub over_time: BTreeMap<Measure, Interval>,
    /// Mean over domains at the last of the frames.
    pub final_step: BTreeMap<Measure, Interval>,
    /// Breakthrough; `None` when it was asked for other frames than were scored.
    pub breakthrough: Option<BreakthroughSummary>,
}

impl Summary {
    /// Each mean, by what it is over.
    pub(super) fn means(&self) -> impl Iterator<Item = (&'static str, Measure, Interval)> {
        [("time steps", &self.over_time), ("final step", &self.final_step)].into_iter().flat_map(
            |(over, measures)| measures.iter().map(move |(measure, interval)| (over, *measure, *interval)),
        )
    }
}

/// How well breakthrough is predicted.
#[derive(Debug, Clone, PartialEq)]
pub struct BreakthroughSummary {
    /// Domains in which prediction and truth agree on whether the outlet is reached at all.
    pub agreeing: usize,
    /// Mean of |predicted - true time| over the domains in which both reach it; `None` when there are none.
    pub time_error: Option<Interval>,
}

impl SequenceScores {
    /// The frames that every domain was scored at.
    pub fn frames(&self) -> BTreeSet<usize> {
        let mut domains =
            self.domains.iter().map(|d| d.frames.iter().map(|f| f.frame).collect::<BTreeSet<_>>());
        let first = domains.next().unwrap_or_default();
        domains.fold(first, |common, frames| &common & &frames)
    }

    /// Pore pixels of all domains by predicted probability.
    pub fn reliability(&self) -> Reliability {
        let mut sum = Reliability::default();
        self.domains.iter().for_each(|domain| sum += &domain.reliability);
        sum
    }

    /// Means over domains at each of `frames`.
    pub fn per_time_step(&self, frames: &BTreeSet<usize>) -> Vec<TimeStep> {
        let resamples = resamples(self.domains.len());
        frames
            .iter()
            .map(|&frame| {
                let found: Vec<_> = self.at(frame).collect();
                TimeStep {
                    frame,
                    time: found.iter().map(|(_, f)| f.time).sum::<f64>() / found.len().max(1) as f64,
                    measures: intervals(&resamples, |measure| {
                        found.iter().map(|(domain, frame)| measure.of(domain, frame)).collect()
                    }),
                }
            })
            .collect()
    }

    /// Means over `frames` and domains.
    pub fn summary(&self, frames: &BTreeSet<usize>) -> Summary {
        let resamples = resamples(self.domains.len());
        let over_time = intervals(&resamples, |measure| {
            self.domains.iter().map(|domain| mean_over_time(domain, frames, measure)).collect()
        });
        let final_step = frames.last().map_or_else(BTreeMap::new, |&last| {
            intervals(&resamples, |measure| self.at(last).map(|(domain, f)| measure.of(domain, f)).collect())
        });
        Summary {
            domains: self.domains.len(),
            frames: frames.iter().copied().collect(),
            over_time,
            final_step,
            breakthrough: (*frames == self.frames()).then(|| self.breakthrough()),
        }
    }

    /// Mean of a measure over the frames that every domain was scored at, then over domains.
    pub fn mean_over_time(&self, measure: Measure) -> f64 {
        let frames = self.frames();
        let sum: f64 = self.domains.iter().map(|domain| mean_over_time(domain, &frames, measure)).sum();
        sum / self.domains.len().max(1) as f64
    }

    /// How much a measure, averaged over `frames`, is larger here than in `other`, domain by domain. `None` without a
    /// domain that both have.
    pub fn difference(&self, other: &Self, frames: &BTreeSet<usize>, measure: Measure) -> Option<Interval> {
        let over_time = |domain: &DomainScore| mean_over_time(domain, frames, measure);
        let ours = self.domains.iter().map(|domain| (domain.domain_id.as_str(), over_time(domain)));
        let theirs = other.domains.iter().map(|domain| (domain.domain_id.as_str(), over_time(domain)));
        mean_difference(ours, theirs)
    }

    fn breakthrough(&self) -> BreakthroughSummary {
        let pairs = || self.domains.iter().map(|d| (d.breakthrough_time, d.true_breakthrough_time));
        let errors: Vec<f64> = pairs().filter_map(|(p, t)| Some((p? - t?).abs())).collect();
        BreakthroughSummary {
            agreeing: pairs().filter(|(p, t)| p.is_some() == t.is_some()).count(),
            time_error: mean(&errors),
        }
    }

    fn at(&self, frame: usize) -> impl Iterator<Item = (&DomainScore, &FrameScore)> {
        self.domains.iter().filter_map(move |d| Some((d, d.frames.iter().find(|f| f.frame == frame)?)))
    }
}

fn mean_over_time(domain: &DomainScore, frames: &BTreeSet<usize>, measure: Measure) -> f64 {
    let kept = domain.frames.iter().filter(|f| frames.contains(&f.frame));
    let values: Vec<f64> = kept.map(|frame| measure.of(domain, frame)).collect();
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

fn intervals(resamples: &Resamples, values: impl Fn(Measure) -> Vec<f64>) -> BTreeMap<Measure, Interval> {
    Measure::ALL.into_iter().filter_map(|m| Some((m, resamples.mean(&values(m))?))).collect()
}

impl Document for Scores {
    const FORMAT: &'static str = InvasionDataset::SCORES;
    const VERSION: u32 = 2;
    const COMMAND: &'static str = "porecast evaluate";
}

impl Scores {
    /// Scores of a part, if it was scored.
    pub fn part(&self, name: &str) -> Option<&PartScores> {
        self.parts.iter().find(|part| part.part == name)
    }

    /// The part that says how good the prediction is: the test domains, else the validation domains, else the first.
    pub fn main_part(&self) -> Option<&PartScores> {
        self.part("test").or_else(|| self.part("validation")).or(self.parts.first())
    }
}

impl ScoredDataset {
    /// What the scores keep of a dataset.
    pub(super) fn new(dataset: &InvasionDataset, fingerprint: &str) -> Self {
        Self {
            path: dataset.path().to_owned(),
            fingerprint: fingerprint.to_owned(),
            simulator: dataset.origin().simulator.clone(),
            shape: dataset.shape(),
            time_unit: dataset.time_unit(),
            inlet: dataset.inlet(),
        }
    }
}

impl PartScores {
    /// Identifiers of the domains.
    pub fn ids(&self) -> Vec<&str> {
        let domains = self.sources.first().map_or(&[][..], |source| &source.domains);
        domains.iter().map(|domain| domain.domain_id.as_str()).collect()
    }

    /// Scores of the prediction, or of a baseline.
    pub(super) fn source(&self, baseline: Option<Baseline>) -> Option<&SequenceScores> {
        let name = baseline.map(Baseline::name);
        self.sources.iter().find(|source| source.is_baseline.then_some(source.source.as_str()) == name)
    }

    /// The frames of the prediction: baselines are shown at those, though scored at all.
    pub fn frames(&self) -> BTreeSet<usize> {
        self.sources.first().map(SequenceScores::frames).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::super::fabricated::{exact, trajectory};
    use super::super::score::score;
    use super::*;

    fn source() -> SequenceScores {
        let domains = (1..4)
            .map(|seed| {
                let truth = trajectory(seed);
                let mut predicted = exact(&seed.to_string(), &truth);
                // The error grows with the domain's number, in the last frame only.
                let last = truth.times.len() - 1;
                predicted
                    .probability
                    .index_axis_mut(ndarray::Axis(0), last)
                    .mapv_inplace(|p| if p > 0.5 { 1.0 - 0.1 * seed as f32 } else { 0.0 });
                score(&truth, &predicted).unwrap()
            })
            .collect();
        SequenceScores { source: "network".into(), is_baseline: false, domains }
    }

    #[test]
    fn averages_per_time_step_come_first() {
        let source = source();
        let frames = source.frames();
        let steps = source.per_time_step(&frames);
        let summary = source.summary(&frames);
        let last = steps.last().unwrap().measures[&Measure::Mse];
        assert_eq!(summary.final_step[&Measure::Mse], last);
        assert!(steps[..steps.len() - 1].iter().all(|step| step.measures[&Measure::Mse].mean == 0.0));
        let over_time = summary.over_time[&Measure::Mse].mean;
        assert!((over_time - last.mean / steps.len() as f64).abs() < 1e-12);
        assert!(last.low < last.mean && last.mean < last.high);
    }

    #[test]
    fn a_summary_of_some_frames_ends_at_the_last_of_them() {
        let summary = source().summary(&BTreeSet::from([1, 2]));
        assert_eq!(summary.frames, [1, 2]);
        assert_eq!(summary.final_step[&Measure::Mse].mean, 0.0);
        assert_eq!(summary.breakthrough, None);
    }

    #[test]
    fn differences_are_taken_domain_by_domain() {
        let (ours, mut theirs) = (source(), source());
        for domain in &mut theirs.domains {
            domain.frames.iter_mut().for_each(|frame| frame.mse += 0.25);
        }
        theirs.domains.reverse();
        let frames = ours.frames();
        let difference = theirs.difference(&ours, &frames, Measure::Mse).unwrap();
        for end in [difference.low, difference.mean, difference.high] {
            assert!((end - 0.25).abs() < 1e-12, "no spread between domains is left: {difference:?}");
        }
        assert_eq!(
            ours.difference(&SequenceScores { domains: Vec::new(), ..ours.clone() }, &frames, Measure::Mse),
            None
        );
    }
}
