//! One self-contained page for a run, a comparison, a prediction or a dataset: `porecast report`.
//!
//! The page holds its figures, pictures, style and script itself: it opens from disk, without network. It begins
//! with the answer, then come the player and the charts; tables are folded.

mod images;
mod invasions;
mod masks;
mod page;
mod player;
mod sequences;
pub mod trials;

use std::path::{Path, PathBuf};

use page::{Page, escape};

use crate::evaluate::table::Table;
use crate::evaluate::training;
use crate::figure::Drawing;
use crate::figure::film::Film;
use porecast_base::{Error, Result, atomic, lock, output};
use porecast_store::run::{Card, ComparisonFolder, DatasetCard, SegmentationCard, TrainedOn};
use porecast_store::{PredictionFolder, RunFolder, Task, document, listing, mask_prediction, segmentation};

/// Headings and names of the figures in a folder.
type Figures = &'static [(&'static str, &'static str)];

/// What a page says, in the order of the page.
#[derive(Default)]
struct Content {
    title: String,
    /// The sentence to read if only one is read.
    answer: String,
    /// Split, dataset and run, in words.
    facts: Vec<String>,
    /// Notes for the reader.
    notes: Vec<String>,
    /// Sequences for the player, under a heading.
    film: Option<(&'static str, Film)>,
    /// Figures of the folder to look at first.
    pictures: &'static [&'static str],
    /// Charts with their headings.
    drawings: Vec<(String, Drawing)>,
    /// Figures of the folder that are folded.
    folded: Figures,
    /// The tables, folded.
    tables: Vec<Table>,
    /// Further sections, as HTML.
    sections: Vec<(&'static str, String)>,
    /// Definitions and configurations, folded: summary and HTML.
    details: Vec<(String, String)>,
}

/// Options of `porecast report`.
#[derive(Debug, Clone)]
pub struct ReportOptions {
    /// Run, comparison or folder of a prediction; or a dataset or predictions in HDF5.
    pub input: PathBuf,
    /// HTML file; without it, `report.html` in the folder, or beside the file under its name.
    pub output: Option<PathBuf>,
    /// Replace an existing file.
    pub force: bool,
}

/// Writes the page of an evaluated run, a comparison, a prediction or a dataset; returns its path.
///
/// # Errors
/// The input is none of these, or a run that was not evaluated; the output exists or cannot be written.
pub fn run(options: &ReportOptions) -> Result<PathBuf> {
    let input = &options.input;
    let output = options.output.clone().unwrap_or_else(|| match input.is_dir() {
        true => RunFolder::new(input).report_path(),
        false => input.with_extension("html"),
    });
    output::check(&output, &[input], options.force)?;
    let _held = lock::hold(&output)?;
    let run = RunFolder::new(input);
    let prediction = PredictionFolder::new(input);
    let page = if ComparisonFolder::new(input).comparison_path().exists() {
        let content = match Task::of(input) {
            Task::Invasion => invasions::comparison_page(input)?,
            Task::Segmentation => masks::comparison_page(input)?,
        };
        page_of(content, input)?
    } else if run.card_path().exists() {
        let content = match Task::of(input) {
            Task::Invasion => of_run(&run, &run.card_of::<DatasetCard>()?, invasions::run_page(&run)?)?,
            Task::Segmentation => of_run(&run, &run.card_of::<SegmentationCard>()?, masks::run_page(&run)?)?,
        };
        page_of(content, &run.evaluation_path())?
    } else if prediction.predictions_path().exists() {
        page_of(of_file(&prediction.predictions_path(), &output)?, input)?
    } else if prediction.masks_path().exists() {
        page_of(images::of_masks(input, &output)?, input)?
    } else if input.is_dir() {
        return Err(Error::input(
            input,
            "is neither a run folder nor a comparison nor a prediction; pass a folder made by `porecast train`, `porecast \
             compare` or `porecast predict`, or an HDF5 file",
        ));
    } else {
        page_of(of_file(input, &output)?, input)?
    };
    atomic::write(&output, page.to_html().as_bytes())?;
    Ok(output)
}

/// What the page of a dataset or of predictions says; the page is written to `output`.
fn of_file(path: &Path, output: &Path) -> Result<Content> {
    match listing::hdf5_format(path)?.as_deref() {
        Some(porecast_store::prediction::FORMAT) => sequences::of_predictions(path, output),
        Some(segmentation::FORMAT) => images::of_dataset(path),
        Some(mask_prediction::FORMAT) => images::of_predictions(path, output),
        _ => sequences::of_dataset(path, output),
    }
}

/// Says which file a page shows: by its name if it lies beside the page.
fn read_from(path: &Path, page: &Path) -> String {
    let is_beside = path.parent() == page.parent();
    let shown = path.file_name().filter(|_| is_beside).map_or(path, Path::new);
    format!("read from {}", shown.display())
}

/// Adds what the page of a run has in common for all tasks.
fn of_run<C: TrainedOn>(run: &RunFolder, card: &Card<C>, mut content: Content) -> Result<Content> {
    content.title = card.name.clone();
    content.facts.push(run_text(card));
    let losses = training::charts(run, card)?;
    content.drawings.extend(losses.map(|charts| ("Training".to_owned(), Drawing::Charts(charts))));
    content.details.push(("Resolved configuration".into(), configuration(&run.config_text())));
    Ok(content)
}

/// Sets a page; figures are read from `folder`.
fn page_of(content: Content, folder: &Path) -> Result<Page> {
    let mut page = Page::new(&content.title);
    page.answer(&content.answer);
    page.facts(&content.facts);
    page.notes(&content.notes);
    if let Some((heading, film)) = &content.film {
        page.section(heading, &player::html(film));
    }
    let pictures = content.pictures.iter().map(|stem| picture(folder, stem)).collect::<Result<Vec<_>>>()?;
    let pictures: String = pictures.into_iter().flatten().collect();
    if !pictures.is_empty() {
        page.section("Images", &pictures);
    }
    content.sections.iter().for_each(|(heading, html)| page.section(heading, html));
    content.drawings.iter().for_each(|(heading, drawing)| page.drawing(heading, drawing));
    for table in &content.tables {
        page.details(&table.title, &page::table(table));
    }
    for (heading, stem) in content.folded {
        if let Some(svg) = figure(folder, stem)? {
            page.details(heading, &svg);
        }
    }
    content.details.iter().for_each(|(summary, html)| page.details(summary, html));
    Ok(page)
}

/// Pictures of a folder in HTML, which fits every width; of an older evaluation as a figure.
fn picture(folder: &Path, stem: &str) -> Result<Option<String>> {
    match document::read_text_if_present(&folder.join(format!("{stem}.html")))? {
        Some(html) => Ok(Some(html)),
        None => figure(folder, stem),
    }
}

/// A figure of a folder as inline SVG, which the style of the page can recolour for the dark; `None` without it.
fn figure(folder: &Path, stem: &str) -> Result<Option<String>> {
    let svg = document::read_text_if_present(&folder.join(format!("{stem}.svg")))?;
    Ok(svg.map(|svg| format!("<div class=\"scroll\">{svg}</div>")))
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

/// The configurations of compared runs, folded.
fn configurations(runs: impl Iterator<Item = (String, String)>) -> impl Iterator<Item = (String, String)> {
    runs.map(|(name, config)| (format!("Resolved configuration of {name}"), configuration(&config)))
}

/// Links to the files beside the page, where it lies beside them.
fn files(path: &Path, output: &Path) -> Option<(&'static str, String)> {
    let folder = path.parent()?;
    if folder != output.parent()? {
        return None;
    }
    let beside = PredictionFolder::new(folder);
    let link = |path: &Path, words: Option<String>| {
        let name = path.strip_prefix(folder).ok()?.to_string_lossy().into_owned();
        let address = name.replace('%', "%25").replace('#', "%23").replace('?', "%3F");
        let words = words.unwrap_or(name);
        path.exists().then(|| format!("<a href=\"./{}\">{}</a>", escape(&address), escape(&words)))
    };
    let names = [
        path,
        &beside.notes_path(),
        &beside.animation_path(),
        &beside.saturation_path(),
        &beside.sheet_path(),
    ];
    let names: Vec<String> = names.into_iter().filter_map(|path| link(path, None)).collect();
    let frame = |t: usize| link(&beside.frame_path(t), Some(t.to_string()));
    let frames: Vec<String> = (0..).map_while(frame).collect();
    let mut html = names.join(" · ");
    if !frames.is_empty() {
        html += &format!("<br>\nFrames as pictures: {}", frames.join(" "));
    }
    Some(("Files", format!("<p>{html}</p>")))
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
