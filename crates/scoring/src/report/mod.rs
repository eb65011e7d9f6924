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

use crate::evaluate::table::Table;
use porecast_base::{Error, Result, atomic, lock};
use porecast_store::document;
use porecast_store::run::{Card, ComparisonFolder, DatasetCard, SegmentationCard, TrainedOn};
use porecast_store::{RunFolder, Task};

/// Headings and names of figures.
type Figures = &'static [(&'static str, &'static str)];

/// What the page of a run says, in the order of the page.
struct RunPage {
    /// The split, in words.
    split: String,
    /// The dataset, in words.
    dataset: String,
    /// What the evaluation found, in a sentence of HTML.
    headline: String,
    /// Notes for the reader.
    notes: Vec<String>,
    /// Samples to go through, under a heading.
    viewer: Option<(&'static str, String)>,
    /// Figures over the tables.
    first_figures: Figures,
    /// The tables.
    tables: Vec<Table>,
    /// Figures under the tables.
    figures: Figures,
    /// What measures and baselines are: heading and HTML.
    definitions: (&'static str, String),
}

/// What the page of a comparison says, in the order of the page.
struct ComparisonPage {
    /// Name and configuration of each run.
    runs: Vec<(String, String)>,
    /// The split, in words.
    split: String,
    /// The dataset, in words.
    dataset: String,
    /// Notes for the reader.
    notes: Vec<String>,
    /// Figures over the tables.
    figures: Figures,
    /// The tables.
    tables: Vec<Table>,
    /// Samples to go through, under a heading.
    viewer: Option<(&'static str, String)>,
    /// What measures and baselines are: heading and HTML.
    definitions: (&'static str, String),
}

/// Options of `porecast report`.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Run folder or comparison folder.
    pub input: PathBuf,
    /// HTML file; without it, `report.html` in the folder.
    pub output: Option<PathBuf>,
    /// Replace an existing file.
    pub force: bool,
}

/// Writes the page of an evaluated run or of a comparison; returns its path.
///
/// # Errors
/// The folder is neither, or was not evaluated; the output exists or cannot be written.
pub fn run(options: &ReportOptions) -> Result<PathBuf> {
    let run = RunFolder::new(&options.input);
    let output = options.output.clone().unwrap_or_else(|| run.report_path());
    if output.exists() && !options.force {
        return Err(Error::exists(&output));
    }
    let _held = lock::hold(&output)?;
    let page = if ComparisonFolder::new(&options.input).comparison_path().exists() {
        let said = match Task::of(&options.input) {
            Task::Invasion => invasions::comparison_page(&options.input)?,
            Task::Segmentation => masks::comparison_page(&options.input)?,
        };
        comparison_page(&options.input, said)?
    } else if run.card_path().exists() {
        match Task::of(&options.input) {
            Task::Invasion => run_page(&run, &run.card_of::<DatasetCard>()?, invasions::run_page(&run)?)?,
            Task::Segmentation => {
                run_page(&run, &run.card_of::<SegmentationCard>()?, masks::run_page(&run)?)?
            }
        }
    } else {
        return Err(Error::input(
            &options.input,
            "is neither a run folder nor a comparison; pass a folder made by `porecast train` or `porecast compare`",
        ));
    };
    atomic::write(&output, page.to_html().as_bytes())?;
    Ok(output)
}

fn run_page<C: TrainedOn>(run: &RunFolder, card: &Card<C>, said: RunPage) -> Result<Page> {
    let folder = run.evaluation_path();
    let mut page = Page::new(&card.name);
    page.subtitle(&[said.split, said.dataset, run_text(card)]);
    page.lead(&said.headline);
    page.notes(&said.notes);
    if let Some((heading, html)) = said.viewer {
        page.section(heading, &html);
    }
    figures(&mut page, &folder, said.first_figures)?;
    said.tables.iter().for_each(|table| page.table(table));
    figures(&mut page, &folder, said.figures)?;
    figures(&mut page, &folder, &[("Training", "training")])?;
    page.details(said.definitions.0, &said.definitions.1);
    page.details("Resolved configuration", &configuration(&run.config_text()));
    Ok(page)
}

fn comparison_page(folder: &Path, said: ComparisonPage) -> Result<Page> {
    let names: Vec<&str> = said.runs.iter().map(|(name, _)| name.as_str()).collect();
    let mut page = Page::new(&format!("Comparison of {}", listed(&names)));
    page.subtitle(&[said.split, said.dataset]);
    page.notes(&said.notes);
    figures(&mut page, folder, said.figures)?;
    said.tables.iter().for_each(|table| page.table(table));
    if let Some((heading, html)) = said.viewer {
        page.section(heading, &html);
    }
    page.details(said.definitions.0, &said.definitions.1);
    for (name, config) in &said.runs {
        page.details(&format!("Resolved configuration of {name}"), &configuration(config));
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
