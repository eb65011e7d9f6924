//! The runs in a folder, as `porecast runs` lists them.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::RunFolder;
use super::run::{MemberCard, SegmentationCard, TrainedOn};
use porecast_base::{Error, Result, atomic};

/// How deep runs are looked for.
const DEPTH: usize = 4;

/// A run in a folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ListedRun {
    /// Its folder.
    pub path: PathBuf,
    /// Its name.
    pub name: String,
    /// `invasion`, `segmentation` or, of a run that is damaged, `cannot be read`.
    pub task: String,
    /// The dataset that it was trained on.
    pub dataset: PathBuf,
    /// Number of trained networks.
    pub networks: usize,
    /// Epochs of the network with the most.
    pub epochs: usize,
    /// Parameters of a network; 0 before the first is trained.
    pub parameters: usize,
    /// Mean of the networks' lowest validation losses; `None` before the first is trained.
    pub validation_loss: Option<f64>,
    /// Seconds of training, all networks together.
    pub wall_seconds: f64,
    /// Whether the training of every network that was begun has ended.
    pub is_finished: bool,
}

/// The runs in a folder and in the folders below it, by path; the folder itself may be a run.
///
/// # Errors
/// The folder cannot be read.
pub fn runs(folder: &Path) -> Result<Vec<ListedRun>> {
    std::fs::read_dir(folder).map_err(|e| Error::unreadable(folder, e))?;
    let mut found = Vec::new();
    look(folder, DEPTH, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn look(folder: &Path, depth: usize, found: &mut Vec<ListedRun>) {
    let run = RunFolder::new(folder);
    if run.card_path().is_file() {
        found.push(listed(&run).unwrap_or_else(|| unreadable(folder)));
        return;
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|_| depth > 0) {
        // Links could lead in a circle.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !atomic::is_temporary(&entry.file_name()) {
            look(&entry.path(), depth - 1, found);
        }
    }
}

fn unreadable(folder: &Path) -> ListedRun {
    ListedRun {
        path: folder.to_owned(),
        name: String::new(),
        task: "cannot be read".to_owned(),
        dataset: PathBuf::new(),
        networks: 0,
        epochs: 0,
        parameters: 0,
        validation_loss: None,
        wall_seconds: 0.0,
        is_finished: false,
    }
}

fn listed(run: &RunFolder) -> Option<ListedRun> {
    #[derive(Deserialize)]
    struct Card {
        format: String,
        name: String,
        dataset: Dataset,
        members: Vec<MemberCard>,
    }
    #[derive(Deserialize)]
    struct Dataset {
        path: PathBuf,
    }
    let card: Card = serde_json::from_slice(&std::fs::read(run.card_path()).ok()?).ok()?;
    let members = &card.members;
    let losses: f64 = members.iter().map(|member| member.best_validation_loss).sum();
    let is_segmentation = card.format == SegmentationCard::FORMAT;
    Some(ListedRun {
        path: run.path().to_owned(),
        name: card.name,
        task: if is_segmentation { "segmentation" } else { "invasion" }.to_owned(),
        dataset: card.dataset.path,
        networks: members.len(),
        epochs: members.iter().map(|member| member.epochs).max().unwrap_or(0),
        parameters: members.first().map_or(0, |member| member.parameters),
        validation_loss: (!members.is_empty()).then(|| losses / members.len() as f64),
        wall_seconds: members.iter().map(|member| member.wall_seconds).sum(),
        is_finished: !members.is_empty() && members.iter().all(|member| member.is_finished),
    })
}
