//! What follows from the counts of images: values of the set and of groups, means over images.

use std::collections::{BTreeMap, HashMap};

use porecast_imaging::measure::{ConfusionMatrix, ScoreHistogram};
use porecast_store::document::Document;
use porecast_store::run::{SegmentationCard, SegmentationRunCard};
use porecast_store::{Dataset, SegmentationDataset};
use serde::{Deserialize, Serialize};

use super::measure::Measure;
use super::score::ImageScore;
use super::source::Source;
use crate::evaluate::intervals::{mean, mean_difference};
use crate::metric::Interval;

/// What `scores.json` holds of masks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Scores {
    /// [`Dataset::SCORES`].
    pub format: String,
    /// Version of this schema.
    pub version: u32,
    /// Who predicted.
    pub source: String,
    /// The run that predicted, as it was when scored.
    pub run: Option<SegmentationRunCard>,
    /// The dataset that was scored on.
    pub dataset: SegmentationCard,
    /// Classes that means are taken over: neither the background nor excluded from the loss.
    pub scored_classes: Vec<u8>,
    /// Notes for the reader.
    pub notes: Vec<String>,
    /// Scores of each part of the split that was predicted.
    pub parts: Vec<PartScores>,
}

/// Scores of one part of the split.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PartScores {
    /// `train`, `validation`, `test`, or `all` for images without a split.
    pub part: String,
    /// The prediction first, then the baselines.
    pub sources: Vec<MaskScores>,
    /// Images that were left out because they have no mask.
    pub without_mask: usize,
    /// Pixels by probability and truth, where there are two classes.
    pub histogram: Option<ScoreHistogram>,
}

/// Scores of one source on one part.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaskScores {
    /// Who made the masks.
    pub source: Source,
    /// Scores of each image.
    pub images: Vec<ImageScore>,
}

/// Hausdorff distances of a class over images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Distances {
    /// Mean in millimetres.
    pub mean_mm: f64,
    /// Median in millimetres; between the two in the middle of an even number.
    pub median_mm: f64,
    /// Images with a distance.
    pub images: usize,
}

impl Document for Scores {
    const FORMAT: &'static str = SegmentationDataset::SCORES;
    const VERSION: u32 = 1;
    const COMMAND: &'static str = "porecast evaluate";
}

impl Scores {
    /// Scores of a part, if it was scored.
    pub fn part(&self, name: &str) -> Option<&PartScores> {
        self.parts.iter().find(|part| part.part == name)
    }

    /// The part that says how good the prediction is: the test images, else the validation images, else the first.
    pub fn main_part(&self) -> Option<&PartScores> {
        self.part("test").or_else(|| self.part("validation")).or(self.parts.first())
    }

    /// Names of the classes that means are taken over.
    pub fn scored_names(&self) -> Vec<&str> {
        self.scored_classes.iter().map(|&class| self.dataset.classes[usize::from(class)].as_str()).collect()
    }

    /// Whether images belong to groups of more than one.
    pub fn has_groups(&self) -> bool {
        let images = self.parts.iter().flat_map(|part| &part.sources).flat_map(|source| &source.images);
        let mut first: HashMap<&str, &str> = HashMap::new();
        images.into_iter().any(|image| *first.entry(&image.group).or_insert(&image.id) != image.id)
    }
}

impl PartScores {
    /// Identifiers of the images.
    pub fn ids(&self) -> Vec<&str> {
        let images = self.sources.first().map_or(&[][..], |source| &source.images);
        images.iter().map(|image| image.id.as_str()).collect()
    }

    /// The masks as they are delivered: after post-processing, where that changes anything.
    pub fn main(&self) -> Option<&MaskScores> {
        self.source(Source::Postprocessed).or_else(|| self.source(Source::Network))
    }

    /// Scores of a source, if it has any.
    pub fn source(&self, source: Source) -> Option<&MaskScores> {
        self.sources.iter().find(|scores| scores.source == source)
    }
}

impl MaskScores {
    /// Pixels of the whole set.
    pub fn total(&self) -> Option<ConfusionMatrix> {
        sum(self.images.iter())
    }

    /// Images and pixels of each group.
    pub fn groups(&self) -> BTreeMap<&str, (usize, ConfusionMatrix)> {
        let mut groups: BTreeMap<&str, Vec<&ImageScore>> = BTreeMap::new();
        self.images.iter().for_each(|image| groups.entry(&image.group).or_default().push(image));
        let summed = |images: Vec<&ImageScore>| Some((images.len(), sum(images.into_iter())?));
        groups.into_iter().filter_map(|(group, images)| Some((group, summed(images)?))).collect()
    }

    /// A measure of each image.
    pub fn of_images(&self, measure: Measure, scored_classes: &[u8]) -> Vec<f64> {
        self.images.iter().map(|image| measure.of(&image.counts, scored_classes)).collect()
    }

