//! NumPy archives of image and mask stacks.
//!
//! ```text
//! training_set  (n, 2, height, width)   image 0 to 255, and mask
//! test_set      (n, height, width)      image
//! ```

use std::fs::File;
use std::path::{Path, PathBuf};

use ndarray::{Array2, Array3, Array4, ArrayD, ArrayView2, Axis, Ix3, Ix4, IxDyn, s};
use ndarray_npy::NpzWriter;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::npz::Archive;
use super::{Unlabelled, folder, nothing_usable};
use crate::annotated::AnnotatedImage;
use crate::warning::Warning;
use porecast_base::atomic;
use porecast_base::{Error, Result};

const TRAINING: &str = "training_set";
const TEST: &str = "test_set";

/// Options for reading a stack.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// Number of classes, background included. Samples whose mask has a larger value are left out.
    pub classes: u8,
    /// Handling of images without a mask.
    pub unlabelled: Unlabelled,
}

impl Default for Options {
    fn default() -> Self {
        Self { classes: 5, unlabelled: Unlabelled::default() }
    }
}

/// A stack of images, some with masks, in memory as stored in the file: one byte per pixel.
#[derive(Debug)]
pub struct NpzStack {
    path: PathBuf,
    training: Array4<u8>,
    test: Array3<u8>,
    /// Indices of the samples in the training set, then in the test set.
    samples: Vec<Position>,
    warnings: Vec<Warning>,
}

#[derive(Debug, Clone, Copy)]
enum Position {
    Training(usize),
    Test(usize),
}

