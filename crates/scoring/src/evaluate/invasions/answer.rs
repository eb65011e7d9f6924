//! The first sentence on a page of sequences.

use std::collections::BTreeSet;

use super::Scores;
use super::measure::Measure;
use super::scores::SequenceScores;
use super::tables::frames_text;
use crate::evaluate::answer::{Duel, baseline_beside, called, counted};
use crate::evaluate::table::interval;

/// The run against the best baseline.
pub fn of_run(scores: &Scores) -> String {
    let Some(part) = scores.main_part() else { return String::new() };
    let sources: Vec<_> = part.sources.iter().map(|source| (source.source.clone(), source)).collect();
    of_sources(&sources, &part.frames(), &part.part)
}

/// The best run against the next one, or against the best baseline if there is no other.
pub(super) fn of_sources(
    sources: &[(String, &SequenceScores)],
    frames: &BTreeSet<usize>,
    part: &str,
) -> String {
    let error = |source: &SequenceScores| source.summary(frames).over_time.get(&Measure::Mse).copied();
    let mut ranked: Vec<_> =
        sources.iter().filter_map(|(name, source)| Some((name, *source, error(source)?))).collect();
    ranked.sort_by(|a, b| a.2.mean.total_cmp(&b.2.mean));
    let (baselines, runs): (Vec<_>, Vec<_>) =
        ranked.into_iter().partition(|(_, source, _)| source.is_baseline);
    let baseline = baselines.first();
    let (Some(best), Some(rival)) = (runs.first(), runs.get(1).or(baseline)) else {
        let alone = runs.first().map(|(name, _, found)| {
            format!("{name}: mean squared error in the pore space {}.", interval(found))
        });
        return alone.unwrap_or_default();
    };
    let Some(difference) = best.1.difference(rival.1, frames, Measure::Mse) else { return String::new() };
    let names = [best, rival].map(|(name, source, _)| called(name, source.is_baseline));
    let duel = Duel {
        measure: "mean squared error in the pore space",
        higher_is_better: false,
        samples: (
            format!("{} over {}", counted(best.1.domains.len(), part, "domain"), frames_text(frames)),
            best.1.domains.len(),
        ),
        names: [&names[0], &names[1]],
        means: [best.2.mean, rival.2.mean],
        difference,
    };
    let baseline = baseline.map(|(name, _, found)| (&name[..], *found));
    duel.sentence() + &baseline_beside(runs.len(), baseline)
}
