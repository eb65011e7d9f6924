//! The frames of some domains behind a slider.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Serialize;

use crate::evaluate::invasions::samples::{SampleEntry, SampleIndex};
use porecast_base::Result;
use porecast_store::document;
use porecast_store::run::ComparisonFolder;

/// Domains shown for each run when several runs are shown: the page is to stay small.
const COMPARED_DOMAINS: usize = 3;

/// What the script of the page is given.
#[derive(Serialize)]
pub(super) struct Viewer {
    /// Width over height of a frame.
    aspect: f64,
    domains: Vec<DomainView>,
}

#[derive(Serialize)]
struct DomainView {
    id: String,
    /// Numbers of the frames under the slider.
    frames: Vec<usize>,
    times: Vec<f64>,
    panes: Vec<Pane>,
}

/// A picture that moves with the slider.
#[derive(Serialize)]
struct Pane {
    title: String,
    /// All frames side by side, as a data URI.
    strip: String,
    /// Frames in the strip.
    count: usize,
    /// Frame of the strip under each position of the slider; none where a run has no such frame.
    at: Vec<Option<usize>>,
    /// What to write under each position.
    text: Vec<String>,
}

impl Viewer {
    /// Truth, prediction and error of one run.
    pub(super) fn of_run(folder: &Path) -> Result<Self> {
        let index = SampleIndex::read(folder)?;
        let domains = index.domains.iter().map(|entry| {
            let frames = &index.frames;
            Ok(DomainView {
                id: entry.domain_id.clone(),
                frames: frames.clone(),
                times: entry.times.clone(),
                panes: vec![
                    truth(folder, &index, entry, frames)?,
                    predicted(folder, &index, entry, frames, "Predicted")?,
                    error(folder, &index, entry, frames, "Predicted − true")?,
                ],
            })
        });
        Ok(Self { aspect: aspect(&index), domains: domains.collect::<Result<_>>()? })
    }

    /// Truth, and prediction and error of each run, `names[n]` is the name of run `n`.
    pub(super) fn of_comparison(comparison: &ComparisonFolder, names: &[&str]) -> Result<Self> {
        let folders: Vec<_> = (0..names.len()).map(|n| comparison.samples_path(n)).collect();
        let indices = folders.iter().map(|folder| SampleIndex::read(folder)).collect::<Result<Vec<_>>>()?;
        let longest =
            (0..names.len()).max_by_key(|&n| (indices[n].frames.len(), names.len() - n)).unwrap_or(0);
        let (main, main_folder) = (&indices[longest], &folders[longest]);
        let domains = main.domains.iter().take(COMPARED_DOMAINS).map(|entry| {
            let mut panes = vec![truth(main_folder, main, entry, &main.frames)?];
            for ((folder, index), name) in folders.iter().zip(&indices).zip(names) {
                if let Some(own) = index.domains.iter().find(|own| own.domain_id == entry.domain_id) {
                    panes.push(predicted(folder, index, own, &main.frames, name)?);
                    panes.push(error(folder, index, own, &main.frames, &format!("{name} − true"))?);
                }
            }
            Ok(DomainView {
                id: entry.domain_id.clone(),
                frames: main.frames.clone(),
                times: entry.times.clone(),
                panes,
            })
        });
        Ok(Self { aspect: aspect(main), domains: domains.collect::<Result<_>>()? })
    }

    /// The controls, and the data that the script of the page reads.
    pub(super) fn to_html(&self) -> String {
        let json = serde_json::to_string(self).expect("strings and finite numbers serialise");
        format!(
            "<div id=\"viewer\">\n<div class=\"controls\">\n<label>Domain <select id=\"domain\"></select></label>\n\
             <button id=\"play\" type=\"button\" aria-label=\"Play\">▶</button>\n\
             <input id=\"frame\" type=\"range\" min=\"0\" value=\"0\" aria-label=\"Frame\">\n\
             <output id=\"clock\"></output>\n</div>\n<div id=\"panes\"></div>\n\
             <p class=\"legend\"><span style=\"--c:#124e8c\">invading</span> <span style=\"--c:#f7f4ec\">defending</span> \
             <span style=\"--c:#86868a\">solid</span> <span style=\"--c:#d55e00\">predicted too much</span> \
             <span style=\"--c:#0072b2\">missed</span></p>\n\
             <noscript>The slider needs scripts; the panel below shows some of the frames.</noscript>\n</div>\n\
             <script id=\"viewer-data\" type=\"application/json\">{}</script>",
            json.replace("</", "<\\/")
        )
    }
}

fn aspect(index: &SampleIndex) -> f64 {
    f64::from(index.width) / f64::from(index.height)
}

fn truth(folder: &Path, index: &SampleIndex, entry: &SampleEntry, frames: &[usize]) -> Result<Pane> {
    let text = |t: usize| format!("saturation {:.3}", entry.true_saturation[t]);
    pane(folder, index, entry, frames, "truth", "True", &text)
}

fn predicted(
    folder: &Path,
    index: &SampleIndex,
    entry: &SampleEntry,
    frames: &[usize],
    title: &str,
) -> Result<Pane> {
    let text = |t: usize| format!("saturation {:.3}", entry.saturation[t]);
    pane(folder, index, entry, frames, "predicted", title, &text)
}

fn error(
    folder: &Path,
    index: &SampleIndex,
    entry: &SampleEntry,
    frames: &[usize],
    title: &str,
) -> Result<Pane> {
    let text = |t: usize| format!("MSE {:.4}", entry.mse[t]);
    pane(folder, index, entry, frames, "error", title, &text)
}

fn pane(
    folder: &Path,
    index: &SampleIndex,
    entry: &SampleEntry,
    frames: &[usize],
    kind: &str,
    title: &str,
    text: &dyn Fn(usize) -> String,
) -> Result<Pane> {
    let path = folder.join(format!("{}-{kind}.png", entry.stem));
    let bytes = document::read_bytes(&path, "evaluate with --force")?;
    let at: Vec<Option<usize>> =
        frames.iter().map(|frame| index.frames.iter().position(|own| own == frame)).collect();
    Ok(Pane {
        title: title.to_owned(),
        strip: format!("data:image/png;base64,{}", BASE64.encode(bytes)),
        count: index.frames.len(),
        text: at.iter().map(|t| t.map_or_else(|| "no such frame".into(), text)).collect(),
        at,
    })
}
