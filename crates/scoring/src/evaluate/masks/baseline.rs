//! The mean mask: the most frequent class of each pixel.

use std::collections::HashMap;

use ndarray::{Array2, Array3, Axis};

use super::Plan;
use porecast_base::Result;
use porecast_store::{Dataset, SegmentationDataset};

/// The class most frequent in each pixel over the images that a network was trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct MeanMasks {
    /// Over all training images.
    all: Array2<u8>,
    /// Over those of each fold.
    folds: Vec<Array2<u8>>,
    /// The fold that an image is validated on, where there are several.
    fold_of: HashMap<String, usize>,
}

impl MeanMasks {
    /// Reads the training masks of a run; `None` where they are missing or have no mask.
    pub(super) fn of(plan: &Plan) -> Result<Option<Self>> {
        let (Some((_, card)), Some(training)) = (&plan.run, &plan.training) else { return Ok(None) };
        let split = &card.split;
        let mut counts = Counts::new(training);
        counts.add(training, &split.train)?;
        // A single fold is the validation part. Of several folds, each is training data for the networks of the others.
        let folds = if split.folds.len() > 1 { split.folds.as_slice() } else { &[] };
        for fold in folds {
            counts.add(training, fold)?;
        }
        if counts.images == 0 {
            return Ok(None);
        }
        let mut means = Self { all: counts.most_frequent(), folds: Vec::new(), fold_of: HashMap::new() };
        // An image of another dataset belongs to no fold, even if it has the same name.
        for (number, ids) in folds.iter().enumerate().filter(|_| plan.is_own) {
            let mut own = Counts::new(training);
            own.add(training, ids)?;
            means.folds.push(counts.without(&own).most_frequent());
            means.fold_of.extend(ids.iter().map(|id| (id.clone(), number)));
        }
        Ok(Some(means))
    }

    /// The mean mask for an image.
    pub(super) fn of_image(&self, id: &str) -> &Array2<u8> {
        self.fold_of.get(id).map_or(&self.all, |&fold| &self.folds[fold])
    }
}

/// Images of each class in each pixel, `[class, y, x]`.
struct Counts {
    counts: Array3<u32>,
    images: usize,
}

impl Counts {
    fn new(dataset: &SegmentationDataset) -> Self {
        let (_, height, width) = dataset.shape();
        Self { counts: Array3::zeros((dataset.classes().len(), height, width)), images: 0 }
    }

    fn add(&mut self, dataset: &SegmentationDataset, ids: &[String]) -> Result<()> {
        for id in ids {
            let place = dataset.place(id)?;
            if !dataset.has_mask()[place] {
                continue;
            }
            for (pixel, &class) in dataset.sample(place)?.mask.iter().flat_map(|mask| mask.indexed_iter()) {
                self.counts[(usize::from(class), pixel.0, pixel.1)] += 1;
            }
            self.images += 1;
        }
        Ok(())
    }

    fn without(&self, other: &Self) -> Self {
        Self { counts: &self.counts - &other.counts, images: self.images - other.images }
    }

    /// The most frequent class of each pixel, the first of equals.
    fn most_frequent(&self) -> Array2<u8> {
        self.counts.map_axis(Axis(0), |counts| {
            let best = counts.iter().enumerate().rev().max_by_key(|(_, count)| **count);
            best.map_or(0, |(class, _)| class as u8)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    #[test]
    fn the_first_of_equally_frequent_classes_is_the_mean() {
        let counts = Counts { counts: array![[[1, 0, 2]], [[1, 3, 0]], [[1, 0, 3]]], images: 3 };
        assert_eq!(counts.most_frequent(), array![[0, 1, 2]]);
    }
}
