//! Predicted sequences: `predictions.h5`.
//!
//! ```text
//! attrs  format="porecast-predictions" version=1 source time_unit inlet voxel_size_m
//! /domain_id    (N)           string
//! /solid        (N, H, W)     u8
//! /time         (N, T)        f64
//! /probability  (N, T, H, W)  f32   probability of the invading phase; 0 in solid
//! /capillary_number /viscosity_ratio /contact_angle_deg
//!               (N)           f64   what each domain was predicted for; NaN if unknown, absent if unknown for all
//! /frame (T)  /y (H)  /x (W)        numbers of the frames, centres of the pixels in metres
//! ```
//! `/domain_id`, `/frame`, `/y` and `/x` are the dimension scales of the others; they may be missing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Ix0, Ix1, Ix2, Ix3};
use porecast_simulations::{Side, TimeUnit};

use super::h5::{Growing, H5Reader, H5Writer};
use super::invasion::check_times;
use crate::physics::{Physics, Quantity};
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result};

/// The attribute `format` of a predictions file.
pub const FORMAT: &str = "porecast-predictions";
/// Version of the schema that this program reads and writes.
pub const VERSION: u32 = 1;

/// Where the physics of the domains is.
const PHYSICS: [(Quantity, &str); 3] = [
    (Quantity::CapillaryNumber, "capillary_number"),
    (Quantity::ViscosityRatio, "viscosity_ratio"),
    (Quantity::ContactAngle, "contact_angle_deg"),
];

/// A predicted sequence of one domain.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// Identifier of the domain.
    pub domain_id: String,
    /// Solid mask `[y, x]`.
    pub solid: Array2<bool>,
    /// Time of each frame.
    pub times: Vec<f64>,
    /// Probability of the invading phase `[time, y, x]`; 0 in solid.
    pub probability: Array3<f32>,
}

/// Properties shared by all predictions of a file.
#[derive(Debug, Clone, PartialEq)]
pub struct PredictionHeader {
    /// Name of the run, baseline or program that predicted.
    pub source: String,
    /// Unit of the times.
    pub time_unit: TimeUnit,
    /// Edge where the invading fluid enters.
    pub inlet: Side,
    /// Edge length of a pixel in metres.
    pub voxel_size_m: f64,
}

/// Writes `predictions` of one shape `[T, H, W]` to `path` atomically, one in memory at a time.
///
/// # Errors
/// The iterator's first error, no prediction, differing shapes, or an output error naming `path`.
pub fn write(
    path: &Path,
    header: &PredictionHeader,
    predictions: impl Iterator<Item = Result<Prediction>>,
) -> Result<()> {
    let mut predictions = predictions.peekable();
    let shape = match predictions.next_if(Result::is_err) {
        Some(error) => return error.map(drop),
        None => predictions.peek().and_then(|first| Some(first.as_ref().ok()?.probability.dim())),
    };
    let shape = shape.ok_or_else(|| Error::output(path, "there is no prediction to write"))?;
    write_frames(path, header, shape, |writer| {
        for prediction in predictions {
            let prediction = prediction?;
            writer.begin(&prediction.domain_id, &prediction.solid, &prediction.times)?;
            prediction.probability.outer_iter().try_for_each(|frame| writer.frame(frame))?;
        }
        Ok(())
    })
}

