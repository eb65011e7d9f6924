//! `porecast runs`.

use std::path::PathBuf;

use porecast_base::Result;
use porecast_scoring::evaluate::headline;
use porecast_store::run_list::{self, ListedRun};
use serde_json::json;

use super::print;

/// Arguments of `porecast runs`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  porecast runs\n  porecast runs --json")]
pub struct Args {
    /// Folder with run folders, at any depth.
    #[arg(default_value = "runs")]
    pub folder: PathBuf,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

/// Runs `porecast runs`.
pub fn run(args: Args) -> Result<()> {
    let runs = run_list::runs(&args.folder)?;
    if args.json {
        let all: Vec<_> =
            runs.iter().map(|run| json!({ "run": run, "score": headline(&run.path) })).collect();
        return print(&format!("{:#}\n", json!(all)));
    }
    if runs.is_empty() {
        return print(&format!("no run in {}; `porecast train` makes one\n", args.folder.display()));
    }
    let head = ["run", "task", "dataset", "networks", "epochs", "validation loss", "score"];
    let rows: Vec<[String; 7]> = runs.iter().map(row).collect();
    let widths: [usize; 7] = std::array::from_fn(|column| {
        rows.iter().map(|row| row[column].chars().count()).chain([head[column].len()]).max().unwrap_or(0)
    });
    let line = |cells: [&str; 7]| {
        let cells: Vec<String> =
            cells.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    let rows = rows.iter().map(|row| line(std::array::from_fn(|column| row[column].as_str())));
    print(&(line(head) + &rows.collect::<String>()))
}

fn row(run: &ListedRun) -> [String; 7] {
    let score =
        headline(&run.path).map(|score| format!("{} {:.4} ({})", score.measure, score.value, score.part));
    [
        run.path.display().to_string(),
        run.task.clone(),
        run.dataset.display().to_string(),
        run.networks.to_string(),
        format!("{}{}", run.epochs, if run.is_finished { "" } else { ", unfinished" }),
        run.validation_loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.4}")),
        score.unwrap_or_else(|| "not evaluated".to_owned()),
    ]
}
