//! Sequences of the domains of a dataset, or of the domain in an image.

use std::collections::BTreeMap;
use std::path::Path;

use ::image::RgbImage;
use ndarray::{Array2, ArrayView2, s};
use porecast_base::progress::{Progress, say};
use porecast_base::{Error, Result, Verbosity, atomic};
use porecast_simulations::{Domain, Side, TimeUnit};
use porecast_store::plate::{Plate, time_text};
use porecast_store::prediction::{self, PredictionHeader, PredictionWriter};
use porecast_store::run::RunCard;
use porecast_store::{
    Dataset, Intervals, InvasionDataset, MissingPredictions, Physics, PredictionFolder, Quantity, image,
    picture, table,
};
use serde::Serialize;

use super::domain_image;
use super::predictor::{Moment, Predictor};
use super::{PredictOptions, THRESHOLD, counted, go_on, ids_of_part, range, refuse_part};
use crate::device::Device;

/// Longest edge of an animation in pixels.
const ANIMATION_EDGE: usize = 1024;
/// Time between the frames of an animation.
const FRAME_MS: u32 = 200;
/// Shades of a probability in pictures: with those of the letters, an animation has no more than 256 colours.
const SHADES: f32 = 100.0;

/// `porecast predict` with an invasion run: the domains of a dataset, or the domain in an image, into `folder`.
/// `otherwise` serves where neither the input nor the options have the physics. Returns what was done.
///
/// # Errors
/// As [`super::run`].
pub(super) fn run(
    options: &PredictOptions,
    otherwise: &Physics,
    folder: &Path,
    predictor: &Predictor,
    verbosity: Verbosity,
) -> Result<String> {
    if options.frames.is_some() {
        return Err(Error::config(
            "--frames",
            "is for physical models; --times names the times of a network",
        ));
    }
    for quantity in Quantity::GIVEN {
        let is_told = predictor.card().dataset.physics.iter().any(|scale| scale.quantity == quantity);
        if quantity.of(&options.physics, f64::NAN).is_some() && !is_told {
            let what = format!("the run was not told the {} in its training; leave it out", quantity.name());
            return Err(Error::config(quantity.option(), what));
        }
    }
    let physics = options.physics.or(otherwise);
    let card = &predictor.card().dataset;
    let mut shown = Shown::new(folder, card.time_unit, domain_image::voxel_size_m(options));
    shown.intervals = predictor.intervals()?;
    let path = PredictionFolder::new(folder).predictions_path();
    if domain_image::is_one(&options.input)? {
        refuse_part(options)?;
        predict_image(predictor, options, &physics, &path, &mut shown, verbosity)?;
    } else {
        let dataset = open_dataset(options)?;
        if let (None, Some(assumed)) = (options.physics.capillary_number, otherwise.capillary_number) {
            let what = format!("no --capillary-number: {assumed} is taken unless the dataset has its own");
            shown.note(verbosity, what);
        }
        shown.voxel_size_m = dataset.voxel_size_m();
        let ids = ids_of_part(predictor.card().parts(), dataset.domain_ids(), options.part.as_deref())?;
        predict_dataset(predictor, &dataset, &ids, &path, &physics, Some(&mut shown), verbosity)?;
        shown.domains = Some(ids.len());
    }
    shown.finish()
}

/// Predicts parts of datasets with the networks of one run.
///
/// # Errors
/// As [`super::run`].
pub(super) fn predict_parts(
    run: &Path,
    parts: &[MissingPredictions],
    device: Device,
    verbosity: Verbosity,
) -> Result<()> {
    let predictor = Predictor::on(run, device)?;
    parts.iter().try_for_each(|part| {
        let dataset = InvasionDataset::open(&part.dataset)?;
        let physics = Physics::default();
        predict_dataset(&predictor, &dataset, &part.ids, &part.predictions, &physics, None, verbosity)
    })
}

