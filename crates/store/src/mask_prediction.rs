//! Predicted masks of a segmentation.
//!
//! ```text
//! attrs  format="porecast-masks" version=1 source classes (a JSON list)
//! /id           (N)           string
//! /probability  (N, K, H, W)  u16  of each class, 0 to 65535; K = 1 (the foreground) for two classes
//! /mask         (N, H, W)     u8   class of each pixel, after postprocessing
//! ```
//! The axes are named by the dimension scales `/id`, `/class`, `/y` and `/x`, which may be missing.

use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Axis, Ix2, Ix3};

use super::Predictions;
use super::h5::{Growing, H5Reader, H5Writer};
use porecast_base::atomic;
use porecast_base::{Error, Result};

/// The attribute `format` of a file of predicted masks.
pub const FORMAT: &str = "porecast-masks";
/// Version of the schema that this program reads and writes.
pub const VERSION: u32 = 1;

/// The prediction for one image.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskPrediction {
    /// Identifier of the image.
    pub id: String,
    /// Probability of each class `[class, y, x]`; for two classes, of the foreground only.
    pub probability: Array3<f32>,
    /// Class of each pixel `[y, x]`.
    pub mask: Array2<u8>,
}

impl MaskPrediction {
    /// The class of highest probability in each pixel, the first of equals, without postprocessing.
    pub fn most_probable(&self) -> Array2<u8> {
        most_probable(&self.probability)
    }
}

/// The class of highest probability in each pixel, the first of equals.
///
/// # Shapes
/// `[class, y, x]` to `[y, x]`; a single channel is the foreground.
pub fn most_probable(probability: &Array3<f32>) -> Array2<u8> {
    if probability.dim().0 == 1 {
        return probability.index_axis(Axis(0), 0).mapv(|p| u8::from(p > 0.5));
    }
    let (_, height, width) = probability.dim();
    let mut best = Array2::<u8>::zeros((height, width));
    let mut highest = Array2::from_elem((height, width), f32::NEG_INFINITY);
    for (class, plane) in probability.outer_iter().enumerate() {
        ndarray::azip!((best in &mut best, highest in &mut highest, &p in plane) {
            if p > *highest {
                (*best, *highest) = (class as u8, p);
            }
        });
    }
    best
}

/// Probabilities as they read back from a file, so that a mask computed from them matches the file.
pub fn as_stored(probability: Array3<f32>) -> Array3<f32> {
    probability.mapv_into(|p| from_level(to_level(p)))
}

fn to_level(probability: f32) -> u16 {
    (probability.clamp(0.0, 1.0) * 65535.0).round() as u16
}

fn from_level(level: u16) -> f32 {
    f32::from(level) / 65535.0
}

/// Writes predictions (all of one shape `(K, H, W)`) to `path` atomically; `fill` pushes them.
///
/// # Errors
/// Those of `fill`, or an output error naming `path`.
pub fn write(
    path: &Path,
    source: &str,
    classes: &[String],
    (channels, height, width): (usize, usize, usize),
    fill: impl FnOnce(&mut MaskWriter) -> Result<()>,
) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let file = H5Writer::create(temporary, path)?;
        file.text("format", FORMAT)?;
        file.number("version", VERSION)?;
        file.text("source", source)?;
        file.text("classes", &serde_json::to_string(classes).map_err(|e| Error::output(path, e))?)?;
        let mut writer = MaskWriter {
            ids: Vec::new(),
            probability: file.growing::<u16>(
                "probability",
                &[channels, height, width],
                &[1, channels, height, width],
            )?,
            mask: file.growing::<u8>("mask", &[height, width], &[1, height, width])?,
        };
        fill(&mut writer)?;
        let MaskWriter { ids, probability, mask } = writer;
        file.texts("id", &ids)?;
        // Two classes have one probability, that of the foreground.
        file.texts("class", classes.get(classes.len().saturating_sub(channels)..).unwrap_or_default())?;
        file.counting("y", height)?;
        file.counting("x", width)?;
        drop((probability, mask));
        file.name_axes(&[("probability", &["id", "class", "y", "x"]), ("mask", &["id", "y", "x"])])?;
        file.finish()
    })
}

