//! Annotated images of one shape: the dataset of a segmentation study.
//!
//! ```text
//! attrs  format="porecast-segmentation" version=1 campaign (the configuration as TOML) classes (a JSON list) created_with
//! /id              (N)           string, stable; splits refer to it
//! /group           (N)           string; a group stays on one side of a split
//! /image           (N, C, H, W)  u8 or u16: 0 to 1 in steps of 1/255 or 1/65535
//! /mask            (N, H, W)     u8   class of each pixel; 0 in images without a mask
//! /has_mask        (N)           u8   1 for an image with a mask
//! /original_shape  (N, 2)        u64  height and width before resizing
//! /spacing_mm      (N, 2)        f64  height and width of an original pixel; NaN if unknown
//! ```
//! The axes are named by the dimension scales `/id`, `/channel`, `/y`, `/x` and `/side`, which older files lack.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ndarray::{Array1, Array2, Array3, ArrayView1, Ix1, Ix2, Ix3};
use porecast_imaging::AnnotatedImage;
use sha2::{Digest, Sha256};

use super::h5::{Growing, H5Reader, H5Writer};
use crate::config::segmentation::Depth;
use porecast_base::atomic;
use porecast_base::{Error, ErrorKind, Result, hex};

/// The attribute `format` of a segmentation dataset.
pub const FORMAT: &str = "porecast-segmentation";
/// Version of the schema that this program reads and writes.
pub const VERSION: u32 = 1;

/// Writes a dataset to `path` atomically; `fill` pushes its images.
///
/// # Errors
/// Those of `fill`, no image at all, or an output error naming `path`.
pub fn write(
    path: &Path,
    classes: &[String],
    campaign: &str,
    depth: Depth,
    fill: impl FnOnce(&mut SegmentationWriter) -> Result<()>,
) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let file = H5Writer::create(temporary, path)?;
        file.text("format", FORMAT)?;
        file.number("version", VERSION)?;
        file.text("campaign", campaign)?;
        file.text("classes", &serde_json::to_string(classes).map_err(|e| Error::output(path, e))?)?;
        file.text("created_with", concat!("porecast ", env!("CARGO_PKG_VERSION")))?;
        let mut writer = SegmentationWriter {
            path: path.to_owned(),
            file,
            depth,
            classes: classes.len(),
            columns: None,
            ids: Vec::new(),
            groups: Vec::new(),
            has_mask: Vec::new(),
        };
        fill(&mut writer)?;
        let SegmentationWriter { file, columns, ids, groups, has_mask, .. } = writer;
        let Some(Columns { shape: (channels, height, width), .. }) = columns else {
            return Err(Error::output(path, "there is no image to write"));
        };
        file.texts("id", &ids)?;
        file.texts("group", &groups)?;
        file.column("has_mask", &has_mask)?;
        for (name, length) in [("channel", channels), ("y", height), ("x", width)] {
            file.counting(name, length)?;
        }
        file.texts("side", &["height", "width"].map(String::from))?;
        file.name_axes(&[
            ("image", &["id", "channel", "y", "x"]),
            ("mask", &["id", "y", "x"]),
            ("group", &["id"]),
            ("has_mask", &["id"]),
            ("original_shape", &["id", "side"]),
            ("spacing_mm", &["id", "side"]),
        ])?;
        drop(columns);
        file.finish()
    })
}

/// A segmentation dataset being written.
pub struct SegmentationWriter {
    path: PathBuf,
    file: H5Writer,
    depth: Depth,
    classes: usize,
    columns: Option<Columns>,
    ids: Vec<String>,
    groups: Vec<String>,
    has_mask: Vec<u8>,
}

struct Columns {
    shape: (usize, usize, usize),
    image: Growing,
    mask: Growing,
    original_shape: Growing,
    spacing_mm: Growing,
}

