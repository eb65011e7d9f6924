//! Predicted sequences: `predictions.h5`.
//!
//! ```text
//! attrs  format="porecast-predictions" version=1 source time_unit inlet voxel_size_m
//! /domain_id    (N)           string
//! /solid        (N, H, W)     u8
//! /time         (N, T)        f64
//! /probability  (N, T, H, W)  f32   probability of the invading phase; 0 in solid
//! /frame (T)  /y (H)  /x (W)        numbers of the frames, centres of the pixels in metres
//! ```
//! `/domain_id`, `/frame`, `/y` and `/x` are the dimension scales of the others; they may be missing.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, Ix1, Ix2, Ix3};
use porecast_simulations::{Side, TimeUnit};

use super::h5::{Growing, H5Reader, H5Writer};
use super::invasion::check_times;
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result};

/// The attribute `format` of a predictions file.
pub const FORMAT: &str = "porecast-predictions";
/// Version of the schema that this program reads and writes.
pub const VERSION: u32 = 1;

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
            written: frames,
        };
        fill(&mut writer)?;
        writer.expect_complete()?;
        file.texts("domain_id", &writer.ids)?;
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
        self.written = 0;
        Ok(())
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
        let shape = file.dataset_of::<f32>("/probability", &[n, None, None, None])?.shape();
        file.dataset_of::<u8>("/solid", &[n, Some(shape[2]), Some(shape[3])])?;
        file.dataset_of::<f64>("/time", &[n, Some(shape[1])])?;
        Ok(Self {
            path: path.to_owned(),
            header: PredictionHeader {
                source: file.text("source")?,
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
        let solid: Array2<u8> = file.row::<_, Ix2>(&file.dataset_of::<u8>("/solid", &[None; 3])?, index)?;
        let times: Array1<f64> = file.row::<_, Ix1>(&file.dataset_of::<f64>("/time", &[None; 2])?, index)?;
        let probability: Array3<f32> =
            file.row::<_, Ix3>(&file.dataset_of::<f32>("/probability", &[None; 4])?, index)?;
        let times = times.to_vec();
        check_times(&times).map_err(|what| file.error(&format!("/time[{index}]"), what))?;
        if let Some(((y, x), value)) = solid.indexed_iter().find(|(_, value)| **value > 1) {
            return Err(file.error(
                &format!("/solid[{index}]"),
                format!("holds {value} at (y, x) = ({y}, {x}), expected 0 or 1"),
            ));
        }
        let outside = probability.indexed_iter().find(|(_, p)| !(0.0..=1.0).contains(*p));
        if let Some(((t, y, x), value)) = outside {
            return Err(file.error(
                &format!("/probability[{index}]"),
                format!("holds {value} at (time, y, x) = ({t}, {y}, {x}), expected 0 to 1"),
            ));
        }
        Ok(Prediction { domain_id, solid: solid.mapv(|value| value == 1), times, probability })
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
