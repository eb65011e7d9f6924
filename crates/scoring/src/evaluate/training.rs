//! The losses of a training.

use std::path::Path;

use crate::figure::{Chart, Charts, Figure, Series, Stroke, palette};
use porecast_base::{Error, Result};
use porecast_store::RunFolder;
use porecast_store::run::{Card, MemberCard, TrainedOn};

/// Draws the losses over the epochs of each network of a run.
pub(super) fn draw<C: TrainedOn>(run: &RunFolder, card: &Card<C>, folder: &Path) -> Result<()> {
    let mut charts = Vec::new();
    for member in &card.members {
        let path = run.member_path(member).join("metrics.csv");
        // A run that came without its history is scored all the same.
        if path.exists() {
            charts.push(loss_chart(&card.name, member, &path)?);
        }
    }
    if charts.is_empty() {
        return Ok(());
    }
    let is_single = charts.len() == 1;
    Charts {
        title: if is_single {
            String::new()
        } else {
            "Loss over the epochs, a chart for each network".into()
        },
        charts,
        columns: if is_single { 1 } else { 3 },
        cell: if is_single { (760, 360) } else { (380, 280) },
    }
    .save(folder, "training")
}

fn loss_chart(run_name: &str, member: &MemberCard, path: &Path) -> Result<Chart> {
    let bad = |what: String| Error::input(path, what);
    let mut reader = csv::Reader::from_path(path).map_err(|e| bad(format!("cannot be read: {e}")))?;
    let headings = reader.headers().map_err(|e| bad(format!("has no headings: {e}")))?.clone();
    let column = |name: &str| {
        headings.iter().position(|h| h == name).ok_or_else(|| bad(format!("has no column {name:?}")))
    };
    let (epoch, train, validation) = (column("epoch")?, column("train_loss")?, column("validation_loss")?);
    let (mut train_points, mut validation_points) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|e| bad(format!("is broken: {e}")))?;
        // An absent value (a run without validation domains) is a gap in the line, not an error.
        let value = |column: usize| record.get(column).and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
        train_points.push((value(epoch), value(train)));
        validation_points.push((value(epoch), value(validation)));
    }
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
            Series::line("training", palette::FAINT_INK, Stroke::Solid, train_points),
            Series::line("validation", palette::line(0), Stroke::Solid, validation_points),
        ],
    })
}