impl SegmentationWriter {
    /// Adds an image with its mask.
    ///
    /// # Errors
    /// Its shape differs from that of the images before it, its mask has an unknown class, or the
    /// file cannot be written.
    pub fn push(&mut self, sample: &AnnotatedImage) -> Result<()> {
        let shape = sample.image.dim();
        let (channels, height, width) = shape;
        if self.columns.is_none() {
            let image = match self.depth {
                Depth::Eight => self.growing::<u8>("image", &[channels, height, width])?,
                Depth::Sixteen => self.growing::<u16>("image", &[channels, height, width])?,
            };
            self.columns = Some(Columns {
                shape,
                image,
                mask: self.growing::<u8>("mask", &[height, width])?,
                original_shape: self.growing::<u64>("original_shape", &[2])?,
                spacing_mm: self.growing::<f64>("spacing_mm", &[2])?,
            });
        }
        let columns = self.columns.as_mut().expect("made above");
        let mismatch = |what: String| Error::new(ErrorKind::Mismatch, self.path.display().to_string(), what);
        if columns.shape != shape {
            return Err(mismatch(format!(
                "image {:?} is of {shape:?} (channels, height, width), those before it of {:?}; set source.resize",
                sample.id, columns.shape
            )));
        }
        let mask = sample.mask.clone().unwrap_or_else(|| Array2::zeros((height, width)));
        if let Some(class) = mask.iter().find(|&&class| usize::from(class) >= self.classes) {
            return Err(mismatch(format!(
                "the mask of {:?} has class {class}, but `classes` names {} only",
                sample.id, self.classes
            )));
        }
        let scaled = |levels: f32| sample.image.mapv(|v| (v.clamp(0.0, 1.0) * levels).round());
        match self.depth {
            Depth::Eight => columns.image.push(scaled(255.0).mapv(|v| v as u8).view())?,
            Depth::Sixteen => columns.image.push(scaled(65535.0).mapv(|v| v as u16).view())?,
        }
        columns.mask.push(mask.view())?;
        let (h, w) = sample.original_shape;
        columns.original_shape.push(ArrayView1::from(&[h as u64, w as u64]))?;
        let (dy, dx) = sample.spacing_mm.unwrap_or((f64::NAN, f64::NAN));
        columns.spacing_mm.push(ArrayView1::from(&[dy, dx]))?;
        self.ids.push(sample.id.clone());
        self.groups.push(sample.group.clone());
        self.has_mask.push(u8::from(sample.mask.is_some()));
        Ok(())
    }

    fn growing<T: hdf5::H5Type>(&self, name: &str, row: &[usize]) -> Result<Growing> {
        let chunk: Vec<usize> = std::iter::once(1).chain(row.iter().copied()).collect();
        self.file.growing::<T>(name, row, &chunk)
    }
}

/// A segmentation dataset opened for reading. Images are read one at a time.
#[derive(Debug, Clone)]
pub struct SegmentationDataset {
    path: PathBuf,
    classes: Vec<String>,
    campaign: String,
    depth: Depth,
    ids: Vec<String>,
    groups: Vec<String>,
    has_mask: Vec<bool>,
    shape: (usize, usize, usize),
    /// Computed on first use, as it reads all images.
    fingerprint: OnceLock<String>,
}

