//! What runs cost.

use super::compare::ScoredRun;
use super::scored::Scored;
use super::sheet::{Sheet, texts};
use super::table::{Row, Table, duration};
use crate::store::run::{Card, TrainedOn};

/// What a run cost, summed over its networks.
struct Cost {
    name: String,
    device: String,
    networks: usize,
    parameters: usize,
    wall_seconds: f64,
    samples_seen: u64,
    epochs: Vec<usize>,
}

impl Cost {
    /// The cost of a run that is called `name`.
    fn of<C: TrainedOn>(name: &str, card: &Card<C>) -> Self {
        Self {
            name: name.to_owned(),
            device: card.device.clone(),
            networks: card.members.len(),
            parameters: card.members.iter().map(|member| member.parameters).sum(),
            wall_seconds: card.members.iter().map(|member| member.wall_seconds).sum(),
            samples_seen: card.members.iter().map(|member| member.samples_seen).sum(),
            epochs: card.members.iter().map(|member| member.best_epoch).collect(),
        }
    }

    /// The best epochs: each of a few networks, the range of many.
    fn best_epochs(&self) -> String {
        match (self.epochs.iter().min(), self.epochs.iter().max()) {
            (Some(low), Some(high)) if self.epochs.len() > 4 => format!("{low} to {high}"),
            _ => self.epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(", "),
        }
    }
}

/// A row a run.
pub(super) fn table<D: Scored>(scored: &[ScoredRun<D>]) -> Table {
    let rows = costs(scored).map(|cost| Row {
        cells: vec![
            cost.name.clone(),
            cost.networks.to_string(),
            cost.parameters.to_string(),
            duration(cost.wall_seconds),
            cost.samples_seen.to_string(),
            cost.best_epochs(),
            cost.device.clone(),
        ],
        is_baseline: false,
    });
    let headings = ["", "networks", "parameters", "training", "samples seen", "best epoch", "device"];
    Table { title: "Size and cost of training".into(), headings: texts(&headings), rows: rows.collect() }
}

/// The same for other programs.
pub(super) fn sheet<D: Scored>(scored: &[ScoredRun<D>]) -> Sheet {
    let headings = ["run", "networks", "parameters", "wall_seconds", "samples_seen", "best_epochs", "device"];
    let rows = costs(scored).map(|cost| {
        vec![
            cost.name.clone(),
            cost.networks.to_string(),
            cost.parameters.to_string(),
            cost.wall_seconds.to_string(),
            cost.samples_seen.to_string(),
            cost.epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
            cost.device.clone(),
        ]
    });
    Sheet { file: "runs.csv", rows: std::iter::once(texts(&headings)).chain(rows).collect() }
}

fn costs<D: Scored>(scored: &[ScoredRun<D>]) -> impl Iterator<Item = Cost> {
    scored.iter().map(|run| Cost::of(&run.name, &run.card))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_best_epochs_become_a_range() {
        let cost = |epochs: &[usize]| Cost {
            name: String::new(),
            device: String::new(),
            networks: epochs.len(),
            parameters: 0,
            wall_seconds: 0.0,
            samples_seen: 0,
            epochs: epochs.to_vec(),
        };
        assert_eq!(cost(&[7, 3, 9]).best_epochs(), "7, 3, 9");
        assert_eq!(cost(&[7, 3, 9, 4, 5]).best_epochs(), "3 to 9");
    }
}
