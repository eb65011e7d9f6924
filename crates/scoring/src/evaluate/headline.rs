//! The one score that a list of runs shows.

use std::path::Path;

use porecast_store::Task;
use serde::Serialize;

use super::compare::card_and_scores;
use super::{invasions, masks};

/// A score of an evaluated run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Headline {
    /// The part of the split: the test part, where it was scored.
    pub part: String,
    /// `mse` (mean squared error, of invasions) or `dice` (of masks).
    pub measure: &'static str,
    /// Its mean over domains or images.
    pub value: f64,
}

/// The score of a run on its own dataset; `None` if it was not evaluated since its training.
pub fn headline(run: &Path) -> Option<Headline> {
    match Task::of(run) {
        Task::Invasion => {
            let (_, scores) =
                card_and_scores(run, |scores: &invasions::scores::Scores| scores.run.as_ref()).ok()?;
            let part = scores.main_part()?;
            let value = part.sources.first()?.mean_over_time(invasions::measure::Measure::Mse);
            Some(Headline { part: part.part.clone(), measure: "mse", value })
        }
        Task::Segmentation => {
            let (_, scores) =
                card_and_scores(run, |scores: &masks::scores::Scores| scores.run.as_ref()).ok()?;
            let part = scores.main_part()?;
            let values = part.main()?.of_images(masks::measure::Measure::Dice, &scores.scored_classes);
            let value = values.iter().sum::<f64>() / values.len().max(1) as f64;
            Some(Headline { part: part.part.clone(), measure: "dice", value })
        }
    }
}