impl SegmentationDataset {
    /// Opens a dataset.
    ///
    /// # Errors
    /// The file is missing, truncated, of another format or version, or its parts do not fit together.
    pub fn open(path: &Path) -> Result<Self> {
        let file = H5Reader::open(path)?;
        file.expect_format(FORMAT, VERSION)?;
        let classes: Vec<String> = serde_json::from_str(&file.text("classes")?)
            .map_err(|e| file.error("/", format!("attribute \"classes\" is not a list of names: {e}")))?;
        let ids = file.texts("/id")?;
        let mut seen = HashSet::new();
        if let Some(id) = ids.iter().find(|id| !seen.insert(id.as_str())) {
            return Err(file.error("/id", format!("{id:?} occurs twice")));
        }
        let n = Some(ids.len());
        let groups = file.texts("/group")?;
        let image = file.dataset("/image", &[n, None, None, None])?;
        let [channels, height, width] = [image.shape()[1], image.shape()[2], image.shape()[3]];
        let depth = match image.dtype().map(|dtype| dtype.size()) {
            Ok(1) => Depth::Eight,
            _ => Depth::Sixteen,
        };
        match depth {
            Depth::Eight => file.dataset_of::<u8>("/image", &[None; 4])?,
            Depth::Sixteen => file.dataset_of::<u16>("/image", &[None; 4])?,
        };
        file.dataset_of::<u8>("/mask", &[n, Some(height), Some(width)])?;
        file.dataset_of::<u64>("/original_shape", &[n, Some(2)])?;
        file.dataset_of::<f64>("/spacing_mm", &[n, Some(2)])?;
        let has_mask = file
            .dataset_of::<u8>("/has_mask", &[n])?
            .read_raw::<u8>()
            .map_err(|e| file.error("/has_mask", super::h5::last_cause(&e)))?;
        if groups.len() != ids.len() {
            return Err(file.error("/group", format!("has {} rows, expected {}", groups.len(), ids.len())));
        }
        Ok(Self {
            path: path.to_owned(),
            classes,
            campaign: file.text("campaign")?,
            depth,
            ids,
            groups,
            has_mask: has_mask.into_iter().map(|has| has != 0).collect(),
            shape: (channels, height, width),
            fingerprint: OnceLock::new(),
        })
    }

    /// Path of the dataset.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Names of the classes, the background first.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// Configuration that prepared the dataset, as TOML.
    pub fn campaign(&self) -> &str {
        &self.campaign
    }

    /// Bit depth of the stored images.
    pub fn depth(&self) -> Depth {
        self.depth
    }

    /// Identifiers of the images, in stored order.
    pub fn ids(&self) -> &[String] {
        &self.ids
    }

    /// Group of each image; a group stays on one side of a split.
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// Whether each image has a mask.
    pub fn has_mask(&self) -> &[bool] {
        &self.has_mask
    }

