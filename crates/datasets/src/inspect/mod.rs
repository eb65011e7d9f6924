//! `porecast inspect`: shows the content of any file that porecast reads or writes as a table and a picture.

mod json;
mod segmentation;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::RgbImage;
use ndarray::Axis;

use crate::import::doubtful;
use porecast_base::{Error, Result, Verbosity, lock, output};
use porecast_simulations::domain::Polarity;
use porecast_simulations::domain::connectivity::percolates;
use porecast_simulations::{Domain, Side};
use porecast_store::grey_image::{self, GreyImage, number};
use porecast_store::invasion::parts_folder;
use porecast_store::listing::{self, Entry};
use porecast_store::picture;
use porecast_store::plate::{self, Plate};
use porecast_store::run::{AlsoTrainedOn, Card, DatasetCard, MemberCard, SegmentationCard, TrainedOn};
use porecast_store::run_list::{self, ListedRun};
use porecast_store::{
    InvasionDataset, PredictionFile, Quantity, RunFolder, Task, image as images, mask_prediction, npz,
    prediction, segmentation as annotated, table,
};

/// Largest number of table rows shown without `-v`.
const ROWS: usize = 12;
/// Stands after the number of domains of a campaign that has not ended.
const UNFINISHED: &str = " so far (the campaign has not ended)";
/// Largest numbers of domains (rows) and frames (columns) in a picture.
const SHEET: (usize, usize) = (5, 6);
/// The picture of an image is enlarged by a whole factor until its longer edge has at least this many pixels.
const DOMAIN_EDGE: usize = 512;
/// The same for the frames in a picture.
const PICTURE_EDGE: usize = 256;

