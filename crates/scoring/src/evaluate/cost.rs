//! What runs cost.

use super::compare::ScoredRun;
use super::sheet::{Sheet, texts};
use super::table::{Row, Table, duration};
use porecast_store::run::TrainedOn;

/// A row a run.
pub(super) fn table<C: TrainedOn, S>(scored: &[ScoredRun<C, S>]) -> Table {
    let headings = ["", "networks", "parameters", "training", "samples seen", "best epoch", "device"];
    let row = |run| Row { cells: cells(run, duration, best_epochs), is_baseline: false };
    Table {
        title: "Size and cost of training".into(),
        headings: texts(&headings),
        rows: scored.iter().map(row).collect(),
    }
}

/// The same for other programs.
pub(super) fn sheet<C: TrainedOn, S>(scored: &[ScoredRun<C, S>]) -> Sheet {
    let headings = ["run", "networks", "parameters", "wall_seconds", "samples_seen", "best_epochs", "device"];
    let row = |run| cells(run, |seconds| seconds.to_string(), |epochs| joined(epochs, " "));
    Sheet {
        file: "runs.csv",
        rows: std::iter::once(texts(&headings)).chain(scored.iter().map(row)).collect(),
    }
}

/// What a run cost, summed over its networks.
fn cells<C: TrainedOn, S>(
    run: &ScoredRun<C, S>,
    duration: fn(f64) -> String,
    best_epochs: fn(&[usize]) -> String,
) -> Vec<String> {
    let members = &run.card.members;
    let epochs: Vec<usize> = members.iter().map(|member| member.best_epoch).collect();
    vec![
        run.name.clone(),
        members.len().to_string(),
        members.iter().map(|member| member.parameters).sum::<usize>().to_string(),
        duration(members.iter().map(|member| member.wall_seconds).sum()),
        members.iter().map(|member| member.samples_seen).sum::<u64>().to_string(),
        best_epochs(&epochs),
        run.card.device.clone(),
    ]
}

/// The best epochs: each of a few networks, the range of many.
fn best_epochs(epochs: &[usize]) -> String {
    match (epochs.iter().min(), epochs.iter().max()) {
        (Some(low), Some(high)) if epochs.len() > 4 => format!("{low} to {high}"),
        _ => joined(epochs, ", "),
    }
}

fn joined(epochs: &[usize], between: &str) -> String {
    epochs.iter().map(usize::to_string).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_best_epochs_become_a_range() {
        assert_eq!(best_epochs(&[7, 3, 9]), "7, 3, 9");
        assert_eq!(best_epochs(&[7, 3, 9, 4, 5]), "3 to 9");
    }
}
