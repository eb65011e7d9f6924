//! The score of one predicted mask.

use std::collections::BTreeMap;

use ndarray::Array2;
use porecast_imaging::AnnotatedImage;
use porecast_imaging::measure::{ConfusionMatrix, hausdorff_mm, outline};
use serde::{Deserialize, Serialize};

/// What was counted and measured in one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageScore {
    /// Identifier of the image.
    pub id: String,
    /// What it belongs to: a patient, or itself.
    pub group: String,
    /// Pixels by true and predicted class.
    pub counts: ConfusionMatrix,
    /// Hausdorff distance in millimetres between the outlines of each scored class; absent where the size of a pixel
    /// is not known, or truth or prediction lacks the class.
    pub hausdorff_mm: BTreeMap<u8, f64>,
}

impl ImageScore {
    /// Scores `predicted` against `truth`, the mask of `sample`; both hold classes below `classes`.
    ///
    /// # Panics
    /// The shapes differ, or a class is too large.
    pub(super) fn new(
        sample: &AnnotatedImage,
        truth: &Array2<u8>,
        predicted: &Array2<u8>,
        classes: usize,
        scored_classes: &[u8],
    ) -> Self {
        let mut counts = ConfusionMatrix::new(classes);
        counts.count(predicted.view(), truth.view(), Array2::from_elem(truth.dim(), true).view());
        let distance = |class: u8| {
            let spacing_mm = spacing_mm(sample)?;
            if !in_both(&counts, class) {
                return None;
            }
            let border = |mask: &Array2<u8>| outline(mask.mapv(|c| c == class).view());
            Some((class, hausdorff_mm(border(truth).view(), border(predicted).view(), spacing_mm)?))
        };
        Self {
            id: sample.id.clone(),
            group: sample.group.clone(),
            hausdorff_mm: scored_classes.iter().filter_map(|&class| distance(class)).collect(),
            counts,
        }
    }
}

fn in_both(counts: &ConfusionMatrix, class: u8) -> bool {
    let counts = counts.class(class);
    counts.true_positive + counts.false_negative > 0 && counts.true_positive + counts.false_positive > 0
}

/// Height and width in millimetres of a pixel as stored: an image that was made smaller has larger pixels.
fn spacing_mm(sample: &AnnotatedImage) -> Option<(f64, f64)> {
    let (dy, dx) = sample.spacing_mm?;
    let ((original_height, original_width), (height, width)) = (sample.original_shape, sample.shape());
    Some((dy * original_height as f64 / height as f64, dx * original_width as f64 / width as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array3, array};

    fn sample(spacing_mm: Option<(f64, f64)>) -> AnnotatedImage {
        AnnotatedImage {
            id: "a".into(),
            group: "g".into(),
            image: Array3::zeros((1, 2, 3)),
            mask: None,
            original_shape: (4, 12),
            spacing_mm,
        }
    }

    #[test]
    fn distances_are_of_the_pixels_that_were_stored() {
        // Twice as high and four times as wide as in the file: 3 mm and 2 mm.
        let sample = sample(Some((1.5, 0.5)));
        let truth = array![[1, 0, 0], [0, 0, 0]];
        let score = |predicted| ImageScore::new(&sample, &truth, &predicted, 3, &[1, 2]).hausdorff_mm;
        assert_eq!(score(array![[0, 0, 0], [1, 0, 0]]), BTreeMap::from([(1, 3.0)]));
        assert_eq!(score(array![[0, 0, 1], [0, 0, 0]]), BTreeMap::from([(1, 4.0)]));
        assert_eq!(score(array![[0, 0, 0], [0, 0, 1]]), BTreeMap::from([(1, 5.0)]));
    }

    #[test]
    fn without_a_class_or_a_size_there_is_no_distance() {
        let truth = array![[1, 0, 0], [0, 0, 0]];
        let known = sample(Some((1.0, 1.0)));
        let none = BTreeMap::new();
        let empty = Array2::zeros((2, 3));
        assert_eq!(ImageScore::new(&known, &truth, &empty, 2, &[1]).hausdorff_mm, none);
        assert_eq!(ImageScore::new(&known, &empty, &empty, 2, &[1]).hausdorff_mm, none);
        assert_eq!(ImageScore::new(&sample(None), &truth, &truth, 2, &[1]).hausdorff_mm, none);
        assert_eq!(ImageScore::new(&known, &truth, &truth, 2, &[1]).hausdorff_mm, BTreeMap::from([(1, 0.0)]));
    }
}
