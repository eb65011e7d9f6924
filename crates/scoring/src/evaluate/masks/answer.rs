//! The first sentence on a page of masks.

use super::measure::Measure;
use super::scores::{MaskScores, Scores};
use crate::evaluate::answer::{Duel, baseline_beside, called, counted};
use crate::evaluate::table::interval;

/// The run against the best baseline.
pub fn of_run(scores: &Scores) -> String {
    let Some(part) = scores.main_part() else { return String::new() };
    let baselines = part.sources.iter().filter(|source| source.source.is_baseline());
    let sources = part.main().map(|main| (scores.source.as_str(), main));
    let sources = sources.into_iter().chain(baselines.map(|source| (source.source.name(), source)));
    of_sources(&sources.collect::<Vec<_>>(), &scores.scored_classes, &part.part)
}

/// The best run against the next one, or against the best baseline if there is no other.
pub(super) fn of_sources(sources: &[(&str, &MaskScores)], classes: &[u8], part: &str) -> String {
    let mut ranked: Vec<_> = sources
        .iter()
        .filter_map(|&(name, source)| Some((name, source, source.mean(Measure::Dice, classes)?)))
        .collect();
    ranked.sort_by(|a, b| b.2.mean.total_cmp(&a.2.mean));
    let (baselines, runs): (Vec<_>, Vec<_>) =
        ranked.into_iter().partition(|(_, source, _)| source.source.is_baseline());
    let baseline = baselines.first();
    let (Some(best), Some(rival)) = (runs.first(), runs.get(1).or(baseline)) else {
        let alone =
            runs.first().map(|(name, _, found)| format!("{name}: Dice coefficient {}.", interval(found)));
        return alone.unwrap_or_default();
    };
    let Some(difference) = best.1.difference(rival.1, Measure::Dice, classes) else { return String::new() };
    let names = [best, rival].map(|(name, source, _)| called(name, source.source.is_baseline()));
    let duel = Duel {
        measure: "Dice coefficient",
        higher_is_better: true,
        samples: (counted(best.1.images.len(), part, "image"), best.1.images.len()),
        names: [&names[0], &names[1]],
        means: [best.2.mean, rival.2.mean],
        difference,
    };
    let baseline = baseline.map(|(name, _, found)| (&name[..], *found));
    duel.sentence() + &baseline_beside(runs.len(), baseline)
}
