//! The pages of predicted sequences and of datasets of sequences.

use std::path::Path;

use super::{Content, files, read_from};
use crate::figure::Colour;
use crate::figure::film::{Film, FilmedDomain, FilmedSequence, rounded};
use ndarray::{Array2, Array3, ArrayView2, Axis};
use porecast_base::Result;
use porecast_store::plate::time_text;
use porecast_store::{InvasionDataset, Physics, PredictionFile, PredictionFolder, document};

/// Heading of the player.
const PLAYER: &str = "Domain and sequence";

/// What the page of a file of predictions says.
///
/// # Errors
/// The file cannot be read.
pub(super) fn of_predictions(path: &Path, output: &Path) -> Result<Content> {
    let file = PredictionFile::open(path)?;
    let ((frames, height, width), header) = (file.shape(), file.header());
    let count = file.domain_ids().len();
    let mut film = Film::new(count, (height, width), header.voxel_size_m, header.inlet, header.time_unit);
    for index in 0..count {
        if film.is_full() {
            break;
        }
        let prediction = file.prediction(index)?;
        let (solid, frames) = (&prediction.solid, &prediction.probability);
        let physics = file.physics(index)?;
        film.domains.push(filmed(
            &film,
            Sequence {
                id: &prediction.domain_id,
                solid,
                times: &prediction.times,
                frames,
                physics: &physics,
            },
            ("Predicted", Colour::Run(0)),
        ));
    }
    film.shorten();
    let beside = PredictionFolder::new(path.parent().unwrap_or(Path::new("")));
    let notes = document::read_text_if_present(&beside.notes_path())?.unwrap_or_default();
    Ok(Content {
        title: format!("Invasion predicted by {}", header.source),
        answer: answer(&film),
        notes: notes.lines().map(|line| line.trim_start_matches("warning: ").to_owned()).collect(),
        facts: vec![extent(&film, frames, (height, width)), read_from(path, output)],
        film: Some((PLAYER, film)),
        sections: files(path, output).into_iter().collect(),
        ..Content::default()
    })
}

/// What the page of a dataset says.
///
/// # Errors
/// The dataset cannot be read.
pub(super) fn of_dataset(path: &Path, output: &Path) -> Result<Content> {
    let dataset = InvasionDataset::open(path)?;
    let (frames, height, width) = dataset.shape();
    let count = dataset.len();
    let mut film =
        Film::new(count, (height, width), dataset.voxel_size_m(), dataset.inlet(), dataset.time_unit());
    for (index, id) in dataset.domain_ids().iter().enumerate() {
        if film.is_full() {
            break;
        }
        let sequence = dataset.sequence(index)?;
        let frames = sequence.phase.mapv(|invaded| f32::from(u8::from(invaded)));
        let physics = Physics::from(&sequence.parameters);
        film.domains.push(filmed(
            &film,
            Sequence {
                id,
                solid: &sequence.domain.solid,
                times: &sequence.times,
                frames: &frames,
                physics: &physics,
            },
            ("Sequence", Colour::Truth),
        ));
    }
    film.shorten();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Content {
        title: format!("Dataset {name}"),
        answer: answer(&film),
        facts: vec![
            format!("{}, made by {}", extent(&film, frames, (height, width)), dataset.origin().simulator),
            read_from(path, output),
        ],
        film: Some((PLAYER, film)),
        sections: files(path, output).into_iter().collect(),
        ..Content::default()
    })
}

/// A sequence to film.
struct Sequence<'a> {
    id: &'a str,
    solid: &'a Array2<bool>,
    times: &'a [f64],
    frames: &'a Array3<f32>,
    physics: &'a Physics,
}

fn filmed(film: &Film, sequence: Sequence, (name, colour): (&str, Colour)) -> FilmedDomain {
    let Sequence { id, solid, times, frames, physics } = sequence;
    let chosen = Film::chosen(times.len());
    let pores = solid.iter().filter(|solid| !**solid).count();
    let saturation = |frame: ArrayView2<'_, f32>| {
        rounded(frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pores.max(1) as f64)
    };
    let shown = frames.select(Axis(0), &chosen);
    let porosity = pores as f64 / solid.len().max(1) as f64;
    FilmedDomain {
        id: id.to_owned(),
        facts: film.facts(solid.dim(), porosity, physics),
        times: chosen.iter().map(|&t| rounded(times[t])).collect(),
        solid: film.packed_solid(solid.view()),
        sequences: vec![FilmedSequence {
            name: name.to_owned(),
            colour,
            at: Vec::new(),
            frames: film.packed(shown.view()),
            saturation: shown.outer_iter().map(saturation).collect(),
            mse: Vec::new(),
        }],
        frames: chosen,
    }
}

/// How far the invasion of the first domain goes.
fn answer(film: &Film) -> String {
    let Some(domain) = film.domains.first() else { return String::new() };
    let (Some(&time), Some(saturation)) = (domain.times.last(), domain.sequences[0].saturation.last()) else {
        return String::new();
    };
    let whose = if film.total == 1 { String::new() } else { format!(" of {}", domain.id) };
    format!(
        "At {} the invading fluid fills {:.1} % of the pore space{whose}.",
        time_text(time, film.time_unit),
        100.0 * saturation
    )
}

/// `3 domains of 256 × 64 pixels, 26 frames each, inlet at the top`.
fn extent(film: &Film, frames: usize, (height, width): (usize, usize)) -> String {
    let plural = if film.total == 1 { "" } else { "s" };
    format!(
        "{} domain{plural} of {height} × {width} pixels (height × width), {frames} frames, inlet at the {}",
        film.total, film.inlet
    )
}