/// Content of a file.
#[derive(Default)]
struct Inspection {
    facts: Vec<(&'static str, String)>,
    /// Head and rows.
    table: Option<(Vec<&'static str>, Vec<Vec<String>>)>,
    picture: Option<RgbImage>,
}

/// Options of `porecast inspect`.
#[derive(Debug, Clone)]
pub struct InspectOptions {
    /// Dataset, predictions, run folder or folder of runs, grey image (PNG, TIFF, JPEG, npy), or HDF5, npz, safetensors, CSV,
    /// TOML or JSON file.
    pub path: PathBuf,
    /// Page of a TIFF file, counted from 1; the first if absent.
    pub page: Option<usize>,
    /// Draw images of a segmentation dataset as augmented by this configuration.
    pub augment: Option<PathBuf>,
    /// Draw a picture of the content to this file.
    pub png: Option<PathBuf>,
    /// Replace an existing picture.
    pub force: bool,
}

/// Runs `porecast inspect`: draws the requested picture and returns the text to print. The text has only
/// the first rows of a long table unless `verbosity` is verbose.
///
/// # Errors
/// The file is missing, damaged or of unknown kind, or the picture exists or cannot be drawn or written.
pub fn run(options: &InspectOptions, verbosity: Verbosity) -> Result<String> {
    let InspectOptions { path, page, augment, png, force } = options;
    if let Some(png) = png {
        output::check(png, &[path], *force)?;
    }
    let _held = png.as_deref().map(lock::hold).transpose()?;
    if let (Some(config), Some(png)) = (augment, png) {
        images::write_png(png, &segmentation::augmented(path, config)?)?;
        return Ok(String::new());
    }
    let inspection = inspect(path, *page)?;
    if let Some(png) = png {
        let picture = inspection.picture.as_ref().ok_or_else(|| {
            Error::config("--png", format!("there is no picture of {}; leave --png out", path.display()))
        })?;
        images::write_png(png, picture)?;
    }
    Ok(inspection.render(if verbosity.verbose { usize::MAX } else { ROWS }))
}

/// Runs `porecast inspect --json`: the text of a JSON object, whose names docs/reference/json.md lists.
///
/// # Errors
/// The file is missing, damaged or of unknown kind.
pub fn to_json(path: &Path, page: Option<usize>) -> Result<String> {
    Ok(format!("{:#}\n", json::describe(path, page)?))
}

fn inspect(path: &Path, page: Option<usize>) -> Result<Inspection> {
    if !path.exists() && parts_folder(path).is_dir() {
        return dataset(path); // of an unfinished campaign
    }
    let metadata = fs::metadata(path)
        .map_err(|e| Error::input(path, format!("cannot be opened: {e}; check the path")))?;
    if metadata.is_dir() {
        let run = RunFolder::new(path);
        if run.card_path().exists() {
            return run_folder(&run);
        }
        let runs = run_list::runs(path)?;
        return if runs.is_empty() { dataset(path) } else { Ok(folder_of_runs(path, &runs)) };
    }
    if grey_image::is_image(path) {
        return image(path, page);
    }
    if page.is_some() {
        return Err(Error::config("--page", format!("names a page, but {} is not an image", path.display())));
    }
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
    match extension.as_str() {
        "npz" => Ok(arrays("npz archive", &npz::entries(path)?)),
        "safetensors" => weights(path),
        "csv" => csv_table(path),
        "toml" => Ok(tree("configuration", &listing::toml(path)?)),
        "json" => Ok(tree("JSON", &listing::json(path)?)),
        _ => hdf5_file(path).map_err(|error| match extension.as_str() {
            "h5" | "hdf5" => error,
            _ => Error::input(
                path,
                format!("is of no kind known here ({extension:?}): HDF5, npz, PNG, TIFF, JPEG, npy, safetensors, CSV, TOML, JSON"),
            ),
        }),
    }
}

fn hdf5_file(path: &Path) -> Result<Inspection> {
    let entries = listing::hdf5(path)?;
    match listing::hdf5_format(path)?.as_deref() {
        Some(prediction::FORMAT) => predictions(path),
        Some(annotated::FORMAT) => segmentation::dataset(path),
        Some(mask_prediction::FORMAT) => segmentation::predictions(path),
        Some(_) => dataset(path),
        None if entries.iter().any(|entry| entry.name == "/alpha_water") => dataset(path),
        None => Ok(arrays("HDF5 of another program", &entries)),
    }
}

/// Describes a dataset. Reading every frame checks it.
fn dataset(path: &Path) -> Result<Inspection> {
    let dataset = InvasionDataset::open(path)?;
    let (frames, height, width) = dataset.shape();
    let mut rows = Vec::new();
    let mut sheet = Vec::new();
    let (mut porosity, mut last) = (Vec::new(), Vec::new());
    let mut doubts: BTreeMap<&str, usize> = BTreeMap::new();
    for (index, id) in dataset.domain_ids().iter().enumerate() {
        let sequence = dataset.recorded(index)?.trajectory;
        doubtful(&sequence).into_iter().for_each(|doubt| *doubts.entry(doubt).or_default() += 1);
        let saturation = sequence.saturation();
        let breakthrough = sequence.breakthrough_time();
        let end = saturation.last().copied().unwrap_or(f64::NAN);
        porosity.push(sequence.domain.porosity());
        last.push(end);
        rows.push(vec![
            id.clone(),
            format!("{:.3}", sequence.domain.porosity()),
            sequence.times.last().map_or_else(String::new, |time| format!("{time:.4}")),
            breakthrough.map_or_else(|| "-".to_owned(), |time| format!("{time:.4}")),
            format!("{end:.3}"),
        ]);
        if sheet.len() < SHEET.0 {
            let solid = sequence.domain.solid.view();
            let frame = |t: usize| {
                let picture = picture::phase_image(solid, sequence.phase.index_axis(Axis(0), t));
                (plate::time_text(sequence.times[t], dataset.time_unit()), picture)
            };
            sheet.push((id.clone(), spread(frames, SHEET.1).into_iter().map(frame).collect()));
        }
    }
    let origin = dataset.origin();
    let optional = [
        (dataset.has_dynamics(), "/lattice, /volume (pixels)"),
        (dataset.has_flow(), "/pressure (Pa), /velocity (m/s)"),
    ];
    let besides: Vec<&str> =
        optional.iter().filter(|(is_there, _)| *is_there).map(|(_, what)| *what).collect();
    let mut inspection = Inspection {
        facts: vec![
            ("kind", "invasion dataset".to_owned()),
            (
                "domains",
                format!("{}{}", dataset.len(), if dataset.is_unfinished() { UNFINISHED } else { "" }),
            ),
            ("frames", frames.to_string()),
            ("size", format!("{height} x {width} pixels (height x width)")),
            ("pixel", format!("{:e} m", dataset.voxel_size_m())),
            ("inlet", dataset.inlet().to_string()),
            ("time in", word(dataset.time_unit())),
            ("made by", origin.simulator.clone()),
            ("porosity", mean_and_range(&porosity)),
            ("last saturation", mean_and_range(&last)),
            ("fingerprint", dataset.fingerprint()?),
        ],
        table: Some((vec!["domain", "porosity", "last time", "breakthrough", "last saturation"], rows)),
        picture: Some(sequence_sheet(sheet, dataset.voxel_size_m())),
    };
    if !besides.is_empty() {
        inspection.facts.push(("also contains", besides.join(", ")));
    }
    let doubts =
        doubts.iter().map(|(doubt, count)| ("but", format!("{count} of {} domains: {doubt}", dataset.len())));
    inspection.facts.extend(doubts);
    Ok(inspection)
}

fn predictions(path: &Path) -> Result<Inspection> {
    let file = PredictionFile::open(path)?;
    let (frames, height, width) = file.shape();
    let mut rows = Vec::new();
    let mut sheet = Vec::new();
    for (index, id) in file.domain_ids().iter().enumerate() {
        let prediction = file.prediction(index)?;
        let pores = prediction.solid.iter().filter(|&&solid| !solid).count().max(1) as f64;
        let sums: Vec<f64> = prediction
            .probability
            .axis_iter(Axis(0))
            .map(|frame| frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pores)
            .collect();
        let show = |value: Option<&f64>| value.map_or_else(String::new, |value| format!("{value:.3}"));
        rows.push(vec![id.clone(), show(sums.first()), show(sums.last())]);
        if sheet.len() < SHEET.0 {
            let solid = prediction.solid.view();
            let frame = |t: usize| {
                let frame = prediction.probability.index_axis(Axis(0), t);
                let caption = plate::time_text(prediction.times[t], file.header().time_unit);
                (caption, picture::probability_image(solid, frame))
            };
            sheet.push((id.clone(), spread(frames, SHEET.1).into_iter().map(frame).collect()));
        }
    }
    let header = file.header();
    let physics =
        (0..file.domain_ids().len()).map(|index| file.physics(index)).collect::<Result<Vec<_>>>()?;
    let predicted_for = Quantity::GIVEN.into_iter().filter_map(|quantity| {
        let values: Vec<f64> = physics.iter().filter_map(|physics| quantity.of(physics, f64::NAN)).collect();
        let low = values.iter().copied().reduce(f64::min)?;
        let high = values.iter().copied().reduce(f64::max)?;
        let text = if low == high { number(low) } else { format!("{} to {}", number(low), number(high)) };
        Some((quantity.name(), text))
    });
    Ok(Inspection {
        facts: [
            ("kind", "predictions".to_owned()),
            ("made by", header.source.clone()),
            ("domains", file.domain_ids().len().to_string()),
            ("frames", frames.to_string()),
            ("size", format!("{height} x {width} pixels (height x width)")),
            (
                "pixel",
                if header.voxel_size_m > 0.0 {
                    format!("{:e} m", header.voxel_size_m)
                } else {
                    "size not known".to_owned()
                },
            ),
            ("inlet", header.inlet.to_string()),
            ("time in", word(header.time_unit)),
        ]
        .into_iter()
        .chain(predicted_for)
        .collect(),
        table: Some((vec!["domain", "first saturation", "last saturation"], rows)),
        picture: Some(sequence_sheet(sheet, header.voxel_size_m)),
    })
}

/// The runs in a folder: task, networks, epochs and best validation loss, the mean over the networks of a run.
fn folder_of_runs(folder: &Path, runs: &[ListedRun]) -> Inspection {
    let row = |run: &ListedRun| {
        let path = run.path.strip_prefix(folder).unwrap_or(&run.path);
        vec![
            path.display().to_string(),
            run.name.clone(),
            run.task.clone(),
            run.networks.to_string(),
            run.epochs.to_string(),
            run.validation_loss.map_or_else(|| "-".to_owned(), |loss| format!("{loss:.6}")),
        ]
    };
    let columns = vec!["folder", "name", "task", "networks", "epochs", "best loss"];
    Inspection {
        facts: vec![("kind", "folder of runs".to_owned()), ("runs", runs.len().to_string())],
        table: Some((columns, runs.iter().map(row).collect())),
        picture: None,
    }
}

fn run_folder(run: &RunFolder) -> Result<Inspection> {
    if Task::of(run.path()) == Task::Segmentation {
        let samples = |card: &SegmentationCard| {
            let (channels, height, width) = card.shape;
            let size = format!("{channels} channels of {height} x {width} pixels (height x width)");
            vec![("images", size), ("classes", card.classes.join(", "))]
        };
        return trained(run, samples, segmentation::predictions);
    }
    let samples = |card: &DatasetCard| {
        let (frames, height, width) = card.shape;
        let mut facts =
            vec![("sequences", format!("{frames} frames of {height} x {width} pixels (height x width)"))];
        for AlsoTrainedOn { path, shape: (_, height, width), domains, .. } in &card.also {
            let text = format!("{} of {height} x {width} pixels, {}", domains.len(), path.display());
            facts.push(("also trained on", text));
        }
        facts
    };
    trained(run, samples, predictions)
}

/// Describes a run; `samples` describes its dataset. The picture shows predictions of the test part or else
/// another.
fn trained<C: TrainedOn>(
    run: &RunFolder,
    samples: impl Fn(&C) -> Vec<(&'static str, String)>,
    predictions: impl Fn(&Path) -> Result<Inspection>,
) -> Result<Inspection> {
    let card: Card<C> = run.card_of()?;
    let split = card.parts().map(|(part, ids)| format!("{part} {}", ids.len()));
    let network = |member: &MemberCard| match (member.frame, member.fold) {
        (Some(frame), _) => format!("frame {frame}"),
        (None, Some(fold)) => format!("fold {fold}"),
        (None, None) => "all".to_owned(),
    };
    let row = |member: &MemberCard| {
        vec![
            member.folder.display().to_string(),
            network(member),
            member.parameters.to_string(),
            member.epochs.to_string(),
            member.best_epoch.to_string(),
            format!("{:.6}", member.best_validation_loss),
            format!("{:.0}", member.wall_seconds),
            if member.is_finished { "yes" } else { "no" }.to_owned(),
        ]
    };
    let drawn = ["test", "validation", "train"].map(|part| run.predictions_path(part));
    let picture = match drawn.iter().find(|path| path.exists()) {
        Some(path) => predictions(path)?.picture,
        None => None,
    };
    let mut facts = vec![
        ("kind", "run".to_owned()),
        ("name", card.name.clone()),
        ("trained with", format!("porecast {}, {}", card.porecast, card.device)),
        ("seed", card.seed.to_string()),
        ("dataset", card.dataset.path().display().to_string()),
        ("fingerprint", card.dataset.fingerprint().to_owned()),
    ];
    facts.extend(samples(&card.dataset));
    facts.push(("split", split.join(", ")));
    let head =
        vec!["folder", "network", "parameters", "epochs", "best epoch", "best loss", "seconds", "finished"];
    let rows = card.members.iter().map(row).collect();
    Ok(Inspection { facts, table: Some((head, rows)), picture })
}

/// Describes an image as `predict` reads it without `--threshold` and `--invert`.
fn image(path: &Path, page: Option<usize>) -> Result<Inspection> {
    const THRESHOLD: f64 = 0.5;
    let pages = grey_image::pages(path)?;
    let image = GreyImage::read(path, page.or((pages > 1).then_some(1)))?;
    let (height, width) = image.grey.dim();
    let mut levels: Vec<u32> = image.grey.iter().map(|level| level.to_bits()).collect();
    levels.sort_unstable();
    levels.dedup();
    let domain = |polarity: Polarity| {
        let solid = image.grey.mapv(|level| polarity.is_solid(level.into(), THRESHOLD));
        Domain { solid, voxel_size_m: 1.0 }
    };
    let about = |domain: &Domain| {
        let paths = [(Side::Top, "from top to bottom"), (Side::Left, "from left to right")]
            .into_iter()
            .filter(|(inlet, _)| percolates(domain, *inlet))
            .map(|(_, path)| path);
        let paths: Vec<&str> = paths.collect();
        let paths =
            if paths.is_empty() { "no path".to_owned() } else { format!("paths {}", paths.join(" and ")) };
        format!("porosity {:.3}, {paths}", domain.porosity())
    };
    let bright = domain(Polarity::PoreBright);
    let ((low, high), (black, white)) = (image.range, image.scale);
    let mut facts = vec![
        ("kind", "image".to_owned()),
        ("size", format!("{height} x {width} pixels (height x width)")),
        ("stored as", image.kind.clone()),
        (
            "grey values",
            format!(
                "{} different, from {} to {} ({} is black, {} white)",
                levels.len(),
                number(low),
                number(high),
                number(black),
                number(white)
            ),
        ),
        ("threshold", format!("{THRESHOLD} (grey value {})", number(image.stored(THRESHOLD)))),
        ("pores bright", about(&bright)),
        ("pores dark", format!("{} (--invert)", about(&domain(Polarity::PoreDark)))),
    ];
    if pages > 1 {
        facts.insert(1, ("page", format!("{} (--page shows another)", image.part)));
    }
    facts.extend(image.undivided(THRESHOLD, "--threshold").map(|what| ("but", what)));
    let drawn = picture::domain_image(bright.solid.view());
    let factor = plate::factor(&drawn, DOMAIN_EDGE);
    let caption = format!("as read, pores bright: porosity {:.3}", bright.porosity());
    let plate = Plate {
        title: String::new(),
        rows: vec![(String::new(), vec![(caption, picture::enlarge(&drawn, factor))])],
        legend: vec![("pore".into(), picture::DEFENDING), ("solid".into(), picture::SOLID)],
        scale: Some(plate::scale_bar(drawn.width(), factor, f64::NAN)),
    };
    let picture = Some(plate.draw());
    Ok(Inspection { facts, table: None, picture })
}

fn weights(path: &Path) -> Result<Inspection> {
    let entries = listing::safetensors(path)?;
    let count: usize = entries.iter().map(|entry| entry.shape.iter().product::<usize>()).sum();
    let mut inspection = arrays("weights (safetensors)", &entries);
    inspection.facts.push(("parameters", count.to_string()));
    Ok(inspection)
}

fn arrays(kind: &str, entries: &[Entry]) -> Inspection {
    let row = |entry: &Entry| vec![entry.name.clone(), entry.kind.clone(), format!("{:?}", entry.shape)];
    Inspection {
        facts: vec![("kind", kind.to_owned()), ("arrays", entries.len().to_string())],
        table: Some((vec!["array", "type", "shape"], entries.iter().map(row).collect())),
        picture: None,
    }
}

fn csv_table(path: &Path) -> Result<Inspection> {
    let (head, rows) = table::read_csv(path)?;
    let cell =
        |row: Option<&Vec<String>>, column: usize| row.map_or_else(String::new, |row| row[column].clone());
    let columns = head
        .into_iter()
        .enumerate()
        .map(|(c, name)| vec![name, cell(rows.first(), c), cell(rows.last(), c)])
        .collect();
    Ok(Inspection {
        facts: vec![("kind", "table (CSV)".to_owned()), ("rows", rows.len().to_string())],
        table: Some((vec!["column", "first row", "last row"], columns)),
        picture: None,
    })
}

fn tree(kind: &str, value: &serde_json::Value) -> Inspection {
    let mut rows = Vec::new();
    flatten("", value, &mut rows);
    Inspection {
        facts: vec![("kind", kind.to_owned())],
        table: Some((vec!["key", "value"], rows)),
        picture: None,
    }
}

/// Appends a row of key path and value for each leaf.
fn flatten(path: &str, value: &serde_json::Value, rows: &mut Vec<Vec<String>>) {
    let is_nested = |v: &serde_json::Value| v.is_object() || v.is_array();
    match value {
        serde_json::Value::Object(table) => {
            for (key, value) in table {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                flatten(&path, value, rows);
            }
        }
        serde_json::Value::Array(items) if items.iter().any(is_nested) => {
            for (index, value) in items.iter().enumerate() {
                flatten(&format!("{path}[{index}]"), value, rows);
            }
        }
        other => rows.push(vec![path.to_owned(), shorten(&other.to_string())]),
    }
}

fn shorten(text: &str) -> String {
    if text.chars().count() <= 70 {
        text.to_owned()
    } else {
        text.chars().take(67).collect::<String>() + "..."
    }
}

/// At most `count` indices below `length`, evenly spread from the first to the last.
fn spread(length: usize, count: usize) -> Vec<usize> {
    let count = count.min(length);
    (0..count).map(|i| i * (length - 1) / (count - 1).max(1)).collect()
}

/// Some frames of each domain with their times, enlarged, above a scale bar and a legend.
fn sequence_sheet(rows: Vec<(String, Vec<(String, RgbImage)>)>, voxel_size_m: f64) -> RgbImage {
    let first = rows.iter().flat_map(|(_, cells)| cells).map(|(_, picture)| picture).next();
    let scale = first
        .map(|picture| plate::scale_bar(picture.width(), plate::factor(picture, PICTURE_EDGE), voxel_size_m));
    let enlarged = |(caption, picture): (String, RgbImage)| {
        let factor = plate::factor(&picture, PICTURE_EDGE);
        (caption, picture::enlarge(&picture, factor))
    };
    let rows = rows.into_iter().map(|(id, cells)| (id, cells.into_iter().map(enlarged).collect())).collect();
    Plate { title: String::new(), rows, legend: plate::legend(&plate::FLUIDS), scale }.draw()
}

fn mean_and_range(values: &[f64]) -> String {
    if values.is_empty() {
        return "-".to_owned();
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    format!("{mean:.3} (from {low:.3} to {high:.3})")
}

/// The name of a value in files.
fn word(value: impl serde::Serialize) -> String {
    let value = serde_json::to_value(value).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

impl Inspection {
    fn render(&self, most_rows: usize) -> String {
        let mut text = String::new();
        let label_width = self.facts.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        for (label, value) in &self.facts {
            text.push_str(&format!("{label:label_width$}  {value}\n"));
        }
        let Some((head, rows)) = &self.table else { return text };
        let shown = &rows[..rows.len().min(most_rows)];
        let width = |column: usize| {
            let cells = shown.iter().map(|row| row[column].chars().count());
            cells.chain([head[column].len()]).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        let mut line = |cells: Vec<&str>| {
            let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!("{cell:width$}"));
            text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
            text.push('\n');
        };
        line(Vec::new());
        line(head.clone());
        for row in shown {
            line(row.iter().map(String::as_str).collect());
        }
        if shown.len() < rows.len() {
            text.push_str(&format!("... {} more; -v shows all\n", rows.len() - shown.len()));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_spread_from_the_first_to_the_last() {
        assert_eq!(spread(26, 6), [0, 5, 10, 15, 20, 25]);
        assert_eq!(spread(3, 6), [0, 1, 2]);
        assert_eq!(spread(1, 6), [0]);
    }

    #[test]
    fn a_table_is_aligned_and_says_what_it_leaves_out() {
        let inspection = Inspection {
            facts: vec![("kind", "x".into())],
            table: Some((
                vec!["a", "b"],
                vec![vec!["1".into(), "22".into()], vec!["333".into(), "4".into()]],
            )),
            picture: None,
        };
        assert_eq!(inspection.render(9), "kind  x\n\na    b\n1    22\n333  4\n");
        assert_eq!(inspection.render(1), "kind  x\n\na  b\n1  22\n... 1 more; -v shows all\n");
    }
}
