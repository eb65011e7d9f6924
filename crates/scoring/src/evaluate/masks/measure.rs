//! The measures of a predicted mask, as one list: tables, files and figures are loops over it.

use porecast_imaging::measure::{Confusion, ConfusionMatrix};

/// A measure of counts: of one image, of a group, or of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Measure {
    /// Dice coefficient.
    Dice,
    /// Intersection over union.
    Iou,
    /// True positives over predicted positives.
    Precision,
    /// True positives over actual positives.
    Recall,
    /// Share of the pixels whose class is right, background and excluded classes included.
    PixelAccuracy,
}

impl Measure {
    /// All measures, in the order of the tables.
    pub const ALL: [Self; 5] = [Self::Dice, Self::Iou, Self::Precision, Self::Recall, Self::PixelAccuracy];

    /// Name in files: a column of CSV.
    pub fn key(self) -> &'static str {
        match self {
            Self::Dice => "dice",
            Self::Iou => "iou",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::PixelAccuracy => "pixel_accuracy",
        }
    }

    /// Heading in tables for readers.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Dice => "Dice",
            Self::Iou => "IoU",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::PixelAccuracy => "pixel accuracy",
        }
    }

    /// What it is, in a sentence for readers.
    pub fn explanation(self) -> &'static str {
        match self {
            Self::Dice => "twice the intersection over the sum of both regions",
            Self::Iou => "intersection over union of both regions",
            Self::Precision => "share of the predicted region that is true; 1 when nothing is predicted",
            Self::Recall => "share of the true region that is predicted; 1 when the truth is empty",
            Self::PixelAccuracy => {
                "share of the pixels whose class is right, the background and excluded classes included"
            }
        }
    }

    /// Value for one class against all others.
    pub fn of_class(self, counts: &Confusion) -> f64 {
        match self {
            Self::Dice => counts.dice(),
            Self::Iou => counts.iou(),
            Self::Precision => counts.precision(),
            Self::Recall => counts.recall(),
            Self::PixelAccuracy => counts.accuracy(),
        }
    }

    /// Value over classes: the mean over those of `scored_classes` that occur in truth or prediction, and 1 if none
    /// occurs.
    pub fn of(self, counts: &ConfusionMatrix, scored_classes: &[u8]) -> f64 {
        if self == Self::PixelAccuracy {
            return counts.pixel_accuracy();
        }
        let values: Vec<f64> = scored_classes
            .iter()
            .map(|&class| counts.class(class))
            .filter(Confusion::occurs)
            .map(|counts| self.of_class(&counts))
            .collect();
        if values.is_empty() { 1.0 } else { values.iter().sum::<f64>() / values.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::{Array2, array};

    #[test]
    fn means_run_over_the_scored_classes_that_occur() {
        let mut counts = ConfusionMatrix::new(4);
        let truth = array![[0, 1], [1, 2]];
        let predicted = array![[0, 1], [0, 2]];
        counts.count(predicted.view(), truth.view(), Array2::from_elem((2, 2), true).view());
        assert_eq!(Measure::Iou.of(&counts, &[1, 2, 3]), (0.5 + 1.0) / 2.0);
        assert_eq!(Measure::Iou.of(&counts, &[1, 2, 3]), counts.mean_iou(&[0]).unwrap());
        assert_eq!(Measure::Dice.of(&counts, &[1, 3]), 2.0 / 3.0);
        assert_eq!(Measure::Recall.of(&counts, &[1]), 0.5);
        assert_eq!(Measure::Precision.of(&counts, &[1]), 1.0);
        assert_eq!(Measure::Dice.of(&counts, &[3]), 1.0);
        assert_eq!(Measure::PixelAccuracy.of(&counts, &[1]), 0.75);
    }
}
