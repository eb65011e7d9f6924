//! The pages of sequences.

use std::path::Path;

use super::page::escape;
use super::{Content, configurations, listed};
use crate::evaluate::compare::card_and_scores;
use crate::evaluate::invasions::compare::Comparison;
use crate::evaluate::invasions::measure::Measure;
use crate::evaluate::invasions::{ScoredDataset, Scores};
use crate::evaluate::invasions::{answer, figures, samples, tables};
use crate::figure::film::Film;
use crate::figure::{Colour, Drawing};
use porecast_base::Result;
use porecast_store::RunFolder;
use porecast_store::document::Document;
use porecast_store::run::{AlsoTrainedOn, ComparisonFolder, RunCard};

/// Heading of the player.
const PLAYER: &str = "The invasion, frame by frame";
/// Heading of the definitions.
const DEFINED: &str = "What the measures and baselines are";

/// What the page of a run says.
///
/// # Errors
/// The run was not evaluated since its training.
pub(super) fn run_page(run: &RunFolder) -> Result<Content> {
    let (card, scores) = card_and_scores(run.path(), |scores: &Scores| scores.run.as_ref())?;
    let film = samples::read_film(&run.evaluation().samples_path())?;
    let mut drawings = vec![("Error over time".to_owned(), Drawing::Charts(figures::squared_error(&scores)))];
    drawings.push(("Measures".into(), Drawing::Dots(figures::run_measures(&scores))));
    drawings.extend(figures::run_forest(&scores).map(|forest| ("Paired differences".into(), forest)));
    drawings.push(("Saturation".into(), Drawing::Charts(figures::saturation(&scores))));
    let reliability = figures::reliability(&scores);
    drawings.push(("Reliability".into(), Drawing::Charts(reliability.into())));
    Ok(Content {
        answer: answer::of_run(&scores),
        facts: vec![split_text(&card), dataset_text(&scores.dataset)],
        film: Some((PLAYER, film)),
        drawings,
        folded: &[("Panel of some frames", "panel"), ("Where it errs", "errors")],
        tables: tables::overview(&scores),
        details: vec![(DEFINED.into(), definitions(&scores.baselines))],
        notes: scores.notes,
        ..Content::default()
    })
}

/// What the page of a comparison says.
///
/// # Errors
/// The folder holds no comparison that can be read.
pub(super) fn comparison_page(folder: &Path) -> Result<Content> {
    let files = ComparisonFolder::new(folder);
    let comparison = Comparison::read(&files.comparison_path())?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    let definitions = (DEFINED.to_owned(), definitions(&comparison.baselines));
    Ok(Content {
        title: format!("Comparison of {}", listed(&names)),
        answer: comparison.answer,
        facts: vec![split_text(&comparison.runs[0].card), dataset_text(&comparison.dataset)],
        film: Some((PLAYER, joint_film(&files, &names)?)),
        drawings: comparison.drawings,
        details: std::iter::once(definitions)
            .chain(configurations(comparison.runs.into_iter().map(|run| (run.name, run.config))))
            .collect(),
        notes: comparison.notes,
        tables: comparison.tables,
        ..Content::default()
    })
}

/// The films of several runs as one: the truth, the prediction of each run, and the baseline.
fn joint_film(comparison: &ComparisonFolder, names: &[&str]) -> Result<Film> {
    let films = (0..names.len()).map(|n| samples::read_film(&comparison.samples_path(n)));
    let films = films.collect::<Result<Vec<_>>>()?;
    let frames = |film: &Film| film.domains.first().map_or(0, |domain| domain.frames.len());
    let longest = (0..films.len()).max_by_key(|&n| (frames(&films[n]), films.len() - n)).unwrap_or(0);
    let mut joint = films[longest].clone();
    for domain in &mut joint.domains {
        let predictions = films.iter().enumerate().filter_map(|(n, film)| {
            let own = film.domains.iter().find(|own| own.id == domain.id)?;
            let mut prediction = own.sequences.iter().find(|one| one.colour == Colour::Run(0))?.clone();
            prediction.at = match own.frames == domain.frames {
                true => Vec::new(),
                false => {
                    domain.frames.iter().map(|frame| own.frames.iter().position(|f| f == frame)).collect()
                }
            };
            prediction.name = names[n].to_owned();
            prediction.colour = Colour::Run(n);
            Some(prediction)
        });
        let predictions: Vec<_> = predictions.collect();
        domain.sequences.retain(|one| one.colour != Colour::Run(0));
        let place = domain.sequences.len().min(1);
        domain.sequences.splice(place..place, predictions);
    }
    joint.shorten();
    Ok(joint)
}

fn split_text(card: &RunCard) -> String {
    let counts = card
        .split
        .parts()
        .map(|(part, ids)| format!("{} {}", ids.len(), if part == "train" { "training" } else { part }));
    let mut text = format!("{} domains", listed(&counts.each_ref().map(String::as_str)));
    for AlsoTrainedOn { shape: (_, height, width), domains, .. } in &card.dataset.also {
        text += &format!("; {} training domains of {height} × {width} pixels", domains.len());
    }
    text
}

fn dataset_text(dataset: &ScoredDataset) -> String {
    let (frames, height, width) = dataset.shape;
    format!(
        "{frames} frames of {height} × {width} pixels, inlet at the {} ({})",
        dataset.inlet, dataset.simulator
    )
}

fn definitions(baselines: &[String]) -> String {
    let measures = Measure::ALL
        .map(|m| format!("<dt>{}</dt><dd>{}</dd>", escape(m.heading()), escape(m.explanation())))
        .concat();
    let breakthrough = "<dt>|Δ breakthrough|</dt><dd>absolute error of the breakthrough time (when the invading fluid first \
                        touches the outlet), over the domains with breakthrough in prediction and truth; in brackets: the \
                        number of domains in which both agree on whether breakthrough occurs</dd>";
    let baselines: String = baselines.iter().map(|text| format!("<li>{}</li>", escape(text))).collect();
    format!("<dl>{measures}{breakthrough}</dl><ul>{baselines}</ul>")
}