impl NpzStack {
    /// Reads an archive.
    ///
    /// # Errors
    /// If the file is missing or damaged, contains neither array, an array has an unexpected shape or type,
    /// or no sample is left.
    pub fn open(path: &Path, options: Options) -> Result<Self> {
        let mut archive = Archive::open(path)?;
        let names = archive.names()?;
        let mut array = |name: &str, expected: &str| -> Result<Option<ArrayD<u8>>> {
            if !names.iter().any(|n| n == name) {
                return Ok(None);
            }
            match archive.bytes(name)? {
                Some(array) => Ok(Some(array)),
                None => Err(Error::input(
                    path,
                    format!("array {name:?} does not hold whole numbers from 0 to 255, expected {expected}"),
                )),
            }
        };
        let training = array(TRAINING, "(n, 2, height, width) bytes")?;
        let test = array(TEST, "(n, height, width) bytes")?;
        if training.is_none() && test.is_none() {
            let what = format!("has no array {TRAINING:?} or {TEST:?}; it has {}", folder::some_of(&names));
            return Err(Error::input(path, what));
        }
        let wrong = |name: &str, shape: &[usize], expected: &str| {
            Error::input(path, format!("array {name:?} has shape {shape:?}, expected {expected}"))
        };
        let training = training.unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0, 2, 1, 1])));
        let shape = training.shape().to_vec();
        let training = training
            .into_dimensionality::<Ix4>()
            .ok()
            .filter(|array| array.dim().1 == 2 && array.dim().2 > 0 && array.dim().3 > 0)
            .ok_or_else(|| wrong(TRAINING, &shape, "(n, 2, height, width): image and mask"))?;
        let test = test.unwrap_or_else(|| ArrayD::zeros(IxDyn(&[0, 1, 1])));
        let shape = test.shape().to_vec();
        let test = test
            .into_dimensionality::<Ix3>()
            .ok()
            .filter(|array| array.dim().1 > 0 && array.dim().2 > 0)
            .ok_or_else(|| wrong(TEST, &shape, "(n, height, width)"))?;
        let mut stack =
            Self { path: path.to_path_buf(), training, test, samples: Vec::new(), warnings: Vec::new() };
        stack.select(&options);
        match stack.samples.is_empty() {
            true => Err(nothing_usable(path, "image with a mask", &stack.warnings)),
            false => Ok(stack),
        }
    }

    fn select(&mut self, options: &Options) {
        for index in 0..self.training.len_of(Axis(0)) {
            let largest = self.mask(index).iter().copied().max().unwrap_or(0);
            if largest < options.classes {
                self.samples.push(Position::Training(index));
            } else {
                let what = format!(
                    "mask {index} of {TRAINING:?} holds {largest}, but the classes are 0 to {}; left out",
                    options.classes.saturating_sub(1)
                );
                self.warnings.push(Warning::new(&self.path, what));
            }
        }
        let test = self.test.len_of(Axis(0));
        match options.unlabelled {
            Unlabelled::Keep => self.samples.extend((0..test).map(Position::Test)),
            Unlabelled::LeaveOut if test > 0 => {
                let what = format!("the {test} images of {TEST:?} have no mask; left out");
                self.warnings.push(Warning::new(&self.path, what));
            }
            Unlabelled::LeaveOut => {}
        }
    }

    /// Warnings from opening.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Number of samples.
    #[expect(clippy::len_without_is_empty, reason = "an empty source is refused when it is opened")]
    pub fn len(&self) -> usize {
        self.samples.len()
    }

    /// One sample; the image is divided by 255.
    ///
    /// # Errors
    /// Never fails, because all data is in memory; the other formats read files here.
    ///
    /// # Panics
    /// When `index` is not below [`len`](Self::len).
    pub fn sample(&self, index: usize) -> Result<AnnotatedImage> {
        let (id, bytes, mask) = match self.samples[index] {
            Position::Training(i) => {
                (format!("training/{i:05}"), self.image(i), Some(self.mask(i).to_owned()))
            }
            Position::Test(i) => (format!("test/{i:05}"), self.test.index_axis(Axis(0), i), None),
        };
        let image: Array2<f32> = bytes.mapv(|v| f32::from(v) / 255.0);
        Ok(AnnotatedImage {
            group: id.clone(),
            id,
            original_shape: image.dim(),
            image: image.insert_axis(Axis(0)),
            mask,
            spacing_mm: None,
        })
    }

    /// Number of images with masks in the file, including those left out.
    pub fn training_len(&self) -> usize {
        self.training.len_of(Axis(0))
    }

    /// Image `index` of the training set.
    pub(super) fn image(&self, index: usize) -> ArrayView2<'_, u8> {
        self.training.slice(s![index, 0, .., ..])
    }

    /// Mask `index` of the training set.
    pub(super) fn mask(&self, index: usize) -> ArrayView2<'_, u8> {
        self.training.slice(s![index, 1, .., ..])
    }

    /// Writes the archive without the training samples in `removed`, atomically. The test set is unchanged.
    ///
    /// # Errors
    /// If no sample would be left or the file cannot be written.
    pub fn write_without(&self, removed: &[usize], path: &Path) -> Result<()> {
        let kept: Vec<usize> = (0..self.training_len()).filter(|index| !removed.contains(index)).collect();
        if kept.is_empty() {
            return Err(Error::input(
                &self.path,
                "all training samples are to be removed; nothing would be left",
            ));
        }
        write(path, &self.training.select(Axis(0), &kept), &self.test)
    }
}

