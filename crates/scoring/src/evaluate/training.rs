//! The losses of a training.

use std::path::Path;

use crate::figure::{Chart, Charts, Colour, Figure, Series, Stroke};
use porecast_base::Result;
use porecast_store::run::{Card, MemberCard, TrainedOn};
use porecast_store::{RunFolder, table};

/// Draws the losses over the epochs of each network of a run.
pub(super) fn draw<C: TrainedOn>(run: &RunFolder, card: &Card<C>, folder: &Path) -> Result<()> {
    charts(run, card)?.map_or(Ok(()), |charts| charts.save(folder, "training"))
}

/// The losses over the epochs of each network of a run; none if it came without its history.
///
/// # Errors
/// The history cannot be read.
pub fn charts<C: TrainedOn>(run: &RunFolder, card: &Card<C>) -> Result<Option<Charts>> {
    let mut charts = Vec::new();
    for member in &card.members {
        let path = run.member(&member.folder).metrics_path();
        // A run that came without its history is scored all the same.
        if path.exists() {
            charts.push(loss_chart(&card.name, member, &path)?);
        }
    }
    if charts.is_empty() {
        return Ok(None);
    }
    let is_single = charts.len() == 1;
    Ok(Some(Charts {
        title: if is_single {
            String::new()
        } else {
            "Loss over the epochs, a chart for each network".into()
        },
        charts,
        columns: if is_single { 1 } else { 3 },
        cell: if is_single { (760, 360) } else { (380, 280) },
    }))
}

fn loss_chart(run_name: &str, member: &MemberCard, path: &Path) -> Result<Chart> {
    // An absent value (a run without validation domains) is a gap in the line, not an error.
    let rows = table::read_columns(path, ["epoch", "train_loss", "validation_loss"])?;
    let train_points = rows.iter().map(|[epoch, train, _]| (*epoch, *train)).collect();
    let validation_points = rows.iter().map(|[epoch, _, validation]| (*epoch, *validation)).collect();
    let name = match (member.frame, member.fold) {
        (Some(frame), _) => format!("frame {frame}"),
        (None, Some(fold)) => format!("fold {fold}"),
        (None, None) if member.folder == Path::new(".") => run_name.to_owned(),
        (None, None) => member.folder.display().to_string(),
    };
    Ok(Chart {
        title: format!("{name}: loss, best at epoch {}", member.best_epoch),
        x_label: "epoch".into(),
        y_label: "loss".into(),
        series: vec![
            Series::line("training", Colour::Faint, Stroke::Solid, train_points),
            Series::line("validation", Colour::Run(0), Stroke::Solid, validation_points),
        ],
    })
}
