//! The pages of sequences.

use std::path::Path;

use super::page::escape;
use super::viewer::Viewer;
use super::{Figures, Reported, listed};
use crate::evaluate::invasions::measure::Measure;
use crate::evaluate::invasions::scores::SequenceScores;
use crate::evaluate::invasions::{ScoredDataset, Scores};
use porecast_base::Result;
use porecast_store::InvasionDataset;
use porecast_store::run::{ComparisonFolder, EvaluationFolder, RunCard};

impl Reported for InvasionDataset {
    const COMPARED: Figures = &[("Error over time", "mse")];
    const FIRST: Figures = Self::COMPARED;
    const FIGURES: Figures = &[("Saturation", "saturation"), ("Panel", "panel"), ("Where it errs", "errors")];
    const DEFINED: &'static str = "What the measures and baselines are";

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

    fn viewer(folder: &Path, runs: Option<&[&str]>) -> Result<Option<(&'static str, String)>> {
        let viewer = match runs {
            None => Viewer::of_run(&EvaluationFolder::new(folder).samples_path())?,
            Some(names) => Viewer::of_comparison(&ComparisonFolder::new(folder), names)?,
        };
        Ok(Some(("The invasion, frame by frame", viewer.to_html())))
    }
}