/// Opens the dataset to predict, which has its own times and inlet.
fn open_dataset(options: &PredictOptions) -> Result<InvasionDataset> {
    let dataset = InvasionDataset::open(&options.input)?;
    if !options.times.is_empty() {
        let what = "a dataset is predicted at its own times; pass an image to choose";
        return Err(Error::config("--times", what));
    }
    if options.page.is_some() {
        return Err(Error::config("--page", "names a page of an image, not of a dataset"));
    }
    if options.inlet.is_some_and(|inlet| inlet != dataset.inlet()) {
        let what = format!("the dataset has its inlet at the {}", dataset.inlet());
        return Err(Error::config("--inlet", what));
    }
    if options.voxel_size_m.is_some() {
        return Err(Error::config("--voxel-size", "is for images; a dataset has its own"));
    }
    if options.invert || options.threshold != THRESHOLD {
        let what = "are for images; a dataset says which pixels are solid";
        return Err(Error::config("--threshold, --invert", what));
    }
    refuse_other_physics(&options.physics, &dataset)?;
    Ok(dataset)
}

/// Refuses physics that differ from those of a domain in the dataset.
fn refuse_other_physics(asked: &Physics, dataset: &InvasionDataset) -> Result<()> {
    if *asked == Physics::default() {
        return Ok(());
    }
    for (index, id) in dataset.domain_ids().iter().enumerate() {
        let own = Physics::from(&dataset.parameters(index)?);
        for quantity in Quantity::GIVEN {
            let [asked, own] = [asked, &own].map(|physics| quantity.of(physics, f64::NAN));
            if let (Some(asked), Some(own)) = (asked, own)
                && asked != own
            {
                let what = format!(
                    "{asked} is not the {} of {}, which is {own} in domain {id:?}; leave it out to predict the dataset as it is",
                    quantity.name(),
                    dataset.path().display()
                );
                return Err(Error::config(quantity.option(), what));
            }
        }
    }
    Ok(())
}

/// Predicts domains of a dataset into the file `path`, and shows them. `physics` serves where the dataset has none.
fn predict_dataset(
    predictor: &Predictor,
    dataset: &InvasionDataset,
    ids: &[String],
    path: &Path,
    physics: &Physics,
    mut shown: Option<&mut Shown>,
    verbosity: Verbosity,
) -> Result<()> {
    let learnt = &predictor.card().dataset;
    if dataset.time_unit() != learnt.time_unit {
        return Err(Error::mismatch(
            dataset.path(),
            format!(
                "counts time in {}, the run learnt {}",
                dataset.time_unit().name(),
                learnt.time_unit.name()
            ),
        ));
    }
    let (frames, height, width) = dataset.shape();
    let frames = predictor.moments(&vec![0.0; frames]).len();
    let header = header(predictor.card(), dataset.inlet(), dataset.voxel_size_m());
    let progress = Progress::new("domains predicted", ids.len(), 0, verbosity);
    // For each property, how many domains lie outside the training, and the first of them.
    let mut warnings: BTreeMap<String, (usize, String)> = BTreeMap::new();
    // How many domains are predicted in another resolution, and the first of them.
    let mut rescaled: Option<(usize, String)> = None;
    prediction::write_frames(path, &header, (frames, height, width), |writer| {
        for id in ids {
            let sequence = dataset.sequence(dataset.place(id)?)?;
            let moments = predictor.moments(&sequence.times);
            let physics = Physics::from(&sequence.parameters).or(physics);
            if let Some(late) = range::late(learnt, &sequence.times, predictor.is_sequence()) {
                warnings.entry("time".to_owned()).or_insert((0, format!("{id}: {late}"))).0 += 1;
            }
            let (seen, factor) = predictor.seen(&sequence.domain);
            if let Some(text) = range::rescaled(learnt, &sequence.domain, factor) {
                rescaled.get_or_insert((0, format!("{id}, {text}"))).0 += 1;
            }
            if let Some(narrow) = predictor.narrow_tiles(seen.shape()) {
                warnings.entry("tiles".to_owned()).or_insert((0, format!("{id}: {narrow}"))).0 += 1;
            }
            let outside = range::outside(learnt, &sequence.domain, &seen, dataset.inlet(), &physics);
            let is_like_validation =
                outside.is_empty() && range::unlike_validation(learnt, &seen, dataset.inlet()).is_none();
            for outside in outside {
                let text = format!("{id}: {}", outside.text);
                warnings.entry(outside.what).or_insert((0, text)).0 += 1;
            }
            let told = predictor
                .told(&sequence.domain, &physics)
                .map_err(|e| Error::input(dataset.path(), format!("domain {id:?}: {e}")))?;
            let (domain, inlet) = (&sequence.domain, dataset.inlet());
            let case = Case { domain, inlet, physics, told, is_like_validation };
            predict_domain(predictor, &case, id, &moments, writer, shown.as_deref_mut())?;
            progress.advance(1, "");
        }
        progress.finish();
        Ok(())
    })?;
    let rescaled = rescaled.map(|(count, first)| {
        format!("{count} of {} domains in another resolution, the first is {first}", ids.len())
    });
    let warnings = warnings.into_values();
    let warnings = warnings
        .map(|(count, first)| format!("warning: {count} of {} domains, the first is {first}", ids.len()));
    for text in rescaled.into_iter().chain(warnings) {
        match &mut shown {
            Some(shown) => shown.note(verbosity, text),
            None => say(verbosity, &text),
        }
    }
    Ok(())
}

