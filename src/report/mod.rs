//! One self-contained page for a run or a comparison: `porecast report`.
//!
//! The page holds its figures, pictures, style and script itself: it opens from disk and asks nothing of a network.

mod masks;
mod page;
mod viewer;

use std::fs;
use std::path::Path;

use page::{Page, escape};
use viewer::Viewer;

use crate::cli::{ReportArgs, Verbosity};
use crate::error::{Error, Result};
use crate::evaluate::compare::Comparison;
use crate::evaluate::compared;
use crate::evaluate::document::Document;
use crate::evaluate::masks::compare::MaskComparison;
use crate::evaluate::measure::Measure;
use crate::evaluate::scores::{ScoredDataset, Scores};
use crate::evaluate::tables;
use crate::store::run::{Card, RunCard, TrainedOn};
use crate::store::{RunFolder, atomic};

/// Runs `porecast report`: writes the page of an evaluated run or of a comparison.
///
/// # Errors
/// The folder is neither, or was not evaluated; the output exists or cannot be written.
pub fn run(args: &ReportArgs, verbosity: Verbosity) -> Result<()> {
    let output = args.output.clone().unwrap_or_else(|| args.input.join("report.html"));
    if output.exists() && !args.force {
        return Err(Error::exists(&output));
    }
    let run = RunFolder::new(&args.input);
    let comparison = args.input.join(compared::FILE);
    let page = if MaskComparison::is_at(&comparison) {
        masks::comparison_page(&args.input)?
    } else if comparison.exists() {
        comparison_page(&args.input)?
    } else if run.is_segmentation() {
        masks::run_page(&run)?
    } else if run.card_path().exists() {
        run_page(&run)?
    } else {
        return Err(Error::input(
            &args.input,
            "is neither a run folder nor a comparison; pass a folder made by `porecast train` or `porecast compare`",
        ));
    };
    atomic::write(&output, page.to_html().as_bytes())?;
    if !verbosity.quiet {
        page::print_line(&format!("report: {}", output.display()));
    }
    Ok(())
}

fn run_page(run: &RunFolder) -> Result<Page> {
    let card = run.card()?;
    let folder = run.evaluation_path();
    let scores = Scores::read(&folder.join("scores.json"))?;
    let mut page = Page::new(&card.name);
    page.subtitle(&[split_text(&card), dataset_text(&scores.dataset), run_text(&card)]);
    page.lead(&headline(&scores));
    page.notes(&scores.notes);
    page.section("The invasion, frame by frame", &Viewer::of_run(&folder.join("samples"))?.to_html());
    page.section("Error over time", &figure(&folder, "mse")?.unwrap_or_default());
    for table in tables::overview(&scores) {
        page.table(&table);
    }
    for (heading, stem) in [
        ("Saturation", "saturation"),
        ("Panel", "panel"),
        ("Where it errs", "errors"),
        ("Training", "training"),
    ] {
        if let Some(figure) = figure(&folder, stem)? {
            page.section(heading, &figure);
        }
    }
    page.details("What the measures and baselines are", &definitions(&scores.baselines));
    page.details(
        "Resolved configuration",
        &configuration(&fs::read_to_string(run.config_path()).unwrap_or_default()),
    );
    Ok(page)
}

fn comparison_page(folder: &Path) -> Result<Page> {
    let comparison = Comparison::read(&folder.join(compared::FILE))?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    let mut page = Page::new(&format!("Comparison of {}", listed(&names)));
    page.subtitle(&[split_text(&comparison.runs[0].card), dataset_text(&comparison.dataset)]);
    page.notes(&comparison.notes);
    page.section("Error over time", &figure(folder, "mse")?.unwrap_or_default());
    for table in &comparison.tables {
        page.table(table);
    }
    page.section(
        "The invasion, frame by frame",
        &Viewer::of_comparison(&folder.join("samples"), &names)?.to_html(),
    );
    page.details("What the measures and baselines are", &definitions(&comparison.baselines));
    for run in &comparison.runs {
        page.details(&format!("Resolved configuration of {}", run.name), &configuration(&run.config));
    }
    Ok(page)
}

/// What the evaluation found, in a sentence.
fn headline(scores: &Scores) -> String {
    let Some(part) = scores.main_part() else { return String::new() };
    let error = |source: &crate::evaluate::scores::SourceScores| {
        source.summary(&part.frames()).over_time.get(&Measure::Mse).copied()
    };
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
        part.domain_ids().len(),
        escape(&part.part),
        found.mean,
        found.low,
        found.high,
        escape(&baselines.join(", "))
    )
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

fn run_text<D: TrainedOn>(card: &Card<D>) -> String {
    let parameters: usize = card.members.iter().map(|member| member.parameters).sum();
    let networks = match card.members.len() {
        1 => "one network".to_owned(),
        n => format!("{n} networks"),
    };
    format!(
        "{networks}, {parameters} parameters, trained on {} with seed {}, porecast {}",
        card.device, card.seed, card.porecast
    )
}

/// Names in a sentence: `a, b and c`.
fn listed(names: &[&str]) -> String {
    match names {
        [] => String::new(),
        [one] => (*one).to_owned(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

/// A figure of the evaluation as inline SVG, which the style of the page can recolour for the dark.
fn figure(folder: &Path, stem: &str) -> Result<Option<String>> {
    let path = folder.join(format!("{stem}.svg"));
    match fs::read_to_string(&path) {
        Ok(svg) => Ok(Some(format!("<figure>{svg}</figure>"))),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(Error::input(&path, format!("cannot be read: {e}"))),
    }
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

fn configuration(text: &str) -> String {
    format!("<pre>{}</pre>", escape(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_listed_as_in_a_sentence() {
        assert_eq!(
            [listed(&["a"]), listed(&["a", "b"]), listed(&["a", "b", "c"])],
            ["a", "a and b", "a, b and c"]
        );
    }
}