    /// Mean of a measure over images.
    pub fn mean(&self, measure: Measure, scored_classes: &[u8]) -> Option<Interval> {
        mean(&self.of_images(measure, scored_classes))
    }

    /// Mean of a measure over groups, each by the counts of its images.
    pub fn mean_over_groups(&self, measure: Measure, scored_classes: &[u8]) -> Option<Interval> {
        let values: Vec<f64> =
            self.groups().values().map(|(_, counts)| measure.of(counts, scored_classes)).collect();
        mean(&values)
    }

    /// How much a measure is larger here than in `other`, image by image. `None` without an image that both have.
    pub fn difference(&self, other: &Self, measure: Measure, scored_classes: &[u8]) -> Option<Interval> {
        let value = |image: &ImageScore| measure.of(&image.counts, scored_classes);
        let ours = self.images.iter().map(|image| (image.id.as_str(), value(image)));
        let theirs = other.images.iter().map(|image| (image.id.as_str(), value(image)));
        mean_difference(ours, theirs)
    }

    /// Hausdorff distances of a class; none where no image has one.
    pub fn distances(&self, class: u8) -> Option<Distances> {
        let mut found: Vec<f64> =
            self.images.iter().filter_map(|image| image.hausdorff_mm.get(&class).copied()).collect();
        found.sort_unstable_by(f64::total_cmp);
        let (n, middle) = (found.len(), found.len() / 2);
        (n > 0).then(|| Distances {
            mean_mm: found.iter().sum::<f64>() / n as f64,
            median_mm: if n % 2 == 1 { found[middle] } else { (found[middle - 1] + found[middle]) / 2.0 },
            images: n,
        })
    }
}

fn sum<'a>(mut images: impl Iterator<Item = &'a ImageScore>) -> Option<ConfusionMatrix> {
    let first = images.next()?.counts.clone();
    Some(images.fold(first, |mut total, image| {
        total += &image.counts;
        total
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    fn image(id: &str, group: &str, truth: Array2<u8>, distance: Option<f64>) -> ImageScore {
        let mut counts = ConfusionMatrix::new(2);
        let predicted = array![[1, 1], [0, 0]];
        counts.count(predicted.view(), truth.view(), Array2::from_elem((2, 2), true).view());
        ImageScore {
            id: id.into(),
            group: group.into(),
            counts,
            hausdorff_mm: distance.map(|mm| (1, mm)).into_iter().collect(),
        }
    }

    fn source() -> MaskScores {
        let images = vec![
            image("a", "p", array![[1, 1], [0, 0]], Some(1.0)),
            image("b", "p", array![[1, 0], [1, 0]], Some(4.0)),
            image("c", "q", array![[0, 0], [1, 1]], Some(2.5)),
            image("d", "q", array![[0, 0], [0, 0]], None),
        ];
        MaskScores { source: Source::Network, images }
    }

    #[test]
    fn the_set_is_the_sum_of_its_images_and_of_its_groups() {
        let source = source();
        let total = source.total().unwrap();
        assert_eq!(total.class(1), source.images.iter().map(|image| image.counts.class(1)).sum());
        let groups = source.groups();
        assert_eq!(total.class(1), groups.values().map(|(_, counts)| counts.class(1)).sum());
        // True positives 2, 1, 0, 0 of 8 predicted and 6 true pixels.
        assert_eq!(Measure::Dice.of(&total, &[1]), 6.0 / 14.0);
        assert_eq!(source.of_images(Measure::Dice, &[1]), [1.0, 0.5, 0.0, 0.0]);
        assert_eq!(source.mean(Measure::Dice, &[1]).unwrap().mean, 0.375);
        assert_eq!(source.mean_over_groups(Measure::Dice, &[1]).unwrap().mean, (0.75 + 0.0) / 2.0);
    }

    #[test]
    fn distances_have_a_mean_and_a_median() {
        let mut source = source();
        let found = source.distances(1).unwrap();
        assert_eq!((found.mean_mm, found.median_mm, found.images), (2.5, 2.5, 3));
        source.images.remove(0);
        assert_eq!(source.distances(1).unwrap().median_mm, 3.25);
        assert_eq!(source.distances(0), None);
    }

    #[test]
    fn differences_are_taken_image_by_image() {
        let (ours, mut theirs) = (source(), source());
        theirs.images.reverse();
        assert_eq!(
            ours.difference(&theirs, Measure::Dice, &[1]).unwrap(),
            Interval { mean: 0.0, low: 0.0, high: 0.0 }
        );
        theirs.images.clear();
        assert_eq!(ours.difference(&theirs, Measure::Dice, &[1]), None);
    }
}