/// Predicts the domain of an image into the file `path`, and shows it.
fn predict_image(
    predictor: &Predictor,
    options: &PredictOptions,
    physics: &Physics,
    path: &Path,
    shown: &mut Shown,
    verbosity: Verbosity,
) -> Result<()> {
    let card = predictor.card();
    let inlet = options.inlet.unwrap_or(card.dataset.inlet);
    range::check_times(&card.dataset, &options.times, options.extrapolate)?;
    let moments = if options.times.is_empty() {
        predictor.moments(&card.dataset.mean_times)
    } else if predictor.takes_any_time() {
        predictor.moments(&options.times)
    } else {
        let what = "single-frame networks know their own frames only; leave it out";
        return Err(Error::config("--times", what));
    };
    let domain = domain_image::read(options, inlet, |read| shown.note(verbosity, read))?;
    let told = predictor.told(&domain, physics)?;
    if !told.is_empty() {
        shown.note(verbosity, predictor.describe(&domain, physics, &options.physics));
    }
    let (seen, factor) = predictor.seen(&domain);
    if let Some(rescaled) = range::rescaled(&card.dataset, &domain, factor) {
        shown.note(verbosity, rescaled);
    }
    let outside =
        range::outside(&card.dataset, &domain, &seen, inlet, physics).into_iter().map(|one| one.text);
    let late = range::late(&card.dataset, &options.times, predictor.is_sequence());
    let warnings: Vec<String> = outside.chain(late).collect();
    warnings.iter().for_each(|warning| shown.note(verbosity, format!("warning: {warning}")));
    let stem = options.input.file_stem();
    let id = stem.map_or_else(|| "domain".into(), |stem| stem.to_string_lossy().into_owned());
    let (height, width) = domain.shape();
    if let Some(narrow) = predictor.narrow_tiles(seen.shape()) {
        shown.note(verbosity, format!("warning: {narrow}"));
    }
    prediction::write_frames(
        path,
        &header(card, inlet, shown.voxel_size_m),
        (moments.len(), height, width),
        |writer| {
            shown.unlike = match warnings.is_empty() {
                true => range::unlike_validation(&card.dataset, &seen, inlet),
                false => Some("see the warning".to_owned()),
            };
            let is_like_validation = shown.unlike.is_none();
            let case = Case { domain: &domain, inlet, physics: *physics, told, is_like_validation };
            predict_domain(predictor, &case, &id, &moments, writer, Some(shown))
        },
    )?;
    let at_outlet = shown.at_outlet.iter();
    let rows =
        shown.rows.iter().zip(at_outlet).map(|(row, at_outlet)| (row.time, row.saturation, *at_outlet));
    let wrong = range::wrong_volumes(&card.dataset, rows);
    if !wrong.is_empty() {
        shown.withdraw_intervals("see the warning");
    }
    wrong.into_iter().for_each(|warning| shown.note(verbosity, format!("warning: {warning}")));
    let spacing = card.dataset.time_scale / (card.dataset.shape.0.max(2) - 1) as f64;
    if let Some(expected) = shown.expected(spacing) {
        shown.note(verbosity, expected);
    }
    Ok(())
}

