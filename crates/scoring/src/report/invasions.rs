//! The pages of sequences.

use std::path::Path;

use super::page::escape;
use super::viewer::Viewer;
use super::{ComparisonPage, Figures, RunPage, listed};
use crate::evaluate::invasions::compare::Comparison;
use crate::evaluate::invasions::measure::Measure;
use crate::evaluate::invasions::tables;
use crate::evaluate::invasions::{ScoredDataset, Scores, SequenceScores};
use porecast_base::Result;
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{ComparisonFolder, RunCard};

/// Heading of the player.
const VIEWER: &str = "The invasion, frame by frame";
/// Heading of the definitions.
const DEFINED: &str = "What the measures and baselines are";

/// The figure over the tables.
const ERROR: Figures = &[("Error over time", "mse")];

/// What the page of a run says.
///
/// # Errors
/// The run was not evaluated.
pub(super) fn run_page(run: &RunFolder) -> Result<RunPage> {
    let scores = Scores::read(&run.evaluation().scores_path())?;
    let viewer = Viewer::of_run(&run.evaluation().samples_path())?;
    Ok(RunPage {
        split: split_text(&run.card()?),
        dataset: dataset_text(&scores.dataset),
        headline: headline(&scores),
        viewer: Some((VIEWER, viewer.to_html())),
        first_figures: ERROR,
        tables: tables::overview(&scores),
        figures: &[
            ("Saturation", "saturation"),
            ("Reliability", "reliability"),
            ("Panel", "panel"),
            ("Where it errs", "errors"),
        ],
        definitions: (DEFINED, definitions(&scores.baselines)),
        notes: scores.notes,
    })
}

/// What the page of a comparison says.
///
/// # Errors
/// The folder holds no comparison that can be read.
pub(super) fn comparison_page(folder: &Path) -> Result<ComparisonPage> {
    let files = ComparisonFolder::new(folder);
    let comparison = Comparison::read(&files.comparison_path())?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    let viewer = Viewer::of_comparison(&files, &names)?;
    Ok(ComparisonPage {
        split: split_text(&comparison.runs[0].card),
        dataset: dataset_text(&comparison.dataset),
        figures: ERROR,
        viewer: Some((VIEWER, viewer.to_html())),
        definitions: (DEFINED, definitions(&comparison.baselines)),
        runs: comparison.runs.into_iter().map(|run| (run.name, run.config)).collect(),
        notes: comparison.notes,
        tables: comparison.tables,
    })
}

fn split_text(card: &RunCard) -> String {
    let counts = card
        .split
        .parts()
        .map(|(part, ids)| format!("{} {}", ids.len(), if part == "train" { "training" } else { part }));
    format!("{} domains", listed(&counts.each_ref().map(String::as_str)))
}

fn dataset_text(dataset: &ScoredDataset) -> String {
    let (frames, height, width) = dataset.shape;
    format!(
        "{frames} frames of {height} × {width} pixels, inlet at the {} ({})",
        dataset.inlet, dataset.simulator
    )
}

fn headline(scores: &Scores) -> String {
    let Some(part) = scores.main_part() else { return String::new() };
    let error =
        |source: &SequenceScores| source.summary(&part.frames()).over_time.get(&Measure::Mse).copied();
    let Some(found) = part.sources.first().and_then(error) else { return String::new() };
    let baselines: Vec<String> = part
        .sources
        .iter()
        .filter(|source| source.is_baseline)
        .filter_map(|source| Some(format!("{} {:.4}", source.source, error(source)?.mean)))
        .collect();
    format!(
        "Mean squared error in the pore space of {} {} domains: <strong>{:.4}</strong> (95 % interval {:.4} to {:.4}). \
         Baselines: {}.",
        part.ids().len(),
        escape(&part.part),
        found.mean,
        found.low,
        found.high,
        escape(&baselines.join(", "))
    )
}

fn definitions(baselines: &[String]) -> String {
    let measures = Measure::ALL
        .map(|m| format!("<dt>{}</dt><dd>{}</dd>", escape(m.heading()), escape(m.explanation())))
        .concat();
    let breakthrough = "<dt>|Δ breakthrough|</dt><dd>absolute error of the first time at which the outlet is touched, over \
                        the domains in which prediction and truth both touch it; in brackets the domains in which they \
                        agree on whether it is touched at all</dd>";
    let baselines: String = baselines.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
    format!("<dl>{measures}{breakthrough}</dl><ul>{baselines}</ul>")
}