    /// Channels, height and width of every image.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// Reads image `index` and its mask.
    ///
    /// # Errors
    /// The file cannot be read, or the mask holds an unknown class.
    ///
    /// # Panics
    /// `index` is not below the number of [`ids`](Self::ids).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let file = H5Reader::open(&self.path)?;
        let dataset = file.dataset("/image", &[None; 4])?;
        let image: Array3<f32> = match self.depth {
            Depth::Eight => file.row::<u8, Ix3>(&dataset, index)?.mapv(|v| f32::from(v) / 255.0),
            Depth::Sixteen => file.row::<u16, Ix3>(&dataset, index)?.mapv(|v| f32::from(v) / 65535.0),
        };
        let mask = self.mask(&file, index)?;
        let original: Array1<u64> =
            file.row::<_, Ix1>(&file.dataset("/original_shape", &[None; 2])?, index)?;
        let spacing: Array1<f64> = file.row::<_, Ix1>(&file.dataset("/spacing_mm", &[None; 2])?, index)?;
        Ok(AnnotatedImage {
            id: self.ids[index].clone(),
            group: self.groups[index].clone(),
            image,
            mask,
            original_shape: (original[0] as usize, original[1] as usize),
            spacing_mm: spacing.iter().all(|mm| mm.is_finite()).then(|| (spacing[0], spacing[1])),
        })
    }

    /// Pixels of each class of image `index`, read from its mask alone; `None` without a mask.
    ///
    /// # Errors
    /// As [`sample`](Self::sample).
    ///
    /// # Panics
    /// `index` is not below the number of [`ids`](Self::ids).
    pub fn class_counts(&self, index: usize) -> Result<Option<Vec<u64>>> {
        Ok(self.mask(&H5Reader::open(&self.path)?, index)?.map(|mask| {
            let mut counts = vec![0; self.classes.len()];
            mask.iter().for_each(|&class| counts[usize::from(class)] += 1);
            counts
        }))
    }

    fn mask(&self, file: &H5Reader, index: usize) -> Result<Option<Array2<u8>>> {
        if !self.has_mask[index] {
            return Ok(None);
        }
        let mask = file.row::<u8, Ix2>(&file.dataset("/mask", &[None; 3])?, index)?;
        let classes = self.classes.len();
        match mask.iter().find(|&&class| usize::from(class) >= classes) {
            Some(class) => {
                Err(file.error(&format!("/mask[{index}]"), format!("has class {class} of {classes}")))
            }
            None => Ok(Some(mask)),
        }
    }

    /// SHA-256 of classes, identifiers, groups, images and masks.
    ///
    /// # Errors
    /// An image cannot be read.
    pub fn fingerprint(&self) -> Result<String> {
        if let Some(fingerprint) = self.fingerprint.get() {
            return Ok(fingerprint.clone());
        }
        let mut hash = Sha256::new();
        hash.update(serde_json::to_vec(&(&self.classes, self.shape)).expect("texts and numbers"));
        for index in 0..self.ids.len() {
            let sample = self.sample(index)?;
            hash.update(serde_json::to_vec(&(&sample.id, &sample.group)).expect("texts"));
            hash.update(sample.image.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>());
            match &sample.mask {
                Some(mask) => hash.update(mask.as_standard_layout().as_slice().expect("standard layout")),
                None => hash.update(b"none"),
            }
        }
        let fingerprint = hex(&hash.finalize());
        Ok(self.fingerprint.get_or_init(|| fingerprint).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(id: &str, mask: bool) -> AnnotatedImage {
        AnnotatedImage {
            id: id.into(),
            group: "g".into(),
            image: Array3::from_shape_fn((2, 3, 4), |(c, y, x)| (c + y + x) as f32 / 255.0),
            mask: mask.then(|| Array2::from_shape_fn((3, 4), |(y, x)| ((y + x) % 3) as u8)),
            original_shape: (30, 40),
            spacing_mm: mask.then_some((0.5, 0.25)),
        }
    }

    fn classes() -> Vec<String> {
        ["none", "rock", "sand"].map(String::from).to_vec()
    }

    #[test]
    fn images_read_back_as_written() {
        let folder = tempfile::tempdir().unwrap();
        for depth in [Depth::Eight, Depth::Sixteen] {
            let path = folder.path().join(format!("{depth:?}.h5"));
            let all = [sample("a", true), sample("b", false)];
            write(&path, &classes(), "x = 1", depth, |w| all.iter().try_for_each(|s| w.push(s))).unwrap();
            let dataset = SegmentationDataset::open(&path).unwrap();
            assert_eq!(dataset.shape(), (2, 3, 4));
            assert_eq!((dataset.classes(), dataset.campaign()), (&classes()[..], "x = 1"));
            assert_eq!(dataset.has_mask(), [true, false]);
            assert_eq!(dataset.class_counts(0).unwrap(), Some(vec![4, 4, 4]));
            assert_eq!(dataset.class_counts(1).unwrap(), None);
            for (index, expected) in all.iter().enumerate() {
                let found = dataset.sample(index).unwrap();
                assert!((&found.image - &expected.image).iter().all(|d| d.abs() < 1e-5));
                assert_eq!(AnnotatedImage { image: expected.image.clone(), ..found }, *expected);
            }
        }
        let prints = [Depth::Eight, Depth::Sixteen].map(|depth| {
            SegmentationDataset::open(&folder.path().join(format!("{depth:?}.h5")))
                .unwrap()
                .fingerprint()
                .unwrap()
        });
        assert_eq!(prints[0], prints[1]);
    }

    #[test]
    fn other_shapes_and_classes_are_refused_and_leave_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.h5");
        let mut strange = sample("b", true);
        strange.mask.as_mut().unwrap()[(0, 0)] = 3;
        let mut small = sample("c", true);
        small.image = Array3::zeros((2, 3, 3));
        for (other, wanted) in [(strange, "class 3"), (small, "set source.resize")] {
            let all = [sample("a", true), other];
            let error =
                write(&path, &classes(), "", Depth::Sixteen, |w| all.iter().try_for_each(|s| w.push(s)))
                    .unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        }
    }
}