/// What is predicted.
struct Case<'a> {
    domain: &'a Domain,
    inlet: Side,
    physics: Physics,
    /// See [`Predictor::told`].
    told: Vec<f32>,
    /// Whether nothing lies outside the training domains, and the domain is like those of the validation: the intervals hold.
    is_like_validation: bool,
}

/// Predicts a domain frame by frame: into the file, then to be shown.
fn predict_domain(
    predictor: &Predictor,
    Case { domain, inlet, physics, told, is_like_validation }: &Case,
    id: &str,
    moments: &[Moment],
    writer: &mut PredictionWriter,
    mut shown: Option<&mut Shown>,
) -> Result<()> {
    let times: Vec<f64> = moments.iter().map(|moment| moment.time).collect();
    writer.begin(id, &domain.solid, &times)?;
    writer.record(physics);
    for (time, frame) in times.into_iter().zip(predictor.each_frame(domain, *inlet, told, moments)) {
        go_on(writer.path())?;
        let frame = frame?;
        writer.frame(frame.view())?;
        if let Some(shown) = &mut shown {
            shown.add(id, time, domain, *inlet, frame.view(), *is_like_validation)?;
        }
    }
    Ok(())
}

fn header(card: &RunCard, inlet: Side, voxel_size_m: f64) -> PredictionHeader {
    PredictionHeader { source: card.name.clone(), time_unit: card.dataset.time_unit, inlet, voxel_size_m }
}

/// The saturation of every frame, and pictures of the first domain.
pub(super) struct Shown {
    folder: PredictionFolder,
    time_unit: TimeUnit,
    voxel_size_m: f64,
    /// Number of domains of a dataset.
    domains: Option<usize>,
    /// Of the saturation and the breakthrough time.
    intervals: Option<Intervals>,
    /// Identifier of the pictured domain, and its pictures.
    pictures: Option<(String, Pictures)>,
    rows: Vec<SaturationRow>,
    /// Whether fluid is at the outlet, for each row.
    at_outlet: Vec<bool>,
    /// Why the intervals do not hold for the domain of an image.
    unlike: Option<String>,
    /// See [`PredictionFolder::notes_path`].
    notes: Vec<String>,
}

impl Shown {
    pub(super) fn new(folder: &Path, time_unit: TimeUnit, voxel_size_m: f64) -> Self {
        Self {
            folder: PredictionFolder::new(folder),
            time_unit,
            voxel_size_m,
            domains: None,
            intervals: None,
            pictures: None,
            rows: Vec::new(),
            at_outlet: Vec::new(),
            unlike: None,
            notes: Vec::new(),
        }
    }

    /// Says something, and keeps it with the prediction.
    pub(super) fn note(&mut self, verbosity: Verbosity, text: String) {
        say(verbosity, &text);
        self.notes.push(text);
    }

    pub(super) fn add(
        &mut self,
        id: &str,
        time: f64,
        domain: &Domain,
        inlet: Side,
        frame: ArrayView2<'_, f32>,
        has_intervals: bool,
    ) -> Result<()> {
        self.at_outlet.push(inlet.opposite().lane(frame).iter().any(|&p| p > 0.5));
        let intervals = self.intervals.as_ref().filter(|_| has_intervals);
        self.rows.push(SaturationRow::of(id, time, domain, frame, intervals));
        let (pictured, pictures) = match &mut self.pictures {
            Some(pictures) => pictures,
            none => {
                none.insert((id.to_owned(), Pictures::new(&self.folder, &domain.solid, self.voxel_size_m)))
            }
        };
        let time = format!("time {}", time_text(time, self.time_unit));
        if pictured == id { pictures.add(&time, frame) } else { Ok(()) }
    }