/// Writes predictions of shape `(frames, height, width)` to `path` atomically; `fill` writes them
/// frame by frame.
///
/// # Errors
/// Those of `fill`, or an output error naming `path`.
pub fn write_frames(
    path: &Path,
    header: &PredictionHeader,
    (frames, height, width): (usize, usize, usize),
    fill: impl FnOnce(&mut PredictionWriter) -> Result<()>,
) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let file = H5Writer::create(temporary, path)?;
        file.text("format", FORMAT)?;
        file.number("version", VERSION)?;
        file.text("source", &header.source)?;
        file.keyword("time_unit", header.time_unit)?;
        file.keyword("inlet", header.inlet)?;
        file.number("voxel_size_m", header.voxel_size_m)?;
        let mut writer = PredictionWriter {
            path: path.to_owned(),
            solid: file.growing::<u8>("solid", &[height, width], &[1, height, width])?,
            time: file.growing::<f64>("time", &[frames], &[64, frames])?,
            probability: file.growing::<f32>(
                "probability",
                &[frames, height, width],
                &[1, 1, height, width],
            )?,
            shape: (frames, height, width),
            ids: Vec::new(),
            physics: Vec::new(),
            written: frames,
        };
        fill(&mut writer)?;
        writer.expect_complete()?;
        file.texts("domain_id", &writer.ids)?;
        for (quantity, name) in PHYSICS {
            let values =
                writer.physics.iter().map(|physics| quantity.of(physics, f64::NAN).unwrap_or(f64::NAN));
            let values: Vec<f64> = values.collect();
            if values.iter().any(|value| value.is_finite()) {
                file.column(name, &values)?;
            }
        }
        drop(writer);
        file.grid((frames, height, width), header.voxel_size_m)?;
        file.name_axes(&[
            ("solid", &["domain_id", "y", "x"]),
            ("time", &["domain_id", "frame"]),
            ("probability", &["domain_id", "frame", "y", "x"]),
        ])?;
        file.finish()
    })
}

/// A predictions file being written.
pub struct PredictionWriter {
    path: PathBuf,
    solid: Growing,
    time: Growing,
    probability: Growing,
    shape: (usize, usize, usize),
    ids: Vec<String>,
    physics: Vec<Physics>,
    /// Frames written of the last domain.
    written: usize,
}

impl PredictionWriter {
    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Begins a domain; its frames follow.
    ///
    /// # Errors
    /// The previous domain lacks frames, a shape differs, or the file cannot be written.
    pub fn begin(&mut self, domain_id: &str, solid: &Array2<bool>, times: &[f64]) -> Result<()> {
        self.expect_complete()?;
        let (frames, height, width) = self.shape;
        if (times.len(), solid.dim()) != (frames, (height, width)) {
            return Err(self.mismatch(format!(
                "prediction {domain_id:?} has {} times and solid {:?}, expected {:?}",
                times.len(),
                solid.dim(),
                self.shape
            )));
        }
        self.solid.push(solid.mapv(u8::from).view())?;
        self.time.push(ArrayView1::from(times))?;
        self.probability.grow()?;
        self.ids.push(domain_id.to_owned());
        self.physics.push(Physics::default());
        self.written = 0;
        Ok(())
    }

    /// Records what the domain that was begun last is predicted for.
    pub fn record(&mut self, physics: &Physics) {
        if let Some(last) = self.physics.last_mut() {
            *last = *physics;
        }
    }

    /// Writes the next frame of the domain: the probability `[y, x]`.
    ///
    /// # Errors
    /// The domain has all its frames, the shape differs from the file's, or the file cannot be written.
    pub fn frame(&mut self, probability: ArrayView2<'_, f32>) -> Result<()> {
        let (frames, height, width) = self.shape;
        if self.written == frames || probability.dim() != (height, width) {
            return Err(self.mismatch(format!(
                "frame {} is of {:?}, expected {frames} frames of {:?}",
                self.written,
                probability.dim(),
                (height, width)
            )));
        }
        self.probability.write(&[self.written], probability.as_standard_layout().view())?;
        self.written += 1;
        Ok(())
    }

    fn expect_complete(&self) -> Result<()> {
        let frames = self.shape.0;
        if self.written == frames {
            return Ok(());
        }
        let id = self.ids.last().map_or("", String::as_str);
        Err(self.mismatch(format!("prediction {id:?} has {} frames, expected {frames}", self.written)))
    }

    fn mismatch(&self, what: String) -> Error {
        Error::new(ErrorKind::Mismatch, self.path.display().to_string(), what)
    }
}

