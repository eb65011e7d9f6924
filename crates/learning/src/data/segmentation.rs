//! Batches of annotated images, read on demand and augmented on all processors.

use ndarray::{Array3, ArrayViewMut2, Axis};
use porecast_imaging::AnnotatedImage;
use porecast_imaging::augment::{AugmentConfig, Moment, Patch, augment, patches};
use rayon::prelude::*;

use super::order::Pick;
use super::{Mirror, Samples};
use crate::sample::HostBatch;
use porecast_base::{Error, Result};
use porecast_store::SegmentationDataset;
use porecast_store::config::segmentation::Normalization;

/// Means and standard deviations of red, green and blue over ImageNet, for values from 0 to 1.
const IMAGENET: [(f32, f32); 3] = [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)];
/// Smallest standard deviation that a channel is divided by.
const LEAST_DEVIATION: f32 = 1e-3;

/// The images of a dataset.
#[derive(Debug, Clone)]
pub struct SegmentationData {
    dataset: SegmentationDataset,
    augment: AugmentConfig,
    normalization: Normalization,
    patches: Vec<Patch>,
    seed: u64,
    epochs: usize,
}

impl SegmentationData {
    /// Prepares a dataset for a training of `epochs` epochs; copy-paste draws from the images of
    /// `train`.
    ///
    /// # Errors
    /// An image cannot be read, or `normalization` needs three channels and the images have another
    /// number.
    pub fn new(
        dataset: SegmentationDataset,
        train: &[usize],
        augment: AugmentConfig,
        normalization: Normalization,
        seed: u64,
        epochs: usize,
    ) -> Result<Self> {
        check_channels(&dataset, normalization)?;
        let mut found = Vec::new();
        if augment.copy_paste.probability > 0.0 {
            for &index in train {
                found.extend(patches(&dataset.sample(index)?, &augment.copy_paste));
            }
        }
        Ok(Self { dataset, augment, normalization, patches: found, seed, epochs })
    }

    /// Pixel counts of each class in the masks of the given images.
    ///
    /// # Errors
    /// A mask cannot be read.
    pub fn class_counts(&self, images: &[usize]) -> Result<Vec<u64>> {
        let mut counts = vec![0; self.dataset.classes().len()];
        for &index in images {
            if let Some(of_image) = self.dataset.class_counts(index)? {
                counts.iter_mut().zip(of_image).for_each(|(sum, count)| *sum += count);
            }
        }
        Ok(counts)
    }

    fn sample(&self, pick: &Pick) -> Result<AnnotatedImage> {
        let mut sample = self.dataset.sample(pick.domain)?;
        if let Some(epoch) = pick.epoch {
            let moment = Moment { seed: self.seed, epoch, epochs: self.epochs, index: pick.domain };
            augment(&self.augment, &self.patches, &mut sample, moment);
        }
        normalize(&mut sample.image, self.normalization);
        Ok(sample)
    }
}

/// Refuses images whose number of channels does not suit the normalisation.
///
/// # Errors
/// `normalization` needs three channels and the images have another number.
pub fn check_channels(dataset: &SegmentationDataset, normalization: Normalization) -> Result<()> {
    let channels = dataset.shape().0;
    if normalization == Normalization::Imagenet && channels != IMAGENET.len() {
        return Err(Error::config(
            "normalization",
            format!("\"imagenet\" is for three channels; {} has {channels}", dataset.path().display()),
        ));
    }
    Ok(())
}

/// Normalises an image `[channel, y, x]` in place.
pub fn normalize(image: &mut Array3<f32>, normalization: Normalization) {
    let scale = |mut plane: ArrayViewMut2<'_, f32>, mean: f32, deviation: f32| {
        plane.mapv_inplace(|value| (value - mean) / deviation);
    };
    match normalization {
        Normalization::None => {}
        Normalization::Imagenet => {
            for (plane, (mean, deviation)) in image.axis_iter_mut(Axis(0)).zip(IMAGENET) {
                scale(plane, mean, deviation);
            }
        }
        Normalization::Image => {
            for plane in image.axis_iter_mut(Axis(0)) {
                let mean = plane.mean().unwrap_or(0.0);
                let deviation = plane.std(0.0).max(LEAST_DEVIATION);
                scale(plane, mean, deviation);
            }
        }
    }
}

