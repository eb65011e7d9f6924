//! What runs cost.

use super::table::{Row, Table, duration};
use crate::store::run::{Card, TrainedOn};

/// What a run cost, summed over its networks.
pub(super) struct Cost {
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
    pub(super) fn of<D: TrainedOn>(name: &str, card: &Card<D>) -> Self {
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
pub(super) fn table(costs: &[Cost]) -> Table {
    let rows = costs.iter().map(|cost| Row {
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
    let headings =
        ["", "networks", "parameters", "training", "samples seen", "best epoch", "device"].map(str::to_owned);
    Table { title: "Size and cost of training".into(), headings: headings.to_vec(), rows: rows.collect() }
}

/// The same as rows of a CSV file, headings first.
pub(super) fn rows(costs: &[Cost]) -> Vec<Vec<String>> {
    let headings = ["run", "networks", "parameters", "wall_seconds", "samples_seen", "best_epochs", "device"];
    let mut rows = vec![headings.map(str::to_owned).to_vec()];
    rows.extend(costs.iter().map(|cost| {
        vec![
            cost.name.clone(),
            cost.networks.to_string(),
            cost.parameters.to_string(),
            cost.wall_seconds.to_string(),
            cost.samples_seen.to_string(),
            cost.epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(" "),
            cost.device.clone(),
        ]
    }));
    rows
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