/// A predictions file opened for reading. `porecast evaluate` scores such files from any program.
///
/// ```
/// use porecast_simulations::{Side, TimeUnit};
/// use porecast_store::prediction::{self, PredictionHeader};
/// use porecast_store::{Prediction, PredictionFile};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("predictions.h5");
/// let header = PredictionHeader {
///     source: "one half".into(),
///     time_unit: TimeUnit::PoreVolumes,
///     inlet: Side::Top,
///     voxel_size_m: 35e-6,
/// };
/// let half = Prediction {
///     domain_id: "domain-0000".into(),
///     solid: ndarray::Array2::from_elem((8, 4), false),
///     times: vec![0.0, 0.1],
///     probability: ndarray::Array3::from_elem((2, 8, 4), 0.5),
/// };
/// prediction::write(&path, &header, [Ok(half.clone())].into_iter())?;
/// let file = PredictionFile::open(&path)?;
/// assert_eq!(file.prediction(0)?, half);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct PredictionFile {
    path: PathBuf,
    header: PredictionHeader,
    ids: Vec<String>,
    shape: (usize, usize, usize),
}

impl PredictionFile {
    /// Opens a predictions file.
    ///
    /// # Errors
    /// The file is missing, truncated, of another format or version, or its parts do not fit together.
    pub fn open(path: &Path) -> Result<Self> {
        let file = H5Reader::open(path)?;
        file.expect_format(FORMAT, VERSION)?;
        let ids = file.texts("/domain_id")?;
        let mut seen = HashSet::new();
        if let Some(id) = ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(file.error("/domain_id", format!("{id:?} occurs twice")));
        }
        let n = Some(ids.len());
        let shape = file.numbers("/probability", &[n, None, None, None])?.shape();
        file.numbers("/solid", &[n, Some(shape[2]), Some(shape[3])])?;
        file.numbers("/time", &[n, Some(shape[1])])?;
        Ok(Self {
            path: path.to_owned(),
            header: PredictionHeader {
                source: file.text_or("source", "unknown")?,
                time_unit: file.keyword("time_unit")?,
                inlet: file.keyword("inlet")?,
                voxel_size_m: file.number("voxel_size_m")?,
            },
            ids,
            shape: (shape[1], shape[2], shape[3]),
        })
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Properties shared by all predictions.
    pub fn header(&self) -> &PredictionHeader {
        &self.header
    }

    /// Identifiers of the domains, in stored order.
    pub fn domain_ids(&self) -> &[String] {
        &self.ids
    }

    /// Frames, height and width of every prediction.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// What prediction `index` was made for, as far as the file says.
    ///
    /// # Errors
    /// The file cannot be read.
    ///
    /// # Panics
    /// `index` is not below the number of [`domain_ids`](Self::domain_ids).
    pub fn physics(&self, index: usize) -> Result<Physics> {
        let file = H5Reader::open(&self.path)?;
        let [capillary_number, viscosity_ratio, contact_angle_deg] = PHYSICS.map(|(_, name)| {
            if !file.has(name) {
                return Ok(None);
            }
            let values = file.numbers(name, &[Some(self.ids.len())])?;
            let value = file.row::<f64, Ix0>(&values, index)?.into_scalar();
            Ok(value.is_finite().then_some(value))
        });
        Ok(Physics {
            capillary_number: capillary_number?,
            viscosity_ratio: viscosity_ratio?,
            contact_angle_deg: contact_angle_deg?,
        })
    }