    /// Leaves out the intervals, which hold for domains like those of the validation.
    fn withdraw_intervals(&mut self, why: &str) {
        self.unlike = Some(why.to_owned());
        for row in &mut self.rows {
            (row.saturation_low, row.saturation_high) = (None, None);
        }
    }

    /// Saturation at the end and breakthrough of a domain, with their intervals where they hold. Frames of the training
    /// are `spacing` apart.
    pub(super) fn expected(&self, spacing: f64) -> Option<String> {
        let last = self.rows.last()?;
        let rounded = |value: f64| format!("{value:.3}");
        let intervals = self.intervals.as_ref().filter(|_| last.saturation_low.is_some());
        let width =
            |width: Option<f64>| width.map(|width| format!(" ± {}", rounded(width))).unwrap_or_default();
        let saturation = format!(
            "at {}: saturation {}{}",
            time_text(last.time, self.time_unit),
            rounded(last.saturation),
            width(intervals.map(|intervals| intervals.saturation_at(last.time)))
        );
        let arrived = self.at_outlet.iter().position(|at_outlet| *at_outlet);
        let breakthrough = arrived.map(|frame| {
            let time = time_text(self.rows[frame].time, self.time_unit);
            match frame.checked_sub(1).map(|before| self.rows[before].time) {
                None => format!("; breakthrough at {time} or before"),
                Some(before) if self.rows[frame].time - before > 1.5 * spacing => {
                    format!("; breakthrough after {} and until {time}", rounded(before))
                }
                Some(_) => {
                    format!("; breakthrough at {time}{}", width(intervals.and_then(|one| one.breakthrough)))
                }
            }
        });
        let source = match intervals {
            Some(intervals) => format!(
                " ({:.0} % intervals from {} validation domains)",
                100.0 * intervals.level,
                intervals.domains
            ),
            None if self.intervals.is_some() => {
                let why =
                    self.unlike.as_deref().unwrap_or("they hold for domains like those of the validation");
                format!(" (no intervals: {why})")
            }
            None => String::new(),
        };
        Some(saturation + &breakthrough.unwrap_or_default() + &source)
    }

    /// Finishes the files; returns a summary.
    pub(super) fn finish(self) -> Result<String> {
        let what = match (self.domains, &self.pictures) {
            (Some(domains), Some((id, _))) => {
                format!("predicted {}, pictures of {id}", counted(domains, "domain"))
            }
            _ => format!("predicted {}", counted(self.rows.len(), "frame")),
        };
        self.pictures.map_or(Ok(()), |(_, pictures)| pictures.finish())?;
        if !self.notes.is_empty() {
            atomic::write(&self.folder.notes_path(), (self.notes.join("\n") + "\n").as_bytes())?;
        }
        table::write_csv(&self.folder.saturation_path(), self.rows)?;
        Ok(what)
    }
}

/// The pictures of a sequence: frames as PNG, and an animation; each with its time, a legend and a scale bar.
struct Pictures {
    folder: PredictionFolder,
    solid: Array2<bool>,
    voxel_size_m: f64,
    /// Step in pixels that keeps the animation of a large domain small.
    step: isize,
    animation: Vec<RgbImage>,
}

impl Pictures {
    fn new(folder: &PredictionFolder, solid: &Array2<bool>, voxel_size_m: f64) -> Self {
        let (height, width) = solid.dim();
        let step = height.max(width).div_ceil(ANIMATION_EDGE) as isize;
        let (folder, solid) = (folder.clone(), solid.clone());
        Self { folder, solid, voxel_size_m, step, animation: Vec::new() }
    }