/// Writes an archive atomically. An empty test set is not written.
///
/// # Shapes
/// `training`: (n, 2, height, width); `test`: (n, height, width).
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, training: &Array4<u8>, test: &Array3<u8>) -> Result<()> {
    atomic::write_with(path, |temporary| {
        let failed = |e: ndarray_npy::WriteNpzError| Error::output(path, e);
        let file = File::create(temporary).map_err(|e| Error::output(path, e))?;
        let mut writer = NpzWriter::new_compressed(file);
        writer.add_array(TRAINING, training).map_err(failed)?;
        if !test.is_empty() {
            writer.add_array(TEST, test).map_err(failed)?;
        }
        writer.finish().map_err(failed).map(drop)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(add: impl FnOnce(&mut NpzWriter<File>)) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mars.npz");
        let mut writer = NpzWriter::new_compressed(File::create(&path).unwrap());
        add(&mut writer);
        writer.finish().unwrap();
        (folder, path)
    }

    /// Sample k has image values 10 k + column and a mask of class k.
    fn stack(samples: usize) -> Array4<u8> {
        Array4::from_shape_fn((samples, 2, 2, 3), |(k, part, _, x)| match part {
            0 => (10 * k + x) as u8,
            _ => k as u8,
        })
    }

    #[test]
    fn images_are_divided_by_255_and_masks_are_classes() {
        let (_folder, path) = archive(|w| {
            w.add_array(TRAINING, &stack(2)).unwrap();
            w.add_array(TEST, &Array3::<u8>::from_elem((1, 2, 3), 51)).unwrap();
        });
        let keep = Options { unlabelled: Unlabelled::Keep, ..Options::default() };
        let source = NpzStack::open(&path, keep).unwrap();
        assert_eq!((source.len(), source.warnings()), (3, &[][..]));
        let sample = source.sample(1).unwrap();
        assert_eq!((sample.id.as_str(), sample.image[[0, 1, 2]]), ("training/00001", 12.0 / 255.0));
        assert!(sample.mask.unwrap().iter().all(|&class| class == 1));
        let test = source.sample(2).unwrap();
        assert_eq!((test.id.as_str(), test.image[[0, 0, 0]], test.mask), ("test/00000", 0.2, None));
    }

    #[test]
    fn a_mask_beyond_the_classes_is_left_out_and_named() {
        let (_folder, path) = archive(|w| w.add_array(TRAINING, &stack(4)).unwrap());
        let source = NpzStack::open(&path, Options { classes: 3, ..Options::default() }).unwrap();
        assert_eq!(source.len(), 3);
        let warning = source.warnings()[0].to_string();
        assert!(warning.contains("mars.npz: mask 3") && warning.contains("holds 3"), "{warning}");
    }

    #[test]
    fn whole_numbers_of_any_type_read_alike_and_others_are_refused() {
        let (_folder, path) = archive(|w| w.add_array(TRAINING, &stack(2).mapv(i64::from)).unwrap());
        assert_eq!(NpzStack::open(&path, Options::default()).unwrap().training, stack(2));
        let (_folder, path) = archive(|w| w.add_array(TRAINING, &stack(2).mapv(f32::from)).unwrap());
        assert_eq!(NpzStack::open(&path, Options::default()).unwrap().training, stack(2));
        let refused = |array: ArrayD<f32>, wanted: &str| {
            let (_folder, path) = archive(|w| w.add_array(TRAINING, &array).unwrap());
            let error = NpzStack::open(&path, Options::default()).unwrap_err().to_string();
            assert!(error.contains("mars.npz") && error.contains(wanted), "{error}");
        };
        refused(ArrayD::from_elem(IxDyn(&[1, 2, 2, 2]), 0.5), "whole numbers");
        refused(ArrayD::zeros(IxDyn(&[1, 3, 2, 2])), "has shape [1, 3, 2, 2]");
        refused(ArrayD::zeros(IxDyn(&[1, 2, 2])), "has shape [1, 2, 2]");
        refused(ArrayD::zeros(IxDyn(&[0, 2, 2, 2])), "holds no image with a mask");
    }

    #[test]
    fn another_archive_is_refused_by_what_it_has() {
        let (_folder, path) = archive(|w| w.add_array("frames", &stack(1)).unwrap());
        let error = NpzStack::open(&path, Options::default()).unwrap_err().to_string();
        assert!(error.contains("it has frames"), "{error}");
        std::fs::write(&path, "PK but not really").unwrap();
        let error = NpzStack::open(&path, Options::default()).unwrap_err().to_string();
        assert!(error.contains("not a readable npz"), "{error}");
    }

    #[test]
    fn a_clean_archive_lacks_what_was_removed() {
        let (_folder, path) = archive(|w| w.add_array(TRAINING, &stack(3)).unwrap());
        let source = NpzStack::open(&path, Options::default()).unwrap();
        let clean = path.with_file_name("clean.npz");
        source.write_without(&[1], &clean).unwrap();
        let read = NpzStack::open(&clean, Options::default()).unwrap();
        assert_eq!(read.training, stack(3).select(Axis(0), &[0, 2]));
        assert!(
            source
                .write_without(&[0, 1, 2], &clean)
                .unwrap_err()
                .to_string()
                .contains("nothing would be left")
        );
    }
}
