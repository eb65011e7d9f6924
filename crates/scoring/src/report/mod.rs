//! One self-contained page for a run or a comparison: `porecast report`.
//!
//! The page holds its figures, pictures, style and script itself: it opens from disk and asks nothing of a network.

mod invasions;
mod masks;
mod page;
pub mod trials;
mod viewer;

use std::path::{Path, PathBuf};

use page::{Page, escape};

use crate::evaluate::compare::Comparison;
use crate::evaluate::{Scored, Scores};
use porecast_base::Verbosity;
use porecast_base::atomic;
use porecast_base::{Error, Result};
use porecast_store::document::{self, Document};
use porecast_store::run::{Card, ComparisonFolder, TrainedOn};
use porecast_store::{InvasionDataset, RunFolder, SegmentationDataset, Task};

/// Headings and names of figures.
pub type Figures = &'static [(&'static str, &'static str)];

/// A dataset whose runs have a page.
pub trait Reported: Scored {
    /// The figure that runs are compared by.
    const COMPARED: Figures;
    /// The figures over the tables of a run.
    const FIRST: Figures;
    /// The figures under them.
    const FIGURES: Figures;
    /// What the definitions are of.
    const DEFINED: &'static str;

    /// The split of a run, in words.
    fn split_text(card: &Card<Self::Card>) -> String;

    /// The dataset, in words.
    fn dataset_text(dataset: &Self::ScoredOn) -> String;

    /// What the evaluation found, in a sentence of HTML.
    fn headline(scores: &Scores<Self>) -> String;

    /// What measures and baselines are, as HTML; `baselines` where that depends on the dataset.
    fn definitions(baselines: &[String]) -> String;

    /// Samples to go through, under a heading: of a run's evaluation in `folder`, or of the comparison of `runs` there.
    fn viewer(_folder: &Path, _runs: Option<&[&str]>) -> Result<Option<(&'static str, String)>> {
        Ok(None)
    }
}

/// What `porecast report` is asked.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Run folder or comparison folder.
    pub input: PathBuf,
    /// HTML file; `report.html` in the folder when absent.
    pub output: Option<PathBuf>,
    /// Replace an existing file.
    pub force: bool,
}

/// Runs `porecast report`: writes the page of an evaluated run or of a comparison.
///
/// # Errors
/// The folder is neither, or was not evaluated; the output exists or cannot be written.
pub fn run(options: &ReportOptions, verbosity: Verbosity) -> Result<()> {
    match Task::of(&options.input) {
        Task::Invasion => run_on::<InvasionDataset>(options, verbosity),
        Task::Segmentation => run_on::<SegmentationDataset>(options, verbosity),
    }
}

fn run_on<D: Reported>(args: &ReportOptions, verbosity: Verbosity) -> Result<()> {
    let output = args.output.clone().unwrap_or_else(|| RunFolder::new(&args.input).report_path());
    if output.exists() && !args.force {
        return Err(Error::exists(&output));
    }
    let run = RunFolder::new(&args.input);
    let page = if ComparisonFolder::new(&args.input).comparison_path().exists() {
        comparison_page::<D>(&args.input)?
    } else if run.card_path().exists() {
        run_page::<D>(&run)?
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

fn run_page<D: Reported>(run: &RunFolder) -> Result<Page> {
    let card: Card<D::Card> = run.card_of()?;
    let folder = run.evaluation_path();
    let scores = Scores::<D>::read(&run.evaluation().scores_path())?;
    let mut page = Page::new(&card.name);
    page.subtitle(&[D::split_text(&card), D::dataset_text(&scores.dataset), run_text(&card)]);
    page.lead(&D::headline(&scores));
    page.notes(&scores.notes);
    if let Some((heading, html)) = D::viewer(&folder, None)? {
        page.section(heading, &html);
    }
    figures(&mut page, &folder, D::FIRST)?;
    D::overview(&scores).iter().for_each(|table| page.table(table));
    figures(&mut page, &folder, D::FIGURES)?;
    figures(&mut page, &folder, &[("Training", "training")])?;
    page.details(D::DEFINED, &D::definitions(D::baselines(&scores.terms)));
    page.details("Resolved configuration", &configuration(&run.config_text()));
    Ok(page)
}

fn comparison_page<D: Reported>(folder: &Path) -> Result<Page> {
    let comparison = Comparison::<D>::read(&ComparisonFolder::new(folder).comparison_path())?;
    let names: Vec<&str> = comparison.runs.iter().map(|run| run.name.as_str()).collect();
    let mut page = Page::new(&format!("Comparison of {}", listed(&names)));
    page.subtitle(&[D::split_text(&comparison.runs[0].card), D::dataset_text(&comparison.dataset)]);
    page.notes(&comparison.notes);
    figures(&mut page, folder, D::COMPARED)?;
    comparison.tables.iter().for_each(|table| page.table(table));
    if let Some((heading, html)) = D::viewer(folder, Some(&names))? {
        page.section(heading, &html);
    }
    page.details(D::DEFINED, &D::definitions(&comparison.baselines));
    for run in &comparison.runs {
        page.details(&format!("Resolved configuration of {}", run.name), &configuration(&run.config));
    }
    Ok(page)
}

/// Shows the figures that are there, each under its heading: as inline SVG, which the style of the page can recolour for
/// the dark.
fn figures(page: &mut Page, folder: &Path, figures: Figures) -> Result<()> {
    for (heading, stem) in figures {
        let path = folder.join(format!("{stem}.svg"));
        if let Some(svg) = document::read_text_if_present(&path)? {
            page.section(heading, &format!("<figure>{svg}</figure>"));
        }
    }
    Ok(())
}

fn run_text<C: TrainedOn>(card: &Card<C>) -> String {
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