    fn add(&mut self, time: &str, frame: ArrayView2<'_, f32>) -> Result<()> {
        let frame = frame.mapv(|p| (p * SHADES).round() / SHADES);
        let plate = |step: isize| {
            let part = s![..;step, ..;step];
            let picture = picture::probability_image(self.solid.slice(part), frame.slice(part));
            Plate::of_frame(&picture, time, self.voxel_size_m * step as f64).draw()
        };
        image::write_png(&self.folder.frame_path(self.animation.len()), &plate(1))?;
        let small = plate(self.step);
        self.animation.push(small);
        Ok(())
    }

    fn finish(self) -> Result<()> {
        image::write_gif(&self.folder.animation_path(), self.animation.into_iter(), FRAME_MS)
    }
}

/// A row of `saturation.csv`.
#[derive(Serialize)]
struct SaturationRow {
    domain_id: String,
    time: f64,
    /// Mean probability over the pore space.
    saturation: f64,
    /// Ends of its prediction interval; empty for a run that was not evaluated and for physical models.
    saturation_low: Option<f64>,
    saturation_high: Option<f64>,
}

impl SaturationRow {
    fn of(
        domain_id: &str,
        time: f64,
        domain: &Domain,
        frame: ArrayView2<'_, f32>,
        intervals: Option<&Intervals>,
    ) -> Self {
        let pore = domain.pore_count().max(1) as f64;
        let saturation = frame.iter().map(|&p| f64::from(p)).sum::<f64>() / pore;
        let width = intervals.map(|intervals| intervals.saturation_at(time));
        Self {
            domain_id: domain_id.to_owned(),
            time,
            saturation,
            saturation_low: width.map(|width| (saturation - width).max(0.0)),
            saturation_high: width.map(|width| (saturation + width).min(1.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is expected where fluid reaches the outlet in the last of some frames.
    fn expected(times: &[f64], has_intervals: bool) -> String {
        let intervals = serde_json::json!({
            "format": "porecast-intervals", "version": 2, "level": 0.9, "domains": 20, "best_epochs": [1],
            "times": [0.0, 1.0], "saturation": [0.1, 0.1], "breakthrough": 0.05,
        });
        let mut shown = Shown::new(Path::new("unused"), TimeUnit::PoreVolumes, f64::NAN);
        shown.intervals = Some(serde_json::from_value(intervals).expect("intervals"));
        let domain = Domain { solid: Array2::from_elem((2, 2), false), voxel_size_m: 1.0 };
        for (index, &time) in times.iter().enumerate() {
            let frame = Array2::from_elem((2, 2), if index + 1 == times.len() { 0.75 } else { 0.25 });
            shown.rows.push(SaturationRow::of("a", time, &domain, frame.view(), shown.intervals.as_ref()));
            shown.at_outlet.push(frame[[1, 0]] > 0.5);
        }
        if !has_intervals {
            shown.withdraw_intervals("see the warning");
        }
        shown.expected(0.1).expect("a frame")
    }

    #[test]
    fn intervals_are_stated_where_they_hold() {
        let start = "at 0.3 pore volumes: saturation 0.750";
        let more = "; breakthrough";
        let source = " (90 % intervals from 20 validation domains)";
        assert_eq!(
            expected(&[0.1, 0.2, 0.3], true),
            format!("{start} ± 0.100{more} at 0.3 pore volumes ± 0.050{source}")
        );
        // The interval of the breakthrough holds for frames as far apart as those of the training.
        let coarse = expected(&[0.1, 0.3], true);
        assert_eq!(coarse, format!("{start} ± 0.100{more} after 0.100 and until 0.3 pore volumes{source}"));
        assert_eq!(
            expected(&[0.3], true),
            format!("{start} ± 0.100{more} at 0.3 pore volumes or before{source}")
        );
        let none = " (no intervals: see the warning)";
        assert_eq!(expected(&[0.2, 0.3], false), format!("{start}{more} at 0.3 pore volumes{none}"));
    }
}