/// A file of predicted masks being written.
pub struct MaskWriter {
    ids: Vec<String>,
    probability: Growing,
    mask: Growing,
}

impl MaskWriter {
    /// Adds the prediction for an image.
    ///
    /// # Errors
    /// Its shape differs from the file's, or the file cannot be written.
    pub fn push(&mut self, prediction: &MaskPrediction) -> Result<()> {
        self.probability.push(prediction.probability.mapv(to_level).view())?;
        self.mask.push(prediction.mask.view())?;
        self.ids.push(prediction.id.clone());
        Ok(())
    }
}

/// A file of predicted masks, opened for reading.
#[derive(Debug, Clone)]
pub struct MaskFile {
    path: PathBuf,
    source: String,
    classes: Vec<String>,
    ids: Vec<String>,
}

impl MaskFile {
    /// Names of the classes, the background first.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }
}

impl Predictions for MaskFile {
    type Prediction = MaskPrediction;

    fn open(path: &Path) -> Result<Self> {
        let file = H5Reader::open(path)?;
        file.expect_format(FORMAT, VERSION)?;
        let classes = serde_json::from_str(&file.text("classes")?)
            .map_err(|e| file.error("/", format!("attribute \"classes\" is not a list of names: {e}")))?;
        let ids = file.texts("/id")?;
        let n = Some(ids.len());
        let shape = file.dataset_of::<u16>("/probability", &[n, None, None, None])?.shape();
        file.dataset_of::<u8>("/mask", &[n, Some(shape[2]), Some(shape[3])])?;
        Ok(Self { path: path.to_owned(), source: file.text("source")?, classes, ids })
    }

    fn path(&self) -> &Path {
        &self.path
    }

    fn source(&self) -> &str {
        &self.source
    }

    fn ids(&self) -> &[String] {
        &self.ids
    }

    fn prediction(&self, index: usize) -> Result<MaskPrediction> {
        let file = H5Reader::open(&self.path)?;
        let levels: Array3<u16> = file.row::<_, Ix3>(&file.dataset("/probability", &[None; 4])?, index)?;
        let mask: Array2<u8> = file.row::<_, Ix2>(&file.dataset("/mask", &[None; 3])?, index)?;
        Ok(MaskPrediction { id: self.ids[index].clone(), probability: levels.mapv(from_level), mask })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn predictions_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.h5");
        let classes = ["sky", "rock", "sand"].map(String::from);
        let probability = Array3::from_shape_fn((3, 2, 2), |(c, y, x)| ((c + 2 * y + x) % 4) as f32 / 3.0);
        let prediction = MaskPrediction { id: "a".into(), probability, mask: array![[0, 1], [2, 2]] };
        write(&path, "unet", &classes, (3, 2, 2), |writer| writer.push(&prediction)).unwrap();
        let file = MaskFile::open(&path).unwrap();
        assert_eq!(
            (file.source(), file.classes(), file.ids()),
            ("unet", &classes[..], &["a".to_owned()][..])
        );
        let found = file.prediction(0).unwrap();
        assert!((&found.probability - &prediction.probability).iter().all(|d| d.abs() < 1e-5));
        assert_eq!(found.mask, prediction.mask);
    }

    #[test]
    fn the_most_probable_class_is_the_first_of_equals() {
        let one = array![[[0.4, 0.5, 0.6]]];
        assert_eq!(most_probable(&one), array![[0, 0, 1]]);
        let three = array![[[0.2, 0.4]], [[0.5, 0.4]], [[0.3, 0.2]]];
        assert_eq!(most_probable(&three), array![[1, 0]]);
    }
}