    /// Reads prediction `index`.
    ///
    /// # Errors
    /// The file cannot be read, or holds probabilities outside 0 to 1 or times that do not ascend.
    ///
    /// # Panics
    /// `index` is not below the number of [`domain_ids`](Self::domain_ids).
    pub fn prediction(&self, index: usize) -> Result<Prediction> {
        let domain_id = self.ids[index].clone();
        let file = H5Reader::open(&self.path)?;
        let solid = file.mask::<Ix2>("/solid", "y, x", index)?;
        let times: Array1<f64> = file.row::<_, Ix1>(&file.numbers("/time", &[None; 2])?, index)?;
        let probability: Array3<f32> =
            file.row::<_, Ix3>(&file.numbers("/probability", &[None; 4])?, index)?;
        let times = times.to_vec();
        check_times(&times).map_err(|what| file.error(&format!("/time[{index}]"), what))?;
        let outside = probability.indexed_iter().find(|(_, p)| !(0.0..=1.0).contains(*p));
        if let Some(((t, y, x), value)) = outside {
            return Err(file.error(
                &format!("/probability[{index}]"),
                format!("holds {value} at (time, y, x) = ({t}, {y}, {x}), expected 0 to 1"),
            ));
        }
        Ok(Prediction { domain_id, solid, times, probability })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> PredictionHeader {
        PredictionHeader {
            source: "mean frame".into(),
            time_unit: TimeUnit::PoreVolumes,
            inlet: Side::Left,
            voxel_size_m: 35e-6,
        }
    }

    fn prediction(id: &str) -> Prediction {
        let solid = Array2::from_shape_fn((3, 5), |(y, x)| (y + x) % 4 == 0);
        let probability =
            Array3::from_shape_fn(
                (2, 3, 5),
                |(t, y, x)| {
                    if solid[(y, x)] { 0.0 } else { (t + y + x) as f32 / 10.0 }
                },
            );
        Prediction { domain_id: id.into(), solid, times: vec![0.0, 0.5], probability }
    }

    #[test]
    fn predictions_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.h5");
        let all = [prediction("a"), prediction("b")];
        write(&path, &header(), all.iter().cloned().map(Ok)).unwrap();
        let file = PredictionFile::open(&path).unwrap();
        assert_eq!(file.header(), &header());
        assert_eq!(file.domain_ids(), ["a", "b"]);
        assert_eq!(file.shape(), (2, 3, 5));
        assert_eq!(file.prediction(1).unwrap(), all[1]);
    }

    #[test]
    fn what_a_domain_was_predicted_for_is_recorded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.h5");
        let told =
            Physics { capillary_number: Some(1e-3), contact_angle_deg: Some(60.0), ..Physics::default() };
        let one = prediction("a");
        write_frames(&path, &header(), one.probability.dim(), |writer| {
            for (id, physics) in [("a", told), ("b", Physics::default())] {
                writer.begin(id, &one.solid, &one.times)?;
                writer.record(&physics);
                one.probability.outer_iter().try_for_each(|frame| writer.frame(frame))?;
            }
            Ok(())
        })
        .unwrap();
        let file = PredictionFile::open(&path).unwrap();
        assert_eq!((file.physics(0).unwrap(), file.physics(1).unwrap()), (told, Physics::default()));
        let names = crate::listing::hdf5(&path).unwrap();
        assert!(!names.iter().any(|entry| entry.name.contains("viscosity_ratio")), "{names:?}");
    }

    #[test]
    fn predictions_of_different_shapes_are_refused_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.h5");
        let mut other = prediction("b");
        other.times.push(1.0);
        let error = write(&path, &header(), [prediction("a"), other].into_iter().map(Ok)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Mismatch);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_probability_that_is_not_a_number_is_named_with_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.h5");
        let mut broken = prediction("a");
        broken.probability[(1, 2, 3)] = f32::NAN;
        write(&path, &header(), std::iter::once(Ok(broken))).unwrap();
        let error = PredictionFile::open(&path).unwrap().prediction(0).unwrap_err().to_string();
        assert!(error.contains("/probability[0] holds NaN at (time, y, x) = (1, 2, 3)"), "{error}");
    }

    #[test]
    fn a_dataset_is_not_taken_for_predictions() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let file = H5Writer::create(&path, &path).unwrap();
        file.text("format", crate::invasion::FORMAT).unwrap();
        file.finish().unwrap();
        let error = PredictionFile::open(&path).unwrap_err().to_string();
        assert!(
            error.contains("has format \"porecast-invasion\", expected \"porecast-predictions\""),
            "{error}"
        );
    }
}
