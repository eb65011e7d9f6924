//! The runs in a folder.

use std::path::Path;

use porecast_base::{Error, Result};
use porecast_store::run::{Card, DatasetCard, MemberCard, SegmentationCard};
use porecast_store::{RunFolder, Task};

use super::Inspection;

/// The run folders directly in a folder, sorted by name.
///
/// # Errors
/// The folder cannot be listed.
pub(super) fn in_folder(folder: &Path) -> Result<Vec<RunFolder>> {
    let entries = std::fs::read_dir(folder).map_err(|e| Error::unreadable(folder, e))?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let is_hidden =
        |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let runs = paths.into_iter().filter(|path| !is_hidden(path)).map(RunFolder::new);
    Ok(runs.filter(|run| run.card_path().exists()).collect())
}

/// Lists runs with their task, epochs and best validation loss, the mean over the networks of a run.
pub(super) fn list(runs: &[RunFolder]) -> Inspection {
    Inspection {
        facts: vec![("kind", "folder of runs".to_owned()), ("runs", runs.len().to_string())],
        table: Some((
            vec!["folder", "name", "task", "networks", "epochs", "best loss"],
            runs.iter().map(row).collect(),
        )),
        picture: None,
    }
}

fn row(run: &RunFolder) -> Vec<String> {
    let folder = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let task = Task::of(run.path());
    let read = match task {
        Task::Invasion => run.card_of::<DatasetCard>().map(|Card { name, members, .. }| (name, members)),
        Task::Segmentation => {
            run.card_of::<SegmentationCard>().map(|Card { name, members, .. }| (name, members))
        }
    };
    let (name, members): (String, Vec<MemberCard>) = match read {
        Ok(read) => read,
        Err(_) => return vec![folder, "cannot be read".into(), "".into(), "".into(), "".into(), "".into()],
    };
    let task = match task {
        Task::Invasion => "invasion",
        Task::Segmentation => "segmentation",
    };
    let epochs = members.iter().map(|member| member.epochs).max().unwrap_or(0);
    let loss = members.iter().map(|member| member.best_validation_loss).sum::<f64>() / members.len() as f64;
    let loss = if members.is_empty() { "-".to_owned() } else { format!("{loss:.6}") };
    vec![folder, name, task.to_owned(), members.len().to_string(), epochs.to_string(), loss]
}