impl Samples for SegmentationData {
    fn batch(&self, picks: &[Pick]) -> Result<HostBatch> {
        let (channels, height, width) = self.dataset.shape();
        let samples: Vec<_> = picks.par_iter().map(|pick| self.sample(pick)).collect::<Result<_>>()?;
        let mut batch = HostBatch {
            domains: picks.len(),
            input_shape: [channels, height, width],
            input: Vec::with_capacity(picks.len() * channels * height * width),
            physics: Vec::new(),
            times: vec![0.0; picks.len()],
            target: Vec::with_capacity(picks.len() * height * width),
            scored: Vec::with_capacity(picks.len() * height * width),
            names: Vec::new(),
        };
        for sample in samples {
            batch.input.extend(sample.image.iter());
            let drawn = f32::from(u8::from(sample.mask.is_some()));
            match &sample.mask {
                Some(mask) => batch.target.extend(mask.iter().map(|&class| f32::from(class))),
                None => batch.target.extend(std::iter::repeat_n(0.0, height * width)),
            }
            batch.scored.extend(std::iter::repeat_n(drawn, height * width));
            batch.names.push(sample.id);
        }
        Ok(batch)
    }

    fn size(&self, _: usize) -> (usize, usize) {
        let (_, height, width) = self.dataset.shape();
        (height, width)
    }

    /// [`Mirror::None`]: the augmentation draws mirror images.
    fn mirror(&self) -> Mirror {
        Mirror::None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::Array2;
    use porecast_store::config::segmentation::Depth;
    use porecast_store::segmentation;

    #[test]
    fn an_augmented_batch_depends_on_seed_and_epoch_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("images.h5");
        let sample = |id: usize| AnnotatedImage {
            id: format!("image-{id}"),
            group: String::new(),
            image: Array3::from_shape_fn((1, 12, 16), |(_, y, x)| ((y * x + id) % 9) as f32 / 8.0),
            mask: (id != 2).then(|| Array2::from_shape_fn((12, 16), |(y, x)| u8::from(y * x > 40))),
            original_shape: (12, 16),
            spacing_mm: None,
        };
        let classes = ["sky", "rock"].map(String::from);
        segmentation::write(&path, &classes, "", Depth::Sixteen, |w| {
            (0..3).try_for_each(|id| w.push(&sample(id)))
        })
        .unwrap();
        let mut augment = AugmentConfig::default();
        augment.geometry.flip_horizontal = 0.5;
        augment.noise.probability = 1.0;
        augment.noise.sigma = 0.1;
        let dataset = SegmentationDataset::open(&path).unwrap();
        let data = SegmentationData::new(dataset, &[0, 1], augment, Normalization::Image, 3, 5).unwrap();
        let batch = |epoch| {
            let pick = |domain| Pick { domain, frames: vec![0], mirror: Mirror::None, epoch };
            data.batch(&[pick(0), pick(2)]).unwrap()
        };
        assert_eq!(batch(Some(1)), batch(Some(1)));
        assert_ne!(batch(Some(1)).input, batch(Some(2)).input);
        let plain = batch(None);
        assert_eq!(plain.names, ["image-0", "image-2"]);
        let first = &plain.input[..12 * 16];
        let mean = first.iter().sum::<f32>() / first.len() as f32;
        assert!(mean.abs() < 1e-5, "{mean}");
        assert!(
            plain.scored[..192].iter().all(|&s| s == 1.0) && plain.scored[192..].iter().all(|&s| s == 0.0)
        );
        assert_eq!(data.class_counts(&[0, 2]).unwrap().iter().sum::<u64>(), 192);
    }
}
